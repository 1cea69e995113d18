/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host made up for decisions: devices by what they are and where, a policy by its text, and the world of both.
 */
#ifndef TESTS_LIB_MADE_WORLD_H
#define TESTS_LIB_MADE_WORLD_H

#include "policy/load.h"
#include "policy/world.h"

enum made_kind { MADE_GPU, MADE_NIC, MADE_NVME };

struct made_world {
	struct berth_facts *facts; /* owned, and their texts */
	struct berth_usage *usage; /* owned; filled in before made_world_see() */
	size_t nr, room;
	struct berth_policy *policy; /* owned */
	struct berth_world *world;   /* owned */
};

struct made_world *made_world_new(size_t room);
void made_world_free(struct made_world *made);

/* Return: its number. A group of its own. GPUs are 10de:2335, NICs 15b3:1021, NVMes 144d:a808. */
uint32_t made_world_add(struct made_world *made, enum made_kind kind, int32_t node, const char *fmt,
			...) __attribute__((format(printf, 4, 5)));

/* A VF of a device that was added before. */
uint32_t made_world_add_vf(struct made_world *made, uint32_t pf, int32_t index);

/* Switches "NODE: R<node>/<sw>.0/00.0", each with so many GPUs and NICs behind it. */
void made_world_add_switches(struct made_world *made, int nr, int nodes, int gpus, int nics);

/* @policy: what stands between { "version": 1, and }, with ' for ". Fails the test when it does not load. */
void made_world_see(struct made_world *made, const char *policy);

#endif
