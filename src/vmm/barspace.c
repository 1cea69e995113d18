/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/barspace.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BERTH_LOG "vmm/barspace"
#include "base/err.h"
#include "base/log.h"
#include "iommu/ioas.h"
#include "vmm/mem.h"

struct owner {
	const char *name;    /* borrowed */
	bool master;	     /* has had bus mastering on */
	unsigned int warned; /* bit per BAR: its loss has been said */
};

struct piece {
	struct berth_placement *placement;
	struct berth_range at;	    /* guest-physical */
	void *hva;		    /* borrowed */
	struct berth_memslot *slot; /* owned; NULL: no place for it */
	bool dropped; /* the slot could not be faulted in; guarded by dma_lock, as is: */
	bool dma;     /* the IOMMU has it */
};

struct berth_placement {
	struct berth_barspace *space; /* borrowed */
	struct berth_placement *next; /* placed after this one */
	unsigned int owner, bar;
	struct berth_range at;
	struct berth_range rest; /* of the page behind @at, if the BAR is to get a whole one */
	bool has_place;
	size_t nr;
	struct piece pieces[];
};

struct berth_barspace {
	struct berth_mem *mem; /* borrowed */
	struct berth_ioas *io; /* borrowed; NULL: no peer-to-peer DMA */
	struct owner *owners;  /* owned */
	unsigned int nr_owners;
	struct berth_placement *first; /* owned list, in the order of placing */
	/* Guards io and each piece's dma. Taken inside of mem's own lock when a slot is dropped: never call mem under it. */
	pthread_mutex_t dma_lock;
};

int berth_barspace_new(struct berth_barspace **ret, struct berth_mem *mem, struct berth_ioas *io,
		       struct berth_err *err)
{
	struct berth_barspace *space = calloc(1, sizeof(*space));

	if (!space)
		return berth_err_set(err, -ENOMEM, "out of memory");
	space->mem = mem;
	space->io = io;
	pthread_mutex_init(&space->dma_lock, NULL);
	*ret = space;
	return 0;
}

void berth_barspace_free(struct berth_barspace *space)
{
	if (!space)
		return;
	assert(!space->first);
	pthread_mutex_destroy(&space->dma_lock);
	free(space->owners);
	free(space);
}

int berth_barspace_join(struct berth_barspace *space, const char *name)
{
	struct owner *more =
		reallocarray(space->owners, space->nr_owners + 1, sizeof(*space->owners));

	if (!more)
		return -ENOMEM;
	space->owners = more;
	more[space->nr_owners] = (struct owner){ .name = name };
	return (int)space->nr_owners++;
}

/* --- one piece: slot, then IOMMU; and back --- */

/* Has any other function than the owner been let loose? */
static bool has_peer(const struct berth_barspace *space, unsigned int owner)
{
	for (unsigned int i = 0; i < space->nr_owners; i++)
		if (i != owner && space->owners[i].master)
			return true;
	return false;
}

/* iommufd takes memory of processes and, from Linux 6.19 on, dma-bufs; a BAR mapped by VFIO is neither. */
static const char *remedy(const struct berth_barspace *space, const struct berth_err *err)
{
	if (berth_ioas_kind(space->io) == BERTH_IOAS_IOMMUFD && err->code == -EFAULT)
		return "; iommufd does not take BARs, --iommu type1 does";
	return "";
}

static void say_lost(const struct piece *p, const struct berth_err *err)
{
	const struct berth_placement *placement = p->placement;
	struct owner *owner = &placement->space->owners[placement->owner];

	if (owner->warned & 1u << placement->bar)
		return;
	owner->warned |= 1u << placement->bar;
	log_warn("%s: the VM's other devices cannot reach its BAR %u (no peer-to-peer DMA): %s%s",
		 owner->name, placement->bar, err->text, remedy(placement->space, err));
}

static void map_dma(struct piece *p)
{
	struct berth_barspace *space = p->placement->space;
	struct berth_err err = BERTH_ERR_INIT;

	if (!space->io || !p->slot || !has_peer(space, p->placement->owner))
		return;
	pthread_mutex_lock(&space->dma_lock);
	if (!p->dma && !p->dropped) {
		p->dma = berth_ioas_map(space->io, p->at, p->hva,
					BERTH_IOAS_READ | BERTH_IOAS_WRITE, &err) == 0;
		if (!p->dma)
			say_lost(p, &err);
	}
	pthread_mutex_unlock(&space->dma_lock);
}

/* Under dma_lock. */
static void unmap_dma(struct piece *p)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (p->dma && berth_ioas_unmap(p->placement->space->io, p->at, &err) < 0)
		log_warn("%s: BAR %u: %s; other devices may still reach it",
			 p->placement->space->owners[p->placement->owner].name, p->placement->bar,
			 err.text);
	p->dma = false;
}

/* The slot was taken out because it cannot be faulted in: under mem's lock, on a vCPU's thread. */
static void on_drop(void *opaque)
{
	struct piece *p = opaque;
	struct berth_barspace *space = p->placement->space;

	pthread_mutex_lock(&space->dma_lock);
	p->dropped = true;
	unmap_dma(p);
	pthread_mutex_unlock(&space->dma_lock);
}

static void take_out(struct piece *p)
{
	struct berth_barspace *space = p->placement->space;

	pthread_mutex_lock(&space->dma_lock);
	unmap_dma(p);
	pthread_mutex_unlock(&space->dma_lock);
	berth_memslot_del(p->slot); /* no on_drop() from here on */
	p->slot = NULL;
}

static void put_in(struct piece *p)
{
	struct berth_placement *placement = p->placement;
	struct berth_err err = BERTH_ERR_INIT;

	if (p->slot || p->dropped) /* without a slot nobody else looks at it */
		return;
	if (berth_memslot_set(placement->space->mem, p->at, p->hva, 0, &p->slot, &err) < 0) {
		log_debug("%s: BAR %u is trapped: %s",
			  placement->space->owners[placement->owner].name, placement->bar,
			  err.text);
		return;
	}
	berth_memslot_on_drop(p->slot, on_drop, p);
	map_dma(p);
}

/* --- who has which place --- */

/* The earlier one wins; the rest of the page behind a small BAR must not cost anybody else anything. */
static bool has_place(const struct berth_placement *placement)
{
	bool earlier = true;

	for (const struct berth_placement *o = placement->space->first; o; o = o->next) {
		if (o == placement)
			earlier = false;
		else if ((earlier && berth_range_overlaps(o->at, placement->at)) ||
			 berth_range_overlaps(o->at, placement->rest))
			return false;
	}
	return true;
}

/* Two rounds, so that what somebody gives up is free for the next one. */
static void settle(struct berth_barspace *space)
{
	for (struct berth_placement *p = space->first; p; p = p->next) {
		p->has_place = has_place(p);
		for (size_t i = 0; !p->has_place && i < p->nr; i++)
			take_out(&p->pieces[i]);
	}
	for (struct berth_placement *p = space->first; p; p = p->next)
		for (size_t i = 0; p->has_place && i < p->nr; i++)
			put_in(&p->pieces[i]);
}

void berth_barspace_bus_master(struct berth_barspace *space, unsigned int owner)
{
	if (space->owners[owner].master)
		return;
	space->owners[owner].master = true;
	for (struct berth_placement *p = space->first; p; p = p->next)
		for (size_t i = 0; i < p->nr; i++)
			map_dma(&p->pieces[i]);
}

int berth_barspace_place(struct berth_barspace *space, const struct berth_placement_config *config,
			 struct berth_placement **ret, struct berth_err *err)
{
	struct berth_placement *placement, **last;

	placement = calloc(1, sizeof(*placement) + config->nr_pieces * sizeof(struct piece));
	if (!placement)
		return berth_err_set(err, -ENOMEM, "out of memory");
	placement->space = space;
	placement->owner = config->owner;
	placement->bar = config->bar;
	placement->at = config->at;
	placement->nr = config->nr_pieces;
	for (size_t i = 0; i < config->nr_pieces; i++) {
		const struct berth_bar_piece *from = &config->pieces[i];

		placement->pieces[i] = (struct piece){
			.placement = placement,
			.at = { config->at.start + from->in_bar.start, from->in_bar.size },
			.hva = from->hva,
		};
		if (from->in_bar.size > config->at.size)
			placement->rest = (struct berth_range){
				config->at.start + config->at.size,
				from->in_bar.size - config->at.size,
			};
	}
	for (last = &space->first; *last; last = &(*last)->next)
		;
	*last = placement;
	settle(space);
	*ret = placement;
	return 0;
}

void berth_barspace_remove(struct berth_placement *placement)
{
	struct berth_placement **p;
	struct berth_barspace *space;

	if (!placement)
		return;
	space = placement->space;
	for (size_t i = 0; i < placement->nr; i++)
		take_out(&placement->pieces[i]);
	for (p = &space->first; *p != placement; p = &(*p)->next)
		;
	*p = placement->next;
	free(placement);
	settle(space);
}

uint64_t berth_placement_direct_bytes(struct berth_placement *placement)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&placement->space->dma_lock);
	for (size_t i = 0; i < placement->nr; i++)
		sum += placement->pieces[i].slot && !placement->pieces[i].dropped ?
			       placement->pieces[i].at.size :
			       0;
	pthread_mutex_unlock(&placement->space->dma_lock);
	return sum;
}

uint64_t berth_placement_peer_bytes(struct berth_placement *placement)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&placement->space->dma_lock);
	for (size_t i = 0; i < placement->nr; i++)
		sum += placement->pieces[i].dma ? placement->pieces[i].at.size : 0;
	pthread_mutex_unlock(&placement->space->dma_lock);
	return sum;
}
