/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"

#define CTRL_A '\x01'

static const char help[] = "\r\n"
			   "Ctrl-A x       stop the VM and leave\r\n"
			   "Ctrl-A Ctrl-A  send Ctrl-A\r\n"
			   "Ctrl-A h       this help\r\n";

struct berth_terminal {
	int in;	 /* borrowed (standard input), -1: none */
	int out; /* owned when @owns_out, -1: none */
	bool owns_out;
	bool out_is_socket;
	bool tty; /* @in is a terminal in raw mode */
	struct termios saved;
	struct berth_escape escape;
};

/* For the handler of deadly signals. Written only while those are not yet or no longer handled. */
static struct {
	int fd;
	struct termios saved;
} rescue = { .fd = -1 };

static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGQUIT };

/* tcsetattr(), signal() and raise() are async-signal-safe (POSIX.1-2017, 2.4.3). */
static void on_deadly(int sig)
{
	tcsetattr(rescue.fd, TCSANOW, &rescue.saved);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void handle_deadly(void (*handler)(int))
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(deadly); i++)
		signal(deadly[i], handler);
}

enum berth_escape_key berth_escape_feed(struct berth_escape *e, char key)
{
	if (!e->armed) {
		e->armed = key == CTRL_A;
		return e->armed ? BERTH_ESCAPE_HOLD : BERTH_ESCAPE_PASS;
	}
	e->armed = false;
	switch (key) {
	case CTRL_A:
		return BERTH_ESCAPE_PASS;
	case 'x':
	case 'X':
		return BERTH_ESCAPE_LEAVE;
	case 'h':
	case '?':
		return BERTH_ESCAPE_HELP;
	default:
		return BERTH_ESCAPE_HOLD;
	}
}

/* OPOST stays on: our own messages end in "\n", and "\r\r\n" from a guest looks the same. */
static void set_raw(const struct berth_terminal *t)
{
	struct termios raw = t->saved;

	raw.c_iflag &=
		~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(t->in, TCSANOW, &raw);
}

static void open_in(struct berth_terminal *t)
{
	if (fcntl(STDIN_FILENO, F_GETFD) < 0)
		return;
	if (!isatty(STDIN_FILENO)) {
		t->in = STDIN_FILENO;
		return;
	}
	/* In the background, reading or setting the terminal would stop us (SIGTTIN, SIGTTOU): go without input. */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp() || tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return;
	t->in = STDIN_FILENO;
	t->tty = true;
	rescue.fd = t->in;
	rescue.saved = t->saved;
	handle_deadly(on_deadly);
	set_raw(t);
}

/*
 * A write must not wait for a stalled reader. Setting O_NONBLOCK on standard output would set it for the shell and whoever
 * else shares it; opening the same terminal or pipe again gives a description of our own.
 */
static void open_out(struct berth_terminal *t)
{
	struct stat st;
	int fd;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return;
	t->out = STDOUT_FILENO;
	t->out_is_socket = S_ISSOCK(st.st_mode);
	if (!isatty(STDOUT_FILENO) && !S_ISFIFO(st.st_mode))
		return;
	fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0) {
		t->out = fd;
		t->owns_out = true;
	}
}

int berth_terminal_open(struct berth_terminal **ret, const char *where, struct berth_err *err)
{
	struct berth_terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return berth_err_set(err, -ENOMEM, "out of memory");
	t->in = t->out = -1;
	if (strcmp(where, "stdio") == 0) {
		open_in(t);
		open_out(t);
	} else if (strcmp(where, "none") != 0) {
		t->out = open(where, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0600);
		t->owns_out = true;
		if (t->out < 0) {
			int e = errno;

			free(t);
			return berth_err_set(err, -e, "console file %s: %s", where, strerror(e));
		}
	}
	*ret = t;
	return 0;
}

void berth_terminal_close(struct berth_terminal *t)
{
	if (!t)
		return;
	if (t->tty) {
		/* Not TCSADRAIN: that waits for a terminal that is held up. */
		tcsetattr(rescue.fd, TCSANOW, &t->saved);
		handle_deadly(SIG_DFL);
		rescue.fd = -1;
	}
	if (t->owns_out)
		berth_closep(&t->out);
	free(t);
}

int berth_terminal_in_fd(const struct berth_terminal *t)
{
	return t->in;
}

int berth_terminal_out_fd(const struct berth_terminal *t)
{
	return t->out;
}

bool berth_terminal_is_tty(const struct berth_terminal *t)
{
	return t->tty;
}

void berth_terminal_resume(struct berth_terminal *t)
{
	if (t->tty && t->in >= 0)
		set_raw(t);
}

size_t berth_terminal_read(struct berth_terminal *t, char *buf, size_t size, bool *ret_leave)
{
	ssize_t n = read(t->in, buf, size);
	size_t kept = 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		t->in = -1;
		return 0;
	}
	if (!t->tty)
		return (size_t)n;
	for (ssize_t i = 0; i < n; i++) {
		switch (berth_escape_feed(&t->escape, buf[i])) {
		case BERTH_ESCAPE_PASS:
			buf[kept++] = buf[i];
			break;
		case BERTH_ESCAPE_HOLD:
			break;
		case BERTH_ESCAPE_LEAVE:
			*ret_leave = true;
			break;
		case BERTH_ESCAPE_HELP:
			berth_terminal_write(t, help, sizeof(help) - 1);
			break;
		}
	}
	return kept;
}

size_t berth_terminal_write(struct berth_terminal *t, const char *buf, size_t len)
{
	ssize_t n;

	if (t->out < 0)
		return len;
	n = t->out_is_socket ? send(t->out, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
			       write(t->out, buf, len);
	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	if (t->owns_out)
		close(t->out);
	t->owns_out = false;
	t->out = -1;
	return len;
}
