/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/guest.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "iommu/ioas.h"
#include "vfio/device.h"
#include "vmm/barspace.h"
#include "vmm/dma.h"
#include "vmm/early_ram.h"
#include "vmm/launch.h"
#include "vmm/passthru.h"
#include "vmm/pci_host.h"
#include "vmm/vm.h"

struct berth_guest {
	struct berth_early_ram *ram;			      /* borrowed, NULL without devices */
	struct berth_ioas *io;				      /* owned, NULL without devices */
	struct berth_vm *vm;				      /* owned */
	struct berth_dma *dma;				      /* owned, NULL without devices */
	struct berth_barspace *space;			      /* owned, NULL without devices */
	struct berth_passthru *devices[BERTH_LAUNCH_DEVICES]; /* owned */
	unsigned int nr_devices;
	bool p2p;
};

static int take_ioas(struct berth_guest *g, struct berth_launch *l, struct berth_err *err)
{
	struct berth_ioas_group groups[BERTH_LAUNCH_GROUPS];
	int devices[BERTH_LAUNCH_DEVICES];
	struct berth_ioas_handover h = {
		.kind = l->ioas_kind,
		.fd = BERTH_TAKE_FD(l->container_fd),
		.id = l->ioas_id,
		.groups = groups,
		.nr_groups = l->nr_groups,
		.devices = devices,
		.nr_devices = l->ioas_kind == BERTH_IOAS_IOMMUFD ? l->nr_devices : 0,
	};

	for (unsigned int i = 0; i < l->nr_groups; i++)
		groups[i] = (struct berth_ioas_group){ l->groups[i].number,
						       BERTH_TAKE_FD(l->groups[i].fd) };
	for (unsigned int i = 0; i < l->nr_devices; i++)
		devices[i] = l->devices[i].fd;
	return berth_ioas_from_fds(&g->io, &h, err);
}

static int make_vm(struct berth_guest *g, const struct berth_launch *l, berth_vm_ram_fn ram_ready,
		   struct berth_err *err)
{
	struct berth_range holes[64];
	struct berth_vm_config config = {
		.kvm_fd = l->kvm_fd,
		.memory = l->memory,
		.memory_start = g->ram ? berth_early_ram_start(g->ram) : NULL,
		.memory_fd = l->memory_fd,
		.ram_ready = ram_ready,
		.pages = l->pages,
		.on_node = l->numa_node != BERTH_NODE_ANY,
		.node = (unsigned int)l->numa_node,
		.nr_vcpus = l->nr_cpus,
		.kernel_fd = l->kernel_fd,
		.initrd_fd = l->initrd_fd,
		.cmdline = l->cmdline,
		.console_in_fd = l->console_fd,
		.console_out_fd = l->console_fd,
		.stop_fd = -1,
		.reserved = holes,
	};

	if (g->io)
		config.nr_reserved = berth_ioas_holes(g->io, holes, BERTH_ARRAY_SIZE(holes));
	if (config.nr_reserved > BERTH_ARRAY_SIZE(holes))
		return berth_err_set(err, -E2BIG,
				     "VM %s: the platform reserves %zu ranges of addresses for "
				     "DMA, more than the %zu that are provided for",
				     l->name, config.nr_reserved, BERTH_ARRAY_SIZE(holes));
	return berth_vm_new(&g->vm, &config, err);
}

static bool shares_slot(const struct berth_launch *l, unsigned int i)
{
	for (unsigned int k = 0; k < l->nr_devices; k++) {
		if (k != i && l->devices[k].slot == l->devices[i].slot)
			return true;
	}
	return false;
}

static int add_device(struct berth_guest *g, struct berth_launch *l, unsigned int i,
		      struct berth_pci_slot *slot, struct berth_err *err)
{
	BERTH_CLEANUP(berth_vfio_device_closep) struct berth_vfio_device *dev = NULL;
	struct berth_launch_device *d = &l->devices[i];
	struct berth_passthru_config config = {
		.space = g->space,
		.slot = slot,
		.fn = d->fn,
		.multifunction = shares_slot(l, i),
		.no_rom = d->no_rom,
		.move_msix = d->move_msix,
		.in_clique = d->p2p_clique >= 0,
		.p2p_clique = (unsigned int)d->p2p_clique,
		.p2p_clique_force = d->p2p_clique_force,
	};
	int r = berth_vfio_device_from_fd(&dev, BERTH_TAKE_FD(d->fd), d->host, err);

	if (r == 0)
		r = berth_passthru_new(&g->devices[g->nr_devices], g->vm, &config, dev, err);
	if (r < 0)
		return r;
	dev = NULL; /* consumed */
	g->nr_devices++;
	return 0;
}

static int add_devices(struct berth_guest *g, struct berth_launch *l, struct berth_err *err)
{
	struct berth_pci_slot *slots[BERTH_LAUNCH_SLOTS] = { 0 };
	int r = berth_dma_new(&g->dma, g->vm, g->io, berth_early_ram_rest(g->ram), err);

	berth_early_ram_settle(g->ram);
	if (r == 0)
		r = berth_barspace_new(&g->space, berth_vm_mem(g->vm), l->p2p ? g->io : NULL, err);
	for (unsigned int i = 0; r == 0 && i < l->nr_devices; i++) {
		struct berth_pci_slot **slot = &slots[l->devices[i].slot];

		if (!*slot)
			r = berth_pci_host_add_slot(berth_vm_pci(g->vm), slot, err);
		if (r == 0)
			r = add_device(g, l, i, *slot, err);
	}
	return r;
}

int berth_guest_new(struct berth_guest **ret, struct berth_launch *launch,
		    struct berth_early_ram *ram, berth_vm_ram_fn ram_ready, struct berth_err *err)
{
	BERTH_CLEANUP(berth_guest_freep) struct berth_guest *g = calloc(1, sizeof(*g));
	int r = 0;

	if (!g)
		return berth_err_set(err, -ENOMEM, "out of memory");
	g->p2p = launch->p2p;
	g->ram = ram;
	if (launch->nr_devices)
		r = take_ioas(g, launch, err);
	if (r == 0)
		r = make_vm(g, launch, ram_ready, err);
	if (r == 0 && launch->nr_devices)
		r = add_devices(g, launch, err);
	if (r == 0)
		r = berth_vm_load(g->vm, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(g);
	return 0;
}

void berth_guest_free(struct berth_guest *g)
{
	if (!g)
		return;
	for (unsigned int i = 0; i < g->nr_devices; i++)
		berth_passthru_stop(g->devices[i]);
	while (g->nr_devices)
		berth_passthru_free(g->devices[--g->nr_devices]);
	berth_barspace_free(g->space);
	berth_dma_free(g->dma);
	berth_vm_free(g->vm);
	berth_ioas_close(g->io);
	free(g);
}

struct berth_vm *berth_guest_vm(struct berth_guest *g)
{
	return g->vm;
}

int berth_guest_p2p_fd(const struct berth_guest *g)
{
	return g->io && g->p2p ? berth_ioas_fd(g->io) : -1;
}
