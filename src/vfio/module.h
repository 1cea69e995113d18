/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading kernel modules, by the host's own modprobe: it knows the aliases, options and blacklists of this host.
 */
#ifndef BERTH_VFIO_MODULE_H
#define BERTH_VFIO_MODULE_H

struct berth_err;
struct berth_host;

#define BERTH_MODULE_DEADLINE_MS 30000

/**
 * berth_module_load() - modprobe @name
 * @name: a module or a modalias; the modprobe configuration of the host applies
 *
 * Return: 0, also when it was loaded before; -ENOENT no modprobe on this host; -ENOEXEC modprobe failed, its message is in
 *         @err; -EPERM @host is not the running machine; -ETIMEDOUT, modprobe was killed; -errno.
 */
int berth_module_load(const struct berth_host *host, const char *name, struct berth_err *err);

#endif
