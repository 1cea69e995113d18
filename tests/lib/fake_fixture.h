/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixture of tests on a fake host (fake_pci.h): it, and what a program opens there.
 *
 * A test that needs more has a struct with this one as its first member, called @on.
 */
#ifndef BERTH_TESTS_FAKE_FIXTURE_H
#define BERTH_TESTS_FAKE_FIXTURE_H

#include "base/err.h"
#include "tests/lib/fake_pci.h"

struct fake_fixture {
	struct fake_host *fake;	 /* owned */
	struct berth_host *host; /* owned */
	struct berth_err err;	 /* of the last call, for tests that look at it */
};

/**
 * fake_fixture_new() - a fake host, opened
 * @size: of the test's own struct, of which a struct fake_fixture is the first member; the rest is zeroed
 *
 * Return: that struct, for *state and fake_fixture_tear_down().
 */
void *fake_fixture_new(size_t size, const struct fake_fn *fns, size_t nr);

/* For cmocka_unit_test_setup_teardown(), or as the last thing that a test's own teardown does. Return: 0. */
int fake_fixture_tear_down(void **state);

#endif
