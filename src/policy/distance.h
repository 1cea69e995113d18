/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far apart devices are, from where they are plugged in: the levels of `nvidia-smi topo -m` (enum berth_distance).
 *
 * A stable path has a step for every bridge on the way: root port, and for each switch its upstream port and the downstream
 * port that leads on, then the function (PCIe Base 6.0, 1.3.3; sysfs nests them the same way). So
 *
 *	PNP0A08:00/01.0/00.0/02.0/00.0
 *	root       RP   USP  DSP  function
 *
 * and what two functions share of their paths says what a request from one to the other has to pass:
 *
 *	SELF	the same slot: paths differ in the last function number alone; a VF is in the slot of its PF
 *	PIX	the same bus, or the same bridge above the bridge above them: one switch ("at most a single PCIe bridge")
 *	PXB	the same root port ("multiple PCIe bridges without traversing the PCIe Host Bridge")
 *	PHB	the same host bridge
 *	NODE	host bridges of the same NUMA node
 *	SYS	anything else, and whatever is not known
 *
 * Sources: nvml.h, nvmlGpuTopologyLevel_t (INTERNAL, SINGLE, MULTIPLE, HOSTBRIDGE, NODE, SYSTEM); the legend of
 * `nvidia-smi topo -m`, quoted above.
 *
 * The levels are nested, so "not farther than" is an equivalence at each of them, and a device's place is one number for each.
 */
#ifndef BERTH_POLICY_DISTANCE_H
#define BERTH_POLICY_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "policy/rule.h"

/* SELF to NODE; at SYS everything is together. */
#define BERTH_DISTANCE_LEVELS 5

/* Where one device is: at each level the number of the set of devices that it is together with there. */
struct berth_place {
	uint32_t sets[BERTH_DISTANCE_LEVELS];
};

/* Of a device, as it is told apart here. */
struct berth_location {
	const char *path; /* borrowed; stable path, or NULL: unknown, at SYS from everything else */
	int32_t numa_node; /* or BERTH_FACT_UNKNOWN */
};

/**
 * berth_distance_places() - the places of all devices of a host
 * @at: in any order; where the devices of one host bridge disagree about their node, the node of the bridge is unknown
 * @ret: owned by the caller (free); as many as @at; numbers of sets are indexes into it
 *
 * Return: 0; -ENOMEM.
 */
int berth_distance_places(const struct berth_location *at, size_t nr, struct berth_place **ret);

/* The smallest level at which both are together. */
enum berth_distance berth_distance_between(const struct berth_place *a,
					   const struct berth_place *b);

/* "SELF", "PIX", … */
const char *berth_distance_name(enum berth_distance distance);

#endif
