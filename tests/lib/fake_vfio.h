/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device in memory behind the VFIO interface: config image, regions, interrupts, resets. It starts as a well-behaved
 * endpoint without capabilities; a test makes of it what it needs, lies included, before fake_vfio_open().
 */
#ifndef BERTH_TESTS_FAKE_VFIO_H
#define BERTH_TESTS_FAKE_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "base/range.h"
#include "vfio/device.h"

#define FAKE_VECTORS 2048
#define FAKE_LOG     64

struct fake_write {
	unsigned int offset, len;
	uint32_t value;
};

struct fake_vfio {
	uint32_t flags; /* VFIO_DEVICE_FLAGS_… */
	uint8_t config[4096];
	uint8_t info_caps[64]; /* behind the 24 bytes of struct vfio_device_info */
	uint32_t info_caps_len;
	struct {
		bool absent; /* GET_REGION_INFO answers -EINVAL */
		uint64_t size;
		uint32_t flags;	   /* VFIO_REGION_INFO_FLAG_… */
		uint8_t *mem;	   /* owned; made by fake_vfio_bar() */
		int fd;		   /* owned memfd with the same bytes, for mmap; -1 */
		uint8_t caps[512]; /* put behind struct vfio_region_info when flags say CAPS */
		uint32_t caps_len;
		uint32_t argsz; /* when not 0: claimed instead of the true one */
	} region[9];
	struct {
		uint32_t count, flags;
		bool enabled;
		uint32_t nr; /* vectors enabled */
		int32_t fd[FAKE_VECTORS];
		/* raised while nobody listened: the device's own pending bit */
		bool held[FAKE_VECTORS];
		bool masked;
		int32_t unmask_fd;
		unsigned int nr_enables, nr_disables, nr_calls;
		uint32_t host_has; /* when not 0: vectors that can be had */
		int fail;	   /* when not 0: what SET_IRQS with fds answers */
	} irq[5];
	/* The page of the vector table, which no guest may have: mapping it is a failure. */
	unsigned int never_map_bar;
	struct berth_range never_map;
	/* Call number @fail_at (1 and up, of all kinds) answers @fail_with; a read with 0 comes up short. 0: none. */
	unsigned int nr_ops, fail_at;
	int fail_with;
	int irq_info_result;		 /* when not 0: what GET_IRQ_INFO answers */
	bool gone;			 /* surprise removal: no access works */
	struct fake_write log[FAKE_LOG]; /* of writes to config space */
	unsigned int nr_log;

	unsigned int nr_resets, nr_hot_resets, nr_closed;
	int reset_result, hot_info_result, hot_result;
	bool reset_hangs;	/* it does not return */
	bool reset_sets_master; /* a reset that leaves bus mastering on */
	struct berth_vfio_dependent dependents[8];
	size_t nr_dependents;
	int32_t hot_fds[8];
	size_t nr_hot_fds;
};

struct fake_vfio *fake_vfio_new(void);
void fake_vfio_free(struct fake_vfio *f);
extern const struct berth_vfio_ops fake_vfio_ops;

/* A device over @f; asserts that it opens. Close before fake_vfio_free(). */
struct berth_vfio_device *fake_vfio_open(struct fake_vfio *f, struct berth_bdf at);

void fake_put16(struct fake_vfio *f, unsigned int at, uint16_t v);
void fake_put32(struct fake_vfio *f, unsigned int at, uint32_t v);
uint32_t fake_get(const struct fake_vfio *f, unsigned int at, unsigned int len);

/* A BAR with memory behind it and its flag bits (PCI_BASE_ADDRESS_…) in the register. */
void fake_vfio_bar(struct fake_vfio *f, unsigned int bar, uint64_t size, uint32_t bits);
/* Let a region say where it may be mapped. */
void fake_vfio_sparse(struct fake_vfio *f, unsigned int region, const struct berth_range *areas,
		      uint32_t nr);
/* Append a standard capability of @len bytes at @at; bytes after the two of the header stay 0. */
void fake_vfio_cap(struct fake_vfio *f, unsigned int at, uint8_t id);
/* Append an extended one; the first must be at 0x100. */
void fake_vfio_ext_cap(struct fake_vfio *f, unsigned int at, uint16_t id);
/* MSI-X with its interrupt index; table and PBA: BAR number in the low three bits. */
void fake_vfio_msix(struct fake_vfio *f, unsigned int at, unsigned int vectors, uint32_t table,
		    uint32_t pba, bool noresize);
void fake_vfio_msi(struct fake_vfio *f, unsigned int at, unsigned int log2, bool is64,
		   bool maskable);

#endif
