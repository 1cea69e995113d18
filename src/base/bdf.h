/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a PCI function sits: domain, bus, device, function (PCIe Base 6.0, 2.2.4.2; "BDF").
 */
#ifndef BERTH_BASE_BDF_H
#define BERTH_BASE_BDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_bdf {
	/* 16 bits from firmware; Linux numbers the domains behind Intel VMD from 0x10000 */
	uint32_t domain;
	uint8_t bus;
	uint8_t dev; /* 0 … 31 */
	uint8_t fn;  /* 0 … 7 */
};

#define BERTH_BDF_LEN 17 /* "10000:00:00.0" and room, with NUL */

/**
 * berth_bdf_parse() - read "0000:03:00.0" or "03:00.0" (domain 0)
 * @text: lower or upper case hex; exactly these forms, no blanks, no signs
 *
 * Return: 0; -EINVAL for anything else, *ret untouched.
 */
int berth_bdf_parse(const char *text, struct berth_bdf *ret);

/* Does this look as if a BDF was meant (only hex digits, ':' and '.', at least one ':')? For error messages. */
bool berth_bdf_looks_meant(const char *text);

/* The kernel's form "dddd:bb:dd.f", as in /sys/bus/pci/devices. Returns @buf. */
char *berth_bdf_format(struct berth_bdf at, char buf[static BERTH_BDF_LEN]);

/* "dddd:bb:dd.f" in a buffer that lives as long as the enclosing block; for printf arguments. */
#define BERTH_BDF_STR(at) berth_bdf_format((at), (char[BERTH_BDF_LEN]){ 0 })

static inline bool berth_bdf_eq(struct berth_bdf a, struct berth_bdf b)
{
	return a.domain == b.domain && a.bus == b.bus && a.dev == b.dev && a.fn == b.fn;
}

/* Same device, that is same slot; functions of one slot travel together. */
static inline bool berth_bdf_same_slot(struct berth_bdf a, struct berth_bdf b)
{
	return a.domain == b.domain && a.bus == b.bus && a.dev == b.dev;
}

/* qsort order: domain, bus, device, function. */
int berth_bdf_cmp(const struct berth_bdf *a, const struct berth_bdf *b);

#endif
