/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/launch.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/mem.h"

bool berth_vm_name_valid(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strlen(name);

	return len >= 1 && len <= BERTH_VM_NAME_MAX && strspn(name, allowed) == len &&
	       name[0] != '.' && name[0] != '-';
}

void berth_launch_init(struct berth_launch *l)
{
	memset(l, 0, sizeof(*l));
	l->kvm_fd = l->kernel_fd = l->initrd_fd = l->console_fd = l->memory_fd = l->container_fd =
		-1;
	l->numa_node = BERTH_NODE_ANY;
	for (size_t i = 0; i < BERTH_LAUNCH_GROUPS; i++)
		l->groups[i].fd = -1;
	for (size_t i = 0; i < BERTH_LAUNCH_DEVICES; i++)
		l->devices[i].fd = l->devices[i].p2p_clique = -1;
}

void berth_launch_done(struct berth_launch *l)
{
	/* A device is closed before its group and that before the container: the kernel answers EBUSY otherwise. */
	for (size_t i = 0; i < BERTH_LAUNCH_DEVICES; i++)
		berth_closep(&l->devices[i].fd);
	for (size_t i = 0; i < BERTH_LAUNCH_GROUPS; i++)
		berth_closep(&l->groups[i].fd);
	berth_closep(&l->container_fd);
	berth_closep(&l->memory_fd);
	berth_closep(&l->console_fd);
	berth_closep(&l->initrd_fd);
	berth_closep(&l->kernel_fd);
	berth_closep(&l->kvm_fd);
	berth_launch_init(l);
}

static int check_backing(const struct berth_launch *l, struct berth_err *err)
{
	uint64_t page;

	if (l->pages >= BERTH_PAGES_COUNT)
		return berth_err_set(err, -EINVAL, "VM %s: unknown kind %u of memory pages",
				     l->name, (unsigned int)l->pages);
	page = berth_pages_hugetlb(l->pages);
	if (page && l->memory % page)
		return berth_err_set(err, -EINVAL,
				     "VM %s: memory in pages of %s must be a multiple of that",
				     l->name, berth_pages_name(l->pages));
	if (l->numa_node != BERTH_NODE_ANY && (l->numa_node < 0 || l->numa_node > BERTH_NODE_MAX))
		return berth_err_set(err, -EINVAL, "VM %s: there is no NUMA node %d", l->name,
				     l->numa_node);
	return 0;
}

int berth_launch_check_machine(const struct berth_launch *l, struct berth_err *err)
{
	if (!berth_vm_name_valid(l->name))
		return berth_err_set(
			err, -EINVAL,
			"VM name: 1 to %d of A-Z a-z 0-9 . _ - are allowed, not starting with . or -",
			BERTH_VM_NAME_MAX);
	for (const char *c = l->cmdline; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return berth_err_set(
				err, -EINVAL,
				"kernel command line of VM %s: holds a control character", l->name);
	}
	if (l->nr_cpus < 1 || l->nr_cpus > BERTH_VM_MAX_VCPUS)
		return berth_err_set(err, -EINVAL, "VM %s: %u CPUs; 1 to %d are possible", l->name,
				     l->nr_cpus, BERTH_VM_MAX_VCPUS);
	if (l->memory < BERTH_MEM_MIN || l->memory > BERTH_MEMORY_MAX)
		return berth_err_set(err, -EINVAL,
				     "VM %s: %llu bytes of memory; 16 MiB to 8 TiB are possible",
				     l->name, (unsigned long long)l->memory);
	if (l->memory % BERTH_MEMORY_ALIGN)
		return berth_err_set(err, -EINVAL,
				     "VM %s: %llu bytes of memory are not a multiple of 1 MiB",
				     l->name, (unsigned long long)l->memory);
	/* Group ids and user ids are one here; -1 means "leave unchanged" to setresuid. */
	if (l->uid == 0 || l->uid == UINT32_MAX)
		return berth_err_set(err, -EINVAL, "VM %s: berth-vmm may not run as user %u",
				     l->name, l->uid);
	return check_backing(l, err);
}

static bool by_group(const struct berth_launch *l)
{
	return l->ioas_kind == BERTH_IOAS_TYPE1;
}

static int check_device(const struct berth_launch *l, unsigned int i, struct berth_err *err)
{
	const struct berth_launch_device *d = &l->devices[i];
	unsigned int nr_groups = by_group(l) ? l->nr_groups : 1;
	bool has_fn0 = false;

	if (d->host.dev > 31 || d->host.fn > 7 || d->host.domain > 0xffffff)
		return berth_err_set(err, -EINVAL, "device %u of VM %s: no such PCI address", i,
				     l->name);
	if (d->group >= nr_groups || d->slot >= BERTH_LAUNCH_SLOTS || d->fn > 7)
		return berth_err_set(
			err, -EINVAL,
			"device %s of VM %s: group index %u, slot %u, function %u out of range",
			BERTH_BDF_STR(d->host), l->name, d->group, d->slot, d->fn);
	if (d->p2p_clique < -1 || d->p2p_clique > BERTH_P2P_CLIQUE_MAX)
		return berth_err_set(err, -EINVAL,
				     "device %s of VM %s: P2P clique %d; 0 to %d are possible",
				     BERTH_BDF_STR(d->host), l->name, d->p2p_clique,
				     BERTH_P2P_CLIQUE_MAX);
	for (unsigned int k = 0; k < l->nr_devices; k++) {
		const struct berth_launch_device *o = &l->devices[k];

		if (k < i && berth_bdf_eq(o->host, d->host))
			return berth_err_set(err, -EINVAL, "device %s is listed twice",
					     BERTH_BDF_STR(d->host));
		if (k < i && o->slot == d->slot && o->fn == d->fn)
			return berth_err_set(
				err, -EINVAL,
				"devices %s and %s have one place in VM %s: slot %u function %u",
				BERTH_BDF_STR(o->host), BERTH_BDF_STR(d->host), l->name, d->slot,
				d->fn);
		has_fn0 |= o->slot == d->slot && o->fn == 0;
	}
	if (!has_fn0)
		return berth_err_set(err, -EINVAL, "slot %u of VM %s has no function 0", d->slot,
				     l->name);
	return 0;
}

int berth_launch_check(const struct berth_launch *l, struct berth_err *err)
{
	int r = berth_launch_check_machine(l, err);

	if (r < 0)
		return r;
	if (l->nr_devices && !l->devices_follow)
		return berth_err_set(err, -EINVAL, "VM %s: devices where none were announced",
				     l->name);
	if (l->nr_devices > BERTH_LAUNCH_DEVICES || l->nr_groups > BERTH_LAUNCH_GROUPS)
		return berth_err_set(err, -EINVAL,
				     "VM %s: %u devices in %u groups; %d in %d are possible",
				     l->name, l->nr_devices, l->nr_groups, BERTH_LAUNCH_DEVICES,
				     BERTH_LAUNCH_GROUPS);
	if (by_group(l) ? (l->nr_devices == 0) != (l->nr_groups == 0) : l->nr_groups != 0)
		return berth_err_set(err, -EINVAL, "VM %s: %u devices in %u groups, by %s", l->name,
				     l->nr_devices, l->nr_groups,
				     berth_ioas_kind_name(l->ioas_kind));
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		r = check_device(l, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_fn0_in_host_slot(const struct berth_launch *l, struct berth_bdf at)
{
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		if (berth_bdf_same_slot(l->devices[i].host, at) && l->devices[i].host.fn == 0)
			return true;
	}
	return false;
}

static bool lowest_in_host_slot(const struct berth_launch *l, struct berth_bdf at)
{
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		if (berth_bdf_same_slot(l->devices[i].host, at) && l->devices[i].host.fn < at.fn)
			return false;
	}
	return true;
}

int berth_launch_place(struct berth_launch *l, struct berth_err *err)
{
	unsigned int nr_slots = 0;

	for (unsigned int i = 0; i < l->nr_devices; i++) {
		struct berth_launch_device *d = &l->devices[i];
		unsigned int k = 0;

		while (k < i && !berth_bdf_same_slot(l->devices[k].host, d->host))
			k++;
		d->slot = k < i ? l->devices[k].slot : nr_slots++;
		d->fn = d->host.fn;
		if (!has_fn0_in_host_slot(l, d->host) && lowest_in_host_slot(l, d->host))
			d->fn = 0;
	}
	if (nr_slots > BERTH_LAUNCH_SLOTS)
		return berth_err_set(err, -E2BIG,
				     "VM %s: its devices need %u slots; %d are possible", l->name,
				     nr_slots, BERTH_LAUNCH_SLOTS);
	return 0;
}

size_t berth_launch_machine_fds(const struct berth_launch *l, int *fds)
{
	size_t nr = 0;

	fds[nr++] = l->kvm_fd;
	fds[nr++] = l->kernel_fd;
	if (l->initrd_fd >= 0)
		fds[nr++] = l->initrd_fd;
	if (l->console_fd >= 0)
		fds[nr++] = l->console_fd;
	if (l->memory_fd >= 0)
		fds[nr++] = l->memory_fd;
	return nr;
}

size_t berth_launch_device_fds(const struct berth_launch *l, int *fds)
{
	size_t nr = 0;

	fds[nr++] = l->container_fd;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		fds[nr++] = l->groups[i].fd;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		fds[nr++] = l->devices[i].fd;
	return nr;
}
