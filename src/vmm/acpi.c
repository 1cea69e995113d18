/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/acpi.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "vmm/aml.h"
#include "vmm/pci_host.h"
#include "vmm/power.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"

#define RSDP_SIZE   36
#define HEADER_SIZE 36
#define FADT_SIZE   276
#define ALIGN	    16
#define LAPIC_ADDR  0xfee00000u
#define IOAPIC_ADDR 0xfec00000u

/* FADT: ACPI 6.5, tables 5.9 to 5.11. */
#define FADT_WBINVD	    (1u << 0)
#define FADT_NO_PWR_BUTTON  (1u << 4) /* not a fixed hardware feature */
#define FADT_NO_SLP_BUTTON  (1u << 5)
#define FADT_RESET_REG	    (1u << 10)
#define FADT_HW_REDUCED	    (1u << 20)
#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_NO_VGA	    (1u << 2)
#define BOOT_NO_ASPM	    (1u << 4)
#define SPACE_SYSTEM_IO	    1
#define ACCESS_BYTE	    1

/* AML opcodes of the _OSC method: ACPI 6.5, table 20.2. */
enum { AML_AND = 0x7b, AML_OR = 0x7d, AML_LNOT = 0x92, AML_LEQUAL = 0x93, AML_RETURN = 0xa4 };

/* _OSC: PCI Firmware 3.3, tables 4-4 to 4-6. */
#define OSC_UUID	 "33DB4D5B-1FF7-401C-9657-7441C03DD766"
#define OSC_BAD_UUID	 0x04
#define OSC_BAD_REVISION 0x08
#define OSC_MASKED	 0x10
#define OSC_PCIE_CAPABILITY                                                                        \
	0x10 /* control bit: the guest owns the PCI Express capability structures */

struct tables {
	uint8_t *area;
	size_t len;
	bool full;
};

static void put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static uint8_t checksum(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *data++;
	return (uint8_t)-sum;
}

/* Room for a table of @size bytes, zeroed. NULL: no room. */
static uint8_t *reserve(struct tables *t, size_t size)
{
	size_t start = (t->len + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (!berth_range_fits(start, size, BERTH_ACPI_SIZE)) {
		t->full = true;
		return NULL;
	}
	t->len = start + size;
	return memset(t->area + start, 0, size);
}

static uint64_t address(const struct tables *t, const uint8_t *table)
{
	return BERTH_ACPI_BASE + (uint64_t)(table - t->area);
}

/* Header and checksum, when the rest is there: ACPI 6.5, table 5.4. */
static void finish(uint8_t *table, const char *signature, uint8_t revision, size_t size)
{
	memcpy(table, signature, 4);
	put(table + 4, size, 4);
	table[8] = revision;
	table[9] = 0;
	memcpy(table + 10, "BERTH ", 6);
	memcpy(table + 16, "BERTHVMM", 8);
	put(table + 24, 1, 4);
	memcpy(table + 28, "BRTH", 4);
	put(table + 32, 1, 4);
	table[9] = checksum(table, size);
}

static void add_osc(struct berth_aml *aml)
{
	berth_aml_open method = berth_aml_method(aml, "_OSC", 4), body;

	berth_aml_dword_field(aml, 3, 0, "CDW1");
	body = berth_aml_if(aml); /* If (!(Arg0 == UUID)) { CDW1 |= bad UUID; Return (Arg3) } */
	berth_aml_byte(aml, AML_LNOT);
	berth_aml_byte(aml, AML_LEQUAL);
	berth_aml_arg(aml, 0);
	berth_aml_uuid(aml, OSC_UUID);
	berth_aml_byte(aml, AML_OR);
	berth_aml_path(aml, "CDW1");
	berth_aml_int(aml, OSC_BAD_UUID);
	berth_aml_path(aml, "CDW1");
	berth_aml_byte(aml, AML_RETURN);
	berth_aml_arg(aml, 3);
	berth_aml_close(aml, body);

	body = berth_aml_if(aml); /* If (!(Arg1 == 1)) CDW1 |= bad revision */
	berth_aml_byte(aml, AML_LNOT);
	berth_aml_byte(aml, AML_LEQUAL);
	berth_aml_arg(aml, 1);
	berth_aml_int(aml, 1);
	berth_aml_byte(aml, AML_OR);
	berth_aml_path(aml, "CDW1");
	berth_aml_int(aml, OSC_BAD_REVISION);
	berth_aml_path(aml, "CDW1");
	berth_aml_close(aml, body);

	berth_aml_dword_field(aml, 3, 8, "CDW3");
	berth_aml_byte(aml, AML_AND); /* Local0 = CDW3 & what we give */
	berth_aml_path(aml, "CDW3");
	berth_aml_int(aml, OSC_PCIE_CAPABILITY);
	berth_aml_local(aml, 0);
	body = berth_aml_if(aml); /* If (!(Local0 == CDW3)) CDW1 |= masked */
	berth_aml_byte(aml, AML_LNOT);
	berth_aml_byte(aml, AML_LEQUAL);
	berth_aml_local(aml, 0);
	berth_aml_path(aml, "CDW3");
	berth_aml_byte(aml, AML_OR);
	berth_aml_path(aml, "CDW1");
	berth_aml_int(aml, OSC_MASKED);
	berth_aml_path(aml, "CDW1");
	berth_aml_close(aml, body);
	berth_aml_byte(aml, AML_OR); /* CDW3 = Local0 */
	berth_aml_local(aml, 0);
	berth_aml_int(aml, 0);
	berth_aml_path(aml, "CDW3");
	berth_aml_byte(aml, AML_RETURN);
	berth_aml_arg(aml, 3);
	berth_aml_close(aml, method);
}

static void add_pci_resources(struct berth_aml *aml, const struct berth_acpi_config *config)
{
	berth_aml_open res;

	berth_aml_name(aml, "_CRS");
	res = berth_aml_resources(aml);
	berth_aml_res_bus(aml, 0, config->nr_buses - 1);
	berth_aml_res_ports(aml, 0xcf8, 8);
	berth_aml_res_port_window(aml, (struct berth_range){ 0, 0xcf8 });
	berth_aml_res_port_window(aml, (struct berth_range){ 0xd00, 0x10000 - 0xd00 });
	for (size_t i = 0; i < config->nr_windows; i++)
		berth_aml_res_memory_window(aml, config->windows[i]);
	berth_aml_resources_end(aml, res);
}

/* _PRT: device number in the upper word, any function; pins count from 0; no link device, so a GSI (ACPI 6.5, 6.2.13). */
static void add_prt(struct berth_aml *aml, const struct berth_acpi_config *config)
{
	berth_aml_open list;

	berth_aml_name(aml, "_PRT");
	list = berth_aml_package(aml, config->last_dev * 4);
	for (unsigned int dev = 1; dev <= config->last_dev; dev++)
		for (unsigned int pin = 0; pin < 4; pin++) {
			berth_aml_open entry = berth_aml_package(aml, 4);

			berth_aml_int(aml, dev << 16 | 0xffff);
			berth_aml_int(aml, pin);
			berth_aml_int(aml, 0);
			berth_aml_int(aml, config->gsi(dev, pin + 1));
			berth_aml_close(aml, entry);
		}
	berth_aml_close(aml, list);
}

static void add_pci(struct berth_aml *aml, const struct berth_acpi_config *config)
{
	berth_aml_open device = berth_aml_device(aml, "PCI0");

	berth_aml_name(aml, "_HID");
	berth_aml_eisaid(aml, "PNP0A08");
	berth_aml_name(aml, "_CID");
	berth_aml_eisaid(aml, "PNP0A03");
	berth_aml_name(aml, "_UID");
	berth_aml_int(aml, 0);
	berth_aml_name(aml, "_SEG");
	berth_aml_int(aml, 0);
	berth_aml_name(aml, "_BBN");
	berth_aml_int(aml, 0);
	add_pci_resources(aml, config);
	add_prt(aml, config);
	add_osc(aml);
	berth_aml_close(aml, device);
}

/* The ECAM belongs to the board: Linux uses it only when something reserves it. */
static void add_board(struct berth_aml *aml, const struct berth_acpi_config *config)
{
	berth_aml_open device = berth_aml_device(aml, "MBRD"), res;

	berth_aml_name(aml, "_HID");
	berth_aml_eisaid(aml, "PNP0C02");
	berth_aml_name(aml, "_CRS");
	res = berth_aml_resources(aml);
	berth_aml_res_memory(aml, (struct berth_range){ BERTH_PCI_ECAM_BASE,
							(uint64_t)config->nr_buses << 20 });
	berth_aml_res_ports(aml, BERTH_POWER_SLEEP_CONTROL, 2);
	berth_aml_resources_end(aml, res);
	berth_aml_close(aml, device);
}

static void add_isa(struct berth_aml *aml, const char *name, const char *id, unsigned int port,
		    unsigned int nr_ports, unsigned int gsi)
{
	berth_aml_open device = berth_aml_device(aml, name), res;

	berth_aml_name(aml, "_HID");
	berth_aml_eisaid(aml, id);
	berth_aml_name(aml, "_UID");
	berth_aml_int(aml, 0);
	berth_aml_name(aml, "_CRS");
	res = berth_aml_resources(aml);
	berth_aml_res_ports(aml, port, nr_ports);
	if (gsi)
		berth_aml_res_irq(aml, gsi);
	berth_aml_resources_end(aml, res);
	berth_aml_close(aml, device);
}

static uint8_t *add_dsdt(struct tables *t, const struct berth_acpi_config *config)
{
	uint8_t *table = reserve(t, HEADER_SIZE);
	struct berth_aml aml;
	berth_aml_open scope, package;

	if (!table)
		return NULL;
	berth_aml_init(&aml, t->area + t->len, BERTH_ACPI_SIZE - t->len);
	scope = berth_aml_scope(&aml, "\\_SB_");
	add_pci(&aml, config);
	add_board(&aml, config);
	add_isa(&aml, "COM1", "PNP0501", BERTH_SERIAL_COM1, BERTH_SERIAL_NR_PORTS,
		BERTH_SERIAL_COM1_IRQ);
	add_isa(&aml, "RTC0", "PNP0B00", BERTH_RTC_PORT, 2, 0);
	berth_aml_close(&aml, scope);
	berth_aml_name(&aml, "_S5_");
	package = berth_aml_package(&aml, 4);
	berth_aml_int(&aml, BERTH_POWER_S5);
	berth_aml_int(&aml, BERTH_POWER_S5);
	berth_aml_int(&aml, 0);
	berth_aml_int(&aml, 0);
	berth_aml_close(&aml, package);
	if (berth_aml_done(&aml) < 0) {
		t->full = true;
		return NULL;
	}
	t->len += aml.len;
	finish(table, "DSDT", 2, HEADER_SIZE + aml.len);
	return table;
}

/* Generic address structure of a one-byte port: ACPI 6.5, 5.2.3.2. */
static void put_port(uint8_t *at, unsigned int port)
{
	at[0] = SPACE_SYSTEM_IO;
	at[1] = 8;
	at[2] = 0;
	at[3] = ACCESS_BYTE;
	put(at + 4, port, 8);
}

static uint8_t *add_fadt(struct tables *t, uint64_t dsdt)
{
	uint8_t *table = reserve(t, FADT_SIZE);

	if (!table)
		return NULL;
	put(table + 40, dsdt, 4);
	table[108] = BERTH_RTC_CENTURY;
	put(table + 109, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM, 2);
	put(table + 112,
	    FADT_WBINVD | FADT_NO_PWR_BUTTON | FADT_NO_SLP_BUTTON | FADT_RESET_REG |
		    FADT_HW_REDUCED,
	    4);
	put_port(table + 116, BERTH_POWER_RESET);
	table[128] = BERTH_POWER_RESET_VALUE;
	table[131] = 5; /* minor version: ACPI 6.5 */
	put(table + 140, dsdt, 8);
	put_port(table + 244, BERTH_POWER_SLEEP_CONTROL);
	put_port(table + 256, BERTH_POWER_SLEEP_STATUS);
	memcpy(table + 268, "BERTHVMM", 8);
	finish(table, "FACP", 6, FADT_SIZE);
	return table;
}

/* ACPI 6.5, 5.2.12: processors, IOAPIC, COM1's pin as ISA has it, LINT1 as NMI. */
static uint8_t *add_madt(struct tables *t, const struct berth_acpi_config *config)
{
	size_t size = HEADER_SIZE + 8 + config->nr_vcpus * 8 + 12 + 10 + 6;
	uint8_t *table = reserve(t, size), *p;

	if (!table)
		return NULL;
	put(table + HEADER_SIZE, LAPIC_ADDR, 4);
	p = table + HEADER_SIZE + 8;
	for (unsigned int i = 0; i < config->nr_vcpus; i++, p += 8) {
		p[0] = 0;
		p[1] = 8;
		p[2] = p[3] = (uint8_t)i;
		put(p + 4, 1, 4); /* enabled */
	}
	p[0] = 1;
	p[1] = 12;
	put(p + 4, IOAPIC_ADDR, 4);
	p += 12;
	p[0] = 2;
	p[1] = 10;
	p[3] = BERTH_SERIAL_COM1_IRQ;
	put(p + 4, BERTH_SERIAL_COM1_IRQ, 4);
	put(p + 8, 0x5, 2); /* active high, edge */
	p += 10;
	p[0] = 4;
	p[1] = 6;
	p[2] = 0xff; /* all processors */
	p[5] = 1;
	finish(table, "APIC", 5, size);
	return table;
}

static uint8_t *add_mcfg(struct tables *t, const struct berth_acpi_config *config)
{
	size_t size = HEADER_SIZE + 8 + 16;
	uint8_t *table = reserve(t, size);

	if (!table)
		return NULL;
	put(table + HEADER_SIZE + 8, BERTH_PCI_ECAM_BASE, 8);
	table[HEADER_SIZE + 8 + 11] = (uint8_t)(config->nr_buses - 1);
	finish(table, "MCFG", 1, size);
	return table;
}

static uint8_t *add_xsdt(struct tables *t, uint8_t *const *tables, size_t nr)
{
	uint8_t *table = reserve(t, HEADER_SIZE + nr * 8);

	if (!table)
		return NULL;
	for (size_t i = 0; i < nr; i++)
		put(table + HEADER_SIZE + i * 8, address(t, tables[i]), 8);
	finish(table, "XSDT", 1, HEADER_SIZE + nr * 8);
	return table;
}

static void fill_rsdp(uint8_t *rsdp, uint64_t xsdt)
{
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "BERTH ", 6);
	rsdp[15] = 2;
	put(rsdp + 20, RSDP_SIZE, 4);
	put(rsdp + 24, xsdt, 8);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, RSDP_SIZE);
}

int berth_acpi_build(uint8_t *area, const struct berth_acpi_config *config, struct berth_err *err)
{
	struct tables t = { .area = area };
	uint8_t *rsdp = reserve(&t, RSDP_SIZE), *dsdt = add_dsdt(&t, config), *xsdt = NULL;
	uint8_t *others[3];

	if (dsdt) {
		others[0] = add_fadt(&t, address(&t, dsdt));
		others[1] = add_madt(&t, config);
		others[2] = add_mcfg(&t, config);
	}
	if (!t.full)
		xsdt = add_xsdt(&t, others, BERTH_ARRAY_SIZE(others));
	if (!xsdt)
		return berth_err_set(err, -ENOSPC, "the ACPI tables do not fit into %u KiB",
				     BERTH_ACPI_SIZE / 1024);
	fill_rsdp(rsdp, address(&t, xsdt));
	return 0;
}
