/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What bench/policy runs: times of one plan over a host and a policy that are made up, for a number of drawers.
 *
 * A drawer is a host bridge with 5 switches, each with 4 GPUs, 2 NICs and 14 VFs: 100 devices. The policy has for each drawer
 * two pools, 10 rules and 10 claims; a claim asks for 1, 2 or 4 GPUs and as many VFs, each pair behind one switch.
 *
 * One line: drawers devices rules claims met unmet, then milliseconds of processor time, medians: reading the policy (text to
 * struct berth_policy), walking all devices once, world, plan, explaining every claim.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "policy/explain_claim.h"
#include "policy/load.h"
#include "policy/plan.h"
#include "tests/lib/tmp.h"

#define SWITCHES   5
#define PER_DRAWER 10

struct host {
	struct berth_facts *facts;
	size_t nr;
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

__attribute__((format(printf, 1, 2))) static char *text(const char *fmt, ...)
{
	va_list ap;
	char *t;

	va_start(ap, fmt);
	if (vasprintf(&t, fmt, ap) < 0)
		abort();
	va_end(ap);
	return t;
}

static struct berth_facts *add(struct host *h, char *path, int drawer, uint32_t class, int device)
{
	struct berth_facts *f = &h->facts[h->nr];

	*f = (struct berth_facts){ .bdf = text("%04x:%02x:%02x.%x", drawer, (int)(h->nr % 100), 0,
					       0),
				   .path = path,
				   .class = class,
				   .vendor = class >> 16 == 3 ? 0x10de : 0x15b3,
				   .device = device,
				   .subsystem_vendor = 0x10de,
				   .subsystem_device = 1,
				   .driver = "",
				   .serial = text("%08zx", h->nr * 2654435761U),
				   .group_key = text("%s+1", path),
				   .isolation = "isolated",
				   .reset = "flr",
				   .numa_node = drawer % 8,
				   .vf_index = BERTH_FACT_UNKNOWN };
	h->nr++;
	return f;
}

static void add_switch(struct host *h, int drawer, int sw)
{
	for (int gpu = 0; gpu < 4; gpu++)
		add(h, text("RC%03d/%02x.0/00.0/%02x.0/00.0", drawer, sw, gpu), drawer, 0x030200,
		    0x2335);
	for (int nic = 0; nic < 2; nic++) {
		struct berth_facts *pf =
			add(h, text("RC%03d/%02x.0/00.0/%02x.0/00.0", drawer, sw, 4 + nic), drawer,
			    0x020000, 0x1021);

		for (int i = 0; i < 7; i++) {
			struct berth_facts *vf =
				add(h, text("%s#vf%d", pf->path, i), drawer, 0x020000, 0x1022);

			vf->is_vf = true;
			vf->vf_index = i;
			vf->pf = pf;
		}
	}
}

static void make_host(struct host *h, int drawers)
{
	h->facts = calloc((size_t)drawers * 100, sizeof(*h->facts));
	h->nr = 0;
	for (int d = 0; d < drawers; d++) {
		for (int sw = 0; sw < SWITCHES; sw++)
			add_switch(h, d, sw);
	}
}

static void host_done(struct host *h)
{
	for (size_t i = 0; i < h->nr; i++) {
		free((char *)h->facts[i].bdf);
		free((char *)h->facts[i].path);
		free((char *)h->facts[i].serial);
		free((char *)h->facts[i].group_key);
	}
	free(h->facts);
}

/* Files stay below the size that the loader takes: so many drawers in one. */
#define PER_FILE 20

static void write_pools(FILE *f, int from, int to)
{
	fprintf(f, "{\"version\":1,\"pools\":[");
	for (int d = from; d < to; d++)
		fprintf(f,
			"%s{\"name\":\"gpu-%d\",\"class\":\"gpu\",\"order\":\"pack\","
			"\"match\":{\"pcie.root_complex\":\"RC%03d\"}},\n"
			"{\"name\":\"vf-%d\",\"class\":\"vf\",\"order\":\"pack\","
			"\"match\":{\"pcie.root_complex\":\"RC%03d\"}}\n",
			d > from ? "," : "", d, d, d, d);
}

static void write_rules(FILE *f, int from, int to)
{
	fprintf(f, "],\"rules\":[");
	for (int d = from; d < to; d++) {
		for (int i = 0; i < PER_DRAWER; i++)
			fprintf(f,
				"%s{\"name\":\"r%d-%d\",\"priority\":%d,\"effect\":\"allow\","
				"\"subject\":{\"vm\":\"vm-%d-%d*\"},"
				"\"resource\":{\"pool\":[\"gpu-%d\",\"vf-%d\"]}}\n",
				d > from || i ? "," : "", d, i, i, d, i, d, d);
	}
}

static void write_claims(FILE *f, int from, int to)
{
	fprintf(f, "],\"claims\":[");
	for (int d = from; d < to; d++) {
		for (int i = 0; i < PER_DRAWER; i++)
			fprintf(f,
				"%s{\"vm\":\"vm-%d-%d\",\"priority\":%d,\"requests\":["
				"{\"name\":\"gpu\",\"pool\":\"gpu-%d\",\"count\":%d},"
				"{\"name\":\"nic\",\"pool\":\"vf-%d\",\"count\":%d}],"
				"\"constraints\":[{\"max_distance\":\"PIX\","
				"\"pair\":[\"gpu\",\"nic\"],\"each\":true}],"
				"\"alternatives\":[{\"relax\":[\"max_distance=PHB\"]}]}\n",
				d > from || i ? "," : "", d, i, (d * 7 + i * 3) % 100, d,
				1 << i % 3, d, 1 << i % 3);
	}
	fprintf(f, "]}\n");
}

struct files {
	char *names[64];
	size_t nr;
};

static FILE *open_file(struct files *files, const char *dir)
{
	char *name = text("%s/%02zu.json", dir, files->nr);
	FILE *f = fopen(name, "w");

	if (!f || files->nr == BERTH_ARRAY_SIZE(files->names))
		abort();
	files->names[files->nr++] = name;
	return f;
}

static void write_policy(struct files *files, const char *dir, int drawers)
{
	FILE *f = open_file(files, dir);

	fprintf(f,
		"{\"version\":1,\"classes\":["
		"{\"name\":\"gpu\",\"match\":{\"pci.id\":\"10de:2335\"}},"
		"{\"name\":\"vf\",\"match\":{\"pci.is_vf\":true,\"pf.pci.id\":\"15b3:1021\"}}]}");
	fclose(f);
	for (int d = 0; d < drawers; d += PER_FILE) {
		int to = d + PER_FILE < drawers ? d + PER_FILE : drawers;

		f = open_file(files, dir);
		write_pools(f, d, to);
		write_rules(f, d, to);
		write_claims(f, d, to);
		fclose(f);
	}
}

/* The least that anybody could do: look at each device once. */
static unsigned long walk(const struct host *h)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < h->nr; i++) {
		const struct berth_facts *f = &h->facts[i];

		sum += f->class + (unsigned long)f->vendor + strlen(f->path) + strlen(f->group_key);
	}
	return sum;
}

struct times {
	double read, walk, world, plan, explain;
	size_t met;
};

static void die(const struct berth_err *err)
{
	fprintf(stderr, "bench: %s\n", err->text);
	exit(1);
}

static void explain(struct berth_plan *plan, struct berth_err *err)
{
	for (size_t i = 0; i < plan->nr; i++) {
		char sentence[BERTH_EXPLAIN_CLAIM_TEXT];

		berth_explain_claim(plan, i, sentence, sizeof(sentence));
		if (!*sentence)
			die(err);
	}
}

static struct times measure(const struct host *h, const struct files *files)
{
	struct berth_world_input in = { .facts = h->facts, .nr = h->nr, .now = 1000 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_policy *policy = NULL;
	struct berth_world *world = NULL;
	struct berth_plan *plan = NULL;
	struct times t = { 0 };
	double at = now_ms();
	volatile unsigned long seen;

	if (berth_policy_load_files((const char *const *)files->names, files->nr, &policy, &err))
		die(&err);
	t.read = now_ms() - at;
	at = now_ms();
	seen = walk(h);
	(void)seen;
	t.walk = now_ms() - at;
	in.policy = policy;
	at = now_ms();
	if (berth_world_new(&world, &in, &err))
		die(&err);
	t.world = now_ms() - at;
	at = now_ms();
	if (berth_plan_new(&plan, world, NULL, &err))
		die(&err);
	t.plan = now_ms() - at;
	at = now_ms();
	explain(plan, &err);
	t.explain = now_ms() - at;
	for (size_t i = 0; i < plan->nr; i++)
		t.met += plan->answers[i].outcome == BERTH_CLAIM_MET;
	berth_plan_free(plan);
	berth_world_free(world);
	berth_policy_free(policy);
	return t;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#define MAX_ROUNDS 101

static double median(const struct times *t, int rounds, size_t field)
{
	double values[MAX_ROUNDS];

	for (int i = 0; i < rounds; i++)
		memcpy(&values[i], (const char *)&t[i] + field, sizeof(values[i]));
	qsort(values, (size_t)rounds, sizeof(*values), by_value);
	return values[rounds / 2];
}

int main(int argc, char **argv)
{
	int drawers = argc > 1 ? atoi(argv[1]) : 100, rounds = argc > 2 ? atoi(argv[2]) : 5;
	struct times t[MAX_ROUNDS];
	struct files files = { .nr = 0 };
	char *dir = tmp_new();
	struct host h;

	if (drawers < 1 || rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	make_host(&h, drawers);
	write_policy(&files, dir, drawers);
	for (int i = 0; i < rounds; i++)
		t[i] = measure(&h, &files);
	printf("%d %zu %d %d %zu %zu %.3f %.3f %.3f %.3f %.3f\n", drawers, h.nr,
	       drawers * PER_DRAWER, drawers * PER_DRAWER, t[0].met,
	       (size_t)drawers * PER_DRAWER - t[0].met,
	       median(t, rounds, offsetof(struct times, read)),
	       median(t, rounds, offsetof(struct times, walk)),
	       median(t, rounds, offsetof(struct times, world)),
	       median(t, rounds, offsetof(struct times, plan)),
	       median(t, rounds, offsetof(struct times, explain)));
	host_done(&h);
	for (size_t i = 0; i < files.nr; i++)
		free(files.names[i]);
	tmp_free(dir);
	return 0;
}
