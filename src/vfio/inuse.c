/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/inuse"

#include "vfio/inuse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "vfio/beneath.h"
#include "vfio/holders.h"

#define MAX_PROC_FILE (4u << 20)

static const struct {
	const char *name;
	bool hard;
} codes[BERTH_INUSE_NR_CODES] = {
	[BERTH_INUSE_ROOT_DISK] = { "root-disk", true },
	[BERTH_INUSE_MOUNTED] = { "mounted", true },
	[BERTH_INUSE_SWAP] = { "swap", true },
	[BERTH_INUSE_HELD_BLOCK] = { "block-held", true },
	[BERTH_INUSE_DEFAULT_ROUTE] = { "default-route", true },
	[BERTH_INUSE_CONSOLE] = { "console", true },
	[BERTH_INUSE_VFS_ENABLED] = { "vfs-enabled", true },
	[BERTH_INUSE_HELD_NODE] = { "node-held", true },
	[BERTH_INUSE_OPEN_NODE] = { "open-node", false },
	[BERTH_INUSE_LINK_UP] = { "link-up", false },
};

const char *berth_inuse_code_name(enum berth_inuse_code code)
{
	return codes[code].name;
}

bool berth_inuse_code_is_hard(enum berth_inuse_code code)
{
	return codes[code].hard;
}

/* --- collecting --- */

struct finder {
	const struct berth_host *host;
	struct berth_inuse *inuse;
	size_t size;
};

/* One reason per function, code and process; the first one found stays. */
static bool has_reason(const struct berth_inuse *inuse, struct berth_bdf at,
		       enum berth_inuse_code code, pid_t pid)
{
	for (size_t i = 0; i < inuse->nr; i++) {
		const struct berth_inuse_reason *r = &inuse->reasons[i];

		if (berth_bdf_eq(r->at, at) && r->code == code && r->pid == pid)
			return true;
	}
	return false;
}

static int __attribute__((format(printf, 5, 6)))
found(struct finder *f, struct berth_bdf at, enum berth_inuse_code code, pid_t pid, const char *fmt,
      ...)
{
	struct berth_inuse *inuse = f->inuse;
	struct berth_inuse_reason *reason;
	va_list ap;
	int n;

	if (has_reason(inuse, at, code, pid))
		return 0;
	if (inuse->nr == f->size) {
		size_t size = 2 * f->size + 16;
		struct berth_inuse_reason *bigger = realloc(inuse->reasons, size * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		inuse->reasons = bigger;
		f->size = size;
	}
	reason = &inuse->reasons[inuse->nr++];
	*reason = (struct berth_inuse_reason){ .at = at, .code = code, .pid = pid };
	n = snprintf(reason->sentence, sizeof(reason->sentence), "%s ", BERTH_BDF_STR(at));
	va_start(ap, fmt);
	vsnprintf(reason->sentence + n, sizeof(reason->sentence) - (size_t)n, fmt, ap);
	va_end(ap);
	return 0;
}

/* --- disks --- */

/* "/dev/mapper/vg-root" → "class/block/dm-0"; "/dev/nvme0n1p2" → "class/block/nvme0n1p2". Return: 0 or -ENOENT. */
static int block_link(const struct berth_host *host, const char *source, char *buf, size_t size)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	const char *name = strncmp(source, "/dev/", 5) == 0 ? source + 5 : NULL;
	bool mapper = name && strncmp(name, "mapper/", 7) == 0;
	int r;

	if (!name || !*name)
		return -ENOENT;
	if (!mapper) {
		snprintf(buf, size, "class/block/%s", name);
		return strchr(name, '/') || !berth_sysfs_exists(host, "%s", buf) ? -ENOENT : 0;
	}
	r = berth_sysfs_list(host, &names, NULL, "class/block");
	for (size_t i = 0; r == 0 && names[i]; i++) {
		char dm[256];

		if (berth_sysfs_read(host, dm, sizeof(dm), "class/block/%s/dm/name", names[i]) >
			    0 &&
		    strcmp(dm, name + 7) == 0) {
			snprintf(buf, size, "class/block/%s", names[i]);
			return 0;
		}
	}
	return -ENOENT;
}

/* Blame @link's functions. A device that has gone (-ENOENT) blames nobody. */
static int blame_block(struct finder *f, const char *link, enum berth_inuse_code code,
		       const char *verb, const char *what, const char *source)
{
	struct berth_beneath set = { .nr = 0 };
	int r = berth_beneath_block(f->host, link, &set);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && i < set.nr; i++)
		r = found(f, set.at[i], code, 0, "%s %s (%s)", verb, what, source);
	return r;
}

/* A 9p mount over virtio names the mount tag of its device (net/9p/trans_virtio.c). */
static int blame_9p(struct finder *f, enum berth_inuse_code code, const char *what,
		    const char *source)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	int r;

	r = berth_sysfs_list(f->host, &names, NULL, "bus/virtio/drivers/9pnet_virtio");
	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		char tag[256], link[300];
		struct berth_bdf at;

		if (berth_sysfs_read(f->host, tag, sizeof(tag),
				     "bus/virtio/drivers/9pnet_virtio/%s/mount_tag",
				     names[i]) <= 0 ||
		    strcmp(tag, source) != 0)
			continue;
		snprintf(link, sizeof(link), "bus/virtio/drivers/9pnet_virtio/%.200s", names[i]);
		if (berth_beneath_class(f->host, link, &at) == 0)
			r = found(f, at, code, 0, "carries %s (9p, tag %s)", what, source);
	}
	return r;
}

/* proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static int take_mount(struct finder *f, char *line)
{
	char dev[32], point[PATH_MAX], type[64], source[PATH_MAX], link[PATH_MAX];
	enum berth_inuse_code code;
	char *sep = strstr(line, " - ");

	if (!sep || sscanf(line, "%*s %*s %31s %*s %4095s", dev, point) != 2 ||
	    sscanf(sep + 3, "%63s %4095s", type, source) != 2)
		return -EBADMSG;
	code = strcmp(point, "/") == 0 ? BERTH_INUSE_ROOT_DISK : BERTH_INUSE_MOUNTED;
	if (strcmp(type, "9p") == 0)
		return blame_9p(f, code, point, source);
	/* Major 0 is no block device: btrfs and others hide theirs, and name it as the source. */
	if (strncmp(dev, "0:", 2) == 0) {
		if (block_link(f->host, source, link, sizeof(link)) < 0)
			return 0;
	} else {
		snprintf(link, sizeof(link), "dev/block/%s", dev);
	}
	return blame_block(f, link, code, "carries", point, source);
}

static int for_lines(struct finder *f, char *text, int (*take)(struct finder *f, char *line))
{
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save))
		r = take(f, line);
	return r;
}

static int find_mounts(struct finder *f, const char *table, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	int r;

	if (f->host->proc_fd < 0)
		return berth_err_set(err, -ENOENT, "/proc/%s: there is no /proc", table);
	r = berth_read_file(f->host->proc_fd, table, MAX_PROC_FILE, &text, NULL);
	if (r == 0)
		r = for_lines(f, text, take_mount);
	if (r < 0)
		return berth_err_set(err, r, "/proc/%s: %s; without it no disk is known to be free",
				     table, strerror(-r));
	return 0;
}

/* Every member of a btrfs in use is in sysfs; mountinfo names one. */
static int find_btrfs(struct finder *f)
{
	BERTH_CLEANUP(berth_freep) char **fs = NULL;
	int r = berth_sysfs_list(f->host, &fs, NULL, "fs/btrfs");

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && fs[i]; i++) {
		BERTH_CLEANUP(berth_freep) char **devices = NULL;

		if (berth_sysfs_list(f->host, &devices, NULL, "fs/btrfs/%s/devices", fs[i]) < 0)
			continue;
		for (size_t k = 0; r == 0 && devices[k]; k++) {
			char link[PATH_MAX];

			snprintf(link, sizeof(link), "class/block/%s", devices[k]);
			r = blame_block(f, link, BERTH_INUSE_MOUNTED, "is part of btrfs", fs[i],
					devices[k]);
		}
	}
	return r;
}

/* "/dev/nvme0n1p3 partition 8388604 0 -2"; a swap file lies on a mounted file system and is found there. */
static int take_swap(struct finder *f, char *line)
{
	char source[PATH_MAX], link[PATH_MAX];

	if (sscanf(line, "%4095s", source) != 1 ||
	    block_link(f->host, source, link, sizeof(link)) < 0)
		return 0;
	return blame_block(f, link, BERTH_INUSE_SWAP, "carries", "swap", source);
}

/* May the kernel claim the disk for us alone? Mounts in other namespaces and ZFS show here and nowhere else. */
static int ask_claim(struct finder *f, const char *name, struct berth_bdf at)
{
	int fd;

	if (f->host->dev_fd < 0 || !berth_host_is_real(f->host))
		return 0;
	fd = openat(f->host->dev_fd, name, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno != EBUSY)
		return 0;
	return found(f, at, BERTH_INUSE_HELD_BLOCK, 0,
		     "holds disk %s, which the kernel says is in use", name);
}

static int find_held_disks(struct finder *f, bool ask)
{
	BERTH_CLEANUP(berth_freep) char **disks = NULL;
	int r = berth_sysfs_list(f->host, &disks, NULL, "class/block");

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && disks[i]; i++) {
		BERTH_CLEANUP(berth_freep) char **holders = NULL;
		char link[PATH_MAX];
		struct berth_bdf at;

		snprintf(link, sizeof(link), "class/block/%s", disks[i]);
		if (berth_beneath_class(f->host, link, &at) < 0)
			continue;
		if (berth_sysfs_list(f->host, &holders, NULL, "%s/holders", link) == 0 &&
		    holders[0])
			r = found(f, at, BERTH_INUSE_HELD_BLOCK, 0, "holds disk %s, part of %s",
				  disks[i], holders[0]);
		else if (ask && !berth_sysfs_exists(f->host, "%s/partition", link))
			r = ask_claim(f, disks[i], at);
	}
	return r;
}

static int find_disks(struct finder *f, bool holders, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *swaps = NULL;
	int r = find_mounts(f, "self/mountinfo", err);

	if (r < 0)
		return r;
	/* Those of init too: we may be in a namespace of our own. Not readable for everyone. */
	if (faccessat(f->host->proc_fd, "1/mountinfo", R_OK, AT_EACCESS) == 0)
		r = find_mounts(f, "1/mountinfo", NULL);
	if (r == -ENOMEM)
		return r;
	r = find_btrfs(f);
	if (r == 0 && berth_read_file(f->host->proc_fd, "swaps", MAX_PROC_FILE, &swaps, NULL) == 0)
		r = for_lines(f, swaps, take_swap);
	return r == 0 ? find_held_disks(f, holders && geteuid() == 0) : r;
}

/* --- network --- */

static int blame_route(struct finder *f, const char *interface, const char *family)
{
	struct berth_beneath set = { .nr = 0 };
	int r = berth_beneath_net(f->host, interface, &set);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && i < set.nr; i++)
		r = found(f, set.at[i], BERTH_INUSE_DEFAULT_ROUTE, 0,
			  "carries the %s default route (%s)", family, interface);
	return r;
}

/* linux/route.h: RTF_UP, RTF_REJECT */
#define ROUTE_UP     0x1u
#define ROUTE_REJECT 0x200u

/* "eth0 00000000 0102000A 0003 0 0 100 00000000 0 0 0" */
static int take_route4(struct finder *f, char *line)
{
	unsigned int dest, flags, mask;
	char name[64];

	if (sscanf(line, "%63s %x %*x %x %*d %*d %*d %x", name, &dest, &flags, &mask) != 4)
		return 0; /* the heading */
	if (dest || mask || !(flags & ROUTE_UP) || (flags & ROUTE_REJECT))
		return 0;
	return blame_route(f, name, "IPv4");
}

/* destination, its length, source, its length, next hop, metric, references, use, flags, name; all hexadecimal */
static int take_route6(struct finder *f, char *line)
{
	char dest[64], name[64];
	unsigned int len, flags;

	if (sscanf(line, "%63s %x %*s %*x %*s %*x %*x %*x %x %63s", dest, &len, &flags, name) != 4)
		return 0;
	if (len || dest[strspn(dest, "0")] || !(flags & ROUTE_UP) || (flags & ROUTE_REJECT) ||
	    strcmp(name, "lo") == 0)
		return 0;
	return blame_route(f, name, "IPv6");
}

static int find_routes(struct finder *f, const char *table,
		       int (*take)(struct finder *f, char *line), struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	int r = berth_read_file(f->host->proc_fd, table, MAX_PROC_FILE, &text, NULL);

	/* A kernel without this family has no table. */
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = for_lines(f, text, take);
	if (r < 0)
		return berth_err_set(err, r,
				     "/proc/%s: %s; without it no network card is known to be free",
				     table, strerror(-r));
	return 0;
}

static int find_links(struct finder *f)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	int r = berth_sysfs_list(f->host, &names, NULL, "class/net");

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		char link[300], state[32];
		struct berth_bdf at;

		snprintf(link, sizeof(link), "class/net/%.200s", names[i]);
		if (berth_beneath_class(f->host, link, &at) == 0 &&
		    berth_sysfs_read(f->host, state, sizeof(state), "%s/operstate", link) > 0 &&
		    strcmp(state, "up") == 0)
			r = found(f, at, BERTH_INUSE_LINK_UP, 0, "has its interface %s up",
				  names[i]);
	}
	return r;
}

/* --- the screen --- */

/* Do kernel messages and login prompts go to a screen at all? /proc/consoles: "tty0 -WU (EC p ) 4:1" */
static bool has_screen_console(const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;

	if (berth_read_file(host->proc_fd, "consoles", 64 * 1024, &text, NULL) < 0)
		return true; /* unknown: assume that somebody looks at it */
	return strncmp(text, "tty0 ", 5) == 0 || strstr(text, "\ntty0 ");
}

/* Is a console driver with @word in its name bound to the virtual terminals? "(M) frame buffer device", "(S) VGA+" */
static bool console_bound(const struct berth_host *host, const char *word)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;

	if (berth_sysfs_list(host, &names, NULL, "class/vtconsole") < 0)
		return false;
	for (size_t i = 0; names[i]; i++) {
		char name[64];
		uint64_t bound;

		if (berth_sysfs_read(host, name, sizeof(name), "class/vtconsole/%s/name",
				     names[i]) > 0 &&
		    strstr(name, word) &&
		    berth_sysfs_read_u64(host, &bound, "class/vtconsole/%s/bind", names[i]) == 0 &&
		    bound)
			return true;
	}
	return false;
}

/* The function that firmware put its picture on: for screens of platform devices, which name no function. */
static bool find_boot_vga(const struct berth_host *host, struct berth_bdf *ret)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;

	if (berth_sysfs_list(host, &names, NULL, "bus/pci/devices") < 0)
		return false;
	for (size_t i = 0; names[i]; i++) {
		uint64_t flag;

		if (berth_sysfs_read_u64(host, &flag, "bus/pci/devices/%s/boot_vga", names[i]) ==
			    0 &&
		    flag && berth_bdf_parse(names[i], ret) == 0)
			return true;
	}
	return false;
}

/* The frame buffer console shows itself on fb0, whatever other frame buffers there are. */
static int find_console(struct finder *f)
{
	struct berth_bdf at;

	if (!has_screen_console(f->host))
		return 0;
	if (console_bound(f->host, "frame buffer")) {
		if (berth_beneath_class(f->host, "class/graphics/fb0", &at) == 0 ||
		    (berth_sysfs_exists(f->host, "class/graphics/fb0") &&
		     find_boot_vga(f->host, &at)))
			return found(f, at, BERTH_INUSE_CONSOLE, 0,
				     "shows the host's console (frame buffer fb0)");
		return 0;
	}
	if (console_bound(f->host, "VGA") && find_boot_vga(f->host, &at))
		return found(f, at, BERTH_INUSE_CONSOLE, 0, "shows the host's console (VGA text)");
	return 0;
}

/* --- SR-IOV, open nodes --- */

static int find_vfs(struct finder *f)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	int r = berth_sysfs_list(f->host, &names, NULL, "bus/pci/devices");

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; r == 0 && names[i]; i++) {
		struct berth_bdf at;
		uint64_t nr;

		if (berth_sysfs_read_u64(f->host, &nr, "bus/pci/devices/%s/sriov_numvfs",
					 names[i]) == 0 &&
		    nr && berth_bdf_parse(names[i], &at) == 0)
			r = found(f, at, BERTH_INUSE_VFS_ENABLED, 0,
				  "has %llu virtual functions; 'berth sriov set %s --vfs 0' "
				  "removes them",
				  (unsigned long long)nr, names[i]);
	}
	return r;
}

static int take_holder(const struct berth_holder *holder, void *data)
{
	struct finder *f = data;

	return found(f, holder->at, holder->hard ? BERTH_INUSE_HELD_NODE : BERTH_INUSE_OPEN_NODE,
		     holder->pid, "is open in process %d (%s) as %s", (int)holder->pid,
		     holder->comm, holder->node);
}

/* --- the answer --- */

static int by_place_and_code(const void *a, const void *b)
{
	const struct berth_inuse_reason *x = a, *y = b;
	int r = berth_bdf_cmp(&x->at, &y->at);

	return r ? r : (int)x->code - (int)y->code;
}

static int find_all(struct finder *f, bool holders, struct berth_err *err)
{
	int r = find_disks(f, holders, err);

	if (r == 0)
		r = find_routes(f, "net/route", take_route4, err);
	if (r == 0)
		r = find_routes(f, "net/ipv6_route", take_route6, err);
	if (r == 0)
		r = find_links(f);
	if (r == 0)
		r = find_console(f);
	if (r == 0)
		r = find_vfs(f);
	if (r == 0 && holders)
		r = berth_holders_scan(f->host, take_holder, f);
	return r;
}

int berth_inuse_read(struct berth_inuse **ret, const struct berth_host *host, bool holders,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_inuse_freep) struct berth_inuse *inuse = calloc(1, sizeof(*inuse));
	struct finder f = { .host = host, .inuse = inuse };
	int r;

	if (!inuse)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = find_all(&f, holders, err);
	if (r < 0)
		return berth_err_prefix(err, r, "finding out what the host stands on");
	if (inuse->nr)
		qsort(inuse->reasons, inuse->nr, sizeof(*inuse->reasons), by_place_and_code);
	*ret = BERTH_TAKE_PTR(inuse);
	return 0;
}

void berth_inuse_free(struct berth_inuse *inuse)
{
	if (!inuse)
		return;
	free(inuse->reasons);
	free(inuse);
}

const struct berth_inuse_reason *berth_inuse_next(const struct berth_inuse *inuse,
						  struct berth_bdf at,
						  const struct berth_inuse_reason *after)
{
	for (size_t i = after ? (size_t)(after - inuse->reasons) + 1 : 0; i < inuse->nr; i++) {
		if (berth_bdf_eq(inuse->reasons[i].at, at))
			return &inuse->reasons[i];
	}
	return NULL;
}

const struct berth_inuse_reason *berth_inuse_hard(const struct berth_inuse *inuse,
						  struct berth_bdf at)
{
	const struct berth_inuse_reason *reason = NULL;

	while ((reason = berth_inuse_next(inuse, at, reason))) {
		if (codes[reason->code].hard)
			return reason;
	}
	return NULL;
}
