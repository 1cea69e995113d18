/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth policy: check the policy, show it, explain what it decides. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/conflict.h"
#include "policy/lookup.h"
#include "policy/vote.h"
#include "tools/out.h"
#include "tools/policy_scene.h"

static const char help[] =
	"Usage: berth policy check [FILE…] [--json]\n"
	"       berth policy show [--json]\n"
	"       berth policy explain DEV [--vm VM] [--json]\n"
	"       berth policy explain --vm VM [--json]\n"
	"       berth policy plan [FILE…] [--vm VM] [--json]\n\n"
	"check    read the policy, or these files as if they were it; errors with file, line and\n"
	"         column (exit code 1), then what contradicts itself on this host (exit code 1\n"
	"         too) and what is doubtful, and which files count\n"
	"show     every entry of the policy, with the devices of this host that fit now\n"
	"explain  every check that decides about a device, in order; without a device, the verdict\n"
	"         on each one, and when the VM has a claim: what it gets, every candidate, why\n"
	"plan     what each claim gets, by priority, then by name, and what is left of the pools;\n"
	"         with --vm, what that one gets after those before it\n\n"
	"  -n, --vm VM  for this VM\n"
	"  -f, --force  explain: as if the verb were run with --force\n"
	"  -j, --json   check: {\"problems\":[…],…}; show: {\"entries\":[…]}; explain DEV:\n"
	"               {\"checks\":[…]}; explain --vm: {\"verdicts\":[…]}; plan: {\"claims\":[…]}\n\n"
	"The language is described in berth-policy(5).\n";

/* --- check --- */

/* Straight to stderr, or kept for JSON. */
struct problems {
	json_t *list; /* owned; NULL: to stderr */
};

/* @code: a name of policy/conflict.h, or NULL. */
static void add_problem(struct problems *problems, const char *severity, const char *code,
			const char *text)
{
	json_t *problem;

	if (!problems->list) {
		fprintf(stderr, "berth policy: %s: %s%s%s\n", severity, code ? code : "",
			code ? ": " : "", text);
		return;
	}
	problem = json_object();
	json_object_set_new(problem, "severity", berth_json_text(severity));
	json_object_set_new(problem, "code", berth_json_text(code));
	json_object_set_new(problem, "text", berth_json_text(text));
	json_array_append_new(problems->list, problem);
}

/* What no file is to blame for by itself: names that mean two devices, settings that contradict each other, other cards. */
static void check_on_host(const struct policy_scene *s, struct problems *problems)
{
	struct berth_net_policy net;
	enum berth_bind_mode mode;
	size_t index;

	for (size_t i = 0; i < s->policy->nr_devices; i++) {
		struct berth_err why = BERTH_ERR_INIT;

		if (berth_policy_find_device(s->policy, s->policy->devices[i].name,
					     s->view->world->facts, s->view->world->nr, &index,
					     &why) != 0)
			add_problem(problems, "warning", NULL, why.text);
	}
	for (size_t i = 0; i < s->view->world->nr; i++) {
		struct berth_err why = BERTH_ERR_INIT;
		const struct berth_facts *facts = &s->view->world->facts[i];

		/* who it is has been looked at by name */
		if (berth_world_identity(s->view->world, (uint32_t)i, NULL) != BERTH_YES)
			continue;
		if (berth_policy_bind_mode(s->policy, facts, &mode, NULL, &why) != 0 ||
		    berth_policy_net(s->policy, facts, &net, &why) != 0)
			add_problem(problems, "warning", NULL, why.text);
	}
}

/* What contradicts itself or cannot be meant, on this host. Return: how many errors; -errno. */
static int check_conflicts(const struct policy_scene *s, struct problems *problems,
			   struct berth_err *err)
{
	struct berth_conflicts found = { 0 };
	int errors = 0, r = berth_conflicts_find(s->view->world, &found, err);

	for (size_t i = 0; i < found.nr; i++) {
		const struct berth_conflict *c = &found.items[i];
		bool error = berth_conflict_is_error(c->code);

		errors += error;
		add_problem(problems, error ? "error" : "warning", berth_conflict_name(c->code),
			    c->text);
	}
	if (found.more)
		add_problem(problems, "warning", NULL, "and more; these come first");
	berth_conflicts_done(&found);
	return r < 0 ? r : errors;
}

/* "2 devices, " */
static void print_count(size_t nr, const char *one, const char *many)
{
	if (nr)
		printf(", %zu %s", nr, nr == 1 ? one : many);
}

static void print_counts(const struct berth_policy *p, const struct berth_host *host)
{
	if (p->nr_files == 0) {
		policy_say_none(host);
		return;
	}
	printf("ok: %zu file%s", p->nr_files, p->nr_files == 1 ? "" : "s");
	print_count(p->nr_devices, "device", "devices");
	print_count(p->nr_classes, "class", "classes");
	print_count(p->nr_pools, "pool", "pools");
	print_count(p->nr_tenants, "tenant", "tenants");
	print_count(p->nr_rules, "rule", "rules");
	print_count(p->nr_protects, "protect entry", "protect entries");
	print_count(p->nr_taints, "taint", "taints");
	print_count(p->nr_sriovs, "sriov entry", "sriov entries");
	print_count(p->nr_claims, "claim", "claims");
	putchar('\n');
}

/* Which files count, and which another of the same name stands in front of. */
static void print_files(const struct berth_policy *p)
{
	for (size_t i = 0; i < p->nr_files; i++)
		printf("in force: %s\n", p->files[i]);
	for (size_t i = 0; i < p->nr_masks; i++)
		printf("masked:   %s, by %s\n", p->masks[i].file, p->masks[i].by);
}

/* { "problems": […], "files": […], "masked": […] }; @policy: NULL when it does not load. */
static int print_json(json_t *problems, const struct berth_policy *policy)
{
	json_t *root = json_object(), *files = json_array(), *masked = json_array();
	int r;

	json_object_set(root, "problems", problems);
	json_object_set_new(root, "files", files);
	json_object_set_new(root, "masked", masked);
	for (size_t i = 0; policy && i < policy->nr_files; i++)
		json_array_append_new(files, berth_json_text(policy->files[i]));
	for (size_t i = 0; policy && i < policy->nr_masks; i++) {
		json_t *mask = json_object();

		json_object_set_new(mask, "file", berth_json_text(policy->masks[i].file));
		json_object_set_new(mask, "by", berth_json_text(policy->masks[i].by));
		json_array_append_new(masked, mask);
	}
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r;
}

static int check(const struct berth_cmd *cmd, struct berth_host *host,
		 const struct policy_args *args)
{
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	struct problems problems = { 0 };
	int bad, errors = 0, r = 0;

	if (args->vm)
		return berth_usage(cmd, "--vm is for explain");
	bad = policy_scene_read(&s, host, args, &err);
	if (bad < 0 && !args->json)
		return berth_fail(cmd, bad, &err);
	if (args->json)
		problems.list = json_array();
	if (bad < 0)
		add_problem(&problems, "error", NULL, err.text);
	for (size_t i = 0; bad == 0 && i < s.policy->nr_warnings; i++)
		add_problem(&problems, "warning", NULL, s.policy->warnings[i]);
	if (bad == 0)
		check_on_host(&s, &problems);
	if (bad == 0)
		errors = check_conflicts(&s, &problems, &err);
	if (args->json) {
		r = print_json(problems.list, bad == 0 ? s.policy : NULL);
		json_decref(problems.list);
	} else {
		print_files(s.policy);
		if (errors > 0)
			fprintf(stderr, "berth policy: what an error is about goes to nobody until "
					"it is mended\n");
		else
			print_counts(s.policy, host);
	}
	if (errors < 0)
		r = errors;
	if (r < 0)
		return berth_fail(cmd, r, &err);
	return bad < 0 || errors ? BERTH_EXIT_FAILED : BERTH_EXIT_OK;
}

/* --- arguments --- */

static int run(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	static const struct option longs[] = { { "vm", required_argument, NULL, 'n' },
					       { "json", no_argument, NULL, 'j' },
					       { "force", no_argument, NULL, 'f' },
					       { 0 } };
	static const struct {
		const char *name;
		int (*run)(const struct berth_cmd *cmd, struct berth_host *host,
			   const struct policy_args *args);
	} subverbs[] = { { "check", check },
			 { "show", policy_show },
			 { "explain", policy_explain },
			 { "plan", policy_plan } };
	struct policy_args args = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":n:jf", longs, NULL)) != -1) {
		if (c == 'n' && *optarg && *optarg != '@')
			args.vm = optarg;
		else if (c == 'n')
			return berth_usage(cmd, "'%s' is not the name of a VM", optarg);
		else if (c == 'j')
			args.json = true;
		else if (c == 'f')
			args.force = true;
		else if (c == ':')
			return berth_usage(cmd, "option %s needs an argument", argv[optind - 1]);
		else
			return berth_usage(cmd, "there is no option %s", argv[optind - 1]);
	}
	if (optind == argc)
		return berth_usage(cmd, "what about it? check, show, explain or plan");
	args.words = argv + optind + 1;
	args.nr = argc - optind - 1;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(subverbs); i++) {
		if (strcmp(argv[optind], subverbs[i].name) == 0)
			return subverbs[i].run(cmd, host, &args);
	}
	return berth_usage(cmd, "there is no 'policy %s'; say check, show, explain or plan",
			   argv[optind]);
}

const struct berth_cmd berth_cmd_policy = {
	.name = "policy",
	.summary = "check the policy, show it, explain what it decides",
	.help = help,
	.run = run,
};
