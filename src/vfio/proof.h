/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a function's configuration space has to show after a reset, and after a tenant.
 *
 * Two kinds of proof. The state: it answers with its own identity, is in D0, is no bus master, waits for nothing, decodes
 * where the host put it. The image: the registers that the specifications call stable, taken before a guest gets the
 * function and compared after it is gone; a difference is something that one tenant could leave for the next.
 *
 * Both look past VFIO's emulation, through sysfs, which needs root. Which registers belong to the image is one table in
 * proof.c; what no specification describes (vendor specific registers) and what changes by itself (status, addresses of
 * interrupts, PME) is not in it.
 */
#ifndef BERTH_VFIO_PROOF_H
#define BERTH_VFIO_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"

struct berth_err;
struct berth_host;

/* What was looked at and found right; bits of a set. */
enum berth_proof_check {
	BERTH_PROOF_ANSWERS = 1 << 0, /* "answers": status is not all-ones, the ids are its own */
	BERTH_PROOF_MASTER = 1 << 1,  /* "no-dma": bus mastering is off */
	BERTH_PROOF_POWER = 1 << 2,   /* "d0" */
	BERTH_PROOF_PENDING = 1 << 3, /* "idle": no transaction is pending (DEVSTA) */
	BERTH_PROOF_BARS = 1 << 4,    /* "bars": where the host put them */
	BERTH_PROOF_SCRUB =
		1 << 5, /* "scrubbed": what its reset leaves was overwritten, see vfio/scrub.h */
	BERTH_PROOF_IMAGE = 1 << 6, /* "config": as before use */
};

#define BERTH_PROOF_WORDS 64
/* "answers,no-dma,d0,idle,bars"; "" for none. Returns @buf. */
char *berth_proof_words(unsigned int checks, char buf[static BERTH_PROOF_WORDS]);

struct berth_proof_reg {
	uint16_t at;
	uint8_t len; /* 1, 2 or 4 */
	uint32_t value;
};

/* Header 16, twelve capabilities of a few registers each; what is more is not compared. */
#define BERTH_PROOF_REGS 96
struct berth_proof_image {
	struct berth_proof_reg regs[BERTH_PROOF_REGS];
	size_t nr; /* 0: nothing known */
};

/* The stable registers of @len bytes of configuration space; untrusted. */
void berth_proof_image_take(struct berth_proof_image *ret, const uint8_t *config, size_t len);

/* The same of a function of the host. Return: 0; -errno. */
int berth_proof_image_read(struct berth_proof_image *ret, const struct berth_host *host,
			   struct berth_bdf at, struct berth_err *err);

/* Return: true; false and the first difference in @what: "register 0x0a8 is 0x2810, was 0x2800". */
bool berth_proof_image_same(const struct berth_proof_image *before,
			    const struct berth_proof_image *now, char *what, size_t size);

/* As text for the ledger: "000:4:10c98086 …". Owned by the caller; NULL: out of memory. */
char *berth_proof_image_format(const struct berth_proof_image *image);
/* Return: 0; -EINVAL not such a text. */
int berth_proof_image_parse(const char *text, struct berth_proof_image *ret);

/**
 * berth_proof_state() - look at a function now
 * @config: @len bytes, 64 at the least
 * @host: what the kernel knows of it is compared too (ids, addresses); NULL: only @config
 * @any_power: a function that nobody holds may be asleep
 * @ret_flaw: what is wrong: "is still a bus master"; NULL when nothing is
 *
 * Return: the checks that hold.
 */
unsigned int berth_proof_state(const uint8_t *config, size_t len, const struct berth_host *host,
			       struct berth_bdf at, bool any_power, const char **ret_flaw);

/* Raw configuration space through sysfs; what cannot be read is all-ones. Return: bytes read, 0 when there is none. */
size_t berth_proof_read(const struct berth_host *host, struct berth_bdf at, uint8_t *buf,
			size_t size);

#endif
