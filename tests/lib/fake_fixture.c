/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake_fixture.h"

#include <stdlib.h>

#include "base/host.h"
#include "tests/cmocka_all.h"

void *fake_fixture_new(size_t size, const struct fake_fn *fns, size_t nr)
{
	struct fake_fixture *f = calloc(1, size);

	assert_non_null(f);
	f->fake = fake_host_new(fns, nr);
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	return f;
}

int fake_fixture_tear_down(void **state)
{
	struct fake_fixture *f = *state;

	berth_host_close(f->host);
	fake_host_free(f->fake);
	free(f);
	return 0;
}
