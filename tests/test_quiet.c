/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom the kernel is at work on, by the notes of those who wait for it. */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/host.h"
#include "base/quiet.h"

struct fixture {
	char dir[64];
	struct berth_host host;
	int fds[4]; /* owned; the notes, locked */
	size_t nr;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];

	assert_non_null(f);
	strcpy(f->dir, "/tmp/berth-quiet-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->host.state = f->dir;
	snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR, f->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[128];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR "/%d", f->dir, i);
		unlink(path);
	}
	for (size_t i = 0; i < f->nr; i++)
		close(f->fds[i]);
	snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR, f->dir);
	rmdir(path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void add_note(struct fixture *f, const char *text, bool locked)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR "/%zu", f->dir, f->nr);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	if (locked)
		assert_int_equal(flock(fd, LOCK_EX), 0);
	f->fds[f->nr++] = fd;
}

static const struct berth_bdf nic = { 0, 1, 0, 0 }, gpu = { 0, 2, 0, 0 }, audio = { 0, 2, 0, 1 };

static void addresses_are_found_in_path_and_value(void **state)
{
	struct fixture *f = *state;
	struct berth_quiet q;

	add_note(f, "7 8 1700000000 4 bus/pci/devices/0000:01:00.0/sriov_numvfs\n", true);
	add_note(f, "7 8 1700000000 0000:02:00.0 bus/pci/drivers_probe\n", true);
	add_note(f, "7 8 1700000000 reset :resetting 0000:02:00.0 0000:02:00.1 through VFIO\n",
		 true);
	berth_quiet_read(&q, &f->host);
	assert_int_equal(q.nr, 3);
	assert_true(berth_quiet_has(&q, nic));
	assert_true(berth_quiet_has(&q, gpu));
	assert_true(berth_quiet_has(&q, audio));
	assert_false(berth_quiet_has(&q, (struct berth_bdf){ 0, 3, 0, 0 }));
}

static void a_mark_without_work_names_nobody(void **state)
{
	struct fixture *f = *state;
	struct berth_quiet q;

	add_note(f, "", true);
	berth_quiet_read(&q, &f->host);
	assert_int_equal(q.nr, 0);
}

static void the_note_of_a_dead_process_names_nobody(void **state)
{
	struct fixture *f = *state;
	struct berth_quiet q;

	add_note(f, "7 8 1700000000 1 bus/pci/devices/0000:01:00.0/reset\n", false);
	berth_quiet_read(&q, &f->host);
	assert_int_equal(q.nr, 0);
}

static void without_a_state_folder_nobody_is_quiet(void **state)
{
	struct fixture *f = *state;
	struct berth_host host = { .state = (char[]){ "/nonexistent" } };
	struct berth_quiet q = { .nr = 3 };

	(void)f;
	berth_quiet_read(&q, &host);
	assert_int_equal(q.nr, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(addresses_are_found_in_path_and_value),
		T(a_mark_without_work_names_nobody),
		T(the_note_of_a_dead_process_names_nobody),
		T(without_a_state_folder_nobody_is_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
