/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real events are tested in the lab (tests/lab/t_sriov.sh). */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vfio/monitor.h"

static void makes_events_of_what_udev_says(void **state)
{
	static const struct {
		const char *action, *driver, *pci_id;
		enum berth_event_kind kind;
		const char *want_driver;
		uint16_t vendor, device;
	} rows[] = {
		{ "add", NULL, "8086:10C9", BERTH_EVENT_ADD, "", 0x8086, 0x10c9 },
		{ "bind", "igb", "8086:10C9", BERTH_EVENT_BIND, "igb", 0x8086, 0x10c9 },
		{ "change", "igb", NULL, BERTH_EVENT_CHANGE, "igb", 0, 0 },
		/* the old driver's name is no fact about the function any more */
		{ "unbind", "igb", "8086:10C9", BERTH_EVENT_UNBIND, "", 0x8086, 0x10c9 },
		{ "remove", "igb", "1234:11E8", BERTH_EVENT_REMOVE, "", 0x1234, 0x11e8 },
		{ "add", NULL, "8086", BERTH_EVENT_ADD, "", 0, 0 },
		{ "add", NULL, "12345:1", BERTH_EVENT_ADD, "", 0, 0 },
		{ "add", NULL, "1:2:3", BERTH_EVENT_ADD, "", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_event e;

		assert_int_equal(berth_event_from_text(&e, rows[i].action, "0000:01:00.0",
						       rows[i].driver, rows[i].pci_id),
				 0);
		assert_int_equal(e.kind, rows[i].kind);
		assert_string_equal(BERTH_BDF_STR(e.at), "0000:01:00.0");
		assert_string_equal(e.driver, rows[i].want_driver);
		assert_int_equal(e.vendor_id, rows[i].vendor);
		assert_int_equal(e.device_id, rows[i].device);
	}
}

static void leaves_other_actions_out(void **state)
{
	static const char *const rows[] = { "move", "online", "rescan", "", "ADD" };
	struct berth_event e;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++)
		assert_int_equal(berth_event_from_text(&e, rows[i], "0000:01:00.0", NULL, NULL),
				 BERTH_ABSENT);
}

static void refuses_names_that_are_no_function(void **state)
{
	static const char *const rows[] = { "pci_express", "0000:01", "0000:01:00.0; rm", "" };
	struct berth_event e;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++)
		assert_int_equal(berth_event_from_text(&e, "add", rows[i], NULL, NULL), -EINVAL);
}

static void a_long_driver_name_is_cut(void **state)
{
	struct berth_event e;
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(berth_event_from_text(&e, "bind", "0000:01:00.0", name, NULL), 0);
	assert_int_equal(strlen(e.driver), sizeof(e.driver) - 1);
}

static void names_every_kind(void **state)
{
	(void)state;
	assert_string_equal(berth_event_name(BERTH_EVENT_ADD), "add");
	assert_string_equal(berth_event_name(BERTH_EVENT_RESCAN), "rescan");
}

/* Any user may listen; on a machine where nothing happens the wait ends in time. */
static void waits_no_longer_than_told(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_monitor *m;
	struct berth_event e;

	(void)state;
	assert_int_equal(berth_monitor_new(&m, &err), 0);
	assert_true(berth_monitor_fd(m) >= 0);
	for (int i = 0; i < 100; i++) {
		int r = berth_monitor_next(m, 1, &e, &err);

		if (r == BERTH_ABSENT)
			break;
		assert_int_equal(r, 0); /* this machine did see an event: fine, try again */
		assert_true(i < 99);
	}
	berth_monitor_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_events_of_what_udev_says),
		cmocka_unit_test(leaves_other_actions_out),
		cmocka_unit_test(refuses_names_that_are_no_function),
		cmocka_unit_test(a_long_driver_name_is_cut),
		cmocka_unit_test(names_every_kind),
		cmocka_unit_test(waits_no_longer_than_told),
	};

	return cmocka_run_group_tests_name("vfio/monitor", tests, NULL, NULL);
}
