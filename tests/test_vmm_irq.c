/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The routing table against a KVM that is not there: ioctl is wrapped and keeps what it was told.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/irq.h"

static struct {
	unsigned int commits;
	struct kvm_irq_routing_entry entries[BERTH_IRQ_NR_GSIS];
	unsigned int nr;
	struct kvm_irqfd last;
	unsigned int nr_attached;
	int fail_irqfd;
	struct kvm_irq_level level;
	struct kvm_msi msi;
} kvm;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case KVM_CREATE_IRQCHIP:
	case KVM_CREATE_PIT2:
		return 0;
	case KVM_CHECK_EXTENSION:
		return BERTH_IRQ_NR_GSIS;
	case KVM_SET_GSI_ROUTING: {
		const struct kvm_irq_routing *table = arg;

		kvm.commits++;
		kvm.nr = table->nr;
		memcpy(kvm.entries, table->entries, table->nr * sizeof(kvm.entries[0]));
		return 0;
	}
	case KVM_IRQFD:
		if (kvm.fail_irqfd) {
			errno = kvm.fail_irqfd;
			return -1;
		}
		kvm.last = *(struct kvm_irqfd *)arg;
		if (kvm.last.flags & KVM_IRQFD_FLAG_DEASSIGN)
			kvm.nr_attached--;
		else
			kvm.nr_attached++;
		return 0;
	case KVM_IRQ_LINE:
		kvm.level = *(struct kvm_irq_level *)arg;
		return 0;
	case KVM_SIGNAL_MSI:
		kvm.msi = *(struct kvm_msi *)arg;
		return 1;
	default:
		fail_msg("unexpected ioctl 0x%lx", request);
		return -1;
	}
}

static int setup(void **state)
{
	struct berth_irq *irq;

	memset(&kvm, 0, sizeof(kvm));
	assert_int_equal(berth_irq_new(&irq, 3, NULL), 0);
	*state = irq;
	return 0;
}

static int teardown(void **state)
{
	berth_irq_free(*state);
	return 0;
}

static const struct kvm_irq_routing_entry *route(unsigned int gsi)
{
	for (unsigned int i = 0; i < kvm.nr; i++)
		if (kvm.entries[i].gsi == gsi)
			return &kvm.entries[i];
	return NULL;
}

static void the_pins_are_routed_to_the_ioapic_from_the_start(void **state)
{
	(void)state;
	assert_int_equal(kvm.commits, 1);
	assert_int_equal(kvm.nr, BERTH_IRQ_NR_PINS);
	for (unsigned int pin = 0; pin < BERTH_IRQ_NR_PINS; pin++) {
		assert_int_equal(kvm.entries[pin].gsi, pin);
		assert_int_equal(kvm.entries[pin].u.irqchip.irqchip, KVM_IRQCHIP_IOAPIC);
		assert_int_equal(kvm.entries[pin].u.irqchip.pin, pin);
	}
}

static void many_messages_cost_one_commit(void **state)
{
	unsigned int gsis[2048];

	for (unsigned int i = 0; i < BERTH_ARRAY_SIZE(gsis); i++) {
		assert_int_equal(berth_irq_alloc_gsi(*state, &gsis[i], NULL), 0);
		assert_int_equal(
			berth_irq_set_msi(*state, gsis[i], UINT64_C(0x1fee00000) + i, i, NULL), 0);
	}
	assert_int_equal(kvm.commits, 1);
	assert_int_equal(berth_irq_commit(*state, NULL), 0);
	assert_int_equal(kvm.commits, 2);
	assert_int_equal(kvm.nr, BERTH_IRQ_NR_PINS + BERTH_ARRAY_SIZE(gsis));
	for (unsigned int i = 0; i < BERTH_ARRAY_SIZE(gsis); i++) {
		const struct kvm_irq_routing_entry *e = route(gsis[i]);

		assert_non_null(e);
		assert_int_equal(e->type, KVM_IRQ_ROUTING_MSI);
		assert_int_equal(e->u.msi.address_lo, 0xfee00000 + i);
		assert_int_equal(e->u.msi.address_hi, 1);
		assert_int_equal(e->u.msi.data, i);
	}
}

static void the_same_message_again_costs_no_commit(void **state)
{
	unsigned int gsi;

	berth_irq_alloc_gsi(*state, &gsi, NULL);
	berth_irq_set_msi(*state, gsi, 0xfee00000, 7, NULL);
	berth_irq_commit(*state, NULL);
	berth_irq_set_msi(*state, gsi, 0xfee00000, 7, NULL);
	berth_irq_commit(*state, NULL);
	assert_int_equal(kvm.commits, 2);
	berth_irq_set_msi(*state, gsi, 0xfee00000, 8, NULL);
	berth_irq_commit(*state, NULL);
	assert_int_equal(kvm.commits, 3);
}

static void an_eventfd_needs_a_committed_route(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	unsigned int gsi;

	berth_irq_alloc_gsi(*state, &gsi, NULL);
	assert_int_equal(berth_irq_attach_fd(*state, gsi, 9, -1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no committed route"));
	berth_irq_set_msi(*state, gsi, 0xfee00000, 1, NULL);
	assert_int_equal(berth_irq_attach_fd(*state, gsi, 9, -1, NULL), -EINVAL);
	berth_irq_commit(*state, NULL);
	assert_int_equal(berth_irq_attach_fd(*state, gsi, 9, -1, NULL), 0);
	assert_int_equal(kvm.last.gsi, gsi);
	assert_int_equal(kvm.last.fd, 9);
	assert_int_equal(kvm.last.flags, 0);
	assert_int_equal(berth_irq_attach_fd(*state, gsi, 9, -1, NULL), -EBUSY);
	assert_int_equal(kvm.nr_attached, 1);
}

static void devices_share_a_pin_with_their_own_resample_fds(void **state)
{
	assert_int_equal(berth_irq_attach_fd(*state, 17, 20, 21, NULL), 0);
	assert_int_equal(kvm.last.flags, KVM_IRQFD_FLAG_RESAMPLE);
	assert_int_equal(kvm.last.resamplefd, 21);
	assert_int_equal(berth_irq_attach_fd(*state, 17, 30, 31, NULL), 0);
	berth_irq_detach_fd(*state, 17, 20);
	assert_int_equal(kvm.last.fd, 20);
	assert_int_equal(kvm.nr_attached, 1);
	berth_irq_detach_fd(*state, 17, 20);
	berth_irq_detach_fd(*state, 18, 30);
	assert_int_equal(kvm.nr_attached, 1);
}

static void a_failed_attachment_leaves_nothing_behind(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	kvm.fail_irqfd = EINVAL;
	assert_int_equal(berth_irq_attach_fd(*state, 16, 20, 21, &err), -EINVAL);
	assert_non_null(strstr(err.text, "KVM_IRQFD for GSI 16"));
	kvm.fail_irqfd = 0;
	assert_int_equal(berth_irq_attach_fd(*state, 16, 20, 21, NULL), 0);
}

static void a_freed_gsi_loses_its_route_and_comes_back_clean(void **state)
{
	unsigned int a, b, again;

	berth_irq_alloc_gsi(*state, &a, NULL);
	berth_irq_alloc_gsi(*state, &b, NULL);
	berth_irq_set_msi(*state, a, 0xfee00000, 1, NULL);
	berth_irq_set_msi(*state, b, 0xfee00000, 2, NULL);
	berth_irq_commit(*state, NULL);
	berth_irq_free_gsi(*state, a);
	berth_irq_commit(*state, NULL);
	assert_null(route(a));
	assert_non_null(route(b));
	berth_irq_alloc_gsi(*state, &again, NULL);
	assert_int_equal(again, a);
	assert_int_equal(berth_irq_attach_fd(*state, again, 9, -1, NULL), -EINVAL);
}

static void pins_and_strangers_take_no_message(void **state)
{
	assert_int_equal(berth_irq_set_msi(*state, 4, 0xfee00000, 1, NULL), -EINVAL);
	assert_int_equal(berth_irq_set_msi(*state, 24, 0xfee00000, 1, NULL), -EINVAL);
	assert_int_equal(berth_irq_set_msi(*state, UINT32_MAX, 0xfee00000, 1, NULL), -EINVAL);
	berth_irq_free_gsi(*state, 4);
	berth_irq_commit(*state, NULL);
	assert_int_equal(kvm.commits, 1);
}

static void running_out_of_routes_is_said(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	unsigned int gsi;

	for (unsigned int i = BERTH_IRQ_NR_PINS; i < BERTH_IRQ_NR_GSIS; i++)
		assert_int_equal(berth_irq_alloc_gsi(*state, &gsi, NULL), 0);
	assert_int_equal(gsi, BERTH_IRQ_NR_GSIS - 1);
	assert_int_equal(berth_irq_alloc_gsi(*state, &gsi, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "4072"));
}

static void pins_and_messages_can_be_raised_by_hand(void **state)
{
	assert_int_equal(berth_irq_set_pin(*state, 4, 1), 0);
	assert_int_equal(kvm.level.irq, 4);
	assert_int_equal(kvm.level.level, 1);
	assert_int_equal(berth_irq_signal_msi(*state, UINT64_C(0x2fee01000), 0x41), 0);
	assert_int_equal(kvm.msi.address_lo, 0xfee01000);
	assert_int_equal(kvm.msi.address_hi, 2);
	assert_int_equal(kvm.msi.data, 0x41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(the_pins_are_routed_to_the_ioapic_from_the_start),
		T(many_messages_cost_one_commit),
		T(the_same_message_again_costs_no_commit),
		T(an_eventfd_needs_a_committed_route),
		T(devices_share_a_pin_with_their_own_resample_fds),
		T(a_failed_attachment_leaves_nothing_behind),
		T(a_freed_gsi_loses_its_route_and_comes_back_clean),
		T(pins_and_strangers_take_no_message),
		T(running_out_of_routes_is_said),
		T(pins_and_messages_can_be_raised_by_hand),
	};

	return cmocka_run_group_tests_name("vmm/irq", tests, NULL, NULL);
}
