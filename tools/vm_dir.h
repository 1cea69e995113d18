/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * $BERTH_RUN/NAME: what the rest of the host can know of a running VM, and how it is talked to.
 *
 *   lock      held (flock) by the supervisor as long as it lives: at most one supervisor per name
 *   info      JSON, readable by everybody: pid with start time, settings, devices
 *   control   socket of the supervisor, root only
 *
 * The lock decides who may start; pid and start time in info tell a reader without rights whether it still runs. A folder
 * whose supervisor died is stale: readers skip it, the next `berth run` of that name takes it over, `berth vm list` as root
 * removes it. $BERTH_RUN/.uid/N are the locks of the user ids.
 */
#ifndef BERTH_TOOLS_VM_DIR_H
#define BERTH_TOOLS_VM_DIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "vmm/launch.h"

struct berth_err;
struct berth_host;

/* What a running VM says of itself. */
struct berth_vm_info {
	char name[BERTH_VM_NAME_MAX + 1];
	pid_t pid;	/* of the supervisor */
	uint64_t start; /* its start time, clock ticks after boot: with it the pid is unique */
	pid_t vmm_pid;	/* of berth-vmm; 0 before there is one */
	uint32_t uid;	/* of berth-vmm */
	int64_t since;	/* seconds since 1970 */
	unsigned int nr_cpus;
	uint64_t memory;   /* bytes */
	char hugepages[8]; /* berth_pages_name() */
	int numa_node;	   /* of memory; BERTH_NODE_ANY */
	/* How long it took from the start of `berth run`; milliseconds, 0: not there yet. */
	uint64_t devices_ms; /* until devices were open and reset */
	uint64_t memory_ms;  /* until all memory was ready for DMA; 0 without devices */
	uint64_t ready_ms;   /* until the guest ran */
	char kernel[256];    /* path, cut */
	char iommu[16];	     /* berth_ioas_kind_name(); "" without devices */
	unsigned int nr_devices;
	struct berth_bdf devices[BERTH_LAUNCH_DEVICES];
};

struct berth_vm_dir; /* opaque: a folder that we hold */

/**
 * berth_vm_dir_take() - become the supervisor of @name
 *
 * Return: 0; BERTH_REFUSED it runs already, the sentence names the pid; -EACCES; -errno.
 */
int berth_vm_dir_take(struct berth_vm_dir **ret, const struct berth_host *host, const char *name,
		      struct berth_err *err);
/* Remove the folder and let go. Takes NULL. */
void berth_vm_dir_drop(struct berth_vm_dir *dir);
BERTH_DEFINE_CLEANUP(struct berth_vm_dir *, berth_vm_dir_drop);

/* A user id that no other running VM has, held until the folder is dropped. Return: 0; -EAGAIN all are in use; -errno. */
int berth_vm_dir_take_uid(struct berth_vm_dir *dir, uint32_t *ret, struct berth_err *err);

/* Replace the info file as a whole. Fills in pid and start of the caller. Return: 0; -errno. */
int berth_vm_dir_write(struct berth_vm_dir *dir, struct berth_vm_info *info, struct berth_err *err);

/* A listening SOCK_SEQPACKET socket, non-blocking, owned by the folder. Return: fd; -errno. */
int berth_vm_dir_listen(struct berth_vm_dir *dir, struct berth_err *err);

/* --- for everybody else --- */

/**
 * berth_vm_info_load() - a running VM
 *
 * Return: 0; BERTH_ABSENT no such VM runs, @err says so; -EBADMSG the info file makes no sense; -errno.
 */
int berth_vm_info_load(const struct berth_host *host, const char *name, struct berth_vm_info *ret,
		       struct berth_err *err);

/**
 * berth_vm_info_list() - every running VM, by name
 * @ret: owned by the caller, free()
 *
 * Stale folders are left out, and removed when the caller may. Return: 0; -errno.
 */
int berth_vm_info_list(const struct berth_host *host, struct berth_vm_info **ret, size_t *ret_nr,
		       struct berth_err *err);

/* The control socket of a running VM. Return: fd, owned by the caller; BERTH_ABSENT is -ENOENT here; -EACCES; -errno. */
int berth_vm_dir_connect(const struct berth_host *host, const char *name, struct berth_err *err);

#endif
