/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

ssize_t berth_read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, (char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int berth_write_all(int fd, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int berth_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	BERTH_CLEANUP(berth_freep) char *buf = NULL;
	size_t size = 0, len = 0;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	/* Sysfs and procfs files do not know their size: grow until a read comes back short. */
	for (;;) {
		ssize_t n;

		if (size - len < 2) {
			char *bigger;

			size = size ? 2 * size : 512;
			bigger = realloc(buf, size);
			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}
		n = berth_read_all(fd, buf + len, size - len - 1);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		if (len < size - 1)
			break;
	}
	buf[len] = '\0';
	if (ret_len)
		*ret_len = len;
	*ret = BERTH_TAKE_PTR(buf);
	return 0;
}

int berth_fd_send(int sock, const void *data, size_t len, const int *fds, size_t nr)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(BERTH_FD_MAX_PASS * sizeof(int))];
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nr > BERTH_FD_MAX_PASS)
		return -E2BIG;
	if (nr) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EMSGSIZE;
}

static void close_all(const int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		close(fds[i]);
}

ssize_t berth_fd_recv(int sock, void *data, size_t len, int *fds, size_t max_fds, size_t *ret_nr)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(BERTH_FD_MAX_PASS * sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int got[BERTH_FD_MAX_PASS];
	size_t nr = 0;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t here;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (here > BERTH_FD_MAX_PASS - nr)
			here = BERTH_FD_MAX_PASS - nr;
		memcpy(got + nr, CMSG_DATA(c), here * sizeof(int));
		nr += here;
	}
	if (nr > max_fds || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_all(got, nr);
		return -EMSGSIZE;
	}
	if (nr)
		memcpy(fds, got, nr * sizeof(int));
	*ret_nr = nr;
	return n;
}
