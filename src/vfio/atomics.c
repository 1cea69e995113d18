/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/atomics.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/range.h"
#include "vfio/device.h"

#define CAP_ATOMICS 5u /* VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, which Debian 12's headers lack */
#define INFO_MAX    65536u /* bytes; more makes no sense */

/* A capability of that kind: header, flags, reserved. */
struct cap_atomics {
	struct vfio_info_cap_header header;
	uint32_t flags, reserved;
};
_Static_assert(sizeof(struct cap_atomics) == 16, "struct vfio_device_info_cap_pci_atomic_comp");

/* Where the chain of capabilities begins is the fifth word of the answer (linux/vfio.h, struct vfio_device_info). */
struct info_head {
	uint32_t argsz, flags, num_regions, num_irqs, cap_offset;
};

static unsigned int find(const uint8_t *buf, uint32_t len)
{
	struct info_head head;
	uint32_t at;

	memcpy(&head, buf, sizeof(head));
	at = head.flags & VFIO_DEVICE_FLAGS_CAPS ? head.cap_offset : 0;
	while (at >= sizeof(head)) {
		struct cap_atomics cap;

		if (!berth_range_fits(at, sizeof(cap.header), len))
			return 0;
		memcpy(&cap.header, buf + at, sizeof(cap.header));
		if (cap.header.id == CAP_ATOMICS && berth_range_fits(at, sizeof(cap), len)) {
			memcpy(&cap, buf + at, sizeof(cap));
			return cap.flags &
			       (BERTH_ATOMICS_32 | BERTH_ATOMICS_64 | BERTH_ATOMICS_128);
		}
		if (cap.header.next <= at) /* the end, or a loop */
			return 0;
		at = cap.header.next;
	}
	return 0;
}

unsigned int berth_vfio_atomics(struct berth_vfio_device *dev)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	uint32_t size = sizeof(struct info_head);

	/* Once to learn how much there is, once to get it. */
	for (int round = 0; ops->device_info && round < 2; round++) {
		BERTH_CLEANUP(berth_freep) uint8_t *buf = calloc(1, size);
		uint32_t argsz;

		if (!buf || ops->device_info(ctx, buf, size) < 0)
			return 0;
		memcpy(&argsz, buf, sizeof(argsz));
		if (argsz <= size)
			return find(buf, size);
		if (argsz > INFO_MAX)
			return 0;
		size = argsz;
	}
	return 0;
}
