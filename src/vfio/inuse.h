/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host itself stands on. A function with a BERTH_INUSE_* reason that is "hard" is refused whatever policy says
 * (design 4.5); the soft ones are shown and left to the verb.
 */
#ifndef BERTH_VFIO_INUSE_H
#define BERTH_VFIO_INUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/bdf.h"
#include "base/cleanup.h"

struct berth_err;
struct berth_host;

enum berth_inuse_code {
	BERTH_INUSE_ROOT_DISK,	/* "root-disk": / is on it */
	BERTH_INUSE_MOUNTED,	/* "mounted": a file system on it is mounted */
	BERTH_INUSE_SWAP,	/* "swap": the host swaps to it */
	BERTH_INUSE_HELD_BLOCK, /* "block-held": a started md, dm or other stack holds its disk */
	BERTH_INUSE_DEFAULT_ROUTE, /* "default-route": the host's way to the world */
	BERTH_INUSE_CONSOLE,	   /* "console": the screen a person sees */
	BERTH_INUSE_VFS_ENABLED,   /* "vfs-enabled": a PF whose VFs exist */
	BERTH_INUSE_HELD_NODE, /* "node-held": a process has it open, and its driver cannot let go (GPU, disk, RDMA) */
	BERTH_INUSE_OPEN_NODE, /* "open-node": a process has another node of it open, sound for example (soft) */
	BERTH_INUSE_LINK_UP, /* "link-up": a network interface of it is up (soft) */
	BERTH_INUSE_NR_CODES
};

struct berth_inuse_reason {
	struct berth_bdf at;
	enum berth_inuse_code code;
	pid_t pid;	    /* node-held, open-node: who; 0 otherwise */
	char sentence[256]; /* "0000:03:00.0 carries /, mounted from /dev/nvme0n1p2" */
};

struct berth_inuse {
	struct berth_inuse_reason *reasons; /* owned; sorted by BDF, then code */
	size_t nr;
};

/**
 * berth_inuse_read() - every reason on this host
 * @holders: also scan /proc/PID/fd for open device nodes (needs root to see other people's; costs some milliseconds), and,
 *           as root on the real machine, ask the kernel whether disks are claimed (an exclusive open for reading)
 * @ret: owned by the caller, berth_inuse_free()
 *
 * Looks at mounts and swap (through partitions, dm, md and NVMe multipath down to the PCI function), default routes of both
 * families (through bonds, bridges and VLANs), the screen that kernel messages go to, and SR-IOV. boot_vga alone makes no console: it says what the
 * firmware used.
 * "Unknown means no": where a table that decides cannot be read (/proc/self/mountinfo), the call fails.
 *
 * Return: 0; -ENOMEM; -errno of a table that exists but cannot be read.
 */
int berth_inuse_read(struct berth_inuse **ret, const struct berth_host *host, bool holders,
		     struct berth_err *err);
void berth_inuse_free(struct berth_inuse *inuse);
BERTH_DEFINE_CLEANUP(struct berth_inuse *, berth_inuse_free);

/* The next reason for @at after @after (NULL: the first); borrowed; NULL at the end. */
const struct berth_inuse_reason *berth_inuse_next(const struct berth_inuse *inuse,
						  struct berth_bdf at,
						  const struct berth_inuse_reason *after);

/* The first hard reason for @at, or NULL when nothing forbids taking it away. */
const struct berth_inuse_reason *berth_inuse_hard(const struct berth_inuse *inuse,
						  struct berth_bdf at);

/* "root-disk", … */
const char *berth_inuse_code_name(enum berth_inuse_code code);
/* Does this code alone forbid taking the device from the host? */
bool berth_inuse_code_is_hard(enum berth_inuse_code code);

#endif
