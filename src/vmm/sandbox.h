/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps a guest that broke into berth-vmm from going anywhere else.
 *
 * Applied in stages by berth-vmm itself, each later than the last thing that needs what it takes away. Every stage should
 * leave just enough for what follows, and must not be skipped when it fails: the process ends instead.
 *
 *  1 descriptors   should keep stdio, the control socket and what came with the launch message
 *                  must not leave anything else open, whatever the supervisor had
 *  2 namespaces    should keep nothing: mount, network, ipc, uts and cgroup are new (pid is: the supervisor cloned us so)
 *                  must not leave an interface, a System V object or a path of the host in reach
 *  3 root          should leave an empty, read-only directory that nobody can search
 *                  must not leave the old root mounted or as a working directory
 *  4 user          should become the VM's own user and group, no supplementary groups, every capability set empty
 *                  must not leave a way back: bounding set empty, securebits locked, no new privileges, not dumpable
 *  5 parent        should die with the supervisor (asked for after the user change, which forgets it)
 *  6 Landlock      should deny every file system, TCP and scope right that this kernel knows; where it has none, stages 3
 *                  and 7 stand alone
 *  7 first filter  berth_sandbox_filter(SETUP): what making a VM needs, before the guest has run one instruction
 *  8 second filter berth_sandbox_filter(RUN), on all threads: what running one needs; no new VM, vCPU, DMA mapping or thread
 *
 * The filters kill the process (SIGSYS) for every call that is not in the list of sandbox_rules.c, where each has its reason.
 * ioctl requests are listed one by one, those of VFIO only for a VM with devices, and of the two kernel interfaces to the
 * IOMMU only those of the one in use. The numbers of VFIO containers and devices overlap (VFIO_IOMMU_MAP_DMA is
 * VFIO_DEVICE_PCI_HOT_RESET); both are allowed while the VM is made, neither while it runs, but for mappings into the one
 * container of a VM with peer-to-peer DMA. Those of iommufd stand alone.
 */
#ifndef BERTH_VMM_SANDBOX_H
#define BERTH_VMM_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

struct berth_err;

/*
 * User and group ids of running VMs: one of these each, never shared by two running VMs. They lie in what
 * systemd's UIDS-GIDS.md lists as unused (0x70000000 … 0x7FFDFFFF), so no account, container or dynamic user has them.
 */
#define BERTH_SANDBOX_UID_BASE 0x70be0000u
#define BERTH_SANDBOX_UIDS     4096u

struct berth_sandbox {
	uint32_t uid;	 /* also the group; not 0 */
	const int *keep; /* borrowed; descriptors to keep beside 0, 1 and 2, in any order */
	size_t nr_keep;
	unsigned int nr_threads; /* the most threads that the process will have (RLIMIT_NPROC) */
};

/**
 * berth_sandbox_confine() - stages 1 to 6
 *
 * Called once, as root, by a process with one thread. On failure the process is half confined and must end.
 *
 * Return: 0; -EPERM a stage did not take hold, though the kernel said so; -errno of the stage, which the sentence names.
 */
int berth_sandbox_confine(const struct berth_sandbox *s, struct berth_err *err);

enum berth_sandbox_phase {
	BERTH_SANDBOX_SETUP,
	BERTH_SANDBOX_RUN,
};

/* What the VM has devices through; decides which requests of VFIO and iommufd are allowed. */
enum berth_sandbox_devices {
	BERTH_SANDBOX_NO_DEVICES = 1,
	BERTH_SANDBOX_TYPE1 = 2,
	BERTH_SANDBOX_IOMMUFD = 4,
};

/* The descriptors that a call may be about and no other one. */
struct berth_sandbox_fds {
	int control; /* the socket on which messages are sent and received */
	int console; /* the one to which plain bytes are sent; -1: none */
	/*
	 * The container or iommufd into which BARs may be mapped while the VM runs; -1: no peer-to-peer DMA. What the same
	 * request means for a device stays forbidden.
	 */
	int dma;
};

/**
 * berth_sandbox_filter() - stages 7 and 8
 * @devices: the same in both phases
 * @fds: as far as the phase has them
 *
 * Takes effect for every thread. No new privileges must be set already, as berth_sandbox_confine() does.
 *
 * Return: 0; -errno.
 */
int berth_sandbox_filter(enum berth_sandbox_phase phase, enum berth_sandbox_devices devices,
			 const struct berth_sandbox_fds *fds, struct berth_err *err);

#endif
