/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_irq.h"
#include "tests/lib/fake_vfio.h"
#include "tests/lib/model_config.h"
#include "tests/lib/model_irqs.h"
#include "vfio/config.h"
#include "vmm/dev_irqs.h"

#define GSI  19
#define MSI  VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vfio_config *cfg;
	struct berth_dev_irqs *irqs;
	struct model_config config;
	struct model_irqs model;
};

static void plug(struct fixture *f)
{
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_config_new(&f->cfg, f->dev, false, NULL), 0);
	assert_int_equal(berth_dev_irqs_new(&f->irqs, NULL, f->dev, f->cfg, NULL), 0);
	assert_int_equal(berth_dev_irqs_plug(f->irqs, GSI, NULL), 0);
	model_config_init(&f->config, f->fake);
	model_irqs_init(&f->model, GSI);
}

static int setup_unplugged(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	fake_irq_reset();
	f->fake = fake_vfio_new();
	fake_rich_device(f->fake);
	return 0;
}

static int setup(void **state)
{
	int r = setup_unplugged(state);

	if (r == 0)
		plug(*state);
	return r;
}

static int setup_noresize(void **state)
{
	int r = setup_unplugged(state);
	struct fixture *f = *state;

	if (r == 0) {
		f->fake->irq[MSIX].flags = VFIO_IRQ_INFO_NORESIZE;
		plug(f);
	}
	return r;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_dev_irqs_free(f->irqs);
	berth_vfio_config_free(f->cfg);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

/* One config write by the guest, as passthru does it, in both worlds. */
static void cfg_write(struct fixture *f, unsigned int at, unsigned int len, uint32_t value)
{
	struct model_write w = model_config_write(&f->config, f->fake, at, len, value);
	unsigned int touched = berth_vfio_config_write(f->cfg, at, len, value);

	if (touched & BERTH_VFIO_CONFIG_RESET)
		berth_dev_irqs_reset(f->irqs);
	else if (touched & (BERTH_VFIO_CONFIG_MSI | BERTH_VFIO_CONFIG_MSIX))
		berth_dev_irqs_update(f->irqs);
	model_irqs_update(&f->model, &f->config, w.reset);
}

static void table_write(struct fixture *f, uint64_t at, unsigned int len, uint64_t value)
{
	berth_dev_irqs_write(f->irqs, BERTH_MSIX_TABLE, at, len, &value);
	model_irqs_write(&f->model, &f->config, at, len, (const uint8_t *)&value);
}

static void raise_vector(struct fixture *f, unsigned int n)
{
	static const unsigned int index_of[] = { [MODEL_MSI] = MSI, [MODEL_MSIX] = MSIX };

	fake_irq_raise(f->fake, index_of[f->model.mode], f->model.mode == MODEL_INTX ? 0 : n);
	model_irqs_raise(&f->model, &f->config, n);
}

static void check(struct fixture *f, const char *what, unsigned int step)
{
	const char *wrong = model_irqs_check(&f->model, f->fake);
	uint8_t want[16], got[16];
	uint32_t pending;

	if (wrong)
		fail_msg("step %u, after %s: %s", step, what, wrong);
	for (uint64_t at = 0; at < 8; at += 4) {
		berth_dev_irqs_read(f->irqs, BERTH_MSIX_PBA, at, 4, got);
		model_irqs_read_pba(&f->model, at, 4, want);
		if (memcmp(got, want, 4) != 0)
			fail_msg("step %u, after %s: pending bits %02x, not %02x", step, what,
				 got[0], want[0]);
	}
	berth_dev_irqs_refresh(f->irqs, RICH_MSI + 20, 4);
	pending = berth_vfio_config_read(f->cfg, RICH_MSI + 20, 4);
	if (pending != model_irqs_msi_pending(&f->model))
		fail_msg("step %u, after %s: MSI pending bits %x, not %x", step, what, pending,
			 model_irqs_msi_pending(&f->model));
}

static void set_msix(struct fixture *f, bool on)
{
	/* a dword from the start of the capability, as some guests do it */
	cfg_write(f, RICH_MSIX, 4, on ? 0x80000000 : 0);
}

static void set_msi(struct fixture *f, bool on)
{
	cfg_write(f, RICH_MSI + 2, 2, on ? 0x0021 : 0x0020);
}

static void program(struct fixture *f)
{
	cfg_write(f, RICH_MSI + 4, 4, 0xfee00000);
	cfg_write(f, RICH_MSI + 12, 2, 0x4041);
	for (unsigned int n = 0; n < RICH_MSIX_VECTORS; n++) {
		table_write(f, n * 16, 8, 0xfee01000);
		table_write(f, n * 16 + 8, 8, 0x80 + n);
	}
}

/*
 * From each of none, MSI, MSI-X, both to each other, every walk of five steps: one kind is enabled at a time, INTx when
 * neither is, MSI-X when both are, and it delivers.
 */
static void kinds_can_be_switched_in_every_order(void **state)
{
	struct fixture *f = *state;
	unsigned int step = 0;

	program(f);
	for (unsigned int walk = 0; walk < 1024; walk++) {
		for (unsigned int w = walk, i = 0; i < 5; i++, w >>= 2) {
			set_msi(f, w & 1);
			check(f, "MSI switched", step);
			set_msix(f, w & 2);
			check(f, "MSI-X switched", step++);
			raise_vector(f, i % 4);
			check(f, "raise", step);
		}
	}
	assert_true(fake_irq.gsi[GSI].injected > 100);
}

static void msi_vectors_can_be_masked_one_by_one(void **state)
{
	struct fixture *f = *state;

	program(f);
	set_msi(f, true);
	assert_int_equal(f->fake->irq[MSI].nr, 4);
	cfg_write(f, RICH_MSI + 16, 4, 0x6);
	for (unsigned int n = 0; n < 4; n++)
		raise_vector(f, n);
	raise_vector(f, 2);
	check(f, "raise", 0);
	assert_int_equal(model_irqs_msi_pending(&f->model), 0x6);
	cfg_write(f, RICH_MSI + 16, 1, 0x2);
	check(f, "unmask", 1);
	assert_int_equal(model_irqs_msi_pending(&f->model), 0x2);
	cfg_write(f, RICH_MSI + 16, 1, 0);
	check(f, "unmask", 2);
	assert_int_equal(fake_irq_injected(0x4042), 1);
}

static void routes_are_committed_once_per_access(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	program(f);
	for (unsigned int n = 0; n < RICH_MSIX_VECTORS; n++)
		table_write(f, n * 16 + 12, 4, 0);
	before = fake_irq.nr_commits;
	set_msix(f, true);
	assert_int_equal(fake_irq.nr_commits,
			 before + 2); /* as they are armed, and once for the enable bit */
	assert_int_equal(f->fake->irq[MSIX].nr_calls, 1);
	cfg_write(f, RICH_MSIX + 2, 2, 0xc000);
	assert_int_equal(fake_irq.nr_commits, before + 2);
	cfg_write(f, RICH_MSIX + 2, 2, 0x8000);
	assert_int_equal(fake_irq.nr_commits, before + 3);
	set_msix(f, false);
	before = fake_irq.nr_commits;
	set_msi(f, true);
	assert_int_equal(fake_irq.nr_commits, before + 1);
	check(f, "all this", 0);
}

static void a_reset_empties_the_table_and_brings_intx_back(void **state)
{
	struct fixture *f = *state;
	uint8_t table[160], want[160];

	program(f);
	table_write(f, 12, 4, 0);
	set_msix(f, true);
	raise_vector(f, 0);
	check(f, "MSI-X", 0);
	cfg_write(f, RICH_EXP + PCI_EXP_DEVCTL, 2, 0x8000);
	check(f, "reset", 1);
	for (unsigned int at = 0; at < sizeof(table); at += 8) {
		berth_dev_irqs_read(f->irqs, BERTH_MSIX_TABLE, at, 8, table + at);
		model_irqs_read(&f->model, at, 8, want + at);
	}
	assert_memory_equal(table, want, sizeof(table));
	raise_vector(f, 0);
	check(f, "raise", 2);
	set_msix(f, true);
	raise_vector(f, 0);
	check(f, "masked again", 3);
}

/* A device without INTx shows none, and with neither MSI nor MSI-X enabled nothing is. */
static void a_device_without_intx_has_none(void **state)
{
	struct fixture *f = *state;

	f->fake->irq[0].count = 0;
	plug(f);
	assert_int_equal(berth_vfio_config_read(f->cfg, PCI_INTERRUPT_PIN, 1), 0);
	assert_false(f->fake->irq[0].enabled);
	set_msi(f, true);
	assert_true(f->fake->irq[MSI].enabled);
	set_msi(f, false);
	assert_false(f->fake->irq[MSI].enabled);
	assert_false(f->fake->irq[0].enabled);
}

/* The host's line is shared with a device that cannot share: the guest sees no INTx. */
static void a_line_that_cannot_be_had_is_not_shown(void **state)
{
	struct fixture *f = *state;

	f->fake->irq[0].fail = -EBUSY;
	plug(f);
	assert_int_equal(berth_vfio_config_read(f->cfg, PCI_INTERRUPT_PIN, 1), 0);
}

static void a_table_outside_of_its_bar_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_put32(f->fake, RICH_MSIX + PCI_MSIX_TABLE,
		   0x3f80); /* 160 bytes from there are too many */
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_config_new(&f->cfg, f->dev, false, NULL), 0);
	assert_int_equal(berth_dev_irqs_new(&f->irqs, NULL, f->dev, f->cfg, &err), -EPROTO);
	assert_non_null(strstr(err.text, "outside of BAR 0"));
}

/* No vectors to be had: the capability is hidden, and the table still nobody's. */
static void a_table_without_interrupts_is_not_the_guests_either(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 0;

	f->fake->irq[MSIX].count = 0;
	plug(f);
	assert_int_equal(berth_vfio_config_caps(f->cfg)->msix, 0);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 0).start, RICH_TABLE);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 0).size, 160);
	berth_dev_irqs_write(f->irqs, BERTH_MSIX_TABLE, 0, 8, &v);
	berth_dev_irqs_read(f->irqs, BERTH_MSIX_TABLE, 0, 8, &v);
	assert_true(v == UINT64_MAX);
}

/* It lies about its size as well: what of it is in the BAR is kept from the guest. */
static void the_part_of_a_table_that_is_in_its_bar_is_not_the_guests(void **state)
{
	struct fixture *f = *state;
	struct berth_range part;

	f->fake->irq[MSIX].count = 0;
	fake_put32(f->fake, RICH_MSIX + PCI_MSIX_TABLE, 0x3f80);
	plug(f);
	part = berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 0);
	assert_int_equal(part.start, 0x3f80);
	assert_int_equal(part.size, 0x80);
}

/* The kernel offers fewer vectors than the table has entries: all of the table is kept from the guest. */
static void the_whole_table_of_the_device_is_kept(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 0;

	f->fake->irq[MSIX].count = 4;
	plug(f);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 0).size, 160);
	berth_dev_irqs_read(f->irqs, BERTH_MSIX_TABLE, 48, 8, &v);
	assert_int_equal(v, 0);
	berth_dev_irqs_read(f->irqs, BERTH_MSIX_TABLE, 64, 8, &v);
	assert_true(v == UINT64_MAX);
}

static void pending_bits_outside_of_their_bar_are_done_without(void **state)
{
	struct fixture *f = *state;

	fake_put32(f->fake, RICH_MSIX + PCI_MSIX_PBA, 0x4000);
	plug(f);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_PBA, 0).size, 0);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 0).size, 160);
	assert_int_equal(berth_dev_irqs_part(f->irqs, BERTH_MSIX_TABLE, 2).size, 0);
}

static unsigned int lines_in(int fd)
{
	char buf[8192];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);
	unsigned int lines = 0;

	assert_true(n >= 0 && n < (ssize_t)sizeof(buf));
	for (ssize_t i = 0; i < n; i++)
		lines += buf[i] == '\n';
	return lines;
}

/* What fails whenever the guest tries is said ten times, and then no more. */
static void a_guest_cannot_flood_the_log(void **state)
{
	struct fixture *f = *state;
	int saved = dup(2), log = memfd_create("log", MFD_CLOEXEC);

	f->fake->irq[MSIX].fail = -ENOSPC;
	assert_true(dup2(log, 2) == 2);
	for (unsigned int i = 0; i < 1000; i++)
		set_msix(f, i % 2 == 0);
	assert_true(dup2(saved, 2) == 2);
	assert_int_equal(lines_in(log), 10);
	close(saved);
	close(log);
}

/* Everything at random: enable bits, masks, messages, resets, and interrupts all the while. */
static void in_any_order_every_interrupt_is_seen_exactly_once(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("BERTH_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);

	print_message("seed %u (BERTH_SEED=%u repeats it)\n", seed, seed);
	program(f);
	for (unsigned int step = 0; step < 30000; step++) {
		unsigned int r = (unsigned int)rand_r(&seed), n = r >> 8 & 15;

		switch (r % 16) {
		case 0:
			set_msix(f, n & 1);
			check(f, "MSI-X enable", step);
			break;
		case 1:
			cfg_write(f, RICH_MSIX + 3, 1, n << 4);
			check(f, "MSI-X control", step);
			break;
		case 2:
			cfg_write(f, RICH_MSI + 2, 2, (r >> 12 & 0x70) | (n < 12));
			check(f, "MSI control", step);
			break;
		case 3:
			cfg_write(f, RICH_MSI + 16, 1, n);
			check(f, "MSI mask", step);
			break;
		case 4:
			cfg_write(f, RICH_MSI + 4 + 4 * (n % 3), 4, (uint32_t)rand_r(&seed));
			check(f, "MSI message", step);
			break;
		case 5:
			if (n == 0)
				cfg_write(f, RICH_EXP + PCI_EXP_DEVCTL, 2, 0x8000);
			check(f, "reset", step);
			break;
		case 6:
		case 7:
			table_write(f, 8 * (r >> 12 & 31), 8,
				    (uint64_t)rand_r(&seed) << 32 | (unsigned int)rand_r(&seed));
			check(f, "table write", step);
			break;
		case 8:
		case 9:
		case 10:
			table_write(f, 16 * n + 12, 4, r >> 16 & 1);
			check(f, "vector mask", step);
			break;
		default:
			raise_vector(f, n);
			check(f, "raise", step);
			break;
		}
	}
}

int main(void)
{
#define T(name)		  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_NORES(name)	  cmocka_unit_test_setup_teardown(name, setup_noresize, teardown)
#define T_UNPLUGGED(name) cmocka_unit_test_setup_teardown(name, setup_unplugged, teardown)
	const struct CMUnitTest tests[] = {
		T(kinds_can_be_switched_in_every_order),
		T_NORES(kinds_can_be_switched_in_every_order),
		T(msi_vectors_can_be_masked_one_by_one),
		T(routes_are_committed_once_per_access),
		T(a_reset_empties_the_table_and_brings_intx_back),
		T_UNPLUGGED(a_device_without_intx_has_none),
		T_UNPLUGGED(a_line_that_cannot_be_had_is_not_shown),
		T_UNPLUGGED(a_table_outside_of_its_bar_is_refused),
		T_UNPLUGGED(the_part_of_a_table_that_is_in_its_bar_is_not_the_guests),
		T_UNPLUGGED(a_table_without_interrupts_is_not_the_guests_either),
		T_UNPLUGGED(the_whole_table_of_the_device_is_kept),
		T_UNPLUGGED(pending_bits_outside_of_their_bar_are_done_without),
		T(a_guest_cannot_flood_the_log),
		T(in_any_order_every_interrupt_is_seen_exactly_once),
		T_NORES(in_any_order_every_interrupt_is_seen_exactly_once),
	};

	return cmocka_run_group_tests_name("vmm/dev_irqs", tests, NULL, NULL);
}
