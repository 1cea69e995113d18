/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Getting a kernel and its initrd from files into guest memory, with what the kernel wants to be told.
 *
 * Two kinds of kernel: bzImage, entered in 64-bit mode (Linux x86 boot protocol 2.12 and up), and ELF with the PVH note
 * (Xen's x86/HVM direct boot ABI), entered in 32-bit mode. The files are input: every number in them is checked.
 */
#ifndef BERTH_VMM_LOADER_H
#define BERTH_VMM_LOADER_H

#include <stdint.h>

#include "base/range.h"

struct berth_err;
struct berth_mem;

enum berth_boot_protocol { BERTH_BOOT_LINUX64, BERTH_BOOT_PVH };

/* How the first vCPU starts. */
struct berth_boot {
	enum berth_boot_protocol protocol;
	uint64_t entry;	 /* guest-physical */
	uint64_t params; /* RSI (zero page) or EBX (start info) */
};

struct berth_loader_config {
	int kernel_fd;		 /* borrowed; regular file */
	int initrd_fd;		 /* borrowed; regular file, or -1 */
	const char *cmdline;	 /* borrowed; not NULL */
	struct berth_range ecam; /* for the memory map */
};

/**
 * berth_loader_load() - put kernel, initrd, command line and boot parameters into memory
 *
 * Return: 0; -ENOEXEC not a kernel that we can start; -ENODATA a file ends too early; -EFBIG kernel or initrd do not fit
 *         into memory; -EINVAL the command line is too long for this kernel; -errno of read.
 */
int berth_loader_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		      struct berth_boot *ret, struct berth_err *err);

#endif
