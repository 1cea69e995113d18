/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of config space: which register of a passed-through function is answered by the device, by us or by nobody,
 * and which of its bits a guest may write. The rows are in config_table.c, the engine that applies them in config.c.
 */
#ifndef BERTH_VFIO_CONFIG_TABLE_H
#define BERTH_VFIO_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One register. Each of its bits is one of these:
 *
 *	ours	guest	bit
 *	0	0	the device answers; what the guest writes is dropped
 *	0	1	the device answers and gets what the guest writes
 *	1	0	a constant of ours; 0, where config.c puts nothing there: nobody answers
 *	1	1	a note of ours that the guest may change; the device never hears of it
 *
 * When a write reaches only a part of the register's bits, the others are written back as the device has them, except the
 * ones in @zero, where a 1 would do something.
 */
struct berth_config_row {
	const char *name;
	uint8_t offset; /* from the start of the header or capability */
	uint8_t width;	/* bytes: 1, 2 or 4 */
	uint32_t ours, guest, zero;
	const char *source; /* section of PCI Express Base 6.0 unless said otherwise, and why */
};

/* What becomes of a capability. */
enum berth_config_fate {
	BERTH_CONFIG_HIDE, /* not in the guest's list, its registers read 0 */
	BERTH_CONFIG_ROWS, /* registers as the rows say; what no row mentions is the device's, read-only */
	BERTH_CONFIG_PASS, /* the driver's own: all of it is the device's, also for writing */
};

struct berth_config_cap {
	uint16_t id;
	enum berth_config_fate fate;
	const struct berth_config_row *rows;
	uint8_t nr_rows;
	uint8_t size; /* bytes that must be there for the capability to be shown */
	const char *source;
};

/* The header, type 0. Every byte of its 64 is in some row. */
extern const struct berth_config_row berth_config_header[];
extern const size_t berth_config_header_nr;

/* The rule of a capability; one that is not in the table is hidden. Never NULL. */
const struct berth_config_cap *berth_config_cap(uint8_t id);
const struct berth_config_cap *berth_config_ext_cap(uint16_t id);

/* Forms that a capability may have besides the rows of its rule; which one config.c knows. */
enum berth_config_form {
	BERTH_CONFIG_MSI_32,	  /* data behind a 32-bit address */
	BERTH_CONFIG_MSI_64,	  /* upper address and data */
	BERTH_CONFIG_MSI_32_MASK, /* mask and pending bits behind these */
	BERTH_CONFIG_MSI_64_MASK,
	BERTH_CONFIG_EXP_2, /* registers that version 2 of the PCI Express capability has */
	BERTH_CONFIG_NR_FORMS,
};

const struct berth_config_row *berth_config_form(enum berth_config_form form, size_t *ret_nr);

#endif
