/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole passed-through function, from what the guest writes to VFIO, KVM and back, without either.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vm.h"
#include "tests/lib/guest_ops.h"
#include "vfio/irq.h"
#include "vmm/passthru.h"
#include "vmm/pci_host.h"

/* Config, BARs, COMMAND, power states, interrupts of all kinds, resets, removal: as the models say, always. */
static void random_guests_see_what_the_models_say(void **state)
{
	const char *given = getenv("BERTH_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	uint8_t ops[2000];

	(void)state;
	print_message("seed %u (BERTH_SEED=%u repeats it)\n", seed, seed);
	for (unsigned int round = 0; round < 300; round++) {
		struct guest_ops *g = guest_ops_new();
		const char *wrong;

		for (size_t i = 0; i < sizeof(ops); i++)
			ops[i] = (uint8_t)(rand_r(&seed) >> 4);
		wrong = guest_ops_run(g, ops, sizeof(ops));
		if (wrong)
			fail_msg("round %u, after %s: %s", round, g->what, wrong);
		guest_ops_free(g);
	}
}

static void the_end_leaves_nothing_behind(void **state)
{
	struct guest_ops *g = guest_ops_new();
	struct fake_vfio *k = g->fake;

	(void)state;
	/* errors and requests are the supervisor's to hear */
	assert_int_equal(g->vm->nr_watched, 0);
	assert_false(k->irq[VFIO_PCI_ERR_IRQ_INDEX].enabled);
	g->function->ops->config_write(g->function, PCI_COMMAND, 2, 7);
	assert_int_equal(fake_get(k, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
	berth_passthru_free(BERTH_TAKE_PTR(g->pt));
	for (unsigned int i = 0; i < 5; i++)
		assert_false(k->irq[i].enabled);
	for (unsigned int i = 0; i < FAKE_GSIS; i++)
		assert_int_equal(fake_irq.gsi[i].fd, -1);
	assert_int_equal(g->vm->nr_watched, 0);
	assert_int_equal(k->nr_closed, 1);
	assert_int_equal(fake_get(k, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
	for (unsigned int i = 1; i < FAKE_VM_SLOTS; i++) /* 0 is RAM */
		assert_int_equal(fake_vm_slots[i].size, 0);
	guest_ops_free(g);
}

static void descriptors_are_counted_before(void **state)
{
	struct guest_ops *g = guest_ops_new();
	struct fake_vfio *k = fake_vfio_new();
	struct berth_vfio_device *dev;

	(void)state;
	k->irq[BERTH_VFIO_IRQ_MSI].count = 32;
	dev = fake_vfio_open(k, (struct berth_bdf){ 0, 2, 0, 0 });
	assert_int_equal(berth_passthru_nr_fds(dev), 34);
	k->irq[BERTH_VFIO_IRQ_MSIX].count = 2048;
	assert_int_equal(berth_passthru_nr_fds(dev), 2050);
	berth_vfio_device_close(dev);
	fake_vfio_free(k);
	guest_ops_free(g);
}

/* Every answer of the kernel that can fail, failing: the device stays the caller's, nothing else is left. */
static void whatever_fails_the_device_stays_the_callers(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct guest_ops *g =
			guest_ops_new(); /* makes the VM; its own function is not used */
		struct berth_passthru_config config = { .space = g->vm->space,
							.slot = g->vm->slot,
							.p2p_clique = -1 };
		struct fake_vfio *k = fake_vfio_new();
		struct berth_err err = BERTH_ERR_INIT;
		struct berth_passthru *pt = NULL;
		struct berth_vfio_device *dev;

		fake_rich_device(k);
		dev = fake_vfio_open(k, (struct berth_bdf){ 0, 2, 0, 0 });
		switch (i) {
		case 0: /* the slot has a function 0 */
			break;
		case 1:
			k->config[PCI_HEADER_TYPE] = 1;
			break;
		case 2:
			fake_put32(k, RICH_MSIX + PCI_MSIX_TABLE, 0x4000);
			break;
		case 3:
			k->irq_info_result = -EIO;
			break;
		}
		assert_true(berth_passthru_new(&pt, fake_vm_as_vm(g->vm), &config, dev, &err) < 0);
		assert_null(pt);
		assert_non_null(strstr(err.text, "0000:02:00.0"));
		assert_int_equal(k->nr_closed, 0);
		for (unsigned int n = 0; n < 5; n++)
			assert_false(k->irq[n].enabled);
		assert_int_equal(g->vm->nr_watched, 0);
		berth_vfio_device_close(dev);
		fake_vfio_free(k);
		guest_ops_free(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_guests_see_what_the_models_say),
		cmocka_unit_test(the_end_leaves_nothing_behind),
		cmocka_unit_test(descriptors_are_counted_before),
		cmocka_unit_test(whatever_fails_the_device_stays_the_callers),
	};

	return cmocka_run_group_tests_name("vmm/passthru", tests, NULL, NULL);
}
