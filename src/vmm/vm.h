/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtual machine: its parts, its life, its end.
 *
 *	berth_vm_new()		KVM VM, RAM, interrupt controllers, buses, console, RTC, PCI host. Opens nothing by path:
 *				every descriptor comes in through the config.
 *	  … devices		berth_pci_host_add_slot(berth_vm_pci(vm), …), berth_vm_watch_fd(), …
 *	berth_vm_load()		PCI addresses, kernel, initrd, ACPI tables, vCPUs, and their threads, parked
 *	berth_vm_run()		lets them go and serves events until the VM ends; joins the threads
 *	  … devices are freed
 *	berth_vm_free()
 *
 * Sandbox: what binds per thread (capabilities, uid, Landlock) must be done before berth_vm_load(), which starts the
 * threads. A seccomp filter goes on after it with SECCOMP_FILTER_FLAG_TSYNC. Signals: one realtime signal
 * (berth_vm_kick_signal()) with an empty handler gets vCPUs out of KVM_RUN; SIGPIPE is ignored.
 *
 * Threads: berth_vm_new() to _run() and _free() from one thread, the main one. Callbacks of watched fds run on it. Bus
 * and PCI callbacks run on vCPU threads. berth_vm_stop() and berth_vm_fail() may be called from any thread.
 */
#ifndef BERTH_VMM_VM_H
#define BERTH_VMM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/range.h"
#include "vmm/backing.h"

struct berth_bus;
struct berth_err;
struct berth_irq;
struct berth_mem;
struct berth_pci_host;
struct berth_vm; /* opaque */

#define BERTH_VM_MAX_VCPUS 255 /* APIC ids of 8 bits, of which 255 is everyone */
#define BERTH_VM_MAX_CMDLINE                                                                       \
	2047 /* bytes; COMMAND_LINE_SIZE of Linux on x86 is 2048 with the NUL */

/* RAM becomes ready for DMA: bytes so far and in all. On the thread that makes it so, which is the main one. */
typedef void (*berth_vm_ram_fn)(void *opaque, uint64_t done, uint64_t total);

struct berth_vm_config {
	int kvm_fd;	 /* borrowed; /dev/kvm, opened for reading and writing */
	uint64_t memory; /* bytes of RAM, a multiple of 4 KiB */
	void *memory_start; /* borrowed; RAM that is mapped already; NULL: it is not, and comes from: */
	int memory_fd;	    /* borrowed; memfd for RAM, or -1 for anonymous memory */
	enum berth_pages pages; /* what RAM is made of */
	bool on_node;		/* all of RAM on NUMA node: */
	unsigned int node;
	unsigned int nr_vcpus; /* 1 … BERTH_VM_MAX_VCPUS */
	int kernel_fd;	       /* borrowed; regular file: bzImage or ELF with a PVH note */
	int initrd_fd;	       /* borrowed; regular file, or -1 */
	const char *cmdline;   /* borrowed until berth_vm_load() returns; NULL is "" */
	int console_in_fd; /* borrowed; what the guest reads on COM1; -1: nothing. Not blocking is not required */
	int console_out_fd; /* borrowed; what the guest writes on COM1; -1: thrown away */
	int stop_fd;	    /* borrowed eventfd: readable means berth_vm_stop(); or -1 */
	/* borrowed; addresses that RAM and BARs must avoid (IOVA holes) */
	const struct berth_range *reserved;
	size_t nr_reserved;
	berth_vm_ram_fn ram_ready; /* may be NULL */
	void *ram_opaque;
};

/* How a VM ended when nothing went wrong. */
enum berth_vm_end {
	BERTH_VM_POWEROFF, /* the guest switched itself off (ACPI S5) */
	BERTH_VM_REBOOT,   /* the guest asked for a reset; power.h says how it can */
	BERTH_VM_STOPPED,  /* berth_vm_stop() or the stop fd */
};

/**
 * berth_vm_new() - make the machine, without a guest in it
 *
 * Return: 0; -EINVAL a bad value in @config (memory 0, vCPUs 0 or too many, command line too long), said in words;
 *         -ENOMEM; -EOPNOTSUPP KVM lacks something we need; -errno of a KVM call.
 */
int berth_vm_new(struct berth_vm **ret, const struct berth_vm_config *config,
		 struct berth_err *err);
/* Mirror of new and load. Devices that sit on the VM's parts must be gone by now. NULL is allowed. */
void berth_vm_free(struct berth_vm *vm);
BERTH_DEFINE_CLEANUP(struct berth_vm *, berth_vm_free);

/**
 * berth_vm_load() - PCI addresses, kernel, initrd, ACPI, vCPUs; after every device was added, once
 *
 * Return: 0; -ENOEXEC the kernel file is not a kernel that we can start; -ENODATA a file is truncated; -EFBIG kernel or
 *         initrd do not fit into memory; -ENOSPC a PCI window is too small; -errno.
 */
int berth_vm_load(struct berth_vm *vm, struct berth_err *err);

/**
 * berth_vm_run() - run the guest until it ends
 * @ret_end: set when 0 is returned
 *
 * Return: 0; -ENOTRECOVERABLE triple fault; -EIO KVM gave up on a vCPU (internal error, failed entry; the sentence says
 *         which); what berth_vm_fail() was given; -errno. All vCPU threads have ended on return.
 */
int berth_vm_run(struct berth_vm *vm, enum berth_vm_end *ret_end, struct berth_err *err);

/* End the VM soon: berth_vm_run() returns 0 with BERTH_VM_STOPPED. From any thread; the first reason to end wins. */
void berth_vm_stop(struct berth_vm *vm);
/* End the VM soon with an error. @code: negative errno. From any thread; the first reason to end wins. */
void berth_vm_fail(struct berth_vm *vm, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * berth_vm_watch_fd() - call @fn on the main thread whenever @fd is readable, hung up or in error
 * @fd: borrowed until berth_vm_unwatch_fd() or berth_vm_free(); at most one watch per fd
 * @fn: must read the fd (level-triggered) or unwatch it; may watch and unwatch, also itself
 *
 * Before or during berth_vm_run(), from the main thread. Return: 0; -EEXIST watched already; -EPERM not pollable; -errno.
 */
typedef void (*berth_vm_fd_fn)(struct berth_vm *vm, int fd, void *opaque);
int berth_vm_watch_fd(struct berth_vm *vm, int fd, berth_vm_fd_fn fn, void *opaque,
		      struct berth_err *err);
void berth_vm_unwatch_fd(struct berth_vm *vm, int fd);

/* The parts; borrowed, they live as long as the VM. */
int berth_vm_kvm_vm_fd(const struct berth_vm *vm); /* for KVM_CREATE_DEVICE(KVM_DEV_TYPE_VFIO) */
struct berth_mem *berth_vm_mem(struct berth_vm *vm);
struct berth_bus *berth_vm_mmio(struct berth_vm *vm);
struct berth_bus *berth_vm_pio(struct berth_vm *vm);
struct berth_irq *berth_vm_irq(struct berth_vm *vm);
struct berth_pci_host *berth_vm_pci(struct berth_vm *vm);

/* Tell who wants to know (config.ram_ready). @vm: a struct berth_vm, so that this is a berth_dma_ram_progress_fn. */
void berth_vm_ram_ready(void *vm, uint64_t done, uint64_t total);

/* The signal that kicks vCPUs; berth_vm_load() installs its empty handler. */
int berth_vm_kick_signal(void);

#endif
