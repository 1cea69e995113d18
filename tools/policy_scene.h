/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `berth policy` talks about: a policy, and this host as it looks to it.
 */
#ifndef BERTH_TOOLS_POLICY_SCENE_H
#define BERTH_TOOLS_POLICY_SCENE_H

#include "base/json.h"
#include "manager/view.h"
#include "tools/berth.h"

struct berth_manager;
struct berth_policy;

struct policy_args {
	const char *vm; /* NULL: not given */
	char **words;	/* borrowed from argv, after the subverb */
	int nr;
	bool json, force;
};

struct policy_scene {
	struct berth_policy *policy; /* owned */
	struct berth_manager *m;     /* owned */
	struct berth_view *view;     /* owned */
};

/* @files: NULL or without words: the policy of the host, else these files. Return: 0; -errno. */
int policy_scene_read(struct policy_scene *s, struct berth_host *host,
		      const struct policy_args *files, struct berth_err *err);
void policy_scene_done(struct policy_scene *s);

/* berth policy plan */
int policy_plan(const struct berth_cmd *cmd, struct berth_host *host,
		const struct policy_args *args);

/* The claim of args->vm, which has one, with every candidate. @verdicts: owned here from now on; for --json, else NULL. */
int policy_explain_claim(const struct berth_cmd *cmd, struct policy_scene *s,
			 const struct policy_args *args, json_t *verdicts);

/* berth policy explain */
int policy_explain(const struct berth_cmd *cmd, struct berth_host *host,
		   const struct policy_args *args);

/* berth policy show */
int policy_show(const struct berth_cmd *cmd, struct berth_host *host,
		const struct policy_args *args);

/* Print that there is no policy, and where one would be. */
void policy_say_none(const struct berth_host *host);

#endif
