/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hash chain of the audit record: SHA-256 (FIPS 180-4) over a row and the hash of the row before it.
 *
 * Whoever changes, removes or inserts a row has to compute every later hash again, and the last one then differs from what
 * somebody noted down elsewhere (`berth audit verify` prints it). No key is involved: it shows mistakes and edits by hand, and
 * with a noted hash also a forger with root's rights.
 *
 * What is hashed, one field after the other, so that no two different rows give the same bytes: the line "berth-audit-1",
 * then prev, seq, time, uid, verb, vm, device, before, after and reason, each as LENGTH:BYTES, (a netstring; numbers in
 * decimal), and "-," for a text that is absent.
 */
#ifndef BERTH_POLICY_CHAIN_H
#define BERTH_POLICY_CHAIN_H

struct berth_audit;

#define BERTH_CHAIN_HASH 65 /* bytes: 64 hex digits and a NUL */

/* What the first row has for the hash of the row before it. */
#define BERTH_CHAIN_START "0000000000000000000000000000000000000000000000000000000000000000"

/* The hash of @row after a row whose hash is @prev. seq and time must be set. Returns @buf. */
char *berth_chain_hash(const struct berth_audit *row, const char *prev,
		       char buf[static BERTH_CHAIN_HASH]);

/* The SHA-256 of a text by itself. Returns @buf. */
char *berth_chain_hash_text(const char *text, char buf[static BERTH_CHAIN_HASH]);

#endif
