/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a VM before there is a berth-vmm: on which node it should be, and pages of a pool, which are reserved before a
 * device is taken from the host. Whatever it is made of, berth-vmm maps it and faults it in (early_ram.h).
 */
#ifndef BERTH_TOOLS_VM_MEMORY_H
#define BERTH_TOOLS_VM_MEMORY_H

#include "base/bdf.h"
#include "vmm/backing.h"

struct berth_err;
struct berth_host;
struct berth_run_config;

struct berth_vm_memory {
	struct berth_backing_config config; /* fd is owned, -1 when unset */
};

#define BERTH_VM_MEMORY_INIT                                                                       \
	{                                                                                          \
		.config = {.node = BERTH_NODE_ANY, .fd = -1 }                                      \
	}

/**
 * berth_vm_memory_reserve() - is there enough, and with pages of a pool: take them
 *
 * Return: 0; -ENOMEM, -ENOENT and the sentence of hostmem.h; -errno.
 */
int berth_vm_memory_reserve(struct berth_vm_memory *m, const struct berth_host *host,
			    const struct berth_run_config *c, struct berth_err *err);

/* The node of these devices, unless the user chose one or none. Says so in the log when it cannot be. */
void berth_vm_memory_choose_node(struct berth_vm_memory *m, const struct berth_host *host,
				 const struct berth_run_config *c, const struct berth_bdf *devices,
				 size_t nr);

/* Close the file. */
void berth_vm_memory_done(struct berth_vm_memory *m);

#endif
