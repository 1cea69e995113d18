/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/made_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/cmocka_all.h"
#include "tests/lib/tmp.h"

struct made_world *made_world_new(size_t room)
{
	struct made_world *made = calloc(1, sizeof(*made));

	made->facts = calloc(room, sizeof(*made->facts));
	made->usage = calloc(room, sizeof(*made->usage));
	made->room = room;
	return made;
}

void made_world_free(struct made_world *made)
{
	if (!made)
		return;
	berth_world_free(made->world);
	berth_policy_free(made->policy);
	for (size_t i = 0; i < made->nr; i++) {
		free((char *)made->facts[i].bdf);
		free((char *)made->facts[i].path);
		free((char *)made->facts[i].group_key);
	}
	free(made->facts);
	free(made->usage);
	free(made);
}

static uint32_t add(struct made_world *made, char *path, int32_t node)
{
	struct berth_facts *f = &made->facts[made->nr];
	char *bdf, *group;

	assert_true(made->nr < made->room);
	assert_true(asprintf(&bdf, "%04zx:%02zx:00.0", made->nr >> 8, made->nr & 0xff) > 0);
	assert_true(asprintf(&group, "%s+1", path) > 0);
	*f = (struct berth_facts){ .bdf = bdf,
				   .path = path,
				   .group_key = group,
				   .subsystem_vendor = BERTH_FACT_UNKNOWN,
				   .subsystem_device = BERTH_FACT_UNKNOWN,
				   .isolation = "isolated",
				   .driver = "",
				   .reset = "flr",
				   .numa_node = node,
				   .vf_index = BERTH_FACT_UNKNOWN };
	return (uint32_t)made->nr++;
}

uint32_t made_world_add(struct made_world *made, enum made_kind kind, int32_t node, const char *fmt,
			...)
{
	static const struct {
		uint32_t class;
		int32_t vendor, device;
	} kinds[] = { [MADE_GPU] = { 0x030200, 0x10de, 0x2335 },
		      [MADE_NIC] = { 0x020000, 0x15b3, 0x1021 },
		      [MADE_NVME] = { 0x010802, 0x144d, 0xa808 } };
	struct berth_facts *f;
	va_list ap;
	char *path;

	va_start(ap, fmt);
	assert_true(vasprintf(&path, fmt, ap) > 0);
	va_end(ap);
	f = &made->facts[add(made, path, node)];
	f->class = kinds[kind].class;
	f->vendor = kinds[kind].vendor;
	f->device = kinds[kind].device;
	return (uint32_t)(f - made->facts);
}

uint32_t made_world_add_vf(struct made_world *made, uint32_t pf, int32_t index)
{
	struct berth_facts *of = &made->facts[pf], *f;
	char *path;

	assert_true(asprintf(&path, "%s#vf%d", of->path, index) > 0);
	f = &made->facts[add(made, path, of->numa_node)];
	f->class = of->class;
	f->vendor = of->vendor;
	f->device = of->device + 1;
	f->is_vf = true;
	f->vf_index = index;
	f->pf = of;
	return (uint32_t)(f - made->facts);
}

void made_world_add_switches(struct made_world *made, int nr, int nodes, int gpus, int nics)
{
	for (int sw = 0; sw < nr; sw++) {
		int node = sw * nodes / nr;

		for (int port = 0; port < gpus + nics; port++)
			made_world_add(made, port < gpus ? MADE_GPU : MADE_NIC, node,
				       "R%d/%02x.0/00.0/%02x.0/00.0", node, sw, port);
	}
}

void made_world_see(struct made_world *made, const char *policy)
{
	struct berth_world_input in = {
		.facts = made->facts, .usage = made->usage, .nr = made->nr, .now = 1000
	};
	struct berth_err err = BERTH_ERR_INIT;
	char *dir = tmp_new(), *text, path[512];
	const char *paths[1];

	assert_true(asprintf(&text, "{ \"version\": 1, %s }", policy) > 0);
	for (char *p = strchr(text, '\''); p; p = strchr(p, '\''))
		*p = '"';
	tmp_text(dir, "policy", text);
	free(text);
	paths[0] = tmp_path(dir, "policy", path, sizeof(path));
	if (berth_policy_load_files(paths, 1, &made->policy, &err) != 0)
		fail_msg("%s", err.text);
	tmp_free(dir);
	in.policy = made->policy;
	assert_int_equal(berth_world_new(&made->world, &in, &err), 0);
}
