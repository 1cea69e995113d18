/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of a VM that the supervisor runs: claimed, opened, reset, lent to berth-vmm, reset again, given back.
 *
 * The supervisor keeps its own descriptors of container, groups and devices while berth-vmm uses copies. So they stay ours
 * when berth-vmm dies: no other process can open the group in between, guest RAM that a device may still write to stays
 * pinned until the reset, and the reset is ours to do and to verify instead of a side effect of the last close.
 */
#ifndef BERTH_TOOLS_VM_DEVICES_H
#define BERTH_TOOLS_VM_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager/lease.h"
#include "vmm/launch.h"

struct berth_vm_claim;
struct berth_err;
struct berth_host;
struct berth_ioas;
struct berth_lease;
struct berth_lease_wish;
struct berth_vfio_device;
struct berth_vfio_watch;

struct berth_run_device;

struct berth_vm_devices {
	struct berth_host *host;      /* borrowed, outlives us */
	struct berth_vm_claim *claim; /* owned; NULL: no devices */
	struct berth_ioas *io;	      /* owned; NULL: not open */
	/* owned; as in the claim, NULL: not open */
	struct berth_vfio_device *devs[BERTH_LAUNCH_DEVICES];
	struct berth_vfio_watch *watch; /* owned; NULL: not open */
	bool used;			/* berth-vmm has them, or had */
};

/* How the devices of a VM are asked for: the options of `berth run` that `berth assign` has, too. */
struct berth_vm_wish {
	struct berth_lease_wish lease; /* for how long */
	bool wait;		       /* until others let go of them */
	int64_t wait_s;		       /* so long; 0: for ever */
	int priority;
	bool force;
};

void berth_vm_devices_init(struct berth_vm_devices *d, struct berth_host *host);

/**
 * berth_vm_devices_claim() - make them ours: policy and safety asked, bound to vfio-pci, recorded
 * @names: as written by the user; @nr may be 0, then nothing happens
 * @stop_fd: borrowed; readable: give up waiting
 *
 * Return: what berth_manager_open() and berth_manager_claim() return, with wish->wait also berth_wait_assign().
 */
int berth_vm_devices_claim(struct berth_vm_devices *d, const char *vm, char *const *names,
			   size_t nr, const struct berth_vm_wish *wish, int stop_fd,
			   struct berth_err *err);

/* The lease that ends first, as the ledger has it now: struct berth_vm_lease.read, @devices a struct berth_vm_devices. */
int berth_vm_devices_lease(void *devices, struct berth_lease *ret);

/**
 * berth_vm_devices_choose() - by which interface of the kernel
 *
 * Return: 0 and *ret, untouched without devices; what berth_ioas_choose() and berth_ioas_open() return.
 */
int berth_vm_devices_choose(struct berth_vm_devices *d, enum berth_ioas_want want, bool p2p,
			    enum berth_ioas_kind *ret, struct berth_err *err);

/**
 * berth_vm_devices_open() - open every function claimed, reset them before use, and listen to what is reported for them
 *
 * After berth_vm_devices_choose().
 *
 * Return: 0; BERTH_REFUSED a reset is not proven; what berth_vfio_device_open() returns.
 */
int berth_vm_devices_open(struct berth_vm_devices *d, struct berth_err *err);

/**
 * berth_vm_devices_lend() - copies of the descriptors into @l, and a place in the guest for each device
 *
 * What was asked for and what shares a slot with it; the rest of a group stays with the supervisor, out of the host's reach.
 * @options: by index of the name that a device was asked for with; what came along with it has none
 *
 * Return: 0; -E2BIG; -EMFILE.
 */
int berth_vm_devices_lend(struct berth_vm_devices *d, const struct berth_run_device *options,
			  struct berth_launch *l, struct berth_err *err);

/* Descriptors that berth-vmm will open for interrupts. */
uint64_t berth_vm_devices_nr_fds(const struct berth_vm_devices *d);

/**
 * berth_vm_devices_give_back() - reset after use, close, and back to where they came from
 *
 * The mirror of all the above, from any state. Every step is tried, whatever became of the one before.
 *
 * Return: 0; BERTH_REFUSED a reset is not proven (the device stays quarantined with the VM) or berth-vmm still lives; -errno.
 */
int berth_vm_devices_give_back(struct berth_vm_devices *d, struct berth_err *err);

#endif
