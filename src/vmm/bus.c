/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vmm/bus"
#include "vmm/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"

#define LOG_BURST                                                                                  \
	10 /* lines about stray accesses per second; a guest must not fill the host's log */

struct berth_bus_region {
	struct berth_range at;
	const struct berth_bus_ops *ops; /* borrowed */
	void *opaque;			 /* borrowed */
	atomic_uint refs;		 /* one of the list, one of each call under way */
	struct berth_bus_region *next;	 /* in the order they were added */
};

struct berth_bus {
	const char *name; /* borrowed */
	pthread_rwlock_t lock;
	struct berth_bus_region *regions; /* owned list */
	atomic_uint lines;		  /* logged in this second */
	atomic_llong second;
};

int berth_bus_new(struct berth_bus **ret, const char *name)
{
	struct berth_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	bus->name = name;
	pthread_rwlock_init(&bus->lock, NULL);
	*ret = bus;
	return 0;
}

void berth_bus_free(struct berth_bus *bus)
{
	if (!bus)
		return;
	while (bus->regions) {
		struct berth_bus_region *region = bus->regions;

		bus->regions = region->next;
		free(region);
	}
	pthread_rwlock_destroy(&bus->lock);
	free(bus);
}

int berth_bus_add(struct berth_bus *bus, struct berth_range at, const struct berth_bus_ops *ops,
		  void *opaque, struct berth_bus_region **ret, struct berth_err *err)
{
	struct berth_bus_region *region, **p;

	if (at.size == 0 || !berth_range_valid(at))
		return berth_err_set(err, -EINVAL,
				     "%s bus: 0x%llx + 0x%llx is no range of addresses", bus->name,
				     (unsigned long long)at.start, (unsigned long long)at.size);
	region = calloc(1, sizeof(*region));
	if (!region)
		return berth_err_set(err, -ENOMEM, "out of memory");
	region->at = at;
	region->ops = ops;
	region->opaque = opaque;
	atomic_init(&region->refs, 1);
	pthread_rwlock_wrlock(&bus->lock);
	for (p = &bus->regions; *p; p = &(*p)->next)
		;
	*p = region;
	pthread_rwlock_unlock(&bus->lock);
	if (ret)
		*ret = region;
	return 0;
}

static void put(struct berth_bus_region *region)
{
	if (atomic_fetch_sub(&region->refs, 1) == 1)
		free(region);
}

void berth_bus_remove(struct berth_bus *bus, struct berth_bus_region *region)
{
	struct berth_bus_region **p;

	if (!region)
		return;
	pthread_rwlock_wrlock(&bus->lock);
	for (p = &bus->regions; *p != region; p = &(*p)->next)
		;
	*p = region->next;
	pthread_rwlock_unlock(&bus->lock);
	put(region);
}

/* With a reference, so that the callback runs without the lock and may itself add and remove regions. */
static struct berth_bus_region *find(struct berth_bus *bus, struct berth_range at)
{
	struct berth_bus_region *region;

	pthread_rwlock_rdlock(&bus->lock);
	for (region = bus->regions; region; region = region->next)
		if (berth_range_contains(region->at, at)) {
			atomic_fetch_add(&region->refs, 1);
			break;
		}
	pthread_rwlock_unlock(&bus->lock);
	return region;
}

/* Refilled once a second. Two threads at the turn of a second may let a line more through. */
static bool may_log(struct berth_bus *bus)
{
	struct timespec now;

	if (berth_log_max < BERTH_LOG_DEBUG)
		return false;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (atomic_exchange(&bus->second, now.tv_sec) != now.tv_sec)
		atomic_store(&bus->lines, 0);
	return atomic_fetch_add(&bus->lines, 1) < LOG_BURST;
}

bool berth_bus_read(struct berth_bus *bus, uint64_t addr, unsigned int len, void *data)
{
	struct berth_bus_region *region = find(bus, (struct berth_range){ addr, len });

	memset(data, 0xff, len);
	if (!region) {
		if (may_log(bus))
			log_debug("%s: nobody at 0x%llx, %u bytes read as all-ones", bus->name,
				  (unsigned long long)addr, len);
		return false;
	}
	if (region->ops->read)
		region->ops->read(region->opaque, addr - region->at.start, len, data);
	put(region);
	return true;
}

bool berth_bus_write(struct berth_bus *bus, uint64_t addr, unsigned int len, const void *data)
{
	struct berth_bus_region *region = find(bus, (struct berth_range){ addr, len });

	if (!region) {
		if (may_log(bus))
			log_debug("%s: nobody at 0x%llx, %u bytes written are lost", bus->name,
				  (unsigned long long)addr, len);
		return false;
	}
	if (region->ops->write)
		region->ops->write(region->opaque, addr - region->at.start, len, data);
	put(region);
	return true;
}
