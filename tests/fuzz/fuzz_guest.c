/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any guest: bytes decoded into config, BAR, vector table and reset operations of a guest with a passed-through device,
 * and interrupts of the device; compared with the models after each (tests/lib/guest_ops.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/lib/guest_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_ops *g;
	const char *wrong;

	berth_log_max = BERTH_LOG_ERR;
	g = guest_ops_new();
	wrong = guest_ops_run(g, data, size);
	if (wrong) {
		fprintf(stderr, "after %s: %s\n", g->what, wrong);
		abort();
	}
	guest_ops_free(g);
	return 0;
}
