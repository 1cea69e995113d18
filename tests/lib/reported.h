/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixture of tests that look at what a verb reports: a fake host (fake_fixture.h), and the report of the last verb.
 */
#ifndef BERTH_TESTS_REPORTED_H
#define BERTH_TESTS_REPORTED_H

#include "manager/manager.h"
#include "manager/report.h"
#include "tests/lib/fake_fixture.h"

struct reported {
	struct fake_fixture on;
	struct berth_report report; /* of the last verb */
};

/* One device has interrupts that are remapped. Return: for *state and reported_tear_down(). */
struct reported *reported_new(const struct fake_fn *fns, size_t nr);
int reported_tear_down(void **state);

/* The beginning of a verb: the report and the error are empty. Fails the test when it cannot. */
struct berth_manager *reported_open(struct reported *f, enum berth_manager_mode mode);

#endif
