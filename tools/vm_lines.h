/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Diagnostics of berth-vmm, passed on to our log line by line: so many at once, and so many a second. It is confined, and may be
 * hostile.
 */
#ifndef BERTH_TOOLS_VM_LINES_H
#define BERTH_TOOLS_VM_LINES_H

#include <stddef.h>
#include <stdint.h>

struct berth_vm_lines {
	const char *name; /* borrowed; of the VM */
	char line[512];	  /* so far */
	size_t len;
	int64_t credit; /* ms worth of lines */
	int64_t time;	/* ms; of the last one */
	unsigned int dropped;
};

void berth_vm_lines_init(struct berth_vm_lines *lines, const char *name);

/* @fd is readable: pass on what has come. At its end, or when it fails, it is closed and -1. */
void berth_vm_lines_read(struct berth_vm_lines *lines, int *fd);

/* Its writer is gone: pass on what is still there, also a line without an end, and say how many were dropped. */
void berth_vm_lines_end(struct berth_vm_lines *lines, int *fd);

#endif
