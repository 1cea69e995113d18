/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/scrub.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/ioas.h"
#include "vfio/device.h"
#include "vfio/region.h"

static uint32_t bar_read(struct berth_vfio_device *dev, uint64_t offset)
{
	const struct berth_vfio_region *bar = berth_vfio_device_region(dev, BERTH_VFIO_REGION_BAR0);
	uint32_t value = UINT32_MAX;

	if (bar)
		berth_vfio_region_read(dev, bar, offset, &value, sizeof(value));
	return value;
}

static void bar_write(struct berth_vfio_device *dev, uint64_t offset, uint32_t value)
{
	const struct berth_vfio_region *bar = berth_vfio_device_region(dev, BERTH_VFIO_REGION_BAR0);

	if (bar) /* seen when it is read back */
		berth_vfio_region_write(dev, bar, offset, &value, sizeof(value));
}

static int refuse(struct berth_vfio_device *dev, const char *why, struct berth_err *err)
{
	return berth_err_set(err, BERTH_REFUSED, "%s: %s", berth_vfio_device_name(dev), why);
}

/* --- NVMe: registers of NVM Express Base 2.0, 3.1.3 --- */

enum { NVME_CC = 0x14, NVME_CSTS = 0x1c, NVME_AQA = 0x24, NVME_ASQ = 0x28, NVME_ACQ = 0x30 };

static int scrub_nvme(struct berth_ioas *io, struct berth_vfio_device *dev, struct berth_err *err)
{
	static const uint8_t regs[] = { NVME_AQA, NVME_ASQ, NVME_ASQ + 4, NVME_ACQ, NVME_ACQ + 4 };

	(void)io;
	if ((bar_read(dev, NVME_CC) & 1) || (bar_read(dev, NVME_CSTS) & 1))
		return refuse(dev, "the NVMe controller is still enabled after its reset", err);
	for (size_t i = 0; i < sizeof(regs); i++)
		bar_write(dev, regs[i], 0);
	for (size_t i = 0; i < sizeof(regs); i++) {
		if (bar_read(dev, regs[i]))
			return refuse(dev, "the NVMe admin queue registers keep what a guest wrote",
				      err);
	}
	return 0;
}

/* --- QEMU's edu: docs/specs/edu.rst of QEMU --- */

enum {
	EDU_INVERT = 0x04,
	EDU_FACTORIAL = 0x08,
	EDU_STATUS = 0x20,
	EDU_IRQ_ACK = 0x64,
	EDU_DMA_SRC = 0x80,
	EDU_DMA_DST = 0x88,
	EDU_DMA_COUNT = 0x90,
	EDU_DMA_CMD = 0x98,
	EDU_BUFFER = 0x40000,
	EDU_BUFFER_SIZE = 4096,
};
#define EDU_DMA_RUN	1u
#define EDU_DMA_TO_RAM	2u
#define EDU_DEADLINE_MS 10000

/* A write of four bytes sets all eight of an address register. */
static int edu_dma(struct berth_vfio_device *dev, uint32_t src, uint32_t dst, uint32_t cmd)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };

	bar_write(dev, EDU_DMA_SRC, src);
	bar_write(dev, EDU_DMA_DST, dst);
	bar_write(dev, EDU_DMA_COUNT, EDU_BUFFER_SIZE);
	bar_write(dev, EDU_DMA_CMD, EDU_DMA_RUN | cmd);
	for (int ms = 0; ms < EDU_DEADLINE_MS; ms += 5) {
		if (!(bar_read(dev, EDU_DMA_CMD) & EDU_DMA_RUN))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

/* Zeros into the buffer, then the buffer back into a page that holds something else. */
static bool edu_clear(struct berth_vfio_device *dev, uint8_t *page, uint32_t iova)
{
	memset(page, 0, EDU_BUFFER_SIZE);
	if (edu_dma(dev, iova, EDU_BUFFER, 0) < 0)
		return false;
	memset(page, 0xa5, EDU_BUFFER_SIZE);
	if (edu_dma(dev, EDU_BUFFER, iova, EDU_DMA_TO_RAM) < 0)
		return false;
	return page[0] == 0 && memcmp(page, page + 1, EDU_BUFFER_SIZE - 1) == 0;
}

static bool edu_registers(struct berth_vfio_device *dev)
{
	static const uint8_t regs[] = { EDU_DMA_SRC, EDU_DMA_DST, EDU_DMA_COUNT };
	bool clear = true;

	bar_write(dev, EDU_STATUS, 0); /* no interrupt after a factorial */
	bar_write(dev, EDU_FACTORIAL, 0);
	bar_write(dev, EDU_IRQ_ACK, UINT32_MAX);
	bar_write(dev, EDU_INVERT, UINT32_MAX); /* answers what was written, inverted */
	for (size_t i = 0; i < sizeof(regs); i++) {
		bar_write(dev, regs[i], 0);
		clear &= bar_read(dev, regs[i]) == 0;
	}
	return clear && bar_read(dev, EDU_INVERT) == 0;
}

/* A page that no guest RAM is in the way of: in the 32-bit window for BARs, else low down for a device of 28 bits. */
static int map_page(struct berth_ioas *io, void *page, struct berth_range *ret,
		    struct berth_err *err)
{
	static const uint64_t candidates[] = { 0xd0000000, 0x0f000000 };
	int r = -ERANGE;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(candidates) && r < 0; i++) {
		*ret = (struct berth_range){ candidates[i], EDU_BUFFER_SIZE };
		r = berth_ioas_map(io, *ret, page, BERTH_IOAS_READ | BERTH_IOAS_WRITE, err);
	}
	return r;
}

static int scrub_edu(struct berth_ioas *io, struct berth_vfio_device *dev, struct berth_err *err)
{
	struct berth_range at;
	bool clear;
	void *page;
	int r;

	page = mmap(NULL, EDU_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (page == MAP_FAILED)
		return refuse(dev, "no memory to overwrite its buffer with", err);
	r = map_page(io, page, &at, err);
	if (r == 0) {
		berth_vfio_device_config_write(dev, PCI_COMMAND,
					       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
		clear = edu_clear(dev, page, (uint32_t)at.start);
		berth_vfio_device_config_write(dev, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
		clear &= edu_registers(dev);
		r = berth_ioas_unmap(io, at, err);
		if (r == 0 && !clear)
			r = refuse(dev, "its buffer keeps what a guest wrote", err);
	}
	munmap(page, EDU_BUFFER_SIZE);
	return r < 0 ? BERTH_REFUSED : r;
}

/* --- the table --- */

static const struct {
	uint16_t vendor, device; /* 0: any */
	uint32_t class;		 /* 24 bits; 0: any */
	int (*run)(struct berth_ioas *io, struct berth_vfio_device *dev, struct berth_err *err);
} table[] = {
	{ 0x1234, 0x11e8, 0, scrub_edu },
	{ 0, 0, 0x010802,
	  scrub_nvme }, /* PCI Code and ID Assignment 1.11: NVM Express I/O controller */
};

static ptrdiff_t find(uint16_t vendor, uint16_t device, uint32_t class)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(table); i++) {
		if ((!table[i].vendor ||
		     (table[i].vendor == vendor && table[i].device == device)) &&
		    (!table[i].class || table[i].class == class))
			return (ptrdiff_t)i;
	}
	return -1;
}

bool berth_scrub_needed(uint16_t vendor, uint16_t device, uint32_t class)
{
	return find(vendor, device, class) >= 0;
}

int berth_scrub(struct berth_ioas *io, struct berth_vfio_device *dev, struct berth_err *err)
{
	uint32_t ids = berth_vfio_device_config_read(dev, PCI_VENDOR_ID, 4);
	uint32_t class = berth_vfio_device_config_read(dev, PCI_CLASS_REVISION, 4) >> 8;
	ptrdiff_t i = find((uint16_t)ids, (uint16_t)(ids >> 16), class);
	int r;

	if (i < 0)
		return BERTH_ABSENT;
	berth_vfio_device_config_write(dev, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	r = table[i].run(io, dev, err);
	berth_vfio_device_config_write(dev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	return r;
}
