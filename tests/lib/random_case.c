/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/random_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const case_vms[CASE_VMS] = { "a1", "a2", "b1", "b2", "c3" };

/* Patterns of VMs, and by number which of case_vms they fit; "a*" and "*1" share a VM. */
static const char *const globs[] = { "a*", "*1", "b2", "c?", "zz*" };
static const bool glob_fits[][CASE_VMS] = { { 1, 1, 0, 0, 0 },
					    { 1, 0, 1, 0, 0 },
					    { 0, 0, 0, 1, 0 },
					    { 0, 0, 0, 0, 1 },
					    { 0, 0, 0, 0, 0 } };
static const char *const isolations[] = { "no-iommu", "acs-override", "shared", "multifunction",
					  "isolated" };
static const int classes[] = { 0x0300, 0x0200, 0x0403 };
static const int ids[] = { 0x1111, 0x2222 };
static const char *const serials[] = { "s0", "s1" };
static const char *const paths[CASE_DEVICES] = { "P/0", "P/1", "P/2", "P/3", "P/4",
						 "P/5", "P/6", "P/7", "P/8" };
static const char *const keys[CASE_DEVICES] = {
	"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"
};

/* splitmix64, of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t case_random(struct random_case *c, uint32_t below)
{
	return (uint32_t)(next(&c->rng) >> 32) % below;
}

static bool one_in(struct random_case *c, uint32_t n)
{
	return case_random(c, n) == 0;
}

/* --- the host --- */

static void make_device(struct random_case *c, unsigned int i)
{
	struct berth_facts *f = &c->facts[i];
	unsigned int mate = i ? case_random(c, i) : 0;

	snprintf(c->bdfs[i], sizeof(c->bdfs[i]), "0000:%02x:00.0", (i + 1) & 0xff);
	*f = (struct berth_facts){
		.bdf = c->bdfs[i],
		.path = paths[i],
		.class = (uint32_t)classes[case_random(c, 3)] << 8,
		.vendor = 0x8086,
		.device = ids[case_random(c, 2)],
		.subsystem_vendor = BERTH_FACT_UNKNOWN,
		.subsystem_device = BERTH_FACT_UNKNOWN,
		.serial = one_in(c, 3) ? NULL : serials[case_random(c, 2)],
		.group_key = one_in(c, 20) ? NULL : keys[i],
		.isolation = one_in(c, 8) ? NULL : isolations[case_random(c, 5)],
		.numa_node = (int32_t)case_random(c, 3) - 1,
		.is_bridge = one_in(c, 15),
		.vf_index = BERTH_FACT_UNKNOWN,
	};
	if (i && one_in(c, 3) && c->facts[mate].group_key)
		f->group_key = c->facts[mate].group_key;
	if (i && one_in(c, 4) && !c->facts[mate].is_vf && !c->facts[mate].is_bridge) {
		f->is_vf = true;
		f->is_bridge = false;
		f->vf_index = (int32_t)i;
		f->pf = &c->facts[mate];
	}
}

static bool same_group(const struct random_case *c, unsigned int a, unsigned int b)
{
	const char *x = c->facts[a].group_key, *y = c->facts[b].group_key;

	return a == b || (x && y && strcmp(x, y) == 0);
}

/* A ledger as it could be: groups are owned whole, unless they were others when they were given. */
static void make_usage(struct random_case *c)
{
	for (unsigned int i = 0; i < c->nr; i++) {
		const char *vm = one_in(c, 4) ? case_vms[case_random(c, CASE_VMS)] : NULL;

		for (unsigned int j = 0; j < c->nr; j++) {
			if (same_group(c, i, j) && !c->facts[j].is_bridge)
				c->usage[j].vm = vm;
		}
		if (one_in(c, 16))
			c->usage[i].safety = "mounted";
		if (one_in(c, 8)) {
			c->usage[i].taints = &c->taint;
			c->usage[i].nr_taints = 1;
		}
	}
	if (one_in(c, 12))
		c->usage[0].vm = c->facts[0].is_bridge ? NULL : case_vms[0];
	c->taint.taint = "t0";
	c->taint.effect = (enum berth_taint_effect)case_random(c, 3);
}

/* --- the policy --- */

static int make_value(struct random_case *c, enum case_term term)
{
	switch (term) {
	case TERM_CLASS:
		return (int)case_random(c, 3);
	case TERM_BDF:
	case TERM_PATH:
		return (int)case_random(c, c->nr);
	case TERM_ID:
	case TERM_SERIAL:
	case TERM_NODE:
	case TERM_VF:
	case TERM_NR:
		break;
	}
	return (int)case_random(c, 2);
}

static struct case_match make_match(struct random_case *c)
{
	struct case_match m = { .any_device = one_in(c, 6), .negate = one_in(c, 6) };

	if (m.any_device)
		return (struct case_match){ .any_device = true };
	m.nr = 1 + case_random(c, 2);
	m.term[0] = (enum case_term)case_random(c, TERM_NR);
	m.term[1] = (enum case_term)((m.term[0] + 1 + case_random(c, TERM_NR - 1)) % TERM_NR);
	for (unsigned int i = 0; i < m.nr; i++)
		m.value[i] = make_value(c, m.term[i]);
	return m;
}

/* One or two different ones of @nr. */
static unsigned int make_names(struct random_case *c, unsigned int nr, int names[2])
{
	names[0] = (int)case_random(c, nr);
	names[1] = (names[0] + 1) % (int)nr;
	return nr > 1 && one_in(c, 4) ? 2 : 1;
}

static struct case_selector make_selector(struct random_case *c, bool shared_only)
{
	struct case_selector s = { .kind = (enum berth_resource)case_random(c, 4) };
	unsigned int nr[] = { c->nr_devices, c->nr_classes, c->nr_pools };

	if (shared_only)
		s.kind = one_in(c, 2) && c->nr_pools ? BERTH_RESOURCE_POOL : BERTH_RESOURCE_CLASS;
	else if (s.kind != BERTH_RESOURCE_MATCH && !nr[s.kind])
		s.kind = BERTH_RESOURCE_MATCH;
	if (s.kind == BERTH_RESOURCE_MATCH)
		s.match = make_match(c);
	else
		s.nr = make_names(c, nr[s.kind], s.names);
	return s;
}

static void make_entries(struct random_case *c)
{
	c->nr_devices = case_random(c, CASE_ENTRIES + 1);
	for (unsigned int i = 0; i < c->nr_devices; i++) {
		c->devices[i].match = make_match(c);
		c->devices[i].has_expect = one_in(c, 8);
		c->devices[i].expect = make_match(c);
		c->devices[i].expect.negate = false;
		/* it names one, as they do */
		if (!one_in(c, 3))
			c->devices[i].match =
				(struct case_match){ .nr = 1,
						     .term = { TERM_BDF },
						     .value = { (int)case_random(c, c->nr) } };
		if (c->devices[i].expect.any_device)
			c->devices[i].has_expect = false;
	}
	c->nr_classes = 1 + case_random(c, CASE_ENTRIES);
	for (unsigned int i = 0; i < c->nr_classes; i++)
		c->classes[i] = make_match(c);
	c->nr_pools = case_random(c, 3);
	for (unsigned int i = 0; i < c->nr_pools; i++) {
		c->pools[i].of_devices = c->nr_devices && one_in(c, 4);
		c->pools[i].nr = make_names(c,
					    c->pools[i].of_devices ? c->nr_devices : c->nr_classes,
					    c->pools[i].names);
		c->pools[i].has_match = !c->pools[i].of_devices && one_in(c, 3);
		c->pools[i].match = make_match(c);
		c->pools[i].keep_free = one_in(c, 2) ? case_random(c, 3) : 0;
	}
}

static void make_tenants(struct random_case *c)
{
	c->nr_tenants = case_random(c, 3);
	for (unsigned int i = 0; i < c->nr_tenants; i++) {
		int kind = (int)case_random(c, 3);

		c->tenants[i].glob = (int)(i * 2 + case_random(c, 2)); /* different ones */
		c->tenants[i].quota_class = c->tenants[i].quota_pool = -1;
		if (kind == 0)
			c->tenants[i].quota_class = (int)case_random(c, c->nr_classes);
		if (kind == 1 && c->nr_pools)
			c->tenants[i].quota_pool = (int)case_random(c, c->nr_pools);
		c->tenants[i].hard = case_random(c, 4);
	}
	if (c->nr_tenants == 2 && one_in(c, 2))
		c->tenants[1].glob = c->tenants[0].glob ? 0 : 1; /* "a*" and "*1" */
}

static int make_offset(struct random_case *c, bool later)
{
	static const int offsets[] = { -3600, 0, 3600 };

	if (!one_in(c, 4))
		return 0;
	return later ? offsets[2] : offsets[case_random(c, 3)];
}

static void make_rule(struct random_case *c, struct case_rule *r)
{
	static const enum berth_effect effects[] = { BERTH_EFFECT_ALLOW,  BERTH_EFFECT_ALLOW,
						     BERTH_EFFECT_ALLOW,  BERTH_EFFECT_DENY,
						     BERTH_EFFECT_PIN,	  BERTH_EFFECT_RESERVE,
						     BERTH_EFFECT_RESERVE };
	bool narrow;

	r->effect = effects[case_random(c, 7)];
	narrow = r->effect == BERTH_EFFECT_PIN || r->effect == BERTH_EFFECT_RESERVE;
	r->named = one_in(c, 2);
	r->priority = (int)case_random(c, 3) * 5;
	r->subject = (struct case_subject){ .glob = -1, .tenant = -1 };
	if (c->nr_tenants && one_in(c, 3))
		r->subject.tenant = (int)case_random(c, c->nr_tenants);
	else if (narrow || one_in(c, 2))
		r->subject.glob = (int)case_random(c, 5);
	r->resource = make_selector(c, r->effect == BERTH_EFFECT_RESERVE);
	r->from = make_offset(c, false);
	r->until = make_offset(c, r->from >= 0);
	if (r->from > 0)
		r->until = 0;
	if (r->until && r->from && r->until <= r->from)
		r->until = 0;
	r->count = r->effect == BERTH_EFFECT_RESERVE && !one_in(c, 4) ? 1 + case_random(c, 3) : 0;
	r->override_protect = r->effect == BERTH_EFFECT_ALLOW &&
			      r->resource.kind == BERTH_RESOURCE_DEVICE && one_in(c, 2);
}

void case_make(struct random_case *c, uint64_t seed)
{
	memset(c, 0, sizeof(*c));
	c->rng = seed;
	c->nr = 2 + case_random(c, CASE_DEVICES - 1);
	for (unsigned int i = 0; i < c->nr; i++)
		make_device(c, i);
	make_usage(c);
	c->no_files = one_in(c, 50);
	c->tolerant = -1;
	if (c->no_files)
		return;
	make_entries(c);
	make_tenants(c);
	c->nr_protects = one_in(c, 6);
	for (unsigned int i = 0; i < c->nr_protects; i++)
		c->protects[i] = make_match(c);
	c->nr_taints = case_random(c, 6) / 4;
	for (unsigned int i = 0; i < c->nr_taints; i++) {
		c->taints[i].resource = make_selector(c, false);
		c->taints[i].effect = (enum berth_taint_effect)case_random(c, 3);
	}
	c->nr_rules = case_random(c, CASE_RULES + 1);
	for (unsigned int i = 0; i < c->nr_rules; i++)
		make_rule(c, &c->rules[i]);
	c->min_isolation = one_in(c, 5) ? isolations[1 + case_random(c, 4)] : NULL;
	c->tolerant = one_in(c, 3) ? (int)case_random(c, CASE_VMS) : -1;
}

/* --- as files --- */

struct text {
	char *buf;
	size_t size;
	FILE *f;
};

static void write_terms(FILE *f, const struct case_match *m)
{
	for (unsigned int i = 0; i < m->nr; i++) {
		fputs(i ? ", " : "", f);
		switch (m->term[i]) {
		case TERM_CLASS:
			fprintf(f, "\"pci.class\": \"%04x\"", classes[m->value[i]]);
			break;
		case TERM_ID:
			fprintf(f, "\"pci.id\": \"*:%04x\"", ids[m->value[i]]);
			break;
		case TERM_SERIAL:
			fprintf(f, "\"serial\": \"%s\"", serials[m->value[i]]);
			break;
		case TERM_NODE:
			fprintf(f, "\"numa.node\": %d", m->value[i]);
			break;
		case TERM_VF:
			fprintf(f, "\"pci.is_vf\": %s", m->value[i] ? "true" : "false");
			break;
		case TERM_BDF:
			fprintf(f, "\"pci.bdf\": \"%02x:00.0\"", m->value[i] + 1);
			break;
		case TERM_PATH:
			fprintf(f, "\"pci.path\": \"%s\"", paths[m->value[i]]);
			break;
		case TERM_NR:
			break;
		}
	}
}

static void write_match(FILE *f, const struct case_match *m)
{
	if (m->any_device) {
		fputs("{ \"any_device\": true }", f);
		return;
	}
	fputs(m->negate ? "{ \"not\": { " : "{ ", f);
	write_terms(f, m);
	fputs(m->negate ? " } }" : " }", f);
}

static void write_names(FILE *f, const char *key, char letter, const int names[2], unsigned int nr)
{
	if (nr == 1)
		fprintf(f, "\"%s\": \"%c%d\"", key, letter, names[0]);
	else
		fprintf(f, "\"%s\": [\"%c%d\", \"%c%d\"]", key, letter, names[0], letter, names[1]);
}

static void write_selector(FILE *f, const struct case_selector *s, unsigned int count)
{
	static const char *const keys_of[] = { "device", "class", "pool" };

	fputs("\"resource\": { ", f);
	if (s->kind == BERTH_RESOURCE_MATCH && s->match.any_device) {
		fputs("\"any_device\": true", f);
	} else if (s->kind == BERTH_RESOURCE_MATCH) {
		fputs("\"match\": ", f);
		write_match(f, &s->match);
	} else {
		write_names(f, keys_of[s->kind], "dcp"[s->kind], s -> names, s -> nr);
	}
	if (count)
		fprintf(f, ", \"count\": %u", count);
	fputs(" }", f);
}

/* CASE_NOW is 1970-01-12T13:46:40Z. */
static void write_moment(FILE *f, const char *key, int offset)
{
	if (offset)
		fprintf(f, ", \"%s\": \"1970-01-12T%02d:46Z\"", key, 13 + offset / 3600);
}

static void write_rule(FILE *f, const struct random_case *c, unsigned int i)
{
	static const char *const effects[] = { "allow", "deny", "pin", "reserve" };
	const struct case_rule *r = &c->rules[i];

	fprintf(f, "{ \"effect\": \"%s\", \"priority\": %d, ", effects[r->effect], r->priority);
	if (r->named)
		fprintf(f, "\"name\": \"r%u\", ", i);
	if (r->override_protect)
		fputs("\"override_protect\": true, ", f);
	if (r->subject.tenant >= 0)
		fprintf(f, "\"subject\": { \"tenant\": \"t%d\" }, ", r->subject.tenant);
	else if (r->subject.glob >= 0)
		fprintf(f, "\"subject\": { \"vm\": \"%s\" }, ", globs[r->subject.glob]);
	else
		fputs("\"subject\": { \"any_vm\": true }, ", f);
	write_selector(f, &r->resource, r->count);
	write_moment(f, "from", r->from);
	write_moment(f, "until", r->until);
	fputs(" }", f);
}

static void write_device(FILE *f, const struct random_case *c, unsigned int i)
{
	fprintf(f, "{ \"name\": \"d%u\", \"match\": ", i);
	write_match(f, &c->devices[i].match);
	if (c->devices[i].has_expect) {
		fputs(", \"expect\": ", f);
		write_match(f, &c->devices[i].expect);
	}
	fputs(" }", f);
}

static void write_class(FILE *f, const struct random_case *c, unsigned int i)
{
	fprintf(f, "{ \"name\": \"c%u\", \"match\": ", i);
	write_match(f, &c->classes[i]);
	fputs(" }", f);
}

static void write_pool(FILE *f, const struct random_case *c, unsigned int i)
{
	bool devices = c->pools[i].of_devices;

	fprintf(f, "{ \"name\": \"p%u\", ", i);
	write_names(f,
		    devices && c->pools[i].nr == 1 ? "devices" :
		    devices			   ? "devices" :
						     "class",
		    devices ? 'd' : 'c', c->pools[i].names, c->pools[i].nr);
	if (c->pools[i].has_match) {
		fputs(", \"match\": ", f);
		write_match(f, &c->pools[i].match);
	}
	if (c->pools[i].keep_free)
		fprintf(f, ", \"keep_free\": %u", c->pools[i].keep_free);
	fputs(" }", f);
}

static void write_tenant(FILE *f, const struct random_case *c, unsigned int i)
{
	int pool = c->tenants[i].quota_pool, class = c->tenants[i].quota_class;

	fprintf(f, "{ \"name\": \"t%u\", \"vms\": [\"%s\"]", i, globs[c->tenants[i].glob]);
	if (pool >= 0 || class >= 0)
		fprintf(f, ", \"quota\": { \"%c%d\": { \"hard\": %u } }", pool >= 0 ? 'p' : 'c',
			pool >= 0 ? pool : class, c->tenants[i].hard);
	fputs(" }", f);
}

static void write_protect(FILE *f, const struct random_case *c, unsigned int i)
{
	fprintf(f, "{ \"name\": \"k%u\", \"match\": ", i);
	write_match(f, &c->protects[i]);
	fputs(" }", f);
}

static void write_taint(FILE *f, const struct random_case *c, unsigned int i)
{
	static const char *const effects[] = { "report", "no-new", "evict" };

	fprintf(f, "{ \"taint\": \"t%u\", \"effect\": \"%s\", ", i, effects[c->taints[i].effect]);
	write_selector(f, &c->taints[i].resource, 0);
	fputs(" }", f);
}

static void write_claim(FILE *f, const struct random_case *c, unsigned int i)
{
	(void)i;
	fprintf(f,
		"{ \"vm\": \"%s\", \"requests\": [ { \"name\": \"x\", \"class\": \"c0\" } ],"
		" \"tolerate\": [\"t0\"] }",
		case_vms[c->tolerant]);
}

/* Of each list, the entries that fall to this file, in an order of the shuffle's. */
static void write_list(FILE *f, const struct random_case *c, const char *key, unsigned int nr,
		       void (*write)(FILE *f, const struct random_case *c, unsigned int i),
		       uint64_t shuffle, unsigned int file, unsigned int nr_files)
{
	unsigned int order[CASE_RULES], written = 0;
	uint64_t rng = shuffle ^ (uint64_t)(unsigned char)key[0] << 8 ^ (unsigned char)key[1];

	for (unsigned int i = 0; i < nr; i++)
		order[i] = i;
	for (unsigned int i = nr; i > 1; i--) {
		unsigned int j = (unsigned int)(next(&rng) % i), swap = order[i - 1];

		order[i - 1] = order[j];
		order[j] = swap;
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (next(&rng) % nr_files != file)
			continue;
		if (written++ == 0)
			fprintf(f, ",\n\"%s\": [", key);
		else
			fputs(",\n ", f);
		write(f, c, order[i]);
	}
	if (written)
		fputs("]", f);
}

unsigned int case_write(const struct random_case *c, uint64_t shuffle, char *texts[3])
{
	unsigned int nr = 1 + (unsigned int)(shuffle % 3);

	for (unsigned int i = 0; i < nr; i++) {
		size_t size;
		FILE *f = open_memstream(&texts[i], &size);

		fputs("{ \"version\": 1", f);
		if (i == 0 && c->min_isolation)
			fprintf(f, ",\n\"defaults\": { \"min_isolation\": \"%s\" }",
				c->min_isolation);
		write_list(f, c, "devices", c->nr_devices, write_device, shuffle, i, nr);
		write_list(f, c, "classes", c->nr_classes, write_class, shuffle, i, nr);
		write_list(f, c, "pools", c->nr_pools, write_pool, shuffle, i, nr);
		write_list(f, c, "tenants", c->nr_tenants, write_tenant, shuffle, i, nr);
		write_list(f, c, "protect", c->nr_protects, write_protect, shuffle, i, nr);
		write_list(f, c, "taints", c->nr_taints, write_taint, shuffle, i, nr);
		write_list(f, c, "rules", c->nr_rules, write_rule, shuffle, i, nr);
		write_list(f, c, "claims", c->tolerant >= 0, write_claim, shuffle, i, nr);
		fputs(" }\n", f);
		fclose(f);
	}
	return nr;
}

/* --- what is to be decided --- */

static enum berth_tri not(enum berth_tri t) {
	return t == BERTH_UNKNOWN ? t :
	       t == BERTH_YES	  ? BERTH_NO :
				    BERTH_YES;
}

static enum berth_tri and (enum berth_tri a, enum berth_tri b) {
	return a == BERTH_NO || b == BERTH_NO	? BERTH_NO :
	       a == BERTH_YES && b == BERTH_YES ? BERTH_YES :
						  BERTH_UNKNOWN;
}

static enum berth_tri or (enum berth_tri a, enum berth_tri b) { return not(and(not(a), not(b))); }

static enum berth_tri term_fits(const struct berth_facts *f, unsigned int device,
				enum case_term term, int value)
{
	switch (term) {
	case TERM_CLASS:
		return berth_tri_of((int)(f->class >> 8) == classes[value]);
	case TERM_ID:
		return berth_tri_of(f->device == ids[value]);
	case TERM_SERIAL:
		return f->serial ? berth_tri_of(strcmp(f->serial, serials[value]) == 0) :
				   BERTH_UNKNOWN;
	case TERM_NODE:
		return f->numa_node < 0 ? BERTH_UNKNOWN : berth_tri_of(f->numa_node == value);
	case TERM_VF:
		return berth_tri_of(f->is_vf == (bool)value);
	case TERM_BDF:
	case TERM_PATH:
		return berth_tri_of((int)device == value);
	case TERM_NR:
		break;
	}
	abort();
}

static enum berth_tri match_fits(const struct random_case *c, unsigned int d,
				 const struct case_match *m)
{
	enum berth_tri all = BERTH_YES;

	for (unsigned int i = 0; i < m->nr; i++)
		all = and(all, term_fits(&c->facts[d], d, m->term[i], m->value[i]));
	return m->negate ? not(all) : all;
}

static enum berth_tri pool_fits(const struct random_case *c, unsigned int d, int pool)
{
	enum berth_tri in = BERTH_NO;

	for (unsigned int i = 0; i < c->pools[pool].nr; i++) {
		int name = c->pools[pool].names[i];

		in = or (in, match_fits(c, d,
					c->pools[pool].of_devices ? &c->devices[name].match :
								    &c->classes[name]));
	}
	return c->pools[pool].has_match ? and(in, match_fits(c, d, &c->pools[pool].match)) : in;
}

static enum berth_tri fits(const struct random_case *c, unsigned int d,
			   const struct case_selector *s)
{
	enum berth_tri in = BERTH_NO;

	if (s->kind == BERTH_RESOURCE_MATCH)
		return match_fits(c, d, &s->match);
	for (unsigned int i = 0; i < s->nr; i++)
		in = or (in, s->kind == BERTH_RESOURCE_POOL ?
				     pool_fits(c, d, s->names[i]) :
				     match_fits(c, d,
						s->kind == BERTH_RESOURCE_DEVICE ?
							&c->devices[s->names[i]].match :
							&c->classes[s->names[i]]));
	return in;
}

static unsigned int vm_number(const char *vm)
{
	for (unsigned int i = 0; i < CASE_VMS; i++) {
		if (strcmp(case_vms[i], vm) == 0)
			return i;
	}
	abort();
}

/* Of the first tenant that has the VM; -1: none. @ret_two: a second one has it, too. */
static int tenant_of(const struct random_case *c, const char *vm, bool *ret_two)
{
	int found = -1;

	*ret_two = false;
	for (int i = (int)c->nr_tenants - 1; i >= 0; i--) {
		if (!glob_fits[c->tenants[i].glob][vm_number(vm)])
			continue;
		*ret_two = found >= 0;
		found = i;
	}
	return found;
}

static bool subject_fits(const struct random_case *c, const struct case_subject *s, const char *vm)
{
	bool two;

	if (s->tenant >= 0)
		return tenant_of(c, vm, &two) == s->tenant;
	return s->glob < 0 || glob_fits[s->glob][vm_number(vm)];
}

static bool speaks(const struct case_rule *r)
{
	/* the moments are written without seconds: 40 s before */
	return (!r->from || r->from <= 0) && (!r->until || r->until > 0);
}

static enum berth_tri identity(const struct random_case *c, unsigned int d)
{
	enum berth_tri is = BERTH_YES;

	for (unsigned int i = 0; i < c->nr_devices; i++) {
		if (c->devices[i].has_expect && match_fits(c, d, &c->devices[i].match) == BERTH_YES)
			is = and(is, match_fits(c, d, &c->devices[i].expect));
	}
	return is;
}

static bool policy_protects(const struct random_case *c, unsigned int d)
{
	for (unsigned int i = 0; i < c->nr_protects; i++) {
		if (match_fits(c, d, &c->protects[i]) != BERTH_NO)
			return true;
	}
	return false;
}

bool case_protected(const struct random_case *c, unsigned int device)
{
	return c->usage[device].safety || policy_protects(c, device);
}

static bool usable(const struct random_case *c, unsigned int d)
{
	if (c->facts[d].is_bridge || identity(c, d) != BERTH_YES || case_protected(c, d) ||
	    (c->usage[d].nr_taints && c->taint.effect != BERTH_TAINT_REPORT))
		return false;
	for (unsigned int i = 0; i < c->nr_taints; i++) {
		if (c->taints[i].effect != BERTH_TAINT_REPORT &&
		    fits(c, d, &c->taints[i].resource) != BERTH_NO)
			return false;
	}
	return true;
}

static bool overridden(const struct random_case *c, unsigned int d, const char *vm)
{
	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct case_rule *r = &c->rules[i];

		if (r->override_protect && speaks(r) && subject_fits(c, &r->subject, vm) &&
		    fits(c, d, &r->resource) == BERTH_YES)
			return true;
	}
	return false;
}

static int weight(const struct case_rule *r)
{
	const struct case_match *m = &r->resource.match;
	bool path = false, id = false, serial = false;
	int exact = 1;

	for (unsigned int i = 0; i < m->nr && !m->negate; i++) {
		path = path || m->term[i] == TERM_PATH;
		id = id || m->term[i] == TERM_ID;
		serial = serial || m->term[i] == TERM_SERIAL;
	}
	if (r->resource.kind == BERTH_RESOURCE_DEVICE)
		exact = 6;
	else if (r->resource.kind != BERTH_RESOURCE_MATCH)
		exact = 2;
	else if (path)
		exact = id ? 5 : 4;
	else if (serial)
		exact = 3;
	return r->priority * 10 + exact;
}

/* Devices of a resource that are free, and that would be free no longer, or perhaps, were @d's group taken. */
struct supply {
	unsigned int free, taken, maybe;
};

static struct supply supply_of(const struct random_case *c, unsigned int d,
			       const struct case_selector *s)
{
	struct supply n = { 0 };

	for (unsigned int i = 0; i < c->nr; i++) {
		enum berth_tri in = fits(c, i, s);
		bool mate = same_group(c, i, d) && !c->facts[i].is_bridge;

		if (c->usage[i].vm || in == BERTH_NO)
			continue;
		n.maybe += mate && in == BERTH_UNKNOWN;
		n.free += in == BERTH_YES && usable(c, i);
		n.taken += mate && in == BERTH_YES && usable(c, i);
	}
	return n;
}

static unsigned int withheld(const struct random_case *c, const struct case_rule *r)
{
	unsigned int held = 0;

	for (unsigned int i = 0; i < c->nr; i++)
		held += c->usage[i].vm && fits(c, i, &r->resource) == BERTH_YES &&
			subject_fits(c, &r->subject, c->usage[i].vm);
	return speaks(r) && r->count > held ? r->count - held : 0;
}

static bool is_same_resource(const struct case_selector *a, const struct case_selector *b)
{
	return a == b ||
	       (a->kind == b->kind && a->nr == 1 && b->nr == 1 && a->names[0] == b->names[0]);
}

/* Would what @r keeps for its subject fall short? */
static bool falls_short(const struct random_case *c, unsigned int d, const struct case_rule *r,
			const char *vm)
{
	struct supply n = supply_of(c, d, &r->resource);
	unsigned int sum = 0;

	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct case_rule *o = &c->rules[i];

		if (o->effect == BERTH_EFFECT_RESERVE && o->count &&
		    is_same_resource(&o->resource, &r->resource) && weight(o) >= weight(r) &&
		    !subject_fits(c, &o->subject, vm))
			sum += withheld(c, o);
	}
	return n.taken + n.maybe > 0 && n.free - n.taken < sum;
}

/* +1 it gives, -1 it keeps from, 0 nothing. */
static int stance(const struct random_case *c, unsigned int d, const struct case_rule *r,
		  const char *vm)
{
	bool for_vm = subject_fits(c, &r->subject, vm);
	bool own = c->usage[d].vm && strcmp(c->usage[d].vm, vm) == 0;
	enum berth_tri in = fits(c, d, &r->resource);

	if (!speaks(r) || in == BERTH_NO || r->effect == BERTH_EFFECT_DENY)
		return 0;
	if (for_vm) {
		if (r->effect == BERTH_EFFECT_RESERVE && r->count && !own && !withheld(c, r))
			return 0;
		return in == BERTH_YES;
	}
	if (r->effect == BERTH_EFFECT_ALLOW)
		return 0;
	if (r->effect == BERTH_EFFECT_RESERVE && r->count)
		return !own && falls_short(c, d, r, vm) ? -1 : 0;
	return -1;
}

static enum berth_reason by_rules(const struct random_case *c, unsigned int d,
				  const struct case_question *q)
{
	bool may = false, gives = false, pins = false, reserves = false;
	int best = -1;

	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct case_rule *r = &c->rules[i];
		enum berth_tri in = fits(c, d, &r->resource);

		if (r->effect != BERTH_EFFECT_DENY || !speaks(r) ||
		    !subject_fits(c, &r->subject, q->vm))
			continue;
		if (in == BERTH_YES)
			return BERTH_REASON_RULE_DENIES;
		may = may || in == BERTH_UNKNOWN;
	}
	if (may)
		return BERTH_REASON_RULE_MAY_DENY;
	for (unsigned int i = 0; i < c->nr_rules; i++) {
		if (stance(c, d, &c->rules[i], q->vm) && weight(&c->rules[i]) > best)
			best = weight(&c->rules[i]);
	}
	for (unsigned int i = 0; i < c->nr_rules; i++) {
		int s = stance(c, d, &c->rules[i], q->vm);

		if (!s || weight(&c->rules[i]) != best)
			continue;
		gives = gives || s > 0;
		pins = pins || (s < 0 && c->rules[i].effect == BERTH_EFFECT_PIN);
		reserves = reserves || (s < 0 && c->rules[i].effect == BERTH_EFFECT_RESERVE);
	}
	if (gives && (pins || reserves))
		return BERTH_REASON_CONFLICT;
	if (pins || reserves)
		return pins ? BERTH_REASON_RULE_PINS_ELSEWHERE : BERTH_REASON_RESERVED;
	if (gives)
		return BERTH_REASON_RULE_ALLOWS;
	return q->companion ? BERTH_REASON_COMPANION : BERTH_REASON_NO_RULE_ALLOWS;
}

static bool tainted(const struct random_case *c, unsigned int d, const char *vm)
{
	bool own = c->usage[d].vm && strcmp(c->usage[d].vm, vm) == 0;
	bool tolerant = c->tolerant >= 0 && strcmp(case_vms[c->tolerant], vm) == 0;

	if (c->usage[d].nr_taints && !tolerant &&
	    c->taint.effect > (own ? BERTH_TAINT_NO_NEW : BERTH_TAINT_REPORT))
		return true;
	for (unsigned int i = 0; i < c->nr_taints; i++) {
		if (c->taints[i].effect > (own ? BERTH_TAINT_NO_NEW : BERTH_TAINT_REPORT) &&
		    !(tolerant && i == 0) && fits(c, d, &c->taints[i].resource) != BERTH_NO)
			return true;
	}
	return false;
}

static int isolation_rank(const char *name)
{
	for (int i = 0; name && i < 5; i++) {
		if (strcmp(isolations[i], name) == 0)
			return i;
	}
	return -1;
}

static struct case_selector quota_of(const struct random_case *c, int tenant)
{
	bool pool = c->tenants[tenant].quota_pool >= 0;

	return (struct case_selector){ .kind = pool ? BERTH_RESOURCE_POOL : BERTH_RESOURCE_CLASS,
				       .nr = c->tenants[tenant].quota_class >= 0 || pool,
				       .names = { pool ? c->tenants[tenant].quota_pool :
							 c->tenants[tenant].quota_class } };
}

/* What the tenant's VMs own that counts, and with it what @d's group would add (@d < 0: nothing). */
static unsigned int quota_used(const struct random_case *c, int tenant, int d)
{
	struct case_selector s = quota_of(c, tenant);
	unsigned int used = 0;
	bool two;

	for (unsigned int i = 0; i < c->nr; i++) {
		const char *vm = c->usage[i].vm;

		if (fits(c, i, &s) == BERTH_NO || c->facts[i].is_bridge)
			continue;
		used += vm ? tenant_of(c, vm, &two) == tenant :
			     d >= 0 && same_group(c, i, (unsigned int)d);
	}
	return used;
}

bool case_over_quota(const struct random_case *c, const char *vm)
{
	bool two;
	int tenant = tenant_of(c, vm, &two);

	return tenant >= 0 && quota_of(c, tenant).nr &&
	       quota_used(c, tenant, -1) > c->tenants[tenant].hard;
}

static bool breaks_quota(const struct random_case *c, unsigned int d, const char *vm)
{
	struct case_selector s;
	bool two;
	int tenant = tenant_of(c, vm, &two);

	if (tenant < 0)
		return false;
	s = quota_of(c, tenant);
	return fits(c, d, &s) != BERTH_NO &&
	       quota_used(c, tenant, (int)d) > c->tenants[tenant].hard;
}

static bool empties_pool(const struct random_case *c, unsigned int d)
{
	for (unsigned int i = 0; i < c->nr_pools; i++) {
		struct case_selector s = { .kind = BERTH_RESOURCE_POOL,
					   .nr = 1,
					   .names = { (int)i } };
		struct supply n = supply_of(c, d, &s);

		if (fits(c, d, &s) != BERTH_NO && n.taken + n.maybe > 0 &&
		    n.free - n.taken < c->pools[i].keep_free)
			return true;
	}
	return false;
}

/* Allowed so far: is it so now? */
static enum berth_reason by_state(const struct random_case *c, unsigned int d, const char *vm)
{
	bool own = c->usage[d].vm && strcmp(c->usage[d].vm, vm) == 0, split = false, vfs = false;
	bool pf = c->facts[d].pf && c->usage[c->facts[d].pf - c->facts].vm;

	for (unsigned int i = 0; i < c->nr; i++) {
		const char *owner = c->usage[i].vm;

		split = split || (same_group(c, i, d) && owner && strcmp(owner, vm) != 0);
		vfs = vfs || (c->facts[i].pf == &c->facts[d] && owner);
	}
	if (c->usage[d].vm && !own)
		return BERTH_REASON_OWNED;
	if (split)
		return BERTH_REASON_GROUP_SPLIT;
	if (vfs && !own)
		return BERTH_REASON_PF_HAS_VFS;
	if (pf && !own)
		return BERTH_REASON_PF_OWNED;
	if (tainted(c, d, vm))
		return BERTH_REASON_TAINTED;
	if (c->min_isolation &&
	    isolation_rank(c->facts[d].isolation) < isolation_rank(c->min_isolation))
		return BERTH_REASON_ISOLATION_BELOW_MIN;
	if (!own && breaks_quota(c, d, vm))
		return BERTH_REASON_QUOTA;
	return !own && empties_pool(c, d) ? BERTH_REASON_KEEP_FREE : BERTH_REASON_RULE_ALLOWS;
}

enum berth_reason case_decide(const struct random_case *c, unsigned int device,
			      const struct case_question *q)
{
	enum berth_tri is = identity(c, device);
	enum berth_reason rules, state;
	bool two;

	if (is != BERTH_YES)
		return is == BERTH_NO ? BERTH_REASON_IDENTITY_CHANGED :
					BERTH_REASON_IDENTITY_UNKNOWN;
	if (c->usage[device].safety ||
	    (policy_protects(c, device) && !(q->force && overridden(c, device, q->vm))))
		return BERTH_REASON_PROTECTED;
	tenant_of(c, q->vm, &two);
	if (two)
		return BERTH_REASON_CONFLICT;
	rules = c->no_files ? BERTH_REASON_NO_POLICY : by_rules(c, device, q);
	if (rules != BERTH_REASON_NO_POLICY && rules != BERTH_REASON_RULE_ALLOWS &&
	    rules != BERTH_REASON_COMPANION)
		return rules;
	state = by_state(c, device, q->vm);
	return state == BERTH_REASON_RULE_ALLOWS ? rules : state;
}
