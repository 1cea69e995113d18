/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What resets have shown, device by device: the part of the ledger that a person asks when a device is quarantined.
 *
 * A row for each reset before and after a use; the last BERTH_EVIDENCE_KEEP of a device stay, and with them the newest image of
 * its configuration from before a use. The device is its stable path, as in struct berth_member: rows outlive assignments.
 */
#ifndef BERTH_POLICY_EVIDENCE_H
#define BERTH_POLICY_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

struct berth_err;
struct berth_ledger;

#define BERTH_EVIDENCE_KEEP 16

/* Texts are borrowed when it is added, owned (berth_evidence_done()) when it was read. */
struct berth_evidence {
	int64_t time; /* seconds since 1970; of now when it is added */
	char *path;
	char *bdf;     /* where it was then */
	char *vm;      /* whose use */
	bool after;    /* after the use; false: before */
	char *method;  /* "flr", "bus", "hot", "none", …: vfio/reset.h, berth_reset_result.by */
	char *checked; /* "answers,no-dma,d0,…": vfio/proof.h, berth_proof_words() */
	bool proven;
	char *sentence; /* for people */
	char *image;	/* berth_proof_image_format(), or NULL */
};

void berth_evidence_done(struct berth_evidence *e);

/* Return: 0; -EINVAL no path, BDF, VM, method or sentence; see policy/ledger.h for the rest. */
int berth_evidence_add(struct berth_ledger *ledger, const struct berth_evidence *e,
		       struct berth_err *err);

/* The newest row about a device, without image. Return: 0; BERTH_ABSENT there is none. */
int berth_evidence_last(struct berth_ledger *ledger, const char *path, struct berth_evidence *ret,
			struct berth_err *err);

/* The newest image of a device; owned by the caller. Return: 0; BERTH_ABSENT there is none. */
int berth_evidence_image(struct berth_ledger *ledger, const char *path, char **ret,
			 struct berth_err *err);

#endif
