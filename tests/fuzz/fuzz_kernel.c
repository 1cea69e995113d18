/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a kernel: refused with a sentence, or loaded, and the guest starts inside of its memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/lib/fake_vm.h"
#include "vmm/loader.h"
#include "vmm/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0 || berth_write_all(fd, data, size) < 0)
		abort();
	return fd;
}

/* The last byte says whether there is an initrd: the same file again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct berth_mem_config memory = { .size = FAKE_VM_RAM, .fd = -1 };
	static struct berth_mem *mem;
	int fd = file_of(data, size);
	struct berth_loader_config config = {
		.kernel_fd = fd,
		.initrd_fd = size && data[size - 1] & 1 ? fd : -1,
		.cmdline = "console=ttyS0",
		.ecam = { 0xf0000000, 1 << 20 },
	};
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_boot boot;
	int r;

	if (!mem && berth_mem_new(&mem, 3, &memory, NULL) < 0)
		abort();
	r = berth_loader_load(mem, &config, &boot, &err);
	if (r > 0 || (r < 0 && !err.text[0])) {
		fprintf(stderr, "refused without a word: %d\n", r);
		abort();
	}
	if (r == 0 && (!berth_mem_at(mem, boot.entry, 1) || !berth_mem_at(mem, boot.params, 1))) {
		fprintf(stderr, "the guest starts outside of its memory\n");
		abort();
	}
	close(fd);
	return 0;
}
