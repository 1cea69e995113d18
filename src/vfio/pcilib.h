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

/*
 * Names from the local pci.ids; never asks the network. @ret: owned by the caller, "" when not listed.
 * Return: 0; -ENOMEM; -EIO.
 */
int berth_pcilib_vendor_name(struct berth_pcilib *lib, uint16_t vendor, char **ret,
			     struct berth_err *err);
int berth_pcilib_device_name(struct berth_pcilib *lib, uint16_t vendor, uint16_t device, char **ret,
			     struct berth_err *err);
/* @class: 16 bits, base class and sub-class */
int berth_pcilib_class_name(struct berth_pcilib *lib, uint16_t class, char **ret,
			    struct berth_err *err);

#endif
