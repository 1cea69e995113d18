/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/host.h"
#include "tests/lib/fake_fixture.h"
#include "vfio/bind.h"
#include "vfio/inventory.h"
#include "vfio/kept.h"
#include "vfio/serials.h"

#define NVME   "0000:02:00.0"
#define SYSFS  "sys/bus/pci/devices/" NVME
#define SERIAL "S4EW NX0M"
#define MAC    "02:00:5e:00:53:01"

static const struct berth_bdf at = { 0, 2, 0, 0 };

static const struct fake_fn fns[] = {
	{ .bdf = NVME,
	  .vendor = 0x1b36,
	  .device = 0x10,
	  .class = 0x010802,
	  .driver = "nvme",
	  .group = 14 },
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fake_fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

static void put(const struct fake_fixture *f)
{
	const struct berth_serials s = { .nvme = SERIAL, .mac = MAC };

	assert_int_equal(berth_kept_put(f->host, at, &s), 0);
}

static void assert_kept(const struct fake_fixture *f, const char *nvme, const char *mac)
{
	struct berth_serials s = { .vpd = "" };

	berth_kept_get(f->host, at, &s);
	assert_string_equal(s.nvme, nvme);
	assert_string_equal(s.mac, mac);
}

static void what_was_put_is_there(void **state)
{
	const struct fake_fixture *f = *state;
	const struct berth_serials other = { .nvme = "X" };

	assert_kept(f, "", "");
	put(f);
	assert_kept(f, SERIAL, MAC);
	assert_int_equal(berth_kept_put(f->host, at, &other), 0);
	assert_kept(f, "X", "");
}

static void what_is_known_already_stays(void **state)
{
	struct berth_serials s = { .nvme = "new" };
	const struct fake_fixture *f = *state;

	put(f);
	berth_kept_get(f->host, at, &s);
	assert_string_equal(s.nvme, "new");
	assert_string_equal(s.mac, MAC);
	s = (struct berth_serials){ .mac = "02:00:5e:00:53:02" };
	berth_kept_get(f->host, at, &s);
	assert_string_equal(s.nvme, SERIAL);
	assert_string_equal(s.mac, "02:00:5e:00:53:02");
}

/* Its folder in sysfs is another one: it was taken out, and this or another card put in. */
static void what_was_out_of_its_slot_is_not_known(void **state)
{
	const struct fake_fixture *f = *state;
	char from[160], to[160];

	put(f);
	snprintf(from, sizeof(from), "%s/" SYSFS, f->fake->root);
	snprintf(to, sizeof(to), "%s/out", f->fake->root);
	assert_int_equal(rename(from, to), 0);
	assert_kept(f, "", "");
	assert_int_equal(mkdir(from, 0755), 0);
	assert_kept(f, "", "");
	assert_int_equal(rmdir(from), 0);
	assert_int_equal(rename(to, from), 0);
	assert_kept(f, SERIAL, MAC);
}

static void after_a_boot_it_is_not_known(void **state)
{
	struct fake_fixture *f = *state;

	put(f);
	berth_host_close(f->host);
	fake_host_file(f->fake, "proc/sys/kernel/random/boot_id", "another-one\n");
	assert_int_equal(berth_host_open(&f->host, f->fake->root, NULL), 0);
	assert_kept(f, "", "");
}

static void another_device_has_its_own(void **state)
{
	struct berth_serials s = { .vpd = "" };
	const struct fake_fixture *f = *state;

	put(f);
	berth_kept_get(f->host, (struct berth_bdf){ 0, 2, 0, 1 }, &s);
	assert_string_equal(s.nvme, "");
}

/* The file is cut after each byte, and then its lines are longer than any serial number. */
static void a_damaged_text_is_not_known(void **state)
{
	const struct fake_fixture *f = *state;
	char path[160], text[512];
	struct berth_serials s;
	size_t len;
	FILE *file;

	put(f);
	snprintf(path, sizeof(path), "%s/.serials/" NVME, f->host->run);
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	while (len-- > 0) {
		assert_int_equal(truncate(path, (off_t)len), 0);
		s = (struct berth_serials){ .vpd = "" };
		berth_kept_get(f->host, at, &s);
		assert_string_equal(s.nvme, "");
		assert_string_equal(s.mac, "");
	}
	put(f);
	file = fopen(path, "r+e");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fseek(file, 0, SEEK_CUR);
	fprintf(file, "%064d\n" MAC "\n", 7);
	fclose(file);
	assert_kept(f, "", "");
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
	const struct berth_serials s = { .nvme = SERIAL };
	const struct fake_fixture *f = *state;
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/.serials", f->host->run);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(berth_kept_put(f->host, at, &s), -ENOTDIR);
	assert_kept(f, "", "");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/.serials/" NVME, f->host->run);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(berth_kept_put(f->host, at, &s), -EISDIR);
	snprintf(path, sizeof(path), "%s/.serials/" NVME ".new", f->host->run);
	assert_int_equal(access(path, F_OK), -1);
}

/* As the manager goes from nvme to vfio-pci, and as facts and berth show read it. */
static void unbinding_keeps_what_the_driver_said(void **state)
{
	const struct berth_device dev = { .bdf = at };
	const struct fake_fixture *f = *state;
	struct berth_serials s;

	fake_host_file(f->fake, SYSFS "/nvme/nvme3/serial", SERIAL "           \n");
	assert_int_equal(berth_bind_override(f->host, at, BERTH_BIND_VFIO, NULL), 0);
	assert_int_equal(berth_bind_unbind(f->host, at, NULL), 0);
	fake_host_remove(f->fake, SYSFS "/nvme");
	berth_serials_read(&s, f->host, &dev, false);
	assert_string_equal(s.nvme, SERIAL);
	/* what says nothing itself changes nothing */
	assert_int_equal(berth_bind_probe(f->host, at, BERTH_BIND_VFIO, NULL), 0);
	assert_int_equal(berth_bind_unbind(f->host, at, NULL), 0);
	berth_serials_read(&s, f->host, &dev, false);
	assert_string_equal(s.nvme, SERIAL);
	/* and a driver that has it again knows better */
	fake_host_file(f->fake, SYSFS "/nvme/nvme3/serial", "other\n");
	berth_serials_read(&s, f->host, &dev, false);
	assert_string_equal(s.nvme, "other");
}

#define with_host(t) cmocka_unit_test_setup_teardown(t, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_host(what_was_put_is_there),
		with_host(what_is_known_already_stays),
		with_host(what_was_out_of_its_slot_is_not_known),
		with_host(after_a_boot_it_is_not_known),
		with_host(another_device_has_its_own),
		with_host(a_damaged_text_is_not_known),
		with_host(a_folder_that_cannot_be_made_is_an_error),
		with_host(unbinding_keeps_what_the_driver_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
