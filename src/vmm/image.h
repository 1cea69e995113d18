/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two kernel formats share: reading pieces of a file into guest memory, and placing the initrd.
 */
#ifndef BERTH_VMM_IMAGE_H
#define BERTH_VMM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "vmm/loader.h"

struct berth_err;
struct berth_mem;

/* Size of a regular file. Return: 0; -EINVAL not a regular file; -errno. @what: "kernel", "initrd", for the sentence */
int berth_image_size(int fd, const char *what, uint64_t *ret, struct berth_err *err);

/* Exactly @len bytes from @offset on. Return: 0; -ENODATA the file ends before; -errno. */
int berth_image_read(int fd, const char *what, uint64_t offset, void *data, size_t len,
		     struct berth_err *err);

/**
 * berth_image_place_initrd() - read the initrd to the highest place that suits
 * @from: first address behind the kernel
 * @to: last address that the kernel can take an initrd at
 * @ret: where it lies; size 0 when there is none
 *
 * Return: 0; -EFBIG it does not fit; -errno.
 */
int berth_image_place_initrd(const struct berth_mem *mem, int fd, uint64_t from, uint64_t to,
			     struct berth_range *ret, struct berth_err *err);

/* Copy the command line to BERTH_BOOT_CMDLINE. @max: bytes that the kernel takes. Return: 0; -EINVAL too long. */
int berth_image_put_cmdline(const struct berth_mem *mem, const char *cmdline, size_t max,
			    struct berth_err *err);

#endif
