/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/pvh.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/acpi.h"
#include "vmm/boot_map.h"
#include "vmm/image.h"
#include "vmm/mem.h"

#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY, xen/include/public/elfnote.h */
#define MAX_SEGMENTS	  64
#define MAX_NOTES	  65536 /* bytes; Linux has some hundred */
#define START_MAGIC	  0x336ec578
#define MIB		  (UINT64_C(1) << 20)
#define CMDLINE_MAX	  2047 /* Linux' COMMAND_LINE_SIZE; the ABI has no limit */

/* start_info.h, version 1 */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");

struct module {
	uint64_t paddr, size, cmdline, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* What lies at BERTH_BOOT_PVH_INFO. */
struct info_page {
	struct start_info info;
	struct module initrd;
	struct memmap_entry map[BERTH_BOOT_MAX_REGIONS];
};
_Static_assert(BERTH_BOOT_PVH_INFO + sizeof(struct info_page) <= BERTH_BOOT_ZERO_PAGE, "one page");

static int read_headers(int fd, Elf64_Ehdr *ehdr, Elf64_Phdr phdrs[MAX_SEGMENTS],
			struct berth_err *err)
{
	uint64_t file_size;
	int r = berth_image_size(fd, "kernel", &file_size, err);

	if (r < 0)
		return r;
	if (file_size < sizeof(*ehdr))
		return BERTH_ABSENT;
	r = berth_image_read(fd, "kernel", 0, ehdr, sizeof(*ehdr), err);
	if (r < 0)
		return r;
	if (memcmp(ehdr->e_ident, ELFMAG, SELFMAG))
		return BERTH_ABSENT;
	if (ehdr->e_ident[EI_CLASS] != ELFCLASS64 || ehdr->e_machine != EM_X86_64)
		return berth_err_set(err, -ENOEXEC, "kernel: an ELF file, but not for x86-64");
	if (ehdr->e_phentsize != sizeof(Elf64_Phdr) || ehdr->e_phnum == 0 ||
	    ehdr->e_phnum > MAX_SEGMENTS)
		return berth_err_set(err, -ENOEXEC,
				     "kernel: an ELF file without sensible segments");
	return berth_image_read(fd, "kernel", ehdr->e_phoff, phdrs,
				ehdr->e_phnum * sizeof(Elf64_Phdr), err);
}

/* Look for the PVH note in one segment of notes. Return: true and the entry when it is there. */
static bool find_entry(const uint8_t *notes, size_t len, uint64_t *ret_entry)
{
	Elf64_Nhdr note;

	while (len >= sizeof(note)) {
		uint64_t name, desc, size;

		memcpy(&note, notes, sizeof(note));
		name = sizeof(note);
		desc = name + ((uint64_t)note.n_namesz + 3) / 4 * 4;
		size = desc + ((uint64_t)note.n_descsz + 3) / 4 * 4;
		if (size > len)
			return false;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof("Xen") &&
		    !memcmp(notes + name, "Xen", sizeof("Xen")) &&
		    (note.n_descsz == 4 || note.n_descsz == 8)) {
			*ret_entry = 0;
			memcpy(ret_entry, notes + desc, note.n_descsz);
			return true;
		}
		notes += size;
		len -= size;
	}
	return false;
}

static int read_entry(int fd, const Elf64_Ehdr *ehdr, const Elf64_Phdr *phdrs, uint64_t *ret_entry,
		      struct berth_err *err)
{
	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		BERTH_CLEANUP(berth_freep) uint8_t *notes = NULL;
		int r;

		if (phdrs[i].p_type != PT_NOTE || phdrs[i].p_filesz > MAX_NOTES)
			continue;
		notes = malloc(phdrs[i].p_filesz + 1);
		if (!notes)
			return berth_err_set(err, -ENOMEM, "out of memory");
		r = berth_image_read(fd, "kernel", phdrs[i].p_offset, notes, phdrs[i].p_filesz,
				     err);
		if (r < 0)
			return r;
		if (find_entry(notes, phdrs[i].p_filesz, ret_entry))
			return 0;
	}
	return berth_err_set(err, -ENOEXEC,
			     "kernel: an ELF file without a PVH entry note (CONFIG_PVH); take the "
			     "bzImage");
}

/* Return: 0 and the first address behind all segments. Memory is zero where the file says nothing. */
static int load_segments(const struct berth_mem *mem, int fd, const Elf64_Ehdr *ehdr,
			 const Elf64_Phdr *phdrs, uint64_t *ret_end, struct berth_err *err)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		const Elf64_Phdr *p = &phdrs[i];
		void *host;
		int r;

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_paddr < BERTH_BOOT_KERNEL_MIN)
			return berth_err_set(
				err, -ENOEXEC,
				"kernel: ELF segment %u is malformed or wants to be below "
				"1 MiB",
				i);
		host = p->p_paddr < BERTH_MEM_LOW_END ? berth_mem_at(mem, p->p_paddr, p->p_memsz) :
							NULL;
		if (!host)
			return berth_err_set(
				err, -EFBIG,
				"kernel: it needs %llu MiB of memory from %llu MiB on to "
				"start; give the VM more",
				(unsigned long long)(p->p_memsz / MIB + 1),
				(unsigned long long)(p->p_paddr / MIB));
		r = berth_image_read(fd, "kernel", p->p_offset, host, p->p_filesz, err);
		if (r < 0)
			return r;
		if (p->p_paddr + p->p_memsz > end)
			end = p->p_paddr + p->p_memsz;
	}
	if (!end)
		return berth_err_set(err, -ENOEXEC, "kernel: an ELF file with nothing to load");
	*ret_end = end;
	return 0;
}

static void fill_info(const struct berth_mem *mem, struct berth_range initrd,
		      struct berth_range ecam)
{
	struct info_page *page = berth_mem_at(mem, BERTH_BOOT_PVH_INFO, sizeof(*page));
	struct berth_boot_region map[BERTH_BOOT_MAX_REGIONS];
	size_t nr = berth_boot_map(mem, ecam, map);

	assert(page);
	memset(page, 0, sizeof(*page));
	page->info = (struct start_info){
		.magic = START_MAGIC,
		.version = 1,
		.cmdline = BERTH_BOOT_CMDLINE,
		.rsdp = BERTH_ACPI_BASE,
		.memmap = BERTH_BOOT_PVH_INFO + offsetof(struct info_page, map),
		.memmap_entries = (uint32_t)nr,
	};
	if (initrd.size) {
		page->info.nr_modules = 1;
		page->info.modlist = BERTH_BOOT_PVH_INFO + offsetof(struct info_page, initrd);
		page->initrd = (struct module){ .paddr = initrd.start, .size = initrd.size };
	}
	for (size_t i = 0; i < nr; i++)
		page->map[i] =
			(struct memmap_entry){ map[i].at.start, map[i].at.size, map[i].type, 0 };
}

int berth_pvh_load(const struct berth_mem *mem, const struct berth_loader_config *config,
		   struct berth_boot *ret, struct berth_err *err)
{
	Elf64_Phdr phdrs[MAX_SEGMENTS];
	struct berth_range initrd = { 0, 0 };
	uint64_t entry = 0, end = 0;
	Elf64_Ehdr ehdr;
	int r = read_headers(config->kernel_fd, &ehdr, phdrs, err);

	if (r)
		return r;
	r = read_entry(config->kernel_fd, &ehdr, phdrs, &entry, err);
	if (r == 0)
		r = load_segments(mem, config->kernel_fd, &ehdr, phdrs, &end, err);
	if (r == 0 && !(entry < end && berth_mem_at(mem, entry, 1)))
		r = berth_err_set(err, -ENOEXEC, "kernel: its PVH entry 0x%llx lies outside of it",
				  (unsigned long long)entry);
	if (r == 0)
		r = berth_image_put_cmdline(mem, config->cmdline, CMDLINE_MAX, err);
	if (r == 0)
		r = berth_image_place_initrd(mem, config->initrd_fd, end, UINT32_MAX, &initrd, err);
	if (r < 0)
		return r;
	fill_info(mem, initrd, config->ecam);
	*ret = (struct berth_boot){
		.protocol = BERTH_BOOT_PVH,
		.entry = entry,
		.params = BERTH_BOOT_PVH_INFO,
	};
	return 0;
}
