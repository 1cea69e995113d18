/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "policy/load.h"
#include "policy/moved.h"
#include "tests/lib/tmp.h"

/* Two GPUs of one kind, a NIC with two functions that share a serial number, one whose burnt-in address is known. */
static const struct berth_facts host[] = {
	{ .bdf = "0000:01:00.0", .path = "PC00/01.0/00.0", .device = 1, .serial = "one" },
	{ .bdf = "0000:02:00.0", .path = "PC00/02.0/00.0", .device = 1, .serial = "two" },
	{ .bdf = "0000:03:00.0", .path = "PC00/03.0/00.0", .device = 2, .serial = "nic" },
	{ .bdf = "0000:03:00.1", .path = "PC00/03.0/00.1", .device = 2, .serial = "nic" },
	{ .bdf = "0000:04:00.0",
	  .path = "PC00/04.0/00.0",
	  .device = 3,
	  .serial_vpd = "A7",
	  .serial_mac = "02:00:5e:00:53:01" },
};

static struct berth_policy *load(const char *device)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_policy *policy = NULL;
	char path[512], *text, *dir = tmp_new();
	const char *paths[1] = { tmp_path(dir, "p", path, sizeof(path)) };

	assert_true(asprintf(&text, "{ \"version\": 1, \"devices\": [ { \"name\": \"x\", %s } ] }",
			     device) > 0);
	tmp_text(dir, "p", text);
	free(text);
	if (berth_policy_load_files(paths, 1, &policy, &err))
		fail_msg("%s", err.text);
	tmp_free(dir);
	return policy;
}

#define MATCH(m)  "\"match\": { " m " }"
#define PATH(p)	  "\"pci.path\": \"" p "\""
#define EXPECT(e) ", \"expect\": { " e " }"
#define SERIAL(s) "\"serial\": \"" s "\""
#define NOT_MOVED 0, NULL, NULL

static void a_device_has_moved_when_its_serial_number_is_elsewhere(void **state)
{
	static const struct {
		const char *device;
		size_t nr;
		const char *now, *was;
	} rows[] = {
		/* at home */
		{ MATCH(PATH("PC00/01.0/00.0")) EXPECT(SERIAL("one")), NOT_MOVED },
		{ MATCH(SERIAL("one")), NOT_MOVED },
		/* at home, and another function of the card before it */
		{ MATCH("\"pci.bdf\": \"03:00.1\"") EXPECT(SERIAL("nic")), NOT_MOVED },
		/* another card in the slot, or none */
		{ MATCH(PATH("PC00/02.0/00.0")) EXPECT(SERIAL("one")), 1, "0000:01:00.0",
		  "PC00/02.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT(SERIAL("one")), 1, "0000:01:00.0",
		  "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0") ", " SERIAL("two")), 1, "0000:02:00.0",
		  "PC00/09.0/00.0" },
		{ MATCH("\"pci.bdf\": \"09:00.0\"") EXPECT(SERIAL("two")), 1, "0000:02:00.0",
		  NULL },
		{ MATCH(PATH("PC00/09.*")) EXPECT(SERIAL("two")), 1, "0000:02:00.0", NULL },
		/* nowhere, or no longer what else is expected of it */
		{ MATCH(PATH("PC00/02.0/00.0")) EXPECT(SERIAL("three")), 0, NULL,
		  "PC00/02.0/00.0" },
		{ MATCH(PATH("PC00/02.0/00.0")) EXPECT(SERIAL("one") ", \"pci.id\": \"*:0002\""), 0,
		  NULL, "PC00/02.0/00.0" },
		{ MATCH(PATH("PC00/02.0/00.0") ", \"pci.id\": \"*:0002\"") EXPECT(SERIAL("one")), 0,
		  NULL, "PC00/02.0/00.0" },
		/* nothing to recognize it by */
		{ MATCH(PATH("PC00/09.0/00.0")), 0, NULL, "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"pci.id\": \"*:0002\""), 0, NULL,
		  "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT(SERIAL("on?")), 0, NULL, "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"serial\": [ \"one\", \"two\" ]"), 0, NULL,
		  "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"not\": { " SERIAL("one") " }"), 0, NULL,
		  "PC00/09.0/00.0" },
		/* a card of two functions moves as a whole */
		{ MATCH(PATH("PC00/09.0/00.1")) EXPECT(SERIAL("nic")), 1, "0000:03:00.1",
		  "PC00/09.0/00.1" },
		{ MATCH("\"pci.bdf\": \"09:00.1\"") EXPECT(SERIAL("nic")), 2, "0000:03:00.0",
		  NULL },
		/* the other numbers */
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"serial.vpd\": \"A7\""), 1, "0000:04:00.0",
		  "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"serial.mac\": \"02:00:5E:00:53:01\""), 1,
		  "0000:04:00.0", "PC00/09.0/00.0" },
		{ MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"serial.nvme\": \"A7\""), 0, NULL,
		  "PC00/09.0/00.0" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		BERTH_CLEANUP(berth_policy_freep) struct berth_policy *p = load(rows[i].device);
		struct berth_moved m;

		berth_moved_find(&p->devices[0], host, BERTH_ARRAY_SIZE(host), &m);
		if (m.nr != rows[i].nr || (m.nr && strcmp(host[m.now].bdf, rows[i].now) != 0))
			fail_msg("row %zu: %zu, the first %s", i, m.nr, host[m.now].bdf);
		if (m.nr && (rows[i].was ? !m.was || strcmp(m.was, rows[i].was) != 0 : !!m.was))
			fail_msg("row %zu: was at %s", i, m.was ? m.was : "no one place");
	}
}

static void says_what_it_is_recognized_by(void **state)
{
	BERTH_CLEANUP(berth_policy_freep)
	struct berth_policy *p =
		load(MATCH(PATH("PC00/09.0/00.0")) EXPECT("\"serial.vpd\": \"A7\""));
	struct berth_moved m;

	(void)state;
	berth_moved_find(&p->devices[0], host, BERTH_ARRAY_SIZE(host), &m);
	assert_int_equal(m.nr, 1);
	assert_string_equal(m.attribute, "serial.vpd");
	assert_string_equal(m.serial, "A7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_has_moved_when_its_serial_number_is_elsewhere),
		cmocka_unit_test(says_what_it_is_recognized_by),
	};

	return cmocka_run_group_tests_name("policy/moved", tests, NULL, NULL);
}
