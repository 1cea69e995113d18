/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux bzImage, entered in 64-bit mode. Source: Documentation/arch/x86/boot.rst and zero-page.rst of Linux.
 */
#ifndef BERTH_VMM_BZIMAGE_H
#define BERTH_VMM_BZIMAGE_H

#include "vmm/loader.h"

/* Return: as berth_loader_load(); > 0 (BERTH_ABSENT): the file has no Linux boot header, try another format. */
int berth_bzimage_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		       struct berth_boot *ret, struct berth_err *err);

#endif
