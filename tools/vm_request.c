/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

int berth_vm_request(int sock, const char *what, unsigned int timeout_ms, struct berth_err *err)
{
	char buf[BERTH_VM_REQUEST_MAX];
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n;
	int r;

	if (send(sock, what, strlen(what), MSG_NOSIGNAL) < 0)
		return berth_err_set(err, -errno, "asking the supervisor: %s", strerror(errno));
	do {
		r = poll(&p, 1, (int)timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return berth_err_set(err, -ETIMEDOUT,
				     "the VM has not ended after %u s; it was asked to",
				     timeout_ms / 1000);
	n = r < 0 ? -1 : recv(sock, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return berth_err_set(err, -EIO,
				     "the supervisor ended without an answer; see 'berth status'");
	buf[n] = '\0';
	return strcmp(buf, "ok") == 0 ? 0 : berth_err_set(err, -EIO, "%s", buf);
}
