/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/launch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/mem.h"

#define MAGIC	0x4c545242u /* "BRTL" */
#define VERSION 2u

/* Bits of the flags word: which optional descriptors come along, and settings of the VM. */
enum {
	HAS_INITRD = 1,
	HAS_CONSOLE = 2,
	HAS_MEMORY = 4,
	P2P = 8,
	KNOWN_FLAGS = 15,
};

/* Bits of a device's flags byte. */
enum {
	NO_ROM = 1,
	MOVE_MSIX = 2,
	CLIQUE_FORCE = 4,
};

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

static int check_machine(const struct berth_launch *l, struct berth_err *err)
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
	int r = check_machine(l, err);

	if (r < 0)
		return r;
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

/* --- the message --- */

struct writer {
	uint8_t *buf;
	size_t len;
};

static void put(struct writer *w, uint64_t value, size_t bytes)
{
	assert(w->len + bytes <= BERTH_LAUNCH_MESSAGE_MAX);
	for (size_t i = 0; i < bytes; i++)
		w->buf[w->len++] = (uint8_t)(value >> (8 * i));
}

static void put_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	put(w, len, 2);
	assert(w->len + len <= BERTH_LAUNCH_MESSAGE_MAX);
	memcpy(w->buf + w->len, text, len);
	w->len += len;
}

/* One that ran past the end stays there and hands out zeroes; the caller looks at @short_of once. */
struct reader {
	const uint8_t *buf;
	size_t len, at;
	bool short_of;
};

static uint64_t get(struct reader *r, size_t bytes)
{
	uint64_t value = 0;

	if (r->short_of || bytes > r->len - r->at) {
		r->short_of = true;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)r->buf[r->at++] << (8 * i);
	return value;
}

/* @size: of @text, NUL included. A text with a NUL inside or too long for @text is as wrong as one cut off. */
static void get_text(struct reader *r, char *text, size_t size)
{
	size_t len = get(r, 2);

	if (r->short_of || len >= size || len > r->len - r->at || memchr(r->buf + r->at, 0, len)) {
		r->short_of = true;
		return;
	}
	memcpy(text, r->buf + r->at, len);
	text[len] = '\0';
	r->at += len;
}

static unsigned int device_flags(const struct berth_launch_device *d)
{
	return (d->no_rom ? NO_ROM : 0) | (d->move_msix ? MOVE_MSIX : 0) |
	       (d->p2p_clique_force ? CLIQUE_FORCE : 0);
}

size_t berth_launch_encode(const struct berth_launch *l,
			   uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX])
{
	struct writer w = { .buf = buf }, length;
	unsigned int flags = (l->initrd_fd >= 0 ? HAS_INITRD : 0) |
			     (l->console_fd >= 0 ? HAS_CONSOLE : 0) |
			     (l->memory_fd >= 0 ? HAS_MEMORY : 0) | (l->p2p ? P2P : 0);

	put(&w, MAGIC, 4);
	put(&w, VERSION, 4);
	length = w;
	put(&w, 0, 4);
	put(&w, flags, 4);
	put(&w, l->uid, 4);
	put(&w, l->nr_cpus, 4);
	put(&w, l->memory, 8);
	put(&w, l->pages, 1);
	put(&w, (uint32_t)l->numa_node, 4);
	put_text(&w, l->name);
	put_text(&w, l->cmdline);
	put(&w, l->ioas_kind, 1);
	put(&w, l->ioas_id, 4);
	put(&w, l->nr_groups, 2);
	for (unsigned int i = 0; i < l->nr_groups; i++)
		put(&w, l->groups[i].number, 4);
	put(&w, l->nr_devices, 2);
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		const struct berth_launch_device *d = &l->devices[i];

		put(&w, d->host.domain, 4);
		put(&w, d->host.bus, 1);
		put(&w, d->host.dev, 1);
		put(&w, d->host.fn, 1);
		put(&w, d->group, 1);
		put(&w, d->slot, 1);
		put(&w, d->fn, 1);
		put(&w, device_flags(d), 1);
		put(&w, (unsigned int)d->p2p_clique, 1);
	}
	put(&length, w.len, 4);
	return w.len;
}

static void get_device(struct reader *r, struct berth_launch_device *d)
{
	unsigned int flags;

	d->host.domain = (uint32_t)get(r, 4);
	d->host.bus = (uint8_t)get(r, 1);
	d->host.dev = (uint8_t)get(r, 1);
	d->host.fn = (uint8_t)get(r, 1);
	d->group = (unsigned int)get(r, 1);
	d->slot = (unsigned int)get(r, 1);
	d->fn = (unsigned int)get(r, 1);
	flags = (unsigned int)get(r, 1);
	d->no_rom = flags & NO_ROM;
	d->move_msix = flags & MOVE_MSIX;
	d->p2p_clique_force = flags & CLIQUE_FORCE;
	d->p2p_clique = (int8_t)get(r, 1);
}

/* Everything but the descriptors. Return: 0 and the flags; -EPROTO. */
static int decode_body(struct reader *r, struct berth_launch *l, unsigned int *ret_flags)
{
	unsigned int flags = (unsigned int)get(r, 4), kind;

	if (flags & ~(unsigned int)KNOWN_FLAGS)
		return -EPROTO;
	l->p2p = flags & P2P;
	l->uid = (uint32_t)get(r, 4);
	l->nr_cpus = (unsigned int)get(r, 4);
	l->memory = get(r, 8);
	l->pages = (enum berth_pages)get(r, 1);
	l->numa_node = (int32_t)get(r, 4);
	get_text(r, l->name, sizeof(l->name));
	get_text(r, l->cmdline, sizeof(l->cmdline));
	kind = (unsigned int)get(r, 1);
	if (kind != BERTH_IOAS_TYPE1 && kind != BERTH_IOAS_IOMMUFD)
		return -EPROTO;
	l->ioas_kind = (enum berth_ioas_kind)kind;
	l->ioas_id = (uint32_t)get(r, 4);
	l->nr_groups = (unsigned int)get(r, 2);
	if (r->short_of || l->nr_groups > BERTH_LAUNCH_GROUPS)
		return -EPROTO;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		l->groups[i].number = (unsigned int)get(r, 4);
	l->nr_devices = (unsigned int)get(r, 2);
	if (r->short_of || l->nr_devices > BERTH_LAUNCH_DEVICES)
		return -EPROTO;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		get_device(r, &l->devices[i]);
	if (r->short_of || r->at != r->len)
		return -EPROTO;
	*ret_flags = flags;
	return 0;
}

/* Pages of the pools come in a file, others never do. */
static bool memory_comes_right(const struct berth_launch *l, bool has_fd)
{
	return has_fd == (berth_pages_hugetlb(l->pages) != 0);
}

static size_t count_fds(const struct berth_launch *l, unsigned int flags)
{
	return 2u + !!(flags & HAS_INITRD) + !!(flags & HAS_CONSOLE) + !!(flags & HAS_MEMORY) +
	       (l->nr_devices > 0) + l->nr_groups + l->nr_devices;
}

static void take_fds(struct berth_launch *l, unsigned int flags, const int *fds)
{
	l->kvm_fd = *fds++;
	l->kernel_fd = *fds++;
	if (flags & HAS_INITRD)
		l->initrd_fd = *fds++;
	if (flags & HAS_CONSOLE)
		l->console_fd = *fds++;
	if (flags & HAS_MEMORY)
		l->memory_fd = *fds++;
	if (l->nr_devices)
		l->container_fd = *fds++;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		l->groups[i].fd = *fds++;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		l->devices[i].fd = *fds++;
}

int berth_launch_decode(const uint8_t *buf, size_t len, const int *fds, size_t nr_fds,
			struct berth_launch *ret, struct berth_err *err)
{
	struct reader r = { .buf = buf, .len = len };
	unsigned int flags;
	uint64_t version;
	int e;

	berth_launch_init(ret);
	if (get(&r, 4) != MAGIC || r.short_of)
		return berth_err_set(err, -EPROTO, "launch message: not one");
	version = get(&r, 4);
	if (version != VERSION)
		return berth_err_set(
			err, -EPROTO,
			"launch message: version %llu, expected %u; berth and berth-vmm are of different releases",
			(unsigned long long)version, VERSION);
	if (get(&r, 4) != len || decode_body(&r, ret, &flags) < 0) {
		berth_launch_init(ret);
		return berth_err_set(err, -EPROTO, "launch message of %zu bytes: malformed", len);
	}
	e = berth_launch_check(ret, err);
	if (e == 0 && !memory_comes_right(ret, flags & HAS_MEMORY))
		e = berth_err_set(err, -EPROTO, "launch message: memory in pages of %s %s a file",
				  berth_pages_name(ret->pages),
				  flags & HAS_MEMORY ? "does not come in" : "without");
	if (e == 0 && count_fds(ret, flags) != nr_fds)
		e = berth_err_set(err, -EPROTO, "launch message: %zu descriptors, expected %zu",
				  nr_fds, count_fds(ret, flags));
	if (e < 0) {
		berth_launch_init(ret);
		return e;
	}
	take_fds(ret, flags, fds);
	return 0;
}

static int check_kind(int fd, mode_t type, const char *what, struct berth_err *err)
{
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return berth_err_set(err, -errno, "launch message: %s: %s", what, strerror(errno));
	if ((st.st_mode & S_IFMT) != type)
		return berth_err_set(err, -EINVAL,
				     "launch message: %s is of the wrong kind (mode %o)", what,
				     (unsigned int)st.st_mode);
	return 0;
}

/* Devices of a group are anonymous inodes, which have no file type to test; the first VFIO ioctl tells. */
static int check_kinds(const struct berth_launch *l, struct berth_err *err)
{
	int r = check_kind(l->kvm_fd, S_IFCHR, "the KVM descriptor", err);

	if (r == 0)
		r = check_kind(l->kernel_fd, S_IFREG, "the kernel", err);
	if (r == 0)
		r = check_kind(l->initrd_fd, S_IFREG, "the initrd", err);
	if (r == 0)
		r = check_kind(l->console_fd, S_IFSOCK, "the console", err);
	if (r == 0)
		r = check_kind(l->memory_fd, S_IFREG, "the memory", err);
	if (r == 0)
		r = check_kind(l->container_fd, S_IFCHR, "the VFIO container or iommufd", err);
	for (unsigned int i = 0; r == 0 && i < l->nr_groups; i++)
		r = check_kind(l->groups[i].fd, S_IFCHR, "a VFIO group", err);
	for (unsigned int i = 0; r == 0 && !by_group(l) && i < l->nr_devices; i++)
		r = check_kind(l->devices[i].fd, S_IFCHR, "a VFIO device", err);
	return r;
}

size_t berth_launch_fds(const struct berth_launch *l, int *fds)
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
	if (l->nr_devices)
		fds[nr++] = l->container_fd;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		fds[nr++] = l->groups[i].fd;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		fds[nr++] = l->devices[i].fd;
	return nr;
}

int berth_launch_send(int sock, const struct berth_launch *l, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	size_t nr;
	int r = berth_launch_check(l, err);

	if (r < 0)
		return r;
	assert(memory_comes_right(l, l->memory_fd >= 0));
	_Static_assert(6 + BERTH_LAUNCH_GROUPS + BERTH_LAUNCH_DEVICES <= BERTH_FD_MAX_PASS,
		       "one message carries every descriptor");
	nr = berth_launch_fds(l, fds);
	r = berth_fd_send(sock, buf, berth_launch_encode(l, buf), fds, nr);
	return r < 0 ? berth_err_set(err, r, "sending VM %s to berth-vmm: %s", l->name,
				     strerror(-r)) :
		       0;
}

int berth_launch_recv(int sock, struct berth_launch *ret, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	size_t nr_fds;
	ssize_t n;
	int r;

	berth_launch_init(ret);
	n = berth_fd_recv(sock, buf, sizeof(buf), fds, BERTH_FD_MAX_PASS, &nr_fds);
	if (n < 0)
		return berth_err_set(err, (int)n, "receiving the launch message: %s",
				     strerror((int)-n));
	if (n == 0)
		return berth_err_set(err, -ECONNRESET,
				     "receiving the launch message: the supervisor is gone");
	r = berth_launch_decode(buf, (size_t)n, fds, nr_fds, ret, err);
	if (r < 0) {
		for (size_t i = 0; i < nr_fds; i++)
			close(fds[i]);
		return r;
	}
	r = check_kinds(ret, err);
	if (r < 0)
		berth_launch_done(ret);
	return r;
}
