/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines as kernels wrote them. A socket that keeps records apart stands in for /dev/kmsg.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/lib/host_tree.h"
#include "vfio/dma_fault.h"

static const struct berth_bdf edu = { 0, 3, 0, 0 }, elsewhere = { 0x10000, 3, 0, 0 },
			      vf = { 0, 1, 0x10, 2 };

static void lines_of_kernels_are_understood(void **state)
{
	static const struct {
		const char *line;
		struct berth_bdf at;
		bool any_domain;
		uint64_t addr;
	} rows[] = {
		{ "DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x4000000 [fault "
		  "reason 0x05] PTE Write access is not set",
		  { 0, 3, 0, 0 },
		  true,
		  0x4000000 },
		{ "3,1201,92837465,-;DMAR: [DMA Read NO_PASID] Request device [01:10.2] fault addr "
		  "0xfffff000 [fault reason 0x06] PTE Read access is not set\n",
		  { 0, 1, 0x10, 2 },
		  true,
		  0xfffff000 },
		{ "DMAR: [DMA Write PASID 0x5] Request device [b1:00.0] fault addr 0x1234567000 "
		  "[fault reason 0x71] SM: Present bit in first-level paging entry is clear",
		  { 0, 0xb1, 0, 0 },
		  true,
		  0x1234567000 },
		{ "4,77,5,-,caller=T12;vfio-pci 0000:c1:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT "
		  "domain=0x000f address=0x8000000 flags=0x0020]",
		  { 0, 0xc1, 0, 0 },
		  false,
		  0x8000000 },
		{ "DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x5000 [fault reason "
		  "0x05] words; and more",
		  { 0, 3, 0, 0 },
		  true,
		  0x5000 },
		{ "AMD-Vi: Event logged [IO_PAGE_FAULT device=0001:03:00.0 domain=0x0012 "
		  "address=0xdeadb000 flags=0x0000]",
		  { 1, 3, 0, 0 },
		  false,
		  0xdeadb000 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_dma_fault f = { 0 };

		/* the head with a caller has letters: it is part of the record's head all the same */
		if (!berth_dma_fault_parse(rows[i].line, &f))
			fail_msg("row %zu is not understood", i);
		assert_true(berth_bdf_eq(f.at, rows[i].at));
		assert_int_equal(f.any_domain, rows[i].any_domain);
		assert_int_equal(f.addr, rows[i].addr);
	}
}

static void other_lines_are_not(void **state)
{
	static const char *const lines[] = {
		"",
		";",
		"6,1,2,-;",
		"DMAR: IOMMU enabled",
		"DMAR: [INTR-REMAP] Request device [03:00.0] fault index 0x15 [fault reason 0x22]",
		"DMAR: [DMA Write NO_PASID] Request device [03:00.0",
		"DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 4000000 [",
		"DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x [",
		"DMAR: [DMA Write NO_PASID] Request device [03:00.x] fault addr 0x4000000 [",
		"DMAR: [DMA Write NO_PASID] Request device [0000000000000000000:03:00.0] fault addr 0x1",
		"AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0 address=0x1000 flags=0x0]",
		"AMD-Vi: Event logged [ILLEGAL_DEV_TABLE_ENTRY device=0000:03:00.0 address=0x1000 ]",
		"igb 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0 address=0x1000 ]",
		/* what anybody may write into /dev/kmsg, or a device name that a guest chose */
		"12,1,2,-;tenant: DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x1 [",
		"12,1,2,-;x: vfio-pci 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0 "
		"address=0x1000 flags=0x0020]",
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(lines); i++) {
		struct berth_dma_fault f;

		if (berth_dma_fault_parse(lines[i], &f))
			fail_msg("line %zu is taken for a fault: %s", i, lines[i]);
	}
}

static void a_line_without_segment_fits_any(void **state)
{
	const struct berth_dma_fault intel = { .at = { 0, 3, 0, 0 }, .any_domain = true };
	const struct berth_dma_fault amd = { .at = { 0, 3, 0, 0 } };

	(void)state;
	assert_true(berth_dma_fault_is_of(&intel, edu));
	assert_true(berth_dma_fault_is_of(&intel, elsewhere));
	assert_false(berth_dma_fault_is_of(&intel, vf));
	assert_true(berth_dma_fault_is_of(&amd, edu));
	assert_false(berth_dma_fault_is_of(&amd, elsewhere));
}

static void say(int sock, const char *record)
{
	assert_int_equal(send(sock, record, strlen(record), 0), strlen(record));
}

static void faults_of_other_devices_are_passed_over(void **state)
{
	const struct berth_bdf ours[] = { vf, edu };
	struct berth_dma_fault f;
	int sock[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sock), 0);
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), -EAGAIN);
	say(sock[1], "6,1,1,-;usb 1-1: new device\n");
	say(sock[1],
	    "3,2,2,-;DMAR: [DMA Read NO_PASID] Request device [09:00.0] fault addr 0x1000 [");
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), -EAGAIN);
	say(sock[1],
	    "3,3,3,-;DMAR: [DMA Read NO_PASID] Request device [07:00.0] fault addr 0x2000 [");
	say(sock[1],
	    "3,4,4,-;DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x3000 [");
	say(sock[1],
	    "3,5,5,-;DMAR: [DMA Read NO_PASID] Request device [01:10.2] fault addr 0x4000 [");
	say(sock[1], "6,9,9,-;usb 1-1: another device\n");
	say(sock[1],
	    "3,6,6,-;DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x5000 [");
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), 0);
	assert_true(berth_bdf_eq(f.at, edu));
	assert_int_equal(f.addr, 0x3000);
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), 0);
	assert_true(berth_bdf_eq(f.at, vf));
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), 0);
	assert_int_equal(f.addr, 0x5000);
	assert_int_equal(berth_dma_fault_next(sock[0], ours, 2, &f), -EAGAIN);
	close(sock[0]);
	close(sock[1]);
}

static void the_log_is_read_from_now_on(void **state)
{
	struct host_tree *tree = host_tree_new();
	struct berth_dma_fault f;
	int fd;

	(void)state;
	host_tree_file(tree, "dev/kmsg",
		       "DMAR: [DMA Read NO_PASID] Request device [03:00.0] fault addr 0x3000 [");
	fd = berth_dma_fault_open(host_tree_host(tree), NULL);
	assert_true(fd >= 0);
	assert_int_equal(berth_dma_fault_next(fd, &edu, 1, &f), -EAGAIN);
	close(fd);
	host_tree_free(tree);
}

static void without_a_log_it_says_so(void **state)
{
	struct host_tree *tree = host_tree_new();

	(void)state;
	host_tree_dir(tree, "dev");
	assert_int_equal(berth_dma_fault_open(host_tree_host(tree), NULL), -ENOENT);
	host_tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_kernels_are_understood),
		cmocka_unit_test(other_lines_are_not),
		cmocka_unit_test(a_line_without_segment_fits_any),
		cmocka_unit_test(faults_of_other_devices_are_passed_over),
		cmocka_unit_test(the_log_is_read_from_now_on),
		cmocka_unit_test(without_a_log_it_says_so),
	};

	return cmocka_run_group_tests_name("vfio/dma_fault", tests, NULL, NULL);
}
