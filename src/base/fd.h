/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors: whole reads and writes, and passing descriptors between processes.
 */
#ifndef BERTH_BASE_FD_H
#define BERTH_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

/* The kernel's SCM_MAX_FD: the most descriptors that one message can carry. */
#define BERTH_FD_MAX_PASS 253

/* Read until @len bytes or end of file; EINTR is retried. Return: bytes read, or -errno. */
ssize_t berth_read_all(int fd, void *buf, size_t len);

/* Write all @len bytes; EINTR is retried. Return: 0 or -errno. */
int berth_write_all(int fd, const void *buf, size_t len);

/**
 * berth_read_file() - the whole of a small file as a string
 * @dirfd: AT_FDCWD or a directory
 * @max: refuse more bytes than this
 * @ret: owned by the caller (free), NUL-terminated
 * @ret_len: may be NULL; bytes without the NUL (the text may itself hold NULs)
 *
 * Return: 0; -EFBIG more than @max bytes; -errno of open or read.
 */
int berth_read_file(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/**
 * berth_fd_send() / berth_fd_recv() - one message with descriptors over an AF_UNIX SOCK_SEQPACKET socket
 * @fds: borrowed on send; on receipt owned by the caller, close-on-exec, in the order sent
 * @ret_nr: descriptors received, at most @max_fds; surplus ones are closed and make the call fail
 *
 * Return: send: 0 or -errno; receive: bytes (0 = peer closed), -EMSGSIZE when data or descriptors did not fit, -errno.
 */
int berth_fd_send(int sock, const void *data, size_t len, const int *fds, size_t nr);
ssize_t berth_fd_recv(int sock, void *data, size_t len, int *fds, size_t max_fds, size_t *ret_nr);

#endif
