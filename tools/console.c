/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/terminal.h"

enum { POLL_IN, POLL_SOCK, POLL_OUT };

void berth_console_init(struct berth_console *c, struct berth_terminal *terminal, int sock)
{
	c->terminal = terminal;
	c->sock = sock;
	c->to_guest_len = c->to_user_len = 0;
}

void berth_console_done(struct berth_console *c)
{
	berth_closep(&c->sock);
	c->sock = -1;
}

static bool wants_input(const struct berth_console *c)
{
	return berth_terminal_is_tty(c->terminal) || c->to_guest_len == 0;
}

void berth_console_poll(const struct berth_console *c,
			struct pollfd polls[static BERTH_CONSOLE_POLLS])
{
	polls[POLL_IN] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (wants_input(c))
		polls[POLL_IN].fd = berth_terminal_in_fd(c->terminal);
	polls[POLL_SOCK] = (struct pollfd){ .fd = c->sock };
	if (c->to_user_len == 0)
		polls[POLL_SOCK].events |= POLLIN;
	if (c->to_guest_len)
		polls[POLL_SOCK].events |= POLLOUT;
	/* Nothing wanted: do not be woken by a hang-up again and again either. */
	if (!polls[POLL_SOCK].events)
		polls[POLL_SOCK].fd = -1;
	polls[POLL_OUT] = (struct pollfd){ .fd = -1, .events = POLLOUT };
	if (c->to_user_len)
		polls[POLL_OUT].fd = berth_terminal_out_fd(c->terminal);
}

static bool take_input(struct berth_console *c)
{
	char lost[256];
	bool leave = false;
	size_t space = sizeof(c->to_guest) - c->to_guest_len;

	/* The guest does not read, like a port whose buffer overruns; the keys that are for us still count. */
	if (space == 0)
		berth_terminal_read(c->terminal, lost, sizeof(lost), &leave);
	else
		c->to_guest_len += berth_terminal_read(c->terminal, c->to_guest + c->to_guest_len,
						       space, &leave);
	return leave;
}

static void give_input(struct berth_console *c)
{
	ssize_t n = send(c->sock, c->to_guest, c->to_guest_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0)
		n = (ssize_t)c->to_guest_len;
	c->to_guest_len -= (size_t)n;
	memmove(c->to_guest, c->to_guest + n, c->to_guest_len);
}

static void take_output(struct berth_console *c)
{
	ssize_t n = recv(c->sock, c->to_user, sizeof(c->to_user), MSG_DONTWAIT);

	if (n > 0)
		c->to_user_len = (size_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		berth_console_done(c);
}

static void give_output(struct berth_console *c)
{
	size_t n = berth_terminal_write(c->terminal, c->to_user, c->to_user_len);

	c->to_user_len -= n;
	memmove(c->to_user, c->to_user + n, c->to_user_len);
}

bool berth_console_serve(struct berth_console *c,
			 const struct pollfd polls[static BERTH_CONSOLE_POLLS])
{
	bool leave = false;

	if (polls[POLL_IN].fd >= 0 && polls[POLL_IN].revents)
		leave = take_input(c);
	if (c->sock >= 0 && c->to_guest_len)
		give_input(c);
	if (c->sock < 0)
		c->to_guest_len = 0;
	if (c->sock >= 0 && c->to_user_len == 0 &&
	    (polls[POLL_SOCK].revents & (POLLIN | POLLHUP | POLLERR)))
		take_output(c);
	if (c->to_user_len)
		give_output(c);
	return leave;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void berth_console_drain(struct berth_console *c, unsigned int deadline_ms)
{
	int64_t end = now_ms() + deadline_ms;

	while (c->sock >= 0 || c->to_user_len) {
		struct pollfd polls[BERTH_CONSOLE_POLLS];
		int64_t left = end - now_ms();

		if (left <= 0)
			return;
		berth_console_poll(c, polls);
		polls[POLL_IN].fd = -1;
		c->to_guest_len = 0;
		if (poll(polls, BERTH_CONSOLE_POLLS, (int)left) < 0 && errno != EINTR)
			return;
		berth_console_serve(c, polls);
	}
}
