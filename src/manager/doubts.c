/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/doubts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "manager/context.h"
#include "manager/view.h"
#include "policy/conflict.h"
#include "policy/rule.h"

static void count(const struct berth_conflicts *found, size_t *errors, size_t *warnings)
{
	for (size_t i = 0; i < found->nr; i++)
		(*(berth_conflict_is_error(found->items[i].code) ? errors : warnings))++;
}

static void say(char buf[static BERTH_DOUBTS_WORDS], size_t errors, size_t warnings, bool more)
{
	size_t len;

	snprintf(buf, BERTH_DOUBTS_WORDS, "the policy");
	len = strlen(buf);
	if (errors)
		len += (size_t)snprintf(buf + len, BERTH_DOUBTS_WORDS - len,
					" contradicts itself in %zu place%s", errors,
					errors == 1 ? "" : "s");
	if (warnings)
		len += (size_t)snprintf(buf + len, BERTH_DOUBTS_WORDS - len,
					"%s is doubtful in %s%zu place%s", errors ? " and" : "",
					more ? "more than " : "", warnings,
					warnings == 1 ? "" : "s");
	snprintf(buf + len, BERTH_DOUBTS_WORDS - len, "; 'berth policy check' says where");
}

const char *berth_manager_doubts(struct berth_manager *m, char buf[static BERTH_DOUBTS_WORDS])
{
	struct berth_conflicts found = { 0 };
	size_t errors = 0, warnings = 0;
	struct berth_view *view;

	buf[0] = '\0';
	if (!m->policy || !m->policy->nr_files || berth_view_of(m, &view, NULL) < 0 ||
	    berth_conflicts_find(view->world, &found, NULL) < 0)
		return buf;
	count(&found, &errors, &warnings);
	if (errors || warnings)
		say(buf, errors, warnings, found.more);
	berth_conflicts_done(&found);
	return buf;
}
