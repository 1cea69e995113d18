/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside of berth_ioas, for its backends (ioas_type1.c, ioas_iommufd.c) and its tests only.
 */
#ifndef BERTH_IOMMU_IOAS_OPS_H
#define BERTH_IOMMU_IOAS_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/range.h"
#include "iommu/ioas.h"

struct berth_err;
struct berth_host;

/* What a kernel interface does. Each returns 0 or -errno, with the sentence in @err where it takes one. */
struct berth_ioas_ops {
	const char *name;
	/* set io->fd */
	int (*open)(struct berth_ioas *io, struct berth_err *err);
	/* make sure the group of @at is attached, then open @at */
	int (*open_device)(struct berth_ioas *io, struct berth_bdf at, int *ret_fd,
			   struct berth_err *err);
	/* set io->pagesize and io->ranges from the kernel */
	int (*refresh)(struct berth_ioas *io, struct berth_err *err);
	int (*map)(struct berth_ioas *io, struct berth_range at, void *vaddr, unsigned int prot);
	/* *ret_size: bytes that the kernel took back */
	int (*unmap)(struct berth_ioas *io, struct berth_range at, uint64_t *ret_size);
};

struct berth_ioas {
	const struct berth_ioas_ops *ops;
	enum berth_ioas_kind kind;
	const struct berth_host *host;	 /* borrowed; NULL in berth-vmm, which opens nothing */
	int fd;				 /* owned, -1 when unset */
	struct berth_ioas_group *groups; /* type1: owned, with their fds */
	size_t nr_groups;
	uint32_t id;  /* iommufd: of the address space in @fd; 0: none yet */
	int *devices; /* iommufd: owned vector of borrowed descriptors, that KVM is to be told of */
	size_t nr_devices;
	uint64_t pagesize;
	struct berth_range *ranges; /* owned; ascending, disjoint */
	size_t nr_ranges;
	struct berth_range maps[BERTH_IOAS_MAX_MAPS]; /* as asked for, unordered */
	size_t nr_maps;
};

extern const struct berth_ioas_ops berth_ioas_type1;
extern const struct berth_ioas_ops berth_ioas_iommufd;

/* Why either kernel interface says EPERM when a device's MSIs cannot be confined. */
#define BERTH_IOAS_NO_INTREMAP                                                                     \
	"the IOMMU has no interrupt remapping, a guest could forge interrupts; switch it on in "   \
	"firmware (VT-d or AMD-Vi with x2APIC) or on the kernel command line (no intremap=off)"

/* The group of a function. Return: 0; -ENOENT no such function or no group, with the remedy; -EPROTO. */
int berth_ioas_group_of(const struct berth_host *host, const char *bdf, unsigned int *ret,
			struct berth_err *err);

/* A group in which a function has a host driver that does DMA. Return: -EPERM, and who stands in the way. */
int berth_ioas_not_viable(const struct berth_host *host, unsigned int group, struct berth_err *err);
/* Is there one, without the words. */
bool berth_ioas_is_viable(const struct berth_host *host, unsigned int group);

/* Remember the descriptor of a device, which stays the caller's. Return: 0; -ENOMEM. */
int berth_ioas_add_device(struct berth_ioas *io, int fd);

/* Remember a group and take its descriptor. Return: 0; -ENOMEM, then @fd is still the caller's. */
int berth_ioas_add_group(struct berth_ioas *io, unsigned int id, int fd);

/* Replace the ranges; @ranges is taken. */
void berth_ioas_set_ranges(struct berth_ioas *io, struct berth_range *ranges, size_t nr);

/* An empty one over any backend, fd -1. */
struct berth_ioas *berth_ioas_alloc(const struct berth_ioas_ops *ops, enum berth_ioas_kind kind);

#endif
