/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/external.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"
#include "manager/process.h"

#define MAX_FILE (4u << 20)

/* The command line of a process: arguments, each ended by a NUL. */
struct cmdline {
	char *text; /* owned */
	size_t len;
};

static int read_cmdline(const struct berth_host *host, pid_t pid, struct cmdline *ret)
{
	char path[32];

	snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	return host->proc_fd < 0 ?
		       -1 :
		       berth_read_file(host->proc_fd, path, MAX_FILE, &ret->text, &ret->len);
}

/* The next argument after @arg (NULL: the first); NULL at the end. berth_read_file() has put a NUL behind the last. */
static const char *next_arg(const struct cmdline *c, const char *arg)
{
	const char *next = arg ? arg + strlen(arg) + 1 : c->text;

	return next < c->text + c->len ? next : NULL;
}

/* What follows "--key" or stands in "--key=value"; NULL: there is no such option. */
static const char *option(const struct cmdline *c, const char *key)
{
	size_t len = strlen(key);

	for (const char *arg = next_arg(c, NULL); arg; arg = next_arg(c, arg)) {
		if (strncmp(arg, key, len) != 0)
			continue;
		if (arg[len] == '=')
			return arg + len + 1;
		if (!arg[len])
			return next_arg(c, arg);
	}
	return NULL;
}

/* Up to the first comma, and nothing that a terminal would take for more than a letter. */
static void copy_word(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && *from != ',' && n + 1 < size; from++)
		to[n++] = *from > ' ' && *from <= '~' ? *from : '?';
	to[n] = '\0';
}

/* "-name web1", "-name guest=web1,debug-threads=on" */
static void qemu(const struct cmdline *c, char *buf, size_t size)
{
	const char *name = option(c, "-name");
	const char *object = option(c, "-object");
	bool libvirt = object && strstr(object, "libvirt");
	char word[64] = "";

	if (name && strncmp(name, "guest=", 6) == 0)
		name += 6;
	if (name)
		copy_word(word, sizeof(word), name);
	if (libvirt && *word)
		snprintf(buf, size, "libvirt domain %s", word);
	else
		snprintf(buf, size, "QEMU%s%s", *word ? " " : "", word);
}

/* Does the process have files mapped that DPDK's memory is made of? */
static bool maps_hugepages_of_dpdk(const struct berth_host *host, pid_t pid)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[32];

	snprintf(path, sizeof(path), "%d/maps", (int)pid);
	return berth_read_file(host->proc_fd, path, MAX_FILE, &text, NULL) == 0 &&
	       strstr(text, "rtemap_");
}

void berth_external_process(const struct berth_host *host, pid_t pid, char *buf, size_t size)
{
	struct cmdline c = { 0 };
	const char *prefix;
	char comm[32], word[64];

	buf[0] = '\0';
	berth_process_name(host, pid, comm);
	if (read_cmdline(host, pid, &c) < 0)
		return;
	prefix = option(&c, "--file-prefix");
	if (strncmp(comm, "qemu", 4) == 0 || (c.text && strstr(c.text, "qemu-system"))) {
		qemu(&c, buf, size);
	} else if (strstr(comm, "spdk") || (prefix && strncmp(prefix, "spdk", 4) == 0)) {
		snprintf(buf, size, "SPDK");
	} else if (prefix) {
		copy_word(word, sizeof(word), prefix);
		snprintf(buf, size, "DPDK (file prefix %s)", word);
	} else if (maps_hugepages_of_dpdk(host, pid)) {
		snprintf(buf, size, "DPDK");
	}
	free(c.text);
}

void berth_external_driverctl(const struct berth_host *host, struct berth_bdf at, char *buf,
			      size_t size)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[PATH_MAX];

	buf[0] = '\0';
	snprintf(path, sizeof(path), "%s/etc/driverctl.d/%s", host->root, BERTH_BDF_STR(at));
	if (berth_read_file(AT_FDCWD, path, 256, &text, NULL) < 0)
		return;
	text[strcspn(text, " \n")] = '\0';
	copy_word(buf, size, text);
}
