/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader's tables, for the test that compares them with docs/policy.schema.json.
 *
 *	policy_keys		{ "objects": { "rule": { "effect": true, … } }, "attributes": [ … ] }, true: required
 *	policy_keys FILE…	a line for each: "ok", or the error that loading this file alone ends with
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "policy/attribute.h"
#include "policy/load.h"
#include "policy/read.h"

static int print_tables(void)
{
	json_t *root = json_object(), *objects = json_object(), *names = json_array();
	const struct berth_attribute *attributes;
	size_t nr;
	int r;

	for (size_t i = 0; berth_policy_objects[i]; i++) {
		json_t *keys = json_object();

		for (const struct berth_key *key = berth_policy_objects[i]->keys; key->name; key++)
			json_object_set_new(keys, key->name, json_boolean(key->required));
		json_object_set_new(objects, berth_policy_objects[i]->name, keys);
	}
	attributes = berth_attributes(&nr);
	for (size_t i = 0; i < nr; i++)
		json_array_append_new(names, json_string(attributes[i].name));
	json_object_set_new(root, "objects", objects);
	json_object_set_new(root, "attributes", names);
	r = berth_json_print(stdout, root);
	json_decref(root);
	return r < 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return print_tables();
	for (int i = 1; i < argc; i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_policy *policy = NULL;
		const char *const paths[] = { argv[i] };

		printf("%s\n",
		       berth_policy_load_files(paths, 1, &policy, &err) < 0 ? err.text : "ok");
		berth_policy_free(policy);
	}
	return 0;
}
