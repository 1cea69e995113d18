/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/cpuid.h"

/* Of a host with 16 processors; values as KVM hands them through. */
static const struct kvm_cpuid_entry2 host[] = {
	{ .function = 0x1, .ebx = 0x0e100800, .ecx = 0x2, .edx = 0x10000000 },
	{ .function = 0x4, .index = 0, .eax = 0x1c004121 },
	{ .function = 0x4, .index = 3, .eax = 0x1c03c163 },
	{ .function = 0x4, .index = 4, .eax = 0 },
	{ .function = 0xb, .index = 0, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 14 },
	{ .function = 0xb, .index = 1, .eax = 4, .ebx = 16, .ecx = 0x201, .edx = 14 },
	{ .function = 0xb, .index = 2, .eax = 7, .ebx = 7, .ecx = 2, .edx = 14 },
	{ .function = 0x80000001, .ecx = 0x3 },
	{ .function = 0x80000008, .eax = 0x302e, .ecx = 0x400f },
	{ .function = 0x8000001e, .eax = 14, .ebx = 0x107, .ecx = 0x100 },
};

static int setup(void **state)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + sizeof(host));

	assert_non_null(cpuid);
	cpuid->nent = BERTH_ARRAY_SIZE(host);
	memcpy(cpuid->entries, host, sizeof(host));
	*state = cpuid;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid, uint32_t function,
					   uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	fail_msg("no leaf 0x%x", function);
	return NULL;
}

static void every_vcpu_is_a_core_with_its_own_id(void **state)
{
	for (unsigned int i = 0; i < 6; i++) {
		berth_cpuid_set_vcpu(*state, i, 6);
		assert_int_equal(leaf(*state, 1, 0)->ebx, i << 24 | 6 << 16 | 0x0800);
		assert_int_equal(leaf(*state, 0xb, 0)->edx, i);
		assert_int_equal(leaf(*state, 0xb, 0)->ebx, 1);
		assert_int_equal(leaf(*state, 0xb, 0)->ecx, 0x100);
		assert_int_equal(leaf(*state, 0xb, 1)->eax, 3);
		assert_int_equal(leaf(*state, 0xb, 1)->ebx, 6);
		assert_int_equal(leaf(*state, 0xb, 1)->ecx, 0x201);
		assert_int_equal(leaf(*state, 0xb, 2)->ebx, 0);
		assert_int_equal(leaf(*state, 0xb, 2)->ecx, 2);
		assert_int_equal(leaf(*state, 0x8000001e, 0)->eax, i);
		assert_int_equal(leaf(*state, 0x8000001e, 0)->ebx, i);
	}
}

static void the_bits_that_kvm_leaves_to_us_are_set(void **state)
{
	berth_cpuid_set_vcpu(*state, 0, 1);
	assert_int_equal(leaf(*state, 1, 0)->ecx, 1u << 31 | 1u << 24 | 1u << 21 | 2);
	assert_int_equal(leaf(*state, 1, 0)->edx, 1u << 12); /* MTRR, and no HTT with one vCPU */
	berth_cpuid_set_vcpu(*state, 0, 2);
	assert_int_equal(leaf(*state, 1, 0)->edx, 1u << 12 | 1u << 28);
	assert_int_equal(leaf(*state, 0x80000001, 0)->ecx, 3);
	berth_cpuid_set_vcpu(*state, 0, 1);
	assert_int_equal(leaf(*state, 0x80000001, 0)->ecx, 1);
}

static void caches_are_shared_as_the_topology_says(void **state)
{
	berth_cpuid_set_vcpu(*state, 0, 4);
	/* level 1: one thread; level 3: all four ids; four cores in the package */
	assert_int_equal(leaf(*state, 4, 0)->eax, 0x00000121 | 3u << 26);
	assert_int_equal(leaf(*state, 4, 3)->eax, 0x00000163 | 3u << 14 | 3u << 26);
	assert_int_equal(leaf(*state, 4, 4)->eax, 0);
	assert_int_equal(leaf(*state, 0x80000008, 0)->ecx, 2 << 12 | 3);
}

static void address_bits_are_the_hosts(void **state)
{
	struct kvm_cpuid2 none = { .nent = 0 };
	struct kvm_cpuid_entry2 *e;

	berth_cpuid_set_vcpu(*state, 0, 2);
	assert_int_equal(berth_cpuid_phys_bits(*state), 46);
	assert_int_equal(leaf(*state, 0x80000008, 0)->eax, 0x302e);
	assert_int_equal(berth_cpuid_phys_bits(&none), 36);
	/* what page tables reach, if the kernel says so; without it, what the four-level ones do */
	e = (struct kvm_cpuid_entry2 *)(uintptr_t)leaf(*state, 0x80000008, 0);
	e->eax = 0x303934;
	assert_int_equal(berth_cpuid_phys_bits(*state), 48);
	e->eax = 0x343934;
	assert_int_equal(berth_cpuid_phys_bits(*state), 52);
	e->eax = 0x3934;
	assert_int_equal(berth_cpuid_phys_bits(*state), 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(every_vcpu_is_a_core_with_its_own_id),
		T(the_bits_that_kvm_leaves_to_us_are_set),
		T(caches_are_shared_as_the_topology_says),
		T(address_bits_are_the_hosts),
	};

	return cmocka_run_group_tests_name("vmm/cpuid", tests, NULL, NULL);
}
