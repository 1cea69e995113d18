/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupts of the rich device (model_config.h) as the specs have them, without KVM, VFIO and eventfds: what the guest
 * wrote, which vectors are masked, what is pending, and which messages must have been delivered. Nothing lost, nothing
 * doubled.
 */
#ifndef BERTH_TESTS_MODEL_IRQS_H
#define BERTH_TESTS_MODEL_IRQS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/fake_irq.h"
#include "tests/lib/model_config.h"

enum model_mode { MODEL_INTX, MODEL_MSI, MODEL_MSIX };

struct model_irqs {
	unsigned int gsi; /* of INTx */
	enum model_mode mode;
	uint32_t table[RICH_MSIX_VECTORS][4];
	uint16_t control;
	unsigned int msi_nr;
	bool pending[32]; /* of the vectors of the mode */
	/* was live since the mode was entered: we hear of it also while it is masked */
	bool known[32];
	struct fake_message want[256];
	unsigned int nr_want;
};

void model_irqs_init(struct model_irqs *m, unsigned int gsi);
/* The guest wrote to config space, or reset the function: @cfg is as it is now. */
void model_irqs_update(struct model_irqs *m, const struct model_config *cfg, bool reset);
/* The guest accesses the vector table; any offset and length. */
void model_irqs_write(struct model_irqs *m, const struct model_config *cfg, uint64_t offset,
		      unsigned int len, const uint8_t *data);
void model_irqs_read(const struct model_irqs *m, uint64_t offset, unsigned int len, uint8_t *data);
void model_irqs_read_pba(const struct model_irqs *m, uint64_t offset, unsigned int len,
			 uint8_t *data);
/* The MSI capability's pending bits. */
uint32_t model_irqs_msi_pending(const struct model_irqs *m);
/* The device raises a vector of the mode (INTx: @n is ignored). */
void model_irqs_raise(struct model_irqs *m, const struct model_config *cfg, unsigned int n);
/*
 * Were exactly the wanted messages delivered since the last call? In any order. Also: exactly one kind is enabled in VFIO.
 * Return: NULL, or what is wrong.
 */
const char *model_irqs_check(struct model_irqs *m, const struct fake_vfio *f);

#endif
