/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing ACPI Machine Language: just the terms that our DSDT needs.
 *
 * Terms are appended to a buffer of the caller's; a term with a body is opened and closed. When the buffer is full
 * everything further is dropped and berth_aml_done() says so once, at the end. Source: ACPI 6.5, chapter 20 (AML) and
 * 6.4 (resource descriptors). Names are NameSegs of four characters ("PCI0", "_HID"), a leading '\' is allowed.
 */
#ifndef BERTH_VMM_AML_H
#define BERTH_VMM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/range.h"

struct berth_aml {
	uint8_t *buf; /* borrowed */
	size_t cap, len;
	bool full;
};

/* A term that is open; closing it fills in its length. */
typedef size_t berth_aml_open;

void berth_aml_init(struct berth_aml *aml, void *buf, size_t cap);
/* Return: 0; -ENOSPC the buffer was too small. */
int berth_aml_done(const struct berth_aml *aml);

/* Data and objects */
void berth_aml_byte(struct berth_aml *aml,
		    uint8_t byte); /* a raw byte: an opcode without operands */
void berth_aml_int(struct berth_aml *aml, uint64_t value);
void berth_aml_name(struct berth_aml *aml, const char *name); /* Name (name, the next term) */
void berth_aml_path(struct berth_aml *aml, const char *name); /* a reference to it */
void berth_aml_eisaid(struct berth_aml *aml,
		      const char *id); /* "PNP0A08" as the number it stands for */
void berth_aml_uuid(struct berth_aml *aml, const char *uuid); /* ToUUID: a buffer of 16 bytes */
void berth_aml_local(struct berth_aml *aml, unsigned int n);  /* Local0 … Local7 */
void berth_aml_arg(struct berth_aml *aml, unsigned int n);    /* Arg0 … Arg6 */
/* CreateDWordField (Arg @n, @offset, @name) */
void berth_aml_dword_field(struct berth_aml *aml, unsigned int n, unsigned int offset,
			   const char *name);

/* Terms with a body */
berth_aml_open berth_aml_scope(struct berth_aml *aml, const char *name);
berth_aml_open berth_aml_device(struct berth_aml *aml, const char *name);
berth_aml_open berth_aml_method(struct berth_aml *aml, const char *name, unsigned int nr_args);
berth_aml_open berth_aml_package(struct berth_aml *aml, unsigned int nr);
berth_aml_open berth_aml_if(struct berth_aml *aml); /* the condition is the next term */
void berth_aml_close(struct berth_aml *aml, berth_aml_open open);

/* ResourceTemplate: a buffer that ends with an end tag */
berth_aml_open berth_aml_resources(struct berth_aml *aml);
void berth_aml_resources_end(struct berth_aml *aml, berth_aml_open open);
void berth_aml_res_bus(struct berth_aml *aml, unsigned int first, unsigned int last);
void berth_aml_res_ports(struct berth_aml *aml, unsigned int first,
			 unsigned int nr); /* a device's own */
void berth_aml_res_port_window(struct berth_aml *aml, struct berth_range at);
void berth_aml_res_memory(struct berth_aml *aml, struct berth_range at); /* Memory32Fixed */
void berth_aml_res_memory_window(struct berth_aml *aml,
				 struct berth_range at);	 /* 64-bit, bridged */
void berth_aml_res_irq(struct berth_aml *aml, unsigned int gsi); /* edge, active high, exclusive */

#endif
