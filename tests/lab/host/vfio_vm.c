/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The passthrough path alone, for lab tests: no policy, no ledger, no sandbox, one process.
 *
 *	vfio_vm [-v] [-k KERNEL -i INITRD] [-m MIB] [-c CPUS] BDF…
 *
 * Opens the functions (bound to vfio-pci), resets them and prints the proof, runs a guest with them when given a kernel, with
 * the console on stdout, resets again, prints the proof, closes. Functions of one slot share one in the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "iommu/ioas.h"
#include "vfio/device.h"
#include "vfio/reset.h"
#include "vmm/barspace.h"
#include "vmm/dma.h"
#include "vmm/passthru.h"
#include "vmm/pci_host.h"
#include "vmm/vm.h"

#define MAX_DEVS 8

struct run {
	struct berth_ioas *io;
	struct berth_vfio_device *dev[MAX_DEVS];
	struct berth_bdf at[MAX_DEVS];
	size_t nr;
	enum berth_ioas_want iommu;
	const char *kernel, *initrd;
	uint64_t memory;
	unsigned int cpus;
};

static void die(int r, const struct berth_err *err)
{
	printf("vfio_vm: %d: %s\n", r, err->text);
	exit(1);
}

static void open_devices(struct run *run, const struct berth_host *host)
{
	struct berth_err err = BERTH_ERR_INIT;
	enum berth_ioas_kind kind;
	int r = berth_ioas_choose(run->iommu, host, run->at, run->nr, false, &kind, &err);

	if (r == 0) {
		printf("vfio_vm: by %s\n", berth_ioas_kind_name(kind));
		r = berth_ioas_open(&run->io, kind, host, &err);
	}
	for (size_t i = 0; r == 0 && i < run->nr; i++)
		r = berth_vfio_device_open(&run->dev[i], run->io, run->at[i], &err);
	if (r != 0)
		die(r, &err);
}

static void reset(struct run *run, enum berth_reset_when when, const char *what)
{
	struct berth_reset_result results[MAX_DEVS];
	struct berth_err err = BERTH_ERR_INIT;

	berth_reset_devices(NULL, run->io, run->dev, run->nr, when, results, &err);
	for (size_t i = 0; i < run->nr; i++)
		printf("%s: %s: %s\n", what, results[i].proven ? "proven" : "NOT PROVEN",
		       results[i].sentence);
}

/* What berth-vmm gets: its own descriptors of the same things. */
static void take_over(const struct run *run, struct berth_ioas **io, struct berth_vfio_device **dev)
{
	struct berth_ioas_group groups[MAX_DEVS];
	struct berth_err err = BERTH_ERR_INIT;
	int fds[MAX_DEVS];
	struct berth_ioas_handover h = {
		.kind = berth_ioas_kind(run->io),
		.fd = fcntl(berth_ioas_fd(run->io), F_DUPFD_CLOEXEC, 3),
		.id = berth_ioas_id(run->io),
		.groups = groups,
		.devices = fds,
	};
	const struct berth_ioas_group *ours = berth_ioas_groups(run->io, &h.nr_groups);
	int r;

	for (size_t i = 0; i < h.nr_groups; i++)
		groups[i] = (struct berth_ioas_group){ ours[i].id,
						       fcntl(ours[i].fd, F_DUPFD_CLOEXEC, 3) };
	for (size_t i = 0; i < run->nr; i++)
		fds[i] = fcntl(berth_vfio_device_fd(run->dev[i]), F_DUPFD_CLOEXEC, 3);
	if (h.kind == BERTH_IOAS_IOMMUFD)
		h.nr_devices = run->nr;
	r = berth_ioas_from_fds(io, &h, &err);
	for (size_t i = 0; r == 0 && i < run->nr; i++)
		r = berth_vfio_device_from_fd(&dev[i], fds[i], run->at[i], &err);
	if (r != 0)
		die(r, &err);
}

static int plug_in(const struct run *run, struct berth_vm *vm, struct berth_barspace *space,
		   struct berth_vfio_device **dev, struct berth_passthru **pt,
		   struct berth_err *err)
{
	struct berth_pci_slot *slot = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->nr; i++) {
		bool with_last = i > 0 && berth_bdf_same_slot(run->at[i - 1], run->at[i]);
		bool with_next = i + 1 < run->nr && berth_bdf_same_slot(run->at[i + 1], run->at[i]);
		struct berth_passthru_config config = {
			.space = space,
			.fn = with_last || with_next ? run->at[i].fn : 0,
			.multifunction = with_last || with_next,
			.p2p_clique = -1,
		};

		if (!with_last)
			r = berth_pci_host_add_slot(berth_vm_pci(vm), &slot, err);
		config.slot = slot;
		if (r == 0)
			r = berth_passthru_new(&pt[i], vm, &config, dev[i], err);
	}
	return r;
}

static void run_guest(const struct run *run)
{
	static const char *const ends[] = { "powered off", "rebooted", "stopped" };
	struct berth_vfio_device *dev[MAX_DEVS] = { NULL };
	struct berth_passthru *pt[MAX_DEVS] = { NULL };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_range holes[16];
	struct berth_barspace *space = NULL;
	struct berth_dma *dma = NULL;
	struct berth_ioas *io = NULL;
	struct berth_vm *vm = NULL;
	enum berth_vm_end end = 0;
	int r;

	take_over(run, &io, dev);
	struct berth_vm_config config = {
		.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
		.memory = run->memory,
		.memory_fd = -1,
		.nr_vcpus = run->cpus,
		.kernel_fd = open(run->kernel, O_RDONLY | O_CLOEXEC),
		.initrd_fd = open(run->initrd, O_RDONLY | O_CLOEXEC),
		.cmdline = "console=ttyS0 quiet",
		.console_in_fd = -1,
		.console_out_fd = 1,
		.stop_fd = -1,
		.reserved = holes,
		.nr_reserved = berth_ioas_holes(io, holes, 16),
	};
	for (size_t i = 0; i < config.nr_reserved; i++)
		printf("vfio_vm: hole %#llx+%#llx\n", (unsigned long long)holes[i].start,
		       (unsigned long long)holes[i].size);
	r = berth_vm_new(&vm, &config, &err);
	if (r == 0)
		r = berth_dma_new(&dma, vm, io, NULL, &err);
	if (r == 0)
		r = berth_barspace_new(&space, berth_vm_mem(vm), NULL, &err);
	if (r == 0)
		r = plug_in(run, vm, space, dev, pt, &err);
	if (r == 0)
		r = berth_vm_load(vm, &err);
	if (r == 0)
		r = berth_vm_run(vm, &end, &err);
	for (size_t i = run->nr; i-- > 0;)
		berth_passthru_free(pt[i]);
	berth_barspace_free(space);
	berth_dma_free(dma);
	berth_vm_free(vm);
	berth_ioas_close(io);
	if (r != 0)
		printf("vfio_vm: the guest ended: %d: %s\n", r, err.text);
	else
		printf("vfio_vm: the guest %s\n", ends[end]);
}

static const struct option longs[] = { { "iommu", required_argument, NULL, 'I' }, { 0 } };

int main(int argc, char **argv)
{
	struct run run = { .memory = 256ull << 20, .cpus = 1 };
	struct rlimit nofile = { 4096, 4096 };
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_host *host = NULL;
	int c, r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "vk:i:m:c:", longs, NULL)) != -1) {
		if (c == 'v')
			berth_log_max = BERTH_LOG_DEBUG;
		else if (c == 'k')
			run.kernel = optarg;
		else if (c == 'i')
			run.initrd = optarg;
		else if (c == 'm')
			run.memory = strtoull(optarg, NULL, 10) << 20;
		else if (c == 'c')
			run.cpus = (unsigned int)atoi(optarg);
		else if (c == 'I' && berth_ioas_want_parse(optarg, &run.iommu) == 0)
			continue;
		else
			return 2;
	}
	for (; optind < argc && run.nr < MAX_DEVS; optind++)
		if (berth_bdf_parse(argv[optind], &run.at[run.nr++]) != 0)
			return 2;
	setrlimit(RLIMIT_NOFILE, &nofile);
	r = berth_host_open(&host, NULL, &err);
	if (r != 0)
		die(r, &err);
	open_devices(&run, host);
	reset(&run, BERTH_RESET_BEFORE_USE, "reset before");
	if (run.kernel)
		run_guest(&run);
	reset(&run, BERTH_RESET_AFTER_USE, "reset after");
	for (size_t i = run.nr; i-- > 0;)
		berth_vfio_device_close(run.dev[i]);
	berth_ioas_close(run.io);
	berth_host_close(host);
	return 0;
}
