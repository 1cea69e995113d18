/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *berth_distance_name(enum berth_distance distance)
{
	static const char *const names[] = {
		[BERTH_DISTANCE_SELF] = "SELF", [BERTH_DISTANCE_PIX] = "PIX",
		[BERTH_DISTANCE_PXB] = "PXB",	[BERTH_DISTANCE_PHB] = "PHB",
		[BERTH_DISTANCE_NODE] = "NODE", [BERTH_DISTANCE_SYS] = "SYS",
	};

	return names[distance];
}

enum berth_distance berth_distance_between(const struct berth_place *a, const struct berth_place *b)
{
	for (int level = 0; level < BERTH_DISTANCE_LEVELS; level++) {
		if (a->sets[level] == b->sets[level])
			return (enum berth_distance)level;
	}
	return BERTH_DISTANCE_SYS;
}

/* A path, with how much of it names the set of the device at each level up to PHB. */
struct entry {
	const char *path;
	size_t len[BERTH_DISTANCE_PHB + 1];
	int32_t numa_node;
};

/*
 * Where the components of the path end decides: "ROOT/s0/s1/…/sn", n steps. The bridge above the bridge above the function
 * is sn-2; where there is none, what the bus below sn-1 connects is the most that one bridge does.
 */
static void measure(struct entry *e)
{
	const char *end = strchrnul(e->path, '#'), *p = e->path;
	size_t stops[64], nr = 0; /* where the root ends, s0, s1, …; not the last step */

	for (; p < end && nr < BERTH_ARRAY_SIZE(stops); p++) {
		if (*p == '/')
			stops[nr++] = (size_t)(p - e->path);
	}
	p = memrchr(e->path, '.', (size_t)(end - e->path));
	e->len[BERTH_DISTANCE_SELF] = p && nr && p > e->path + stops[nr - 1] ?
					      (size_t)(p - e->path) :
					      (size_t)(end - e->path);
	e->len[BERTH_DISTANCE_PIX] = nr > 3 ? stops[nr - 2] :
				     nr > 1 ? stops[1] :
					      e->len[BERTH_DISTANCE_SELF];
	e->len[BERTH_DISTANCE_PXB] = nr > 1 ? stops[1] : e->len[BERTH_DISTANCE_SELF];
	e->len[BERTH_DISTANCE_PHB] = nr ? stops[0] : (size_t)(end - e->path);
}

/* --- beginnings of paths, numbered --- */

struct prefix {
	const char *text; /* NULL: an empty slot */
	size_t len;
	uint32_t set;
	int32_t numa_node; /* of a host bridge */
};

struct table {
	struct prefix *slots; /* owned */
	size_t mask;
};

static int table_init(struct table *t, size_t nr)
{
	size_t size = 16;

	while (size < nr * 2)
		size *= 2;
	t->mask = size - 1;
	t->slots = calloc(size, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

static void table_clear(struct table *t)
{
	memset(t->slots, 0, (t->mask + 1) * sizeof(*t->slots));
}

static void table_done(struct table *t)
{
	free(t->slots);
}

/* FNV-1a */
static uint64_t hash(const char *text, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3;
	return h ^ h >> 32;
}

/* The entry of this beginning; a new one has no text yet. */
static struct prefix *table_at(struct table *t, const char *text, size_t len)
{
	size_t i = hash(text, len) & t->mask;

	while (t->slots[i].text &&
	       (t->slots[i].len != len || memcmp(t->slots[i].text, text, len) != 0))
		i = (i + 1) & t->mask;
	return &t->slots[i];
}

/* A set has the number of its first member. */
static uint32_t set_of(struct table *t, const struct entry *e, size_t number, int level)
{
	struct prefix *p;

	if (!e->path)
		return (uint32_t)number;
	p = table_at(t, e->path, e->len[level]);
	if (!p->text)
		*p = (struct prefix){ e->path, e->len[level], (uint32_t)number, e->numa_node };
	if (p->numa_node != e->numa_node)
		p->numa_node = BERTH_FACT_UNKNOWN;
	return p->set;
}

struct node {
	int32_t number;
	uint32_t set;
};

/* Host bridges of one node make one set; one whose node is not known is alone. */
static void join_nodes(struct table *bridges, const struct entry *e, size_t nr,
		       struct berth_place *places, struct node *nodes)
{
	size_t nr_nodes = 0;

	for (size_t i = 0; i < nr; i++) {
		struct berth_place *at = &places[i];
		uint32_t bridge = at->sets[BERTH_DISTANCE_PHB];
		int32_t number = BERTH_FACT_UNKNOWN;
		size_t n = 0;

		if (e[i].path)
			number = table_at(bridges, e[i].path, e[i].len[BERTH_DISTANCE_PHB])
					 ->numa_node;
		at->sets[BERTH_DISTANCE_NODE] = bridge;
		if (number == BERTH_FACT_UNKNOWN)
			continue;
		while (n < nr_nodes && nodes[n].number != number)
			n++;
		if (n == nr_nodes)
			nodes[nr_nodes++] = (struct node){ number, bridge };
		at->sets[BERTH_DISTANCE_NODE] = nodes[n].set;
	}
}

static int place_all(const struct entry *e, size_t nr, struct berth_place *places)
{
	BERTH_CLEANUP(berth_freep) struct node *nodes = calloc(nr + 1, sizeof(*nodes));
	BERTH_CLEANUP(table_done) struct table t = { 0 };

	if (!nodes || table_init(&t, nr) < 0)
		return -ENOMEM;
	for (int level = 0; level <= BERTH_DISTANCE_PHB; level++) {
		table_clear(&t);
		for (size_t i = 0; i < nr; i++)
			places[i].sets[level] = set_of(&t, &e[i], i, level);
	}
	join_nodes(&t, e, nr, places, nodes);
	return 0;
}

int berth_distance_places(const struct berth_location *at, size_t nr, struct berth_place **ret)
{
	BERTH_CLEANUP(berth_freep) struct entry *e = calloc(nr + 1, sizeof(*e));
	struct berth_place *places = calloc(nr + 1, sizeof(*places));

	if (!e || !places) {
		free(places);
		return -ENOMEM;
	}
	for (size_t i = 0; i < nr; i++) {
		e[i] = (struct entry){ .path = at[i].path, .numa_node = at[i].numa_node };
		if (at[i].path)
			measure(&e[i]);
	}
	if (place_all(e, nr, places) < 0) {
		free(places);
		return -ENOMEM;
	}
	*ret = places;
	return 0;
}
