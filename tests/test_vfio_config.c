/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fake_vfio.h"
#include "tests/lib/model_config.h"
#include "vfio/config.h"

static bool no_memory;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size)
{
	return no_memory ? NULL : __real_calloc(nr, size);
}

struct fixture {
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vfio_config *cfg;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	f->fake = fake_vfio_new();
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_vfio_config_free(f->cfg);
	berth_vfio_device_close(f->dev);
	fake_vfio_free(f->fake);
	free(f);
	return 0;
}

static int try_make(struct fixture *f, struct berth_err *err)
{
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	return berth_vfio_config_new(&f->cfg, f->dev, false, err);
}

static void make(struct fixture *f)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (try_make(f, &err) != 0)
		fail_msg("%s", err.text);
	f->fake->nr_log = 0;
}

/* A device with one of everything. */
static void rich_device(struct fake_vfio *k)
{
	fake_put16(k, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	k->config[PCI_INTERRUPT_PIN] = 1;
	k->irq[VFIO_PCI_INTX_IRQ_INDEX].count = 1;
	fake_vfio_bar(k, 0, 0x4000, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	fake_vfio_bar(k, 2, 32, PCI_BASE_ADDRESS_SPACE_IO);
	fake_vfio_cap(k, 0x40, PCI_CAP_ID_PM);
	fake_put16(k, 0x42, 0xf803);
	fake_vfio_msi(k, 0x50, 2, true, true);
	fake_vfio_msix(k, 0x70, 10, 0x2000, 0x3000, false);
	fake_vfio_cap(k, 0x80, PCI_CAP_ID_EXP);
	fake_put16(k, 0x82, 0x0092); /* version 2, integrated endpoint */
	fake_vfio_cap(k, 0xc0, PCI_CAP_ID_VPD);
	fake_vfio_cap(k, 0xd0, PCI_CAP_ID_VNDR);
	fake_vfio_ext_cap(k, 0x100, PCI_EXT_CAP_ID_ERR);
	fake_vfio_ext_cap(k, 0x140, PCI_EXT_CAP_ID_DSN);
	fake_vfio_ext_cap(k, 0x150, PCI_EXT_CAP_ID_ARI);
	fake_vfio_ext_cap(k, 0x160, PCI_EXT_CAP_ID_SRIOV);
	fake_put32(k, 0x184, 0xdeadbeef); /* a VF BAR with a host address */
	fake_vfio_ext_cap(k, 0x1a0, PCI_EXT_CAP_ID_VNDR);
}

static uint32_t rd(struct fixture *f, unsigned int at, unsigned int len)
{
	return berth_vfio_config_read(f->cfg, at, len);
}

static unsigned int wr(struct fixture *f, unsigned int at, unsigned int len, uint32_t v)
{
	return berth_vfio_config_write(f->cfg, at, len, v);
}

static void shows_the_capabilities_that_it_may(void **state)
{
	static const struct {
		uint8_t at, id;
	} want[] = { { 0x40, 1 },    { 0x50, 5 }, { 0x70, 0x11 },
		     { 0x80, 0x10 }, { 0xc0, 3 }, { 0xd0, 9 } };
	struct fixture *f = *state;
	uint32_t at;

	rich_device(f->fake);
	make(f);
	assert_int_equal(rd(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, PCI_STATUS_CAP_LIST);
	at = rd(f, PCI_CAPABILITY_LIST, 1);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(want); i++) {
		assert_int_equal(at, want[i].at);
		assert_int_equal(rd(f, at, 1), want[i].id);
		at = rd(f, at + 1, 1);
	}
	assert_int_equal(at, 0);
	/* extended: ARI and SR-IOV are gone, what they held reads 0 */
	assert_int_equal(rd(f, 0x100, 4), PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x140 << 20);
	assert_int_equal(rd(f, 0x140, 4), PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x1a0 << 20);
	assert_int_equal(rd(f, 0x1a0, 4), PCI_EXT_CAP_ID_VNDR | 1 << 16);
	for (unsigned int i = 0x150; i < 0x1a0; i += 4)
		assert_int_equal(rd(f, i, 4), 0);
}

static void a_hidden_first_extended_capability_becomes_a_null_one(void **state)
{
	struct fixture *f = *state;

	fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_SRIOV);
	fake_vfio_ext_cap(f->fake, 0x140, PCI_EXT_CAP_ID_DSN);
	make(f);
	assert_int_equal(rd(f, 0x100, 4), 0x140 << 20);
	assert_int_equal(rd(f, 0x140, 4), PCI_EXT_CAP_ID_DSN | 1 << 16);
}

static void check_write(struct fixture *f, struct model_config *m, unsigned int at,
			unsigned int len, uint32_t value)
{
	struct model_write want = model_config_write(m, f->fake, at, len, value);
	struct fake_vfio *k = f->fake;
	unsigned int touched, want_log = want.to_device + want.reset;

	k->nr_log = 0;
	touched = wr(f, at, len, value);
	if (k->nr_log != want_log || !!(touched & BERTH_VFIO_CONFIG_RESET) != want.reset)
		fail_msg("%#x+%u: %#x: %u writes to the device, touched %#x", at, len, value,
			 k->nr_log, touched);
	if (want.to_device &&
	    (k->log[0].offset != at || k->log[0].len != len || k->log[0].value != want.value))
		fail_msg("%#x+%u: %#x: the device got %#x at %#x+%u, not %#x", at, len, value,
			 k->log[0].value, k->log[0].offset, k->log[0].len, want.value);
	/* after a reset decoding stays on there, and mastering goes off */
	if (want.reset && (k->log[want_log - 1].offset != PCI_COMMAND ||
			   (k->log[want_log - 1].value & 0x0547) != 3))
		fail_msg("%#x+%u: %#x: no proper reset", at, len, value);
	if (rd(f, at, len) != model_config_read(m, k, at, len))
		fail_msg("%#x+%u: %#x: reads %#x, not %#x", at, len, value, rd(f, at, len),
			 model_config_read(m, k, at, len));
}

/*
 * Every register, every width, every bit alone and every bit alone missing, over a device that holds noise, ones, zeros:
 * what the guest reads back, and what the device gets, is what the model says; one write at most, never wider.
 */
static void every_bit_of_every_register_does_what_the_model_says(void **state)
{
	struct fixture *f = *state;
	struct model_config m;
	uint8_t noise[4096];

	fake_rich_device(f->fake);
	make(f);
	model_config_init(&m, f->fake);
	memcpy(noise, f->fake->config, sizeof(noise));
	for (unsigned int at = 0; at < 4096; at += 1) {
		if (rd(f, at, 1) != model_config_read(&m, f->fake, at, 1))
			fail_msg("%#x: reads %#x at first", at, rd(f, at, 1));
	}
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int at = 0; at < 4096; at++) {
			for (unsigned int len = 1; len <= 4 && at % len == 0; len *= 2) {
				uint32_t all = UINT32_MAX >> (32 - 8 * len);

				for (unsigned int bit = 0; bit < 8 * len; bit++) {
					memcpy(f->fake->config, noise, sizeof(noise));
					if (round && at >= 4)
						memset(f->fake->config + at, round == 1 ? 0xff : 0,
						       len);
					check_write(f, &m, at, len, 1u << bit);
					check_write(f, &m, at, len, all & ~(1u << bit));
				}
				check_write(f, &m, at, len, all);
				check_write(f, &m, at, len, 0);
			}
		}
	}
}

/* A second opinion of the same kind: what the masks say, for the fuzzers. */
static void no_bit_is_both_ours_and_the_devices(void **state)
{
	struct fixture *f = *state;

	fake_rich_device(f->fake);
	make(f);
	for (unsigned int at = 0; at < 4096; at++) {
		uint8_t device, shadow, through;

		berth_vfio_config_masks(f->cfg, at, &device, &shadow, &through);
		assert_int_equal(device & shadow, 0);
		assert_int_equal(through & ~device, 0);
	}
}

static void msi_and_msix_never_reach_the_device(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	for (unsigned int at = 0x50; at < 0x7c; at += 4) {
		if (at == 0x68 || at == 0x6c)
			continue; /* between the two */
		wr(f, at, 4, UINT32_MAX);
		wr(f, at, 4, 0x12345678);
	}
	assert_int_equal(f->fake->nr_log, 0);
}

static void writes_are_never_wider_than_the_guests(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	for (unsigned int len = 1; len <= 4; len *= 2) {
		for (unsigned int at = 0; at < 0x200; at += len) {
			f->fake->nr_log = 0;
			wr(f, at, len, UINT32_MAX >> (32 - 8 * len));
			assert_true(f->fake->nr_log <= 1);
			if (f->fake->nr_log) {
				assert_int_equal(f->fake->log[0].offset, at);
				assert_int_equal(f->fake->log[0].len, len);
			}
		}
	}
}

static void decoding_is_ours_and_mastering_is_the_devices(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	assert_int_equal(rd(f, PCI_COMMAND, 2) & 3, 0);
	assert_false(berth_vfio_config_mem_on(f->cfg));
	assert_int_equal(wr(f, PCI_COMMAND, 2, 0x7), BERTH_VFIO_CONFIG_COMMAND);
	assert_int_equal(rd(f, PCI_COMMAND, 2), 0x7);
	assert_int_equal(fake_get(f->fake, PCI_COMMAND, 2), 0x7);
	wr(f, PCI_COMMAND, 2, 0);
	assert_int_equal(rd(f, PCI_COMMAND, 2), 0);
	assert_int_equal(fake_get(f->fake, PCI_COMMAND, 2), 0x3);
	/* a dword write to both registers clears no error bit that the guest did not set */
	fake_put16(f->fake, PCI_STATUS, 0x2010);
	wr(f, PCI_COMMAND, 4, 0x00000002);
	assert_int_equal(f->fake->log[f->fake->nr_log - 1].value & 0xf9000000, 0);
}

static void bars_can_be_sized(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(wr(f, PCI_BASE_ADDRESS_0 + 4 * i, 4, UINT32_MAX),
				 BERTH_VFIO_CONFIG_BAR);
	wr(f, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_0, 4), 0xffffc00c);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_1, 4), 0xffffffff);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_2, 4), 0xffffffe1);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_3, 4), 0);
	assert_int_equal(rd(f, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(f->fake->nr_log, 0);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 0)->size, 0x4000);
	assert_true(berth_vfio_config_bar(f->cfg, 0)->prefetch);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 1)->size, 0);
	assert_true(berth_vfio_config_bar(f->cfg, 2)->io);
}

static void a_rom_can_be_sized_and_switched_off(void **state)
{
	struct fixture *f = *state;

	fake_vfio_bar(f->fake, BERTH_VFIO_REGION_ROM, 0xc000, 0);
	make(f);
	wr(f, PCI_ROM_ADDRESS, 4, (uint32_t)PCI_ROM_ADDRESS_MASK);
	assert_int_equal(rd(f, PCI_ROM_ADDRESS, 4), 0xffff0000); /* rounded up */
	wr(f, PCI_ROM_ADDRESS, 4, 0xc1234567);
	assert_int_equal(rd(f, PCI_ROM_ADDRESS, 4), 0xc1230001);
	assert_int_equal(berth_vfio_config_bar(f->cfg, BERTH_VFIO_CONFIG_ROM)->size, 0x10000);
	assert_int_equal(f->fake->nr_log, 0);
	wr(f, PCI_ROM_ADDRESS, 4, 0);
	berth_vfio_config_no_rom(f->cfg);
	wr(f, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	assert_int_equal(rd(f, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(berth_vfio_config_bar(f->cfg, BERTH_VFIO_CONFIG_ROM)->size, 0);
}

static void a_rom_larger_than_there_are_is_none(void **state)
{
	struct fixture *f = *state;

	f->fake->region[BERTH_VFIO_REGION_ROM].size = (16u << 20) + 1;
	f->fake->region[BERTH_VFIO_REGION_ROM].flags = VFIO_REGION_INFO_FLAG_READ;
	make(f);
	assert_int_equal(berth_vfio_config_bar(f->cfg, BERTH_VFIO_CONFIG_ROM)->size, 0);
}

static void a_table_moves_to_a_free_register(void **state)
{
	struct fixture *f = *state;
	const struct berth_vfio_config_caps *caps;

	fake_vfio_bar(f->fake, 0, 0x4000, 0x4);
	fake_vfio_bar(f->fake, 2, 0x4000, 0xc);
	fake_vfio_msix(f->fake, 0x50, 300, 0x2000, 0x3ff8, false);
	make(f);
	assert_true(berth_vfio_config_move_msix(f->cfg));
	caps = berth_vfio_config_caps(f->cfg);
	assert_int_equal(caps->msix_table_bar, 5);
	assert_int_equal(caps->msix_table_offset, 0);
	assert_int_equal(caps->msix_pba_offset, 300 * 16);
	assert_int_equal(rd(f, 0x54, 4), 5);
	assert_int_equal(rd(f, 0x58, 4), 300 * 16 | 5);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 5)->size, 0x2000);
	wr(f, PCI_BASE_ADDRESS_5, 4, UINT32_MAX);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_5, 4), 0xffffe000);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 0)->size, 0x4000);
}

static void a_table_moves_to_the_upper_half_of_its_bar(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 6; i += 2)
		fake_vfio_bar(f->fake, i, 0x4000, 0xc);
	fake_vfio_msix(f->fake, 0x50, 16, 0x2004 & ~7u, 0x3002, false);
	make(f);
	assert_true(berth_vfio_config_move_msix(f->cfg));
	assert_int_equal(rd(f, 0x54, 4), 0x4000);
	assert_int_equal(rd(f, 0x58, 4), 0x4100);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 0)->size, 0x8000);
	wr(f, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	assert_int_equal(rd(f, PCI_BASE_ADDRESS_0, 4), 0xffff800c);
}

static void a_table_that_cannot_move_stays(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 6; i++)
		fake_vfio_bar(f->fake, i, 0x1000, 0);
	fake_vfio_msix(f->fake, 0x50, 2048, 0x0, 0x800, false);
	make(f);
	assert_false(
		berth_vfio_config_move_msix(f->cfg)); /* the table alone is larger than the BAR */
	assert_int_equal(rd(f, 0x54, 4), 0);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 0)->size, 0x1000);
}

static void a_clique_is_a_capability_at_the_end_of_the_list(void **state)
{
	struct fixture *f = *state;

	fake_put16(f->fake, PCI_VENDOR_ID, 0x10de);
	fake_vfio_cap(f->fake, 0x40, PCI_CAP_ID_PM);
	make(f);
	assert_int_equal(berth_vfio_config_add_clique(f->cfg, 5, false, NULL), 0);
	assert_int_equal(rd(f, 0x41, 1), 0xc8);
	assert_int_equal(rd(f, 0xc8, 4), 0x50080009);
	assert_int_equal(rd(f, 0xcc, 4), 0x00285032);
	wr(f, 0xcc, 4, 0);
	assert_int_equal(rd(f, 0xcc, 4), 0x00285032);
	assert_int_equal(f->fake->nr_log, 0);
}

static void a_clique_goes_where_nothing_else_is(void **state)
{
	struct fixture *f = *state;

	fake_put16(f->fake, PCI_VENDOR_ID, 0x10de);
	fake_vfio_cap(f->fake, 0xc0, PCI_CAP_ID_MSIX); /* 12 bytes */
	make(f);
	assert_int_equal(berth_vfio_config_add_clique(f->cfg, 15, false, NULL), 0);
	assert_int_equal(rd(f, 0xd4, 4), 0x50080009);
	assert_int_equal(rd(f, 0xd8, 4), 0x00785032);
	assert_int_equal(rd(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, PCI_STATUS_CAP_LIST);
}

static void a_clique_without_a_place_or_for_another_vendor_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_vfio_cap(f->fake, 0xa0, PCI_CAP_ID_EXP); /* 60 bytes */
	f->fake->config[0xda] = 1;
	make(f);
	assert_int_equal(berth_vfio_config_add_clique(f->cfg, 0, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "NVIDIA"));
	assert_int_equal(berth_vfio_config_add_clique(f->cfg, 0, true, NULL), -EEXIST);
}

static void power_state_switches_decoding_and_stays_here(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	wr(f, PCI_COMMAND, 2, 2);
	assert_true(berth_vfio_config_mem_on(f->cfg));
	assert_int_equal(wr(f, 0x44, 2, 0x8103), BERTH_VFIO_CONFIG_POWER);
	assert_int_equal(rd(f, 0x44, 2), 3);
	assert_false(berth_vfio_config_mem_on(f->cfg));
	assert_int_equal(fake_get(f->fake, 0x44, 2), 0);
	wr(f, 0x44, 2, 0);
	assert_true(berth_vfio_config_mem_on(f->cfg));
	assert_int_equal(rd(f, 0x42, 2) & PCI_PM_CAP_PME_MASK, 0);
}

static void tells_where_msi_and_msix_are(void **state)
{
	struct fixture *f = *state;
	const struct berth_vfio_config_caps *caps;

	rich_device(f->fake);
	make(f);
	caps = berth_vfio_config_caps(f->cfg);
	assert_int_equal(caps->msi, 0x50);
	assert_true(caps->msi_64bit);
	assert_int_equal(caps->msi_vectors, 4);
	assert_int_equal(caps->msi_mask, 0x60);
	assert_int_equal(caps->msix, 0x70);
	assert_int_equal(caps->msix_vectors, 10);
	assert_int_equal(caps->msix_table_offset, 0x2000);
	assert_int_equal(caps->msix_pba_offset, 0x3000);
	/* the enable bit, by a dword write at the start of the capability */
	assert_int_equal(wr(f, 0x70, 4, 0xc0000000), BERTH_VFIO_CONFIG_MSIX);
	assert_int_equal(rd(f, 0x72, 2), 0xc009);
	assert_int_equal(wr(f, 0x50, 4, 0x00210000), BERTH_VFIO_CONFIG_MSI);
	assert_int_equal(rd(f, 0x52, 2), 0x180 | 2 << 1 | 0x21);
}

static void an_integrated_endpoint_becomes_a_plain_one(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	assert_int_equal(rd(f, 0x82, 2), 0x0002);
}

static void capability_chains_that_loop_or_lie_are_cut(void **state)
{
	struct fixture *f = *state;
	uint32_t at;
	int n = 0;

	fake_vfio_cap(f->fake, 0x40, PCI_CAP_ID_VNDR);
	fake_vfio_cap(f->fake, 0x60, PCI_CAP_ID_VNDR);
	f->fake->config[0x61] = 0x40; /* back to the first */
	fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_DSN);
	fake_put32(f->fake, 0x100, PCI_EXT_CAP_ID_DSN | 0x100u << 20);
	make(f);
	for (at = rd(f, PCI_CAPABILITY_LIST, 1); at && n < 100; at = rd(f, at + 1, 1))
		n++;
	assert_int_equal(n, 2);
	assert_int_equal(rd(f, 0x100, 4), PCI_EXT_CAP_ID_DSN);
}

/* What some devices answer where they have nothing must not look like a link to a guest. */
static void no_extended_capabilities_read_zero(void **state)
{
	struct fixture *f = *state;

	fake_put32(f->fake, 0x100, UINT32_MAX);
	fake_put32(f->fake, 0xffc, UINT32_MAX);
	make(f);
	assert_int_equal(rd(f, 0x100, 4), 0);
}

static void capabilities_beyond_the_end_are_not_shown(void **state)
{
	struct fixture *f = *state;

	fake_vfio_msix(f->fake, 0xf8, 4, 0, 0x1000, false); /* 12 bytes do not fit */
	make(f);
	assert_int_equal(rd(f, PCI_CAPABILITY_LIST, 1), 0);
	assert_int_equal(rd(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
	assert_int_equal(berth_vfio_config_caps(f->cfg)->msix, 0);
}

/* Random bytes for a config space: the guest's chains must end, nothing may crash, MSI must stay ours. */
static void hostile_config_spaces_are_survived(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 400; seed++) {
		struct fixture *f = NULL;
		unsigned int r = seed, n = 0;
		uint32_t at;

		setup((void **)&f);
		for (unsigned int i = 0x40; i < 4096; i++)
			f->fake->config[i] = (uint8_t)rand_r(&r);
		/* ids and links that mean something more often than chance would have it */
		for (unsigned int i = 0x40; i < 0x100; i += 4) {
			static const uint8_t ids[] = { 1, 3, 5, 0x10, 0x11, 0x14, 9, 0 };

			f->fake->config[i] = ids[(unsigned int)rand_r(&r) % 8];
		}
		f->fake->config[PCI_CAPABILITY_LIST] = (uint8_t)(0x40 + rand_r(&r) % 0xc0);
		fake_put16(f->fake, PCI_STATUS, PCI_STATUS_CAP_LIST);
		f->fake->irq[1].count = f->fake->irq[2].count = 1 + (unsigned int)rand_r(&r) % 64;
		make(f);
		for (at = rd(f, PCI_CAPABILITY_LIST, 1); at; at = rd(f, at + 1, 1))
			assert_true(n++ < 48);
		for (n = 0, at = 0x100; at; at = rd(f, at, 4) >> 20)
			assert_true(n++ < 960);
		for (unsigned int i = 0; i < 4096; i += 4)
			wr(f, i, 4, (uint32_t)rand_r(&r));
		at = berth_vfio_config_caps(f->cfg)->msi;
		if (at) {
			uint8_t device, shadow, through;

			berth_vfio_config_masks(f->cfg, at + 4, &device, &shadow, &through);
			assert_int_equal(device | through, 0);
		}
		teardown((void **)&f);
	}
}

static void after_surprise_removal_everything_reads_ones(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	f->fake->gone = true;
	assert_int_equal(rd(f, PCI_VENDOR_ID, 4), UINT32_MAX);
	assert_int_equal(rd(f, PCI_CLASS_REVISION, 4), UINT32_MAX);
	wr(f, PCI_COMMAND, 2, 6);
	for (unsigned int at = 0; at < 4096; at += 4)
		assert_int_equal(rd(f, at, 4), UINT32_MAX);
	assert_int_equal(rd(f, PCI_INTERRUPT_LINE, 1), 0xff);
	assert_int_equal(rd(f, 0xd4, 2), 0xffff);
}

static void small_config_spaces_end_at_256(void **state)
{
	struct fixture *f = *state;

	f->fake->region[VFIO_PCI_CONFIG_REGION_INDEX].size = 256;
	make(f);
	assert_int_equal(rd(f, 0x100, 4), UINT32_MAX);
	assert_int_equal(rd(f, 0x102, 2), 0xffff);
	assert_int_equal(wr(f, 0x100, 4, 0), 0);
}

static void refuses_what_is_no_endpoint(void **state)
{
	static const struct {
		unsigned int at;
		uint8_t value;
		int want;
		const char *says;
	} rows[] = {
		{ PCI_HEADER_TYPE, 0x01, -EPROTO, "bridge" },
		{ PCI_HEADER_TYPE, 0x82, -EPROTO, "bridge" },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct fixture *f = NULL;

		setup((void **)&f);
		f->fake->config[rows[i].at] = rows[i].value;
		assert_int_equal(try_make(f, &err), rows[i].want);
		assert_non_null(strstr(err.text, rows[i].says));
		assert_non_null(strstr(err.text, "0000:01:00.0"));
		teardown((void **)&f);
	}
}

static void refuses_a_device_that_does_not_answer(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	f->fake->gone = true;
	assert_int_equal(try_make(f, &err), -ENODEV);
}

static void refuses_what_is_all_ones_or_too_small(void **state)
{
	struct fixture *f = *state;
	struct berth_err err = BERTH_ERR_INIT;

	fake_put32(f->fake, PCI_VENDOR_ID, UINT32_MAX);
	assert_int_equal(try_make(f, &err), -ENODEV);
	assert_non_null(strstr(err.text, "reads ff"));
	berth_vfio_device_close(f->dev);
	f->fake->region[VFIO_PCI_CONFIG_REGION_INDEX].size = 64;
	assert_int_equal(try_make(f, NULL), -EPROTO);
	no_memory = true;
	assert_int_equal(berth_vfio_config_new(&f->cfg, f->dev, false, NULL), -ENOMEM);
	no_memory = false;
	assert_null(f->cfg);
}

/* Functions of a slot say so; tiny BARs have the least size there is; without power management it is always D0. */
static void plain_functions_are_shown_as_they_are(void **state)
{
	struct fixture *f = *state;

	f->fake->region[0].size = 8;
	f->dev = fake_vfio_open(f->fake, (struct berth_bdf){ 0, 1, 0, 0 });
	assert_int_equal(berth_vfio_config_new(&f->cfg, f->dev, true, NULL), 0);
	assert_int_equal(rd(f, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(berth_vfio_config_bar(f->cfg, 0)->size, 16);
	assert_false(berth_vfio_config_mem_on(f->cfg));
	wr(f, PCI_COMMAND, 2, 3);
	assert_true(berth_vfio_config_mem_on(f->cfg));
	assert_true(berth_vfio_config_io_on(f->cfg));
}

static void two_resizable_bars_have_an_entry_each(void **state)
{
	struct fixture *f = *state;

	fake_vfio_bar(f->fake, 0, 0x100000, 0);
	fake_vfio_bar(f->fake, 1, 0x200000, 0);
	fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_REBAR);
	fake_put32(f->fake, 0x108, 0x0040);
	fake_put32(f->fake, 0x110, 0x0141);
	make(f);
	assert_int_equal(rd(f, 0x108, 4), 0x0040);
	assert_int_equal(rd(f, 0x10c, 4), 0x20);
	assert_int_equal(rd(f, 0x110, 4), 0x0101);
}

static void an_extended_capability_without_room_is_hidden(void **state)
{
	struct fixture *f = *state;

	fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_DSN);
	fake_vfio_ext_cap(f->fake, 0xff0, PCI_EXT_CAP_ID_ERR);
	make(f);
	assert_int_equal(rd(f, 0x100, 4), PCI_EXT_CAP_ID_DSN | 1 << 16);
}

static void refuses_bars_that_make_no_sense(void **state)
{
	static const struct {
		unsigned int bar;
		uint64_t size;
		uint32_t bits;
	} rows[] = { { 0, 0x3000, 0 },
		     { 0, UINT64_C(0x100000000), 0 },
		     { 5, 0x1000, PCI_BASE_ADDRESS_MEM_TYPE_64 },
		     { 0, UINT64_C(1) << 63, PCI_BASE_ADDRESS_MEM_TYPE_64 } };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct fixture *f = NULL;

		setup((void **)&f);
		f->fake->region[rows[i].bar].size = rows[i].size;
		fake_put32(f->fake, PCI_BASE_ADDRESS_0 + 4 * rows[i].bar, rows[i].bits);
		assert_int_equal(try_make(f, &err), -EPROTO);
		assert_non_null(strstr(err.text, "BAR"));
		teardown((void **)&f);
	}
}

static void the_interrupt_pin_follows_what_vfio_has(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	assert_int_equal(rd(f, PCI_INTERRUPT_PIN, 1), 1);
	berth_vfio_config_no_intx(f->cfg);
	assert_int_equal(rd(f, PCI_INTERRUPT_PIN, 1), 0);
	wr(f, PCI_INTERRUPT_LINE, 1, 0x2b);
	assert_int_equal(rd(f, PCI_INTERRUPT_LINE, 1), 0x2b);
	assert_int_equal(f->fake->config[PCI_INTERRUPT_LINE], 0);
}

static void vital_product_data_can_be_read_but_not_written(void **state)
{
	struct fixture *f = *state;

	rich_device(f->fake);
	make(f);
	wr(f, 0xc2, 2, 0x8010); /* address 0x10, flag 1: write */
	assert_int_equal(fake_get(f->fake, 0xc2, 2), 0x0010);
	wr(f, 0xc4, 4, 0x31337);
	assert_int_equal(fake_get(f->fake, 0xc4, 4), 0);
	/* The flag says that a read is done. Written back with the next address, it would write what was read there. */
	fake_put16(f->fake, 0xc2, 0x8010);
	wr(f, 0xc2, 2, 0x0014);
	assert_int_equal(fake_get(f->fake, 0xc2, 2), 0x0014);
	fake_put16(f->fake, 0xc2, 0x8014);
	wr(f, 0xc3, 1, 0x80);
	assert_int_equal(fake_get(f->fake, 0xc2, 2), 0x0014);
}

/* A BAR is shown with the one size that it has; a device that contradicts itself shows no such capability. */
static void resizable_bars_are_pinned(void **state)
{
	static const struct {
		uint64_t size;
		uint32_t ctrl, want_cap, want_ctrl; /* want_cap 0: hidden */
	} rows[] = {
		{ 0x100000, 0x0020, 0x10, 0x0020 },
		{ UINT64_C(1) << 34, 0x0e20, 1u << 18, 0x0e20 },
		{ UINT64_C(1) << 47, 0x1b20, 1u << 31, 0x1b20 },
		{ UINT64_C(1) << 48, 0x1c20, 0, 0x11c20 },
		{ 0x100000, 0x0120, 0, 0 }, /* says 2 MiB */
		{ 0x100000, 0x0026, 0, 0 }, /* BAR 6 */
		{ 0x100000, 0x0023, 0, 0 }, /* BAR 3, which there is not */
		{ 0x100000, 0x0000, 0, 0 }, /* no BARs */
		{ 0x100000, 0x00e0, 0, 0 }, /* seven */
		{ 0x100000, 0x3f20, 0, 0 }, /* beyond what the register can say */
		{ 0x100000, 0x0040, 0, 0 }, /* two, the second nonsense */
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fixture *f = NULL;

		setup((void **)&f);
		fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_REBAR);
		fake_put32(f->fake, 0x104, 0xfffff0);
		fake_put32(f->fake, 0x108, rows[i].ctrl);
		fake_put32(f->fake, 0x110, 0x3f00);
		f->fake->region[0].size = rows[i].size;
		fake_put32(f->fake, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
		make(f);
		assert_int_equal(rd(f, 0x100, 4),
				 rows[i].want_ctrl ? PCI_EXT_CAP_ID_REBAR | 1 << 16 : 0);
		assert_int_equal(rd(f, 0x104, 4), rows[i].want_cap);
		assert_int_equal(rd(f, 0x108, 4), rows[i].want_ctrl);
		wr(f, 0x108, 4, 0x0520);
		wr(f, 0x104, 4, UINT32_MAX);
		assert_int_equal(rd(f, 0x108, 4), rows[i].want_ctrl);
		assert_int_equal(f->fake->nr_log, 0);
		teardown((void **)&f);
	}
}

/* Near the end of config space there is no room for what the count says. */
static void a_resizable_bar_list_that_does_not_fit_is_hidden(void **state)
{
	struct fixture *f = *state;

	fake_vfio_bar(f->fake, 0, 0x100000, 0);
	fake_vfio_ext_cap(f->fake, 0x100, PCI_EXT_CAP_ID_DSN);
	fake_vfio_ext_cap(f->fake, 0xff0, PCI_EXT_CAP_ID_REBAR);
	fake_put32(f->fake, 0xff8, 0x0040);
	make(f);
	assert_int_equal(rd(f, 0x100, 4), PCI_EXT_CAP_ID_DSN | 1 << 16);
	assert_int_equal(rd(f, 0xff0, 4), 0);
}

static void capabilities_that_nobody_knows_are_hidden(void **state)
{
	struct fixture *f = *state;

	fake_vfio_cap(f->fake, 0x40, 0x77);
	fake_put32(f->fake, 0x44, 0xdeadbeef);
	fake_vfio_cap(f->fake, 0x60, PCI_CAP_ID_VNDR);
	fake_vfio_ext_cap(f->fake, 0x100, 0x777);
	fake_put32(f->fake, 0x104, 0xdeadbeef);
	make(f);
	assert_int_equal(rd(f, PCI_CAPABILITY_LIST, 1), 0x60);
	assert_int_equal(rd(f, 0x100, 4), 0);
	wr(f, 0x44, 4, 0);
	wr(f, 0x104, 4, 0);
	assert_int_equal(rd(f, 0x44, 4) | rd(f, 0x104, 4), 0);
	assert_int_equal(f->fake->nr_log, 0);
}

/* Only the first of a kind that we act on, as the chain goes (that is the kernel's too): a second would be one too many. */
static void of_two_of_a_kind_the_first_counts(void **state)
{
	static const uint8_t ids[] = { PCI_CAP_ID_PM, PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX,
				       PCI_CAP_ID_EXP, PCI_CAP_ID_AF };

	(void)state;
	for (size_t i = 0; i < 2 * BERTH_ARRAY_SIZE(ids); i++) {
		uint8_t first = i % 2 ? 0x40 : 0x80, second = i % 2 ? 0x80 : 0x40;
		struct fixture *f = NULL;

		setup((void **)&f);
		f->fake->irq[1].count = f->fake->irq[2].count = 4;
		fake_vfio_cap(f->fake, first, ids[i / 2]);
		fake_vfio_cap(f->fake, second, ids[i / 2]);
		make(f);
		assert_int_equal(rd(f, PCI_CAPABILITY_LIST, 1), first);
		assert_int_equal(rd(f, first + 1u, 1), 0);
		teardown((void **)&f);
	}
}

/* Capabilities that need what is not there: no vectors, a table in BAR 6, registers beyond the end. */
static void capabilities_without_what_they_need_are_hidden(void **state)
{
	static const struct {
		uint8_t at, id;
		uint16_t flags;
		uint32_t second, count;
		bool shown;
	} rows[] = {
		{ 0x40, PCI_CAP_ID_MSI, 0, 0, 1, true },
		{ 0x40, PCI_CAP_ID_MSI, 0, 0, 0, false },
		{ 0xf4, PCI_CAP_ID_MSI, PCI_MSI_FLAGS_64BIT, 0, 1, false },
		{ 0xf0, PCI_CAP_ID_MSI, PCI_MSI_FLAGS_MASKBIT, 0, 1, false },
		{ 0xec, PCI_CAP_ID_MSI, PCI_MSI_FLAGS_MASKBIT, 0, 1, true },
		{ 0x40, PCI_CAP_ID_MSIX, 7, 5, 8, true },
		{ 0x40, PCI_CAP_ID_MSIX, 7, 6, 8, false },
		{ 0x40, PCI_CAP_ID_MSIX, 7, 0, 0, false },
		{ 0xc4, PCI_CAP_ID_EXP, 0x0002, 0, 0, true },
		{ 0xc8, PCI_CAP_ID_EXP, 0x0002, 0, 0, false },
		{ 0xc8, PCI_CAP_ID_EXP, 0x0001, 0, 0, true },
		{ 0xf0, PCI_CAP_ID_EXP, 0x0001, 0, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fixture *f = NULL;

		setup((void **)&f);
		fake_vfio_cap(f->fake, rows[i].at, rows[i].id);
		fake_put16(f->fake, rows[i].at + 2, rows[i].flags);
		fake_put32(f->fake, rows[i].at + 4, rows[i].second);
		f->fake->irq[1].count = f->fake->irq[2].count = rows[i].count;
		make(f);
		if (rd(f, PCI_CAPABILITY_LIST, 1) != (rows[i].shown ? rows[i].at : 0u))
			fail_msg("row %zu", i);
		teardown((void **)&f);
	}
}

static void more_messages_than_vectors_are_not_offered(void **state)
{
	static const struct {
		unsigned int log2, count, want;
	} rows[] = { { 0, 1, 1 }, { 5, 32, 32 }, { 7, 2048, 32 }, { 5, 1, 1 }, { 3, 5, 4 } };

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fixture *f = NULL;

		setup((void **)&f);
		fake_vfio_msi(f->fake, 0x40, rows[i].log2, false, true);
		f->fake->irq[1].count = rows[i].count;
		make(f);
		assert_int_equal(berth_vfio_config_caps(f->cfg)->msi_vectors, rows[i].want);
		assert_int_equal(1u << (rd(f, 0x42, 2) >> 1 & 7), rows[i].want);
		/* mask bits of the vectors that there are */
		wr(f, 0x4c, 4, UINT32_MAX);
		assert_int_equal(rd(f, 0x4c, 4), UINT32_MAX >> (32 - rows[i].want));
		berth_vfio_config_set_pending(f->cfg, 1);
		assert_int_equal(rd(f, 0x50, 4), 1);
		assert_int_equal(f->fake->nr_log, 0);
		teardown((void **)&f);
	}
}

/* D1 and D2 are not there; D3 hot stops decoding, of ports too. */
static void only_d0_and_d3_exist(void **state)
{
	struct fixture *f = *state;

	fake_rich_device(f->fake);
	make(f);
	wr(f, PCI_COMMAND, 2, 3);
	for (unsigned int d = 0; d < 16; d++) {
		static const uint8_t want[] = { 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 3 };

		wr(f, RICH_PM + PCI_PM_CTRL, 1, 0);
		wr(f, RICH_PM + PCI_PM_CTRL, 1, d);
		assert_int_equal(rd(f, RICH_PM + PCI_PM_CTRL, 1) & 3, want[d]);
		assert_int_equal(berth_vfio_config_mem_on(f->cfg), want[d] == 0);
		assert_int_equal(berth_vfio_config_io_on(f->cfg), want[d] == 0);
	}
	wr(f, RICH_PM + PCI_PM_CTRL, 1, 1); /* from D3 to D1: stays */
	assert_int_equal(rd(f, RICH_PM + PCI_PM_CTRL, 1) & 3, 3);
	wr(f, RICH_PM + PCI_PM_CTRL, 1, 0);
	wr(f, PCI_COMMAND, 2, 0);
	assert_false(berth_vfio_config_io_on(f->cfg));
}

/* FLR in the guest: what it wrote is gone, the device is no bus master any more, and the owner hears of it. */
static void a_guests_reset_resets_what_it_sees(void **state)
{
	struct fixture *f = *state;

	fake_rich_device(f->fake);
	make(f);
	for (int way = 0; way < 2; way++) {
		wr(f, PCI_BASE_ADDRESS_0, 4, 0xc0000000);
		wr(f, PCI_COMMAND, 2, 7);
		wr(f, RICH_MSIX + 2, 2, 0x8000);
		if (way == 0)
			assert_int_equal(wr(f, RICH_EXP + PCI_EXP_DEVCTL, 2, 0x8000 | 0x2810),
					 BERTH_VFIO_CONFIG_RESET);
		else
			assert_int_equal(wr(f, RICH_AF + PCI_AF_CTRL, 1, 1),
					 BERTH_VFIO_CONFIG_RESET);
		assert_int_equal(rd(f, PCI_BASE_ADDRESS_0, 4), 0xc);
		assert_int_equal(rd(f, PCI_COMMAND, 2), 0);
		assert_int_equal(rd(f, RICH_MSIX + 2, 2), RICH_MSIX_VECTORS - 1);
		assert_int_equal(fake_get(f->fake, PCI_COMMAND, 2), 3);
	}
	assert_int_equal(wr(f, RICH_EXP + PCI_EXP_DEVCTL, 2, 0x2810), 0);
	/* without the capability the bit means nothing */
	assert_int_equal(wr(f, RICH_AF + PCI_AF_CTRL, 1, 2), 0);
}

static void devices_without_flr_have_no_reset_bit(void **state)
{
	struct fixture *f = *state;

	fake_rich_device(f->fake);
	fake_put32(f->fake, RICH_EXP + PCI_EXP_DEVCAP, 0x8fff);
	fake_put16(f->fake, RICH_AF + PCI_AF_LENGTH, 0x0106);
	make(f);
	assert_int_equal(wr(f, RICH_EXP + PCI_EXP_DEVCTL, 2, 0x8000), 0);
	assert_int_equal(wr(f, RICH_AF + PCI_AF_CTRL, 1, 1), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(shows_the_capabilities_that_it_may),
		T(a_hidden_first_extended_capability_becomes_a_null_one),
		T(every_bit_of_every_register_does_what_the_model_says),
		T(no_bit_is_both_ours_and_the_devices),
		T(msi_and_msix_never_reach_the_device),
		T(writes_are_never_wider_than_the_guests),
		T(decoding_is_ours_and_mastering_is_the_devices),
		T(bars_can_be_sized),
		T(a_table_moves_to_a_free_register),
		T(a_table_moves_to_the_upper_half_of_its_bar),
		T(a_table_that_cannot_move_stays),
		T(a_clique_is_a_capability_at_the_end_of_the_list),
		T(a_clique_goes_where_nothing_else_is),
		T(a_clique_without_a_place_or_for_another_vendor_is_refused),
		T(a_rom_can_be_sized_and_switched_off),
		T(a_rom_larger_than_there_are_is_none),
		T(power_state_switches_decoding_and_stays_here),
		T(tells_where_msi_and_msix_are),
		T(an_integrated_endpoint_becomes_a_plain_one),
		T(capability_chains_that_loop_or_lie_are_cut),
		T(no_extended_capabilities_read_zero),
		T(capabilities_beyond_the_end_are_not_shown),
		cmocka_unit_test(hostile_config_spaces_are_survived),
		T(after_surprise_removal_everything_reads_ones),
		T(small_config_spaces_end_at_256),
		cmocka_unit_test(refuses_what_is_no_endpoint),
		T(refuses_a_device_that_does_not_answer),
		T(refuses_what_is_all_ones_or_too_small),
		T(plain_functions_are_shown_as_they_are),
		T(two_resizable_bars_have_an_entry_each),
		T(an_extended_capability_without_room_is_hidden),
		cmocka_unit_test(refuses_bars_that_make_no_sense),
		T(the_interrupt_pin_follows_what_vfio_has),
		T(vital_product_data_can_be_read_but_not_written),
		cmocka_unit_test(resizable_bars_are_pinned),
		T(a_resizable_bar_list_that_does_not_fit_is_hidden),
		T(capabilities_that_nobody_knows_are_hidden),
		cmocka_unit_test(of_two_of_a_kind_the_first_counts),
		cmocka_unit_test(capabilities_without_what_they_need_are_hidden),
		cmocka_unit_test(more_messages_than_vectors_are_not_offered),
		T(only_d0_and_d3_exist),
		T(a_guests_reset_resets_what_it_sees),
		T(devices_without_flr_have_no_reset_bit),
	};

	return cmocka_run_group_tests_name("vfio/config", tests, NULL, NULL);
}
