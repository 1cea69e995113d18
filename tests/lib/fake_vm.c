/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "tests/lib/fake_vm.h"

#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/barspace.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/pci_host.h"
#include "vmm/vm.h"

struct berth_range fake_vm_slots[FAKE_VM_SLOTS];

int __wrap_ioctl(int fd, unsigned long request, ...);
struct berth_irq *__wrap_berth_vm_irq(struct berth_vm *vm);
struct berth_bus *__wrap_berth_vm_mmio(struct berth_vm *vm);
struct berth_bus *__wrap_berth_vm_pio(struct berth_vm *vm);
struct berth_pci_host *__wrap_berth_vm_pci(struct berth_vm *vm);
int __wrap_berth_vm_watch_fd(struct berth_vm *vm, int fd, berth_vm_fd_fn fn, void *opaque,
			     struct berth_err *err);
void __wrap_berth_vm_unwatch_fd(struct berth_vm *vm, int fd);
void __wrap_berth_vm_fail(struct berth_vm *vm, int code, const char *fmt, ...);

/* Weak: a test that has a KVM of its own brings its own. */
__attribute__((weak)) int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_userspace_memory_region *r;
	va_list ap;

	(void)fd;
	va_start(ap, request);
	r = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CHECK_EXTENSION)
		return FAKE_VM_SLOTS;
	assert_int_equal(request, KVM_SET_USER_MEMORY_REGION);
	assert_true(r->slot < FAKE_VM_SLOTS);
	for (unsigned int i = 0; i < FAKE_VM_SLOTS; i++)
		assert_false(berth_range_overlaps(fake_vm_slots[i],
						  (struct berth_range){ r->guest_phys_addr,
									r->memory_size }));
	fake_vm_slots[r->slot] = (struct berth_range){ r->guest_phys_addr, r->memory_size };
	return 0;
}

static struct fake_vm *of(struct berth_vm *vm)
{
	return (struct fake_vm *)vm;
}

struct berth_vm *fake_vm_as_vm(struct fake_vm *vm)
{
	return (struct berth_vm *)vm;
}

struct berth_irq *__wrap_berth_vm_irq(struct berth_vm *vm)
{
	(void)vm; /* tests/lib/fake_irq.h */
	return NULL;
}

struct berth_bus *__wrap_berth_vm_mmio(struct berth_vm *vm)
{
	return of(vm)->mmio;
}

struct berth_bus *__wrap_berth_vm_pio(struct berth_vm *vm)
{
	return of(vm)->pio;
}

struct berth_pci_host *__wrap_berth_vm_pci(struct berth_vm *vm)
{
	return of(vm)->host;
}

int __wrap_berth_vm_watch_fd(struct berth_vm *vm, int fd, berth_vm_fd_fn fn, void *opaque,
			     struct berth_err *err)
{
	(void)fd;
	(void)fn;
	(void)opaque;
	(void)err;
	of(vm)->nr_watched++;
	return 0;
}

void __wrap_berth_vm_unwatch_fd(struct berth_vm *vm, int fd)
{
	(void)fd;
	assert_true(of(vm)->nr_watched > 0);
	of(vm)->nr_watched--;
}

void __wrap_berth_vm_fail(struct berth_vm *vm, int code, const char *fmt, ...)
{
	(void)fmt;
	of(vm)->failed = code;
}

struct fake_vm *fake_vm_new(void)
{
	struct berth_mem_config config = { .size = FAKE_VM_RAM, .fd = -1 };
	struct fake_vm *vm = calloc(1, sizeof(*vm));

	assert_non_null(vm);
	memset(fake_vm_slots, 0, sizeof(fake_vm_slots));
	assert_int_equal(berth_bus_new(&vm->mmio, "mmio"), 0);
	assert_int_equal(berth_bus_new(&vm->pio, "pio"), 0);
	assert_int_equal(berth_mem_new(&vm->mem, 3, &config, NULL), 0);
	assert_int_equal(berth_pci_host_new(&vm->host, vm->mmio, vm->pio, vm->mem, 40, NULL), 0);
	assert_int_equal(berth_barspace_new(&vm->space, vm->mem, NULL, NULL), 0);
	assert_int_equal(berth_pci_host_add_slot(vm->host, &vm->slot, NULL), 0);
	return vm;
}

void fake_vm_free(struct fake_vm *vm)
{
	berth_barspace_free(vm->space);
	berth_pci_host_free(vm->host);
	berth_mem_free(vm->mem);
	berth_bus_free(vm->pio);
	berth_bus_free(vm->mmio);
	free(vm);
}
