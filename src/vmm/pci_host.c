/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/pci_host.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/pci_config.h"
#include "vmm/pci_firmware.h"
#include "vmm/pci_slot.h"

#define PORTS_PER_FN                                                                               \
	31 /* device numbers 1 … 31 of bus 0, then the same with the next function number */
#define CONFIG_ADDRESS 0xcf8 /* PCI Local Bus 3.0, 3.2.2.3.2 */
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u
#define ECAM_BUS_SHIFT 20 /* PCIe Base 6.0, 7.2.2 */
#define FIRST_INTX_PIN 16 /* GSI 16 … 23: the IOAPIC pins above the ISA ones */
#define NR_INTX_PINS   8
#define MAX_BAR	       (UINT64_C(1) << 51)
#define GIB	       (UINT64_C(1) << 30)
#define VENDOR_REDHAT                                                                              \
	0x1b36 /* as in root_port.c: QEMU's generic host bridge, which has no registers either */
#define DEVICE_HOST 0x0008
#define CLASS_HOST  0x060000

struct berth_pci_host {
	struct berth_bus *mmio, *pio; /* borrowed */
	const struct berth_mem *mem;  /* borrowed */
	unsigned int phys_bits;
	pthread_mutex_t lock;				   /* the config lock */
	struct berth_pci_config bridge;			   /* 00:00.0 */
	struct berth_pci_slot *slots[BERTH_PCI_MAX_SLOTS]; /* owned */
	size_t nr_slots;
	bool assigned;
	struct berth_range window64;
	uint32_t address;					  /* CONFIG_ADDRESS */
	struct berth_bus_region *ecam, *address_port, *data_port; /* owned */
};

static struct berth_pci_slot *slot_of_port(struct berth_pci_host *host, unsigned int dev,
					   unsigned int fn)
{
	size_t i = fn * PORTS_PER_FN + dev - 1;

	return dev > 0 && i < host->nr_slots ? host->slots[i] : NULL;
}

/* Who is at this address now? The guest may have renumbered the buses. Both NULL: nobody. */
static void find(struct berth_pci_host *host, unsigned int bus, unsigned int devfn,
		 struct berth_pci_config **config, struct berth_pci_function **function)
{
	unsigned int dev = devfn >> 3, fn = devfn & 7;
	struct berth_pci_slot *slot;

	*config = NULL;
	*function = NULL;
	if (bus == 0) {
		slot = slot_of_port(host, dev, fn);
		if (devfn == 0)
			*config = &host->bridge;
		else if (slot)
			*config = &slot->port.config;
		return;
	}
	for (size_t i = 0; dev == 0 && i < host->nr_slots; i++)
		if (berth_root_port_bus(&host->slots[i]->port) == bus) {
			*function = host->slots[i]->functions[fn];
			return;
		}
}

static uint32_t config_read(struct berth_pci_host *host, unsigned int bus, unsigned int devfn,
			    unsigned int offset, unsigned int len)
{
	struct berth_pci_function *function;
	struct berth_pci_config *config;
	uint32_t value = UINT32_MAX;

	pthread_mutex_lock(&host->lock);
	find(host, bus, devfn, &config, &function);
	if (config)
		value = berth_pci_config_read(config, offset, len);
	else if (function)
		value = function->ops->config_read(function, offset, len);
	pthread_mutex_unlock(&host->lock);
	return value;
}

static void config_write(struct berth_pci_host *host, unsigned int bus, unsigned int devfn,
			 unsigned int offset, unsigned int len, uint32_t value)
{
	struct berth_pci_function *function;
	struct berth_pci_config *config;

	pthread_mutex_lock(&host->lock);
	find(host, bus, devfn, &config, &function);
	if (config)
		berth_pci_config_write(config, offset, len, value);
	else if (function)
		function->ops->config_write(function, offset, len, value);
	pthread_mutex_unlock(&host->lock);
}

/* The accesses that a PCI bus can carry; the others read all-ones and write nothing. */
static bool sane(uint64_t offset, unsigned int len)
{
	return (len == 1 || len == 2 || len == 4) && offset % len == 0;
}

static void ecam_read(void *opaque, uint64_t at, unsigned int len, void *data)
{
	uint32_t value;

	if (len == 8 && at % 8 == 0) {
		ecam_read(opaque, at, 4, data);
		ecam_read(opaque, at + 4, 4, (char *)data + 4);
		return;
	}
	if (!sane(at, len))
		return;
	value = config_read(opaque, (unsigned int)(at >> ECAM_BUS_SHIFT), at >> 12 & 0xff,
			    at & 0xfff, len);
	memcpy(data, &value, len);
}

static void ecam_write(void *opaque, uint64_t at, unsigned int len, const void *data)
{
	uint32_t value = 0;

	if (len == 8 && at % 8 == 0) {
		ecam_write(opaque, at, 4, data);
		ecam_write(opaque, at + 4, 4, (const char *)data + 4);
		return;
	}
	if (!sane(at, len))
		return;
	memcpy(&value, data, len);
	config_write(opaque, (unsigned int)(at >> ECAM_BUS_SHIFT), at >> 12 & 0xff, at & 0xfff, len,
		     value);
}

/* CONFIG_ADDRESS answers whole dwords only; a byte at 0xCF9 is the reset register's. */
static void address_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	struct berth_pci_host *host = opaque;

	(void)offset;
	if (len != 4)
		return;
	pthread_mutex_lock(&host->lock);
	memcpy(data, &host->address, len);
	pthread_mutex_unlock(&host->lock);
}

static void address_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_pci_host *host = opaque;

	(void)offset;
	if (len != 4)
		return;
	pthread_mutex_lock(&host->lock);
	memcpy(&host->address, data, len);
	pthread_mutex_unlock(&host->lock);
}

static uint32_t latched(struct berth_pci_host *host)
{
	uint32_t address;

	pthread_mutex_lock(&host->lock);
	address = host->address;
	pthread_mutex_unlock(&host->lock);
	return address;
}

static void data_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	uint32_t address = latched(opaque), value;

	if (!(address & CONFIG_ENABLE) || !sane(offset, len))
		return;
	value = config_read(opaque, address >> 16 & 0xff, address >> 8 & 0xff,
			    (address & 0xfc) + (unsigned int)offset, len);
	memcpy(data, &value, len);
}

static void data_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	uint32_t address = latched(opaque), value = 0;

	if (!(address & CONFIG_ENABLE) || !sane(offset, len))
		return;
	memcpy(&value, data, len);
	config_write(opaque, address >> 16 & 0xff, address >> 8 & 0xff,
		     (address & 0xfc) + (unsigned int)offset, len, value);
}

static const struct berth_bus_ops ecam_ops = { ecam_read, ecam_write };
static const struct berth_bus_ops address_ops = { address_read, address_write };
static const struct berth_bus_ops data_ops = { data_read, data_write };

int berth_pci_host_new(struct berth_pci_host **ret, struct berth_bus *mmio, struct berth_bus *pio,
		       const struct berth_mem *mem, unsigned int phys_bits, struct berth_err *err)
{
	BERTH_CLEANUP(berth_pci_host_freep) struct berth_pci_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&host->lock, NULL);
	host->mmio = mmio;
	host->pio = pio;
	host->mem = mem;
	host->phys_bits = phys_bits;
	berth_pci_config_set(&host->bridge, PCI_VENDOR_ID, 4, VENDOR_REDHAT | DEVICE_HOST << 16, 0);
	berth_pci_config_set(&host->bridge, PCI_CLASS_REVISION, 4, CLASS_HOST << 8, 0);
	r = berth_bus_add(pio, (struct berth_range){ CONFIG_ADDRESS, 4 }, &address_ops, host,
			  &host->address_port, err);
	if (r == 0)
		r = berth_bus_add(pio, (struct berth_range){ CONFIG_DATA, 4 }, &data_ops, host,
				  &host->data_port, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(host);
	return 0;
}

void berth_pci_host_free(struct berth_pci_host *host)
{
	if (!host)
		return;
	berth_bus_remove(host->mmio, host->ecam);
	berth_bus_remove(host->pio, host->data_port);
	berth_bus_remove(host->pio, host->address_port);
	for (size_t i = 0; i < host->nr_slots; i++)
		free(host->slots[i]);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

int berth_pci_host_add_slot(struct berth_pci_host *host, struct berth_pci_slot **ret,
			    struct berth_err *err)
{
	struct berth_pci_slot *slot;
	size_t i = host->nr_slots;

	if (host->assigned)
		return berth_err_set(err, -EBUSY, "PCI slots cannot be added to a loaded VM");
	if (i == BERTH_PCI_MAX_SLOTS)
		return berth_err_set(err, -ENOSPC, "a VM has at most %d PCI slots",
				     BERTH_PCI_MAX_SLOTS);
	slot = calloc(1, sizeof(*slot));
	if (!slot)
		return berth_err_set(err, -ENOMEM, "out of memory");
	slot->host = host;
	slot->dev = (uint8_t)(1 + i % PORTS_PER_FN);
	slot->fn = (uint8_t)(i / PORTS_PER_FN);
	slot->bus = (uint8_t)(i + 1);
	host->slots[host->nr_slots++] = slot;
	*ret = slot;
	return 0;
}

static int check_bar(const struct berth_pci_function *function, unsigned int i,
		     struct berth_err *err)
{
	const struct berth_pci_bar *bar = &function->bars[i];
	uint64_t min = bar->io ? 4 : 16; /* PCIe Base 6.0, 7.5.1.2.1 */

	if (!bar->size)
		return 0;
	if (!berth_is_pow2(bar->size) || bar->size < min || bar->size > MAX_BAR ||
	    (!bar->is64 && bar->size > UINT32_MAX))
		return berth_err_set(err, -EINVAL, "%s: BAR %u has an impossible size of 0x%llx",
				     function->name, i, (unsigned long long)bar->size);
	if (bar->is64 && (bar->io || i >= 5 || function->bars[i + 1].size))
		return berth_err_set(
			err, -EINVAL,
			"%s: BAR %u cannot be a 64-bit one: the next register is not free",
			function->name, i);
	return 0;
}

int berth_pci_slot_add(struct berth_pci_slot *slot, unsigned int fn,
		       struct berth_pci_function *function, struct berth_err *err)
{
	if (slot->host->assigned)
		return berth_err_set(err, -EBUSY, "%s: cannot be added to a loaded VM",
				     function->name);
	if (fn >= BERTH_PCI_NR_FUNCTIONS)
		return berth_err_set(err, -EINVAL, "%s: function number %u is above 7",
				     function->name, fn);
	if (slot->functions[fn])
		return berth_err_set(err, -EEXIST, "%s: function number %u is taken by %s",
				     function->name, fn, slot->functions[fn]->name);
	for (unsigned int i = 0; i < BERTH_PCI_NR_BARS; i++) {
		int r = check_bar(function, i, err);

		if (r < 0)
			return r;
	}
	function->slot = slot;
	function->bus = slot->bus;
	function->dev = 0;
	function->fn = (uint8_t)fn;
	slot->functions[fn] = function;
	return 0;
}

void berth_pci_slot_atomics(struct berth_pci_slot *slot, unsigned int atomics)
{
	slot->atomics = slot->atomics_said ? slot->atomics & atomics : atomics;
	slot->atomics_said = true;
}

void berth_pci_slot_remove(struct berth_pci_function *function)
{
	assert(!function->slot->host->assigned);
	function->slot->functions[function->fn] = NULL;
	function->slot = NULL;
}

/* From the end of RAM, on a GiB boundary, to the end of the guest's address bits. */
static struct berth_range area64(const struct berth_pci_host *host)
{
	uint64_t start = berth_mem_top(host->mem), end = UINT64_C(1) << host->phys_bits;

	if (start < BERTH_MEM_HIGH_START)
		start = BERTH_MEM_HIGH_START;
	start = (start + GIB - 1) & ~(GIB - 1);
	return (struct berth_range){ start, end > start ? end - start : 0 };
}

int berth_pci_host_assign(struct berth_pci_host *host, struct berth_err *err)
{
	struct berth_pci_plan plan = { .area64 = area64(host) };
	uint64_t ecam_size = (uint64_t)berth_pci_host_nr_buses(host) << ECAM_BUS_SHIFT;
	int r;

	assert(!host->assigned);
	if (berth_mem_top(host->mem) > UINT64_C(1) << host->phys_bits)
		return berth_err_set(err, -ENOSPC,
				     "guest memory up to 0x%llx does not fit into the %u physical "
				     "address bits of this processor",
				     (unsigned long long)berth_mem_top(host->mem), host->phys_bits);
	for (size_t i = 0; i < host->nr_slots; i++) {
		struct berth_pci_slot *slot = host->slots[i];

		if (!slot->functions[0])
			return berth_err_set(
				err, -EINVAL,
				"PCI slot %zu has no function 0; a guest would not see "
				"its other functions",
				i);
		berth_root_port_init(&slot->port, (unsigned int)i + 1,
				     host->nr_slots > PORTS_PER_FN);
		berth_root_port_set_atomics(&slot->port, slot->atomics);
	}
	plan.reserved = berth_mem_reserved(host->mem, &plan.nr_reserved);
	r = berth_pci_firmware_assign(host->slots, host->nr_slots, &plan, &host->window64, err);
	if (r == 0)
		r = berth_bus_add(host->mmio,
				  (struct berth_range){ BERTH_PCI_ECAM_BASE, ecam_size }, &ecam_ops,
				  host, &host->ecam, err);
	host->assigned = r == 0;
	return r;
}

size_t berth_pci_host_mmio_windows(const struct berth_pci_host *host,
				   struct berth_range ret[static 2])
{
	ret[0] = (struct berth_range){ BERTH_PCI_MMIO32_START,
				       BERTH_PCI_MMIO32_END - BERTH_PCI_MMIO32_START };
	if (!host->window64.size)
		return 1;
	ret[1] = host->window64;
	return 2;
}

bool berth_pci_host_mmio_ok(const struct berth_pci_host *host, struct berth_range at)
{
	struct berth_range windows[2];
	size_t nr = berth_pci_host_mmio_windows(host, windows);

	for (size_t i = 0; i < nr; i++)
		if (berth_range_contains(windows[i], at))
			return true;
	return false;
}

unsigned int berth_pci_root_gsi(unsigned int dev, unsigned int pin)
{
	return FIRST_INTX_PIN + (dev + pin - 1) % NR_INTX_PINS;
}

/* Behind the port the device number is 0, so the port passes pin INTx on as INTx (PCI-to-PCI Bridge 1.2, 9.1). */
unsigned int berth_pci_intx_gsi(const struct berth_pci_function *function, unsigned int pin)
{
	assert(pin >= 1 && pin <= 4);
	return berth_pci_root_gsi(function->slot->dev, pin);
}

unsigned int berth_pci_host_nr_buses(const struct berth_pci_host *host)
{
	return (unsigned int)host->nr_slots + 1;
}

unsigned int berth_pci_host_last_dev(const struct berth_pci_host *host)
{
	return host->nr_slots < PORTS_PER_FN ? (unsigned int)host->nr_slots : PORTS_PER_FN;
}
