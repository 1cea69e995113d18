/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/bzimage.h"

#include <asm/bootparam.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "vmm/acpi.h"
#include "vmm/boot_map.h"
#include "vmm/image.h"
#include "vmm/mem.h"

#define SECTOR		 512
#define BOOT_FLAG	 0xaa55
#define HEADER_MAGIC	 0x53726448 /* "HdrS" */
#define PROTOCOL_MIN	 0x020c	    /* xloadflags */
#define DEFAULT_SECTS	 4	    /* what setup_sects 0 means */
#define ENTRY_64	 0x200
#define LOADER_UNDEFINED 0xff
#define MIB		 (UINT64_C(1) << 20)

static int read_header(int fd, uint64_t file_size, struct setup_header *hdr, struct berth_err *err)
{
	struct boot_params head;
	size_t offset = offsetof(struct boot_params, hdr), len = sizeof(*hdr);
	int r;

	if (file_size < offset + len)
		return BERTH_ABSENT;
	r = berth_image_read(fd, "kernel", 0, &head, offset + len, err);
	if (r < 0)
		return r;
	*hdr = head.hdr;
	if (hdr->boot_flag != BOOT_FLAG || hdr->header != HEADER_MAGIC)
		return BERTH_ABSENT;
	/* The header's own length is in the jump over it; what lies behind is code, not fields. */
	len = offsetof(struct setup_header, header) + (hdr->jump >> 8);
	if (len < sizeof(*hdr))
		memset((char *)hdr + len, 0, sizeof(*hdr) - len);
	return 0;
}

static int check_header(const struct setup_header *hdr, struct berth_err *err)
{
	if (hdr->version < PROTOCOL_MIN)
		return berth_err_set(
			err, -ENOEXEC,
			"kernel: boot protocol %u.%02u is too old, 2.12 (Linux 3.8) is "
			"the least",
			hdr->version >> 8, hdr->version & 0xff);
	if (!(hdr->xloadflags & XLF_KERNEL_64) || !(hdr->loadflags & LOADED_HIGH))
		return berth_err_set(
			err, -ENOEXEC,
			"kernel: this bzImage has no 64-bit entry point; take an x86-64 "
			"kernel");
	return 0;
}

/* The kernel unpacks itself at its preferred address and needs init_size bytes there before it looks at the map. */
static int load_code(const struct berth_mem *mem, int fd, uint64_t file_size,
		     const struct setup_header *hdr, struct berth_range *ret, struct berth_err *err)
{
	uint64_t offset = (hdr->setup_sects ? hdr->setup_sects : DEFAULT_SECTS) * SECTOR + SECTOR;
	uint64_t size = file_size > offset ? file_size - offset : 0;
	struct berth_range at = { hdr->pref_address,
				  hdr->init_size > size ? hdr->init_size : size };
	void *host;

	if (size < (uint64_t)hdr->syssize * 16 || size <= ENTRY_64)
		return berth_err_set(
			err, -ENODATA,
			"kernel: the file is truncated: the header speaks of %llu bytes, "
			"there are %llu",
			(unsigned long long)(offset + (uint64_t)hdr->syssize * 16),
			(unsigned long long)file_size);
	if (at.start < BERTH_BOOT_KERNEL_MIN)
		return berth_err_set(err, -ENOEXEC, "kernel: it wants to be at 0x%llx, below 1 MiB",
				     (unsigned long long)at.start);
	host = at.start < BERTH_MEM_LOW_END ? berth_mem_at(mem, at.start, at.size) : NULL;
	if (!host)
		return berth_err_set(
			err, -EFBIG,
			"kernel: it needs %llu MiB of memory from %llu MiB on to start; "
			"give the VM more",
			(unsigned long long)((at.size + MIB - 1) / MIB),
			(unsigned long long)(at.start / MIB));
	*ret = at;
	return berth_image_read(fd, "kernel", offset, host, size, err);
}

static void fill_map(struct boot_params *zero, const struct berth_mem *mem, struct berth_range ecam)
{
	struct berth_boot_region map[BERTH_BOOT_MAX_REGIONS];
	size_t nr = berth_boot_map(mem, ecam, map);

	_Static_assert(BERTH_BOOT_MAX_REGIONS <= E820_MAX_ENTRIES_ZEROPAGE, "zero page");
	for (size_t i = 0; i < nr; i++)
		zero->e820_table[i] = (struct boot_e820_entry){
			.addr = map[i].at.start,
			.size = map[i].at.size,
			.type = map[i].type,
		};
	zero->e820_entries = (uint8_t)nr;
}

static void fill_zero_page(const struct berth_mem *mem, const struct setup_header *hdr,
			   struct berth_range kernel, struct berth_range initrd,
			   struct berth_range ecam)
{
	struct boot_params *zero = berth_mem_at(mem, BERTH_BOOT_ZERO_PAGE, sizeof(*zero));

	assert(zero);
	memset(zero, 0, sizeof(*zero));
	zero->hdr = *hdr;
	zero->hdr.type_of_loader = LOADER_UNDEFINED;
	zero->hdr.loadflags &= (uint8_t)~CAN_USE_HEAP;
	zero->hdr.setup_data = 0;
	zero->hdr.code32_start = (uint32_t)kernel.start;
	zero->hdr.cmd_line_ptr = BERTH_BOOT_CMDLINE;
	zero->hdr.ramdisk_image = (uint32_t)initrd.start;
	zero->hdr.ramdisk_size = (uint32_t)initrd.size;
	zero->ext_ramdisk_image = (uint32_t)(initrd.start >> 32);
	zero->ext_ramdisk_size = (uint32_t)(initrd.size >> 32);
	zero->acpi_rsdp_addr = BERTH_ACPI_BASE;
	fill_map(zero, mem, ecam);
}

int berth_bzimage_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		       struct berth_boot *ret, struct berth_err *err)
{
	struct berth_range kernel = { 0, 0 }, initrd = { 0, 0 };
	struct setup_header hdr;
	uint64_t file_size;
	int r = berth_image_size(config->kernel_fd, "kernel", &file_size, err);

	if (r == 0)
		r = read_header(config->kernel_fd, file_size, &hdr, err);
	if (r)
		return r;
	r = check_header(&hdr, err);
	if (r == 0)
		r = load_code(mem, config->kernel_fd, file_size, &hdr, &kernel, err);
	if (r == 0)
		r = berth_image_put_cmdline(mem, config->cmdline, hdr.cmdline_size, err);
	if (r == 0)
		r = berth_image_place_initrd(mem, config->initrd_fd, berth_range_last(kernel) + 1,
					     hdr.initrd_addr_max, &initrd, err);
	if (r < 0)
		return r;
	fill_zero_page(mem, &hdr, kernel, initrd, config->ecam);
	*ret = (struct berth_boot){
		.protocol = BERTH_BOOT_LINUX64,
		.entry = kernel.start + ENTRY_64,
		.params = BERTH_BOOT_ZERO_PAGE,
	};
	return 0;
}
