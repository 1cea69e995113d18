/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All PCI functions of a host, with every fact that policy, plans and people ask for. A snapshot: nothing here changes
 * after berth_inventory_read(), and nothing here writes to the host.
 *
 * Functions, configuration space and names come through libpci; the rest from sysfs (docs/adr/0001). Without privilege the
 * kernel shows 64 bytes of configuration space: capabilities are then BERTH_UNKNOWN and the verdict is "unknown" where it
 * would have been "isolated".
 */
#ifndef BERTH_VFIO_INVENTORY_H
#define BERTH_VFIO_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/cleanup.h"
#include "base/tri.h"
#include "iommu/isolation.h"
#include "vfio/caps.h"
#include "vfio/devpath.h"

struct berth_err;
struct berth_host;

#define BERTH_NR_BARS 6

struct berth_bar {
	uint64_t start, size; /* size 0: not there */
	bool io, is64, prefetch;
};

struct berth_device {
	struct berth_bdf bdf;
	/*
	 * Where it is plugged in, in words that a renumbering of buses does not change: the host bridge as firmware names it,
	 * then device.function of every step down: "PNP0A08:00/1c.0/00.0"; a virtual function is "<path of its PF>#vf3".
	 */
	char *path;	/* owned */
	uint32_t class; /* 24 bits: base class, sub-class, programming interface */
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_device_id;
	char driver[64];	  /* "" none */
	char driver_override[64]; /* "" none */
	char *modalias;		  /* owned; "" unknown */
	int iommu_group;	  /* -1 none */
	int numa_node;		  /* -1 none */
	char reset_methods[64];	  /* as the kernel orders them: "flr bus"; "" none */
	enum berth_isolation isolation;
	char *isolation_reason; /* owned */
	struct berth_bar bars[BERTH_NR_BARS];
	uint64_t rom_size;
	struct berth_caps caps;
	bool has_parent; /* behind a bridge (or a VMD endpoint) */
	struct berth_bdf parent;
	bool is_vf;
	struct berth_bdf pf; /* is_vf only */
	int vf_index;	     /* is_vf only */
	bool quiet; /* the kernel is at work on it (base/quiet.h): configuration and override were not asked for */
	unsigned int vfs_total, vfs_now; /* of a PF with SR-IOV, else 0 */
	uint16_t vf_device_id;		 /* of a PF's VFs, 0 unknown */
	enum berth_tri vfs_autoprobe;	 /* sriov_drivers_autoprobe, for a PF */
	enum berth_tri boot_vga; /* display devices; says what firmware used, not what is in use */
	char power_state[16];	 /* "D0", "D3cold", …; "" unknown */
};

struct berth_pcilib;

struct berth_inventory {
	struct berth_device *devices; /* owned; sorted by BDF */
	size_t nr;
	struct berth_pcilib *names; /* owned; pci.ids, read when the first name is asked for */
};

/**
 * berth_inventory_read() - take the snapshot
 * @ret: owned by the caller, berth_inventory_free()
 * @host: a captured tree works like a machine (libpci is pointed at its sys/bus/pci)
 *
 * A function that disappears while it is read is left out. On a machine without a PCI bus: 0 functions, and 0.
 *
 * Return: 0; -ENOMEM; -EIO libpci gave up, its words in @err; -errno.
 */
int berth_inventory_read(struct berth_inventory **ret, const struct berth_host *host,
			 struct berth_err *err);
void berth_inventory_free(struct berth_inventory *inv);
BERTH_DEFINE_CLEANUP(struct berth_inventory *, berth_inventory_free);

/* Return: borrowed from @inv, or NULL. */
const struct berth_device *berth_inventory_find(const struct berth_inventory *inv,
						struct berth_bdf at);
const struct berth_device *berth_inventory_find_path(const struct berth_inventory *inv,
						     const char *path);

/**
 * berth_inventory_resolve() - what a user typed: a BDF or a stable path
 * @ret: borrowed from @inv
 *
 * Return: 0; -EINVAL meant as a BDF but malformed (the sentence shows the form; a usage error); -ENODEV well-formed but not
 *         there; BERTH_ABSENT neither a BDF nor a path: a name for somebody else to resolve (nothing in @err).
 */
int berth_inventory_resolve(const struct berth_inventory *inv, const char *text,
			    const struct berth_device **ret, struct berth_err *err);

/*
 * What people call it, from pci.ids: vendor and device, "NVIDIA Corporation GA102 [GeForce RTX 3090]", or "Device 1234:11e8"
 * when it is not listed; its class, "VGA compatible controller" or "". The first question costs as much as the inventory
 * did: for output only. Return: the name, in @buf or constant.
 */
#define BERTH_DEVICE_NAME 512
const char *berth_device_name(const struct berth_inventory *inv, const struct berth_device *dev,
			      char buf[static BERTH_DEVICE_NAME]);
const char *berth_device_class_name(const struct berth_inventory *inv,
				    const struct berth_device *dev,
				    char buf[static BERTH_DEVICE_NAME]);

/*
 * A host bridge, PCI bridge or port by class (06 00, 06 04, 06 07, 06 09): needs no owner, is never assigned. An ISA bridge
 * (06 01) is a device like others: its driver counts when its group changes hands.
 */
bool berth_device_is_bridge(const struct berth_device *dev);

/* What `berth list` shows without --all: what people pass through (graphics, network, storage, accelerators, USB, VFs). */
bool berth_device_is_worth_passing(const struct berth_inventory *inv,
				   const struct berth_device *dev);

/* The bridges between @dev and the root, nearest first. Return: how many. */
size_t berth_inventory_steps(const struct berth_inventory *inv, const struct berth_device *dev,
			     struct berth_isolation_step steps[static BERTH_DEVPATH_MAX_DEPTH]);

/* The next function of @dev's group after @after (NULL: the first), @dev itself included; NULL at the end. */
const struct berth_device *berth_inventory_next_in_group(const struct berth_inventory *inv,
							 int group,
							 const struct berth_device *after);

#endif
