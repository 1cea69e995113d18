/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a policy file: refused with a sentence, or loaded and able to decide. `make fuzz` runs it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "policy/explain.h"
#include "policy/load.h"
#include "policy/lookup.h"
#include "policy/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct berth_facts pf = { .bdf = "0000:03:00.0",
				       .path = "PC00/03.0",
				       .class = 0x020000,
				       .vendor = 0x8086,
				       .device = 0x10c9,
				       .subsystem_vendor = BERTH_FACT_UNKNOWN,
				       .subsystem_device = BERTH_FACT_UNKNOWN,
				       .numa_node = 0,
				       .vf_index = BERTH_FACT_UNKNOWN };
static const struct berth_facts vf = { .bdf = "0000:03:10.0",
				       .class = 0x020000,
				       .vendor = 0x8086,
				       .device = 0x10ca,
				       .subsystem_vendor = BERTH_FACT_UNKNOWN,
				       .subsystem_device = BERTH_FACT_UNKNOWN,
				       .numa_node = BERTH_FACT_UNKNOWN,
				       .is_vf = true,
				       .vf_index = 0,
				       .pf = &pf };

/* Whatever the claims want: an answer for each, or a refusal to search so far. */
static void use_claims(struct berth_world *world)
{
	struct berth_plan *plan = NULL;
	int r = berth_plan_new(&plan, world, NULL, NULL);

	if (r == 0 && plan->nr != world->policy->nr_claims)
		abort();
	if (r != 0 && r != -E2BIG)
		abort();
	berth_plan_free(plan);
}

static void use(const struct berth_policy *policy)
{
	struct berth_facts both[] = { pf, vf };
	const struct berth_world_input in = { policy, both, NULL, 2, 1000 };
	struct berth_question q = berth_question_for(policy, "ml-1");
	struct berth_trace trace = { .all_rules = true };
	struct berth_world *world = NULL;
	const struct berth_origin *origin;
	struct berth_net_policy net;
	struct berth_verdict verdict;
	enum berth_bind_mode mode;
	size_t found[2], nr;
	char words[600];

	if (berth_world_new(&world, &in, NULL) < 0)
		abort();

	for (size_t i = 0; i < 2; i++) {
		if (berth_decide(world, (uint32_t)i, false, &q, &verdict, &trace) < 0)
			abort();
		berth_explain_verdict(world, &verdict, words, sizeof(words));
		berth_explain_remedy(world, &verdict, words, sizeof(words));
		berth_policy_bind_mode(policy, &both[i], &mode, &origin, NULL);
		berth_policy_net(policy, &both[i], &net, NULL);
	}
	for (size_t i = 0; i < policy->nr_devices; i++)
		berth_policy_find_device(policy, policy->devices[i].name, both, 2, found, NULL);
	for (size_t i = 0; i < policy->nr_pools; i++)
		berth_policy_find_pool(policy, policy->pools[i].name, both, 2, found, &nr, NULL);
	berth_trace_done(&trace);
	use_claims(world);
	berth_world_free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_policy *policy = NULL;
	int fd = memfd_create("policy", MFD_CLOEXEC);
	char path[64];
	const char *const paths[] = { path };
	int r;

	if (fd < 0 || berth_write_all(fd, data, size) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = berth_policy_load_files(paths, 1, &policy, &err);
	if ((r == 0) != (policy != NULL) || (r < 0 && !err.text[0]))
		abort();
	if (r == 0)
		use(policy);
	berth_policy_free(policy);
	close(fd);
	return 0;
}
