/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest with a passed-through rich device (model_config.h), all of Berth's own code between the two, and the models
 * beside it: each operation is done in both worlds and compared. What to do comes as bytes, from a fuzzer or a random
 * generator.
 */
#ifndef BERTH_TESTS_GUEST_OPS_H
#define BERTH_TESTS_GUEST_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "tests/lib/fake_vfio.h"
#include "tests/lib/model_config.h"
#include "tests/lib/model_irqs.h"

struct guest_ops {
	struct fake_vfio *fake;
	struct fake_vm *vm;
	struct berth_passthru *pt;
	struct berth_pci_function *function;
	struct model_config config;
	struct model_irqs irqs;
	uint8_t bar0[0x4000]; /* what the device's own memory must hold */
	const uint8_t *in;    /* borrowed; operations that are left */
	size_t left;
	const char *what; /* the operation that was done last */
};

struct guest_ops *guest_ops_new(void);
void guest_ops_free(struct guest_ops *g);

/* Does operations until the bytes are used up. Return: NULL, or what is wrong; g->what says after which operation. */
const char *guest_ops_run(struct guest_ops *g, const uint8_t *in, size_t len);

#endif
