/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vmm/vm"
#include "vmm/vm.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/log.h"
#include "vmm/acpi.h"
#include "vmm/bus.h"
#include "vmm/console.h"
#include "vmm/cpu_state.h"
#include "vmm/cpuid.h"
#include "vmm/irq.h"
#include "vmm/loader.h"
#include "vmm/loop.h"
#include "vmm/mem.h"
#include "vmm/pci_host.h"
#include "vmm/power.h"
#include "vmm/rtc.h"
#include "vmm/vcpu.h"

/* Pages that Intel processors without "unrestricted guest" need; in the gap above the ECAM and below the LAPIC. */
#define IDENTITY_MAP_ADDR UINT64_C(0xfeffc000)
#define TSS_ADDR	  UINT64_C(0xfeffd000)

struct watch {
	struct berth_vm *vm; /* borrowed */
	int fd;		     /* borrowed */
	berth_vm_fd_fn fn;
	void *opaque;
	struct watch *next;
};

struct berth_vm {
	struct berth_vm_config config; /* descriptors borrowed */
	char *cmdline;		       /* owned */
	int vm_fd;		       /* owned, -1 when unset */
	struct kvm_cpuid2 *cpuid;      /* owned */
	struct berth_mem *mem;	       /* all owned, in the order of their making */
	struct berth_irq *irq;
	struct berth_bus *mmio, *pio;
	struct berth_loop *loop;
	int end_fd; /* owned eventfd: end was set */
	struct berth_power *power;
	struct berth_rtc *rtc;
	struct berth_console *console;
	struct berth_pci_host *pci;
	struct watch *watches; /* owned list */
	struct berth_vcpu_shared shared;
	struct berth_vcpu **vcpus; /* owned; nr_vcpus, NULL until load */

	pthread_mutex_t end_lock; /* guards what follows */
	bool ended;
	int end_code; /* 0 or a negative errno */
	enum berth_vm_end end;
	struct berth_err end_err;
};

/* The first reason wins. Any thread. */
static void end_with(struct berth_vm *vm, int code, enum berth_vm_end end, const char *text)
{
	pthread_mutex_lock(&vm->end_lock);
	if (!vm->ended) {
		vm->ended = true;
		vm->end_code = code;
		vm->end = end;
		if (code)
			berth_err_set(&vm->end_err, code, "%s", text);
		/* Fails only when the counter is at its top, and then the loop is woken already. */
		(void)eventfd_write(vm->end_fd, 1);
	}
	pthread_mutex_unlock(&vm->end_lock);
}

void berth_vm_stop(struct berth_vm *vm)
{
	end_with(vm, 0, BERTH_VM_STOPPED, NULL);
}

void berth_vm_fail(struct berth_vm *vm, int code, const char *fmt, ...)
{
	char text[BERTH_ERR_TEXT];
	va_list ap;

	assert(code < 0);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	end_with(vm, code, BERTH_VM_STOPPED, text);
}

static void vm_power_off(void *opaque)
{
	end_with(opaque, 0, BERTH_VM_POWEROFF, NULL);
}

static void vm_reset(void *opaque)
{
	end_with(opaque, 0, BERTH_VM_REBOOT, NULL);
}

static void vm_vcpu_failed(void *opaque, int code, const char *text)
{
	end_with(opaque, code, BERTH_VM_STOPPED, text);
}

static void on_end(void *opaque, int fd, uint32_t events)
{
	struct berth_vm *vm = opaque;

	(void)fd;
	(void)events;
	berth_loop_quit(vm->loop);
}

static void on_stop(void *opaque, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	berth_vm_stop(opaque);
}

static const struct berth_power_ops power_ops = { vm_power_off, vm_reset };

static int check_config(const struct berth_vm_config *config, struct berth_err *err)
{
	size_t len = config->cmdline ? strlen(config->cmdline) : 0;

	if (config->nr_vcpus == 0 || config->nr_vcpus > BERTH_VM_MAX_VCPUS)
		return berth_err_set(err, -EINVAL, "a VM has 1 to %d vCPUs, not %u",
				     BERTH_VM_MAX_VCPUS, config->nr_vcpus);
	if (len > BERTH_VM_MAX_CMDLINE)
		return berth_err_set(
			err, -EINVAL,
			"the kernel command line is %zu bytes long, at most %d are taken", len,
			BERTH_VM_MAX_CMDLINE);
	return 0;
}

static int check_kvm(int kvm_fd, struct berth_err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE" },
		{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
		{ KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER" },
	};

	if (ioctl(kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return berth_err_set(
			err, -EOPNOTSUPP,
			"the descriptor given for KVM is not /dev/kvm of API version %d",
			KVM_API_VERSION);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(needed); i++)
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return berth_err_set(err, -EOPNOTSUPP, "this KVM lacks %s", needed[i].name);
	return 0;
}

static int create_vm(struct berth_vm *vm, struct berth_err *err)
{
	uint64_t identity = IDENTITY_MAP_ADDR;
	int r = check_kvm(vm->config.kvm_fd, err);

	if (r < 0)
		return r;
	do
		vm->vm_fd = ioctl(vm->config.kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd < 0 && errno == EINTR);
	if (vm->vm_fd < 0)
		return berth_err_set(err, -errno, "KVM_CREATE_VM: %s", strerror(errno));
	if (ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	    ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR))
		return berth_err_set(err, -errno, "KVM_SET_TSS_ADDR: %s", strerror(errno));
	return berth_cpuid_new(&vm->cpuid, vm->config.kvm_fd, err);
}

static int create_loop(struct berth_vm *vm, struct berth_err *err)
{
	int r = berth_loop_new(&vm->loop, err);

	if (r < 0)
		return r;
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->end_fd < 0)
		return berth_err_set(err, -errno, "eventfd: %s", strerror(errno));
	r = berth_loop_add(vm->loop, vm->end_fd, EPOLLIN, on_end, vm, err);
	if (r == 0 && vm->config.stop_fd >= 0)
		r = berth_loop_add(vm->loop, vm->config.stop_fd, EPOLLIN, on_stop, vm, err);
	return r;
}

/* Order matters: interrupt controllers before vCPUs, everything on a bus after it. berth_vm_free() is the mirror. */
static int create_parts(struct berth_vm *vm, struct berth_err *err)
{
	const struct berth_vm_config *c = &vm->config;
	struct berth_mem_config mem = {
		.size = c->memory,
		.start = c->memory_start,
		.fd = c->memory_fd,
		.reserved = c->reserved,
		.nr_reserved = c->nr_reserved,
		.pages = c->pages,
		.on_node = c->on_node,
		.node = c->node,
	};
	int r = create_vm(vm, err);

	if (r == 0)
		r = berth_mem_new(&vm->mem, vm->vm_fd, &mem, err);
	if (r == 0)
		r = berth_irq_new(&vm->irq, vm->vm_fd, err);
	if (r == 0 && (berth_bus_new(&vm->mmio, "mmio") < 0 || berth_bus_new(&vm->pio, "pio") < 0))
		r = berth_err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = create_loop(vm, err);
	if (r == 0)
		r = berth_power_new(&vm->power, vm->pio, &power_ops, vm, err);
	if (r == 0)
		r = berth_rtc_new(&vm->rtc, vm->pio, NULL, err);
	if (r == 0)
		r = berth_console_new(&vm->console, vm->pio, vm->irq, vm->loop, c->console_in_fd,
				      c->console_out_fd, err);
	if (r == 0)
		r = berth_pci_host_new(&vm->pci, vm->mmio, vm->pio, vm->mem,
				       berth_cpuid_phys_bits(vm->cpuid), err);
	return r;
}

int berth_vm_new(struct berth_vm **ret, const struct berth_vm_config *config, struct berth_err *err)
{
	BERTH_CLEANUP(berth_vm_freep) struct berth_vm *vm = NULL;
	int r = check_config(config, err);

	if (r < 0)
		return r;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return berth_err_set(err, -ENOMEM, "out of memory");
	vm->config = *config;
	vm->vm_fd = vm->end_fd = -1;
	pthread_mutex_init(&vm->end_lock, NULL);
	berth_vcpu_shared_init(&vm->shared);
	vm->cmdline = strdup(config->cmdline ? config->cmdline : "");
	vm->vcpus = calloc(config->nr_vcpus, sizeof(struct berth_vcpu *));
	if (!vm->cmdline || !vm->vcpus)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = create_parts(vm, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(vm);
	return 0;
}

void berth_vm_free(struct berth_vm *vm)
{
	if (!vm)
		return;
	for (unsigned int i = 0; vm->vcpus && i < vm->config.nr_vcpus; i++)
		berth_vcpu_free(vm->vcpus[i]);
	free(vm->vcpus);
	while (vm->watches)
		berth_vm_unwatch_fd(vm, vm->watches->fd);
	berth_pci_host_free(vm->pci);
	berth_console_free(vm->console);
	berth_rtc_free(vm->rtc);
	berth_power_free(vm->power);
	berth_loop_free(vm->loop);
	if (vm->end_fd >= 0)
		close(vm->end_fd);
	berth_bus_free(vm->pio);
	berth_bus_free(vm->mmio);
	berth_irq_free(vm->irq);
	berth_mem_free(vm->mem);
	free(vm->cpuid);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	berth_vcpu_shared_done(&vm->shared);
	pthread_mutex_destroy(&vm->end_lock);
	free(vm->cmdline);
	free(vm);
}

static int put_acpi(struct berth_vm *vm, struct berth_err *err)
{
	struct berth_range windows[2];
	struct berth_acpi_config config = {
		.nr_vcpus = vm->config.nr_vcpus,
		.nr_buses = berth_pci_host_nr_buses(vm->pci),
		.last_dev = berth_pci_host_last_dev(vm->pci),
		.gsi = berth_pci_root_gsi,
		.windows = windows,
		.nr_windows = berth_pci_host_mmio_windows(vm->pci, windows),
	};
	uint8_t *area = berth_mem_at(vm->mem, BERTH_ACPI_BASE, BERTH_ACPI_SIZE);

	assert(area);
	return berth_acpi_build(area, &config, err);
}

static int create_vcpus(struct berth_vm *vm, const struct berth_boot *boot, struct berth_err *err)
{
	vm->shared.kvm_fd = vm->config.kvm_fd;
	vm->shared.vm_fd = vm->vm_fd;
	vm->shared.mmio = vm->mmio;
	vm->shared.pio = vm->pio;
	vm->shared.mem = vm->mem;
	vm->shared.failed = vm_vcpu_failed;
	vm->shared.opaque = vm;
	for (unsigned int i = 0; i < vm->config.nr_vcpus; i++) {
		int r;

		berth_cpuid_set_vcpu(vm->cpuid, i, vm->config.nr_vcpus);
		r = berth_vcpu_new(&vm->vcpus[i], &vm->shared, i, vm->cpuid, i ? NULL : boot, err);
		if (r == 0)
			r = berth_vcpu_start(vm->vcpus[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int berth_vm_load(struct berth_vm *vm, struct berth_err *err)
{
	struct berth_loader_config loader = {
		.kernel_fd = vm->config.kernel_fd,
		.initrd_fd = vm->config.initrd_fd,
		.cmdline = vm->cmdline,
	};
	struct berth_boot boot;
	int r = berth_pci_host_assign(vm->pci, err);

	loader.ecam = (struct berth_range){
		BERTH_PCI_ECAM_BASE,
		(uint64_t)berth_pci_host_nr_buses(vm->pci) << 20,
	};
	if (r == 0)
		r = berth_loader_load(vm->mem, &loader, &boot, err);
	if (r == 0)
		r = put_acpi(vm, err);
	if (r == 0)
		r = berth_vcpu_install_signal(err);
	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN); /* a console that went away is no reason to die */
	berth_cpu_state_put_tables(vm->mem);
	berth_power_put_reset_vector(vm->mem);
	return create_vcpus(vm, &boot, err);
}

/* All of them first, so that they stop together. */
static void stop_vcpus(struct berth_vm *vm)
{
	for (unsigned int i = 0; i < vm->config.nr_vcpus; i++)
		berth_vcpu_stop(vm->vcpus[i]);
	for (unsigned int i = 0; i < vm->config.nr_vcpus; i++)
		berth_vcpu_join(vm->vcpus[i]);
}

int berth_vm_run(struct berth_vm *vm, enum berth_vm_end *ret_end, struct berth_err *err)
{
	int r;

	assert(vm->vcpus[0]);
	berth_vcpu_gate_open(&vm->shared);
	r = berth_loop_run(vm->loop, err);
	stop_vcpus(vm);
	if (r < 0)
		return r;
	if (vm->end_code)
		return berth_err_set(err, vm->end_code, "%s", vm->end_err.text);
	*ret_end = vm->end;
	return 0;
}

static void on_watch(void *opaque, int fd, uint32_t events)
{
	struct watch *watch = opaque;

	(void)events;
	watch->fn(watch->vm, fd, watch->opaque);
}

int berth_vm_watch_fd(struct berth_vm *vm, int fd, berth_vm_fd_fn fn, void *opaque,
		      struct berth_err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return berth_err_set(err, -ENOMEM, "out of memory");
	*watch = (struct watch){ vm, fd, fn, opaque, vm->watches };
	r = berth_loop_add(vm->loop, fd, EPOLLIN, on_watch, watch, err);
	if (r < 0) {
		free(watch);
		return r;
	}
	vm->watches = watch;
	return 0;
}

void berth_vm_unwatch_fd(struct berth_vm *vm, int fd)
{
	struct watch **p, *watch;

	for (p = &vm->watches; *p && (*p)->fd != fd; p = &(*p)->next)
		;
	watch = *p;
	if (!watch)
		return;
	berth_loop_del(vm->loop, fd);
	*p = watch->next;
	free(watch);
}

int berth_vm_kvm_vm_fd(const struct berth_vm *vm)
{
	return vm->vm_fd;
}

struct berth_mem *berth_vm_mem(struct berth_vm *vm)
{
	return vm->mem;
}

struct berth_bus *berth_vm_mmio(struct berth_vm *vm)
{
	return vm->mmio;
}

struct berth_bus *berth_vm_pio(struct berth_vm *vm)
{
	return vm->pio;
}

struct berth_irq *berth_vm_irq(struct berth_vm *vm)
{
	return vm->irq;
}

struct berth_pci_host *berth_vm_pci(struct berth_vm *vm)
{
	return vm->pci;
}

void berth_vm_ram_ready(void *opaque, uint64_t done, uint64_t total)
{
	const struct berth_vm *vm = opaque;

	if (vm->config.ram_ready)
		vm->config.ram_ready(vm->config.ram_opaque, done, total);
}

int berth_vm_kick_signal(void)
{
	return berth_vcpu_signal();
}
