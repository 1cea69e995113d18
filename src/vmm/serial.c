/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vmm/bus.h"

struct berth_serial {
	const struct berth_serial_ops *ops; /* borrowed */
	void *opaque;			    /* borrowed */
	struct berth_bus *pio;		    /* borrowed */
	struct berth_bus_region *region;    /* owned */
	pthread_mutex_t lock;
	uint8_t ier, lcr, mcr, scr, dll, dlm;
	bool fifo_on;
	bool thr_pending; /* the "transmitter empty" interrupt is due; reading IIR or writing THR clears it */
	bool overrun;
	int level; /* of the interrupt line */
	uint8_t fifo[BERTH_SERIAL_FIFO];
	unsigned int head, len;
};

/* Highest pending interrupt in IIR's coding (PC16550D, table IV). */
static uint8_t pending(const struct berth_serial *s)
{
	if ((s->ier & UART_IER_RLSI) && s->overrun)
		return UART_IIR_RLSI;
	if ((s->ier & UART_IER_RDI) && s->len)
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->thr_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* Under the lock. On a PC the interrupt reaches the bus only through OUT2. */
static void update_irq(struct berth_serial *s)
{
	int level = pending(s) != UART_IIR_NO_INT && (s->mcr & UART_MCR_OUT2) &&
		    !(s->mcr & UART_MCR_LOOP);

	if (level == s->level)
		return;
	s->level = level;
	s->ops->irq(s->opaque, level);
}

static bool push(struct berth_serial *s, uint8_t byte)
{
	if (s->len == BERTH_SERIAL_FIFO)
		return false;
	s->fifo[(s->head + s->len++) % BERTH_SERIAL_FIFO] = byte;
	return true;
}

static uint8_t pop(struct berth_serial *s)
{
	uint8_t byte;

	if (s->len == 0)
		return 0;
	byte = s->fifo[s->head];
	s->head = (s->head + 1) % BERTH_SERIAL_FIFO;
	s->len--;
	return byte;
}

static uint8_t read_iir(struct berth_serial *s)
{
	uint8_t iir = pending(s);

	if (iir == UART_IIR_THRI)
		s->thr_pending = false;
	return iir | (s->fifo_on ? 0xc0 : 0);
}

static uint8_t read_lsr(struct berth_serial *s)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (s->len)
		lsr |= UART_LSR_DR;
	if (s->overrun)
		lsr |= UART_LSR_OE;
	s->overrun = false;
	return lsr;
}

/* Modem lines: a terminal that is always there; in loopback the outputs of MCR come back (PC16550D, 8.6.7). */
static uint8_t read_msr(const struct berth_serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static uint8_t read_register(struct berth_serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : pop(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_fcr(struct berth_serial *s, uint8_t value)
{
	bool on = value & UART_FCR_ENABLE_FIFO;

	if (on != s->fifo_on || (value & UART_FCR_CLEAR_RCVR))
		s->head = s->len = 0;
	s->fifo_on = on;
}

/* Return: true when @value is a byte for the outside. */
static bool write_thr(struct berth_serial *s, uint8_t value)
{
	s->thr_pending = true;
	if (!(s->mcr & UART_MCR_LOOP))
		return true;
	if (!push(s, value))
		s->overrun = true;
	return false;
}

static bool write_register(struct berth_serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (!dlab)
			return write_thr(s, value);
		s->dll = value;
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = value;
			break;
		}
		/* Enabling it while the transmitter is empty raises it at once; the 8250 driver counts on that. */
		if ((value & UART_IER_THRI) && !(s->ier & UART_IER_THRI))
			s->thr_pending = true;
		s->ier = value & 0x0f;
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		s->mcr = value & 0x1f;
		break;
	case UART_SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
	return false;
}

static void serial_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	struct berth_serial *s = opaque;
	unsigned int before;
	bool room;

	if (len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	before = s->len;
	*(uint8_t *)data = read_register(s, (unsigned int)offset);
	update_irq(s);
	room = s->len < before;
	pthread_mutex_unlock(&s->lock);
	if (room)
		s->ops->room(s->opaque);
}

static void serial_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_serial *s = opaque;
	uint8_t value = *(const uint8_t *)data;
	bool out;

	if (len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	out = write_register(s, (unsigned int)offset, value);
	if (!out)
		update_irq(s);
	pthread_mutex_unlock(&s->lock);
	if (!out)
		return;
	/* The byte first, then "empty": the guest's next byte comes only after this one is gone. */
	s->ops->output(s->opaque, value);
	pthread_mutex_lock(&s->lock);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

static const struct berth_bus_ops serial_ops = { serial_read, serial_write };

int berth_serial_new(struct berth_serial **ret, struct berth_bus *pio,
		     const struct berth_serial_ops *ops, void *opaque, struct berth_err *err)
{
	struct berth_serial *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&s->lock, NULL);
	s->ops = ops;
	s->opaque = opaque;
	s->pio = pio;
	s->dll = 1; /* 115200 baud */
	s->lcr = UART_LCR_WLEN8;
	s->mcr = UART_MCR_OUT2;
	r = berth_bus_add(pio, (struct berth_range){ BERTH_SERIAL_COM1, BERTH_SERIAL_NR_PORTS },
			  &serial_ops, s, &s->region, err);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void berth_serial_free(struct berth_serial *s)
{
	if (!s)
		return;
	berth_bus_remove(s->pio, s->region);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

size_t berth_serial_room(struct berth_serial *s)
{
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = BERTH_SERIAL_FIFO - s->len;
	/* In loopback the line is cut; writing MCR ends that, so the guest must look at its input then. */
	if (s->mcr & UART_MCR_LOOP)
		room = 0;
	pthread_mutex_unlock(&s->lock);
	return room;
}

size_t berth_serial_input(struct berth_serial *s, const uint8_t *data, size_t len)
{
	size_t nr = 0;

	pthread_mutex_lock(&s->lock);
	while (nr < len && push(s, data[nr]))
		nr++;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return nr;
}
