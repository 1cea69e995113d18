/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `berth run`: one process per VM that owns everything the VM needs, and cleans up after it.
 *
 * Up, each step undone in reverse order on the way down, whatever happened in between:
 *   files      kernel, initrd, /dev/kvm opened and looked at; nothing of the host has changed yet
 *   folder     $BERTH_RUN/NAME with its lock, a user id for berth-vmm
 *   claim      devices are ours: policy, safety, ledger, bound to vfio-pci
 *   process    berth-vmm started, told of the machine; it confines itself and faults RAM in, while:
 *   devices    opened, reset, verified
 *   console    terminal in raw mode; then the loop (vm_loop.h), which hands the devices over
 * If this process dies, the kernel kills berth-vmm, closes the devices and frees the lock; the ledger still names us, and
 * the next verb resets and releases.
 */
#ifndef BERTH_TOOLS_SUPERVISOR_H
#define BERTH_TOOLS_SUPERVISOR_H

#include <stdbool.h>

#include "tools/vm_devices.h"

struct berth_err;
struct berth_host;
struct berth_run_config;

struct berth_supervisor_options {
	const char *console;	   /* borrowed; of berth_terminal_open() */
	unsigned int timeout_s;	   /* 0: never */
	struct berth_vm_wish wish; /* how the devices are asked for */
};

/**
 * berth_supervisor_check() - could this VM be started, as far as files and KVM can tell
 *
 * Changes nothing; devices are not looked at. @config has passed berth_run_config_check().
 *
 * Return: 0; -ENOENT, -EACCES kernel, initrd or /dev/kvm; -ENOEXEC not a kernel; -EFBIG the initrd is larger than memory;
 *         -EINVAL more CPUs than KVM allows; -errno.
 */
int berth_supervisor_check(const struct berth_host *host, const struct berth_run_config *config,
			   struct berth_err *err);

/**
 * berth_supervisor_run() - run the VM to its end
 *
 * Return: 0 the guest switched itself off, rebooted, or was stopped as asked; BERTH_REFUSED by policy or safety, it runs
 * already, or a reset after use is not proven; -errno and the sentence.
 */
int berth_supervisor_run(struct berth_host *host, const struct berth_run_config *config,
			 const struct berth_supervisor_options *options, struct berth_err *err);

#endif
