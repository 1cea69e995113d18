/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/loader.h"

#include <errno.h>

#include "base/err.h"
#include "vmm/bzimage.h"
#include "vmm/pvh.h"

int berth_loader_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		      struct berth_boot *ret, struct berth_err *err)
{
	int r = berth_bzimage_load(mem, config, ret, err);

	if (r == BERTH_ABSENT)
		r = berth_pvh_load(mem, config, ret, err);
	if (r == BERTH_ABSENT)
		return berth_err_set(
			err, -ENOEXEC,
			"kernel: the file is neither a Linux bzImage nor an ELF kernel");
	return r;
}
