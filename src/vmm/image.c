/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/image.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "vmm/boot_map.h"
#include "vmm/mem.h"

#define PAGE UINT64_C(4096)
#define MIB  (UINT64_C(1) << 20)

int berth_image_size(int fd, const char *what, uint64_t *ret, struct berth_err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return berth_err_set(err, -errno, "%s: fstat: %s", what, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return berth_err_set(err, -EINVAL, "%s: not a regular file", what);
	*ret = (uint64_t)st.st_size;
	return 0;
}

int berth_image_read(int fd, const char *what, uint64_t offset, void *data, size_t len,
		     struct berth_err *err)
{
	char *at = data;

	while (len) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return berth_err_set(err, -errno, "%s: read: %s", what, strerror(errno));
		if (n == 0)
			return berth_err_set(
				err, -ENODATA,
				"%s: the file is truncated: it ends at byte %llu and %zu "
				"more are missing",
				what, (unsigned long long)offset, len);
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* End of the RAM that begins at 0, the only one below 4 GiB that kernels are given things in. */
static uint64_t low_end(const struct berth_mem *mem)
{
	size_t nr;

	return berth_mem_ram_ranges(mem, &nr)[0].size;
}

int berth_image_place_initrd(const struct berth_mem *mem, int fd, uint64_t from, uint64_t to,
			     struct berth_range *ret, struct berth_err *err)
{
	uint64_t size, end = low_end(mem), start;
	int r;

	*ret = (struct berth_range){ 0, 0 };
	if (fd < 0)
		return 0;
	r = berth_image_size(fd, "initrd", &size, err);
	if (r < 0 || size == 0)
		return r;
	if (to != UINT64_MAX && to + 1 < end)
		end = to + 1;
	start = size <= end ? berth_align_down(end - size, PAGE) : 0;
	if (size > end || start < from)
		return berth_err_set(
			err, -EFBIG,
			"initrd: its %llu MiB are larger than the memory that the kernel "
			"leaves free (%llu MiB); give the VM more memory",
			(unsigned long long)((size + MIB - 1) / MIB),
			(unsigned long long)(end > from ? (end - from) / MIB : 0));
	r = berth_image_read(fd, "initrd", 0, berth_mem_at(mem, start, size), size, err);
	if (r == 0)
		*ret = (struct berth_range){ start, size };
	return r;
}

int berth_image_put_cmdline(const struct berth_mem *mem, const char *cmdline, size_t max,
			    struct berth_err *err)
{
	size_t len = strlen(cmdline);
	char *at = berth_mem_at(mem, BERTH_BOOT_CMDLINE, len + 1);

	if (len > max || BERTH_BOOT_CMDLINE + len >= BERTH_BOOT_LOW_END)
		return berth_err_set(
			err, -EINVAL,
			"kernel: the command line is %zu bytes long, this kernel takes %zu", len,
			max);
	assert(at);
	memcpy(at, cmdline, len + 1);
	return 0;
}
