/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The config space that a guest sees of a passed-through function.
 *
 * Bit by bit one of three answers: the device (through VFIO, which has a say of its own), a shadow that the guest may
 * write, or a constant. Which one is said by the tables in config.c. What the guest writes reaches the device only where
 * the table says so, never wider than the guest's own access.
 *
 * BAR registers are a shadow with the size's address bits writable, so that sizing works by itself; MSI and MSI-X
 * capabilities are shadow as a whole; the owner acts on what changed (enum berth_vfio_config_touched).
 *
 * When the guest resets the function (FLR, which VFIO does), the shadow goes back to its beginning and bus mastering off.
 *
 * Not thread-safe: one access at a time.
 */
#ifndef BERTH_VFIO_CONFIG_H
#define BERTH_VFIO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct berth_err;
struct berth_vfio_config; /* opaque */
struct berth_vfio_device;

/* The number of the ROM's BAR, behind 0 … 5. */
#define BERTH_VFIO_CONFIG_ROM 6

/* What a write fell on; the owner then looks at the shadow. */
enum berth_vfio_config_touched {
	BERTH_VFIO_CONFIG_COMMAND = 1 << 0,
	BERTH_VFIO_CONFIG_BAR = 1 << 1,
	BERTH_VFIO_CONFIG_MSI = 1 << 2,
	BERTH_VFIO_CONFIG_MSIX = 1 << 3,
	BERTH_VFIO_CONFIG_POWER = 1 << 4,
	BERTH_VFIO_CONFIG_RESET =
		1 << 5, /* the guest reset the function (FLR): all of the shadow changed */
};

/* Where the capabilities are that the owner emulates; offset 0 when the guest has none. */
struct berth_vfio_config_caps {
	uint8_t pm;
	uint8_t msi;
	bool msi_64bit;
	unsigned int msi_vectors; /* what Multiple Message Capable allows: 1 … 32 */
	uint8_t msi_mask;	  /* mask bits, pending bits 4 further; 0: no per-vector masking */
	uint8_t msix;
	unsigned int msix_vectors; /* 1 … 2048 */
	unsigned int msix_table_bar, msix_pba_bar;
	uint32_t msix_table_offset, msix_pba_offset; /* in those BARs */
	/* Bytes of the device's own table; not 0 also when the guest has no MSI-X: it must not have the table either. */
	uint32_t msix_table_size;
};

/* A BAR as its registers describe it. */
struct berth_vfio_config_bar {
	uint64_t size; /* 0: none, or the upper half of a 64-bit one */
	bool is64, prefetch, io;
};

/**
 * berth_vfio_config_new() - read what the device shows and build the guest's view
 * @dev: borrowed, outlives the result
 * @multifunction: what header type bit 7 says
 *
 * Memory and I/O decoding start off, as after a reset. Capability chains that loop or leave config space are cut there.
 *
 * Return: 0; -ENODEV the device does not answer (all-ones, or the first read fails); -EPROTO not an endpoint (header type), or a BAR whose region
 *         is no power of two; -ENOMEM.
 */
int berth_vfio_config_new(struct berth_vfio_config **ret, struct berth_vfio_device *dev,
			  bool multifunction, struct berth_err *err);
void berth_vfio_config_free(struct berth_vfio_config *cfg);
BERTH_DEFINE_CLEANUP(struct berth_vfio_config *, berth_vfio_config_free);

/* @offset + @len <= 4096, @len 1, 2 or 4, aligned. Beyond what the device has: all-ones. */
uint32_t berth_vfio_config_read(struct berth_vfio_config *cfg, unsigned int offset,
				unsigned int len);
/* Return: enum berth_vfio_config_touched, or-ed. */
unsigned int berth_vfio_config_write(struct berth_vfio_config *cfg, unsigned int offset,
				     unsigned int len, uint32_t value);

/* The shadow alone, without asking the device; only bits that the shadow answers mean something. */
uint32_t berth_vfio_config_shadow(const struct berth_vfio_config *cfg, unsigned int offset,
				  unsigned int len);
/* Which bits of a byte the device answers, the guest may change in the shadow, go through to the device. For tests. */
void berth_vfio_config_masks(const struct berth_vfio_config *cfg, unsigned int offset,
			     uint8_t *ret_device, uint8_t *ret_shadow, uint8_t *ret_through);

const struct berth_vfio_config_caps *berth_vfio_config_caps(const struct berth_vfio_config *cfg);
const struct berth_vfio_config_bar *berth_vfio_config_bar(const struct berth_vfio_config *cfg,
							  unsigned int bar);
/* What the MSI capability's pending bits read; only with msi_mask. */
void berth_vfio_config_set_pending(struct berth_vfio_config *cfg, uint32_t bits);
/**
 * berth_vfio_config_move_msix() - put the guest's MSI-X table and pending bits where nothing of the device is
 *
 * Into a BAR of their own when the device leaves a register free; else into the upper half of their BAR, of which the guest
 * sees twice the size. Before the guest has seen any of it. Nothing to do without MSI-X.
 *
 * Return: false: neither is possible, they stay where they are.
 */
bool berth_vfio_config_move_msix(struct berth_vfio_config *cfg);
/**
 * berth_vfio_config_add_clique() - a capability that names the NVIDIA P2P clique of this GPU
 * @clique: 0 … 15
 * @force: also for another vendor's device
 *
 * Return: 0; -EINVAL not NVIDIA's; -EEXIST there is no place for it.
 */
int berth_vfio_config_add_clique(struct berth_vfio_config *cfg, unsigned int clique, bool force,
				 struct berth_err *err);
/* The guest gets no ROM. Before it has seen any. */
void berth_vfio_config_no_rom(struct berth_vfio_config *cfg);
/* There is no INTx after all: the Interrupt Pin register reads 0 from now on. */
void berth_vfio_config_no_intx(struct berth_vfio_config *cfg);

/* Do MEM and IO of the COMMAND register, and the power state D0, let the guest reach its BARs? */
bool berth_vfio_config_mem_on(const struct berth_vfio_config *cfg);
bool berth_vfio_config_io_on(const struct berth_vfio_config *cfg);

#endif
