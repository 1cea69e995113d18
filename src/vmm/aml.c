/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/aml.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Opcodes: ACPI 6.5, table 20.2. */
enum {
	OP_ZERO = 0x00,
	OP_ONE = 0x01,
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_EXT = 0x5b,
	OP_EXT_DEVICE = 0x82,
	OP_LOCAL0 = 0x60,
	OP_ARG0 = 0x68,
	OP_DWORD_FIELD = 0x8a,
	OP_IF = 0xa0,
};

/* PkgLength in three bytes, always: ACPI 6.5, 20.2.4. Room for 1 MiB, more than any table of ours. */
#define LENGTH_BYTES 3
#define LENGTH_MAX   0xfffff

/* Address space descriptors: ACPI 6.5, 6.4.3.5. */
enum { SPACE_MEMORY, SPACE_IO, SPACE_BUS };
#define SPACE_FIXED                                                                                \
	0x0c /* _MIF and _MAF: both ends fixed; the guest's producer decodes it (bit 0 and 1 clear) */
#define SPACE_MEMORY_RW 0x01 /* not cacheable, read-write */
#define SPACE_IO_ENTIRE 0x03

void berth_aml_init(struct berth_aml *aml, void *buf, size_t cap)
{
	*aml = (struct berth_aml){ .buf = buf, .cap = cap };
}

int berth_aml_done(const struct berth_aml *aml)
{
	return aml->full ? -ENOSPC : 0;
}

void berth_aml_byte(struct berth_aml *aml, uint8_t byte)
{
	if (aml->len == aml->cap) {
		aml->full = true;
		return;
	}
	aml->buf[aml->len++] = byte;
}

static void put(struct berth_aml *aml, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		berth_aml_byte(aml, (uint8_t)(value >> 8 * i));
}

void berth_aml_int(struct berth_aml *aml, uint64_t value)
{
	if (value <= OP_ONE) {
		berth_aml_byte(aml, (uint8_t)value);
	} else if (value <= UINT8_MAX) {
		berth_aml_byte(aml, OP_BYTE);
		put(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		berth_aml_byte(aml, OP_WORD);
		put(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		berth_aml_byte(aml, OP_DWORD);
		put(aml, value, 4);
	} else {
		berth_aml_byte(aml, OP_QWORD);
		put(aml, value, 8);
	}
}

void berth_aml_path(struct berth_aml *aml, const char *name)
{
	if (*name == '\\')
		berth_aml_byte(aml, (uint8_t)*name++);
	assert(strlen(name) == 4);
	for (; *name; name++)
		berth_aml_byte(aml, (uint8_t)*name);
}

void berth_aml_name(struct berth_aml *aml, const char *name)
{
	berth_aml_byte(aml, OP_NAME);
	berth_aml_path(aml, name);
}

static unsigned int hex(char c)
{
	return isdigit((unsigned char)c) ? (unsigned int)(c - '0') :
					   (unsigned int)(toupper((unsigned char)c) - 'A' + 10);
}

/* Three letters of five bits, four hex digits, big endian: ACPI 6.5, 19.6.35. */
void berth_aml_eisaid(struct berth_aml *aml, const char *id)
{
	uint32_t value = 0;

	assert(strlen(id) == 7);
	for (unsigned int i = 0; i < 3; i++)
		value = value << 5 | ((uint32_t)(id[i] - '@') & 0x1f);
	for (unsigned int i = 3; i < 7; i++)
		value = value << 4 | hex(id[i]);
	berth_aml_byte(aml, OP_DWORD);
	put(aml, __builtin_bswap32(value), 4);
}

static berth_aml_open open_length(struct berth_aml *aml)
{
	berth_aml_open open = aml->len;

	put(aml, 0, LENGTH_BYTES);
	return open;
}

void berth_aml_close(struct berth_aml *aml, berth_aml_open open)
{
	size_t len = aml->len - open;

	if (aml->full)
		return;
	assert(len <= LENGTH_MAX);
	aml->buf[open] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (len & 0x0f));
	aml->buf[open + 1] = (uint8_t)(len >> 4);
	aml->buf[open + 2] = (uint8_t)(len >> 12);
}

/* The first three groups are little endian, the others as written: ACPI 6.5, 19.6.142. */
void berth_aml_uuid(struct berth_aml *aml, const char *uuid)
{
	static const unsigned int order[16] = { 6,  4,	2,  0,	11, 9,	16, 14,
						19, 21, 24, 26, 28, 30, 32, 34 };
	berth_aml_open open;

	assert(strlen(uuid) == 36);
	berth_aml_byte(aml, OP_BUFFER);
	open = open_length(aml);
	berth_aml_int(aml, 16);
	for (unsigned int i = 0; i < 16; i++)
		berth_aml_byte(aml, (uint8_t)(hex(uuid[order[i]]) << 4 | hex(uuid[order[i] + 1])));
	berth_aml_close(aml, open);
}

void berth_aml_local(struct berth_aml *aml, unsigned int n)
{
	berth_aml_byte(aml, (uint8_t)(OP_LOCAL0 + n));
}

void berth_aml_arg(struct berth_aml *aml, unsigned int n)
{
	berth_aml_byte(aml, (uint8_t)(OP_ARG0 + n));
}

void berth_aml_dword_field(struct berth_aml *aml, unsigned int n, unsigned int offset,
			   const char *name)
{
	berth_aml_byte(aml, OP_DWORD_FIELD);
	berth_aml_arg(aml, n);
	berth_aml_int(aml, offset);
	berth_aml_path(aml, name);
}

berth_aml_open berth_aml_scope(struct berth_aml *aml, const char *name)
{
	berth_aml_open open;

	berth_aml_byte(aml, OP_SCOPE);
	open = open_length(aml);
	berth_aml_path(aml, name);
	return open;
}

berth_aml_open berth_aml_device(struct berth_aml *aml, const char *name)
{
	berth_aml_open open;

	berth_aml_byte(aml, OP_EXT);
	berth_aml_byte(aml, OP_EXT_DEVICE);
	open = open_length(aml);
	berth_aml_path(aml, name);
	return open;
}

berth_aml_open berth_aml_method(struct berth_aml *aml, const char *name, unsigned int nr_args)
{
	berth_aml_open open;

	berth_aml_byte(aml, OP_METHOD);
	open = open_length(aml);
	berth_aml_path(aml, name);
	berth_aml_byte(aml, (uint8_t)nr_args);
	return open;
}

berth_aml_open berth_aml_package(struct berth_aml *aml, unsigned int nr)
{
	berth_aml_open open;

	assert(nr <= UINT8_MAX);
	berth_aml_byte(aml, OP_PACKAGE);
	open = open_length(aml);
	berth_aml_byte(aml, (uint8_t)nr);
	return open;
}

berth_aml_open berth_aml_if(struct berth_aml *aml)
{
	berth_aml_byte(aml, OP_IF);
	return open_length(aml);
}

/* Buffer (WordConst size) { descriptors }: the size is filled in at the end. */
berth_aml_open berth_aml_resources(struct berth_aml *aml)
{
	berth_aml_open open;

	berth_aml_byte(aml, OP_BUFFER);
	open = open_length(aml);
	berth_aml_byte(aml, OP_WORD);
	put(aml, 0, 2);
	return open;
}

void berth_aml_resources_end(struct berth_aml *aml, berth_aml_open open)
{
	size_t body = open + LENGTH_BYTES + 3, len;

	put(aml, 0x0079, 2); /* end tag; checksum 0 is "not used", ACPI 6.5, 6.4.2.9 */
	len = aml->len - body;
	if (!aml->full) {
		aml->buf[body - 2] = (uint8_t)len;
		aml->buf[body - 1] = (uint8_t)(len >> 8);
	}
	berth_aml_close(aml, open);
}

static void space(struct berth_aml *aml, uint8_t tag, unsigned int bytes, uint8_t type,
		  uint8_t type_flags, struct berth_range at)
{
	berth_aml_byte(aml, tag);
	put(aml, 3 + 5 * bytes, 2);
	berth_aml_byte(aml, type);
	berth_aml_byte(aml, SPACE_FIXED);
	berth_aml_byte(aml, type_flags);
	put(aml, 0, bytes); /* granularity */
	put(aml, at.start, bytes);
	put(aml, berth_range_last(at), bytes);
	put(aml, 0, bytes); /* translation */
	put(aml, at.size, bytes);
}

void berth_aml_res_bus(struct berth_aml *aml, unsigned int first, unsigned int last)
{
	space(aml, 0x88, 2, SPACE_BUS, 0, (struct berth_range){ first, last - first + 1 });
}

void berth_aml_res_port_window(struct berth_aml *aml, struct berth_range at)
{
	space(aml, 0x88, 2, SPACE_IO, SPACE_IO_ENTIRE, at);
}

void berth_aml_res_memory_window(struct berth_aml *aml, struct berth_range at)
{
	space(aml, 0x8a, 8, SPACE_MEMORY, SPACE_MEMORY_RW, at);
}

/* I/O port descriptor, decodes 16 bits: ACPI 6.5, 6.4.2.5. */
void berth_aml_res_ports(struct berth_aml *aml, unsigned int first, unsigned int nr)
{
	berth_aml_byte(aml, 0x47);
	berth_aml_byte(aml, 1);
	put(aml, first, 2);
	put(aml, first, 2);
	berth_aml_byte(aml, 1);
	berth_aml_byte(aml, (uint8_t)nr);
}

/* 32-bit fixed memory range, writable: ACPI 6.5, 6.4.3.4. */
void berth_aml_res_memory(struct berth_aml *aml, struct berth_range at)
{
	berth_aml_byte(aml, 0x86);
	put(aml, 9, 2);
	berth_aml_byte(aml, 1);
	put(aml, at.start, 4);
	put(aml, at.size, 4);
}

/* Extended interrupt: consumer, edge, active high, exclusive; ACPI 6.5, 6.4.3.6. */
void berth_aml_res_irq(struct berth_aml *aml, unsigned int gsi)
{
	berth_aml_byte(aml, 0x89);
	put(aml, 6, 2);
	berth_aml_byte(aml, 0x03);
	berth_aml_byte(aml, 1);
	put(aml, gsi, 4);
}
