/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work in a child with a deadline: its answer, its death, and what a stuck one holds on to. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/host.h"

struct fixture {
	struct berth_host host;
	struct berth_slow_write slow;
	struct berth_child_work work;
	FILE *note; /* owned */
	int number; /* what the child works on */
	unsigned int waited, answered;
	pid_t left;
};

static void waiting(void *data)
{
	((struct fixture *)data)->waited++;
}

static void answered(void *data)
{
	((struct fixture *)data)->answered++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->note = tmpfile();
	assert_non_null(f->note);
	f->slow = (struct berth_slow_write){
		.note_fd = fileno(f->note), .waiting = waiting, .answered = answered, .data = f
	};
	f->host = (struct berth_host){ .slow_write = &f->slow };
	f->work = (struct berth_child_work){ .value = "reset", .path = "a/b", .data = f };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->left) {
		kill(f->left, SIGKILL);
		waitpid(f->left, NULL, 0);
	}
	fclose(f->note);
	free(f);
	return 0;
}

static int run(struct fixture *f, int (*fn)(void *), unsigned int deadline_ms)
{
	f->work.run = fn;
	return berth_child_run(&f->host, &f->work, deadline_ms, &f->left);
}

static size_t note(struct fixture *f, char text[128])
{
	ssize_t n = pread(f->slow.note_fd, text, 127, 0);

	text[n > 0 ? n : 0] = '\0';
	return strlen(text);
}

static int answer(void *data)
{
	((struct fixture *)data)->number = 42;
	return 7;
}

static int die(void *data)
{
	(void)data;
	_exit(0);
}

static int sleep_for_ever(void *data)
{
	(void)data;
	while (pause() < 0)
		continue;
	return 0;
}

static int nap(void *data)
{
	const struct timespec t = { .tv_nsec = 4L * BERTH_CHILD_SLOW_MS * 1000000 };

	(void)data;
	nanosleep(&t, NULL);
	return 0;
}

static void an_answer_comes_back_with_its_result(void **state)
{
	struct fixture *f = *state;
	char text[128];

	f->work.result = &f->number;
	f->work.size = sizeof(f->number);
	assert_int_equal(run(f, answer, 5000), 7);
	/* The child has written into its copy of the fixture; only the result is handed over. */
	assert_int_equal(f->number, 42);
	assert_int_equal(f->left, 0);
	assert_int_equal(f->waited + f->answered, 0);
	assert_int_equal(note(f, text), 0);
}

static void without_a_result_nothing_of_the_child_is_seen(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, answer, 5000), 7);
	assert_int_equal(f->number, 0);
}

static void a_child_that_dies_has_not_answered(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, die, 5000), -EIO);
	assert_int_equal(f->left, 0);
}

static void slow_work_is_heard_of_twice(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, nap, 5000), 0);
	assert_int_equal(f->waited, 1);
	assert_int_equal(f->answered, 1);
}

static void what_is_stuck_is_left_behind_with_a_note(void **state)
{
	struct fixture *f = *state;
	int parent, child, also = memfd_create("also", MFD_CLOEXEC), n = 0;
	long long since;
	char text[128], other[128];

	f->slow.also = &also;
	f->slow.nr_also = 1;
	assert_int_equal(run(f, sleep_for_ever, 150), -ETIMEDOUT);
	assert_true(f->left > 0);
	assert_int_equal(f->slow.left, f->left);
	assert_int_equal(f->waited, 1);
	assert_int_equal(f->answered, 1);
	note(f, text);
	assert_int_equal(sscanf(text, "%d %d %lld reset a/b%n", &parent, &child, &since, &n), 3);
	assert_true(n > 0);
	assert_int_equal(parent, getpid());
	assert_int_equal(child, f->left);
	assert_true(llabs((long long)time(NULL) - since) < 10);
	assert_int_equal(pread(also, other, sizeof(other), 0), strlen(text));
	assert_memory_equal(other, text, strlen(text));
	close(also);
}

/* A pipe that the child had, too, is at its end as soon as we close ours. */
static bool is_let_go(int pipefd[2])
{
	struct pollfd p = { .fd = pipefd[0], .events = POLLIN };

	close(pipefd[1]);
	return poll(&p, 1, 1000) == 1 && p.revents & POLLHUP;
}

static void what_is_stuck_keeps_only_what_it_needs(void **state)
{
	struct fixture *f = *state;
	int dropped[2], kept[2];

	assert_int_equal(pipe2(dropped, O_CLOEXEC), 0);
	assert_int_equal(pipe2(kept, O_CLOEXEC), 0);
	f->work.keep = &kept[1];
	f->work.nr_keep = 1;
	assert_int_equal(run(f, sleep_for_ever, 100), -ETIMEDOUT);
	assert_true(is_let_go(dropped));
	assert_false(is_let_go(kept));
	close(dropped[0]);
	close(kept[0]);
}

static void what_is_stuck_keeps_the_notes_lock_and_not_the_hosts(void **state)
{
	struct fixture *f = *state;
	char mark[] = "/tmp/berth-child-XXXXXX", lock[] = "/tmp/berth-child-XXXXXX";
	int mark_fd = mkstemp(mark), lock_fd = mkstemp(lock), fd;

	assert_true(mark_fd >= 0 && lock_fd >= 0);
	assert_int_equal(flock(mark_fd, LOCK_EX) + flock(lock_fd, LOCK_EX), 0);
	f->slow.note_fd = mark_fd;
	f->slow.drop = &lock_fd;
	f->slow.nr_drop = 1;
	assert_int_equal(run(f, sleep_for_ever, 100), -ETIMEDOUT);
	close(mark_fd);
	close(lock_fd);
	fd = open(lock, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	fd = open(mark, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	close(fd);
	unlink(mark);
	unlink(lock);
}

/* Whoever reads our output must not wait for the kernel. */
static void what_is_stuck_does_not_keep_our_output_open(void **state)
{
	struct fixture *f = *state;
	char path[64], target[64] = "";

	assert_int_equal(run(f, sleep_for_ever, 100), -ETIMEDOUT);
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)f->left, fd);
		memset(target, 0, sizeof(target));
		assert_true(readlink(path, target, sizeof(target) - 1) > 0);
		assert_string_equal(target, "/dev/null");
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_back_with_its_result),
		T(without_a_result_nothing_of_the_child_is_seen),
		T(a_child_that_dies_has_not_answered),
		T(slow_work_is_heard_of_twice),
		T(what_is_stuck_is_left_behind_with_a_note),
		T(what_is_stuck_keeps_only_what_it_needs),
		T(what_is_stuck_keeps_the_notes_lock_and_not_the_hosts),
		T(what_is_stuck_does_not_keep_our_output_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
