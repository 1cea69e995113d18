/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"

/* On the wire: type, outcome, then the text without NUL. */
#define HEADER 2

int berth_control_send(int sock, const struct berth_control *msg)
{
	uint8_t buf[HEADER + BERTH_ERR_TEXT];
	size_t len = strnlen(msg->text, sizeof(msg->text) - 1);

	buf[0] = (uint8_t)msg->type;
	buf[1] = (uint8_t)msg->outcome;
	memcpy(buf + HEADER, msg->text, len);
	return berth_fd_send(sock, buf, HEADER + len, NULL, 0);
}

int berth_control_say(int sock, enum berth_control_type type)
{
	struct berth_control msg = { .type = type };

	assert(type != BERTH_CONTROL_ENDED);
	return berth_control_send(sock, &msg);
}

static bool well_formed(const uint8_t *buf, size_t len)
{
	if (len < HEADER || buf[0] < BERTH_CONTROL_CONFINED || buf[0] > BERTH_CONTROL_ENDED)
		return false;
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
	for (ssize_t i = HEADER; i < n; i++)
		ret->text[i - HEADER] = buf[i] < 0x20 || buf[i] == 0x7f ? '?' : (char)buf[i];
	return 0;
}
