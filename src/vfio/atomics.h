/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do a device's AtomicOps to memory arrive? That takes a root port that completes them and switches that pass them on; the
 * kernel looks at the whole path, enables it, and tells in VFIO_DEVICE_GET_INFO (VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, from
 * Linux 6.5 on).
 */
#ifndef BERTH_VFIO_ATOMICS_H
#define BERTH_VFIO_ATOMICS_H

struct berth_vfio_device;

/* Widths that are completed; PCIe Base 6.0, 6.15. */
enum berth_atomics {
	BERTH_ATOMICS_32 = 1 << 0,
	BERTH_ATOMICS_64 = 1 << 1,
	BERTH_ATOMICS_128 = 1 << 2, /* compare and swap */
};

/* Return: enum berth_atomics, or-ed; 0 for none, an older kernel, or an answer that contradicts itself. */
unsigned int berth_vfio_atomics(struct berth_vfio_device *dev);

#endif
