/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "base/err.h"
#include "tools/terminal.h"

static void ctrl_a_keys_are_ours(void **state)
{
	static const struct {
		const char *keys;
		enum berth_escape_key want[4];
	} rows[] = {
		{ "ab", { BERTH_ESCAPE_PASS, BERTH_ESCAPE_PASS } },
		{ "\x01x", { BERTH_ESCAPE_HOLD, BERTH_ESCAPE_LEAVE } },
		{ "\x01X", { BERTH_ESCAPE_HOLD, BERTH_ESCAPE_LEAVE } },
		{ "\x01h", { BERTH_ESCAPE_HOLD, BERTH_ESCAPE_HELP } },
		{ "\x01\x01x", { BERTH_ESCAPE_HOLD, BERTH_ESCAPE_PASS, BERTH_ESCAPE_PASS } },
		{ "\x01qx", { BERTH_ESCAPE_HOLD, BERTH_ESCAPE_HOLD, BERTH_ESCAPE_PASS } },
		{ "x\x01", { BERTH_ESCAPE_PASS, BERTH_ESCAPE_HOLD } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct berth_escape e = { false };

		for (size_t k = 0; rows[i].keys[k]; k++)
			assert_int_equal(berth_escape_feed(&e, rows[i].keys[k]), rows[i].want[k]);
	}
}

/* Runs @fn in a child whose terminal is a new pty. Return: its wait status; *master stays open for the caller. */
static int on_a_pty(int (*fn)(void), int *master, struct termios *before, struct termios *after,
		    const char *typed)
{
	int slave, status;
	pid_t pid;

	assert_int_equal(openpty(master, &slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(slave, before), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		login_tty(dup(slave));
		_exit(fn());
	}
	if (typed) {
		char ready;

		/* the child writes one byte when the terminal is raw: typed earlier, Ctrl-A x would be a line */
		assert_int_equal(read(*master, &ready, 1), 1);
		assert_int_equal(write(*master, typed, strlen(typed)), (ssize_t)strlen(typed));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tcgetattr(slave, after), 0);
	close(slave);
	return status;
}

static void assert_same_settings(const struct termios *a, const struct termios *b)
{
	assert_int_equal(a->c_iflag, b->c_iflag);
	assert_int_equal(a->c_oflag, b->c_oflag);
	assert_int_equal(a->c_lflag, b->c_lflag);
	assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static int read_until_leave(void)
{
	struct berth_terminal *t;
	struct termios now;
	char buf[64], got[64] = "";
	bool leave = false;

	if (berth_terminal_open(&t, "stdio", NULL) < 0 || !berth_terminal_is_tty(t))
		return 1;
	if (tcgetattr(0, &now) < 0 || (now.c_lflag & (ICANON | ECHO | ISIG)))
		return 2;
	if (berth_terminal_write(t, "!", 1) != 1)
		return 3;
	alarm(10);
	while (!leave) {
		size_t n = berth_terminal_read(t, buf, sizeof(buf), &leave);

		strncat(got, buf, n);
	}
	berth_terminal_close(t);
	return strcmp(got, "a\x03"
			   "b\x01") == 0 ?
		       0 :
		       4;
}

static void keys_go_raw_and_the_settings_come_back(void **state)
{
	struct termios before, after;
	int master;

	(void)state;
	/* Ctrl-C is the guest's, too */
	assert_int_equal(on_a_pty(read_until_leave, &master, &before, &after,
				  "a\x03"
				  "b\x01\x01\x01x"),
			 0);
	assert_same_settings(&before, &after);
	close(master);
}

static int die_raw(void)
{
	struct berth_terminal *t;
	struct termios now;

	if (berth_terminal_open(&t, "stdio", NULL) < 0)
		return 1;
	if (tcgetattr(0, &now) < 0 || (now.c_lflag & ICANON))
		return 2;
	raise(SIGSEGV);
	return 3;
}

static void settings_come_back_after_a_crash(void **state)
{
	struct termios before, after;
	int master, status;

	(void)state;
	status = on_a_pty(die_raw, &master, &before, &after, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_same_settings(&before, &after);
	close(master);
}

static int in_the_background(void)
{
	struct berth_terminal *t;

	/* a new process group, while the terminal belongs to the old one */
	if (fork() > 0) {
		int status = 1;

		wait(&status);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
	}
	setpgid(0, 0);
	if (berth_terminal_open(&t, "stdio", NULL) < 0)
		return 1;
	if (berth_terminal_in_fd(t) != -1 || berth_terminal_is_tty(t))
		return 2;
	berth_terminal_close(t);
	return 0;
}

static void in_the_background_nothing_is_read(void **state)
{
	struct termios before, after;
	int master;

	(void)state;
	assert_int_equal(on_a_pty(in_the_background, &master, &before, &after, NULL), 0);
	assert_same_settings(&before, &after);
	close(master);
}

/* Standard input and output replaced by pipes for the length of a test. */
struct pipes {
	int saved_in, saved_out;
	int to[2], from[2];
};

static int set_up_pipes(void **state)
{
	struct pipes *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	fflush(stdout);
	p->saved_in = dup(0);
	p->saved_out = dup(1);
	assert_int_equal(pipe(p->to), 0);
	assert_int_equal(pipe(p->from), 0);
	dup2(p->to[0], 0);
	dup2(p->from[1], 1);
	*state = p;
	return 0;
}

static int tear_down_pipes(void **state)
{
	struct pipes *p = *state;

	dup2(p->saved_in, 0);
	dup2(p->saved_out, 1);
	close(p->saved_in);
	close(p->saved_out);
	close(p->to[0]);
	close(p->to[1]);
	close(p->from[0]);
	close(p->from[1]);
	free(p);
	return 0;
}

static void without_a_terminal_bytes_are_plain(void **state)
{
	struct pipes *p = *state;
	struct berth_terminal *t;
	char buf[16];
	bool leave = false;

	assert_int_equal(berth_terminal_open(&t, "stdio", NULL), 0);
	assert_int_equal(write(p->to[1], "a\x01x", 3), 3);
	assert_int_equal(berth_terminal_read(t, buf, sizeof(buf), &leave), 3);
	assert_memory_equal(buf, "a\x01x", 3);
	assert_false(leave);
	close(p->to[1]);
	p->to[1] = -1;
	assert_int_equal(berth_terminal_read(t, buf, sizeof(buf), &leave), 0);
	assert_int_equal(berth_terminal_in_fd(t), -1);
	assert_false(leave);
	assert_int_equal(berth_terminal_write(t, "out", 3), 3);
	assert_int_equal(read(p->from[0], buf, sizeof(buf)), 3);
	berth_terminal_close(t);
}

static void stalled_reader_does_not_block_us(void **state)
{
	struct pipes *p = *state;
	struct berth_terminal *t;
	char buf[4096] = "";
	size_t total = 0, n;

	assert_int_equal(berth_terminal_open(&t, "stdio", NULL), 0);
	alarm(10);
	while ((n = berth_terminal_write(t, buf, sizeof(buf))) > 0)
		total += n;
	alarm(0);
	assert_true(total >= 4096 && total < 16 << 20);
	/* and the flag did not reach those who share the pipe with us */
	assert_false(fcntl(1, F_GETFL) & O_NONBLOCK);
	(void)p;
	berth_terminal_close(t);
}

static void closed_output_is_no_error(void **state)
{
	struct pipes *p = *state;
	struct berth_terminal *t;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(berth_terminal_open(&t, "stdio", NULL), 0);
	close(p->from[0]);
	p->from[0] = -1;
	assert_int_equal(berth_terminal_write(t, "out", 3), 3);
	assert_int_equal(berth_terminal_out_fd(t), -1);
	assert_int_equal(berth_terminal_write(t, "out", 3), 3);
	berth_terminal_close(t);
}

static void output_can_go_to_a_file(void **state)
{
	struct berth_terminal *t;
	char path[] = "/tmp/berth-test-console-XXXXXX", buf[16] = "";
	int fd = mkstemp(path);
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(berth_terminal_open(&t, path, NULL), 0);
	assert_int_equal(berth_terminal_in_fd(t), -1);
	assert_int_equal(berth_terminal_write(t, "out", 3), 3);
	berth_terminal_close(t);
	assert_int_equal(read(fd, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "out");
	close(fd);
	unlink(path);
	assert_int_equal(berth_terminal_open(&t, "/nonexistent/x", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ctrl_a_keys_are_ours),
		cmocka_unit_test(keys_go_raw_and_the_settings_come_back),
		cmocka_unit_test(settings_come_back_after_a_crash),
		cmocka_unit_test(in_the_background_nothing_is_read),
		cmocka_unit_test_setup_teardown(without_a_terminal_bytes_are_plain, set_up_pipes,
						tear_down_pipes),
		cmocka_unit_test_setup_teardown(stalled_reader_does_not_block_us, set_up_pipes,
						tear_down_pipes),
		cmocka_unit_test_setup_teardown(closed_output_is_no_error, set_up_pipes,
						tear_down_pipes),
		cmocka_unit_test(output_can_go_to_a_file),
	};

	return cmocka_run_group_tests_name("tools/terminal", tests, NULL, NULL);
}
