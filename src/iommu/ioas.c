/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "iommu/ioas.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "iommu/ioas_ops.h"

struct berth_ioas *berth_ioas_alloc(const struct berth_ioas_ops *ops, enum berth_ioas_kind kind)
{
	struct berth_ioas *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->ops = ops;
	io->kind = kind;
	io->fd = -1;
	return io;
}

static const struct berth_ioas_ops *ops_of(enum berth_ioas_kind kind)
{
	switch (kind) {
	case BERTH_IOAS_TYPE1:
		return &berth_ioas_type1;
	case BERTH_IOAS_IOMMUFD:
		return &berth_ioas_iommufd;
	}
	return NULL;
}

const char *berth_ioas_kind_name(enum berth_ioas_kind kind)
{
	return ops_of(kind)->name;
}

int berth_ioas_open(struct berth_ioas **ret, enum berth_ioas_kind kind,
		    const struct berth_host *host, struct berth_err *err)
{
	BERTH_CLEANUP(berth_ioas_closep)
	struct berth_ioas *io = berth_ioas_alloc(ops_of(kind), kind);
	int r;

	if (!io)
		return berth_err_set(err, -ENOMEM, "I/O address space: out of memory");
	io->host = host;
	r = io->ops->open(io, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(io);
	return 0;
}

static int take_groups(struct berth_ioas *io, const struct berth_ioas_handover *h)
{
	size_t taken = 0;

	while (io && taken < h->nr_groups &&
	       berth_ioas_add_group(io, h->groups[taken].id, h->groups[taken].fd) == 0)
		taken++;
	for (size_t i = taken; i < h->nr_groups; i++)
		close(h->groups[i].fd);
	return taken < h->nr_groups ? -ENOMEM : 0;
}

int berth_ioas_from_fds(struct berth_ioas **ret, const struct berth_ioas_handover *h,
			struct berth_err *err)
{
	BERTH_CLEANUP(berth_ioas_closep)
	struct berth_ioas *io = berth_ioas_alloc(ops_of(h->kind), h->kind);
	int r = take_groups(io, h);

	if (io) {
		io->fd = h->fd;
		io->id = h->id;
	} else {
		close(h->fd);
	}
	for (size_t i = 0; io && r == 0 && i < h->nr_devices; i++)
		r = berth_ioas_add_device(io, h->devices[i]);
	if (!io || r < 0)
		return berth_err_set(err, -ENOMEM, "I/O address space: out of memory");
	if (h->nr_groups || h->nr_devices)
		r = io->ops->refresh(io, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(io);
	return 0;
}

void berth_ioas_close(struct berth_ioas *io)
{
	if (!io)
		return;
	for (size_t i = 0; i < io->nr_groups; i++)
		close(io->groups[i].fd);
	free(io->groups);
	free(io->devices);
	if (io->fd >= 0)
		close(io->fd);
	free(io->ranges);
	free(io);
}

int berth_ioas_add_group(struct berth_ioas *io, unsigned int id, int fd)
{
	struct berth_ioas_group *more = reallocarray(io->groups, io->nr_groups + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	io->groups = more;
	more[io->nr_groups++] = (struct berth_ioas_group){ .id = id, .fd = fd };
	return 0;
}

int berth_ioas_add_device(struct berth_ioas *io, int fd)
{
	int *more = reallocarray(io->devices, io->nr_devices + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	io->devices = more;
	more[io->nr_devices++] = fd;
	return 0;
}

void berth_ioas_set_ranges(struct berth_ioas *io, struct berth_range *ranges, size_t nr)
{
	free(io->ranges);
	io->ranges = ranges;
	io->nr_ranges = nr;
}

int berth_ioas_open_device(struct berth_ioas *io, struct berth_bdf at, int *ret_fd,
			   struct berth_err *err)
{
	int fd, r;

	r = io->ops->open_device(io, at, &fd, err);
	if (r < 0)
		return r;
	/* Every further group may reserve addresses of its own. */
	r = io->ops->refresh(io, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

enum berth_ioas_kind berth_ioas_kind(const struct berth_ioas *io)
{
	return io->kind;
}

int berth_ioas_fd(const struct berth_ioas *io)
{
	return io->fd;
}

uint32_t berth_ioas_id(const struct berth_ioas *io)
{
	return io->id;
}

size_t berth_ioas_kvm_files(const struct berth_ioas *io, int *ret, size_t max)
{
	bool by_group = io->kind == BERTH_IOAS_TYPE1;
	size_t nr = by_group ? io->nr_groups : io->nr_devices;

	for (size_t i = 0; i < nr && i < max; i++)
		ret[i] = by_group ? io->groups[i].fd : io->devices[i];
	return nr;
}

const struct berth_ioas_group *berth_ioas_groups(const struct berth_ioas *io, size_t *ret_nr)
{
	*ret_nr = io->nr_groups;
	return io->groups;
}

uint64_t berth_ioas_pagesize(const struct berth_ioas *io)
{
	return io->pagesize;
}

const struct berth_range *berth_ioas_ranges(const struct berth_ioas *io, size_t *ret_nr)
{
	*ret_nr = io->nr_ranges;
	return io->ranges;
}

size_t berth_ioas_holes(const struct berth_ioas *io, struct berth_range *ret, size_t max)
{
	uint64_t next = 0;
	size_t nr = 0;

	for (size_t i = 0; i <= io->nr_ranges; i++) {
		uint64_t start = i < io->nr_ranges ? io->ranges[i].start : UINT64_MAX;

		if (start > next) {
			if (nr < max)
				ret[nr] = (struct berth_range){ next, start - next };
			nr++;
		}
		if (i == io->nr_ranges)
			break;
		next = berth_range_last(io->ranges[i]) + 1;
		if (next == 0) /* up to the last address */
			break;
	}
	return nr;
}

/* The first reserved address in @at, which no single range contains. */
static uint64_t first_hole(const struct berth_ioas *io, struct berth_range at)
{
	uint64_t next = at.start;

	for (size_t i = 0; i < io->nr_ranges; i++) {
		struct berth_range r = io->ranges[i];

		if (r.size && r.start <= next && berth_range_last(r) >= next) {
			if (berth_range_last(r) == UINT64_MAX)
				break;
			next = berth_range_last(r) + 1;
		}
	}
	return next;
}

static int check_place(const struct berth_ioas *io, struct berth_range at, struct berth_err *err)
{
	for (size_t i = 0; i < io->nr_maps; i++)
		if (berth_range_overlaps(io->maps[i], at))
			return berth_err_set(err, -EEXIST,
					     "map %#" PRIx64 "+%#" PRIx64
					     " for DMA: overlaps what is mapped at %#" PRIx64,
					     at.start, at.size, io->maps[i].start);
	for (size_t i = 0; i < io->nr_ranges; i++)
		if (berth_range_contains(io->ranges[i], at))
			return 0;
	return berth_err_set(err, -ERANGE,
			     "map %#" PRIx64 "+%#" PRIx64
			     " for DMA: the platform reserves address %#" PRIx64
			     " (see the group's reserved_regions in sysfs)",
			     at.start, at.size, first_hole(io, at));
}

static int over_the_limit(const struct berth_ioas *io, struct berth_range at, struct berth_err *err)
{
	struct rlimit lim = { 0 };
	uint64_t sum = at.size;

	for (size_t i = 0; i < io->nr_maps; i++)
		sum += io->maps[i].size;
	getrlimit(RLIMIT_MEMLOCK, &lim);
	return berth_err_set(err, -ENOMEM,
			     "map %#" PRIx64 "+%#" PRIx64 " for DMA: %" PRIu64
			     " bytes in all must be locked in memory, the limit is %" PRIu64
			     "; raise RLIMIT_MEMLOCK (ulimit -l) or give the VM less memory",
			     at.start, at.size, sum, (uint64_t)lim.rlim_cur);
}

int berth_ioas_map(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot,
		   struct berth_err *err)
{
	uint64_t mask = io->pagesize - 1;
	int r;

	if (!io->pagesize || !at.size || !berth_range_valid(at) ||
	    ((at.start | at.size | (uintptr_t)vaddr) & mask) || !prot ||
	    (prot & ~(unsigned int)(BERTH_IOAS_READ | BERTH_IOAS_WRITE)))
		return berth_err_set(err, -EINVAL,
				     "map %#" PRIx64 "+%#" PRIx64
				     " for DMA: not a whole number of %" PRIu64 "-byte pages",
				     at.start, at.size, io->pagesize);
	r = check_place(io, at, err);
	if (r < 0)
		return r;
	if (io->nr_maps == BERTH_IOAS_MAX_MAPS)
		return berth_err_set(err, -ENOSPC,
				     "map %#" PRIx64
				     " for DMA: the VM has its most of %d mappings already",
				     at.start, BERTH_IOAS_MAX_MAPS);
	r = io->ops->map(io, at, vaddr, prot);
	if (r == -ENOMEM)
		return over_the_limit(io, at, err);
	if (r < 0)
		return berth_err_set(err, r, "map %#" PRIx64 "+%#" PRIx64 " for DMA: %s%s",
				     at.start, at.size, strerror(-r),
				     r == -EFAULT && io->kind == BERTH_IOAS_IOMMUFD ?
					     "; iommufd maps no memory of devices: take type1" :
					     "");
	io->maps[io->nr_maps++] = at;
	return 0;
}

int berth_ioas_unmap(struct berth_ioas *io, struct berth_range at, struct berth_err *err)
{
	uint64_t done = 0;
	size_t i;
	int r;

	for (i = 0; i < io->nr_maps; i++)
		if (io->maps[i].start == at.start && io->maps[i].size == at.size)
			break;
	if (i == io->nr_maps)
		return berth_err_set(err, -ENOENT,
				     "unmap %#" PRIx64 "+%#" PRIx64 ": no such mapping", at.start,
				     at.size);
	r = io->ops->unmap(io, at, &done);
	if (r < 0)
		return berth_err_set(err, r, "unmap %#" PRIx64 "+%#" PRIx64 ": %s", at.start,
				     at.size, strerror(-r));
	io->maps[i] = io->maps[--io->nr_maps];
	if (done != at.size)
		return berth_err_set(err, -EIO,
				     "unmap %#" PRIx64 "+%#" PRIx64
				     ": the kernel unmapped %#" PRIx64 " bytes",
				     at.start, at.size, done);
	return 0;
}

uint64_t berth_ioas_memlock_need(uint64_t ram)
{
	uint64_t sum;

	return __builtin_add_overflow(ram, BERTH_IOAS_MEMLOCK_SLACK, &sum) ? UINT64_MAX : sum;
}

int berth_ioas_memlock_allow(uint64_t need, struct berth_err *err)
{
	struct rlimit lim;
	rlim_t had;

	if (getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return berth_err_set(err, -errno, "RLIMIT_MEMLOCK: %s", strerror(errno));
	had = lim.rlim_max;
	if (had == RLIM_INFINITY || need <= had)
		return 0;
	lim.rlim_max = need;
	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0)
		return 0;
	return berth_err_set(
		err, -EPERM,
		"%" PRIu64 " MiB of memory must be locked for DMA, the limit is %" PRIu64
		" MiB and may not be raised (%s); raise it (ulimit -l, LimitMEMLOCK= of "
		"the unit), run with CAP_SYS_RESOURCE, or give the VM less memory",
		need >> 20, (uint64_t)had >> 20, strerror(errno));
}
