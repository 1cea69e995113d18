/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SR-IOV: a physical function (PF) and the virtual functions (VFs) it can be split into.
 *
 * Everything here is sysfs (Documentation/ABI/testing/sysfs-bus-pci, "sriov_*" and "virtfn*"). Who may do it, and to whom
 * the VFs go afterwards, is the caller's affair: berth_sriov_set() leaves new VFs without any driver.
 */
#ifndef BERTH_VFIO_SRIOV_H
#define BERTH_VFIO_SRIOV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bdf.h"

struct berth_err;
struct berth_host;

/* TotalVFs is a 16-bit register (PCIe Base 6.0, 9.3.3.6). */
#define BERTH_SRIOV_MAX_VFS 65535

struct berth_sriov {
	struct berth_bdf at;
	unsigned int total; /* sriov_totalvfs: how many the driver allows */
	unsigned int num;   /* sriov_numvfs: how many there are now */
	/* First VF Offset: routing id of VF 0 minus that of the PF; 0 when not readable */
	unsigned int offset;
	/* VF Stride: between the routing ids of two VFs; 0 when not readable */
	unsigned int stride;
	uint16_t vf_device_id; /* the VFs' vendor id is the PF's; 0 when not readable */
	bool autoprobe;	       /* do host drivers get new VFs? */
	char driver[64];       /* of the PF; "" when it has none */
};

/**
 * berth_sriov_read() - the SR-IOV facts of a function
 *
 * Return: 0; BERTH_ABSENT the function has no SR-IOV (or is itself a VF); -ENODEV there is no such function;
 *         -errno when the attributes cannot be read.
 */
int berth_sriov_read(const struct berth_host *host, struct berth_bdf at, struct berth_sriov *ret,
		     struct berth_err *err);

/* Where VF @index of @pf is now. Return: 0; BERTH_ABSENT there is no such VF (no sentence); -errno. */
int berth_sriov_vf(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
		   struct berth_bdf *ret);

/**
 * berth_sriov_pf_of() - whose VF is this, and which one
 * @ret_index: VF number as in virtfnN, "ip link … vf N"
 *
 * Return: 0; BERTH_ABSENT @vf is not a VF (no sentence); -errno.
 */
int berth_sriov_pf_of(const struct berth_host *host, struct berth_bdf vf, struct berth_bdf *ret_pf,
		      unsigned int *ret_index);

/* Where VF @index will appear, by the arithmetic of PCIe Base 6.0, 9.2.1.2; only for a plan: berth_sriov_vf() is the
 * truth. Offset and stride may change with the number of VFs. Return: 0; -ERANGE when offset or stride are unknown or the
 * routing id does not fit. */
int berth_sriov_vf_expected(const struct berth_sriov *pf, unsigned int index,
			    struct berth_bdf *ret);

/* Asked once for each VF that would be removed. Return: 0 when it may go; BERTH_REFUSED with the VF and its user named. */
typedef int berth_sriov_guard_fn(void *ctx, struct berth_bdf vf, unsigned int index,
				 struct berth_err *err);

/* How long creating @num VFs may take: drivers talk to firmware for each. */
unsigned int berth_sriov_deadline_ms(unsigned int num);

/**
 * berth_sriov_set() - have exactly @num VFs
 * @guard: asked for all existing VFs before anything is touched, unless @num are there already
 * @deadline_ms: for each of: a write, the wait for the VFs; berth_sriov_deadline_ms()
 *
 * Turns sriov_drivers_autoprobe off first, so that no host driver gets a new VF, and leaves it off: the caller gives
 * driver_override to those it keeps, then calls berth_sriov_autoprobe() with what berth_sriov_read() had said. Between
 * two counts that are not 0 the old VFs are removed first (the kernel wants it so). When it fails, the old count is
 * written again and autoprobe restored; the old VFs are then new ones without a driver. But nothing is taken back after a
 * write that the driver has not answered: the kernel is still at it.
 *
 * Return: 0; BERTH_REFUSED by @guard; BERTH_ABSENT no SR-IOV; -ERANGE @num is more than the device or its driver
 *         allows; -ENODEV no such function; -ETIMEDOUT; -errno as the driver answered.
 */
int berth_sriov_set(const struct berth_host *host, struct berth_bdf pf, unsigned int num,
		    berth_sriov_guard_fn *guard, void *ctx, unsigned int deadline_ms,
		    struct berth_err *err);

/* Write sriov_drivers_autoprobe. Return: 0; -errno. */
int berth_sriov_autoprobe(const struct berth_host *host, struct berth_bdf pf, bool on,
			  struct berth_err *err);

#endif
