/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/dma.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "base/err.h"
#include "iommu/ioas.h"
#include "vmm/dma_ram.h"
#include "vmm/vm.h"

/* Groups or devices of one VM; berth_launch has room for fewer. */
#define MAX_FILES 64

struct berth_dma {
	struct berth_vm *vm;   /* borrowed */
	struct berth_ioas *io; /* borrowed */
	int kvm_vfio_fd;       /* owned, -1 when unset */
	struct berth_dma_ram ram;
};

static int tell_kvm(struct berth_dma *dma, struct berth_err *err)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int files[MAX_FILES];
	size_t nr = berth_ioas_kvm_files(dma->io, files, MAX_FILES);

	if (nr > MAX_FILES)
		return berth_err_set(err, -E2BIG, "%zu VFIO files to be made known to KVM", nr);
	if (ioctl(berth_vm_kvm_vm_fd(dma->vm), KVM_CREATE_DEVICE, &create) < 0)
		return berth_err_set(err, -errno, "KVM_CREATE_DEVICE for VFIO: %s",
				     strerror(errno));
	dma->kvm_vfio_fd = (int)create.fd;
	for (size_t i = 0; i < nr; i++) {
		int32_t fd = files[i];
		/* also KVM_DEV_VFIO_FILE_ADD, Linux 6.6: the old name of one thing */
		struct kvm_device_attr attr = {
			.group = KVM_DEV_VFIO_GROUP,
			.attr = KVM_DEV_VFIO_GROUP_ADD,
			.addr = (uintptr_t)&fd,
		};

		if (ioctl(dma->kvm_vfio_fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
			return berth_err_set(
				err, -errno, "make a VFIO %s known to KVM: %s",
				berth_ioas_kind(dma->io) == BERTH_IOAS_TYPE1 ? "group" : "device",
				strerror(errno));
	}
	return 0;
}

int berth_dma_new(struct berth_dma **ret, struct berth_vm *vm, struct berth_ioas *io,
		  struct berth_prefault *prefault, struct berth_err *err)
{
	struct berth_dma *dma = calloc(1, sizeof(*dma));
	int r;

	if (!dma)
		return berth_err_set(err, -ENOMEM, "DMA of the guest: out of memory");
	dma->vm = vm;
	dma->io = io;
	dma->kvm_vfio_fd = -1;
	r = tell_kvm(dma, err);
	if (r == 0)
		r = berth_dma_ram_map(&dma->ram, io, berth_vm_mem(vm), prefault, berth_vm_ram_ready,
				      vm, err);
	if (r < 0) {
		berth_dma_free(dma);
		return r;
	}
	*ret = dma;
	return 0;
}

void berth_dma_free(struct berth_dma *dma)
{
	if (!dma)
		return;
	berth_dma_ram_unmap(&dma->ram);
	if (dma->kvm_vfio_fd >= 0)
		close(dma->kvm_vfio_fd);
	free(dma);
}
