/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tiny.h"

#include <stdarg.h>

#define SERIAL	    0x3f8
#define SLEEP_PORT  0x600 /* ACPI's sleep control register, which FADT names */
#define SLEEP_S5    (5 << 2 | 0x20)
#define ECAM	    0xf0000000ull
#define LAPIC	    0xfee00000ull
#define LAPIC_EOI   0xb0
#define LAPIC_SVR   0xf0
#define IOAPIC	    0xfec00000ull
#define FIRST_PIN   16 /* GSIs of PCI interrupts, ACPI's _PRT: port and pin go round 16 … 23 */
#define NR_PINS	    8
#define TYPE_BRIDGE 1

void tiny_start(void);
void on_interrupt(unsigned int vector, uint64_t rip);

extern const char vectors[];
volatile uint32_t tiny_count[256];
void (*volatile tiny_handler)(unsigned int vector);

struct gate {
	uint16_t low, selector, type, middle;
	uint32_t high, reserved;
};
static struct gate idt[256];

static void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* --- words --- */

static void put(char c)
{
	while (!(inb(SERIAL + 5) & 0x20))
		;
	outb(SERIAL, (uint8_t)c);
}

static void put_number(uint64_t value, unsigned int base)
{
	char digits[24];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void vprint(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool is_long = false;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		if (*++fmt == 'l') {
			is_long = true;
			fmt++;
		}
		if (*fmt == 's')
			put_string(va_arg(ap, const char *));
		else if (*fmt == 'u' || *fmt == 'x')
			put_number(is_long ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int),
				   *fmt == 'u' ? 10 : 16);
		else
			put(*fmt);
	}
}

void tiny_print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

void tiny_check(bool good, const char *fmt, ...)
{
	va_list ap;

	put_string(good ? "ok - " : "not ok - ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	put('\n');
}

char tiny_getc(void)
{
	while (!(inb(SERIAL + 5) & 1))
		__asm__ volatile("pause");
	return (char)inb(SERIAL);
}

static _Noreturn void off(void)
{
	outb(SLEEP_PORT, SLEEP_S5);
	for (;;)
		__asm__ volatile("hlt");
}

_Noreturn void tiny_die(const char *fmt, ...)
{
	va_list ap;

	put_string("not ok - ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	put('\n');
	off();
}

uint32_t tiny_random(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

uint64_t tiny_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* --- PCI --- */

static uint64_t config_at(unsigned int bus, unsigned int dev, unsigned int fn)
{
	return ECAM + (bus << 20 | dev << 15 | fn << 12);
}

struct tiny_pci tiny_pci_find(uint32_t id)
{
	for (unsigned int at = 0; at < 256; at++) {
		uint64_t port = config_at(0, at / 8, at % 8);
		unsigned int bus;

		if (tiny_read32(port) == UINT32_MAX ||
		    (tiny_read32(port + 0x0c) >> 16 & 0x7f) != TYPE_BRIDGE)
			continue;
		bus = tiny_read32(port + 0x18) >> 8 & 0xff;
		for (unsigned int fn = 0; bus && fn < 8; fn++)
			if (tiny_read32(config_at(bus, 0, fn)) == id)
				return (struct tiny_pci){ config_at(bus, 0, fn), port, at / 8 };
	}
	tiny_die("no device %x in this machine", id);
}

uint32_t tiny_pci_read(const struct tiny_pci *p, unsigned int at)
{
	return tiny_read32(p->config + at);
}

void tiny_pci_write(const struct tiny_pci *p, unsigned int at, uint32_t value)
{
	tiny_write32(p->config + at, value);
}

void tiny_pci_command(const struct tiny_pci *p, uint32_t set, uint32_t clear)
{
	volatile uint16_t *command = (volatile uint16_t *)(p->config + PCI_COMMAND);

	*command = (uint16_t)((*command & ~clear) | set);
}

unsigned int tiny_pci_cap(const struct tiny_pci *p, unsigned int id)
{
	unsigned int at = tiny_pci_read(p, 0x34) & 0xfc;

	for (unsigned int steps = 0; at && steps < 48; steps++) {
		uint32_t head = tiny_pci_read(p, at);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	tiny_die("no capability %x", id);
}

uint32_t tiny_pci_bar(const struct tiny_pci *p, unsigned int bar)
{
	return tiny_pci_read(p, PCI_BAR0 + 4 * bar) & ~0xfu;
}

void tiny_pci_open_window(const struct tiny_pci *p)
{
	/* Memory Base and Limit, 7.5.1.3 of PCIe Base 6.0 */
	tiny_write32(p->port + 0x20, (PCI_WINDOW_END - 1) >> 16 << 16 | PCI_WINDOW_START >> 16);
}

/* --- interrupts --- */

void on_interrupt(unsigned int vector, uint64_t rip)
{
	if (vector < 32)
		tiny_die("exception %u at %lx", vector, rip);
	tiny_count[vector]++;
	if (tiny_handler)
		tiny_handler(vector);
	tiny_write32(LAPIC + LAPIC_EOI, 0);
}

static void load_idt(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = { sizeof(idt) - 1, (uint64_t)idt };

	for (unsigned int i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)vectors + 16 * i;

		idt[i] = (struct gate){ (uint16_t)at,	      8, 0x8e00, (uint16_t)(at >> 16),
					(uint32_t)(at >> 32), 0 };
	}
	__asm__ volatile("lidt %0" ::"m"(pointer));
}

void tiny_irq_init(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	tiny_write32(LAPIC + LAPIC_SVR, 0x1ff);
	__asm__ volatile("sti");
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	tiny_write32(IOAPIC, reg);
	tiny_write32(IOAPIC + 0x10, value);
}

void tiny_intx_route(const struct tiny_pci *p, unsigned int vector, bool masked)
{
	unsigned int pin = tiny_pci_read(p, 0x3c) >> 8 & 0xff;
	unsigned int gsi = FIRST_PIN + (p->port_dev + pin - 1) % NR_PINS;

	if (pin == 0)
		tiny_die("the device has no interrupt pin");
	/* active low, level, to APIC 0: 82093AA, 3.2.4 */
	ioapic_write(0x11 + 2 * gsi, 0);
	ioapic_write(0x10 + 2 * gsi, vector | 1u << 13 | 1u << 15 | (uint32_t)masked << 16);
}

void tiny_start(void)
{
	load_idt();
	tiny_main();
	tiny_print("# end\n");
	off();
}

/* gcc may call these for structures. */
void *memset(void *to, int value, size_t len);
void *memset(void *to, int value, size_t len)
{
	char *at = to;

	while (len--)
		*at++ = (char)value;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	char *at = to;
	const char *with = from;

	while (len--)
		*at++ = *with++;
	return to;
}
