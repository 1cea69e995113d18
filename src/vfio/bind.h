/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which driver a PCI function has, and how it gets another one.
 *
 * Binding is by driver_override + unbind + drivers_probe, never by new_id, which also grabs every other device of the same
 * kind. A write that was accepted proves nothing, so each function here reads the result back from sysfs. All of them are
 * idempotent: called again after a crash they find their work done, or do the rest of it. Each kernel write runs under
 * BERTH_SYSFS_DEADLINE_MS (base/sysfs.h).
 * Source: Documentation/ABI/testing/sysfs-bus-pci (driver_override, drivers_probe, unbind), drivers/base/bus.c.
 */
#ifndef BERTH_VFIO_BIND_H
#define BERTH_VFIO_BIND_H

#include <stdbool.h>

#include "base/bdf.h"

struct berth_err;
struct berth_host;

#define BERTH_BIND_VFIO	  "vfio-pci"
#define BERTH_BIND_NAME	  64 /* driver names of the kernel are shorter */
#define BERTH_BIND_ACTION 16

/* What a function had when it was found, as much of it as binding can change. "" means: none, or no such attribute. */
struct berth_bind_state {
	char driver[BERTH_BIND_NAME];
	char override[BERTH_BIND_NAME];	       /* driver_override */
	char power_control[BERTH_BIND_ACTION]; /* power/control: "auto" or "on" */
};

/**
 * berth_bind_read() - the function's present state
 *
 * Return: 0; -ENODEV no such function; -errno.
 */
int berth_bind_read(const struct berth_host *host, struct berth_bdf at,
		    struct berth_bind_state *ret, struct berth_err *err);

/* Can this be the name of a driver: a file name, and not too long? */
bool berth_bind_driver_name_ok(const char *name);

/**
 * berth_bind_need_driver() - make sure that the kernel has @driver, loading its module when it has not
 *
 * Return: 0; -ENOENT there is no such driver and no module gave one; -ETIMEDOUT modprobe; -errno.
 */
int berth_bind_need_driver(const struct berth_host *host, const char *driver,
			   struct berth_err *err);

/**
 * berth_bind_override() - set driver_override
 * @driver: "" for none
 *
 * Return: 0; -EIO the kernel took the write but shows another value; -errno of the write.
 */
int berth_bind_override(const struct berth_host *host, struct berth_bdf at, const char *driver,
			struct berth_err *err);

/* Take the function's driver away, if it has one. Return: 0; -ETIMEDOUT the driver does not let go; -EIO no effect; -errno. */
int berth_bind_unbind(const struct berth_host *host, struct berth_bdf at, struct berth_err *err);

/**
 * berth_bind_probe() - let the kernel find the function's driver, and see that it is @driver
 * @driver: when another one was faster, it is unbound and @driver asked by name
 *
 * Return: 0; -ENODEV @driver did not take the function; -errno of the write.
 */
int berth_bind_probe(const struct berth_host *host, struct berth_bdf at, const char *driver,
		     struct berth_err *err);

/**
 * berth_bind_dma_off() - clear Bus Master Enable and see that it is clear
 *
 * For a function without a driver, between two drivers: whatever the old one left running can then not write to memory
 * through the IOMMU domain that comes next. Not before unbind: drivers need DMA to shut their device down.
 * Source: PCI Local Bus 3.0, 6.2.2 (Command register, bit 2).
 *
 * Return: 0; -EBUSY the function has a driver; -EIO the bit stays set, or config space reads all ones; -errno.
 */
int berth_bind_dma_off(const struct berth_host *host, struct berth_bdf at, struct berth_err *err);

/* Set power/control; "" leaves it alone. Return: 0; -errno of the write. */
int berth_bind_power(const struct berth_host *host, struct berth_bdf at, const char *control,
		     struct berth_err *err);

/**
 * berth_bind_restore() - put the function back as @found: driver_override, driver, power/control
 *
 * A function found without a driver stays without: it is not offered to any.
 *
 * Return: 0, all three read back as @found; -ENODEV the function is gone, or its driver did not take it back; -errno.
 */
int berth_bind_restore(const struct berth_host *host, struct berth_bdf at,
		       const struct berth_bind_state *found, struct berth_err *err);

#endif
