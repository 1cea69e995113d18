/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#include "policy/load.h"
#include "policy/lookup.h"
#include "tests/lib/tmp.h"

/* The same host for all: a GPU with its sound function, a PF with three VFs, a second GPU whose serial is unknown. */
enum { GPU, SOUND, PF, VF0, VF1, VF2, GPU2, NR };

static const struct berth_facts *host(void)
{
	static struct berth_facts f[NR];

	for (size_t i = 0; i < NR; i++)
		f[i] = (struct berth_facts){ .subsystem_vendor = BERTH_FACT_UNKNOWN,
					     .subsystem_device = BERTH_FACT_UNKNOWN,
					     .numa_node = BERTH_FACT_UNKNOWN,
					     .vf_index = BERTH_FACT_UNKNOWN,
					     .vendor = 0x8086 };
	f[GPU].bdf = "0000:01:00.0";
	f[GPU].class = 0x030000;
	f[GPU].vendor = 0x1234;
	f[GPU].device = 0x1111;
	f[GPU].serial = "gpu-one";
	f[GPU].numa_node = 0;
	f[SOUND].bdf = "0000:01:00.1";
	f[SOUND].class = 0x040300;
	f[SOUND].device = 0x2668;
	f[PF].bdf = "0000:03:00.0";
	f[PF].class = 0x020000;
	f[PF].device = 0x10c9;
	for (int i = 0; i < 3; i++) {
		static const char *const bdfs[] = { "0000:03:10.0", "0000:03:10.2",
						    "0000:03:10.4" };

		f[VF0 + i].bdf = bdfs[i];
		f[VF0 + i].class = 0x020000;
		f[VF0 + i].device = 0x10ca;
		f[VF0 + i].is_vf = true;
		f[VF0 + i].vf_index = i;
		f[VF0 + i].pf = &f[PF];
	}
	f[GPU2].bdf = "0000:02:00.0";
	f[GPU2].class = 0x030000;
	f[GPU2].vendor = 0x1234;
	f[GPU2].device = 0x1111;
	return f;
}

struct fixture {
	char *dir;
	struct berth_policy *policy;
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = tmp_new();
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

/* The policy { "version": 1, @body }. */
static void policy(struct fixture *f, const char *body)
{
	char path[512];
	const char *const paths[] = { path };
	char *text;

	assert_true(asprintf(&text, "{ \"version\": 1%s%s }", *body ? ", " : "", body) > 0);
	tmp_text(f->dir, "p", text);
	free(text);
	tmp_path(f->dir, "p", path, sizeof(path));
	berth_policy_free(f->policy);
	f->policy = NULL;
	berth_err_clear(&f->err);
	if (berth_policy_load_files(paths, 1, &f->policy, &f->err))
		fail_msg("%s", f->err.text);
}

#define CLASSES                                                                                    \
	"\"classes\": [ { \"name\": \"gpu\", \"match\": { \"pci.class\": \"03??\" } },"            \
	" { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true, \"pf.pci.bdf\": \"03:00.0\" } } ]"

static void a_name_means_one_device(void **state)
{
	struct fixture *f = *state;
	size_t index = 99;

	policy(f, "\"devices\": [ { \"name\": \"gpu-a\", \"match\": { \"serial\": \"gpu-one\" } },"
		  " { \"name\": \"some\", \"match\": { \"pci.class\": \"0300\" } },"
		  " { \"name\": \"gone\", \"match\": { \"pci.id\": \"dead:beef\" } } ]");
	assert_int_equal(berth_policy_find_device(f->policy, "gpu-a", host(), NR, &index, &f->err),
			 0);
	assert_int_equal(index, GPU);
	assert_string_equal(berth_policy_name_of(f->policy, &host()[GPU]), "gpu-a");
	assert_null(berth_policy_name_of(f->policy, &host()[PF]));
	assert_int_equal(berth_policy_find_device(f->policy, "gpu_a", host(), NR, &index, &f->err),
			 BERTH_ABSENT);
	assert_string_equal(f->err.text,
			    "there is no device \"gpu_a\" in the policy; did you mean \"gpu-a\"?");
	berth_err_clear(&f->err);
	assert_int_equal(berth_policy_find_device(f->policy, "some", host(), NR, &index, &f->err),
			 BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "fits both 0000:01:00.0 and 0000:02:00.0"));
	berth_err_clear(&f->err);
	assert_int_equal(berth_policy_find_device(f->policy, "gone", host(), NR, &index, &f->err),
			 BERTH_ABSENT);
	assert_non_null(strstr(f->err.text, "is not here: no device fits its match"));
	assert_int_equal(index, GPU);
}

static void a_pool_gives_its_devices(void **state)
{
	struct fixture *f = *state;
	size_t found[NR], nr = 99;

	policy(f, CLASSES
	       ", \"pools\": [ { \"name\": \"vfs\", \"class\": \"vf\" },"
	       " { \"name\": \"none\", \"class\": \"gpu\", \"match\": { \"pci.is_vf\": true } } ]");
	assert_int_equal(berth_policy_find_pool(f->policy, "vfs", host(), NR, found, &nr, &f->err),
			 0);
	assert_int_equal(nr, 3);
	assert_int_equal(found[0], VF0);
	assert_int_equal(found[2], VF2);
	assert_int_equal(berth_policy_find_pool(f->policy, "none", host(), NR, found, &nr, &f->err),
			 0);
	assert_int_equal(nr, 0);
	assert_int_equal(berth_policy_find_pool(f->policy, "vf", host(), NR, found, &nr, &f->err),
			 BERTH_ABSENT);
	assert_string_equal(f->err.text,
			    "there is no pool \"vf\" in the policy; did you mean \"vfs\"?");
}

static void settings_of_a_device_beat_those_of_its_classes(void **state)
{
	struct fixture *f = *state;
	const struct berth_origin *origin;
	enum berth_bind_mode mode;
	struct berth_net_policy net;

	policy(f, "\"devices\": [ { \"name\": \"v1\", \"match\": { \"pci.vf_index\": 1 }, "
		  "\"bind\": \"on-assign\", \"net\": { \"mac\": \"02:00:00:00:00:01\" } } ],"
		  "\"classes\": [ { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true }, "
		  "\"bind\": \"auto\", \"net\": { \"vlan\": 40, \"spoofchk\": true } } ]");
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[VF0], &mode, &origin, &f->err),
			 0);
	assert_int_equal(mode, BERTH_BIND_AUTO);
	assert_string_equal(origin->pointer, "/classes/0");
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[VF1], &mode, &origin, &f->err),
			 0);
	assert_int_equal(mode, BERTH_BIND_ON_ASSIGN);
	assert_string_equal(origin->pointer, "/devices/0");
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[GPU], &mode, &origin, &f->err),
			 0);
	assert_int_equal(mode, BERTH_BIND_ON_ASSIGN);
	assert_null(origin);
	assert_int_equal(berth_policy_net(f->policy, &host()[VF0], &net, &f->err), 0);
	assert_true(net.has_vlan && net.has_spoofchk && !net.has_mac);
	assert_int_equal(net.vlan, 40);
	assert_int_equal(berth_policy_net(f->policy, &host()[VF1], &net, &f->err), 0);
	assert_true(net.has_mac && !net.has_vlan); /* taken whole, not merged */
	assert_int_equal(berth_policy_net(f->policy, &host()[GPU], &net, &f->err), 0);
	assert_false(net.has_mac || net.has_vlan || net.has_qos || net.has_trust ||
		     net.has_spoofchk);
}

static void what_a_wish_says_of_all_vfs_is_for_those_nothing_else_speaks_of(void **state)
{
	struct fixture *f = *state;
	struct berth_net_policy net;

	policy(f, "\"devices\": [ { \"name\": \"pf\", \"match\": { \"pci.is_vf\": false, "
		  "\"pci.class\": \"0200\" } }, { \"name\": \"v1\", \"match\": { "
		  "\"pci.vf_index\": 1 }, \"net\": { \"vlan\": 7 } } ], \"sriov\": [ { \"pf\": "
		  "\"pf\", \"num_vfs\": 2, \"vf_defaults\": { \"spoofchk\": true } } ]");
	assert_int_equal(berth_policy_net(f->policy, &host()[VF0], &net, &f->err), 0);
	assert_true(net.has_spoofchk && net.spoofchk && !net.has_vlan);
	assert_int_equal(berth_policy_net(f->policy, &host()[VF1], &net, &f->err), 0);
	assert_true(net.has_vlan && !net.has_spoofchk);
	assert_int_equal(berth_policy_net(f->policy, &host()[GPU], &net, &f->err), 0);
	assert_false(net.has_spoofchk);
}

static void settings_that_contradict_each_other_are_refused(void **state)
{
	struct fixture *f = *state;
	enum berth_bind_mode mode;
	struct berth_net_policy net;

	policy(f,
	       "\"classes\": [ { \"name\": \"a\", \"match\": { \"pci.is_vf\": true }, \"bind\": \"auto\","
	       " \"net\": { \"vlan\": 1, \"trust\": true } },"
	       " { \"name\": \"b\", \"match\": { \"pci.vf_index\": \"0-1\" }, \"bind\": \"on-assign\" },"
	       " { \"name\": \"c\", \"match\": { \"pci.vf_index\": 0 }, \"net\": { \"vlan\": 1, \"trust\": true } },"
	       " { \"name\": \"d\", \"match\": { \"pci.vf_index\": 1 }, \"net\": { \"vlan\": 1 } } ]");
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[VF0], &mode, NULL, &f->err),
			 BERTH_REFUSED);
	assert_non_null(
		strstr(f->err.text, "policy gives 0000:03:10.0 two kinds of \"bind\": \"a\" ("));
	assert_non_null(strstr(f->err.text, "/classes/0) and \"b\" ("));
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[VF2], &mode, NULL, NULL), 0);
	assert_int_equal(berth_policy_net(f->policy, &host()[VF0], &net, NULL),
			 0); /* the same twice */
	assert_int_equal(berth_policy_net(f->policy, &host()[VF1], &net, NULL), BERTH_REFUSED);
}

static void a_device_that_is_not_the_one_expected_is_left_alone(void **state)
{
	struct fixture *f = *state;
	enum berth_bind_mode mode = BERTH_BIND_ON_ASSIGN;
	struct berth_net_policy net;
	size_t index;

	policy(f, "\"devices\": [ { \"name\": \"g\", \"match\": { \"pci.bdf\": \"01:00.0\" },"
		  " \"bind\": \"auto\", \"net\": { \"vlan\": 7 },"
		  " \"expect\": { \"pci.id\": \"1234:1111\" } } ]");
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[GPU], &mode, NULL, &f->err), 0);
	assert_int_equal(mode, BERTH_BIND_AUTO);
	policy(f, "\"devices\": [ { \"name\": \"g\", \"match\": { \"pci.bdf\": \"01:00.0\" },"
		  " \"expect\": { \"pci.id\": \"10de:*\" } } ]");
	assert_int_equal(berth_policy_find_device(f->policy, "g", host(), NR, &index, &f->err),
			 BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "but its pci.id is 1234:1111"));
	assert_int_equal(berth_policy_bind_mode(f->policy, &host()[GPU], &mode, NULL, NULL),
			 BERTH_REFUSED);
	assert_int_equal(berth_policy_net(f->policy, &host()[GPU], &net, NULL), BERTH_REFUSED);
}

static void a_policy_knows_what_it_asks_for_wherever_it_does(void **state)
{
	static const char *const asks[] = {
		"\"devices\": [ { \"name\": \"d\", \"match\": { \"serial.vpd\": \"A7\" } } ]",
		"\"devices\": [ { \"name\": \"d\", \"match\": { \"pci.vf_index\": 1 }, "
		"\"expect\": { \"not\": { \"serial.vpd\": \"A7\" } } } ]",
		"\"classes\": [ { \"name\": \"c\", \"match\": { \"serial.vpd\": \"A*\" } } ]",
		"\"protect\": [ { \"name\": \"p\", \"match\": { \"serial.vpd\": \"A7\" } } ]",
		"\"rules\": [ { \"effect\": \"deny\", \"subject\": { \"any_vm\": true }, "
		"\"resource\": { \"match\": { \"serial.vpd\": \"A7\" } } } ]",
		"\"taints\": [ { \"taint\": \"t\", \"effect\": \"report\", "
		"\"resource\": { \"match\": { \"serial.vpd\": \"A7\" } } } ]",
		"\"claims\": [ { \"vm\": \"v\", \"requests\": [ { \"name\": \"r\", \"count\": 2, "
		"\"match\": { \"pci.is_vf\": true } } ], \"constraints\": [ { \"distinct\": "
		"\"serial.vpd\", \"of\": [ \"r\" ] } ] } ]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(asks); i++) {
		policy(f, asks[i]);
		if (!berth_policy_asks(f->policy, "serial.vpd"))
			fail_msg("row %zu", i);
		assert_false(berth_policy_asks(f->policy, "serial.nvme"));
	}
}

int main(void)
{
#define LOOKUP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		LOOKUP_TEST(a_name_means_one_device),
		LOOKUP_TEST(a_policy_knows_what_it_asks_for_wherever_it_does),
		LOOKUP_TEST(a_pool_gives_its_devices),
		LOOKUP_TEST(settings_of_a_device_beat_those_of_its_classes),
		LOOKUP_TEST(what_a_wish_says_of_all_vfs_is_for_those_nothing_else_speaks_of),
		LOOKUP_TEST(settings_that_contradict_each_other_are_refused),
		LOOKUP_TEST(a_device_that_is_not_the_one_expected_is_left_alone),
	};

	return cmocka_run_group_tests_name("policy/lookup", tests, NULL, NULL);
}
