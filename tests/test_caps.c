/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "vfio/caps.h"

static void put16(uint8_t *config, size_t at, unsigned int value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *config, size_t at, uint32_t value)
{
	put16(config, at, value & 0xffff);
	put16(config, at + 2, value >> 16);
}

/* A PCIe endpoint: PM at 0x40, MSI at 0x50, MSI-X at 0x70, PCIe at 0xa0; DSN at 0x100, ACS at 0x140, ATS at 0x200. */
static int make_endpoint(void **state)
{
	uint8_t *config = calloc(1, BERTH_CONFIG_PCIE);

	assert_non_null(config);
	put32(config, 0x00, 0x10c98086);
	put16(config, 0x06, 0x0010);
	config[0x08] = 0x01;
	config[0x0e] = 0x80;
	config[0x34] = 0x40;
	config[0x3d] = 2;
	put16(config, 0x40, 0x5001);
	put16(config, 0x50, 0x7005);
	put16(config, 0x52, 3 << 1); /* 8 vectors */
	put16(config, 0x70, 0xa011);
	put16(config, 0x72, 9);
	put32(config, 0x74, 3);
	put32(config, 0x78, 0x2000 | 3);
	put16(config, 0xa0, 0x0010);
	put16(config, 0xa2, 0x0002);
	put32(config, 0xa4, 1u << 28);
	put32(config, 0xac, 0x44);
	put16(config, 0xb2, 0x11);
	put32(config, 0x100, 0x14010003);
	put32(config, 0x104, 0x89abcdef);
	put32(config, 0x108, 0x01234567);
	put32(config, 0x140, 0x2001000d);
	put16(config, 0x144, 0x5f);
	put16(config, 0x146, 0x1d);
	put32(config, 0x200, 0x0001000f);
	put16(config, 0x206, 0x8000);
	*state = config;
	return 0;
}

static int drop(void **state)
{
	free(*state);
	return 0;
}

static void reads_an_endpoint(void **state)
{
	struct berth_caps c;

	berth_caps_parse(&c, *state, BERTH_CONFIG_PCIE);
	assert_int_equal(c.header_type, 0);
	assert_true(c.multifunction);
	assert_int_equal(c.revision, 1);
	assert_int_equal(c.intx_pin, 2);
	assert_int_equal(c.msi_vectors, 8);
	assert_int_equal(c.msix_vectors, 10);
	assert_int_equal(c.msix_table_bar, 3);
	assert_int_equal(c.msix_table_offset, 0);
	assert_int_equal(c.msix_pba_offset, 0x2000);
	assert_int_equal(c.type, BERTH_PCIE_ENDPOINT);
	assert_int_equal(c.flr, BERTH_YES);
	assert_int_equal(c.link_speed_max, 4);
	assert_int_equal(c.link_width_max, 4);
	assert_int_equal(c.link_speed, 1);
	assert_int_equal(c.link_width, 1);
	assert_int_equal(c.has_serial, BERTH_YES);
	assert_true(c.serial == 0x0123456789abcdefULL);
	assert_int_equal(c.acs, BERTH_YES);
	assert_int_equal(c.acs_cap, 0x5f);
	assert_int_equal(c.acs_ctrl, 0x1d);
	assert_int_equal(c.acs_offset, 0x140);
	assert_int_equal(c.ats, BERTH_YES);
	assert_true(c.ats_enabled);
	assert_int_equal(c.sriov, BERTH_NO);
	assert_int_equal(c.af, BERTH_NO);
}

static void sixty_four_bytes_leave_all_unknown(void **state)
{
	struct berth_caps c;

	berth_caps_parse(&c, *state, BERTH_CONFIG_HEADER);
	assert_int_equal(c.revision, 1);
	assert_int_equal(c.type, BERTH_PCIE_UNKNOWN);
	assert_int_equal(c.msi, BERTH_UNKNOWN);
	assert_int_equal(c.msix, BERTH_UNKNOWN);
	assert_int_equal(c.flr, BERTH_UNKNOWN);
	assert_int_equal(c.acs, BERTH_UNKNOWN);
	assert_int_equal(c.ats, BERTH_UNKNOWN);
	assert_int_equal(c.has_serial, BERTH_UNKNOWN);
}

static void sixty_four_bytes_without_a_list_are_certain(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	put16(config, 0x06, 0);
	berth_caps_parse(&c, config, BERTH_CONFIG_HEADER);
	assert_int_equal(c.msi, BERTH_NO);
	assert_int_equal(c.type, BERTH_PCIE_NONE);
	assert_int_equal(c.flr, BERTH_NO);
	assert_int_equal(c.acs, BERTH_NO);
}

static void without_extended_space_acs_is_unknown(void **state)
{
	struct berth_caps c;

	berth_caps_parse(&c, *state, BERTH_CONFIG_PCI);
	assert_int_equal(c.type, BERTH_PCIE_ENDPOINT);
	assert_int_equal(c.msi_vectors, 8);
	assert_int_equal(c.acs, BERTH_UNKNOWN);
	assert_int_equal(c.sriov, BERTH_UNKNOWN);
}

static void nothing_readable_is_all_unknown(void **state)
{
	struct berth_caps c;

	(void)state;
	berth_caps_parse(&c, NULL, 0);
	assert_int_equal(c.header_type, -1);
	assert_int_equal(c.revision, -1);
	assert_int_equal(c.pcie, BERTH_UNKNOWN);
	assert_int_equal(c.acs, BERTH_UNKNOWN);
	assert_false(c.dead);
}

static void all_ones_is_a_dead_device_not_one_with_every_capability(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	memset(config, 0xff, BERTH_CONFIG_PCIE);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCIE);
	assert_true(c.dead);
	assert_int_equal(c.flr, BERTH_UNKNOWN);
	assert_int_equal(c.acs, BERTH_UNKNOWN);
	assert_int_equal(c.msix_vectors, 0);
}

static void a_looping_list_ends(void **state)
{
	uint8_t *config = *state;

	config[0x41] = 0x40;
	assert_int_equal(berth_caps_find(config, BERTH_CONFIG_PCIE, 0x10), 0);
	put32(config, 0x140, 0x1001000d);
	assert_int_equal(berth_caps_find_ext(config, BERTH_CONFIG_PCIE, 0x10), 0);
}

static void a_list_that_points_into_the_header_ends(void **state)
{
	uint8_t *config = *state;

	config[0x34] = 0x10;
	assert_int_equal(berth_caps_find(config, BERTH_CONFIG_PCIE, 0x10), 0);
}

static void msix_that_reaches_into_the_extended_space_is_none(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	config[0x34] = 0xf8;
	put16(config, 0xf8, 0x0011);
	put16(config, 0xfa, 4);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCIE);
	assert_int_equal(c.msix, BERTH_NO);
	config[0x34] = 0xf4;
	put16(config, 0xf4, 0x0011);
	put16(config, 0xf6, 4);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCIE);
	assert_int_equal(c.msix, BERTH_YES);
	assert_int_equal(c.msix_vectors, 5);
}

static void a_capability_at_the_very_end_reads_zero_beyond_it(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	put32(config, 0x100, 0xffc10003);
	put32(config, 0xffc, 0x0001000d);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCIE);
	assert_int_equal(c.acs, BERTH_YES);
	assert_int_equal(c.acs_ctrl, 0);
}

static void random_bytes_do_no_harm(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	srandom(1);
	for (int round = 0; round < 2000; round++) {
		/* A copy of its exact size, so that the sanitizer sees every byte too many. */
		size_t len = (size_t)random() % (BERTH_CONFIG_PCIE + 1);
		uint8_t *exact = malloc(len ? len : 1);

		assert_non_null(exact);
		for (size_t i = 0; i < len; i++)
			exact[i] = (uint8_t)random();
		if (len > 6)
			exact[6] |= 0x10;
		berth_caps_parse(&c, exact, len);
		assert_int_equal(c.len, len);
		free(exact);
	}
	(void)config;
}

static void flr_of_conventional_pci_comes_from_advanced_features(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	config[0x34] = 0x40;
	put16(config, 0x40, 0x0013);
	put16(config, 0x42, 0x0206);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCI);
	assert_int_equal(c.af, BERTH_YES);
	assert_int_equal(c.flr, BERTH_YES);
	assert_int_equal(c.type, BERTH_PCIE_NONE);
	assert_int_equal(c.acs, BERTH_NO);
}

static void reads_the_buses_of_a_bridge(void **state)
{
	uint8_t *config = *state;
	struct berth_caps c;

	config[0x0e] = 1;
	config[0x19] = 3;
	config[0x1a] = 5;
	put16(config, 0xa2, 0x0142);
	put32(config, 0xb4, 0x40);
	berth_caps_parse(&c, config, BERTH_CONFIG_PCIE);
	assert_int_equal(c.secondary, 3);
	assert_int_equal(c.subordinate, 5);
	assert_int_equal(c.type, BERTH_PCIE_ROOT_PORT);
	assert_int_equal(c.slot_hotplug, BERTH_YES);
}

static void speaks_of_speeds_and_types(void **state)
{
	(void)state;
	assert_string_equal(berth_caps_speed_name(3), "8");
	assert_string_equal(berth_caps_speed_name(15), "");
	assert_string_equal(berth_caps_type_name(BERTH_PCIE_ROOT_PORT), "root port");
	assert_string_equal(berth_caps_type_name((enum berth_pcie_type)0xf), "reserved");
}

#define WITH_ENDPOINT(t) cmocka_unit_test_setup_teardown(t, make_endpoint, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ENDPOINT(reads_an_endpoint),
		WITH_ENDPOINT(sixty_four_bytes_leave_all_unknown),
		WITH_ENDPOINT(sixty_four_bytes_without_a_list_are_certain),
		WITH_ENDPOINT(without_extended_space_acs_is_unknown),
		cmocka_unit_test(nothing_readable_is_all_unknown),
		WITH_ENDPOINT(all_ones_is_a_dead_device_not_one_with_every_capability),
		WITH_ENDPOINT(a_looping_list_ends),
		WITH_ENDPOINT(a_list_that_points_into_the_header_ends),
		WITH_ENDPOINT(msix_that_reaches_into_the_extended_space_is_none),
		WITH_ENDPOINT(a_capability_at_the_very_end_reads_zero_beyond_it),
		WITH_ENDPOINT(random_bytes_do_no_harm),
		WITH_ENDPOINT(flr_of_conventional_pci_comes_from_advanced_features),
		WITH_ENDPOINT(reads_the_buses_of_a_bridge),
		cmocka_unit_test(speaks_of_speeds_and_types),
	};

	return cmocka_run_group_tests_name("vfio/caps", tests, NULL, NULL);
}
