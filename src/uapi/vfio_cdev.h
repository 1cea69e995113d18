/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFIO's character devices (/dev/vfio/devices/vfioN, Linux 6.6), which Debian 12's headers (6.1) lack. Facts from the
 * kernel's Documentation/driver-api/vfio.rst ("VFIO device cdev") and include/uapi/linux/vfio.h.
 */
#ifndef BERTH_UAPI_VFIO_CDEV_H
#define BERTH_UAPI_VFIO_CDEV_H

#include <stdint.h>
#include <sys/ioctl.h>

#define BERTH_VFIO_DEVICE_BIND_IOMMUFD	    _IO(';', 0x76)
#define BERTH_VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(';', 0x77)

/* BIND_IOMMUFD: until then nothing else is answered on the descriptor; undone by closing it. */
struct berth_vfio_device_bind_iommufd {
	uint32_t argsz;
	uint32_t flags; /* 0 */
	int32_t iommufd;
	uint32_t out_devid; /* names the device among the objects of the iommufd */
};
_Static_assert(sizeof(struct berth_vfio_device_bind_iommufd) == 16,
	       "struct vfio_device_bind_iommufd");

/* ATTACH_IOMMUFD_PT: pt_id in is the address space, out the page table that the kernel made for it or shares. */
struct berth_vfio_device_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags; /* 0 */
	uint32_t pt_id;
};
_Static_assert(sizeof(struct berth_vfio_device_attach_iommufd_pt) == 12,
	       "struct vfio_device_attach_iommufd_pt, without pasid");

/*
 * VFIO_DEVICE_GET_PCI_HOT_RESET_INFO on such a descriptor: the first member of struct vfio_pci_dependent_device is no group
 * but a devid, or one of these two.
 */
#define BERTH_VFIO_PCI_HOT_RESET_FLAG_DEV_ID	   (UINT32_C(1) << 0)
#define BERTH_VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED (UINT32_C(1) << 1) /* all of them are ours */
#define BERTH_VFIO_PCI_DEVID_OWNED		   UINT32_C(0) /* not open, but its group is ours */
#define BERTH_VFIO_PCI_DEVID_NOT_OWNED		   UINT32_MAX

#endif
