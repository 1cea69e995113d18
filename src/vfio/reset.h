/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reset with proof: bring functions into a known state before and after use, and check that it worked.
 *
 * The kernel's word is not enough: a reset may be skipped or fail silently (vfio_pci_core_enable() and _disable() swallow
 * failures). So: switch off memory, I/O and bus mastering; reset; read back (vfio/proof.h); overwrite what is known to
 * survive (vfio/scrub.h). A function whose reset is not proven must not go to another tenant.
 *
 * The ladder, best first: the function's own reset where it is a real one (device specific, ACPI, FLR; the kernel's order is
 * in its `reset_method`, which an administrator may set); the bus, when every function on it is ours; the function's own
 * where that is only a change of power state. Virtual functions are never reset by their bus.
 */
#ifndef BERTH_VFIO_RESET_H
#define BERTH_VFIO_RESET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bdf.h"

struct berth_err;
struct berth_host;
struct berth_ioas;
struct berth_vfio_device;

enum berth_reset_method {
	BERTH_RESET_NONE, /* there is no way to reset this function */
	BERTH_RESET_OPEN, /* the kernel reset it as it was opened, and says it worked */
	BERTH_RESET_FUNCTION, /* VFIO_DEVICE_RESET: device specific, FLR, AF FLR, PM, or bus when alone on it */
	BERTH_RESET_HOT,   /* VFIO_DEVICE_PCI_HOT_RESET: the bus, with everything on it */
	BERTH_RESET_SYSFS, /* the function's `reset` attribute */
};

struct berth_reset_result {
	enum berth_reset_method method;
	char by[24]; /* for the record: "flr", "bus", "pm", "device_specific", …; "hot" for a bus with all on it; "none" */
	unsigned int checks; /* enum berth_proof_check: what was read back and found right */
	bool proven;
	/* "0000:03:00.0: function reset (flr), answers, bus mastering off, D0" or why not */
	char sentence[256];
};

enum berth_reset_when {
	BERTH_RESET_BEFORE_USE, /* just opened: where the kernel's own reset at open worked, it is only verified */
	BERTH_RESET_AFTER_USE,
};

/* "none", "open", "function", "hot", "sysfs". */
const char *berth_reset_method_name(enum berth_reset_method method);

/**
 * berth_reset_devices() - reset the functions of one VM
 * @host: what its sysfs says counts, past VFIO's emulation of configuration space; NULL: only what VFIO shows
 * @io: the address space that they are attached to; gives the groups that we own
 * @devs: all functions of the VM that are held
 * @results: @nr of them, written also on failure
 *
 * A bus is reset once for all functions on it, and only when every one of them is in a group of @io. Interrupts of @devs are
 * off afterwards. Takes 100 ms per reset at the least (PCIe Base 6.0, 6.6.2).
 *
 * Return: 0 all proven; BERTH_REFUSED at least one is not: its result says why, @err names the first.
 */
int berth_reset_devices(const struct berth_host *host, struct berth_ioas *io,
			struct berth_vfio_device *const *devs, size_t nr,
			enum berth_reset_when when, struct berth_reset_result *results,
			struct berth_err *err);

/* How long the reset of @nr functions may take. Most need a second; the kernel itself waits for up to 60 s for one to answer. */
unsigned int berth_reset_deadline_ms(size_t nr);

/* In @results what is said when the kernel, or the process @left in it, gave no answer. */
void berth_reset_no_answer(const struct berth_bdf *at, size_t nr, unsigned int deadline_ms,
			   pid_t left, struct berth_reset_result *results);

/* What a child that resets @at notes down (base/child.h). @buf: of @size. */
void berth_reset_note(const struct berth_bdf *at, size_t nr, char *buf, size_t size);

/**
 * berth_reset_in_time() - berth_reset_devices() in a child (base/child.h), which inherits the descriptors
 * @host: not NULL; its slow_write hears of it
 * @deadline_ms: for all together, berth_reset_deadline_ms()
 *
 * A child that is left behind keeps the groups open: until the kernel answers nobody can use them.
 *
 * Return: as berth_reset_devices(); -ETIMEDOUT nothing is known, @results say so; -errno there was no child.
 */
int berth_reset_in_time(const struct berth_host *host, struct berth_ioas *io,
			struct berth_vfio_device *const *devs, size_t nr,
			enum berth_reset_when when, unsigned int deadline_ms,
			struct berth_reset_result *results, struct berth_err *err);

/**
 * berth_reset_sysfs() - reset a function that nobody holds open, through /sys/bus/pci/devices/…/reset
 * @deadline_ms: for the write to sysfs; usually BERTH_SYSFS_DEADLINE_MS
 *
 * For after a crash of the process that held it. The function may be bound to vfio-pci or to nothing; not for a function
 * with a driver at work. What needs to be scrubbed (vfio/scrub.h) is not proven by this: that takes VFIO.
 *
 * Return: 0 proven; BERTH_REFUSED not proven, *ret and @err say why; -ENOENT no such function.
 */
int berth_reset_sysfs(const struct berth_host *host, struct berth_bdf at, unsigned int deadline_ms,
		      struct berth_reset_result *ret, struct berth_err *err);

#endif
