/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iommufd, the part that Berth calls: Debian 12's headers (6.1) have no linux/iommufd.h. Facts from the kernel's
 * Documentation/userspace-api/iommufd.rst and include/uapi/linux/iommufd.h. Whether a kernel has a call is asked at run
 * time (no /dev/iommu, ENOTTY), never by #ifdef.
 *
 * Every request carries the size of its structure; a kernel that knows a longer one takes the shorter, the rest as zero.
 */
#ifndef BERTH_UAPI_IOMMUFD_H
#define BERTH_UAPI_IOMMUFD_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Numbers of the calls, in VFIO's range of ioctl letters (';', from 0x80 on) but disjoint from VFIO's own. */
#define BERTH_IOMMU_IOAS_ALLOC	     _IO(';', 0x81)
#define BERTH_IOMMU_IOAS_IOVA_RANGES _IO(';', 0x84)
#define BERTH_IOMMU_IOAS_MAP	     _IO(';', 0x85)
#define BERTH_IOMMU_IOAS_UNMAP	     _IO(';', 0x86)
#define BERTH_IOMMU_OPTION	     _IO(';', 0x87)

/* IOAS_ALLOC: a new, empty address space; its id is an output. */
struct berth_iommu_ioas_alloc {
	uint32_t size;
	uint32_t flags; /* 0 */
	uint32_t out_ioas_id;
};
_Static_assert(sizeof(struct berth_iommu_ioas_alloc) == 12, "struct iommu_ioas_alloc");

/* First and last address, both included. */
struct berth_iommu_iova_range {
	uint64_t start;
	uint64_t last;
};
_Static_assert(sizeof(struct berth_iommu_iova_range) == 16, "struct iommu_iova_range");

/* IOAS_IOVA_RANGES: num_iovas in is the room at allowed_iovas, out the number there is; EMSGSIZE when that is more. */
struct berth_iommu_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* address of struct berth_iommu_iova_range[] */
	/* bytes; what iova, length and address of a mapping must be multiples of */
	uint64_t out_iova_alignment;
};
_Static_assert(sizeof(struct berth_iommu_ioas_iova_ranges) == 32, "struct iommu_ioas_iova_ranges");

#define BERTH_IOMMU_MAP_FIXED_IOVA UINT32_C(1) /* at @iova; without it the kernel chooses */
#define BERTH_IOMMU_MAP_WRITEABLE  UINT32_C(2)
#define BERTH_IOMMU_MAP_READABLE   UINT32_C(4)

/* IOAS_MAP: of the calling process's memory. */
struct berth_iommu_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};
_Static_assert(sizeof(struct berth_iommu_ioas_map) == 40, "struct iommu_ioas_map");

/* IOAS_UNMAP: whole mappings only; length out is what was unmapped. */
struct berth_iommu_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};
_Static_assert(sizeof(struct berth_iommu_ioas_unmap) == 24, "struct iommu_ioas_unmap");

/*
 * OPTION. RLIMIT_MODE, of the whole descriptor, before anything is made in it: 0 counts pinned pages for the user, all its
 * processes together; 1 for the process, as type1 does. Setting it takes CAP_SYS_RESOURCE.
 */
#define BERTH_IOMMU_OPTION_RLIMIT_MODE UINT32_C(0)
#define BERTH_IOMMU_OPTION_OP_SET      UINT16_C(0)

struct berth_iommu_option {
	uint32_t size;
	uint32_t option_id;
	uint16_t op;
	uint16_t reserved;
	uint32_t object_id;
	uint64_t val64;
};
_Static_assert(sizeof(struct berth_iommu_option) == 24, "struct iommu_option");

#endif
