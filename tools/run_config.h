/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `berth run` is asked for, from VM.json (berth-vm(5)) and from the command line; the latter wins.
 */
#ifndef BERTH_TOOLS_RUN_CONFIG_H
#define BERTH_TOOLS_RUN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iommu/ioas.h"
#include "vmm/backing.h"

struct berth_err;

/* What to do when a device reports an uncorrectable error. */
enum berth_vm_on_error {
	BERTH_VM_ERROR_STOP,  /* "stop": end the VM */
	BERTH_VM_ERROR_PAUSE, /* "pause": stop its vCPUs, until `berth vm resume` or an end */
	BERTH_VM_ERROR_PASS,  /* "pass": note it; the guest's driver sees what the device shows */
};

/* What may be said of a device beside its name. */
struct berth_run_device {
	bool no_rom;	       /* "rom": false */
	bool move_msix;	       /* "msix_table": "move" */
	int p2p_clique;	       /* "p2p_clique": N; -1: none */
	bool p2p_clique_force; /* "p2p_clique_force": true */
};

struct berth_run_config {
	char *name;    /* owned */
	char *kernel;  /* owned; path */
	char *initrd;  /* owned; path, or NULL */
	char *cmdline; /* owned; NULL: BERTH_RUN_CMDLINE */
	unsigned int nr_cpus;
	uint64_t memory; /* bytes */
	char **devices;	 /* owned, each owned; as written: BDF, path, policy name, pool:NAME */
	struct berth_run_device *options; /* owned; one for each of devices[] */
	enum berth_ioas_want iommu;	  /* "auto", "type1" or "iommufd" */
	enum berth_pages pages;
	int numa_node; /* BERTH_RUN_NODE_AUTO; BERTH_NODE_ANY, said "off"; or one */
	size_t nr_devices;
	bool p2p; /* devices may reach each other's BARs */
	enum berth_vm_on_error on_error;
	bool stop_on_dma_fault; /* "on_dma_fault": "stop"; else "log" */
};

#define BERTH_RUN_NODE_AUTO (-2) /* that of the devices, if they have one */
#define BERTH_RUN_CMDLINE   "console=ttyS0"
#define BERTH_RUN_MEMORY    (UINT64_C(1) << 30) /* bytes, when nothing is said */

void berth_run_config_init(struct berth_run_config *c);
void berth_run_config_done(struct berth_run_config *c);

/**
 * berth_run_config_load() - read a VM.json into @c, over what it holds
 *
 * Relative paths of kernel and initrd are taken from the folder of the file.
 *
 * Return: 0; -EINVAL bad content, "FILE:LINE:COLUMN: …"; -ENOENT, -EACCES, -errno of the file; -ENOMEM.
 */
int berth_run_config_load(struct berth_run_config *c, const char *path, struct berth_err *err);

/* Replace a string of @c. Return: 0; -ENOMEM. */
int berth_run_config_set(char **field, const char *value, struct berth_err *err);
/* @options: copied; NULL: nothing special. Return: 0; -ENOMEM. */
int berth_run_config_add_device(struct berth_run_config *c, const char *device,
				const struct berth_run_device *options, struct berth_err *err);
/**
 * berth_run_config_parse_device() - "03:00.0", "pool:gpus,rom=off,msix-table=move,p2p-clique=3,p2p-clique-force=on"
 * Return: 0; -EINVAL and the sentence; -ENOMEM.
 */
int berth_run_config_parse_device(struct berth_run_config *c, const char *text,
				  struct berth_err *err);

/**
 * berth_run_config_check() - is everything there, and possible
 *
 * Return: 0; -EINVAL and the sentence. Looks at no file and no device.
 */
int berth_run_config_check(const struct berth_run_config *c, struct berth_err *err);

/* "stop", "pause" or "pass". Return: 0; -EINVAL. */
int berth_parse_on_error(const char *text, enum berth_vm_on_error *ret);

/**
 * berth_parse_size() - "512M", "4G", "4GiB", "1T", "65536K"
 *
 * A number without a unit is refused: other tools read it as bytes or as MiB.
 *
 * Return: 0; -EINVAL malformed; -ERANGE over 2^64. *ret only on success.
 */
int berth_parse_size(const char *text, uint64_t *ret);

/* "log" or "stop". Return: 0; -EINVAL. */
int berth_parse_on_dma_fault(const char *text, bool *ret_stop);

/* "auto", "off" or a number. Return: 0; -EINVAL. */
int berth_parse_node(const char *text, int *ret);

/* "512M": the largest unit that divides @bytes. Returns @buf. */
char *berth_format_size(uint64_t bytes, char buf[static 24]);

/* A decimal number. Return: 0; -EINVAL not one, or outside @min … @max. */
int berth_parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *ret);

#endif
