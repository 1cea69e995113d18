/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks with a finding and a remedy: of a whole host (berth doctor) and of one device (berth show).
 */
#ifndef BERTH_TOOLS_OUT_CHECK_H
#define BERTH_TOOLS_OUT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/json.h"
#include "iommu/platform.h"
#include "tools/out_view.h"
#include "vfio/inuse.h"

/* "ok", "warn", "fail" */
enum berth_check_status { BERTH_CHECK_OK, BERTH_CHECK_WARN, BERTH_CHECK_FAIL };

#define BERTH_MAX_CHECKS 64

struct berth_check {
	const char *name; /* stable, for scripts: "interrupt-remapping" */
	enum berth_check_status status;
	char finding[360];
	char remedy[240]; /* "" when there is nothing to do */
};

struct berth_checks {
	struct berth_check items[BERTH_MAX_CHECKS];
	size_t nr;
};

const char *berth_check_status_name(enum berth_check_status status);
/* The worst of all; BERTH_CHECK_OK for none. */
enum berth_check_status berth_checks_worst(const struct berth_checks *checks);

/* @remedy: NULL when there is nothing to do. What no longer fits is dropped, but makes the last entry no better. */
void berth_check_add(struct berth_checks *checks, const char *name, enum berth_check_status status,
		     const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Is this host fit for passthrough? Pure over what was read. */
void berth_check_host(struct berth_checks *ret, const struct berth_out_view *view,
		      const struct berth_platform *platform);

/*
 * What stands in the way of assigning @dev? @inuse NULL: it could not be read, which is itself in the way.
 * @host is read for the group's reserved regions.
 */
void berth_check_device(struct berth_checks *ret, const struct berth_out_view *view,
			const struct berth_host *host, const struct berth_platform *platform,
			const struct berth_inuse *inuse, const struct berth_device *dev);

/* "[ok]   name  finding", with the remedy below it. */
void berth_checks_print(const struct berth_checks *checks, FILE *f);
/* [{"name":…,"status":…,"finding":…,"remedy":…}]; new reference, NULL: out of memory */
json_t *berth_checks_json(const struct berth_checks *checks);

#endif
