/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "policy/load.h"
#include "tests/lib/tmp.h"

struct fixture {
	char *dir; /* stands for /etc/berth */
	struct berth_policy *policy;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
	assert_int_equal(mkdir(TMP_PATH(f->dir, "policy.d"), 0755), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_policy_free(f->policy);
	tmp_free(f->dir);
	free(f);
	return 0;
}

static int load(struct fixture *f)
{
	berth_policy_free(f->policy);
	f->policy = NULL;
	berth_err_clear(&f->err);
	char lib[512], run[512];
	struct berth_host host = { .lib = tmp_path(f->dir, "lib", lib, sizeof(lib)),
				   .etc = f->dir,
				   .run = tmp_path(f->dir, "run", run, sizeof(run)) };

	return berth_policy_load(&host, &f->policy, &f->err);
}

/* The error without the folder in front. */
static const char *error(const struct fixture *f)
{
	size_t len = strlen(f->dir) + strlen("/policy.d/");

	return strlen(f->err.text) > len ? f->err.text + len : f->err.text;
}

static void no_folder_and_no_file_are_no_policy(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 0);
	assert_int_equal(rmdir(TMP_PATH(f->dir, "policy.d")), 0);
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 0);
	assert_int_equal(mkdir(TMP_PATH(f->dir, "policy.d"), 0755), 0);
	tmp_text(f->dir, "policy.d/.hidden.json", "rubbish");
	tmp_text(f->dir, "policy.d/a.json.bak", "rubbish");
	tmp_text(f->dir, "policy.d/.json", "rubbish");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 0);
	tmp_text(f->dir, "policy.d/a.json", "{ \"version\": 1 }");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 1);
}

static const char full[] =
	"{ \"version\": 1, \"comment\": [\"a\", \"b\"],\n"
	"  \"devices\": [\n"
	"    { \"name\": \"nic-db\", \"comment\": \"c\", \"match\": { \"pci.path\": \"PC00/02.0/00.0#vf1\" },\n"
	"      \"expect\": { \"pci.id\": \"8086:10ca\" }, \"bind\": \"auto\",\n"
	"      \"net\": { \"mac\": \"02:00:5E:00:53:01\", \"vlan\": 40, \"qos\": 3, \"trust\": false, \"spoofchk\": true } },\n"
	"    { \"name\": \"gpu-a\", \"match\": { \"pci.bdf\": \"01:00.0\" } } ],\n"
	"  \"classes\": [ { \"name\": \"gpu\", \"match\": { \"pci.class\": \"03??\" }, \"bind\": \"on-assign\" } ],\n"
	"  \"pools\": [ { \"name\": \"all\", \"class\": \"gpu\", \"match\": { \"numa.node\": 0 } },\n"
	"             { \"name\": \"two\", \"devices\": [\"gpu-a\", \"nic-db\"] } ],\n"
	"  \"rules\": [\n"
	"    { \"name\": \"r\", \"priority\": 100, \"effect\": \"allow\", \"subject\": { \"vm\": [\"ml-*\", \"t1\"] },\n"
	"      \"resource\": { \"pool\": \"all\" } },\n"
	"    { \"effect\": \"deny\", \"subject\": { \"any_vm\": true }, \"resource\": { \"any_device\": true } } ]\n"
	"}\n";

static void everything_that_can_be_said_is_read(void **state)
{
	static const uint8_t mac[] = { 2, 0, 0x5e, 0, 0x53, 1 };
	struct fixture *f = *state;
	const struct berth_group_entry *d;

	tmp_text(f->dir, "policy.d/a.json", full);
	if (load(f))
		fail_msg("%s", f->err.text);
	assert_int_equal(f->policy->nr_devices, 2);
	d = berth_policy_device(f->policy, "nic-db");
	assert_non_null(d);
	assert_int_equal(d->origin.line, 3);
	assert_int_equal(d->origin.column, 5);
	assert_string_equal(d->origin.pointer, "/devices/0");
	assert_non_null(d->expect);
	assert_true(d->has_bind);
	assert_int_equal(d->bind, BERTH_BIND_AUTO);
	assert_true(d->has_net && d->net.has_mac && d->net.has_vlan && d->net.has_qos);
	assert_true(d->net.has_trust && d->net.has_spoofchk);
	assert_memory_equal(d->net.mac, mac, 6);
	assert_int_equal(d->net.vlan, 40);
	assert_int_equal(d->net.qos, 3);
	assert_false(d->net.trust);
	assert_true(d->net.spoofchk);
	d = berth_policy_device(f->policy, "gpu-a");
	assert_false(d->has_net || d->has_bind);
	assert_null(d->expect);
	d = berth_policy_class(f->policy, "gpu");
	assert_true(d->has_bind);
	assert_int_equal(d->bind, BERTH_BIND_ON_ASSIGN);
	assert_null(berth_policy_class(f->policy, "gpu-a"));
	assert_string_equal(berth_policy_pool(f->policy, "two")->devices[1], "nic-db");
	assert_string_equal(berth_policy_pool(f->policy, "all")->classes[0], "gpu");
	assert_non_null(berth_policy_pool(f->policy, "all")->match);
	assert_int_equal(f->policy->nr_rules, 2);
	assert_string_equal(f->policy->rules[0].name, "r");
	assert_int_equal(f->policy->rules[0].priority, 100);
	assert_string_equal(f->policy->rules[0].vms[1], "t1");
	assert_int_equal(f->policy->rules[0].resource.kind, BERTH_RESOURCE_POOL);
	assert_null(f->policy->rules[1].name);
	assert_null(f->policy->rules[1].vms);
	assert_int_equal(f->policy->rules[1].effect, BERTH_EFFECT_DENY);
	assert_int_equal(f->policy->rules[1].resource.kind, BERTH_RESOURCE_MATCH);
	assert_int_equal(f->policy->nr_warnings, 1);
	assert_non_null(
		strstr(f->policy->warnings[0], "a.json:6:5: /devices/1: bus numbers change"));
}

#define V1  "{\"version\": 1, "
#define DEV V1 "\"devices\": [{\"name\": \"d\", \"match\": {\"any_device\": true}, "
#define CLS V1 "\"classes\": [{\"name\": \"c\", \"match\": {\"any_device\": true}, "
#define RUL V1 "\"rules\": [{\"effect\": \"allow\", "
#define SUB "\"subject\": {\"any_vm\": true}, "

static void every_mistake_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "{", "a.json:1:1: " },
		{ "[]", "a.json:1:1: must be an object" },
		{ "{}", "a.json:1:1: \"version\" is missing" },
		{ "{\"version\": 2}", "a.json:1:13: /version: this berth knows version 1 only" },
		{ "{\"version\": \"1\"}", "a.json:1:13: /version: must be a whole number" },
		{ V1 "\"devises\": []}",
		  "a.json:1:16: unknown key \"devises\"; did you mean \"devices\"?" },
		{ V1 "\"comment\": 1}",
		  "a.json:1:27: /comment: must be a string or an array of strings" },
		{ V1 "\"comment\": [1]}", "a.json:1:28: /comment/0: must be a string" },
		{ V1 "\"devices\": {}}", "a.json:1:27: /devices: must be an array" },
		{ V1 "\"devices\": [1]}", "a.json:1:28: /devices/0: must be an object" },
		{ V1 "\"devices\": [{}]}", "a.json:1:28: /devices/0: \"name\" is missing" },
		{ V1 "\"devices\": [{\"name\": \"a\"}]}",
		  "a.json:1:28: /devices/0: \"match\" is missing" },
		{ V1 "\"devices\": [{\"name\": \"pool:x\"}]}",
		  "a.json:1:37: /devices/0/name: must be 1 to 63 letters" },
		{ V1 "\"devices\": [{\"name\": \"-x\"}]}",
		  "a.json:1:37: /devices/0/name: must be 1 to 63" },
		{ V1 "\"devices\": [{\"name\": \"\"}]}",
		  "a.json:1:37: /devices/0/name: must be 1 to 63" },
		{ V1 "\"devices\": [{\"name\": \"a\", \"match\": {}}]}",
		  "a.json:1:51: /devices/0/match: is empty, which matches nothing" },
		{ DEV "\"bind\": \"always\"}]}",
		  "a.json:1:81: /devices/0/bind: must be \"auto\" or \"on-assign\"" },
		{ DEV "\"expect\": {}}]}", "a.json:1:83: /devices/0/expect: is empty" },
		{ DEV "\"net\": {\"vlan\": 4095}}]}",
		  "a.json:1:89: /devices/0/net/vlan: must be from 0 to 4094" },
		{ DEV "\"net\": {\"qos\": 8}}]}",
		  "a.json:1:88: /devices/0/net/qos: must be from 0 to 7" },
		{ DEV "\"net\": {\"qos\": 1}}]}",
		  "a.json:1:80: /devices/0/net: \"qos\" is a field" },
		{ DEV "\"net\": {\"mac\": \"02:00:00:00:00\"}}]}",
		  "a.json:1:88: /devices/0/net/mac: must be a MAC such as" },
		{ DEV "\"net\": {\"mac\": \"02-00-00-00-00-01\"}}]}",
		  "a.json:1:88: /devices/0/net/mac: must be" },
		{ DEV "\"net\": {\"mac\": \"02:00:00:00:00:0g\"}}]}",
		  "a.json:1:88: /devices/0/net/mac: must be" },
		{ DEV "\"net\": {\"mac\": \"01:00:5e:00:00:01\"}}]}",
		  "a.json:1:88: /devices/0/net/mac: is not the address of one interface" },
		{ DEV "\"net\": {\"mac\": \"00:00:00:00:00:00\"}}]}",
		  "a.json:1:88: /devices/0/net/mac: is not the address of one interface" },
		{ DEV "\"net\": {\"trusted\": true}}]}",
		  "a.json:1:81: /devices/0/net: unknown key \"trusted\"; did you mean \"trust\"?" },
		{ CLS "\"net\": {\"mac\": \"02:00:00:00:00:01\"}}]}",
		  "a.json:1:80: /classes/0/net: \"mac\" in a class would give several devices" },
		{ CLS "\"expect\": {}}]}", "a.json:1:73: /classes/0: unknown key \"expect\"" },
		{ V1 "\"pools\": [{\"name\": \"p\"}]}",
		  "a.json:1:26: /pools/0: must have either \"devices\" or \"class\"" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"devices\": \"a\", \"class\": \"b\"}]}",
		  "a.json:1:26: /pools/0: must have either \"devices\" or \"class\"" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"devices\": []}]}",
		  "a.json:1:51: /pools/0/devices: must have 1 to 256 elements" },
		{ V1 "\"pools\": [{\"name\": \"p\", \"devices\": [\"a\"]}]}",
		  "a.json:1:26: /pools/0: there is no device \"a\" in the policy" },
		{ V1 "\"rules\": [{}]}", "a.json:1:26: /rules/0: \"effect\" is missing" },
		{ V1 "\"rules\": [{\"effect\": \"permit\"}]}",
		  "a.json:1:37: /rules/0/effect: must be \"allow\", \"deny\", \"pin\"" },
		{ RUL "\"priority\": 1000}]}",
		  "a.json:1:58: /rules/0/priority: must be from 0 to 999" },
		{ RUL "\"resource\": {\"any_device\": true}}]}",
		  "a.json:1:26: /rules/0: \"subject\" is missing" },
		{ RUL "\"subject\": {}}]}",
		  "a.json:1:57: /rules/0/subject: must be { \"vm\": … }, " },
		{ RUL "\"subject\": {\"any_vm\": false}}]}",
		  "a.json:1:68: /rules/0/subject/any_vm: \"any_vm\" can only be true" },
		{ RUL "\"subject\": {\"any_vm\": true, \"vm\": \"a\"}}]}",
		  "a.json:1:57: /rules/0/subject: must be { \"vm\"" },
		{ RUL "\"subject\": {\"vm\": \"@bind\"}}]}",
		  "a.json:1:64: /rules/0/subject/vm: must not start with '@'" },
		{ RUL "\"subject\": {\"vm\": [\"a\", \"b[\"]}}]}",
		  "a.json:1:70: /rules/0/subject/vm/1: has a '[' that is never closed" },
		{ RUL SUB "\"resource\": {}}]}",
		  "a.json:1:87: /rules/0/resource: must have one of \"device\"," },
		{ RUL SUB "\"resource\": {\"pool\": \"a\", \"class\": \"b\"}}]}",
		  "a.json:1:87: /rules/0/resource: must have one of \"device\"," },
		{ RUL SUB "\"resource\": {\"any_device\": false}}]}",
		  "a.json:1:102: /rules/0/resource/any_device: \"any_device\" can only be true" },
		{ RUL SUB "\"resource\": {\"pool\": \"a\"}}]}",
		  "a.json:1:26: /rules/0: there is no pool \"a\" in the policy" },
		{ RUL SUB "\"resource\": {\"device\": 3}}]}",
		  "a.json:1:98: /rules/0/resource/device: must be a string" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		tmp_text(f->dir, "policy.d/a.json", rows[i].text);
		assert_int_equal(load(f), -EINVAL);
		assert_null(f->policy);
		if (strncmp(error(f), rows[i].want, strlen(rows[i].want)))
			fail_msg("row %zu: \"%s\", wanted \"%s\"", i, error(f), rows[i].want);
	}
}

static void a_wrong_name_in_a_rule_gets_a_hint(void **state)
{
	struct fixture *f = *state;

	tmp_text(f->dir, "policy.d/a.json",
		 DEV "\"bind\": \"auto\"}],\n \"classes\": "
		     "[{\"name\": \"graphics\", \"match\": {\"any_device\": true}}]}");
	tmp_text(f->dir, "policy.d/b.json", RUL SUB "\"resource\": {\"class\": \"grafics\"}}]}");
	assert_int_equal(load(f), -EINVAL);
	assert_string_equal(error(f), "b.json:1:26: /rules/0: there is no class \"grafics\" in the "
				      "policy; did you mean \"graphics\"?");
}

static void a_name_that_occurs_twice_is_refused_with_both_places(void **state)
{
	struct fixture *f = *state;

	tmp_text(f->dir, "policy.d/10.json", DEV "\"bind\": \"auto\"}]}");
	tmp_text(f->dir, "policy.d/20.json", "\n" DEV "\"bind\": \"auto\"}]}");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(
		strstr(error(f), "20.json:2:28: /devices/0: there is a device \"d\" already, at "));
	assert_non_null(strstr(error(f), "10.json:1:28"));
	tmp_text(f->dir, "policy.d/10.json", CLS "\"bind\": \"auto\"}]}");
	tmp_text(f->dir, "policy.d/20.json", CLS "\"bind\": \"auto\"}]}");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(error(f), "there is a class \"c\" already"));
	tmp_text(f->dir, "policy.d/20.json",
		 V1 "\"pools\": [{\"name\": \"p\", \"class\": \"c\"}, "
		    "{\"name\": \"p\", \"class\": \"c\"}]}");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(error(f), "there is a pool \"p\" already"));
	tmp_text(f->dir, "policy.d/20.json",
		 RUL SUB "\"name\": \"r\", \"resource\": {\"class\": \"c\"}}, "
			 "{\"effect\": \"deny\", " SUB "\"resource\": {\"class\": \"c\"}}, "
			 "{\"effect\": \"deny\", " SUB
			 "\"name\": \"r\", \"resource\": {\"class\": \"c\"}}]}");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(error(f), "there is a rule \"r\" already"));
}

static void one_bad_file_refuses_them_all(void **state)
{
	struct fixture *f = *state;

	tmp_text(f->dir, "policy.d/a.json", full);
	assert_int_equal(load(f), 0);
	tmp_text(f->dir, "policy.d/z.json", "{ \"version\": 1, }");
	assert_int_equal(load(f), -EINVAL);
	assert_null(f->policy);
	assert_non_null(strstr(f->err.text, "/policy.d/z.json:1:17: "));
}

static void a_file_that_strangers_may_write_is_refused(void **state)
{
	struct fixture *f = *state;

	tmp_text(f->dir, "policy.d/a.json", "{ \"version\": 1 }");
	assert_int_equal(chmod(TMP_PATH(f->dir, "policy.d/a.json"), 0666), 0);
	assert_int_equal(load(f), -EPERM);
	assert_non_null(
		strstr(f->err.text, "a.json: others may write to it (mode 666); run 'chmod go-w "));
	assert_int_equal(chmod(TMP_PATH(f->dir, "policy.d/a.json"), 0644), 0);
	assert_int_equal(load(f), 0);
	assert_int_equal(chmod(TMP_PATH(f->dir, "policy.d"), 0777), 0);
	assert_int_equal(load(f), -EPERM);
	assert_int_equal(chmod(TMP_PATH(f->dir, "policy.d"), 0755), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(TMP_PATH(f->dir, "policy.d/a.json"), 65534, 0), 0);
		assert_int_equal(load(f), -EPERM);
		assert_non_null(strstr(f->err.text, "belongs to user 65534; run 'chown root "));
	}
}

static void what_is_no_file_or_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(1100 * 1024);

	memset(big, ' ', 1100 * 1024);
	memcpy(big, "{ \"version\": 1 }", 16);
	tmp_write(f->dir, "policy.d/a.json", big, 1100 * 1024);
	free(big);
	assert_int_equal(load(f), -EFBIG);
	assert_string_equal(error(f), "a.json:1:1: larger than 1024 KiB");
	assert_int_equal(unlink(TMP_PATH(f->dir, "policy.d/a.json")), 0);
	assert_int_equal(mkfifo(TMP_PATH(f->dir, "policy.d/a.json"), 0644), 0);
	assert_int_equal(load(f), -EINVAL);
	assert_string_equal(error(f), "a.json: not a regular file");
}

static void too_many_entries_are_refused(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(200 * 1024);
	size_t n = (size_t)sprintf(text, V1 "\"pools\": [0");

	for (int i = 0; i < BERTH_POLICY_MAX_ENTRIES; i++)
		n += (size_t)sprintf(text + n, ",0");
	sprintf(text + n, "]}");
	tmp_text(f->dir, "policy.d/a.json", text);
	free(text);
	assert_int_equal(load(f), -EINVAL);
	assert_string_equal(error(f),
			    "a.json:1:25: /pools: there are more than 4096 of them in the policy");
}

#define GPU(name) V1 "\"classes\": [{\"name\": \"" name "\", \"match\": {\"any_device\": true}}]}"

static void folders(const struct fixture *f, const char *const *names)
{
	for (; *names; names++)
		assert_int_equal(mkdir(TMP_PATH(f->dir, *names), 0755), 0);
}

static void a_stronger_folder_replaces_the_file_of_the_same_name(void **state)
{
	struct fixture *f = *state;
	char path[512];

	folders(f, (const char *const[]){ "lib", "lib/policy.d", "run", "run/policy.d", NULL });
	tmp_text(f->dir, "lib/policy.d/a.json", GPU("lib-a"));
	tmp_text(f->dir, "lib/policy.d/b.json", GPU("lib-b"));
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 2);
	assert_int_equal(f->policy->nr_masks, 0);
	tmp_text(f->dir, "policy.d/a.json", GPU("etc-a"));
	tmp_text(f->dir, "policy.d/c.json", GPU("etc-c"));
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 3);
	assert_non_null(berth_policy_class(f->policy, "etc-a"));
	assert_non_null(berth_policy_class(f->policy, "lib-b"));
	assert_null(berth_policy_class(f->policy, "lib-a"));
	tmp_text(f->dir, "run/policy.d/a.json", GPU("run-a"));
	assert_int_equal(load(f), 0);
	assert_non_null(berth_policy_class(f->policy, "run-a"));
	assert_null(berth_policy_class(f->policy, "etc-a"));
	assert_int_equal(f->policy->nr_masks, 2);
	tmp_path(f->dir, "policy.d/a.json", path, sizeof(path));
	assert_string_equal(f->policy->masks[0].file, path);
	tmp_path(f->dir, "run/policy.d/a.json", path, sizeof(path));
	assert_string_equal(f->policy->masks[0].by, path);
	assert_string_equal(f->policy->masks[1].by, path);
}

/* The hidden one is not even looked at: it may be wrong. */
static void an_empty_file_or_a_link_to_dev_null_hides(void **state)
{
	struct fixture *f = *state;

	folders(f, (const char *const[]){ "lib", "lib/policy.d", "run", "run/policy.d", NULL });
	tmp_text(f->dir, "lib/policy.d/a.json", "rubbish");
	tmp_text(f->dir, "policy.d/a.json", "");
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 0);
	assert_int_equal(f->policy->nr_masks, 1);
	tmp_text(f->dir, "policy.d/a.json", GPU("etc-a"));
	assert_int_equal(symlink("/dev/null", TMP_PATH(f->dir, "run/policy.d/a.json")), 0);
	assert_int_equal(load(f), 0);
	assert_int_equal(f->policy->nr_files, 0);
	assert_int_equal(f->policy->nr_masks, 2);
	assert_int_equal(unlink(TMP_PATH(f->dir, "run/policy.d/a.json")), 0);
	assert_int_equal(symlink("/dev/zero", TMP_PATH(f->dir, "run/policy.d/a.json")), 0);
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->err.text, "run/policy.d/a.json: not a regular file"));
}

static void a_loop_of_links_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("b.json", TMP_PATH(f->dir, "policy.d/a.json")), 0);
	assert_int_equal(symlink("a.json", TMP_PATH(f->dir, "policy.d/b.json")), 0);
	assert_int_equal(load(f), -ELOOP);
	assert_string_equal(error(f), "a.json: Too many levels of symbolic links");
}

#define CLAIM(vm) "{\"vm\": \"" vm "\", \"requests\": [{\"name\": \"x\", \"any_device\": true}]}"

static void a_file_of_claims_d_holds_the_claim_of_its_vm(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ V1 "\"claims\": [" CLAIM("b") "]}", "/claims/0/vm: must be \"a\", as the file" },
		{ V1 "\"claims\": [" CLAIM("a") ", " CLAIM("b") "]}",
		  "/claims: must be one claim" },
		{ V1 "\"claims\": []}", "/claims: must be one claim, that of the VM \"a\"" },
		{ V1 "\"comment\": \"c\"}", "\"claims\" is missing" },
		{ V1 "\"rules\": []}", "unknown key \"rules\"" },
		{ V1 "\"claims\": [{\"vm\": 7}]}", "/claims/0/vm: must be a string" },
	};
	struct fixture *f = *state;

	folders(f, (const char *const[]){ "claims.d", NULL });
	tmp_text(f->dir, "policy.d/a.json", GPU("c"));
	tmp_text(f->dir, "claims.d/a.json", V1 "\"claims\": [" CLAIM("a") "]}");
	if (load(f))
		fail_msg("%s", f->err.text);
	assert_int_equal(f->policy->nr_claims, 1);
	assert_int_equal(f->policy->nr_files, 2);
	assert_int_equal(f->policy->nr_masks, 0);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		tmp_text(f->dir, "claims.d/a.json", rows[i].text);
		assert_int_equal(load(f), -EINVAL);
		if (!strstr(f->err.text, "claims.d/a.json:1:") ||
		    !strstr(f->err.text, rows[i].want))
			fail_msg("row %zu: %s", i, f->err.text);
	}
	tmp_text(f->dir, "claims.d/a.json", V1 "\"claims\": [" CLAIM("a") "]}");
	tmp_text(f->dir, "policy.d/z.json", V1 "\"claims\": [" CLAIM("a") "]}");
	assert_int_equal(load(f), -EINVAL);
	assert_non_null(strstr(f->err.text, "there is a claim of \"a\" already, at "));
}

static void the_whole_may_not_be_larger_than_its_limit(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(BERTH_POLICY_MAX_FILE_BYTES), name[32];

	memset(big, ' ', BERTH_POLICY_MAX_FILE_BYTES);
	memcpy(big, "{ \"version\": 1 }", 16);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "policy.d/%d.json", i);
		assert_int_equal(load(f), 0);
		tmp_write(f->dir, name, big, BERTH_POLICY_MAX_FILE_BYTES);
	}
	free(big);
	assert_int_equal(load(f), -EFBIG);
	assert_string_equal(error(f),
			    "4.json:1:1: with this file the policy is larger than 4096 KiB");
}

static void files_are_loaded_by_path_in_any_order_to_the_same_policy(void **state)
{
	struct fixture *f = *state;
	char a[512], b[512];
	const char *const forth[] = { a, b }, *const back[] = { b, a };
	struct berth_policy *one, *two;

	tmp_text(f->dir, "a", full);
	tmp_text(f->dir, "b", RUL SUB "\"resource\": {\"class\": \"gpu\"}}]}");
	tmp_path(f->dir, "a", a, sizeof(a));
	tmp_path(f->dir, "b", b, sizeof(b));
	assert_int_equal(berth_policy_load_files(forth, 2, &one, &f->err), 0);
	assert_int_equal(berth_policy_load_files(back, 2, &two, &f->err), 0);
	assert_int_equal(one->nr_rules, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(one->rules[i].origin.file, two->rules[i].origin.file);
		assert_string_equal(one->rules[i].origin.pointer, two->rules[i].origin.pointer);
	}
	berth_policy_free(one);
	berth_policy_free(two);
	assert_int_equal(berth_policy_load_files(back, 1, &one, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "there is no class \"gpu\""));
}

int main(void)
{
#define LOAD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOAD_TEST(no_folder_and_no_file_are_no_policy),
		LOAD_TEST(everything_that_can_be_said_is_read),
		LOAD_TEST(every_mistake_is_named_with_its_place),
		LOAD_TEST(a_wrong_name_in_a_rule_gets_a_hint),
		LOAD_TEST(a_name_that_occurs_twice_is_refused_with_both_places),
		LOAD_TEST(one_bad_file_refuses_them_all),
		LOAD_TEST(a_file_that_strangers_may_write_is_refused),
		LOAD_TEST(what_is_no_file_or_too_large_is_refused),
		LOAD_TEST(too_many_entries_are_refused),
		LOAD_TEST(a_stronger_folder_replaces_the_file_of_the_same_name),
		LOAD_TEST(an_empty_file_or_a_link_to_dev_null_hides),
		LOAD_TEST(a_loop_of_links_is_refused),
		LOAD_TEST(a_file_of_claims_d_holds_the_claim_of_its_vm),
		LOAD_TEST(the_whole_may_not_be_larger_than_its_limit),
		LOAD_TEST(files_are_loaded_by_path_in_any_order_to_the_same_policy),
	};

	return cmocka_run_group_tests_name("policy/load", tests, NULL, NULL);
}
