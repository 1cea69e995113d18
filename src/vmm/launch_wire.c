/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launch messages as bytes: encoded, sent, received, decoded.
 */
#include "vmm/launch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define MAGIC	      0x4c545242u /* "BRTL" */
#define MAGIC_DEVICES 0x44545242u /* "BRTD" */
#define VERSION	      3u

/* Bits of the flags word: which optional descriptors come along, and settings of the VM. */
enum {
	HAS_INITRD = 1,
	HAS_CONSOLE = 2,
	HAS_MEMORY = 4,
	P2P = 8,
	DEVICES_FOLLOW = 16,
	KNOWN_FLAGS = 31,
};

/* Bits of a device's flags byte. */
enum {
	NO_ROM = 1,
	MOVE_MSIX = 2,
	CLIQUE_FORCE = 4,
};

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

/* Return: where the length goes that finish() writes. */
static struct writer begin(struct writer *w, uint32_t magic)
{
	struct writer length;

	put(w, magic, 4);
	put(w, VERSION, 4);
	length = *w;
	put(w, 0, 4);
	return length;
}

static size_t finish(const struct writer *w, struct writer *length)
{
	put(length, w->len, 4);
	return w->len;
}

size_t berth_launch_encode(const struct berth_launch *l,
			   uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX])
{
	struct writer w = { .buf = buf }, length = begin(&w, MAGIC);
	unsigned int flags = (l->initrd_fd >= 0 ? HAS_INITRD : 0) |
			     (l->console_fd >= 0 ? HAS_CONSOLE : 0) |
			     (l->memory_fd >= 0 ? HAS_MEMORY : 0) | (l->p2p ? P2P : 0) |
			     (l->devices_follow ? DEVICES_FOLLOW : 0);

	put(&w, flags, 4);
	put(&w, l->uid, 4);
	put(&w, l->nr_cpus, 4);
	put(&w, l->memory, 8);
	put(&w, l->pages, 1);
	put(&w, (uint32_t)l->numa_node, 4);
	put_text(&w, l->name);
	put_text(&w, l->cmdline);
	put(&w, l->ioas_kind, 1);
	return finish(&w, &length);
}

static void put_device(struct writer *w, const struct berth_launch_device *d)
{
	put(w, d->host.domain, 4);
	put(w, d->host.bus, 1);
	put(w, d->host.dev, 1);
	put(w, d->host.fn, 1);
	put(w, d->group, 1);
	put(w, d->slot, 1);
	put(w, d->fn, 1);
	put(w, device_flags(d), 1);
	put(w, (unsigned int)d->p2p_clique, 1);
}

size_t berth_launch_encode_devices(const struct berth_launch *l,
				   uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX])
{
	struct writer w = { .buf = buf }, length = begin(&w, MAGIC_DEVICES);

	put(&w, l->ioas_id, 4);
	put(&w, l->nr_groups, 2);
	for (unsigned int i = 0; i < l->nr_groups; i++)
		put(&w, l->groups[i].number, 4);
	put(&w, l->nr_devices, 2);
	for (unsigned int i = 0; i < l->nr_devices; i++)
		put_device(&w, &l->devices[i]);
	return finish(&w, &length);
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

/* Magic, version, length. */
static int get_head(struct reader *r, uint32_t magic, struct berth_err *err)
{
	uint64_t version;

	if (get(r, 4) != magic || r->short_of)
		return berth_err_set(err, -EPROTO, "launch message: not one");
	version = get(r, 4);
	if (version != VERSION)
		return berth_err_set(
			err, -EPROTO,
			"launch message: version %llu, expected %u; berth and berth-vmm are of different releases",
			(unsigned long long)version, VERSION);
	if (get(r, 4) != r->len)
		r->short_of = true;
	return 0;
}

static int malformed(const struct reader *r, struct berth_err *err)
{
	return berth_err_set(err, -EPROTO, "launch message of %zu bytes: malformed", r->len);
}

/* Everything but the descriptors. Return: 0 and the flags; -EPROTO. */
static int decode_body(struct reader *r, struct berth_launch *l, unsigned int *ret_flags)
{
	unsigned int flags = (unsigned int)get(r, 4), kind;

	if (flags & ~(unsigned int)KNOWN_FLAGS)
		return -EPROTO;
	l->p2p = flags & P2P;
	l->devices_follow = flags & DEVICES_FOLLOW;
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
	if (r->short_of || r->at != r->len)
		return -EPROTO;
	*ret_flags = flags;
	return 0;
}

static int decode_device_body(struct reader *r, struct berth_launch *l)
{
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
	return r->short_of || r->at != r->len ? -EPROTO : 0;
}

/* Pages of the pools come in a file, others never do. */
static bool memory_comes_right(const struct berth_launch *l, bool has_fd)
{
	return has_fd == (berth_pages_hugetlb(l->pages) != 0);
}

static size_t count_fds(unsigned int flags)
{
	return 2u + !!(flags & HAS_INITRD) + !!(flags & HAS_CONSOLE) + !!(flags & HAS_MEMORY);
}

static int check_count(size_t nr, size_t expected, struct berth_err *err)
{
	return nr == expected ?
		       0 :
		       berth_err_set(err, -EPROTO, "launch message: %zu descriptors, expected %zu",
				     nr, expected);
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
}

int berth_launch_decode(const uint8_t *buf, size_t len, const int *fds, size_t nr_fds,
			struct berth_launch *ret, struct berth_err *err)
{
	struct reader r = { .buf = buf, .len = len };
	unsigned int flags = 0;
	int e;

	berth_launch_init(ret);
	e = get_head(&r, MAGIC, err);
	if (e == 0 && decode_body(&r, ret, &flags) < 0)
		e = malformed(&r, err);
	if (e == 0)
		e = berth_launch_check_machine(ret, err);
	if (e == 0 && !memory_comes_right(ret, flags & HAS_MEMORY))
		e = berth_err_set(err, -EPROTO, "launch message: memory in pages of %s %s a file",
				  berth_pages_name(ret->pages),
				  flags & HAS_MEMORY ? "does not come in" : "without");
	if (e == 0)
		e = check_count(nr_fds, count_fds(flags), err);
	if (e == 0)
		take_fds(ret, flags, fds);
	else
		berth_launch_init(ret);
	return e;
}

static void forget_devices(struct berth_launch *l)
{
	struct berth_launch empty;

	berth_launch_init(&empty);
	l->ioas_id = 0;
	l->nr_groups = l->nr_devices = 0;
	memcpy(l->groups, empty.groups, sizeof(l->groups));
	memcpy(l->devices, empty.devices, sizeof(l->devices));
}

int berth_launch_decode_devices(const uint8_t *buf, size_t len, const int *fds, size_t nr_fds,
				struct berth_launch *l, struct berth_err *err)
{
	struct reader r = { .buf = buf, .len = len };
	int e = get_head(&r, MAGIC_DEVICES, err);

	if (e == 0 && decode_device_body(&r, l) < 0)
		e = malformed(&r, err);
	if (e == 0 && l->nr_devices == 0)
		e = berth_err_set(err, -EPROTO,
				  "launch message: devices were to follow, and none came");
	if (e == 0)
		e = berth_launch_check(l, err);
	if (e == 0)
		e = check_count(nr_fds, 1 + l->nr_groups + l->nr_devices, err);
	if (e < 0) {
		forget_devices(l);
		return e;
	}
	l->container_fd = *fds++;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		l->groups[i].fd = *fds++;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		l->devices[i].fd = *fds++;
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

static int check_machine_kinds(const struct berth_launch *l, struct berth_err *err)
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
	return r;
}

/* Devices of a group are anonymous inodes, which have no file type to test; the first VFIO ioctl tells. */
static int check_device_kinds(const struct berth_launch *l, struct berth_err *err)
{
	bool by_group = l->ioas_kind == BERTH_IOAS_TYPE1;
	int r = check_kind(l->container_fd, S_IFCHR, "the VFIO container or iommufd", err);

	for (unsigned int i = 0; r == 0 && i < l->nr_groups; i++)
		r = check_kind(l->groups[i].fd, S_IFCHR, "a VFIO group", err);
	for (unsigned int i = 0; r == 0 && !by_group && i < l->nr_devices; i++)
		r = check_kind(l->devices[i].fd, S_IFCHR, "a VFIO device", err);
	return r;
}

static int send_bytes(int sock, const struct berth_launch *l, const uint8_t *buf, size_t len,
		      const int *fds, size_t nr, struct berth_err *err)
{
	int r = berth_fd_send(sock, buf, len, fds, nr);

	return r < 0 ? berth_err_set(err, r, "sending VM %s to berth-vmm: %s", l->name,
				     strerror(-r)) :
		       0;
}

int berth_launch_send(int sock, const struct berth_launch *l, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	int r = berth_launch_check_machine(l, err);

	if (r < 0)
		return r;
	assert(memory_comes_right(l, l->memory_fd >= 0));
	return send_bytes(sock, l, buf, berth_launch_encode(l, buf), fds,
			  berth_launch_machine_fds(l, fds), err);
}

int berth_launch_send_devices(int sock, const struct berth_launch *l, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	int r = berth_launch_check(l, err);

	_Static_assert(1 + BERTH_LAUNCH_GROUPS + BERTH_LAUNCH_DEVICES <= BERTH_FD_MAX_PASS,
		       "one message carries every device");
	if (r == 0 && l->nr_devices == 0)
		r = berth_err_set(err, -EINVAL, "VM %s: has no devices to send", l->name);
	return r < 0 ? r :
		       send_bytes(sock, l, buf, berth_launch_encode_devices(l, buf), fds,
				  berth_launch_device_fds(l, fds), err);
}

/* Return: bytes received, never 0; -errno and the sentence. */
static ssize_t recv_bytes(int sock, uint8_t buf[static BERTH_LAUNCH_MESSAGE_MAX], int *fds,
			  size_t *ret_nr, struct berth_err *err)
{
	ssize_t n =
		berth_fd_recv(sock, buf, BERTH_LAUNCH_MESSAGE_MAX, fds, BERTH_FD_MAX_PASS, ret_nr);

	if (n < 0)
		return berth_err_set(err, (int)n, "receiving the launch message: %s",
				     strerror((int)-n));
	if (n == 0)
		return berth_err_set(err, -ECONNRESET,
				     "receiving the launch message: the supervisor is gone");
	return n;
}

static void close_fds(const int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		close(fds[i]);
}

int berth_launch_recv(int sock, struct berth_launch *ret, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	size_t nr_fds;
	ssize_t n;
	int r;

	berth_launch_init(ret);
	n = recv_bytes(sock, buf, fds, &nr_fds, err);
	if (n < 0)
		return (int)n;
	r = berth_launch_decode(buf, (size_t)n, fds, nr_fds, ret, err);
	if (r < 0) {
		close_fds(fds, nr_fds);
		return r;
	}
	r = check_machine_kinds(ret, err);
	if (r < 0)
		berth_launch_done(ret);
	return r;
}

int berth_launch_recv_devices(int sock, struct berth_launch *l, struct berth_err *err)
{
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];
	size_t nr_fds;
	ssize_t n = recv_bytes(sock, buf, fds, &nr_fds, err);
	int r;

	if (n < 0)
		return (int)n;
	r = berth_launch_decode_devices(buf, (size_t)n, fds, nr_fds, l, err);
	if (r == 0) {
		r = check_device_kinds(l, err);
		if (r == 0)
			return 0;
		l->container_fd = -1;
		forget_devices(l);
	}
	close_fds(fds, nr_fds);
	return r;
}
