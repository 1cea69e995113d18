/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/out_check.h"

#include <stdarg.h>
#include <string.h>

#include "tools/out.h"

const char *berth_check_status_name(enum berth_check_status status)
{
	static const char *const names[] = { "ok", "warn", "fail" };

	return names[status];
}

enum berth_check_status berth_checks_worst(const struct berth_checks *checks)
{
	enum berth_check_status worst = BERTH_CHECK_OK;

	for (size_t i = 0; i < checks->nr; i++) {
		if (checks->items[i].status > worst)
			worst = checks->items[i].status;
	}
	return worst;
}

void berth_check_add(struct berth_checks *checks, const char *name, enum berth_check_status status,
		     const char *remedy, const char *fmt, ...)
{
	struct berth_check *c;
	va_list ap;

	if (checks->nr == BERTH_MAX_CHECKS) {
		c = &checks->items[BERTH_MAX_CHECKS - 1];
		c->status = status > c->status ? status : c->status;
		return;
	}
	c = &checks->items[checks->nr++];
	c->name = name;
	c->status = status;
	snprintf(c->remedy, sizeof(c->remedy), "%s", remedy ? remedy : "");
	va_start(ap, fmt);
	vsnprintf(c->finding, sizeof(c->finding), fmt, ap);
	va_end(ap);
}

void berth_checks_print(const struct berth_checks *checks, FILE *f)
{
	for (size_t i = 0; i < checks->nr; i++) {
		const struct berth_check *c = &checks->items[i];
		BERTH_CLEANUP(berth_freep) char *finding = berth_out_printable(c->finding);

		fprintf(f, "  %-4s  %-20s %s\n", berth_check_status_name(c->status), c->name,
			finding ? finding : "");
		if (*c->remedy)
			fprintf(f, "  %-4s  %-20s   -> %s\n", "", "", c->remedy);
	}
}

json_t *berth_checks_json(const struct berth_checks *checks)
{
	json_t *all = json_array();

	for (size_t i = 0; i < checks->nr; i++) {
		const struct berth_check *c = &checks->items[i];
		BERTH_CLEANUP(berth_freep) char *finding = berth_out_printable(c->finding);
		json_t *o = json_object();

		json_object_set_new(o, "name", berth_json_text(c->name));
		json_object_set_new(o, "status",
				    berth_json_text(berth_check_status_name(c->status)));
		json_object_set_new(o, "finding", berth_json_text(finding));
		json_object_set_new(o, "remedy", berth_json_text(*c->remedy ? c->remedy : NULL));
		json_array_append_new(all, o);
	}
	return all;
}
