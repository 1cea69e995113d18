/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "tests/lib/fake_vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/err.h"
#include "tests/lib/fake_irq.h"

/* As vfio-pci does: the region index in the high bits of the file offset. */
#define OFFSET_SHIFT 40
#define CONFIG	     VFIO_PCI_CONFIG_REGION_INDEX

uint32_t fake_get(const struct fake_vfio *f, unsigned int at, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)f->config[at + i] << (8 * i);
	return v;
}

void fake_put16(struct fake_vfio *f, unsigned int at, uint16_t v)
{
	f->config[at] = (uint8_t)v;
	f->config[at + 1] = (uint8_t)(v >> 8);
}

void fake_put32(struct fake_vfio *f, unsigned int at, uint32_t v)
{
	fake_put16(f, at, (uint16_t)v);
	fake_put16(f, at + 2, (uint16_t)(v >> 16));
}

struct fake_vfio *fake_vfio_new(void)
{
	struct fake_vfio *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	for (int i = 0; i < 9; i++)
		f->region[i].fd = -1;
	f->region[VFIO_PCI_VGA_REGION_INDEX].absent = true;
	f->region[CONFIG].size = sizeof(f->config);
	f->region[CONFIG].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	fake_put32(f, PCI_VENDOR_ID, 0x11e81234);
	fake_put32(f, PCI_CLASS_REVISION, 0x00ff0010);
	f->irq[VFIO_PCI_ERR_IRQ_INDEX].count = 1;
	f->irq[VFIO_PCI_REQ_IRQ_INDEX].count = 1;
	return f;
}

void fake_vfio_free(struct fake_vfio *f)
{
	for (int i = 0; i < 9; i++) {
		if (f->region[i].mem)
			munmap(f->region[i].mem,
			       f->region[i].size < 4096 ? 4096 : f->region[i].size);
		if (f->region[i].fd >= 0)
			close(f->region[i].fd);
	}
	free(f);
}

/* Is it this call's turn to fail? */
static bool fails(struct fake_vfio *f)
{
	return ++f->nr_ops == f->fail_at;
}

static int fake_get_info(void *ctx, uint32_t *flags, uint32_t *nr_regions, uint32_t *nr_irqs)
{
	struct fake_vfio *f = ctx;

	if (fails(f))
		return f->fail_with;
	*flags = f->flags;
	*nr_regions = 9;
	*nr_irqs = 5;
	return 0;
}

static int fake_device_info(void *ctx, void *buf, uint32_t size)
{
	struct fake_vfio *f = ctx;
	/* argsz, flags, num_regions, num_irqs, cap_offset, pad */
	uint32_t info[6] = { sizeof(info) + f->info_caps_len, f->flags, 9, 5 };

	if (f->info_caps_len)
		info[1] |= VFIO_DEVICE_FLAGS_CAPS;
	if (size >= info[0] && f->info_caps_len) {
		info[4] = sizeof(info);
		memcpy((uint8_t *)buf + sizeof(info), f->info_caps, f->info_caps_len);
	}
	memcpy(buf, info, size < sizeof(info) ? size : sizeof(info));
	return 0;
}

static int fake_region_info(void *ctx, uint32_t index, void *buf, uint32_t size)
{
	struct fake_vfio *f = ctx;
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (index >= 9 || f->region[index].absent)
		return -EINVAL;
	if (fails(f))
		return f->fail_with;
	info.size = f->region[index].size;
	info.offset = (uint64_t)index << OFFSET_SHIFT;
	info.flags = f->region[index].flags;
	if (info.flags & VFIO_REGION_INFO_FLAG_CAPS) {
		info.argsz += f->region[index].caps_len;
		if (size >= info.argsz) {
			info.cap_offset = sizeof(info);
			memcpy((uint8_t *)buf + sizeof(info), f->region[index].caps,
			       f->region[index].caps_len);
		}
	}
	if (f->region[index].argsz)
		info.argsz = f->region[index].argsz;
	memcpy(buf, &info, sizeof(info));
	return 0;
}

static int fake_irq_info(void *ctx, uint32_t index, uint32_t *flags, uint32_t *count)
{
	struct fake_vfio *f = ctx;

	if (index >= 5)
		return -EINVAL;
	if (f->irq_info_result)
		return f->irq_info_result;
	if (fails(f))
		return f->fail_with;
	*flags = f->irq[index].flags | VFIO_IRQ_INFO_EVENTFD;
	*count = f->irq[index].count;
	return 0;
}

static bool other_is_enabled(const struct fake_vfio *f, uint32_t index)
{
	for (uint32_t i = 0; i <= VFIO_PCI_MSIX_IRQ_INDEX; i++)
		if (i != index && index <= VFIO_PCI_MSIX_IRQ_INDEX && f->irq[i].enabled)
			return true;
	return false;
}

static int fake_trigger(struct fake_vfio *f, uint32_t index, uint32_t start, uint32_t count,
			const int32_t *fds)
{
	if (!fds && count == 0) {
		if (!f->irq[index].enabled)
			return -EINVAL;
		f->irq[index].enabled = false;
		f->irq[index].nr = 0;
		memset(f->irq[index].held, 0, sizeof(f->irq[index].held));
		f->irq[index].nr_disables++;
		return 0;
	}
	/* the kernel: one interrupt type at a time, no vector beyond the count, no growing with NORESIZE */
	if (!fds || other_is_enabled(f, index) || start + count > f->irq[index].count ||
	    start + count > FAKE_VECTORS)
		return -EINVAL;
	if (f->irq[index].fail)
		return f->irq[index].fail;
	if (f->irq[index].enabled && start + count > f->irq[index].nr &&
	    (f->irq[index].flags & VFIO_IRQ_INFO_NORESIZE))
		return -EINVAL;
	if (f->irq[index].host_has && start + count > f->irq[index].host_has)
		return f->irq[index].enabled ? -ENOSPC : (int)f->irq[index].host_has;
	if (!f->irq[index].enabled) {
		memset(f->irq[index].fd, 0xff, sizeof(f->irq[index].fd));
		f->irq[index].nr_enables++;
	}
	f->irq[index].enabled = true;
	if (start + count > f->irq[index].nr)
		f->irq[index].nr = start + count;
	memcpy(f->irq[index].fd + start, fds, count * sizeof(*fds));
	/* a handler unmasks the vector in the device, which then sends what it kept */
	for (uint32_t n = start; n < start + count; n++) {
		if (f->irq[index].fd[n] < 0 || !f->irq[index].held[n])
			continue;
		f->irq[index].held[n] = false;
		fake_irq_signal(f->irq[index].fd[n]);
	}
	return 0;
}

static int fake_set_irqs(void *ctx, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
			 const int32_t *fds)
{
	struct fake_vfio *f = ctx;

	if (index >= 5)
		return -EINVAL;
	f->irq[index].nr_calls++;
	if (fails(f))
		return f->fail_with;
	if (flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		return fake_trigger(f, index, start, count, fds);
	if (index != VFIO_PCI_INTX_IRQ_INDEX || !f->irq[index].enabled)
		return -EINVAL;
	if (fds)
		f->irq[index].unmask_fd = fds[0];
	else
		f->irq[index].masked = flags & VFIO_IRQ_SET_ACTION_MASK;
	return 0;
}

static uint8_t *bytes_at(struct fake_vfio *f, uint64_t offset, size_t len)
{
	uint64_t index = offset >> OFFSET_SHIFT, at = offset & ((UINT64_C(1) << OFFSET_SHIFT) - 1);

	if (f->gone || index >= 9 || !berth_range_fits(at, len, f->region[index].size))
		return NULL;
	if (index == CONFIG)
		return f->config + at;
	return f->region[index].mem ? f->region[index].mem + at : NULL;
}

static ssize_t fake_read(void *ctx, void *buf, size_t len, uint64_t offset)
{
	uint8_t *p = bytes_at(ctx, offset, len);

	/* what a half-done read leaves behind must not be taken for an answer */
	memset(buf, 0x5a, len);
	if (!p)
		return -EIO;
	if (fails(ctx))
		return ((struct fake_vfio *)ctx)->fail_with ?: (ssize_t)len - 1;
	memcpy(buf, p, len);
	return (ssize_t)len;
}

static ssize_t fake_write(void *ctx, const void *buf, size_t len, uint64_t offset)
{
	struct fake_vfio *f = ctx;
	uint8_t *p = bytes_at(f, offset, len);

	if (!p)
		return -EIO;
	if (fails(f))
		return f->fail_with ?: (ssize_t)len - 1;
	memcpy(p, buf, len);
	if (offset >> OFFSET_SHIFT == CONFIG && f->nr_log < FAKE_LOG) {
		unsigned int at = (unsigned int)(offset & 0xfff);

		f->log[f->nr_log++] = (struct fake_write){ at, (unsigned int)len,
							   fake_get(f, at, (unsigned int)len) };
	}
	return (ssize_t)len;
}

static int fake_mmap(void *ctx, void *addr, size_t len, int prot, uint64_t offset)
{
	struct fake_vfio *f = ctx;
	uint64_t index = offset >> OFFSET_SHIFT, at = offset & ((UINT64_C(1) << OFFSET_SHIFT) - 1);

	if (index >= 6 || f->region[index].fd < 0 ||
	    !(f->region[index].flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -EINVAL;
	if (fails(f) && f->fail_with)
		return f->fail_with;
	if (index == f->never_map_bar)
		assert_false(berth_range_overlaps(f->never_map, (struct berth_range){ at, len }));
	return mmap(addr, len, prot, MAP_SHARED | MAP_FIXED, f->region[index].fd, (off_t)at) ==
			       MAP_FAILED ?
		       -errno :
		       0;
}

static void after_reset(struct fake_vfio *f)
{
	if (f->reset_sets_master)
		fake_put16(f, PCI_COMMAND, PCI_COMMAND_MASTER);
}

static int fake_reset(void *ctx)
{
	struct fake_vfio *f = ctx;

	while (f->reset_hangs)
		pause();
	f->nr_resets++;
	after_reset(f);
	return f->reset_result;
}

static int fake_hot_reset_info(void *ctx, struct berth_vfio_dependent *list, size_t max, size_t *nr)
{
	struct fake_vfio *f = ctx;

	*nr = f->nr_dependents;
	if (f->hot_info_result)
		return f->hot_info_result;
	if (f->nr_dependents > max)
		return -ENOSPC;
	memcpy(list, f->dependents, f->nr_dependents * sizeof(*list));
	return 0;
}

static int fake_hot_reset(void *ctx, const int32_t *group_fds, size_t nr)
{
	struct fake_vfio *f = ctx;

	f->nr_hot_resets++;
	f->nr_hot_fds = nr;
	memcpy(f->hot_fds, group_fds, nr * sizeof(*group_fds));
	after_reset(f);
	return f->hot_result;
}

static void fake_close(void *ctx)
{
	((struct fake_vfio *)ctx)->nr_closed++;
}

const struct berth_vfio_ops fake_vfio_ops = {
	.get_info = fake_get_info,
	.device_info = fake_device_info,
	.region_info = fake_region_info,
	.irq_info = fake_irq_info,
	.set_irqs = fake_set_irqs,
	.read = fake_read,
	.write = fake_write,
	.mmap = fake_mmap,
	.reset = fake_reset,
	.hot_reset_info = fake_hot_reset_info,
	.hot_reset = fake_hot_reset,
	.close = fake_close,
};

struct berth_vfio_device *fake_vfio_open(struct fake_vfio *f, struct berth_bdf at)
{
	struct berth_vfio_device *dev = NULL;
	struct berth_err err = BERTH_ERR_INIT;

	if (berth_vfio_device_from_ops(&dev, &fake_vfio_ops, f, at, &err) != 0)
		fail_msg("%s", err.text);
	return dev;
}

void fake_vfio_bar(struct fake_vfio *f, unsigned int bar, uint64_t size, uint32_t bits)
{
	size_t real = size < 4096 ? 4096 : size;

	f->region[bar].size = size;
	f->region[bar].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!(bits & PCI_BASE_ADDRESS_SPACE_IO))
		f->region[bar].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	f->region[bar].fd = memfd_create("fake-bar", MFD_CLOEXEC);
	assert_true(f->region[bar].fd >= 0);
	assert_int_equal(ftruncate(f->region[bar].fd, (off_t)real), 0);
	f->region[bar].mem =
		mmap(NULL, real, PROT_READ | PROT_WRITE, MAP_SHARED, f->region[bar].fd, 0);
	assert_true(f->region[bar].mem != MAP_FAILED);
	fake_put32(f, PCI_BASE_ADDRESS_0 + 4 * bar, bits);
}

void fake_vfio_sparse(struct fake_vfio *f, unsigned int region, const struct berth_range *areas,
		      uint32_t nr)
{
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
		.nr_areas = nr,
	};
	uint8_t *p = f->region[region].caps;

	assert_true(sizeof(cap) + nr * sizeof(struct vfio_region_sparse_mmap_area) <=
		    sizeof(f->region[region].caps));
	memcpy(p, &cap, sizeof(cap));
	for (uint32_t i = 0; i < nr; i++) {
		struct vfio_region_sparse_mmap_area a = { areas[i].start, areas[i].size };

		memcpy(p + sizeof(cap) + i * sizeof(a), &a, sizeof(a));
	}
	f->region[region].caps_len =
		(uint32_t)(sizeof(cap) + nr * sizeof(struct vfio_region_sparse_mmap_area));
	f->region[region].flags |= VFIO_REGION_INFO_FLAG_CAPS;
}

void fake_vfio_cap(struct fake_vfio *f, unsigned int at, uint8_t id)
{
	unsigned int link = PCI_CAPABILITY_LIST;

	fake_put16(f, PCI_STATUS, (uint16_t)(fake_get(f, PCI_STATUS, 2) | PCI_STATUS_CAP_LIST));
	while (f->config[link])
		link = f->config[link] + 1u;
	f->config[link] = (uint8_t)at;
	f->config[at] = id;
	f->config[at + 1] = 0;
}

void fake_vfio_ext_cap(struct fake_vfio *f, unsigned int at, uint16_t id)
{
	unsigned int link = 0x100;

	if (at != 0x100) {
		while (fake_get(f, link, 4) >> 20)
			link = fake_get(f, link, 4) >> 20;
		fake_put32(f, link, (fake_get(f, link, 4) & 0xfffff) | at << 20);
	}
	fake_put32(f, at, id | 1u << 16);
}

void fake_vfio_msix(struct fake_vfio *f, unsigned int at, unsigned int vectors, uint32_t table,
		    uint32_t pba, bool noresize)
{
	fake_vfio_cap(f, at, PCI_CAP_ID_MSIX);
	fake_put16(f, at + PCI_MSIX_FLAGS, (uint16_t)(vectors - 1));
	fake_put32(f, at + PCI_MSIX_TABLE, table);
	fake_put32(f, at + PCI_MSIX_PBA, pba);
	f->irq[VFIO_PCI_MSIX_IRQ_INDEX].count = vectors;
	f->irq[VFIO_PCI_MSIX_IRQ_INDEX].flags = noresize ? VFIO_IRQ_INFO_NORESIZE : 0;
}

void fake_vfio_msi(struct fake_vfio *f, unsigned int at, unsigned int log2, bool is64,
		   bool maskable)
{
	fake_vfio_cap(f, at, PCI_CAP_ID_MSI);
	fake_put16(f, at + PCI_MSI_FLAGS,
		   (uint16_t)(log2 << 1 | (is64 ? PCI_MSI_FLAGS_64BIT : 0) |
			      (maskable ? 0x100 : 0)));
	f->irq[VFIO_PCI_MSI_IRQ_INDEX].count = 1u << log2;
	f->irq[VFIO_PCI_MSI_IRQ_INDEX].flags = VFIO_IRQ_INFO_NORESIZE;
}
