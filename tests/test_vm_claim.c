/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices of VMs that run: taken, given back, reset with proof. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "manager/claim.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/sanitise.h"
#include "policy/evidence.h"
#include "tests/lib/verbs.h"

static void unclaim(struct fake_fixture *f, struct berth_vm_claim *c, bool reset_ok)
{
	verbs_unclaim(f, c, reset_ok, 0, NULL);
}

static void a_run_takes_and_gives_back(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_vm_claim *c;

	verbs_process(f, 500);
	c = verbs_claim(f, "t1", GPU, 500, 0);
	assert_int_equal(c->nr_devs, 2);
	assert_int_equal(c->devs[0].group, 14);
	assert_true(c->devs[0].asked);
	assert_false(c->devs[1].asked);
	verbs_expect_state(f, "in-use");
	unclaim(f, c, true);
	verbs_expect_untouched(f, "after the run");
}

static void a_run_of_an_assigned_device_leaves_it_assigned(void **state)
{
	struct fake_fixture *f = *state;

	verbs_process(f, 500);
	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	unclaim(f, verbs_claim(f, "t1", NIC, 500, 0), true);
	verbs_expect_state(f, "assigned");
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

static void a_second_run_is_refused_while_the_first_lives(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_vm_claim *c;

	verbs_process(f, 500);
	verbs_process(f, 501);
	c = verbs_claim(f, "t1", NIC, 500, 0);
	assert_null(verbs_claim(f, "t1", NIC, 501, BERTH_REFUSED));
	assert_null(verbs_claim(f, "t2", NIC, 501, BERTH_REFUSED));
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), BERTH_REFUSED);
	unclaim(f, c, true);
	verbs_expect_untouched(f, "after the run");
}

static void a_dead_holder_is_noticed_and_cleaned_up_after(void **state)
{
	struct fake_fixture *f = *state;

	verbs_process(f, 500);
	berth_vm_claim_free(verbs_claim(f, "t1", NIC, 500, 0));
	fake_host_remove(f->fake, "proc/500");
	verbs_expect_state(f, "in-use");
	verbs_recover(f);
	verbs_expect_untouched(f, "after the holder's death");
}

static void a_holder_that_cannot_be_looked_at_is_alive(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_vm_claim *c;

	verbs_process(f, 500);
	c = verbs_claim(f, "t1", NIC, 500, 0);
	fake_host_remove(f->fake, "proc/500/stat");
	fake_host_file(f->fake, "proc/500/stat/x", "%s", "");
	verbs_recover(f);
	verbs_expect_state(f, "in-use");
	fake_host_remove(f->fake, "proc/500");
	verbs_recover(f);
	verbs_expect_untouched(f, "after the holder's death");
	berth_vm_claim_free(c);
}

static void another_process_with_the_same_pid_is_not_the_holder(void **state)
{
	struct fake_fixture *f = *state;

	verbs_process(f, 500);
	berth_vm_claim_free(verbs_claim(f, "t1", NIC, 500, 0));
	fake_host_file(f->fake, "proc/500/stat", "%s",
		       "500 (sh) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9999 0 0\n");
	verbs_recover(f);
	verbs_expect_untouched(f, "after the holder's death");
}

static void no_proven_reset_means_quarantine(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_vm_claim *c;
	struct berth_manager *m;
	const char *dev = NIC;

	fake_host_remove(f->fake, "sys/bus/pci/devices/" NIC "/reset");
	verbs_process(f, 500);
	c = verbs_claim(f, "t1", NIC, 500, 0);
	verbs_unclaim(f, c, false, -EUCLEAN, &err);
	assert_non_null(strstr(err.text, "it is quarantined"));
	err = (struct berth_err)BERTH_ERR_INIT;
	verbs_expect_state(f, "quarantined");
	assert_int_equal(verbs_assign(f, "t2", NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "quarantined"));
	err = (struct berth_err)BERTH_ERR_INIT;
	assert_int_equal(verbs_release(f, NULL, NIC, &err), BERTH_REFUSED);
	assert_non_null(strstr(err.text, "--unclean"));
	/* Its own VM may have it again. */
	verbs_unclaim(f, verbs_claim(f, "t1", NIC, 500, 0), false, -EUCLEAN, NULL);
	verbs_expect_state(f, "quarantined");
	m = verbs_open(f, BERTH_MANAGER_CHANGE);
	assert_int_equal(berth_manager_release(m, NULL, &dev, 1,
					       (struct berth_release_how){ .unclean = true }, NULL,
					       NULL),
			 0);
	berth_manager_close(m);
	verbs_expect_untouched(f, "after release --unclean");
}

/* The newest evidence about the device that @c has first. */
static struct berth_evidence evidence(struct fake_fixture *f, const char *path)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	struct berth_evidence e;

	assert_int_equal(berth_ledger_open(&ledger, f->host->state, BERTH_LEDGER_READ, NULL), 0);
	assert_int_equal(berth_evidence_last(ledger, path, &e, NULL), 0);
	return e;
}

/* A claim whose devices were reset before use, by "flr", and recorded. */
static struct berth_vm_claim *claim_recorded(struct fake_fixture *f,
					     char path[static BERTH_CLAIM_PATH])
{
	struct berth_vm_claim *c = verbs_claim(f, "t1", NIC, 500, 0);

	for (size_t i = 0; i < c->nr_devs; i++) {
		verbs_set_config(f, NIC, PCI_COMMAND, 0);
		c->devs[i].reset.method = BERTH_RESET_FUNCTION;
		c->devs[i].reset.proven = true;
		strcpy(c->devs[i].reset.by, "flr");
		strcpy(c->devs[i].reset.sentence, "reset as a test");
	}
	assert_int_equal(berth_sanitise_before(f->host, c, NULL), 0);
	strcpy(path, c->devs[0].path);
	return c;
}

static void evidence_of_every_reset_is_kept(void **state)
{
	struct fake_fixture *f = *state;
	char path[BERTH_CLAIM_PATH];
	struct berth_vm_claim *c;
	struct berth_evidence e;

	verbs_process(f, 500);
	c = claim_recorded(f, path);
	e = evidence(f, path);
	assert_true(!e.after && e.proven);
	assert_string_equal(e.method, "flr");
	assert_string_equal(e.vm, "t1");
	assert_string_equal(e.bdf, NIC);
	assert_string_equal(e.sentence, "reset as a test");
	berth_evidence_done(&e);
	unclaim(f, c, true);
	e = evidence(f, path);
	assert_true(e.after && e.proven);
	assert_string_equal(e.checked, "config");
	berth_evidence_done(&e);
	verbs_expect_untouched(f, "after the run");
}

static void a_configuration_that_stays_changed_means_quarantine(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;
	char path[BERTH_CLAIM_PATH];
	struct berth_vm_claim *c;
	struct berth_evidence e;

	verbs_process(f, 500);
	c = claim_recorded(f, path);
	verbs_set_config(f, NIC, PCI_INTERRUPT_LINE, 0x55);
	verbs_unclaim(f, c, true, -EUCLEAN, &err);
	assert_non_null(strstr(err.text, NIC ": its use changed its configuration for good: "
					     "register 0x03c is 0x55, was 0"));
	verbs_expect_state(f, "quarantined");
	e = evidence(f, path);
	assert_true(e.after && !e.proven);
	assert_string_equal(e.sentence, NIC ": its use changed its configuration for good: "
					    "register 0x03c is 0x55, was 0");
	berth_evidence_done(&e);
	/* Somebody puts it right, by a power cycle say: then the next reset proves it. */
	verbs_set_config(f, NIC, PCI_INTERRUPT_LINE, 0);
	assert_int_equal(verbs_release(f, NULL, NIC, &err), 0);
	e = evidence(f, path);
	assert_true(e.proven);
	assert_string_equal(e.checked, "answers,no-dma,d0,idle,bars,config");
	berth_evidence_done(&e);
	verbs_expect_untouched(f, "after release");
}

static void a_group_that_is_open_elsewhere_is_not_touched(void **state)
{
	struct fake_fixture *f = *state;
	char target[128];

	assert_int_equal(verbs_assign(f, "t1", NIC, NULL), 0);
	verbs_process(f, 600);
	snprintf(target, sizeof(target), "%s/dev/vfio/13", f->fake->root);
	fake_host_link(f->fake, "proc/600/fd/9", target);
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), BERTH_REFUSED);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
	fake_host_remove(f->fake, "proc/600");
	assert_int_equal(verbs_release(f, NULL, NIC, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, verbs_set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_holder_that_cannot_be_looked_at_is_alive),
		T(a_run_takes_and_gives_back),
		T(a_run_of_an_assigned_device_leaves_it_assigned),
		T(a_second_run_is_refused_while_the_first_lives),
		T(a_dead_holder_is_noticed_and_cleaned_up_after),
		T(another_process_with_the_same_pid_is_not_the_holder),
		T(no_proven_reset_means_quarantine),
		T(evidence_of_every_reset_is_kept),
		T(a_configuration_that_stays_changed_means_quarantine),
		T(a_group_that_is_open_elsewhere_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
