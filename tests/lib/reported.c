/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/reported.h"

#include "tests/cmocka_all.h"

struct reported *reported_new(const struct fake_fn *fns, size_t nr)
{
	struct reported *f = fake_fixture_new(sizeof(*f), fns, nr);

	fake_host_file(f->on.fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  igb\n");
	return f;
}

int reported_tear_down(void **state)
{
	struct reported *f = *state;

	berth_report_done(&f->report);
	return fake_fixture_tear_down(state);
}

struct berth_manager *reported_open(struct reported *f, enum berth_manager_mode mode)
{
	struct berth_manager *m = NULL;

	berth_report_done(&f->report);
	f->report = (struct berth_report)BERTH_REPORT_INIT;
	berth_err_clear(&f->on.err);
	if (berth_manager_open(&m, f->on.host, mode, &f->report, &f->on.err) != 0)
		fail_msg("open: %s", f->on.err.text);
	return m;
}
