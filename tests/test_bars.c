/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "vmm/bars.h"

/* BAR 0: 32 bit, 64 KiB; BAR 1: ports, 32; BAR 2/3: 64 bit, 2 GiB; BAR 4/5: 64 bit, 16 GiB. */
static const struct {
	uint64_t size;
	bool is64, io;
} layout[6] = {
	{ 0x10000, false, false },
	{ 32, false, true },
	{ 0x80000000, true, false },
	{ 0, false, false },
	{ UINT64_C(0x400000000), true, false },
	{ 0, false, false },
};

/* Windows of the machine; everything else is RAM or nothing. */
#define LOW_START  UINT64_C(0xC0000000)
#define LOW_END	   UINT64_C(0xF0000000)
#define HIGH_START UINT64_C(0x4000000000)
#define HIGH_END   UINT64_C(0x8000000000)

struct fixture {
	struct berth_bars bars;
	uint32_t reg[7];
	bool mem_on, io_on;
	bool mapped[6];
	uint64_t at[6];
	unsigned int nr_maps;
};

static bool may_be_at(unsigned int bar, uint64_t addr)
{
	uint64_t end = addr + layout[bar].size;

	if (layout[bar].io)
		return addr && end <= 0x10000;
	return (addr >= LOW_START && end <= LOW_END) || (addr >= HIGH_START && end <= HIGH_END);
}

static bool on_ok(void *opaque, unsigned int bar, uint64_t addr)
{
	(void)opaque;
	assert_true(addr != 0);
	assert_true(addr % layout[bar].size == 0);
	return may_be_at(bar, addr);
}

static void on_map(void *opaque, unsigned int bar, uint64_t addr)
{
	struct fixture *f = opaque;

	assert_false(f->mapped[bar]);
	f->mapped[bar] = true;
	f->at[bar] = addr;
	f->nr_maps++;
}

static void on_unmap(void *opaque, unsigned int bar)
{
	struct fixture *f = opaque;

	assert_true(f->mapped[bar]);
	f->mapped[bar] = false;
}

static const struct berth_bars_ops ops = { on_ok, on_map, on_unmap };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	berth_bars_init(&f->bars, &ops, f);
	for (unsigned int i = 0; i < 6; i++)
		if (layout[i].size)
			berth_bars_define(&f->bars, i, layout[i].size, layout[i].is64,
					  layout[i].io);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* What a config write to register @i leaves there: address bits writable, the flags fixed. */
static uint32_t kept(unsigned int i, uint32_t value)
{
	bool upper = i > 0 && layout[i - 1].is64;
	uint64_t mask = upper ? ~(layout[i - 1].size - 1) >> 32 : ~(layout[i].size - 1);

	return (value & (uint32_t)mask) | (upper ? 0 : layout[i].io ? 1 : layout[i].is64 ? 0xc : 0);
}

static void put_bar(struct fixture *f, unsigned int i, uint32_t value)
{
	f->reg[i] = kept(i, value);
	berth_bars_update(&f->bars, f->mem_on, f->io_on, f->reg, 1u << i,
			  (value | 0xf) == UINT32_MAX ? 1u << i : 0);
}

static void put_command(struct fixture *f, bool mem, bool io)
{
	f->mem_on = mem;
	f->io_on = io;
	berth_bars_update(&f->bars, mem, io, f->reg, 0, 0);
}

static void maps_only_while_decoding_is_on(void **state)
{
	struct fixture *f = *state;

	put_bar(f, 0, 0xC0000000);
	put_bar(f, 1, 0x1000);
	assert_false(f->mapped[0] || f->mapped[1]);
	put_command(f, true, false);
	assert_true(f->mapped[0] && !f->mapped[1]);
	put_command(f, true, true);
	assert_true(f->mapped[0] && f->mapped[1]);
	put_command(f, false, true);
	assert_true(!f->mapped[0] && f->mapped[1]);
	assert_int_equal(f->at[1], 0x1000);
}

static void follows_moves(void **state)
{
	struct fixture *f = *state;

	put_bar(f, 0, 0xC0000000);
	put_command(f, true, true);
	put_bar(f, 0, 0xC1000000);
	assert_true(f->mapped[0]);
	assert_int_equal(f->at[0], 0xC1000000);
	put_bar(f, 0, 0xC1000000);
	assert_int_equal(f->nr_maps, 2);
}

static void sizing_moves_nothing(void **state)
{
	struct fixture *f = *state;

	put_bar(f, 0, 0xC0000000);
	put_bar(f, 2, 0);
	put_bar(f, 3, 0x40);
	put_command(f, true, true);
	assert_int_equal(f->nr_maps, 2);
	put_bar(f, 0, UINT32_MAX);
	berth_bars_settle(&f->bars);
	put_bar(f, 0, 0xC0000000);
	/* as Linux does: low half, read, restore, high half, read, restore */
	put_bar(f, 2, UINT32_MAX);
	berth_bars_settle(&f->bars);
	assert_true(f->mapped[2]);
	put_bar(f, 2, 0);
	put_bar(f, 3, UINT32_MAX);
	berth_bars_settle(&f->bars);
	assert_true(f->mapped[2]);
	put_bar(f, 3, 0x40);
	berth_bars_settle(&f->bars);
	assert_true(f->mapped[0] && f->mapped[2]);
	assert_int_equal(f->nr_maps, 2);
	assert_true(f->at[2] == HIGH_START);
}

static void an_address_of_ones_is_no_sizing_when_written_as_such(void **state)
{
	struct fixture *f = *state;

	/* For 2 GiB the low half of 0x4080000000 has all its address bits set, as in sizing. */
	put_bar(f, 2, 0x80000000);
	put_bar(f, 3, 0x40);
	put_command(f, true, true);
	assert_true(f->mapped[2]);
	assert_true(f->at[2] == UINT64_C(0x4080000000));
}

static void two_halves_are_one_register(void **state)
{
	struct fixture *f = *state;

	put_bar(f, 2, 0);
	put_bar(f, 3, 0x40);
	put_command(f, true, true);
	put_bar(f, 2, 0x80000000); /* 0x4080000000 for a moment: not where the guest wants it */
	assert_true(f->at[2] == HIGH_START);
	put_bar(f, 3, 0x41);
	assert_true(f->at[2] == UINT64_C(0x4180000000));
	assert_int_equal(f->nr_maps, 2);
	put_bar(f, 3, 0x42); /* high half first */
	assert_true(f->at[2] == UINT64_C(0x4180000000));
	put_bar(f, 2, 0);
	assert_true(f->at[2] == UINT64_C(0x4200000000));
}

static void one_half_alone_counts_at_the_next_access(void **state)
{
	struct fixture *f = *state;

	put_bar(f, 2, 0);
	put_bar(f, 3, 0x40);
	put_command(f, true, true);
	put_bar(f, 2, 0x80000000);
	berth_bars_settle(&f->bars);
	assert_true(f->at[2] == UINT64_C(0x4080000000));
	put_bar(f, 2, 0);
	put_command(f, true, true);
	assert_true(f->at[2] == HIGH_START);
	put_bar(f, 2, 0x80000000);
	put_bar(f, 0, 0xC0000000);
	assert_true(f->at[2] == UINT64_C(0x4080000000));
}

static void impossible_addresses_leave_it_unmapped(void **state)
{
	static const uint32_t bad[] = {
		0, 0x10000, 0xBFFF0000, 0xF0000000, 0xFEE00000, 0x80000000
	};
	struct fixture *f = *state;

	put_command(f, true, true);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++) {
		put_bar(f, 0, 0xC0000000);
		assert_true(f->mapped[0]);
		put_bar(f, 0, bad[i]);
		assert_false(f->mapped[0]);
	}
}

/*
 * Random guests against a model that states the rules plainly: after each step, what the bars did must be what the model
 * says from the history alone.
 */
struct model {
	uint32_t reg[7];
	bool mem_on, io_on, ones[6], half[6];
	bool mapped[6];
	uint64_t at[6];
};

static void model_place(struct model *m, unsigned int i)
{
	bool is64 = layout[i].is64;
	uint64_t at = (m->reg[i] | (is64 ? (uint64_t)m->reg[i + 1] << 32 : 0)) &
		      ~(layout[i].size - 1);

	if (layout[i].size < 16)
		at &= ~UINT64_C(3);
	m->half[i] = false;
	if (is64)
		m->half[i + 1] = false;
	if (!(layout[i].io ? m->io_on : m->mem_on))
		m->mapped[i] = false;
	else if (!m->ones[i] && !(is64 && m->ones[i + 1])) {
		m->mapped[i] = at && may_be_at(i, at);
		m->at[i] = at;
	}
}

static void model_settle(struct model *m)
{
	for (unsigned int i = 0; i < 6; i++)
		if (layout[i].size && (m->half[i] || (layout[i].is64 && m->half[i + 1])))
			model_place(m, i);
}

static void model_write(struct model *m, unsigned int reg, uint32_t value)
{
	unsigned int i = layout[reg].size ? reg : reg - 1, other = i == reg ? reg + 1 : i;

	for (unsigned int k = 0; k < 6; k++)
		if (k != i && layout[k].size && (m->half[k] || (layout[k].is64 && m->half[k + 1])))
			model_place(m, k);
	m->reg[reg] = kept(reg, value);
	m->ones[reg] = (value | 0xf) == UINT32_MAX;
	if (layout[i].is64 && m->mem_on && !m->half[other])
		m->half[reg] = true;
	else
		model_place(m, i);
}

static void random_guests_agree_with_the_model(void **state)
{
	struct fixture *f = *state;
	const char *given = getenv("BERTH_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	static const uint32_t values[] = { 0,	       UINT32_MAX, 0xfffffff0, 0x40,
					   0x41,       0x44,	   0x80,       0xC0000000,
					   0xC0010000, 0x80000000, 0xFEE00000, 0x1000,
					   0xC100,     0xEFFF0000 };
	struct model m = { 0 };

	print_message("seed %u (BERTH_SEED=%u repeats it)\n", seed, seed);
	for (int step = 0; step < 200000; step++) {
		unsigned int what = (unsigned int)rand_r(&seed) % 10;

		if (what < 7) {
			unsigned int reg = (unsigned int)rand_r(&seed) % 6;
			uint32_t v = values[(unsigned int)rand_r(&seed) % BERTH_ARRAY_SIZE(values)];

			put_bar(f, reg, v);
			model_write(&m, reg, v);
		} else if (what == 7) {
			berth_bars_settle(&f->bars);
			model_settle(&m);
		} else {
			m.mem_on = rand_r(&seed) & 16;
			m.io_on = rand_r(&seed) & 16;
			put_command(f, m.mem_on, m.io_on);
			for (unsigned int i = 0; i < 6; i++)
				if (layout[i].size)
					model_place(&m, i);
		}
		for (unsigned int i = 0; i < 6; i++) {
			if (f->mapped[i] != m.mapped[i] || (m.mapped[i] && f->at[i] != m.at[i]))
				fail_msg(
					"step %d, BAR %u: mapped %d at %#llx, should be %d at %#llx",
					step, i, f->mapped[i], (unsigned long long)f->at[i],
					m.mapped[i], (unsigned long long)m.at[i]);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(maps_only_while_decoding_is_on),
		T(follows_moves),
		T(sizing_moves_nothing),
		T(an_address_of_ones_is_no_sizing_when_written_as_such),
		T(two_halves_are_one_register),
		T(one_half_alone_counts_at_the_next_access),
		T(impossible_addresses_leave_it_unmapped),
		T(random_guests_agree_with_the_model),
	};

	return cmocka_run_group_tests_name("vmm/bars", tests, NULL, NULL);
}
