/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/policy_scene.h"

#include <stdio.h>

#include "base/host.h"
#include "manager/manager.h"
#include "manager/reserve.h"
#include "policy/load.h"

int policy_scene_read(struct policy_scene *s, struct berth_host *host,
		      const struct policy_args *files, struct berth_err *err)
{
	int r;

	if (files && files->nr)
		r = berth_policy_load_files((const char *const *)files->words, (size_t)files->nr,
					    &s->policy, err);
	else
		r = berth_policy_load(host, &s->policy, err);
	if (r == 0)
		r = berth_manager_open(&s->m, host, BERTH_MANAGER_READ, NULL, err);
	if (r == 0)
		r = berth_reserve_enter(s->m, s->policy, err);
	return r == 0 ? berth_view_new(&s->view, s->m, s->policy, err) : r;
}

void policy_scene_done(struct policy_scene *s)
{
	berth_view_free(s->view);
	berth_manager_close(s->m);
	berth_policy_free(s->policy);
}

void policy_say_none(const struct berth_host *host)
{
	printf("no policy: there is no file in %s/policy.d, %s/policy.d or %s/policy.d, root may "
	       "assign whatever safety allows\n",
	       host->run, host->etc, host->lib);
}
