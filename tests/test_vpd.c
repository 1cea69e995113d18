/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"
#include "tests/lib/fake_pci.h"
#include "vfio/vpd.h"

#define AT "0000:01:00.0"

static const struct fake_fn fns[] = {
	{ .bdf = AT, .vendor = 0x8086, .device = 0x10c9, .class = 0x020000, .driver = "" },
};

/* A VPD under construction. */
struct vpd {
	uint8_t bytes[2 * BERTH_VPD_MAX];
	size_t len, inside; /* where the length of the open resource stands */
};

static void put(struct vpd *v, const void *bytes, size_t len)
{
	memcpy(v->bytes + v->len, bytes, len);
	v->len += len;
}

static void open_large(struct vpd *v, uint8_t tag)
{
	put(v, (uint8_t[]){ tag, 0, 0 }, 3);
	v->inside = v->len - 2;
}

static void close_large(struct vpd *v)
{
	size_t len = v->len - v->inside - 2;

	v->bytes[v->inside] = (uint8_t)len;
	v->bytes[v->inside + 1] = (uint8_t)(len >> 8);
}

static void key(struct vpd *v, const char *name, const char *value, size_t len)
{
	put(v, name, 2);
	put(v, (uint8_t[]){ (uint8_t)len }, 1);
	put(v, value, len);
}

/* RV with @wrong added to what the sum wants, then the end of everything. */
static void finish(struct vpd *v, uint8_t wrong)
{
	size_t at = v->len + 3; /* of the byte that makes the sum right, behind name and length */
	uint8_t sum = 0;

	key(v, "RV", "\0\0", 2);
	close_large(v);
	for (size_t i = 0; i < v->len; i++)
		sum = (uint8_t)(sum + v->bytes[i]);
	v->bytes[at] = (uint8_t)(wrong - sum);
	put(v, "\x78", 1);
}

/* A name of @name_len letters, and a number, or none. */
static struct vpd make(size_t name_len, const char *serial, size_t len, uint8_t wrong)
{
	struct vpd v = { .len = 0 };

	open_large(&v, 0x82);
	for (size_t i = 0; i < name_len; i++)
		put(&v, "x", 1);
	close_large(&v);
	open_large(&v, 0x90);
	key(&v, "PN", "SN-6.5", 6);
	if (serial)
		key(&v, "SN", serial, len);
	finish(&v, wrong);
	return v;
}

static void finds_the_number_and_nothing_else(void **state)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123";
	static const struct {
		const char *serial;
		size_t len;
		uint8_t wrong;
		int r;
		const char *want;
	} rows[] = {
		{ "MT2012X04567", 12, 0, 0, "MT2012X04567" },
		{ " A 7  ", 6, 0, 0, "A 7" },
		{ "A7\0\0", 4, 0, 0, "A7" },
		{ longest, 64, 0, 0, longest },
		{ NULL, 0, 0, -ENOENT, "" },
		{ "MT2012X04567", 12, 1, -EBADMSG, "" },
		{ "    ", 4, 0, -EBADMSG, "" },
		{ "", 0, 0, -EBADMSG, "" },
		{ "A\n7", 3, 0, -EBADMSG, "" },
		{ "A\xff", 2, 0, -EBADMSG, "" },
		{ "01234567890123456789012345678901234567890123456789012345678901234", 65, 0,
		  -EBADMSG, "" },
	};
	char serial[BERTH_VPD_SERIAL_LEN];

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct vpd v = make(20, rows[i].serial, rows[i].len, rows[i].wrong);
		int r = berth_vpd_serial(v.bytes, v.len, serial);

		if (r != rows[i].r || strcmp(serial, rows[i].want) != 0)
			fail_msg("row %zu: %d \"%s\"", i, r, serial);
	}
}

static void asks_for_more_until_it_can_tell(void **state)
{
	struct vpd v = make(20, "A7", 2, 0);
	char serial[BERTH_VPD_SERIAL_LEN];

	(void)state;
	/* the byte that ends all is not needed */
	for (size_t len = 0; len < v.len - 1; len++)
		assert_int_equal(berth_vpd_serial(v.bytes, len, serial), -EAGAIN);
	assert_int_equal(berth_vpd_serial(v.bytes, v.len - 1, serial), 0);
}

static void malformed_data_have_no_number(void **state)
{
	struct vpd twice = { .len = 0 }, unsummed = { .len = 0 }, beyond = { .len = 0 };
	char serial[BERTH_VPD_SERIAL_LEN];

	(void)state;
	assert_int_equal(berth_vpd_serial((uint8_t[]){ 0xff, 0xff, 0xff }, 3, serial), -EBADMSG);
	assert_int_equal(berth_vpd_serial((uint8_t[]){ 0, 0, 0 }, 3, serial), -EBADMSG);
	assert_int_equal(berth_vpd_serial((uint8_t[]){ 0x78 }, 1, serial), -ENOENT);
	/* a small resource is stepped over, and so is what the owner may write */
	assert_int_equal(berth_vpd_serial((uint8_t[]){ 0x11, 0xff, 0x91, 1, 0, 0xff, 0x79 }, 7,
					  serial),
			 -ENOENT);
	open_large(&twice, 0x90);
	key(&twice, "SN", "A7", 2);
	key(&twice, "SN", "A8", 2);
	finish(&twice, 0);
	assert_int_equal(berth_vpd_serial(twice.bytes, twice.len, serial), -EBADMSG);
	assert_string_equal(serial, "");
	open_large(&unsummed, 0x90);
	key(&unsummed, "SN", "A7", 2);
	close_large(&unsummed);
	assert_int_equal(berth_vpd_serial(unsummed.bytes, unsummed.len, serial), -EBADMSG);
	open_large(&beyond, 0x90);
	key(&beyond, "SN", "A7", 2);
	close_large(&beyond);
	beyond.bytes[5] = 3; /* one byte more than the resource has */
	assert_int_equal(berth_vpd_serial(beyond.bytes, beyond.len, serial), -EBADMSG);
}

/* Bytes that lie about lengths never lead outside of what was given; the sanitizers watch. */
static void any_byte_may_be_wrong(void **state)
{
	struct vpd good = make(20, "A7", 2, 0);
	char serial[BERTH_VPD_SERIAL_LEN];

	(void)state;
	for (size_t i = 0; i < good.len; i++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			BERTH_CLEANUP(berth_freep) uint8_t *copy = malloc(good.len);

			assert_non_null(copy);
			memcpy(copy, good.bytes, good.len);
			copy[i] = (uint8_t)byte;
			if (berth_vpd_serial(copy, good.len, serial) == 0)
				assert_int_equal(strlen(serial), 2);
			else
				assert_string_equal(serial, "");
		}
	}
}

static int read_from(const struct fake_host *fake, const struct vpd *v, char *serial)
{
	struct berth_host *host = NULL;
	struct berth_bdf at;
	char path[160];
	int fd, r;

	fake_host_file(fake, "sys/bus/pci/devices/" AT "/vpd", "%s", "");
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/" AT "/vpd", fake->root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(berth_write_all(fd, v->bytes, v->len), 0);
	close(fd);
	assert_int_equal(berth_bdf_parse(AT, &at), 0);
	assert_int_equal(berth_host_open(&host, fake->root, NULL), 0);
	r = berth_vpd_read_serial(host, at, serial);
	berth_host_close(host);
	return r;
}

static void reads_it_from_a_device_within_bounds(void **state)
{
	struct fake_host *fake = fake_host_new(fns, BERTH_ARRAY_SIZE(fns));
	struct vpd near = make(20, "A7", 2, 0), far = make(BERTH_VPD_MAX - 100, "A8", 2, 0),
		   too_far = make(BERTH_VPD_MAX - 10, "A9", 2, 0), cut = near;
	char serial[BERTH_VPD_SERIAL_LEN];

	(void)state;
	assert_int_equal(read_from(fake, &near, serial), 0);
	assert_string_equal(serial, "A7");
	assert_int_equal(read_from(fake, &far, serial), 0);
	assert_string_equal(serial, "A8");
	assert_int_equal(read_from(fake, &too_far, serial), -EBADMSG);
	cut.len = 40;
	assert_int_equal(read_from(fake, &cut, serial), -EBADMSG);
	assert_string_equal(serial, "");
	fake_host_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_number_and_nothing_else),
		cmocka_unit_test(asks_for_more_until_it_can_tell),
		cmocka_unit_test(malformed_data_have_no_number),
		cmocka_unit_test(any_byte_may_be_wrong),
		cmocka_unit_test(reads_it_from_a_device_within_bounds),
	};

	return cmocka_run_group_tests_name("vfio/vpd", tests, NULL, NULL);
}
