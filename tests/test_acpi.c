/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables as a guest walks them, and the DSDT through Intel's disassembler and compiler where they are installed.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/tmp.h"
#include "vmm/acpi.h"
#include "vmm/pci_host.h"

static const struct berth_range windows[] = {
	{ 0xc0000000, 0x30000000 },
	{ UINT64_C(0x1000000000), UINT64_C(0x4000000000) },
};

static struct berth_acpi_config config(unsigned int nr_vcpus, unsigned int nr_slots)
{
	return (struct berth_acpi_config){
		.nr_vcpus = nr_vcpus,
		.nr_buses = nr_slots + 1,
		.last_dev = nr_slots < 31 ? nr_slots : 31,
		.gsi = berth_pci_root_gsi,
		.windows = windows,
		.nr_windows = BERTH_ARRAY_SIZE(windows),
	};
}

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, p, bytes);
	return value;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

static const uint8_t *at(const uint8_t *area, uint64_t address, const char *signature)
{
	const uint8_t *table = area + (address - BERTH_ACPI_BASE);

	assert_in_range(address, BERTH_ACPI_BASE, BERTH_ACPI_BASE + BERTH_ACPI_SIZE - 36);
	assert_memory_equal(table, signature, 4);
	assert_int_equal(sum(table, get(table + 4, 4)), 0);
	return table;
}

/* By way of RSDP and XSDT, as a guest finds it. */
static const uint8_t *find(const uint8_t *area, const char *signature)
{
	const uint8_t *xsdt;

	assert_memory_equal(area, "RSD PTR ", 8);
	assert_int_equal(sum(area, 20), 0);
	assert_int_equal(sum(area, 36), 0);
	xsdt = at(area, get(area + 24, 8), "XSDT");
	for (size_t i = 36; i < get(xsdt + 4, 4); i += 8) {
		uint64_t address = get(xsdt + i, 8);

		if (!memcmp(area + (address - BERTH_ACPI_BASE), signature, 4))
			return at(area, address, signature);
	}
	fail_msg("no table %s", signature);
	return NULL;
}

static int setup(void **state)
{
	*state = malloc(BERTH_ACPI_SIZE);
	memset(*state, 0xee, BERTH_ACPI_SIZE);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void a_guest_finds_every_table(void **state)
{
	struct berth_acpi_config c = config(2, 3);
	const uint8_t *fadt;

	assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
	fadt = find(*state, "FACP");
	at(*state, get(fadt + 140, 8), "DSDT");
	find(*state, "APIC");
	find(*state, "MCFG");
}

static void the_fadt_says_hardware_reduced_with_reset_and_sleep(void **state)
{
	struct berth_acpi_config c = config(1, 0);
	const uint8_t *fadt;

	assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
	fadt = find(*state, "FACP");
	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(fadt[8], 6);
	assert_true(get(fadt + 112, 4) & 1u << 20);
	assert_true(get(fadt + 112, 4) & 1u << 10);
	assert_int_equal(fadt[116], 1);
	assert_int_equal(get(fadt + 120, 8), 0xcf9);
	assert_int_equal(fadt[128], 6);
	assert_int_equal(get(fadt + 248, 8), 0x600);
	assert_int_equal(get(fadt + 260, 8), 0x601);
}

static void the_madt_lists_each_processor_once(void **state)
{
	struct berth_acpi_config c = config(255, 0);
	const uint8_t *madt, *p;
	unsigned int nr = 0, ioapics = 0;

	assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
	madt = find(*state, "APIC");
	for (p = madt + 44; p < madt + get(madt + 4, 4); p += p[1]) {
		assert_int_not_equal(p[1], 0);
		if (p[0] == 0)
			assert_int_equal(p[3], nr++);
		if (p[0] == 1) {
			ioapics++;
			assert_int_equal(get(p + 4, 4), 0xfec00000);
			assert_int_equal(get(p + 8, 4), 0);
		}
		if (p[0] == 2) {
			assert_int_equal(p[3], 4);
			assert_int_equal(get(p + 4, 4), 4);
			assert_int_equal(get(p + 8, 2), 5);
		}
	}
	assert_ptr_equal(p, madt + get(madt + 4, 4));
	assert_int_equal(nr, 255);
	assert_int_equal(ioapics, 1);
}

static void the_mcfg_ends_where_the_buses_end(void **state)
{
	struct berth_acpi_config c = config(1, 7);
	const uint8_t *mcfg;

	assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
	mcfg = find(*state, "MCFG");
	assert_int_equal(get(mcfg + 44, 8), BERTH_PCI_ECAM_BASE);
	assert_int_equal(mcfg[54], 0);
	assert_int_equal(mcfg[55], 7);
}

static void the_largest_machine_fits(void **state)
{
	struct berth_acpi_config c = config(255, BERTH_PCI_MAX_SLOTS);

	assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
}

/* Disassemble, compile again without a warning, and compare: the AML means what we think it means. */
static void the_dsdt_survives_iasl(void **state)
{
	char command[2048];
	const uint8_t *fadt, *dsdt;

	if (system("command -v iasl >/dev/null") != 0) {
		print_message("iasl is not installed (package acpica-tools)\n");
		skip();
	}
	for (unsigned int slots = 0; slots <= 40; slots += 20) {
		struct berth_acpi_config c = config(4, slots);
		char *dir = tmp_new();

		assert_int_equal(berth_acpi_build(*state, &c, NULL), 0);
		fadt = find(*state, "FACP");
		dsdt = at(*state, get(fadt + 140, 8), "DSDT");
		tmp_write(dir, "dsdt.dat", dsdt, get(dsdt + 4, 4));
		snprintf(command, sizeof(command),
			 "cd %s && { iasl -d dsdt.dat >log 2>&1 && iasl -we dsdt.dsl >>log 2>&1 && "
			 "grep -q 'Return (Arg3)' dsdt.dsl && grep -q '_OSC, 4' dsdt.dsl || "
			 "{ cat log; exit 1; }; }",
			 dir);
		assert_int_equal(system(command), 0);
		tmp_free(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_guest_finds_every_table),
		T(the_fadt_says_hardware_reduced_with_reset_and_sleep),
		T(the_madt_lists_each_processor_once),
		T(the_mcfg_ends_where_the_buses_end),
		T(the_largest_machine_fits),
		T(the_dsdt_survives_iasl),
	};

	return cmocka_run_group_tests_name("vmm/acpi", tests, NULL, NULL);
}
