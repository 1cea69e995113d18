/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mechanism; that release builds have none of it is tests/cli/failpoints.sh. */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "tests/lib/tmp.h"

static void use(const char *rules)
{
	setenv("BERTH_FAILPOINTS", rules, 1);
	berth_failpoint_reset();
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("BERTH_FAILPOINTS");
	unsetenv("BERTH_FAILPOINT_LOG");
	berth_failpoint_reset();
	return 0;
}

static int hit(const char *operation)
{
	return berth_failpoint_hit("step", operation, "after", NULL);
}

static void nothing_happens_unasked(void **state)
{
	(void)state;
	use("");
	assert_int_equal(hit("unbind"), 0);
	use("step.probe.after=error:5");
	assert_int_equal(hit("unbind"), 0);
	use("step.unbind.before=error:5");
	assert_int_equal(hit("unbind"), 0);
}

static void an_error_is_returned_with_the_places_name(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	use("step.unbind.after=error:28");
	assert_int_equal(berth_failpoint_hit("step", "unbind", "after", &err), -ENOSPC);
	assert_non_null(strstr(err.text, "step.unbind.after"));
}

static void it_happens_every_time_or_the_nth_time(void **state)
{
	(void)state;
	use("step.unbind.after=error:5");
	assert_int_equal(hit("unbind"), -EIO);
	assert_int_equal(hit("unbind"), -EIO);
	use("step.unbind.after=error:5@2");
	assert_int_equal(hit("unbind"), 0);
	assert_int_equal(hit("unbind"), -EIO);
	assert_int_equal(hit("unbind"), 0);
}

static void a_star_counts_all_places(void **state)
{
	(void)state;
	use("*=error:5@3;step.probe.after=error:12");
	assert_int_equal(hit("unbind"), 0);
	assert_int_equal(hit("override"), 0);
	assert_int_equal(hit("node"), -EIO);
	assert_int_equal(hit("probe"), -ENOMEM);
}

/* How a child ends that passes a place. */
static int end_of_child(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(hit("unbind") ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		int end;

		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &end, 0), pid);
	}
	return status;
}

static void kill_is_sigkill_and_stop_is_sigstop(void **state)
{
	int status;

	(void)state;
	use("step.unbind.after=kill");
	status = end_of_child();
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	use("step.unbind.after=stop");
	status = end_of_child();
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
}

static void children_count_with_their_parent(void **state)
{
	(void)state;
	use("*=kill@2");
	assert_int_equal(hit("unbind"), 0);
	assert_true(WIFSIGNALED(end_of_child()));
	assert_int_equal(hit("unbind"), 0);
}

static void sleep_waits(void **state)
{
	struct timespec a, b;

	(void)state;
	use("*=sleep:30");
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(hit("unbind"), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 30000000);
}

static void the_log_names_each_place(void **state)
{
	char *dir = tmp_new(), path[256], line[64];
	FILE *f;

	(void)state;
	setenv("BERTH_FAILPOINT_LOG", tmp_path(dir, "log", path, sizeof(path)), 1);
	use("");
	hit("unbind");
	hit("probe");
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "step.unbind.after\n");
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "step.probe.after\n");
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
	tmp_free(dir);
}

static void a_mistake_in_the_rules_aborts(void **state)
{
	static const char *const wrong[] = { "step", "step=", "step=boom", "step=error",
					     "step=error:x" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			use(wrong[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_happens_unasked, tear_down),
		cmocka_unit_test_teardown(an_error_is_returned_with_the_places_name, tear_down),
		cmocka_unit_test_teardown(it_happens_every_time_or_the_nth_time, tear_down),
		cmocka_unit_test_teardown(a_star_counts_all_places, tear_down),
		cmocka_unit_test_teardown(kill_is_sigkill_and_stop_is_sigstop, tear_down),
		cmocka_unit_test_teardown(children_count_with_their_parent, tear_down),
		cmocka_unit_test_teardown(sleep_waits, tear_down),
		cmocka_unit_test_teardown(the_log_names_each_place, tear_down),
		cmocka_unit_test_teardown(a_mistake_in_the_rules_aborts, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
