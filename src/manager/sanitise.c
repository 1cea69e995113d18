/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/sanitise"
#include "manager/sanitise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/ioas.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "vfio/bind.h"
#include "vfio/device.h"
#include "vfio/inventory.h"
#include "vfio/reset.h"

#define POLL_MS 50

int berth_sanitise_wait_closed(struct berth_manager *m, const struct berth_assignment *a,
			       unsigned int deadline_ms, struct berth_err *err)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000L };
	int group = berth_owner_group(m->inv, a);
	char name[32];
	pid_t pid = 0;

	if (group < 0)
		return 0;
	for (unsigned int waited = 0;; waited += POLL_MS) {
		pid = berth_process_holding(m->host, group, NULL, 0);
		if (!pid)
			return 0;
		if (waited >= deadline_ms)
			break;
		nanosleep(&nap, NULL);
	}
	return berth_err_set(err, BERTH_REFUSED,
			     "%s: /dev/vfio/%d is open in process %d (%s); end it first",
			     a->members[0].bdf, group, (int)pid,
			     berth_process_name(m->host, pid, name));
}

/* The functions of @a that are there, at most @max; @ret_all_vfio: are they all on vfio-pci now? */
static size_t present(struct berth_manager *m, const struct berth_assignment *a,
		      const struct berth_device **devs, bool *ret_all_vfio)
{
	struct berth_bind_state now;
	size_t nr = 0;
	bool same;

	*ret_all_vfio = true;
	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_device *dev =
			berth_owner_find_member(m->inv, &a->members[i], &same);

		if (!dev || !same)
			continue;
		devs[nr++] = dev;
		if (berth_bind_read(m->host, dev->bdf, &now, NULL) < 0 ||
		    strcmp(now.driver, BERTH_BIND_VFIO) != 0)
			*ret_all_vfio = false;
	}
	return nr;
}

static int by_vfio(struct berth_manager *m, const struct berth_device *const *devs, size_t nr,
		   struct berth_reset_result *results, struct berth_err *err)
{
	struct berth_vfio_device **open = calloc(nr + 1, sizeof(*open));
	BERTH_CLEANUP(berth_freep) struct berth_bdf *at = calloc(nr + 1, sizeof(*at));
	struct berth_ioas *io = NULL;
	enum berth_ioas_kind kind;
	int r = open && at ? 0 : -ENOMEM;

	if (r < 0) {
		free(open);
		return berth_err_set(err, r, "out of memory");
	}
	for (size_t i = 0; i < nr; i++)
		at[i] = devs[i]->bdf;
	r = berth_ioas_choose(BERTH_IOAS_WANT_ANY, m->host, at, nr, &kind, err);
	if (r == 0)
		r = berth_ioas_open(&io, kind, m->host, err);
	for (size_t i = 0; i < nr && r == 0; i++)
		r = berth_vfio_device_open(&open[i], io, devs[i]->bdf, err);
	if (r == 0)
		r = berth_reset_devices(m->host, io, open, nr, BERTH_RESET_AFTER_USE, results, err);
	for (size_t i = 0; i < nr; i++)
		berth_vfio_device_close(open[i]);
	berth_ioas_close(io);
	free(open);
	return r;
}

static int by_sysfs(struct berth_manager *m, const struct berth_device *const *devs, size_t nr,
		    struct berth_reset_result *results, struct berth_err *err)
{
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = berth_reset_sysfs(m->host, devs[i]->bdf, BERTH_SYSFS_DEADLINE_MS, &results[i],
				      err);
	return r;
}

int berth_sanitise(struct berth_manager *m, const struct berth_assignment *a, char *how,
		   size_t size, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const struct berth_device **devs = calloc(a->nr_members + 1, sizeof(*devs));
	BERTH_CLEANUP(berth_freep)
	struct berth_reset_result *results = calloc(a->nr_members + 1, sizeof(*results));
	struct berth_err first = BERTH_ERR_INIT;
	bool all_vfio;
	size_t nr, len = 0;
	int r = -EOPNOTSUPP;

	how[0] = '\0';
	if (!devs || !results)
		return berth_err_set(err, -ENOMEM, "out of memory");
	nr = present(m, a, devs, &all_vfio);
	if (nr == 0)
		return 0;
	if (all_vfio)
		r = by_vfio(m, devs, nr, results, &first);
	if (r != 0) {
		log_info("%s: reset through vfio: %s", a->group,
			 all_vfio ? first.text : "not bound");
		r = by_sysfs(m, devs, nr, results, err);
	}
	for (size_t i = 0; i < nr && len < size; i++)
		len += (size_t)snprintf(how + len, size - len, "%s%s", i ? "; " : "",
					results[i].sentence);
	return r == 0 ? 0 : BERTH_REFUSED;
}
