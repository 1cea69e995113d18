/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/msix.h"

static bool no_memory;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size)
{
	return no_memory ? NULL : __real_calloc(nr, size);
}

#define VECTORS 5 /* table 80 bytes, PBA 8 */

struct fixture {
	struct berth_msix *msix;
	bool live[VECTORS], pending[VECTORS];
	uint64_t addr[VECTORS];
	uint32_t data[VECTORS];
	unsigned int nr_arm, nr_hold, nr_commit;
	bool uncommitted;
};

static void on_arm(void *opaque, unsigned int n, uint64_t addr, uint32_t data)
{
	struct fixture *f = opaque;

	assert_true(n < VECTORS);
	f->live[n] = true;
	f->addr[n] = addr;
	f->data[n] = data;
	f->nr_arm++;
	f->uncommitted = true;
}

static void on_hold(void *opaque, unsigned int n)
{
	struct fixture *f = opaque;

	assert_true(n < VECTORS);
	assert_true(f->live[n]);
	f->live[n] = false;
	f->nr_hold++;
}

static bool on_pending(void *opaque, unsigned int n)
{
	struct fixture *f = opaque;

	assert_true(n < VECTORS);
	return f->pending[n];
}

static void on_commit(void *opaque)
{
	struct fixture *f = opaque;

	f->nr_commit++;
	f->uncommitted = false;
}

static const struct berth_msix_ops ops = { on_arm, on_hold, on_pending, on_commit };

/* The owner of a table of any size, of which one vector at a time is live. */
struct many {
	unsigned int nr, nr_live, last, pending;
	uint64_t addr;
	uint32_t data;
};

static void many_arm(void *opaque, unsigned int n, uint64_t addr, uint32_t data)
{
	struct many *m = opaque;

	assert_true(n < m->nr);
	m->nr_live++;
	m->last = n;
	m->addr = addr;
	m->data = data;
}

static void many_hold(void *opaque, unsigned int n)
{
	struct many *m = opaque;

	assert_int_equal(n, m->last);
	m->nr_live--;
}

static bool many_pending(void *opaque, unsigned int n)
{
	return ((struct many *)opaque)->pending == n;
}

static void many_commit(void *opaque)
{
	(void)opaque;
}

static const struct berth_msix_ops many_ops = { many_arm, many_hold, many_pending, many_commit };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? berth_msix_new(&f->msix, VECTORS, &ops, f) : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	berth_msix_free(f->msix);
	free(f);
	return 0;
}

static void put32(struct fixture *f, uint64_t offset, uint32_t v)
{
	berth_msix_table_write(f->msix, offset, 4, &v);
}

static uint32_t get32(struct fixture *f, uint64_t offset)
{
	uint32_t v = 0;

	berth_msix_table_read(f->msix, offset, 4, &v);
	return v;
}

/* What the spec lets a guest do, over plain bytes: the model that the table is compared with. */
static bool model_ok(uint64_t offset, unsigned int len, uint64_t size)
{
	return (len == 4 || len == 8) && offset % len == 0 && offset < size && size - offset >= len;
}

static void model_write(uint8_t *table, uint64_t offset, const uint8_t *data, unsigned int len)
{
	memcpy(table + offset, data, len);
	for (unsigned int n = 0; n < VECTORS; n++) {
		table[n * 16] &= 0xfc;	    /* address is dword aligned */
		table[n * 16 + 12] &= 0x01; /* only the mask bit is kept */
		memset(table + n * 16 + 13, 0, 3);
	}
}

/* Every offset up to well beyond the end, every size from 0 to 16: exactly the legal accesses do anything. */
static void every_offset_and_size_does_what_the_spec_says(void **state)
{
	struct fixture *f = *state;
	uint8_t model[VECTORS * 16] = { 0 }, whole[VECTORS * 16];

	for (unsigned int n = 0; n < VECTORS; n++)
		model[n * 16 + 12] = 1;
	for (uint64_t offset = 0; offset < sizeof(model) + 64; offset++) {
		for (unsigned int len = 0; len <= 16; len++) {
			uint8_t data[16], got[17], want[17];

			for (unsigned int i = 0; i < 16; i++)
				data[i] = (uint8_t)(offset * 31 + len * 7 + i * 13 + 1);
			berth_msix_table_write(f->msix, offset, len, data);
			memset(want, 0xff, sizeof(want));
			if (model_ok(offset, len, sizeof(model))) {
				model_write(model, offset, data, len);
				memcpy(want, model + offset, len);
			}
			memset(got, 0xff, sizeof(got));
			memset(got, 0, len);
			berth_msix_table_read(f->msix, offset, len, got);
			assert_memory_equal(got, want, sizeof(got));
			for (unsigned int i = 0; i < sizeof(whole); i += 8)
				berth_msix_table_read(f->msix, i, 8, whole + i);
			assert_memory_equal(whole, model, sizeof(model));
		}
	}
}

static void offsets_near_the_end_of_the_address_space_do_not_wrap(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 0;

	berth_msix_table_write(f->msix, UINT64_MAX - 7, 8, &v);
	berth_msix_table_read(f->msix, UINT64_MAX - 7, 8, &v);
	assert_true(v == UINT64_MAX);
	v = 0;
	berth_msix_pba_read(f->msix, UINT64_MAX - 7, 8, &v);
	assert_true(v == UINT64_MAX);
}

static void all_vectors_start_masked(void **state)
{
	struct fixture *f = *state;

	for (unsigned int n = 0; n < VECTORS; n++)
		assert_int_equal(get32(f, n * 16 + 12), 1);
	berth_msix_set_control(f->msix, BERTH_MSIX_ENABLE);
	assert_int_equal(f->nr_arm, 0);
}

static void a_vector_is_live_only_when_nothing_masks_it(void **state)
{
	struct fixture *f = *state;

	put32(f, 16, 0xfee00000);
	put32(f, 20, 0x1);
	put32(f, 24, 0x4021);
	for (unsigned int bits = 0; bits < 8; bits++) {
		uint16_t control = (bits & 1 ? BERTH_MSIX_ENABLE : 0) |
				   (bits & 2 ? BERTH_MSIX_MASKALL : 0);

		put32(f, 28, bits & 4 ? 1 : 0);
		berth_msix_set_control(f->msix, control);
		assert_int_equal(f->live[1], bits == 1);
		assert_false(f->uncommitted);
		if (f->live[1]) {
			assert_true(f->addr[1] == 0x1fee00000);
			assert_int_equal(f->data[1], 0x4021);
		}
	}
	assert_int_equal(f->nr_hold, 1);
}

static void a_new_message_of_a_live_vector_is_told_at_once(void **state)
{
	struct fixture *f = *state;

	berth_msix_set_control(f->msix, BERTH_MSIX_ENABLE);
	put32(f, 12, 0);
	assert_true(f->live[0]);
	put32(f, 8, 0x77);
	assert_int_equal(f->data[0], 0x77);
	assert_int_equal(f->nr_hold, 0);
	assert_int_equal(f->nr_commit, 2);
}

static void enabling_many_commits_once(void **state)
{
	struct fixture *f = *state;

	for (unsigned int n = 0; n < VECTORS; n++)
		put32(f, n * 16 + 12, 0);
	assert_int_equal(f->nr_commit, 0);
	berth_msix_set_control(f->msix, BERTH_MSIX_ENABLE);
	assert_int_equal(f->nr_arm, VECTORS);
	assert_int_equal(f->nr_commit, 1);
	berth_msix_set_control(f->msix, BERTH_MSIX_ENABLE);
	assert_int_equal(f->nr_arm, VECTORS);
}

static void pending_bits_show_masked_vectors_only(void **state)
{
	struct fixture *f = *state;
	uint64_t v = 0;

	f->pending[0] = f->pending[3] = true;
	berth_msix_set_control(f->msix, BERTH_MSIX_ENABLE);
	put32(f, 12, 0); /* vector 0 delivers: nothing of it can be pending */
	berth_msix_pba_read(f->msix, 0, 8, &v);
	assert_true(v == 1u << 3);
	for (unsigned int len = 0; len <= 8; len++) {
		for (uint64_t offset = 0; offset < 24; offset++) {
			uint8_t got[8] = { 0 };
			bool ok = model_ok(offset, len, 8);

			berth_msix_pba_read(f->msix, offset, len, got);
			for (unsigned int i = 0; i < len; i++)
				assert_int_equal(got[i], !ok		       ? 0xff :
							 offset == 0 && i == 0 ? 8 :
										 0);
		}
	}
}

static void says_when_there_is_no_memory(void **state)
{
	struct berth_msix *m = NULL;

	(void)state;
	no_memory = true;
	assert_int_equal(berth_msix_new(&m, 1, &ops, NULL), -ENOMEM);
	no_memory = false;
	assert_null(m);
}

/*
 * Each vector of each size of table: its words, its mask, where its message goes, its pending bit; and nothing of the
 * others moves.
 */
static void each_of_many_vectors_stands_for_itself(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 8, 64, 65, 2048 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct many many = { .nr = sizes[i] };
		struct berth_msix *m = NULL;

		assert_int_equal(berth_msix_new(&m, sizes[i], &many_ops, &many), 0);
		berth_msix_set_control(m, BERTH_MSIX_ENABLE);
		for (unsigned int n = 0; n < sizes[i]; n++) {
			uint64_t addr = UINT64_C(0x1fee00000) + n * 4, data = n, got = 0;

			berth_msix_table_write(m, n * 16, 8, &addr);
			berth_msix_table_write(m, n * 16 + 8, 8, &data);
			assert_int_equal(many.nr_live, 1);
			assert_int_equal(many.last, n);
			assert_true(many.addr == addr);
			assert_int_equal(many.data, n);
			data |= UINT64_C(1) << 32;
			berth_msix_table_write(m, n * 16 + 8, 8, &data);
			assert_int_equal(many.nr_live, 0);
			many.pending = n;
			berth_msix_pba_read(m, n / 64 * 8, 8, &got);
			assert_true(got == UINT64_C(1) << n % 64);
			berth_msix_table_read(m, n * 16, 8, &got);
			assert_true(got == addr);
			berth_msix_table_read(m, n * 16 + 8, 8, &got);
			assert_true(got == data);
		}
		berth_msix_reset(m);
		for (unsigned int n = 0; n < sizes[i]; n++) {
			uint64_t got[2];

			berth_msix_table_read(m, n * 16, 8, &got[0]);
			berth_msix_table_read(m, n * 16 + 8, 8, &got[1]);
			assert_true(got[0] == 0 && got[1] == UINT64_C(1) << 32);
		}
		berth_msix_free(m);
	}
}

/* Every offset and every length over table and pending bits of every size, and 64 bytes beyond: legal or nothing at all. */
static void no_access_of_any_table_leaves_it(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 8, 64, 2048 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct many many = { .nr = sizes[i], .pending = sizes[i] };
		struct berth_msix *m = NULL;
		uint64_t size = sizes[i] * 16u, pba = (sizes[i] + 63) / 64 * 8;

		assert_int_equal(berth_msix_new(&m, sizes[i], &many_ops, &many), 0);
		berth_msix_set_control(m, BERTH_MSIX_ENABLE);
		for (uint64_t at = 0; at < size + 64; at++) {
			for (unsigned int len = 1; len <= 16; len++) {
				uint8_t ones[16], got[16] = { 0 };
				bool ok = model_ok(at, len, size);

				memset(ones, 0xff, sizeof(ones)); /* masks: nothing is armed */
				berth_msix_table_write(m, at, len, ones);
				berth_msix_table_read(m, at, len, got);
				if ((memcmp(got, ones, len) == 0) !=
				    (!ok || (at % 16 + len <= 12 && at % 16 != 0)))
					fail_msg("%u vectors, table %#llx+%u", sizes[i],
						 (unsigned long long)at, len);
				memset(got, 0, sizeof(got));
				berth_msix_pba_read(m, at, len, got);
				if ((got[0] == 0xff) == model_ok(at, len, pba))
					fail_msg("%u vectors, pending bits %#llx+%u", sizes[i],
						 (unsigned long long)at, len);
			}
		}
		assert_int_equal(many.nr_live, 0);
		berth_msix_free(m);
	}
}

static void refuses_sizes_that_cannot_be(void **state)
{
	struct berth_msix *m = NULL;

	(void)state;
	assert_int_equal(berth_msix_new(&m, 0, &ops, NULL), -EINVAL);
	assert_int_equal(berth_msix_new(&m, 2049, &ops, NULL), -EINVAL);
	assert_null(m);
	assert_int_equal(berth_msix_new(&m, 2048, &ops, NULL), 0);
	assert_int_equal(berth_msix_table_size(m), 32768);
	assert_int_equal(berth_msix_pba_size(m), 256);
	berth_msix_free(m);
	assert_int_equal(berth_msix_new(&m, 65, &ops, NULL), 0);
	assert_int_equal(berth_msix_pba_size(m), 16);
	berth_msix_free(m);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_offset_and_size_does_what_the_spec_says),
		T(offsets_near_the_end_of_the_address_space_do_not_wrap),
		T(all_vectors_start_masked),
		T(a_vector_is_live_only_when_nothing_masks_it),
		T(a_new_message_of_a_live_vector_is_told_at_once),
		T(enabling_many_commits_once),
		T(pending_bits_show_masked_vectors_only),
		cmocka_unit_test(refuses_sizes_that_cannot_be),
		cmocka_unit_test(says_when_there_is_no_memory),
		cmocka_unit_test(each_of_many_vectors_stands_for_itself),
		cmocka_unit_test(no_access_of_any_table_leaves_it),
	};

	return cmocka_run_group_tests_name("vmm/msix", tests, NULL, NULL);
}
