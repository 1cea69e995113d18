/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"

/* On the wire: type, outcome, then the text without NUL; for MEMORY two numbers of 8 bytes, little endian. */
#define HEADER 2
#define MEMORY (HEADER + 16)

static void put_number(uint8_t *buf, uint64_t value)
{
	for (unsigned int i = 0; i < 8; i++)
		buf[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *buf)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < 8; i++)
		value |= (uint64_t)buf[i] << (8 * i);
	return value;
}

int berth_control_send(int sock, const struct berth_control *msg)
{
	uint8_t buf[HEADER + BERTH_ERR_TEXT];
	size_t len = strnlen(msg->text, sizeof(msg->text) - 1);

	buf[0] = (uint8_t)msg->type;
	buf[1] = (uint8_t)msg->outcome;
	if (msg->type == BERTH_CONTROL_MEMORY) {
		put_number(buf + HEADER, msg->done);
		put_number(buf + HEADER + 8, msg->total);
		return berth_fd_send(sock, buf, MEMORY, NULL, 0);
	}
	memcpy(buf + HEADER, msg->text, len);
	return berth_fd_send(sock, buf, HEADER + len, NULL, 0);
}

int berth_control_say(int sock, enum berth_control_type type)
{
	struct berth_control msg = { .type = type };

	assert(type != BERTH_CONTROL_ENDED && type != BERTH_CONTROL_MEMORY);
	return berth_control_send(sock, &msg);
}

static bool well_formed(const uint8_t *buf, size_t len)
{
	if (len < HEADER || buf[0] < BERTH_CONTROL_CONFINED || buf[0] > BERTH_CONTROL_MEMORY)
		return false;
	if (buf[0] == BERTH_CONTROL_MEMORY)
		return len == MEMORY && buf[1] == 0 &&
		       get_number(buf + HEADER) <= get_number(buf + HEADER + 8);
	if (buf[0] == BERTH_CONTROL_ENDED)
		return buf[1] >= BERTH_ENDED_POWEROFF && buf[1] <= BERTH_ENDED_FAILED;
	return len == HEADER && buf[1] == 0;
}

int berth_control_recv(int sock, struct berth_control *ret)
{
	uint8_t buf[HEADER + BERTH_ERR_TEXT - 1];
	size_t nr_fds;
	ssize_t n = berth_fd_recv(sock, buf, sizeof(buf), NULL, 0, &nr_fds);

	if (n == -EMSGSIZE)
		return -EPROTO;
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ECONNRESET;
	if (!well_formed(buf, (size_t)n))
		return -EPROTO;
	*ret = (struct berth_control){ .type = buf[0], .outcome = buf[1] };
	if (ret->type == BERTH_CONTROL_MEMORY) {
		ret->done = get_number(buf + HEADER);
		ret->total = get_number(buf + HEADER + 8);
		return 0;
	}
	for (ssize_t i = HEADER; i < n; i++)
		ret->text[i - HEADER] = buf[i] < 0x20 || buf[i] == 0x7f ? '?' : (char)buf[i];
	return 0;
}
