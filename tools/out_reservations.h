/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of reservations, in `berth status` and `berth reserve --list`.
 */
#ifndef BERTH_TOOLS_OUT_RESERVATIONS_H
#define BERTH_TOOLS_OUT_RESERVATIONS_H

#include <stdbool.h>

struct berth_err;
struct berth_out;
struct berth_reservation_list;

/* "reservations", empty, owned by the caller (berth_out_free()). Return: 0; -errno. */
int berth_out_reservations_new(struct berth_out **ret, bool json, struct berth_err *err);
void berth_out_reservations_fill(struct berth_out *out, const struct berth_reservation_list *list,
				 bool json);

#endif
