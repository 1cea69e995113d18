/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IOMMU groups as the kernel made them: the smallest set of functions that can be owned apart from all others.
 * Source: Linux Documentation/ABI/testing/sysfs-kernel-iommu_groups.
 */
#ifndef BERTH_IOMMU_GROUP_H
#define BERTH_IOMMU_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/cleanup.h"

struct berth_err;
struct berth_host;

/*
 * A piece of I/O address space that the platform keeps for itself. Types as sysfs names them: "direct" (RMRR: firmware
 * keeps doing DMA there, the group must not be assigned), "direct-relaxable", "reserved", "msi".
 */
struct berth_group_resv {
	uint64_t start, last; /* last is inclusive */
	char type[24];
};

struct berth_group {
	int id;
	/* default domain: "DMA", "DMA-FQ", "identity", …; "" where the kernel does not say */
	char type[24];
	bool noiommu;		   /* made by vfio's no-IOMMU mode: protects nothing */
	struct berth_bdf *members; /* owned; PCI members, sorted */
	size_t nr_members;
	size_t nr_foreign;	       /* members that are not PCI functions (platform devices) */
	struct berth_group_resv *resv; /* owned */
	size_t nr_resv;
};

/* The group of a function. Return: group number; -ENOENT it has none or does not exist; -errno. */
int berth_group_of(const struct berth_host *host, struct berth_bdf at);

/**
 * berth_group_read() - one group from /sys/kernel/iommu_groups
 * @ret: owned by the caller, berth_group_free()
 *
 * Return: 0; -ENOENT there is no such group; -ENOMEM; -errno.
 */
int berth_group_read(struct berth_group **ret, const struct berth_host *host, int id,
		     struct berth_err *err);
void berth_group_free(struct berth_group *group);
BERTH_DEFINE_CLEANUP(struct berth_group *, berth_group_free);

bool berth_group_holds(const struct berth_group *group, struct berth_bdf at);

/* First reserved region of @type, or NULL. "direct" is what forbids assignment (V14). */
const struct berth_group_resv *berth_group_resv_of_type(const struct berth_group *group,
							const char *type);

/**
 * berth_group_list() - numbers of all groups, ascending
 * @ret: owned by the caller (free)
 *
 * Return: 0, with *ret_nr 0 on a host without an IOMMU; -ENOMEM; -errno.
 */
int berth_group_list(const struct berth_host *host, int **ret, size_t *ret_nr);

/* One line of reserved_regions, "0x… 0x… type"; up to a newline or the end. Pure. Return: false when malformed. */
bool berth_group_parse_resv(const char *line, struct berth_group_resv *ret);

#endif
