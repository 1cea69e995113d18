/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/vm_ending.h"

static void endings_have_their_words(void **state)
{
	static const struct {
		struct berth_vm_ending end;
		int want;
		const char *words;
	} rows[] = {
		{ { .reaped = false }, -EIO, "does not die" },
		{ { .reaped = true, .signalled = true, .status = SIGSYS },
		  -EIO,
		  "outside its list" },
		{ { .reaped = true, .signalled = true, .status = SIGSEGV }, -EIO, "signal 11" },
		{ { .reaped = true, .status = 1 }, -EIO, "said nothing" },
		{ { .reaped = true,
		    .signalled = true,
		    .status = SIGKILL,
		    .stop = BERTH_VM_STOP_ASKED },
		  -EIO,
		  "did not stop" },
		{ { .reaped = true,
		    .signalled = true,
		    .status = SIGKILL,
		    .stop = BERTH_VM_STOP_SILENT },
		  -ETIMEDOUT,
		  "in time" },
		{ { .reaped = true,
		    .said = true,
		    .ended = { .type = BERTH_CONTROL_ENDED, .outcome = BERTH_ENDED_REBOOT },
		    .stop = BERTH_VM_STOP_TIMEOUT },
		  0,
		  "" },
		{ { .reaped = true,
		    .said = true,
		    .ended = { .type = BERTH_CONTROL_ENDED, .outcome = BERTH_ENDED_STOPPED },
		    .stop = BERTH_VM_STOP_LEASE,
		    .why = "the lease of its devices ended" },
		  -ETIMEDOUT,
		  "t1: the lease of its devices ended; the VM was stopped" },
		{ { .reaped = true,
		    .said = true,
		    .ended = { .type = BERTH_CONTROL_ENDED, .outcome = BERTH_ENDED_POWEROFF },
		    .stop = BERTH_VM_STOP_LEASE },
		  0,
		  "" },
		{ { .reaped = true,
		    .said = true,
		    .ended = { .type = BERTH_CONTROL_ENDED,
			       .outcome = BERTH_ENDED_CRASHED,
			       .text = "vCPU 0: triple fault" } },
		  -EIO,
		  "vCPU 0: triple fault" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;

		assert_int_equal(berth_vm_ending_judge(&rows[i].end, "t1", &err), rows[i].want);
		if (!strstr(err.text, rows[i].words))
			fail_msg("\"%s\" lacks \"%s\"", err.text, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endings_have_their_words),
	};

	return cmocka_run_group_tests_name("tools/vm_ending", tests, NULL, NULL);
}
