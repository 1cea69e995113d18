/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/out_reservations.h"

#include <time.h>

#include "base/cleanup.h"
#include "policy/reservation.h"
#include "tools/out.h"
#include "tools/timearg.h"

static const struct berth_out_col cols[] = {
	{ "name", "RESERVED", BERTH_OUT_STRING, 0 },
	{ "vm", NULL, BERTH_OUT_STRING, 0 },
	{ "tenant", NULL, BERTH_OUT_STRING, 0 },
	{ "kind", NULL, BERTH_OUT_STRING, 0 },
	{ "what", NULL, BERTH_OUT_STRING, 0 },
	{ "count", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "from", NULL, BERTH_OUT_STRING, 0 },
	{ "until", NULL, BERTH_OUT_STRING, 0 },
	{ "now", NULL, BERTH_OUT_BOOL, BERTH_OUT_EXTRA },
	{ "uid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
};

int berth_out_reservations_new(struct berth_out **ret, bool json, struct berth_err *err)
{
	return berth_out_new(ret, "reservations", cols, BERTH_ARRAY_SIZE(cols),
			     json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, err);
}

void berth_out_reservations_fill(struct berth_out *out, const struct berth_reservation_list *list,
				 bool json)
{
	int64_t now = (int64_t)time(NULL);

	for (size_t i = 0; i < list->nr; i++) {
		const struct berth_reservation *r = &list->items[i];
		struct berth_out_row *row = berth_out_add(out, NULL);
		char when[32];

		berth_out_str(row, "name", r->name);
		berth_out_str(row, "vm", r->vm);
		berth_out_str(row, "tenant", r->tenant);
		berth_out_str(row, "kind", berth_reservation_kind_name(r->kind));
		berth_out_str(row, "what", r->what);
		if (r->count)
			berth_out_num(row, "count", r->count);
		berth_out_str(row, "from",
			      json ? berth_out_time(r->from, when) :
				     berth_timearg_show(r->from, when));
		berth_out_str(row, "until",
			      json ? berth_out_time(r->until, when) :
				     berth_timearg_show(r->until, when));
		berth_out_bool(row, "now", r->from <= now && now < r->until);
		berth_out_num(row, "uid", r->uid);
	}
}
