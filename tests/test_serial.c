/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <linux/serial_reg.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/bus.h"
#include "vmm/serial.h"

struct line {
	struct berth_bus *pio;
	struct berth_serial *serial;
	int level;
	unsigned int edges; /* rising */
	char sent[64];
	size_t nr_sent;
	unsigned int rooms;
	int level_at_output; /* the interrupt line while a byte went out */
};

static void on_irq(void *opaque, int level)
{
	struct line *l = opaque;

	assert_int_not_equal(l->level, level);
	l->level = level;
	l->edges += level > 0;
}

static void on_output(void *opaque, uint8_t byte)
{
	struct line *l = opaque;

	l->sent[l->nr_sent++] = (char)byte;
	l->level_at_output = l->level;
}

static void on_room(void *opaque)
{
	((struct line *)opaque)->rooms++;
}

static const struct berth_serial_ops ops = { on_irq, on_output, on_room };

static int setup(void **state)
{
	static struct line l;

	memset(&l, 0, sizeof(l));
	assert_int_equal(berth_bus_new(&l.pio, "pio"), 0);
	assert_int_equal(berth_serial_new(&l.serial, l.pio, &ops, &l, NULL), 0);
	*state = &l;
	return 0;
}

static int teardown(void **state)
{
	struct line *l = *state;

	berth_serial_free(l->serial);
	berth_bus_free(l->pio);
	return 0;
}

static uint8_t in(struct line *l, unsigned int reg)
{
	uint8_t value = 0;

	assert_true(berth_bus_read(l->pio, BERTH_SERIAL_COM1 + reg, 1, &value));
	return value;
}

static void out(struct line *l, unsigned int reg, uint8_t value)
{
	assert_true(berth_bus_write(l->pio, BERTH_SERIAL_COM1 + reg, 1, &value));
}

static void bytes_go_out_and_the_transmitter_is_always_empty(void **state)
{
	struct line *l = *state;

	for (const char *p = "hello"; *p; p++) {
		assert_int_equal(in(l, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
		out(l, UART_TX, (uint8_t)*p);
	}
	assert_string_equal(l->sent, "hello");
	assert_int_equal(l->edges, 0);
}

static void enabling_the_transmit_interrupt_raises_it_at_once(void **state)
{
	struct line *l = *state;

	out(l, UART_IER, UART_IER_THRI);
	assert_int_equal(l->level, 1);
	assert_int_equal(in(l, UART_IIR), UART_IIR_THRI);
	assert_int_equal(l->level, 0);
	assert_int_equal(in(l, UART_IIR), UART_IIR_NO_INT);
	/* the same value again is no new request */
	out(l, UART_IER, UART_IER_THRI);
	assert_int_equal(l->level, 0);
}

static void each_byte_sent_brings_the_transmit_interrupt_back(void **state)
{
	struct line *l = *state;

	out(l, UART_IER, UART_IER_THRI);
	in(l, UART_IIR);
	out(l, UART_TX, 'a');
	assert_int_equal(l->level_at_output, 0);
	assert_int_equal(l->level, 1);
	assert_int_equal(l->edges, 2);
	assert_int_equal(in(l, UART_IIR), UART_IIR_THRI);
}

static void input_raises_the_receive_interrupt_until_it_is_read(void **state)
{
	struct line *l = *state;

	out(l, UART_IER, UART_IER_RDI);
	assert_int_equal(l->level, 0);
	assert_int_equal(berth_serial_input(l->serial, (const uint8_t *)"xy", 2), 2);
	assert_int_equal(l->level, 1);
	assert_int_equal(in(l, UART_IIR), UART_IIR_RDI);
	assert_true(in(l, UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(l, UART_RX), 'x');
	assert_int_equal(l->level, 1);
	assert_int_equal(in(l, UART_RX), 'y');
	assert_int_equal(l->level, 0);
	assert_false(in(l, UART_LSR) & UART_LSR_DR);
	assert_int_equal(l->rooms, 2);
	assert_int_equal(in(l, UART_RX), 0);
	assert_int_equal(l->rooms, 2);
}

static void received_bytes_come_before_an_empty_transmitter(void **state)
{
	struct line *l = *state;

	out(l, UART_IER, UART_IER_RDI | UART_IER_THRI);
	berth_serial_input(l->serial, (const uint8_t *)"x", 1);
	assert_int_equal(in(l, UART_IIR), UART_IIR_RDI);
	in(l, UART_RX);
	assert_int_equal(l->level, 1);
	assert_int_equal(in(l, UART_IIR), UART_IIR_THRI);
	assert_int_equal(l->level, 0);
}

static void the_fifo_takes_sixteen_bytes_and_leaves_the_rest_with_the_caller(void **state)
{
	struct line *l = *state;

	assert_int_equal(berth_serial_room(l->serial), 16);
	assert_int_equal(berth_serial_input(l->serial, (const uint8_t *)"0123456789abcdefgh", 18),
			 16);
	assert_int_equal(berth_serial_room(l->serial), 0);
	assert_int_equal(in(l, UART_RX), '0');
	assert_int_equal(berth_serial_room(l->serial), 1);
	assert_int_equal(berth_serial_input(l->serial, (const uint8_t *)"gh", 2), 1);
	for (const char *p = "123456789abcdefg"; *p; p++)
		assert_int_equal(in(l, UART_RX), *p);
}

static void clearing_the_fifo_drops_input(void **state)
{
	struct line *l = *state;

	out(l, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(l, UART_IIR) & 0xc0, 0xc0);
	berth_serial_input(l->serial, (const uint8_t *)"x", 1);
	out(l, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_false(in(l, UART_LSR) & UART_LSR_DR);
}

/* How the 8250 driver tells that a port is there and what it is. */
static void the_driver_finds_a_16550a(void **state)
{
	struct line *l = *state;

	out(l, UART_IER, 0);
	assert_int_equal(in(l, UART_IER), 0);
	out(l, UART_IER, 0x0f);
	assert_int_equal(in(l, UART_IER) & 0x0f, 0x0f);
	out(l, UART_IER, 0);
	out(l, UART_MCR, UART_MCR_LOOP | 0x0a);
	assert_int_equal(in(l, UART_MSR) & 0xf0, 0x90);
	out(l, UART_MCR, 0);
	out(l, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(l, UART_IIR) >> 6, 3);
	out(l, UART_SCR, 0xa5);
	assert_int_equal(in(l, UART_SCR), 0xa5);
	/* no extra registers of a 16650 or 16750 */
	out(l, UART_LCR, UART_LCR_DLAB);
	out(l, UART_DLL, 0x0c);
	out(l, UART_DLM, 0x00);
	assert_int_equal(in(l, UART_DLL), 0x0c);
	assert_int_equal(in(l, UART_DLM), 0);
	out(l, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(l->nr_sent, 0);
	assert_int_equal(in(l, UART_IER), 0);
}

static void loopback_stays_inside(void **state)
{
	struct line *l = *state;

	out(l, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(berth_serial_room(l->serial), 0);
	out(l, UART_TX, 'L');
	assert_int_equal(l->nr_sent, 0);
	assert_int_equal(in(l, UART_RX), 'L');
	for (unsigned int i = 0; i < 17; i++)
		out(l, UART_TX, 'm');
	assert_true(in(l, UART_LSR) & UART_LSR_OE);
	assert_false(in(l, UART_LSR) & UART_LSR_OE);
}

static void out2_gates_the_interrupt(void **state)
{
	struct line *l = *state;

	out(l, UART_MCR, 0);
	out(l, UART_IER, UART_IER_THRI);
	assert_int_equal(l->level, 0);
	out(l, UART_MCR, UART_MCR_OUT2);
	assert_int_equal(l->level, 1);
}

static void wide_accesses_do_nothing(void **state)
{
	struct line *l = *state;
	uint16_t word = 0x4141;

	berth_bus_write(l->pio, BERTH_SERIAL_COM1, 2, &word);
	assert_int_equal(l->nr_sent, 0);
	word = 0;
	berth_bus_read(l->pio, BERTH_SERIAL_COM1, 2, &word);
	assert_int_equal(word, 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(bytes_go_out_and_the_transmitter_is_always_empty),
		T(enabling_the_transmit_interrupt_raises_it_at_once),
		T(each_byte_sent_brings_the_transmit_interrupt_back),
		T(input_raises_the_receive_interrupt_until_it_is_read),
		T(received_bytes_come_before_an_empty_transmitter),
		T(the_fifo_takes_sixteen_bytes_and_leaves_the_rest_with_the_caller),
		T(clearing_the_fifo_drops_input),
		T(the_driver_finds_a_16550a),
		T(loopback_stays_inside),
		T(out2_gates_the_interrupt),
		T(wide_accesses_do_nothing),
	};

	return cmocka_run_group_tests_name("vmm/serial", tests, NULL, NULL);
}
