/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The matrix of `berth topology --p2p`.
 */
#ifndef BERTH_TOOLS_TOPOLOGY_P2P_H
#define BERTH_TOOLS_TOPOLOGY_P2P_H

#include <stdbool.h>

struct berth_err;
struct berth_out_view;

/**
 * berth_topology_p2p() - print for each ordered pair of devices which way requests take
 * @names: NULL at the end; none: every device that is worth passing through
 *
 * Return: 0; -EINVAL malformed BDF; -ENODEV no such device; -errno.
 */
int berth_topology_p2p(const struct berth_out_view *view, char *const *names, bool json,
		       struct berth_err *err);

#endif
