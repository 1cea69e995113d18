/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"

struct pair {
	int end[2];
};

static int make_pair(void **state)
{
	struct pair *p = malloc(sizeof(*p));

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->end), 0);
	*state = p;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *p = *state;

	close(p->end[0]);
	close(p->end[1]);
	free(p);
	return 0;
}

static bool same_file(int x, int y)
{
	struct stat a, b;

	return fstat(x, &a) == 0 && fstat(y, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state)
{
	struct pair *p = *state;
	int sent[2] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY) }, got[2];
	char text[8];
	size_t nr;

	assert_int_equal(berth_fd_send(p->end[0], "hello", 6, sent, 2), 0);
	assert_int_equal(berth_fd_recv(p->end[1], text, sizeof(text), got, 2, &nr), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(nr, 2);
	for (int i = 0; i < 2; i++) {
		assert_true(same_file(sent[i], got[i]));
		assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		close(sent[i]);
		close(got[i]);
	}
}

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static void surplus_descriptors_are_closed_and_refused(void **state)
{
	struct pair *p = *state;
	int null = open("/dev/null", O_RDONLY), got[1], before;
	int sent[3] = { null, null, null };
	char text[8];
	size_t nr = 77;

	before = lowest_free_fd();
	assert_int_equal(berth_fd_send(p->end[0], "x", 1, sent, 3), 0);
	assert_int_equal(berth_fd_recv(p->end[1], text, sizeof(text), got, 1, &nr), -EMSGSIZE);
	assert_int_equal(nr, 77);
	assert_int_equal(lowest_free_fd(), before);
	close(null);
}

static void a_message_that_is_too_long_is_refused(void **state)
{
	struct pair *p = *state;
	char text[4];
	size_t nr;

	assert_int_equal(berth_fd_send(p->end[0], "too long", 8, NULL, 0), 0);
	assert_int_equal(berth_fd_recv(p->end[1], text, sizeof(text), NULL, 0, &nr), -EMSGSIZE);
}

static void a_closed_peer_reads_as_zero_and_writes_as_epipe(void **state)
{
	struct pair *p = *state;
	char text[4];
	size_t nr;

	shutdown(p->end[0], SHUT_RDWR);
	assert_int_equal(berth_fd_recv(p->end[1], text, sizeof(text), NULL, 0, &nr), 0);
	assert_int_equal(berth_fd_send(p->end[1], "x", 1, NULL, 0), -EPIPE);
}

static void more_descriptors_than_one_message_holds_are_refused(void **state)
{
	struct pair *p = *state;
	int fds[BERTH_FD_MAX_PASS + 1] = { 0 };

	assert_int_equal(berth_fd_send(p->end[0], "x", 1, fds, BERTH_FD_MAX_PASS + 1), -E2BIG);
	assert_int_equal(berth_fd_send(p->end[0], "x", 1, fds, BERTH_FD_MAX_PASS), 0);
}

static void read_file_returns_all_of_it(void **state)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[] = "/tmp/berth-test-fd-XXXXXX", big[3000];
	int fd = mkstemp(path);
	size_t len;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_int_equal(berth_write_all(fd, big, sizeof(big)), 0);
	close(fd);
	assert_int_equal(berth_read_file(AT_FDCWD, path, sizeof(big), &text, &len), 0);
	assert_int_equal(len, sizeof(big));
	assert_memory_equal(text, big, len);
	assert_int_equal(text[len], '\0');
	assert_int_equal(berth_read_file(AT_FDCWD, path, sizeof(big) - 1, &text, &len), -EFBIG);
	unlink(path);
	assert_int_equal(berth_read_file(AT_FDCWD, path, 10, &text, &len), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define on_pair(t) cmocka_unit_test_setup_teardown(t, make_pair, close_pair)
		on_pair(descriptors_arrive_in_order_and_close_on_exec),
		on_pair(surplus_descriptors_are_closed_and_refused),
		on_pair(a_message_that_is_too_long_is_refused),
		on_pair(a_closed_peer_reads_as_zero_and_writes_as_epipe),
		on_pair(more_descriptors_than_one_message_holds_are_refused),
		cmocka_unit_test(read_file_returns_all_of_it),
	};

	return cmocka_run_group_tests_name("base/fd", tests, NULL, NULL);
}
