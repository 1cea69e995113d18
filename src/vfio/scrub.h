/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices whose reset leaves something behind that the next tenant could read: what it is, and how it is overwritten.
 *
 * A table of known ones, by class or ids. A device that is not in it is believed to be cleared by its reset.
 *
 *   NVMe       the admin queue registers (AQA, ASQ, ACQ) keep the addresses of a guest's memory; NVM Express Base 2.0, 3.7.2
 *              leaves them alone in a controller reset, and some controllers do so in a function level reset too
 *   QEMU edu   registers and the 4 KiB buffer of its DMA engine; no reset of any kind touches them
 */
#ifndef BERTH_VFIO_SCRUB_H
#define BERTH_VFIO_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

struct berth_err;
struct berth_ioas;
struct berth_vfio_device;

/* Is it in the table? @class: 24 bits */
bool berth_scrub_needed(uint16_t vendor, uint16_t device, uint32_t class);

/**
 * berth_scrub() - overwrite it, and read back that it is gone
 * @io: where the device is attached; a page of ours is mapped there for a moment
 * @dev: just reset; decoding and bus mastering are off afterwards
 *
 * Return: 0 gone; BERTH_ABSENT not in the table, nothing done; BERTH_REFUSED it could not be done, @err says why.
 */
int berth_scrub(struct berth_ioas *io, struct berth_vfio_device *dev, struct berth_err *err);

#endif
