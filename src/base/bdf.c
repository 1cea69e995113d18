/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bdf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Read min … max hex digits. sscanf("%x") would accept blanks and signs. Returns what follows, or NULL. */
static const char *hex_field(const char *p, int min, int max, uint32_t *ret)
{
	uint32_t value = 0;
	int n = 0;

	while (n < max && hex_digit(*p) >= 0) {
		value = value << 4 | (uint32_t)hex_digit(*p);
		p++;
		n++;
	}
	if (n < min)
		return NULL;
	*ret = value;
	return p;
}

static const char *literal(const char *p, char c)
{
	return p && *p == c ? p + 1 : NULL;
}

/* "bb:dd.f" to the end of the string */
static bool parse_short(const char *p, uint32_t domain, struct berth_bdf *ret)
{
	uint32_t bus, dev, fn;

	p = literal(hex_field(p, 2, 2, &bus), ':');
	if (!p)
		return false;
	p = literal(hex_field(p, 2, 2, &dev), '.');
	if (!p)
		return false;
	p = hex_field(p, 1, 1, &fn);
	if (!p || *p || dev > 31 || fn > 7)
		return false;
	*ret = (struct berth_bdf){ domain, (uint8_t)bus, (uint8_t)dev, (uint8_t)fn };
	return true;
}

int berth_bdf_parse(const char *text, struct berth_bdf *ret)
{
	uint32_t domain;
	const char *rest;

	if (parse_short(text, 0, ret))
		return 0;
	rest = literal(hex_field(text, 4, 8, &domain), ':');
	if (rest && parse_short(rest, domain, ret))
		return 0;
	return -EINVAL;
}

bool berth_bdf_looks_meant(const char *text)
{
	return strchr(text, ':') && text[strspn(text, "0123456789abcdefABCDEFxX:.")] == '\0';
}

char *berth_bdf_format(struct berth_bdf at, char buf[static BERTH_BDF_LEN])
{
	snprintf(buf, BERTH_BDF_LEN, "%04x:%02x:%02x.%x", at.domain, at.bus, at.dev & 0x1fu,
		 at.fn & 0x7u);
	return buf;
}

int berth_bdf_cmp(const struct berth_bdf *a, const struct berth_bdf *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->bus != b->bus)
		return a->bus < b->bus ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->fn < b->fn ? -1 : a->fn > b->fn;
}
