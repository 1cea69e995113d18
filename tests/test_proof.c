/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "base/host.h"
#include "tests/lib/host_tree.h"
#include "vfio/proof.h"

#define LEN 4096

/* PM at 0x40, PCIe at 0x60, MSI at 0x80; AER at 0x100. */
static void make(uint8_t config[static LEN])
{
	static const uint8_t caps[][2] = { { 0x40, PCI_CAP_ID_PM },
					   { 0x60, PCI_CAP_ID_EXP },
					   { 0x80, PCI_CAP_ID_MSI } };
	unsigned int link = PCI_CAPABILITY_LIST;

	memset(config, 0, LEN);
	config[0] = 0x34;
	config[1] = 0x12;
	config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(caps); i++) {
		config[link] = caps[i][0];
		config[caps[i][0]] = caps[i][1];
		link = caps[i][0] + 1u;
	}
	config[0x100] = PCI_EXT_CAP_ID_ERR;
	config[0x102] = 1;
}

/* Which registers belong to the image: one bit of each changed, is it seen? */
static void stable_registers_are_compared_and_others_are_not(void **state)
{
	static const struct {
		unsigned int at;
		uint8_t bits;
		bool seen;
	} rows[] = {
		{ PCI_DEVICE_ID, 0x01, true },
		{ PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, false },
		{ PCI_COMMAND + 1, PCI_COMMAND_SERR >> 8, false },
		{ PCI_STATUS + 1, 0xf9, false },
		{ PCI_BASE_ADDRESS_2, 0x10, true },
		{ PCI_SUBSYSTEM_ID, 0x80, true },
		{ PCI_ROM_ADDRESS, PCI_ROM_ADDRESS_ENABLE, false },
		{ PCI_INTERRUPT_LINE, 0x55, true },
		{ 0x40 + PCI_PM_CTRL, 0x03, false },
		{ 0x60 + PCI_EXP_DEVCTL, 0x20, true },
		{ 0x60 + PCI_EXP_DEVCTL + 1, 0x80, false }, /* initiates a reset, reads 0 */
		{ 0x60 + PCI_EXP_DEVSTA, 0x0f, false },
		{ 0x60 + PCI_EXP_LNKSTA, 0x0f, false },
		{ 0x60 + PCI_EXP_DEVCTL2, 0x0f, true },
		{ 0x80 + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, true },
		{ 0x80 + PCI_MSI_FLAGS, PCI_MSI_FLAGS_QSIZE, false },
		{ 0x80 + PCI_MSI_ADDRESS_LO, 0xf0, false },
		{ 0x100 + PCI_ERR_UNCOR_STATUS, 0xff, false },
		{ 0x100 + PCI_ERR_UNCOR_MASK, 0x10, true },
		{ 0x100 + PCI_ERR_HEADER_LOG, 0xff, false },
		{ 0x200, 0xff, false },
	};
	struct berth_proof_image before, now;
	uint8_t config[LEN];
	char what[100];

	(void)state;
	make(config);
	berth_proof_image_take(&before, config, LEN);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		make(config);
		config[rows[i].at] ^= rows[i].bits;
		berth_proof_image_take(&now, config, LEN);
		if (berth_proof_image_same(&before, &now, what, sizeof(what)) == rows[i].seen)
			fail_msg("register %#x, bits %#x", rows[i].at, rows[i].bits);
	}
}

static void a_difference_is_named(void **state)
{
	struct berth_proof_image before, now;
	uint8_t config[LEN];
	char what[100];

	(void)state;
	make(config);
	berth_proof_image_take(&before, config, LEN);
	config[0x60 + PCI_EXP_DEVCTL] = 0x10;
	berth_proof_image_take(&now, config, LEN);
	assert_false(berth_proof_image_same(&before, &now, what, sizeof(what)));
	assert_string_equal(what, "register 0x068 is 0x10, was 0");
}

static void a_capability_that_comes_or_goes_is_a_difference(void **state)
{
	struct berth_proof_image with, without;
	uint8_t config[LEN];
	char what[100];

	(void)state;
	make(config);
	berth_proof_image_take(&with, config, LEN);
	config[0x100] = 0;
	berth_proof_image_take(&without, config, LEN);
	assert_false(berth_proof_image_same(&with, &without, what, sizeof(what)));
	assert_string_equal(what, "register 0x108 is no longer there");
	assert_false(berth_proof_image_same(&without, &with, what, sizeof(what)));
	assert_string_equal(what, "register 0x108 is new");
}

static void an_image_survives_its_text(void **state)
{
	struct berth_proof_image image, again;
	uint8_t config[LEN];
	char what[100], *text;

	(void)state;
	make(config);
	config[PCI_BASE_ADDRESS_0 + 3] = 0xfe;
	berth_proof_image_take(&image, config, LEN);
	assert_true(image.nr > 20);
	text = berth_proof_image_format(&image);
	assert_non_null(text);
	assert_int_equal(strncmp(text, "000:4:00001234 ", 15), 0);
	assert_int_equal(berth_proof_image_parse(text, &again), 0);
	assert_int_equal(again.nr, image.nr);
	assert_true(berth_proof_image_same(&image, &again, what, sizeof(what)));
	free(text);
}

static void other_texts_are_refused(void **state)
{
	static const char *const bad[] = { "x", "000:4", "000:3:00000000", "000:4:00000000x",
					   "000:4:0000000012 " };
	struct berth_proof_image image;
	char *many = calloc(BERTH_PROOF_REGS + 1, 16);

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++)
		assert_int_equal(berth_proof_image_parse(bad[i], &image), -EINVAL);
	assert_int_equal(berth_proof_image_parse("", &image), 0);
	assert_int_equal(image.nr, 0);
	for (int i = 0; i <= BERTH_PROOF_REGS; i++)
		strcat(many, "000:1:00000000 ");
	assert_int_equal(berth_proof_image_parse(many, &image), -EINVAL);
	free(many);
}

/* 48 capabilities of the kind with most registers: more than an image holds. */
static void a_hostile_list_does_not_overflow_the_image(void **state)
{
	struct berth_proof_image image;
	uint8_t config[LEN] = { 0 };

	(void)state;
	config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	config[PCI_CAPABILITY_LIST] = 0x40;
	for (unsigned int at = 0x40; at < 0x100; at += 4) {
		config[at] = PCI_CAP_ID_EXP;
		config[at + 1] = (uint8_t)(at + 4);
	}
	berth_proof_image_take(&image, config, LEN);
	assert_int_equal(image.nr, BERTH_PROOF_REGS);
	memset(config, 0xff, LEN);
	berth_proof_image_take(&image, config, LEN);
	berth_proof_image_take(&image, config, 8);
	assert_int_equal(image.nr, 1);
}

static void reading_needs_more_than_the_header(void **state)
{
	struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 0x8086, .device = 0x10c9, .type = 1 },
		{ .bdf = "0000:02:00.0", .vendor = 0x8086, .device = 0x10c9, .config_len = 64 },
	};
	struct host_tree *tree = host_tree_new();
	struct berth_proof_image image;
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	host_tree_add_all(tree, fns, BERTH_ARRAY_SIZE(fns));
	assert_int_equal(berth_proof_image_read(&image, host_tree_host(tree),
						(struct berth_bdf){ 0, 1, 0, 0 }, &err),
			 0);
	assert_int_equal(image.regs[0].value, 0x10c98086);
	assert_int_equal(berth_proof_image_read(&image, host_tree_host(tree),
						(struct berth_bdf){ 0, 2, 0, 0 }, &err),
			 -EIO);
	assert_int_equal(berth_proof_image_read(&image, host_tree_host(tree),
						(struct berth_bdf){ 0, 3, 0, 0 }, &err),
			 -EIO);
	host_tree_free(tree);
}

static void bars_are_compared_with_the_kernels(void **state)
{
	static const struct {
		uint32_t bar0, bar1;
		const char *resource;
		bool right;
	} rows[] = {
		{ 0xfe000000, 0, "0xfe000000 0xfe000fff 0x40200", true },
		{ 0xfd000000, 0, "0xfe000000 0xfe000fff 0x40200", false },
		{ 0x0000c001, 0, "0xc000 0xc01f 0x40101", true },
		{ 0x0000d001, 0, "0xc000 0xc01f 0x40101", false },
		{ 0x0000000c, 0x38, "0x3800000000 0x38ffffffff 0x14220c\n0x0 0x0 0x0", true },
		{ 0x0000000c, 0x39, "0x3800000000 0x38ffffffff 0x14220c\n0x0 0x0 0x0", false },
		{ 0, 0, "0x0 0xfff 0x20040200", true }, /* the host has no room for it */
		{ 0, 0, "nonsense", false },
	};
	struct tree_fn fn = { .bdf = "0000:01:00.0", .vendor = 0x1234 };
	struct host_tree *tree = host_tree_new();
	uint8_t config[LEN];
	const char *flaw;

	(void)state;
	host_tree_add(tree, &fn);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		unsigned int checks;

		make(config);
		memcpy(config + PCI_BASE_ADDRESS_0, &rows[i].bar0, 4);
		memcpy(config + PCI_BASE_ADDRESS_1, &rows[i].bar1, 4);
		host_tree_attr(tree, fn.bdf, "resource", rows[i].resource);
		checks = berth_proof_state(config, LEN, host_tree_host(tree),
					   (struct berth_bdf){ 0, 1, 0, 0 }, false, &flaw);
		if (!!(checks & BERTH_PROOF_BARS) != rows[i].right || !flaw != rows[i].right)
			fail_msg("row %zu: %#x %s", i, checks, flaw ? flaw : "");
	}
	host_tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stable_registers_are_compared_and_others_are_not),
		cmocka_unit_test(a_difference_is_named),
		cmocka_unit_test(a_capability_that_comes_or_goes_is_a_difference),
		cmocka_unit_test(an_image_survives_its_text),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(a_hostile_list_does_not_overflow_the_image),
		cmocka_unit_test(reading_needs_more_than_the_header),
		cmocka_unit_test(bars_are_compared_with_the_kernels),
	};

	return cmocka_run_group_tests_name("vfio/proof", tests, NULL, NULL);
}
