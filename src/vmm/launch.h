/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What berth-vmm is told to run: the messages with which a VM's life begins.
 *
 * The supervisor (`berth run`, root) fills a struct berth_launch and sends it over an AF_UNIX SOCK_SEQPACKET socketpair;
 * berth-vmm receives it, and that is all it ever gets to open. Two messages, because devices come later than the rest: while
 * the supervisor opens and resets them, berth-vmm confines itself and faults RAM in.
 *
 *   machine   everything but devices; first, before CONFINED (control.h)
 *   devices   address space, groups and devices, all reset; after GO, if the machine says that devices follow
 *
 * A message is encoded byte for byte, little endian, with a magic, a version and its own length; the receiver believes none
 * of it and checks every count, length, enumeration and the number and kind of the descriptors. Both sides apply the same
 * checks, so what cannot be received is not sent.
 *
 * Descriptors travel in this order. Machine: KVM, kernel, initrd (if any), console (if any), memory (if any). Devices: VFIO
 * container or iommufd, the groups in the order of groups[], the devices in the order of devices[].
 */
#ifndef BERTH_VMM_LAUNCH_H
#define BERTH_VMM_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "iommu/ioas.h"
#include "vmm/vm.h"

struct berth_err;

#define BERTH_VM_NAME_MAX    64			 /* bytes without NUL */
#define BERTH_MEMORY_MAX     (UINT64_C(8) << 40) /* bytes; what a slip of the finger exceeds */
#define BERTH_MEMORY_ALIGN   (UINT64_C(1) << 20) /* bytes */
#define BERTH_LAUNCH_DEVICES 64
#define BERTH_LAUNCH_GROUPS  64
/* Slots for devices in one VM, each behind a root port of its own. */
#define BERTH_LAUNCH_SLOTS 24
/* The clique number has four bits in NVIDIA's capability. */
#define BERTH_P2P_CLIQUE_MAX 15

/* A PCI function that the VM gets, and where the guest finds it. */
struct berth_launch_device {
	int fd; /* owned; VFIO device, from VFIO_GROUP_GET_DEVICE_FD or a bound cdev */
	struct berth_bdf host; /* for messages, and to know what shares a slot there */
	unsigned int group;    /* index in groups[]; 0 with iommufd */
	unsigned int slot;     /* 0 … BERTH_LAUNCH_SLOTS - 1, in the guest */
	unsigned int fn;       /* 0 … 7, in the guest; every slot in use has a function 0 */
	bool no_rom;	       /* the guest gets no option ROM of it */
	bool move_msix;	       /* its MSI-X table goes to pages of its own */
	int p2p_clique;	       /* NVIDIA's GPUDirect clique, 0 … 15; -1: none */
	bool p2p_clique_force; /* also on a device of another vendor */
};

struct berth_launch_group {
	int fd;		     /* owned; /dev/vfio/N, already in the container */
	unsigned int number; /* N, for messages */
};

struct berth_launch {
	char name[BERTH_VM_NAME_MAX + 1];
	char cmdline[BERTH_VM_MAX_CMDLINE + 1]; /* no control characters */
	unsigned int nr_cpus;			/* 1 … BERTH_VM_MAX_VCPUS */
	uint64_t memory;	/* bytes, multiple of BERTH_MEMORY_ALIGN, BERTH_MEM_MIN or more */
	enum berth_pages pages; /* what it is made of */
	int numa_node;		/* where it must be; BERTH_NODE_ANY */
	bool p2p;		/* its devices may reach each other's BARs by DMA */
	uint32_t uid;		/* user and group that berth-vmm becomes; never 0 */
	int kvm_fd;		/* owned; /dev/kvm, read and write */
	int kernel_fd;		/* owned; regular file, read only */
	int initrd_fd;		/* owned; regular file, read only; -1: none */
	int console_fd;		/* owned; stream socket, both ways: COM1; -1: output is dropped */
	int memory_fd; /* owned; memfd with the memory, with hugetlb kinds of @pages; else -1 */
	bool devices_follow; /* in a message of their own */
	enum berth_ioas_kind ioas_kind;
	/* --- the second message --- */
	uint32_t ioas_id; /* iommufd: the address space that the devices are attached to; else 0 */
	int container_fd; /* owned; /dev/vfio/vfio, IOMMU type set, or /dev/iommu; -1 without devices */
	unsigned int nr_groups; /* 0 with iommufd */
	struct berth_launch_group groups[BERTH_LAUNCH_GROUPS];
	unsigned int nr_devices;
	struct berth_launch_device devices[BERTH_LAUNCH_DEVICES];
};

/* [A-Za-z0-9._-]{1,64}, not starting with '.' or '-': VM names are directory names below $BERTH_RUN. */
bool berth_vm_name_valid(const char *name);

/* Empty: every descriptor and clique -1, every count 0. About 7 KiB: allocate it or keep one. */
void berth_launch_init(struct berth_launch *l);
/* Close every descriptor that is set; afterwards as after berth_launch_init(). */
void berth_launch_done(struct berth_launch *l);

/* The descriptors of either message, in the documented order; borrowed. @fds has room for BERTH_FD_MAX_PASS. Return: how many. */
size_t berth_launch_machine_fds(const struct berth_launch *l, int *fds);
size_t berth_launch_device_fds(const struct berth_launch *l, int *fds);

/**
 * berth_launch_check() - is this a VM that could be started
 *
 * Tests values only (name, command line, counts, sizes, placement), not what is behind the descriptors.
 *
 * Return: 0; -EINVAL and the sentence.
 */
int berth_launch_check(const struct berth_launch *l, struct berth_err *err);
/* The same of what the first message says. */
int berth_launch_check_machine(const struct berth_launch *l, struct berth_err *err);

/**
 * berth_launch_place() - choose slot and function in the guest for every device
 *
 * Functions that share a slot of the host share one of the guest and keep their numbers; when function 0 stays with the
 * host, the lowest one that comes along becomes function 0, because a slot without function 0 is not scanned (PCI Local
 * Bus 3.0, 3.2.2.3.4). Slots are given in the order in which the devices are listed.
 *
 * Return: 0; -E2BIG more than BERTH_LAUNCH_SLOTS slots are needed.
 */
int berth_launch_place(struct berth_launch *l, struct berth_err *err);

/**
 * berth_launch_send() - hand the machine to berth-vmm
 * @l: its descriptors are borrowed and stay open here
 *
 * Return: 0; -EINVAL of berth_launch_check_machine(); -errno of sendmsg.
 */
int berth_launch_send(int sock, const struct berth_launch *l, struct berth_err *err);
/* And its devices. Return: 0; -EINVAL of berth_launch_check(), or there is none; -errno of sendmsg. */
int berth_launch_send_devices(int sock, const struct berth_launch *l, struct berth_err *err);

/**
 * berth_launch_recv() - the receiving end
 * @ret: initialised by this call; owns the descriptors on success, which are close-on-exec; empty on failure
 *
 * Return: 0; -ECONNRESET the peer is gone; -EPROTO not a launch message, or of another version; -EINVAL a launch message
 * with contents that berth_launch_check_machine() refuses, or a descriptor that is not of the kind it should be; -errno.
 */
int berth_launch_recv(int sock, struct berth_launch *ret, struct berth_err *err);

/**
 * berth_launch_recv_devices() - the second message
 * @l: as berth_launch_recv() left it; owns the descriptors on success, without devices on failure
 *
 * Return: as above; -EINVAL also when @l says that no devices follow.
 */
int berth_launch_recv_devices(int sock, struct berth_launch *l, struct berth_err *err);

#define BERTH_LAUNCH_MESSAGE_MAX 8192 /* bytes; holds the largest message */

/* The halves without a socket, for tests and fuzzing. Encode: length in bytes (never fails for a checked launch). */
size_t berth_launch_encode(const struct berth_launch *l,
			   uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX]);
size_t berth_launch_encode_devices(const struct berth_launch *l,
				   uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX]);
/* @fds: @nr_fds descriptors in the documented order; on success owned by @ret, on failure still the caller's. */
int berth_launch_decode(const uint8_t *buf, size_t len, const int *fds, size_t nr_fds,
			struct berth_launch *ret, struct berth_err *err);
int berth_launch_decode_devices(const uint8_t *buf, size_t len, const int *fds, size_t nr_fds,
				struct berth_launch *l, struct berth_err *err);

#endif
