/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stages are listed, each with what it should and must not do, in sandbox.h. The lists of system calls and ioctl
 * requests are in sandbox_rules.c.
 */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/securebits.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "uapi/landlock.h"

#define BERTH_LOG "vmm/sandbox"
#include "base/log.h"

static int fail(struct berth_err *err, const char *what)
{
	int e = errno;

	return berth_err_set(err, -e, "confining berth-vmm: %s: %s", what, strerror(e));
}

/* --- 1: descriptors --- */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int close_between(unsigned int first, unsigned int last)
{
	return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0);
}

static int confine_descriptors(const struct berth_sandbox *s, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) int *keep = NULL;
	unsigned int next = STDERR_FILENO + 1;

	keep = malloc((s->nr_keep + 1) * sizeof(*keep));
	if (!keep)
		return berth_err_set(err, -ENOMEM, "out of memory");
	memcpy(keep, s->keep, s->nr_keep * sizeof(*keep));
	qsort(keep, s->nr_keep, sizeof(*keep), by_number);
	for (size_t i = 0; i < s->nr_keep; i++) {
		if (keep[i] < (int)next)
			continue;
		if (close_between(next, (unsigned int)keep[i] - 1) < 0)
			return fail(err, "close_range");
		next = (unsigned int)keep[i] + 1;
	}
	return close_between(next, ~0u) < 0 ? fail(err, "close_range") : 0;
}

/* --- 2: namespaces --- */

static int confine_namespaces(struct berth_err *err)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		return fail(err, "new namespaces");
	if (sethostname("berth", 5) < 0)
		return fail(err, "host name of the new namespace");
	return 0;
}

/* --- 3: root --- */

/*
 * An empty tmpfs, mounted over a directory that every host has, becomes the root; the old one is taken off. Mode 0 and
 * one inode: nothing can be looked up or made in it even before it is read-only.
 */
static int confine_root(struct berth_err *err)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(err, "private mounts");
	if (mount("berth", "/proc", "tmpfs", flags, "mode=0,nr_inodes=1,size=4k") < 0)
		return fail(err, "mount of an empty root");
	if (chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return fail(err, "pivot_root");
	/* The old root lies on top of the new one now; "." is still the old one. */
	if (umount2(".", MNT_DETACH) < 0)
		return fail(err, "taking off the old root");
	if (chdir("/") < 0 ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL) < 0)
		return fail(err, "read-only root");
	return 0;
}

/* --- 4: user, capabilities, limits --- */

static int drop_bounding_set(struct berth_err *err)
{
	/* EINVAL: past the last capability that this kernel knows. */
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return fail(err, "capability bounding set");
	}
	return 0;
}

static int drop_capabilities(struct berth_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 }, now[2];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail(err, "ambient capabilities");
	if (syscall(SYS_capset, &head, none) < 0)
		return fail(err, "capset");
	if (syscall(SYS_capget, &head, now) < 0)
		return fail(err, "capget");
	if (memcmp(now, none, sizeof(none)) != 0)
		return berth_err_set(err, -EPERM, "confining berth-vmm: capabilities are left");
	return 0;
}

static int become_user(uint32_t uid, struct berth_err *err)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	uid_t ids[3];

	if (drop_bounding_set(err) < 0)
		return err ? err->code : -EPERM;
	if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0)
		return fail(err, "securebits");
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return fail(err, "change of user");
	if (getresuid(&ids[0], &ids[1], &ids[2]) < 0 || ids[0] != uid || ids[1] != uid ||
	    ids[2] != uid || getgid() != uid || setuid(0) == 0)
		return berth_err_set(err, -EPERM,
				     "confining berth-vmm: the change of user did not take hold");
	return 0;
}

static int set_limit(int which, rlim_t value, const char *name, struct berth_err *err)
{
	struct rlimit limit = { value, value };

	return setrlimit(which, &limit) < 0 ? fail(err, name) : 0;
}

static int confine_user(const struct berth_sandbox *s, struct berth_err *err)
{
	int r = become_user(s->uid, err);

	if (r == 0)
		r = drop_capabilities(err);
	if (r == 0)
		r = set_limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err);
	/* The user is this VM's alone, so the limit of the user is one of the VM. */
	if (r == 0)
		r = set_limit(RLIMIT_NPROC, s->nr_threads, "RLIMIT_NPROC", err);
	if (r < 0)
		return r;
	umask(077);
	clearenv();
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(err, "not dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return fail(err, "no new privileges");
	return 0;
}

/* --- 6: Landlock --- */

static struct berth_landlock_ruleset_attr all_rights(long abi)
{
	struct berth_landlock_ruleset_attr attr = { 0 };

	attr.handled_access_fs = abi >= 5 ? BERTH_LANDLOCK_FS_ABI5 :
				 abi >= 3 ? BERTH_LANDLOCK_FS_ABI3 :
				 abi == 2 ? BERTH_LANDLOCK_FS_ABI2 :
					    BERTH_LANDLOCK_FS_ABI1;
	if (abi >= 4)
		attr.handled_access_net = BERTH_LANDLOCK_NET;
	if (abi >= 6)
		attr.scoped = BERTH_LANDLOCK_SCOPED;
	return attr;
}

/* A ruleset that handles every right and grants none. */
static int confine_landlock(struct berth_err *err)
{
	struct berth_landlock_ruleset_attr attr;
	BERTH_CLEANUP(berth_closep) int ruleset = -1;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   BERTH_LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		log_info("this kernel has no Landlock, going on with the empty root alone");
		return 0;
	}
	if (abi < 1)
		return fail(err, "Landlock version");
	attr = all_rights(abi);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return fail(err, "Landlock ruleset");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return fail(err, "Landlock");
	return 0;
}

int berth_sandbox_confine(const struct berth_sandbox *s, struct berth_err *err)
{
	int r;

	if (s->uid == 0)
		return berth_err_set(err, -EINVAL, "confining berth-vmm: not as root");
	r = confine_descriptors(s, err);
	if (r == 0)
		r = confine_namespaces(err);
	if (r == 0)
		r = confine_root(err);
	if (r == 0)
		r = confine_user(s, err);
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		r = fail(err, "parent-death signal");
	if (r == 0)
		r = confine_landlock(err);
	return r;
}
