/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ledger_rate DIR ROUNDS BATCH: see bench/ledger. The ledger and the file for fdatasync() lie in DIR, which is empty. The
 * four kinds take turns within each round, so that whatever else the disk has to do hits all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "policy/audit.h"
#include "policy/lease.h"
#include "policy/ledger.h"

#define T(text) ((char[]){ text })

enum kind { FSYNC, CLAIM, WHOLE, LEASED, NR_KINDS };

/* fdatasync()s that one of a kind needs at the least: its commits. */
static const char *const names[] = { "fsync", "claim", "whole", "leased" };
static const int commits[] = { 1, 1, 4, 5 };

struct bench {
	struct berth_ledger *ledger;
	struct berth_err err;
	int fd;
	int64_t live; /* the last claim of CLAIM, ended outside of the clock */
};

static void __attribute__((noreturn)) die(struct bench *b, const char *what)
{
	fprintf(stderr, "ledger_rate: %s: %s\n", what, b->err.code ? b->err.text : strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void append_block(struct bench *b)
{
	static const char block[4096] = "x";

	if (write(b->fd, block, sizeof(block)) != sizeof(block) || fdatasync(b->fd) < 0)
		die(b, "append");
}

static int audit(struct bench *b, char *before, char *after)
{
	const struct berth_audit row = { .uid = 0,
					 .verb = T("assign"),
					 .vm = T("bench"),
					 .device = T("0000:01:00.0"),
					 .before = before,
					 .after = after,
					 .reason = T("asked for") };

	return berth_audit_append(b->ledger, &row, &b->err);
}

static void begin(struct bench *b)
{
	if (berth_ledger_begin(b->ledger, &b->err) != 0)
		die(b, "begin");
}

static void commit(struct bench *b, int r, const char *what)
{
	if (r != 0 || berth_ledger_commit(b->ledger, &b->err) != 0)
		die(b, what);
}

/* As claim_rows() in src/manager/take.c. */
static int64_t claim(struct bench *b)
{
	static const struct berth_claim_group group = { "PNP0A08:00/01.0/00.0+0", NULL };
	const struct berth_claim who = { .vm = "bench",
					 .kind = BERTH_OWNED_BY_ASSIGN,
					 .boot_id = "f3a0b0b6-1111-2222-3333-444455556666",
					 .pid = getpid(),
					 .pid_start = 4711 };
	const struct berth_member m = { .bdf = "0000:01:00.0",
					.path = T("PNP0A08:00/01.0/00.0"),
					.vendor = 0x8086,
					.device = 0x10c9,
					.found_driver = T("igb"),
					.found_power = T("auto") };
	int64_t id = 0;
	int r;

	begin(b);
	r = berth_ledger_claim(b->ledger, &who, &group, 1, &id, &b->err);
	if (r == 0)
		r = berth_ledger_add_member(b->ledger, id, &m, &b->err);
	if (r == 0)
		r = audit(b, T("host:igb"), T("preparing"));
	commit(b, r, "claim");
	return id;
}

/* As settle_one() there. */
static void settle(struct bench *b, int64_t id)
{
	enum berth_owned_state state;
	int r;

	begin(b);
	r = berth_ledger_set_holder(b->ledger, id, "f3a0b0b6-1111-2222-3333-444455556666", 0, 0,
				    &b->err);
	if (r == 0)
		r = berth_ledger_move(b->ledger, id, BERTH_ON_BOUND, NULL, &state, &b->err);
	if (r == 0)
		r = audit(b, T("preparing"), T("assigned"));
	commit(b, r, "settle");
}

/* As the first part of berth_give() there; end() is the second. */
static void give(struct bench *b, int64_t id)
{
	enum berth_owned_state state;
	int r;

	begin(b);
	r = berth_ledger_move(b->ledger, id, BERTH_ON_GIVE, "release", &state, &b->err);
	if (r == 0)
		r = audit(b, T("assigned"), T("returning"));
	commit(b, r, "give");
}

static void end(struct bench *b, int64_t id)
{
	int r;

	begin(b);
	r = berth_ledger_end(b->ledger, id, "release", &b->err);
	if (r == 0)
		r = audit(b, T("returning"), T("host"));
	commit(b, r, "end");
}

static void lease(struct bench *b, int64_t id)
{
	const struct berth_lease l = { .claim = id,
				       .vm = T("bench"),
				       .start = 1,
				       .end = 7200,
				       .on_expiry = BERTH_EXPIRY_DETACH };
	int r;

	begin(b);
	r = berth_lease_grant(b->ledger, &l, &b->err);
	if (r == 0)
		r = audit(b, T("no lease"), T("until 2026-12-01T18:00:00Z, then detach"));
	commit(b, r, "lease");
}

static void one(struct bench *b, enum kind kind)
{
	int64_t id;

	if (kind == FSYNC) {
		append_block(b);
		return;
	}
	id = claim(b);
	b->live = id;
	if (kind == CLAIM)
		return;
	if (kind == LEASED)
		lease(b, id);
	settle(b, id);
	give(b, id);
	end(b, id);
	b->live = 0;
}

/* Seconds for @batch of a kind. A claim is ended off the clock, or the next one would be refused. */
static double run(struct bench *b, enum kind kind, int batch)
{
	double sum = 0;

	for (int i = 0; i < batch; i++) {
		double start = now();

		one(b, kind);
		sum += now() - start;
		if (b->live)
			end(b, b->live);
		b->live = 0;
	}
	return sum;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int nr)
{
	qsort(v, (size_t)nr, sizeof(*v), compare);
	return nr % 2 ? v[nr / 2] : (v[nr / 2 - 1] + v[nr / 2]) / 2;
}

static void report(double *rates[NR_KINDS], int rounds)
{
	double fsync_rate = 0;

	printf("%-8s %12s %10s %14s\n", "", "per second", "commits", "of fsync");
	for (int k = 0; k < NR_KINDS; k++) {
		double rate = median(rates[k], rounds);

		if (k == FSYNC)
			fsync_rate = rate;
		printf("%-8s %12.0f %10d %14.2f\n", names[k], rate, commits[k],
		       rate * commits[k] / fsync_rate);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc == 4 ? atoi(argv[2]) : 0, batch = argc == 4 ? atoi(argv[3]) : 0;
	struct bench b = { .err = BERTH_ERR_INIT };
	double *rates[NR_KINDS];
	char path[4096];

	if (rounds < 1 || batch < 1) {
		fprintf(stderr, "usage: ledger_rate DIR ROUNDS BATCH\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/appended", argv[1]);
	b.fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	if (b.fd < 0 || berth_ledger_open(&b.ledger, argv[1], BERTH_LEDGER_WRITE, &b.err) != 0)
		die(&b, argv[1]);
	for (int k = 0; k < NR_KINDS; k++) {
		rates[k] = calloc((size_t)rounds, sizeof(double));
		if (!rates[k])
			die(&b, "memory");
		run(&b, (enum kind)k, batch); /* warm up */
	}
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < NR_KINDS; k++)
			rates[k][i] = batch / run(&b, (enum kind)k, batch);
	}
	report(rates, rounds);
	berth_ledger_close(b.ledger);
	close(b.fd);
	return 0;
}
