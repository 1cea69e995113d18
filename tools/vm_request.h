/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `berth vm` asks of a supervisor (tools/vm_loop.h), through the socket in the VM's folder: one word, one answer.
 */
#ifndef BERTH_TOOLS_VM_REQUEST_H
#define BERTH_TOOLS_VM_REQUEST_H

struct berth_err;

#define BERTH_VM_REQUEST_MAX 1024 /* bytes of a request or an answer */

/**
 * berth_vm_request() - ask a supervisor, and wait until it has done it
 * @sock: of berth_vm_dir_connect(); borrowed
 * @what: "stop", "kill" or "resume"
 *
 * Return: 0; -ETIMEDOUT after @timeout_ms; -EIO it answered with an error, which is @err; -errno.
 */
int berth_vm_request(int sock, const char *what, unsigned int timeout_ms, struct berth_err *err);

#endif
