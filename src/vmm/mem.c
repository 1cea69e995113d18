/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/mem.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"

#define PAGE	UINT64_C(4096)
#define MAX_RAM 32 /* pieces of RAM; each reserved range can split one */
/* Guest RAM must stay below what any x86 can address: 52 bits (AMD APM 2, 5.3.1). */
#define ADDRESS_END (UINT64_C(1) << 52)

struct berth_memslot {
	struct berth_mem *mem; /* borrowed */
	struct berth_range at;
	unsigned int id; /* KVM's slot number */
	bool live;	 /* false: KVM does not have it any more, berth_mem_drop_faulting() */
	void (*dropped)(void *opaque); /* NULL: nobody wants to know */
	void *opaque;
	struct berth_memslot *next;
};

struct berth_mem {
	int vm_fd; /* borrowed */
	uint64_t size;
	uint64_t align;		      /* of every piece of RAM, bytes */
	struct berth_backing backing; /* owned; unset when the caller has mapped RAM */
	struct berth_mem_range ram[MAX_RAM];
	size_t nr_ram;
	struct berth_range *reserved; /* owned */
	size_t nr_reserved;
	pthread_mutex_t lock;	     /* guards slots and used */
	struct berth_memslot *slots; /* owned list */
	bool *used;		     /* owned; by slot number; RAM has the first nr_ram */
	unsigned int nr_slots;
};

static int set_region(int vm_fd, unsigned int id, struct berth_range at, void *hva,
		      unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags & BERTH_MEMSLOT_READONLY ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = at.start,
		.memory_size = at.size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* The first reserved range that touches @at, widened to whole pages of RAM; size 0 when there is none. */
static struct berth_range reserved_in(const struct berth_mem *mem, struct berth_range at)
{
	struct berth_range first = { 0, 0 };

	for (size_t i = 0; i < mem->nr_reserved; i++) {
		struct berth_range r = mem->reserved[i];
		uint64_t start, end;

		if (!berth_range_overlaps(r, at))
			continue;
		start = berth_align_down(r.start, mem->align);
		if (!berth_align_up(berth_range_last(r), mem->align, &end))
			end = ADDRESS_END;
		if (end == berth_range_last(r))
			end += mem->align;
		if (first.size == 0 || start < first.start)
			first = (struct berth_range){ start, end - start };
	}
	return first;
}

/* Fill [start, end) with up to *left bytes of RAM, around the reserved ranges. */
static int lay_out_zone(struct berth_mem *mem, uint64_t start, uint64_t end, uint64_t *left,
			struct berth_err *err)
{
	while (*left && start < end) {
		uint64_t size = *left < end - start ? *left : end - start;
		struct berth_range hole = reserved_in(mem, (struct berth_range){ start, size });
		uint64_t next = start + size;

		if (hole.size) {
			size = hole.start > start ? hole.start - start : 0;
			next = hole.start + hole.size;
		}
		if (size) {
			if (mem->nr_ram == MAX_RAM)
				return berth_err_set(err, -E2BIG,
						     "memory: reserved ranges split it into more "
						     "than %d pieces",
						     MAX_RAM);
			mem->ram[mem->nr_ram++] = (struct berth_mem_range){ start, size, NULL };
			*left -= size;
		}
		start = next;
	}
	return 0;
}

static int lay_out(struct berth_mem *mem, struct berth_err *err)
{
	uint64_t left = mem->size;
	int r = lay_out_zone(mem, 0, BERTH_MEM_LOW_END, &left, err);

	if (r == 0)
		r = lay_out_zone(mem, BERTH_MEM_HIGH_START, ADDRESS_END, &left, err);
	if (r < 0)
		return r;
	if (left)
		return berth_err_set(err, -ENOMEM,
				     "memory: %llu MiB do not fit below the 52 address bits of x86",
				     (unsigned long long)(mem->size >> 20));
	if (mem->ram[0].gpa != 0 || mem->ram[0].size < BERTH_MEM_MIN)
		return berth_err_set(err, -EINVAL,
				     "memory: the platform reserves addresses in the first 16 MiB, "
				     "where the guest's kernel must go");
	return 0;
}

/*
 * All of RAM in one piece, and where each range is in it. Every range but the last is a multiple of the alignment long, so guest
 * and host addresses agree modulo a page of RAM.
 */
static int map_ram(struct berth_mem *mem, const struct berth_mem_config *c, struct berth_err *err)
{
	const struct berth_backing_config config = {
		.pages = c->pages,
		.node = c->on_node ? (int)c->node : BERTH_NODE_ANY,
		.fd = c->fd,
		.size = c->size,
	};
	char *at = c->start;

	if (!at) {
		int r = berth_backing_map(&mem->backing, &config, err);

		if (r < 0)
			return r;
		at = mem->backing.start;
	}
	for (size_t i = 0; i < mem->nr_ram; i++) {
		mem->ram[i].hva = at;
		at += mem->ram[i].size;
	}
	return 0;
}

static int add_ram_slots(struct berth_mem *mem, struct berth_err *err)
{
	int max = ioctl(mem->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

	mem->nr_slots = max > MAX_RAM ? (unsigned int)max : MAX_RAM;
	mem->used = calloc(mem->nr_slots, sizeof(*mem->used));
	if (!mem->used)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < mem->nr_ram; i++) {
		const struct berth_mem_range *ram = &mem->ram[i];
		int r = set_region(mem->vm_fd, i, (struct berth_range){ ram->gpa, ram->size },
				   ram->hva, 0);

		if (r < 0)
			return berth_err_set(
				err, r, "KVM does not take %llu MiB of guest memory at 0x%llx: %s",
				(unsigned long long)(ram->size >> 20), (unsigned long long)ram->gpa,
				strerror(-r));
		mem->used[i] = true;
	}
	return 0;
}

static int check_size(uint64_t size, struct berth_err *err)
{
	if (size < BERTH_MEM_MIN)
		return berth_err_set(err, -EINVAL,
				     "memory: %llu bytes are too few for a guest; give it at least "
				     "%llu MiB",
				     (unsigned long long)size,
				     (unsigned long long)(BERTH_MEM_MIN >> 20));
	if (size % PAGE || size > ADDRESS_END)
		return berth_err_set(err, -EINVAL,
				     "memory: %llu bytes are not a sensible multiple of 4 KiB",
				     (unsigned long long)size);
	return 0;
}

int berth_mem_new(struct berth_mem **ret, int vm_fd, const struct berth_mem_config *config,
		  struct berth_err *err)
{
	BERTH_CLEANUP(berth_mem_freep) struct berth_mem *mem = NULL;
	int r = check_size(config->size, err);

	if (r < 0)
		return r;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&mem->lock, NULL);
	mem->vm_fd = vm_fd;
	mem->size = config->size;
	mem->align = berth_pages_align(config->pages);
	mem->reserved = calloc(config->nr_reserved + 1, sizeof(*mem->reserved));
	if (!mem->reserved)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < config->nr_reserved; i++)
		mem->reserved[i] = config->reserved[i];
	mem->nr_reserved = config->nr_reserved;
	r = lay_out(mem, err);
	if (r == 0)
		r = map_ram(mem, config, err);
	if (r == 0)
		r = add_ram_slots(mem, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(mem);
	return 0;
}

void berth_mem_free(struct berth_mem *mem)
{
	if (!mem)
		return;
	while (mem->slots) {
		struct berth_memslot *slot = mem->slots;

		mem->slots = slot->next;
		free(slot);
	}
	berth_backing_unmap(&mem->backing);
	pthread_mutex_destroy(&mem->lock);
	free(mem->reserved);
	free(mem->used);
	free(mem);
}

const struct berth_mem_range *berth_mem_ram_ranges(const struct berth_mem *mem, size_t *ret_nr)
{
	*ret_nr = mem->nr_ram;
	return mem->ram;
}

uint64_t berth_mem_size(const struct berth_mem *mem)
{
	return mem->size;
}

berth_gpa_t berth_mem_top(const struct berth_mem *mem)
{
	const struct berth_mem_range *last = &mem->ram[mem->nr_ram - 1];

	return last->gpa + last->size;
}

bool berth_mem_overlaps_ram(const struct berth_mem *mem, struct berth_range at)
{
	for (size_t i = 0; i < mem->nr_ram; i++)
		if (berth_range_overlaps(at,
					 (struct berth_range){ mem->ram[i].gpa, mem->ram[i].size }))
			return true;
	return false;
}

const struct berth_range *berth_mem_reserved(const struct berth_mem *mem, size_t *ret_nr)
{
	*ret_nr = mem->nr_reserved;
	return mem->reserved;
}

void *berth_mem_at(const struct berth_mem *mem, berth_gpa_t gpa, uint64_t len)
{
	for (size_t i = 0; i < mem->nr_ram; i++) {
		const struct berth_mem_range *ram = &mem->ram[i];

		if (berth_range_contains((struct berth_range){ ram->gpa, ram->size },
					 (struct berth_range){ gpa, len }))
			return (char *)ram->hva + (gpa - ram->gpa);
	}
	return NULL;
}

static int alloc_slot_id(struct berth_mem *mem)
{
	for (unsigned int i = 0; i < mem->nr_slots; i++)
		if (!mem->used[i]) {
			mem->used[i] = true;
			return (int)i;
		}
	return -ENOSPC;
}

static int check_slot(const struct berth_mem *mem, struct berth_range at, const void *hva,
		      struct berth_err *err)
{
	if (at.size == 0 || at.size % PAGE || at.start % PAGE || (uintptr_t)hva % PAGE ||
	    !berth_range_valid(at))
		return berth_err_set(err, -EINVAL,
				     "memory slot 0x%llx + 0x%llx is not whole 4 KiB pages",
				     (unsigned long long)at.start, (unsigned long long)at.size);
	if (berth_mem_overlaps_ram(mem, at))
		return berth_err_set(err, -EEXIST, "memory slot 0x%llx + 0x%llx lies over RAM",
				     (unsigned long long)at.start, (unsigned long long)at.size);
	for (const struct berth_memslot *s = mem->slots; s; s = s->next)
		if (s->live && berth_range_overlaps(s->at, at))
			return berth_err_set(err, -EEXIST,
					     "memory slot 0x%llx + 0x%llx lies over the one at "
					     "0x%llx",
					     (unsigned long long)at.start,
					     (unsigned long long)at.size,
					     (unsigned long long)s->at.start);
	return 0;
}

static int add_slot(struct berth_mem *mem, struct berth_memslot *slot, void *hva,
		    unsigned int flags, struct berth_err *err)
{
	int id, r = check_slot(mem, slot->at, hva, err);

	if (r < 0)
		return r;
	id = alloc_slot_id(mem);
	if (id < 0)
		return berth_err_set(err, id, "KVM has no memory slot left (%u are in use)",
				     mem->nr_slots);
	r = set_region(mem->vm_fd, (unsigned int)id, slot->at, hva, flags);
	if (r < 0) {
		mem->used[id] = false;
		return berth_err_set(err, r, "KVM does not take memory slot 0x%llx + 0x%llx: %s",
				     (unsigned long long)slot->at.start,
				     (unsigned long long)slot->at.size, strerror(-r));
	}
	slot->id = (unsigned int)id;
	slot->live = true;
	slot->next = mem->slots;
	mem->slots = slot;
	return 0;
}

int berth_memslot_set(struct berth_mem *mem, struct berth_range at, void *hva, unsigned int flags,
		      struct berth_memslot **ret, struct berth_err *err)
{
	struct berth_memslot *slot = calloc(1, sizeof(*slot));
	int r;

	if (!slot)
		return berth_err_set(err, -ENOMEM, "out of memory");
	slot->mem = mem;
	slot->at = at;
	pthread_mutex_lock(&mem->lock);
	r = add_slot(mem, slot, hva, flags, err);
	pthread_mutex_unlock(&mem->lock);
	if (r < 0) {
		free(slot);
		return r;
	}
	*ret = slot;
	return 0;
}

/* Under the lock. KVM refuses only slots that it does not have, so there is nothing to report. */
static void retire(struct berth_memslot *slot)
{
	if (!slot->live)
		return;
	(void)set_region(slot->mem->vm_fd, slot->id, (struct berth_range){ slot->at.start, 0 },
			 NULL, 0);
	slot->mem->used[slot->id] = false;
	slot->live = false;
}

void berth_memslot_on_drop(struct berth_memslot *slot, void (*fn)(void *opaque), void *opaque)
{
	pthread_mutex_lock(&slot->mem->lock);
	slot->dropped = fn;
	slot->opaque = opaque;
	if (!slot->live)
		fn(opaque);
	pthread_mutex_unlock(&slot->mem->lock);
}

void berth_memslot_del(struct berth_memslot *slot)
{
	struct berth_mem *mem;
	struct berth_memslot **p;

	if (!slot)
		return;
	mem = slot->mem;
	pthread_mutex_lock(&mem->lock);
	retire(slot);
	for (p = &mem->slots; *p != slot; p = &(*p)->next)
		;
	*p = slot->next;
	pthread_mutex_unlock(&mem->lock);
	free(slot);
}

unsigned int berth_mem_drop_faulting(struct berth_mem *mem, berth_gpa_t gpa)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&mem->lock);
	for (struct berth_memslot *s = mem->slots; s; s = s->next) {
		if (!s->live)
			continue;
		if (gpa != BERTH_GPA_UNKNOWN &&
		    !berth_range_contains(s->at, (struct berth_range){ gpa, 1 }))
			continue;
		retire(s);
		if (s->dropped)
			s->dropped(s->opaque);
		nr++;
	}
	pthread_mutex_unlock(&mem->lock);
	return nr;
}
