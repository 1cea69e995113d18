/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small host in a temporary folder, with a kernel that answers: writes to driver_override, unbind, drivers_probe, bind,
 * reset and sriov_numvfs have the effect that they have in /sys. For tests linked with --wrap=berth_sysfs_write (WRAP_test_x in the
 * Makefile); one fake host at a time.
 *
 * Any write can be made to go wrong: see struct fake_fault. A write that no rule knows goes to the file of that name.
 */
#ifndef BERTH_TESTS_FAKE_PCI_H
#define BERTH_TESTS_FAKE_PCI_H

#include <stdbool.h>
#include <stddef.h>

struct berth_host;

enum fake_fault_kind {
	FAKE_FAULT_NONE,
	FAKE_FAULT_EIO,		/* the write fails, nothing happens */
	FAKE_FAULT_EIO_FROM,	/* this one and all after it */
	FAKE_FAULT_LIE,		/* the write succeeds, nothing happens */
	FAKE_FAULT_TIMEOUT,	/* the write succeeds, its caller hears -ETIMEDOUT */
	FAKE_FAULT_KILL_BEFORE, /* the process dies, nothing happened */
	FAKE_FAULT_KILL_AFTER,	/* it happens, then the process dies */
	FAKE_FAULT_HANG, /* a child writes and does not return, until fake_host_return(); its caller hears -ETIMEDOUT */
};

struct fake_fault {
	enum fake_fault_kind kind;
	unsigned int at; /* the write to hit, counted from 1; 0: none */
};

/* What a process killed by a fault exits with. */
#define FAKE_KILLED 99

struct fake_fn {
	const char *bdf;		    /* "0000:01:00.0" */
	const char *parent;		    /* the bridge above, as BDF; NULL: on the root bus */
	unsigned int vendor, device, class; /* class: 24 bits */
	const char *driver;		    /* that claims it when nobody objects; "" none */
	int group;			    /* IOMMU group; -1: none */
	bool no_reset;			    /* has no `reset` attribute */
	unsigned int total_vfs;		    /* of a PF: it has SR-IOV */
	const char *pf;	 /* of a VF, as BDF: it exists while sriov_numvfs > @vf */
	unsigned int vf; /* number of the VF */
};

struct fake_host {
	char root[64];
	unsigned int writes; /* kernel writes so far */
	struct fake_fault fault;
	unsigned int hang_ms; /* how long the caller of a write that hangs waits for it */
	const struct fake_fn *fns;
	size_t nr;
};

/**
 * fake_host_new() - build the tree and take over berth_sysfs_write()
 * @fns: borrowed; bridges have a class of 0604xx
 *
 * $BERTH_ETC, $BERTH_STATE and $BERTH_RUN are set to folders below the root, empty ones. Fails the test when it cannot.
 */
struct fake_host *fake_host_new(const struct fake_fn *fns, size_t nr);
void fake_host_free(struct fake_host *fake);

/* The same in an empty folder of the caller's; and on a tree that another process has made. Neither removes it. */
struct fake_host *fake_host_new_at(const char *root, const struct fake_fn *fns, size_t nr);
struct fake_host *fake_host_attach(const char *root, const struct fake_fn *fns, size_t nr);
void fake_host_detach(struct fake_host *fake);

/* A file below the root, made or replaced, with its folders. */
void fake_host_file(const struct fake_host *fake, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fake_host_link(const struct fake_host *fake, const char *path, const char *target);
void fake_host_remove(const struct fake_host *fake, const char *path);

/* The driver bound to @bdf ("" none) and its driver_override ("" none). Both return static text. */
const char *fake_host_driver(const struct fake_host *fake, const char *bdf);
const char *fake_host_override(const struct fake_host *fake, const char *bdf);

/* What the kernel does when @value is written to @path below /sys. Return: 0; -errno. */
int fake_host_write(struct fake_host *fake, const char *path, const char *value);
/* The kernel finishes a write that hangs: it happens, and the child that waits for it ends. */
void fake_host_return(struct fake_host *fake, const char *path, const char *value);

/* Do as the kernel would when @driver was asked to take @bdf, without counting it as a write; "" unbinds. */
void fake_host_bind(struct fake_host *fake, const char *bdf, const char *driver);

#endif
