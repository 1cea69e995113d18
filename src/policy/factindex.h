/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which devices have a certain text as a fact? So that a match by path, port or serial is not tried on every device.
 */
#ifndef BERTH_POLICY_FACTINDEX_H
#define BERTH_POLICY_FACTINDEX_H

#include <stdint.h>

#include "base/cleanup.h"
#include "policy/match.h"

struct berth_factindex; /* opaque */

/* @facts: borrowed, outlive the index. Attributes are read when first asked for. Return: 0; -ENOMEM. */
int berth_factindex_new(struct berth_factindex **ret, const struct berth_facts *facts, size_t nr);
void berth_factindex_free(struct berth_factindex *index);
BERTH_DEFINE_CLEANUP(struct berth_factindex *, berth_factindex_free);

/**
 * berth_factindex_suspects() - devices for which a match may be other than a no
 * @ret: borrowed until the next call; ascending
 *
 * All that can be: a term that must hold and asks for certain texts, without wildcards, leaves those that have one of them or
 * for which the fact is not known. Everywhere else the match is a no.
 *
 * Return: 0; BERTH_ABSENT the match has no such term, any device may fit; -ENOMEM.
 */
int berth_factindex_suspects(struct berth_factindex *index, const struct berth_match *match,
			     const uint32_t **ret, uint32_t *ret_nr);

#endif
