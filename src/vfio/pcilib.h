/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libpci, kept in one place: which functions exist, their configuration space, their names in pci.ids.
 *
 * libpci reports a fatal error by calling back, and must not get control again after that; its own default exits the program.
 * Here the callback jumps out of libpci into the function that called it, which gives up its access handle for good and
 * returns -EIO with libpci's words. So after -EIO only berth_pcilib_close() is allowed. Not thread-safe per handle.
 */
#ifndef BERTH_VFIO_PCILIB_H
#define BERTH_VFIO_PCILIB_H

#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/cleanup.h"

struct berth_err;
struct berth_host;
struct berth_pcilib;

/* Open on the sys/bus/pci of @host, which must exist. Return: 0; -ENOMEM; -EIO. */
int berth_pcilib_open(struct berth_pcilib **ret, const struct berth_host *host,
		      struct berth_err *err);
void berth_pcilib_close(struct berth_pcilib *lib);
BERTH_DEFINE_CLEANUP(struct berth_pcilib *, berth_pcilib_close);

/* Every function on the bus, sorted. @ret: owned by the caller (free). Return: 0; -ENOMEM; -EIO. */
int berth_pcilib_scan(struct berth_pcilib *lib, struct berth_bdf **ret, size_t *ret_nr,
		      struct berth_err *err);

/**
 * berth_pcilib_config() - as much of a function's configuration space as this user may read
 * @buf: @size is usually BERTH_CONFIG_PCIE
 * @ret_len: 4096, 256, 64, or 0 when nothing is readable
 *
 * Return: 0; -ENODEV it was not there at the scan; -EIO.
 */
int berth_pcilib_config(struct berth_pcilib *lib, struct berth_bdf at, uint8_t *buf, size_t size,
			size_t *ret_len, struct berth_err *err);

/* Give up what the scan holds. Names can still be asked for; functions are no longer known. */
void berth_pcilib_rest(struct berth_pcilib *lib);

enum berth_pcilib_kind { BERTH_PCILIB_VENDOR, BERTH_PCILIB_DEVICE, BERTH_PCILIB_CLASS };

/**
 * berth_pcilib_name() - a name from the local pci.ids; never asks the network
 * @a: the vendor's id; of a class its 16 bits, base class and sub-class
 * @b: the device's id; not used for the other kinds
 * @buf: where the name may be put; BERTH_PCILIB_NAME bytes hold every one
 *
 * The first question reads the whole list, 35,000 lines, which is as much work as all else that a verb does: ask for what
 * is printed and nothing more. A list that cannot be read is warned of once, and then knows nothing.
 *
 * Return: the name, in @buf; "" when it is not listed.
 */
#define BERTH_PCILIB_NAME 256
const char *berth_pcilib_name(struct berth_pcilib *lib, enum berth_pcilib_kind kind, int a, int b,
			      char *buf, size_t size);

#endif
