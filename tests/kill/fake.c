/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth-fake: the program berth, word for word, on a host that is a folder ($BERTH_ROOT, made by "berth-fake fake-host DIR").
 *
 * The kernel of that host is tests/lib/fake_pci: a write(2) to a file below its /sys does there what it does in a real one,
 * still in the child that berth makes for it. The state is on disk and outlives the process. A kernel finishes what it
 * has begun whoever is killed meanwhile; so what our kernel does is bracketed by two calls that tests/kill/inject.c
 * knows, and nothing is injected between them.
 */
#include "tests/cmocka_all.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pci/pci.h>

#include "base/err.h"
#include "base/failpoint.h"
#include "base/host.h"
#include "tests/kill/fake_host.h"
#include "tests/kill/marks.h"
#include "vfio/module.h"
#include "vfio/netdev.h"

static struct fake_host *fake;
static bool in_kernel;			  /* whose own writes are only that */
static void (*memory_suffices)(bool yes); /* of nomem.so, where it is preloaded */

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...);
bool __wrap_berth_host_is_real(const struct berth_host *host);
int __wrap_berth_module_load(const struct berth_host *host, const char *name,
			     struct berth_err *err);
int __wrap_berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf,
				unsigned int index, struct berth_vf_net *ret,
				struct berth_err *err);
int __wrap_berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf,
				 unsigned int index, const struct berth_vf_net *want,
				 struct berth_err *err);

static void kernel_begins(void)
{
	mark(MARK_KERNEL_IN);
	in_kernel = true;
	if (memory_suffices)
		memory_suffices(true);
}

static void kernel_ends(void)
{
	if (memory_suffices)
		memory_suffices(false);
	in_kernel = false;
	mark(MARK_KERNEL_OUT);
}

/* The path below our /sys that @fd is open on, in @path. Return: is there one? */
static bool is_sysfs(int fd, char path[PATH_MAX])
{
	char link[32], prefix[128];
	ssize_t n;
	size_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (!fake || n < 0)
		return false;
	path[n] = '\0';
	len = (size_t)snprintf(prefix, sizeof(prefix), "%s/sys/", fake->root);
	if (strncmp(path, prefix, len) != 0)
		return false;
	memmove(path, path + len, strlen(path + len) + 1);
	return true;
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	char path[PATH_MAX], value[256];
	int r = -EINVAL;
	bool ours;

	if (in_kernel)
		return __real_write(fd, buf, len);
	kernel_begins();
	ours = is_sysfs(fd, path);
	if (ours && len < sizeof(value)) {
		memcpy(value, buf, len);
		value[len] = '\0';
		r = fake_host_write(fake, path, value);
	}
	kernel_ends();
	if (!ours)
		return __real_write(fd, buf, len);
	errno = -r;
	return r < 0 ? -1 : (ssize_t)len;
}

/* Its own names come from a file of 35,000 lines, which is most of what a verb reads, and nothing that it decides by. */
char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...)
{
	(void)a, (void)flags;
	snprintf(buf, (size_t)size, "a device");
	return buf;
}

/* Verbs that change a host work on the running one only. */
bool __wrap_berth_host_is_real(const struct berth_host *host)
{
	(void)host;
	return true;
}

/* All drivers of this host are built in. */
int __wrap_berth_module_load(const struct berth_host *host, const char *name, struct berth_err *err)
{
	(void)host;
	return berth_err_set(err, -ENOENT, "module %s: not on this host", name);
}

int __wrap_berth_netdev_vf_read(const struct berth_host *host, struct berth_bdf pf,
				unsigned int index, struct berth_vf_net *ret, struct berth_err *err)
{
	char path[PATH_MAX], text[BERTH_VF_NET_TEXT] = "";
	FILE *f;

	(void)host, (void)pf, (void)index;
	snprintf(path, sizeof(path), "%s/" FAKE_NET, fake->root);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (berth_vf_net_parse(text, ret) < 0)
		return berth_err_set(err, -EIO, "no network settings of VF %u", index);
	return 0;
}

int __wrap_berth_netdev_vf_apply(const struct berth_host *host, struct berth_bdf pf,
				 unsigned int index, const struct berth_vf_net *want,
				 struct berth_err *err)
{
	char text[BERTH_VF_NET_TEXT];

	(void)host, (void)pf, (void)index, (void)err;
	kernel_begins();
	fake_host_file(fake, FAKE_NET, "%s\n", berth_vf_net_format(want, text));
	kernel_ends();
	return 0;
}

int __wrap_main(int argc, char **argv)
{
	const char *root = getenv("BERTH_ROOT");
	int r;

	if (argc == 3 && strcmp(argv[1], "fake-host") == 0)
		return fake_host_make(argv[2]);
	if (!root || !*root) {
		fprintf(stderr, "berth-fake: BERTH_ROOT is not set\n");
		return 2;
	}
	*(void **)&memory_suffices = dlsym(RTLD_DEFAULT, "nomem_suffices");
	kernel_begins();
	fake = fake_host_attach(root, fake_host_fns, FAKE_HOST_NR);
	berth_failpoint_reset();
	kernel_ends();
	mark(MARK_MAIN);
	r = __real_main(argc, argv);
	fake_host_detach(fake);
	return r;
}
