/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels made by hand, whole and broken in every way, and what becomes of them in memory.
 */
#include "tests/cmocka_all.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/acpi.h"
#include "vmm/boot_map.h"
#include "vmm/loader.h"
#include "vmm/mem.h"

#define MIB	   UINT64_C(0x100000)
#define GIB	   UINT64_C(0x40000000)
#define SETUP_SIZE 4096 /* boot_params fits into it */
#define CODE_SIZE  8192

static const struct berth_range ecam = { 0xf0000000, 2 * MIB };

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	return request == KVM_CHECK_EXTENSION ? 64 : 0;
}

static struct berth_mem *memory(uint64_t size)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct berth_mem_config config = { .size = size, .fd = fd };
	struct berth_mem *mem;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(berth_mem_new(&mem, 3, &config, NULL), 0);
	close(fd);
	return mem;
}

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, len), (ssize_t)len);
	return fd;
}

/* A bzImage with the fields of a current kernel. */
struct image {
	union {
		struct boot_params params;
		uint8_t setup[SETUP_SIZE];
	};
	uint8_t code[CODE_SIZE];
};

static struct image good_image(void)
{
	struct image image;
	struct setup_header *hdr = &image.params.hdr;

	memset(&image, 0, sizeof(image));
	memset(image.code, 0xc0, sizeof(image.code));
	hdr->setup_sects = SETUP_SIZE / 512 - 1;
	hdr->syssize = CODE_SIZE / 16;
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0xeb | (sizeof(*hdr) - offsetof(struct setup_header, header)) << 8;
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->loadflags = LOADED_HIGH;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->relocatable_kernel = 1;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->cmdline_size = 255;
	hdr->pref_address = 16 * MIB;
	hdr->init_size = 8 * MIB;
	return image;
}

static int load(const struct berth_mem *mem, const void *kernel, size_t len, const void *initrd,
		size_t initrd_len, const char *cmdline, struct berth_boot *boot,
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int kernel_fd = file_of(kernel, len);
	BERTH_CLEANUP(berth_closep) int initrd_fd = initrd ? file_of(initrd, initrd_len) : -1;
	struct berth_loader_config config = { kernel_fd, initrd_fd, cmdline, ecam };

	return berth_loader_load(mem, &config, boot, err);
}

static void a_bzimage_lands_where_it_wants_to_be(void **state)
{
	struct berth_mem *mem = memory(64 * MIB);
	struct image image = good_image();
	struct berth_boot boot;
	const struct boot_params *zero;
	uint8_t initrd[5000];

	(void)state;
	memset(initrd, 0x1d, sizeof(initrd));
	assert_int_equal(load(mem, &image, sizeof(image), initrd, sizeof(initrd), "console=ttyS0",
			      &boot, NULL),
			 0);
	assert_int_equal(boot.protocol, BERTH_BOOT_LINUX64);
	assert_int_equal(boot.entry, 16 * MIB + 0x200);
	assert_memory_equal(berth_mem_at(mem, 16 * MIB, CODE_SIZE), image.code, CODE_SIZE);
	zero = berth_mem_at(mem, boot.params, sizeof(*zero));
	assert_int_equal(zero->hdr.type_of_loader, 0xff);
	assert_int_equal(zero->acpi_rsdp_addr, BERTH_ACPI_BASE);
	assert_string_equal(berth_mem_at(mem, zero->hdr.cmd_line_ptr, 16), "console=ttyS0");
	assert_int_equal(zero->hdr.ramdisk_size, sizeof(initrd));
	assert_int_equal(zero->hdr.ramdisk_image, 64 * MIB - 8192);
	assert_memory_equal(berth_mem_at(mem, zero->hdr.ramdisk_image, sizeof(initrd)), initrd,
			    sizeof(initrd));
	assert_int_equal(zero->sentinel, 0);
	berth_mem_free(mem);
}

static void the_memory_map_is_sorted_and_shows_all_ram(void **state)
{
	struct berth_mem *mem = memory(5 * GIB);
	struct berth_boot_region map[BERTH_BOOT_MAX_REGIONS];
	size_t nr = berth_boot_map(mem, ecam, map);
	uint64_t ram = 0, end = 0;

	(void)state;
	for (size_t i = 0; i < nr; i++) {
		assert_true(map[i].at.start >= end);
		end = berth_range_last(map[i].at) + 1;
		if (map[i].type == BERTH_BOOT_RAM) {
			assert_true(berth_mem_overlaps_ram(mem, map[i].at));
			ram += map[i].at.size;
		}
	}
	assert_int_equal(end, 6 * GIB);
	assert_int_equal(ram, 5 * GIB - MIB + BERTH_BOOT_LOW_END);
	assert_int_equal(map[nr - 2].type, BERTH_BOOT_RESERVED);
	assert_int_equal(map[nr - 2].at.start, ecam.start);
	berth_mem_free(mem);
}

/* Each row breaks one thing of a good image. */
static void spoil_magic(struct image *i)
{
	i->params.hdr.header = 0;
}
static void spoil_flag(struct image *i)
{
	i->params.hdr.boot_flag = 0;
}
static void spoil_version(struct image *i)
{
	i->params.hdr.version = 0x020b;
}
static void spoil_64(struct image *i)
{
	i->params.hdr.xloadflags = 0;
}
static void spoil_syssize(struct image *i)
{
	i->params.hdr.syssize = UINT32_MAX;
}
static void spoil_sects(struct image *i)
{
	i->params.hdr.setup_sects = 255;
}
static void spoil_init_size(struct image *i)
{
	i->params.hdr.init_size = UINT32_MAX;
}
static void spoil_address(struct image *i)
{
	i->params.hdr.pref_address = UINT64_MAX - 100;
}
static void spoil_low_address(struct image *i)
{
	i->params.hdr.pref_address = 0x7000;
}
static void spoil_cmdline(struct image *i)
{
	i->params.hdr.cmdline_size = 2;
}
static void spoil_initrd_max(struct image *i)
{
	i->params.hdr.initrd_addr_max = 0;
}

static void broken_bzimages_are_refused_with_a_sentence(void **state)
{
	static const struct {
		void (*spoil)(struct image *);
		int want;
		const char *says;
	} rows[] = {
		{ spoil_magic, -ENOEXEC, "neither a Linux bzImage nor an ELF kernel" },
		{ spoil_flag, -ENOEXEC, "neither a Linux bzImage nor an ELF kernel" },
		{ spoil_version, -ENOEXEC, "boot protocol 2.11 is too old" },
		{ spoil_64, -ENOEXEC, "no 64-bit entry" },
		{ spoil_syssize, -ENODATA, "truncated" },
		{ spoil_sects, -ENODATA, "truncated" },
		{ spoil_init_size, -EFBIG, "give the VM more" },
		{ spoil_address, -EFBIG, "give the VM more" },
		{ spoil_low_address, -ENOEXEC, "below 1 MiB" },
		{ spoil_cmdline, -EINVAL, "command line" },
		{ spoil_initrd_max, -EFBIG, "initrd" },
	};
	struct berth_mem *mem = memory(64 * MIB);

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct image image = good_image();
		struct berth_boot boot;

		rows[i].spoil(&image);
		assert_int_equal(load(mem, &image, sizeof(image), "x", 1, "quiet", &boot, &err),
				 rows[i].want);
		if (!strstr(err.text, rows[i].says))
			fail_msg("row %zu: %s", i, err.text);
	}
	berth_mem_free(mem);
}

static void a_truncated_bzimage_is_refused_at_any_length(void **state)
{
	struct berth_mem *mem = memory(64 * MIB);
	struct image image = good_image();

	(void)state;
	for (size_t len = 0; len < sizeof(image); len += len < 700 ? 1 : 127) {
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_boot boot;
		int r = load(mem, &image, len, NULL, 0, "", &boot, &err);

		if (r != -ENOEXEC && r != -ENODATA)
			fail_msg("%zu bytes: %d %s", len, r, err.text);
		assert_int_equal(err.code, r);
	}
	berth_mem_free(mem);
}

static void an_initrd_larger_than_memory_is_refused(void **state)
{
	static const struct {
		uint64_t memory, initrd;
		int want;
	} rows[] = {
		{ 32 * MIB, 8 * MIB, 0 },
		{ 32 * MIB, 8 * MIB + 1, -EFBIG },
		{ 32 * MIB, 33 * MIB, -EFBIG },
		{ 5 * GIB, 2040 * MIB, -EFBIG }, /* must end below initrd_addr_max */
		{ 5 * GIB, 2000 * MIB, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_mem *mem = memory(rows[i].memory);
		struct image image = good_image();
		struct berth_err err = BERTH_ERR_INIT;
		BERTH_CLEANUP(berth_closep) int kernel = file_of(&image, sizeof(image));
		BERTH_CLEANUP(berth_closep) int initrd = memfd_create("initrd", MFD_CLOEXEC);
		struct berth_loader_config config = { kernel, initrd, "", ecam };
		struct berth_boot boot;

		assert_int_equal(ftruncate(initrd, (off_t)rows[i].initrd), 0);
		/* the large ones would be copied hole by hole: only the refusals are worth that */
		if (rows[i].want || rows[i].initrd < GIB)
			assert_int_equal(berth_loader_load(mem, &config, &boot, &err),
					 rows[i].want);
		if (rows[i].want)
			assert_non_null(strstr(err.text, "give the VM more memory"));
		berth_mem_free(mem);
	}
}

static void memory_too_small_for_the_kernel_is_said(void **state)
{
	struct berth_mem *mem = memory(16 * MIB);
	struct image image = good_image();
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_boot boot;

	(void)state;
	assert_int_equal(load(mem, &image, sizeof(image), NULL, 0, "", &boot, &err), -EFBIG);
	assert_non_null(strstr(err.text, "needs 8 MiB of memory from 16 MiB on"));
	berth_mem_free(mem);
}

static void a_pipe_is_no_kernel(void **state)
{
	struct berth_mem *mem = memory(16 * MIB);
	struct berth_err err = BERTH_ERR_INIT;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct berth_loader_config config = { fd, -1, "", ecam };
	struct berth_boot boot;

	(void)state;
	assert_int_equal(berth_loader_load(mem, &config, &boot, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	close(fd);
	berth_mem_free(mem);
}

/* An ELF kernel with one segment and the PVH note. */
struct elf {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint64_t other;
	} first;
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t code[4096];
};

static struct elf good_elf(void)
{
	struct elf elf;

	memset(&elf, 0, sizeof(elf));
	memcpy(elf.ehdr.e_ident, ELFMAG, SELFMAG);
	elf.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	elf.ehdr.e_machine = EM_X86_64;
	elf.ehdr.e_phoff = offsetof(struct elf, phdrs);
	elf.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	elf.ehdr.e_phnum = 2;
	elf.phdrs[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct elf, code),
		.p_paddr = 16 * MIB,
		.p_filesz = sizeof(elf.code),
		.p_memsz = MIB,
	};
	elf.phdrs[1] = (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct elf, first),
		.p_filesz = sizeof(elf.first) + sizeof(elf.note),
	};
	elf.first.head = (Elf64_Nhdr){ 4, 8, 3 };
	memcpy(elf.first.name, "Xen", 4);
	elf.note.head = (Elf64_Nhdr){ 4, 4, 18 };
	memcpy(elf.note.name, "Xen", 4);
	elf.note.entry = 16 * MIB + 0x30;
	memset(elf.code, 0xe1, sizeof(elf.code));
	return elf;
}

static void an_elf_kernel_starts_at_its_pvh_entry(void **state)
{
	struct berth_mem *mem = memory(64 * MIB);
	struct elf elf = good_elf();
	struct berth_boot boot;
	const uint32_t *info;
	const uint64_t *wide;

	(void)state;
	assert_int_equal(load(mem, &elf, sizeof(elf), "initrd!", 7, "quiet", &boot, NULL), 0);
	assert_int_equal(boot.protocol, BERTH_BOOT_PVH);
	assert_int_equal(boot.entry, 16 * MIB + 0x30);
	assert_memory_equal(berth_mem_at(mem, 16 * MIB, 4096), elf.code, 4096);
	info = berth_mem_at(mem, boot.params, 56);
	wide = (const uint64_t *)info;
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[1], 1);
	assert_int_equal(info[3], 1);
	assert_string_equal(berth_mem_at(mem, wide[3], 6), "quiet");
	assert_int_equal(wide[4], BERTH_ACPI_BASE);
	assert_true(info[12] >= 3);
	wide = berth_mem_at(mem, wide[2], 32);
	assert_memory_equal(berth_mem_at(mem, wide[0], 7), "initrd!", 7);
	assert_int_equal(wide[1], 7);
	berth_mem_free(mem);
}

static void broken_elf_kernels_are_refused_with_a_sentence(void **state)
{
	struct berth_mem *mem = memory(64 * MIB);
	struct elf good = good_elf();

	(void)state;
	for (unsigned int row = 0; row < 11; row++) {
		static const char *const says[] = {
			"not for x86-64",   "not for x86-64", "sensible segments", "truncated",
			"PVH entry note",   "PVH entry note", "malformed",	   "malformed",
			"give the VM more", "lies outside",   "truncated",
		};
		struct berth_err err = BERTH_ERR_INIT;
		struct elf elf = good;
		struct berth_boot boot;

		switch (row) {
		case 0:
			elf.ehdr.e_machine = EM_AARCH64;
			break;
		case 1:
			elf.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
			break;
		case 2:
			elf.ehdr.e_phnum = 65535;
			break;
		case 3:
			elf.ehdr.e_phoff = UINT64_C(1) << 40;
			break;
		case 4:
			elf.note.head.n_type = 17;
			break;
		case 5:
			elf.first.head.n_namesz = UINT32_MAX;
			break;
		case 6:
			elf.phdrs[0].p_filesz = 2 * MIB;
			break;
		case 7:
			elf.phdrs[0].p_paddr = 0;
			break;
		case 8:
			elf.phdrs[0].p_memsz = UINT64_MAX - 10 * MIB;
			break;
		case 9:
			elf.note.entry = 0x20000000;
			break;
		default:
			elf.phdrs[0].p_offset = sizeof(elf) - 10;
			break;
		}
		assert_true(load(mem, &elf, sizeof(elf), NULL, 0, "", &boot, &err) < 0);
		if (!strstr(err.text, says[row]))
			fail_msg("row %u: %s", row, err.text);
	}
	berth_mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bzimage_lands_where_it_wants_to_be),
		cmocka_unit_test(the_memory_map_is_sorted_and_shows_all_ram),
		cmocka_unit_test(broken_bzimages_are_refused_with_a_sentence),
		cmocka_unit_test(a_truncated_bzimage_is_refused_at_any_length),
		cmocka_unit_test(an_initrd_larger_than_memory_is_refused),
		cmocka_unit_test(memory_too_small_for_the_kernel_is_said),
		cmocka_unit_test(a_pipe_is_no_kernel),
		cmocka_unit_test(an_elf_kernel_starts_at_its_pvh_entry),
		cmocka_unit_test(broken_elf_kernels_are_refused_with_a_sentence),
	};

	return cmocka_run_group_tests_name("vmm/loader", tests, NULL, NULL);
}
