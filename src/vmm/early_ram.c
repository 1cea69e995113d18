/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/early_ram.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "vmm/prefault.h"

/* Of a thread at a time: short enough that the first piece is soon there, and that nobody waits long for the end. */
#define SLICE (UINT64_C(64) << 20)

struct berth_early_ram {
	struct berth_backing backing;	 /* owned */
	struct berth_prefault *prefault; /* owned; NULL: at its end */
};

int berth_early_ram_new(struct berth_early_ram **ret, const struct berth_backing_config *config,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_early_ram_freep)
	struct berth_early_ram *ram = calloc(1, sizeof(*ram));
	struct berth_prefault_range range = { .size = config->size };
	unsigned int nr_threads = berth_prefault_threads();
	uint64_t page = berth_pages_hugetlb(config->pages);
	int r;

	if (!ram)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = berth_backing_map(&ram->backing, config, err);
	if (r < 0)
		return r;
	range.start = ram->backing.start;
	/* One at least: who opens and resets devices sleeps most of the time. */
	r = berth_prefault_start(&ram->prefault, &range, 1, page > SLICE ? page : SLICE,
				 nr_threads ? nr_threads : 1, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(ram);
	return 0;
}

void berth_early_ram_free(struct berth_early_ram *ram)
{
	if (!ram)
		return;
	berth_early_ram_settle(ram);
	berth_backing_unmap(&ram->backing);
	free(ram);
}

void *berth_early_ram_start(const struct berth_early_ram *ram)
{
	return ram->backing.start;
}

struct berth_prefault *berth_early_ram_rest(struct berth_early_ram *ram)
{
	if (berth_prefault_threads() == 0)
		berth_early_ram_settle(ram);
	return ram->prefault;
}

void berth_early_ram_settle(struct berth_early_ram *ram)
{
	berth_prefault_free(ram->prefault);
	ram->prefault = NULL;
}
