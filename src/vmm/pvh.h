/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF kernel with a PVH entry point (a vmlinux built with CONFIG_PVH). Source: docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h of Xen.
 */
#ifndef BERTH_VMM_PVH_H
#define BERTH_VMM_PVH_H

#include "vmm/loader.h"

/* Return: as berth_loader_load(); > 0 (BERTH_ABSENT): the file is not ELF, try another format. */
int berth_pvh_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		   struct berth_boot *ret, struct berth_err *err);

#endif
