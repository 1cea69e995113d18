/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what a user typed to devices of this host: BDF, stable path, name from policy, pool:NAME.
 */
#ifndef BERTH_MANAGER_RESOLVE_H
#define BERTH_MANAGER_RESOLVE_H

#include <stddef.h>

struct berth_device;
struct berth_err;
struct berth_manager;

/**
 * berth_resolve() - which devices are meant
 * @vm: for pools: what this VM has already of a pool is taken before what is free; NULL: pools are refused
 * @ret: owned by the caller (free), one for each name; borrowed from the manager's inventory
 *
 * A pool gives its first device, in the order of BDFs, that nobody owns, that policy allows @vm and that safety lets go;
 * each mention of the pool gives another one.
 *
 * Return: 0; -EINVAL malformed BDF; -ENODEV no such device, or no such name; BERTH_REFUSED a pool without a free device
 *         (with the reason that stopped the last one), or a name whose device has changed identity; -errno.
 */
int berth_resolve(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		  const struct berth_device ***ret, size_t *ret_nr, struct berth_err *err);

/* Are these names at least well-formed? For a usage error before anything else. Return: 0; -EINVAL: a malformed BDF. */
int berth_resolve_check_form(const char *const *names, size_t nr, struct berth_err *err);

#endif
