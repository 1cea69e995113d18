/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth policy: check the policy, show it, explain what it decides. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	"         column (exit code 1), then what is doubtful on this host, and which files count\n"
	"show     every device, class, pool and rule, with the devices of this host that fit now\n"
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

static void add_problem(struct problems *problems, const char *severity, const char *text)
{
	json_t *problem;

	if (!problems->list) {
		fprintf(stderr, "berth policy: %s: %s\n", severity, text);
		return;
	}
	problem = json_object();
	json_object_set_new(problem, "severity", berth_json_text(severity));
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
			add_problem(problems, "warning", why.text);
	}
	for (size_t i = 0; i < s->view->world->nr; i++) {
		struct berth_err why = BERTH_ERR_INIT;
		const struct berth_facts *facts = &s->view->world->facts[i];

		/* who it is has been looked at by name */
		if (berth_world_identity(s->view->world, (uint32_t)i, NULL) != BERTH_YES)
			continue;
		if (berth_policy_bind_mode(s->policy, facts, &mode, NULL, &why) != 0 ||
		    berth_policy_net(s->policy, facts, &net, &why) != 0)
			add_problem(problems, "warning", why.text);
	}
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
		printf("no policy: there is no file in %s/policy.d, %s/policy.d or %s/policy.d, root may "
		       "assign whatever safety allows\n",
		       host->run, host->etc, host->lib);
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
	int bad, r = 0;

	if (args->vm)
		return berth_usage(cmd, "--vm is for explain");
	bad = policy_scene_read(&s, host, args, &err);
	if (bad < 0 && !args->json)
		return berth_fail(cmd, bad, &err);
	if (args->json)
		problems.list = json_array();
	if (bad < 0)
		add_problem(&problems, "error", err.text);
	for (size_t i = 0; bad == 0 && i < s.policy->nr_warnings; i++)
		add_problem(&problems, "warning", s.policy->warnings[i]);
	if (bad == 0)
		check_on_host(&s, &problems);
	if (args->json) {
		r = print_json(problems.list, bad == 0 ? s.policy : NULL);
		json_decref(problems.list);
	} else {
		print_files(s.policy);
		print_counts(s.policy, host);
	}
	if (r < 0)
		return berth_fail(cmd, r, &err);
	return bad < 0 ? BERTH_EXIT_FAILED : BERTH_EXIT_OK;
}

/* --- show --- */

static const struct berth_out_col entry_cols[] = {
	{ "kind", NULL, BERTH_OUT_STRING, 0 },
	{ "name", NULL, BERTH_OUT_STRING, 0 },
	{ "effect", NULL, BERTH_OUT_STRING, 0 },
	{ "priority", NULL, BERTH_OUT_NUMBER, BERTH_OUT_EXTRA },
	{ "vms", NULL, BERTH_OUT_STRING, 0 },
	{ "bind", NULL, BERTH_OUT_STRING, 0 },
	{ "devices", NULL, BERTH_OUT_STRING, BERTH_OUT_WRAP },
	{ "file", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
	{ "line", NULL, BERTH_OUT_NUMBER, BERTH_OUT_EXTRA },
	{ "pointer", NULL, BERTH_OUT_STRING, BERTH_OUT_EXTRA },
};

static void set_origin(struct berth_out_row *row, const struct berth_origin *origin)
{
	berth_out_str(row, "file", origin->file);
	berth_out_num(row, "line", origin->line);
	berth_out_str(row, "pointer", origin->pointer);
}

/* "a b c", for the names of VMs and the BDFs of devices. */
static void append_word(char **text, const char *word)
{
	char *longer = NULL;

	if (asprintf(&longer, "%s%s%s", *text ? *text : "", *text ? " " : "", word) < 0)
		return;
	free(*text);
	*text = longer;
}

/* What fits an entry: a pool or rule is asked through @pool or @rule, anything else by its match. */
static char *devices_that_fit(const struct policy_scene *s, const struct berth_match *match,
			      const struct berth_pool_entry *pool, const struct berth_rule *rule)
{
	char *text = NULL;

	for (size_t i = 0; i < s->view->world->nr; i++) {
		const struct berth_facts *facts = &s->view->world->facts[i];
		enum berth_tri fits = match ? berth_match_eval(match, facts, NULL) :
				      pool  ? berth_pool_has(s->policy, pool, facts) :
					      berth_selector_fits(s->policy, &rule->resource, facts,
								  &(const char *){ 0 });

		if (fits == BERTH_YES)
			append_word(&text, facts->bdf);
	}
	return text;
}

static void add_entries(struct berth_out *out, const struct policy_scene *s, const char *kind,
			const struct berth_group_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		BERTH_CLEANUP(berth_freep)
		char *devices = devices_that_fit(s, entries[i].match, NULL, NULL);
		struct berth_out_row *row = berth_out_add(out, NULL);

		berth_out_str(row, "kind", kind);
		berth_out_str(row, "name", entries[i].name);
		if (entries[i].has_bind)
			berth_out_str(row, "bind",
				      entries[i].bind == BERTH_BIND_AUTO ? "auto" : "on-assign");
		berth_out_str(row, "devices", devices);
		set_origin(row, &entries[i].origin);
	}
}

static void add_rule(struct berth_out *out, const struct policy_scene *s,
		     const struct berth_rule *rule)
{
	BERTH_CLEANUP(berth_freep) char *devices = devices_that_fit(s, NULL, NULL, rule);
	BERTH_CLEANUP(berth_freep) char *vms = NULL;
	struct berth_out_row *row = berth_out_add(out, NULL);

	for (char **vm = rule->vms; vm && *vm; vm++)
		append_word(&vms, *vm);
	berth_out_str(row, "kind", "rule");
	berth_out_str(row, "name", rule->name);
	berth_out_str(row, "effect", berth_effect_name(rule->effect));
	berth_out_num(row, "priority", rule->priority);
	berth_out_str(row, "vms", rule->vms ? vms : "*");
	berth_out_str(row, "devices", devices);
	set_origin(row, &rule->origin);
}

static int show(const struct berth_cmd *cmd, struct berth_host *host,
		const struct policy_args *args)
{
	BERTH_CLEANUP(berth_out_freep) struct berth_out *out = NULL;
	BERTH_CLEANUP(policy_scene_done) struct policy_scene s = { 0 };
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	if (args->nr || args->vm)
		return berth_usage(cmd, "show takes no more arguments");
	r = policy_scene_read(&s, host, NULL, &err);
	if (r == 0)
		r = berth_out_new(&out, "entries", entry_cols, BERTH_ARRAY_SIZE(entry_cols),
				  args->json ? BERTH_OUT_JSON : BERTH_OUT_TABLE, &err);
	if (r < 0)
		return berth_fail(cmd, r, &err);
	add_entries(out, &s, "device", s.policy->devices, s.policy->nr_devices);
	add_entries(out, &s, "class", s.policy->classes, s.policy->nr_classes);
	for (size_t i = 0; i < s.policy->nr_pools; i++) {
		const struct berth_pool_entry *pool = &s.policy->pools[i];
		BERTH_CLEANUP(berth_freep) char *devices = devices_that_fit(&s, NULL, pool, NULL);
		struct berth_out_row *row = berth_out_add(out, NULL);

		berth_out_str(row, "kind", "pool");
		berth_out_str(row, "name", pool->name);
		berth_out_str(row, "devices", devices);
		set_origin(row, &pool->origin);
	}
	for (size_t i = 0; i < s.policy->nr_rules; i++)
		add_rule(out, &s, &s.policy->rules[i]);
	if (!args->json && s.policy->nr_files == 0)
		print_counts(s.policy, host);
	r = berth_out_print(out, stdout, &err);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
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
			 { "show", show },
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
	return berth_usage(cmd, "there is no 'policy %s'", argv[optind]);
}

const struct berth_cmd berth_cmd_policy = {
	.name = "policy",
	.summary = "check the policy, show it, explain what it decides",
	.help = help,
	.run = run,
};
