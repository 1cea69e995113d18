/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "vmm/control.h"

static int set_up(void **state)
{
	static int sock[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sock), 0);
	*state = sock;
	return 0;
}

static int tear_down(void **state)
{
	int *sock = *state;

	close(sock[0]);
	close(sock[1]);
	return 0;
}

static void messages_arrive_as_sent(void **state)
{
	int *sock = *state;
	struct berth_control in, out = { BERTH_CONTROL_ENDED, BERTH_ENDED_CRASHED, "", 0, 0 };

	assert_int_equal(berth_control_recv(sock[1], &in), -EAGAIN);
	assert_int_equal(berth_control_say(sock[0], BERTH_CONTROL_RUNNING), 0);
	memset(out.text, 'x', sizeof(out.text) - 1);
	assert_int_equal(berth_control_send(sock[0], &out), 0);
	assert_int_equal(berth_control_recv(sock[1], &in), 0);
	assert_int_equal(in.type, BERTH_CONTROL_RUNNING);
	assert_string_equal(in.text, "");
	assert_int_equal(berth_control_recv(sock[1], &in), 0);
	assert_int_equal(in.type, BERTH_CONTROL_ENDED);
	assert_int_equal(in.outcome, BERTH_ENDED_CRASHED);
	assert_string_equal(in.text, out.text);
}

static void numbers_arrive_as_sent(void **state)
{
	int *sock = *state;
	struct berth_control in, out = { .type = BERTH_CONTROL_MEMORY,
					 .done = 0x0123456789abcdef,
					 .total = UINT64_MAX - 1 };

	assert_int_equal(berth_control_send(sock[0], &out), 0);
	assert_int_equal(berth_control_recv(sock[1], &in), 0);
	assert_int_equal(in.type, BERTH_CONTROL_MEMORY);
	assert_int_equal(in.done, out.done);
	assert_int_equal(in.total, out.total);
	assert_string_equal(in.text, "");
}

static void text_cannot_write_to_a_terminal(void **state)
{
	int *sock = *state;
	struct berth_control in;
	static const char evil[] = "\x05\x05"
				   "a\x1b[2Jb\nc\x7f";

	assert_int_equal(berth_fd_send(sock[0], evil, sizeof(evil) - 1, NULL, 0), 0);
	assert_int_equal(berth_control_recv(sock[1], &in), 0);
	assert_string_equal(in.text, "a?[2Jb?c?");
}

static void hostile_messages_are_refused(void **state)
{
	int *sock = *state;
	struct berth_control in;
	static const char huge[2000] = "\x05\x01";
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\x01", 1 },					      /* shorter than the header */
		{ "\x00\x00", 2 },				      /* no such type */
		{ "\x07\x00", 2 },				      /* no such type */
		{ "\x06\x00", 2 },				      /* MEMORY without numbers */
		{ "\x06\x00\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0", 17 },     /* cut off */
		{ "\x06\x00\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0", 19 }, /* too long */
		{ "\x06\x01\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 18 },   /* an outcome */
		{ "\x06\x00\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 18 },   /* more than all */
		{ "\x05\x00", 2 },				      /* ENDED without outcome */
		{ "\x05\x06", 2 },				      /* no such outcome */
		{ "\x03\x01", 2 },     /* outcome where none belongs */
		{ "\x03\x00text", 6 }, /* text where none belongs */
		{ huge, sizeof(huge) },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		assert_int_equal(berth_fd_send(sock[0], rows[i].bytes, rows[i].len, NULL, 0), 0);
		assert_int_equal(berth_control_recv(sock[1], &in), -EPROTO);
	}
}

static void descriptors_where_none_belong_are_closed(void **state)
{
	int *sock = *state, before = dup(0), after;
	struct berth_control in;

	close(before);
	assert_int_equal(berth_fd_send(sock[0], "\x03\x00", 2, &sock[0], 1), 0);
	assert_int_equal(berth_control_recv(sock[1], &in), -EPROTO);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
}

static void peer_that_is_gone_is_reported(void **state)
{
	int *sock = *state;
	struct berth_control in;

	shutdown(sock[0], SHUT_RDWR);
	assert_int_equal(berth_control_recv(sock[1], &in), -ECONNRESET);
	assert_int_equal(berth_control_say(sock[1], BERTH_CONTROL_GO), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_arrive_as_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers_arrive_as_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(text_cannot_write_to_a_terminal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_messages_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptors_where_none_belong_are_closed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(peer_that_is_gone_is_reported, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("vmm/control", tests, NULL, NULL);
}
