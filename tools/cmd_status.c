/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth status: who owns what. */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "manager/status.h"
#include "policy/lease.h"
#include "tools/devargs.h"
#include "tools/out.h"
#include "tools/out_reservations.h"
#include "tools/timearg.h"

static const char help[] =
	"Usage: berth status [--queue] [--json]\n\n"
	"Who owns what: every group that is recorded, and every one that somebody else has put on\n"
	"vfio-pci (state external). Then who waits for devices ('berth assign --wait'), the next one first,\n"
	"what is tainted ('berth taint'), and what is reserved ('berth reserve').\n\n"
	"      --queue  only who waits; with --json {\"queue\":[{\"vm\":…,\"priority\":…,\"devices\":…,\n"
	"               \"since\":…,\"process\":…}]}\n"
	"  -j, --json   {\"owned\":[{\"group\":14,\"devices\":…,\"vm\":…,\"state\":…,\"since\":…,\n"
	"               \"holder\":…,\"reset\":…,\"lease_end\":…,\"free_at\":…}],\n"
	"               \"queue\":[…],\"taints\":[{\"bdf\":…,\"path\":…,\"taint\":…,\"effect\":…,\"since\":…,\n"
	"               \"uid\":…,\"reason\":…}],\"reservations\":[…]}, these as in 'berth reserve --list';\n"
	"               \"since\", \"lease_end\" and \"free_at\" are UTC,\n"
	"               \"holder\" is a process id\n\n"
	"STATE   preparing, assigned, in-use, releasing, sanitising, returning, faulted, quarantined,\n"
	"        identity-changed; external; lost: gone from this host, kept for when it comes back;\n"
	"        stuck: a write to its driver does not return, NOTE says which and who has it open\n"
	"HOLDER  the process that answers for the devices while a VM uses them\n"
	"RESET   how it was last reset, or \"unproven\"; 'berth show DEV' has the evidence\n"
	"POLICY  policy-drift: today's policy would not give it to its VM, which keeps it (DRIFT: why)\n"
	"NOTE    what is wrong, and what the next verb will do about it; when its lease ends, and when it\n"
	"        will be free\n";

static const struct berth_out_col cols[] = {
	{ "group", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "devices", NULL, BERTH_OUT_STRING, 0 },
	{ "vm", NULL, BERTH_OUT_STRING, 0 },
	{ "state", NULL, BERTH_OUT_STRING, 0 },
	{ "kind", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "since", NULL, BERTH_OUT_STRING, 0 },
	{ "holder", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "process", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "reset", NULL, BERTH_OUT_STRING, 0 },
	{ "lease_end", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "free_at", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "policy", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "drift", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "note", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

/* "free at 18:00, in 1 h 12 min", "lease until 18:00, in 1 h 12 min", "lease ended at 18:00". */
static void lease_words(const struct berth_status_row *s, char *buf, size_t size)
{
	int64_t now = (int64_t)time(NULL), moment = s->free_at ? s->free_at : s->lease_end;
	char when[32], span[32];

	buf[0] = '\0';
	if (!s->lease_end)
		return;
	if (moment > now)
		snprintf(buf, size, "%s %s, in %s", s->free_at ? "free at" : "lease until",
			 berth_timearg_show(moment, when), berth_lease_span(moment - now, span));
	else
		snprintf(buf, size, "lease ended at %s", berth_timearg_show(s->lease_end, when));
}

static void add(struct berth_out *out, const struct berth_status_row *s, bool json)
{
	struct berth_out_row *row = berth_out_add(out, NULL);
	char when[32], lease[120], note[600];

	if (s->group >= 0)
		berth_out_num(row, "group", s->group);
	berth_out_str(row, "devices", s->devices);
	berth_out_str(row, "vm", s->vm);
	berth_out_str(row, "state", s->state);
	berth_out_str(row, "kind", s->kind);
	if (s->since)
		berth_out_str(row, "since", berth_out_time(s->since, when));
	if (s->holder) {
		berth_out_num(row, "holder", s->holder);
		berth_out_str(row, "process", s->holder_name);
	}
	berth_out_str(row, "reset", *s->reset ? s->reset : NULL);
	if (s->lease_end)
		berth_out_str(row, "lease_end", berth_out_time(s->lease_end, when));
	if (s->free_at)
		berth_out_str(row, "free_at", berth_out_time(s->free_at, when));
	if (*s->drift)
		berth_out_str(row, "policy", "policy-drift");
	berth_out_str(row, "drift", *s->drift ? s->drift : NULL);
	if (*s->drift && !*s->note && !json)
		snprintf(note, sizeof(note), "policy-drift: %s; it keeps it", s->drift);
	else
		snprintf(note, sizeof(note), "%s", s->note);
	/* Scripts have keys of their own for the lease. */
	lease_words(s, lease, json ? 1 : sizeof(lease));
	if (*note || *lease)
		berth_out_fmt(row, "note", "%s%s%s", note, *note && *lease ? "; " : "", lease);
}

static void fill_owned(struct berth_out *out, const struct berth_status *status, bool json)
{
	for (size_t i = 0; i < status->nr; i++)
		add(out, &status->rows[i], json);
}

static const struct berth_out_col queue_cols[] = {
	{ "vm", "WAITING", BERTH_OUT_STRING, 0 },
	{ "priority", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
	{ "devices", "FOR", BERTH_OUT_STRING, BERTH_OUT_WRAP },
	{ "since", NULL, BERTH_OUT_STRING, 0 },
	{ "process", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT },
};

static void fill_queue(struct berth_out *out, const struct berth_queue *queue)
{
	for (size_t i = 0; i < queue->nr; i++) {
		const struct berth_queue_entry *e = &queue->items[i];
		struct berth_out_row *row = berth_out_add(out, NULL);
		char when[32];

		berth_out_str(row, "vm", e->vm);
		berth_out_num(row, "priority", e->priority);
		berth_out_str(row, "devices", e->request);
		berth_out_str(row, "since", berth_out_time(e->since, when));
		berth_out_num(row, "process", e->pid);
	}
}

static const struct berth_out_col taint_cols[] = {
	{ "bdf", "TAINTED", BERTH_OUT_STRING, 0 },
	{ "path", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "taint", NULL, BERTH_OUT_STRING, 0 },
	{ "effect", NULL, BERTH_OUT_STRING, 0 },
	{ "since", NULL, BERTH_OUT_STRING, 0 },
	{ "uid", NULL, BERTH_OUT_NUMBER, BERTH_OUT_RIGHT | BERTH_OUT_EXTRA },
	{ "reason", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
};

static void fill_taints(struct berth_out *out, const struct berth_taint_list *taints)
{
	for (size_t i = 0; i < taints->nr; i++) {
		const struct berth_taint *t = &taints->items[i];
		struct berth_out_row *row = berth_out_add(out, NULL);
		char when[32];

		berth_out_str(row, "bdf", t->bdf);
		berth_out_str(row, "path", t->path);
		berth_out_str(row, "taint", t->taint);
		berth_out_str(row, "effect", berth_taint_effect_name(t->effect));
		berth_out_str(row, "since", berth_out_time(t->since, when));
		berth_out_num(row, "uid", t->uid);
		berth_out_str(row, "reason", t->reason);
	}
}

enum { OWNED, QUEUE, TAINTS, RESERVATIONS, NR_TABLES };

static int make_tables(struct berth_out *outs[NR_TABLES], bool json, struct berth_err *err)
{
	enum berth_out_mode mode = json ? BERTH_OUT_JSON : BERTH_OUT_TABLE;
	int r = berth_out_new(&outs[OWNED], "owned", cols, BERTH_ARRAY_SIZE(cols), mode, err);

	if (r == 0)
		r = berth_out_new(&outs[QUEUE], "queue", queue_cols, BERTH_ARRAY_SIZE(queue_cols),
				  mode, err);
	if (r == 0)
		r = berth_out_new(&outs[TAINTS], "taints", taint_cols, BERTH_ARRAY_SIZE(taint_cols),
				  mode, err);
	if (r == 0)
		r = berth_out_reservations_new(&outs[RESERVATIONS], json, err);
	return r;
}

static int print(const struct berth_status *status, const struct berth_devargs *args,
		 struct berth_err *err)
{
	struct berth_out *outs[NR_TABLES] = { NULL };
	int r = make_tables(outs, args->json, err);

	if (r == 0) {
		fill_owned(outs[OWNED], status, args->json);
		fill_queue(outs[QUEUE], &status->queue);
		fill_taints(outs[TAINTS], &status->taints);
		berth_out_reservations_fill(outs[RESERVATIONS], &status->reservations, args->json);
	}
	if (r == 0 && !args->queue && !args->json && !status->nr)
		printf("no VM owns any device\n%s",
		       status->queue.nr + status->taints.nr + status->reservations.nr ? "\n" : "");
	if (r == 0)
		r = args->queue ? berth_out_print(outs[QUEUE], stdout, err) :
				  berth_out_print_all(outs, NR_TABLES, stdout, err);
	for (size_t i = 0; i < NR_TABLES; i++)
		berth_out_free(outs[i]);
	return r;
}

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_status status = { 0 };
	struct berth_devargs args;
	int r = berth_devargs_parse(cmd, argc, argv, BERTH_DEVARGS_JSON | BERTH_DEVARGS_QUEUE,
				    &args);

	if (r != BERTH_EXIT_OK)
		return r;
	if (args.nr)
		return berth_usage(cmd, "it takes no device; 'berth show DEV' tells about one");
	r = berth_devargs_open(cmd, host, true, &m, &err);
	if (r == 0)
		r = berth_status_read(m, &status, &err);
	if (r == 0)
		r = print(&status, &args, &err);
	berth_status_done(&status);
	return r == 0 ? BERTH_EXIT_OK : berth_fail(cmd, r, &err);
}

const struct berth_cmd berth_cmd_status = {
	.name = "status",
	.summary = "who owns what",
	.help = help,
	.run = run,
};
