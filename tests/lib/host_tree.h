/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as a folder: sys/, proc/ and dev/ in a temporary place, with PCI functions that have configuration space,
 * BARs, groups and drivers, for tests of what reads the host. Nothing here answers to writes; for that see fake_pci.h.
 */
#ifndef BERTH_TESTS_HOST_TREE_H
#define BERTH_TESTS_HOST_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_host;

enum tree_acs { TREE_ACS_NONE, TREE_ACS_ON, TREE_ACS_OFF };

struct tree_fn {
	const char *bdf;    /* "0000:01:00.0" */
	const char *parent; /* bridge above, as BDF; NULL: on the root bus "pciDDDD:00" */
	unsigned int vendor, device, class; /* class: 24 bits */
	const char *driver;		    /* NULL: none */
	int group;			    /* 0: none, else the group's number */
	int numa;			    /* node + 1; 0: the kernel's -1 */
	const char *reset;		    /* reset_method; NULL: no such file */
	int type; /* PCIe port type + 1 (0x5 = root port); 0: conventional PCI */
	enum tree_acs acs;
	bool multifunction;
	bool flr;
	unsigned int msi, msix; /* vectors */
	uint64_t serial;	/* 0: none */
	unsigned int bar0_size; /* 64-bit memory; 0: none */
	size_t config_len;	/* 0: 4096 for PCIe, 256 for PCI; 64: as without privilege */
	const char *pf;		/* of a VF */
	int vf_index;
};

/* A port: class, type and ACS in one row. */
#define TREE_ROOT_PORT(at, group_, acs_)                                                           \
	{                                                                                          \
		.bdf = (at), .vendor = 0x1b36, .device = 0x000c, .class = 0x060400,                \
		.driver = "pcieport", .group = (group_), .type = 5, .acs = (acs_)                  \
	}

struct host_tree {
	char root[64];
	struct berth_host *host; /* owned; opened by host_tree_host() */
};

/* An empty machine without a PCI bus. $BERTH_STATE and friends are set to folders in it. */
struct host_tree *host_tree_new(void);
void host_tree_free(struct host_tree *tree);

/* The host, opened on first use. */
struct berth_host *host_tree_host(struct host_tree *tree);

/* Add a function, its group, driver folder and host bridge; parents before children, PFs before VFs. */
void host_tree_add(struct host_tree *tree, const struct tree_fn *fn);
void host_tree_add_all(struct host_tree *tree, const struct tree_fn *fns, size_t nr);

/* A file with the text, or a link, at @path below the root; folders are made, what was there is replaced. */
void host_tree_file(const struct host_tree *tree, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void host_tree_bytes(const struct host_tree *tree, const char *path, const void *data, size_t len);
void host_tree_link(const struct host_tree *tree, const char *path, const char *target);
void host_tree_dir(const struct host_tree *tree, const char *path);
/* An attribute of a function: "sys/bus/pci/devices/BDF/NAME". */
void host_tree_attr(const struct host_tree *tree, const char *bdf, const char *name,
		    const char *value);

/* A device of a class on a function: "class/net/eth0" → devices/…/BDF/net/eth0, with an empty folder behind it. */
void host_tree_class(const struct host_tree *tree, const char *class, const char *name,
		     const char *bdf);
/* The same for one without a function: devices/virtual/CLASS/NAME. */
void host_tree_virtual(const struct host_tree *tree, const char *class, const char *name);

#endif
