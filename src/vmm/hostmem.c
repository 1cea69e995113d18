/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/hostmem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"

#define MFD_PAGE_SHIFT 26 /* MFD_HUGE_SHIFT of linux/memfd.h: log2 of the page size goes there */

struct pool {
	char path[96];	      /* below /sys */
	uint64_t total, free; /* pages; those that others reserved are not free */
};

/* The pool of the host, or the part of it on one node. Return: 0; -ENOENT there is none; -errno. */
static int read_pool(const struct berth_host *host, uint64_t page, int node, struct pool *ret)
{
	uint64_t reserved = 0;
	int r;

	if (node == BERTH_NODE_ANY)
		snprintf(ret->path, sizeof(ret->path),
			 "kernel/mm/hugepages/hugepages-%" PRIu64 "kB", page >> 10);
	else
		snprintf(ret->path, sizeof(ret->path),
			 "devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB", node,
			 page >> 10);
	r = berth_sysfs_read_u64(host, &ret->total, "%s/nr_hugepages", ret->path);
	if (r == 0)
		r = berth_sysfs_read_u64(host, &ret->free, "%s/free_hugepages", ret->path);
	/* a node does not know of reservations */
	if (r == 0 && node == BERTH_NODE_ANY)
		r = berth_sysfs_read_u64(host, &reserved, "%s/resv_hugepages", ret->path);
	if (r < 0)
		return r;
	ret->free = ret->free > reserved ? ret->free - reserved : 0;
	return 0;
}

static int too_few(const struct pool *pool, enum berth_pages pages, int node, uint64_t need,
		   struct berth_err *err)
{
	char where[32] = "";

	if (node != BERTH_NODE_ANY)
		snprintf(where, sizeof(where), " on NUMA node %d", node);
	return berth_err_set(
		err, -ENOMEM,
		"memory: %" PRIu64 " pages of %s are needed%s, %" PRIu64 " of %" PRIu64
		" are free; 'echo %" PRIu64 " > /sys/%s/nr_hugepages' makes the missing ones%s",
		need, berth_pages_name(pages), where, pool->free, pool->total,
		pool->total + (need - pool->free), pool->path,
		pages == BERTH_PAGES_1G ?
			", best soon after boot (or on the kernel command line, hugepagesz=1G hugepages=N)" :
			"");
}

static int check_pool(const struct berth_host *host, enum berth_pages pages, int node,
		      uint64_t size, struct berth_err *err)
{
	uint64_t page = berth_pages_hugetlb(pages), need = size / page;
	struct pool pool;
	int r = read_pool(host, page, node, &pool);

	if (r == -ENOENT)
		return berth_err_set(err, r,
				     "memory: this kernel and processor have no pages of %s; "
				     "use --hugepages thp",
				     berth_pages_name(pages));
	if (r < 0)
		return berth_err_set(err, r, "memory: /sys/%s: %s", pool.path, strerror(-r));
	return pool.free < need ? too_few(&pool, pages, node, need, err) : 0;
}

int berth_hostmem_check_pool(const struct berth_host *host, enum berth_pages pages, uint64_t size,
			     struct berth_err *err)
{
	return check_pool(host, pages, BERTH_NODE_ANY, size, err);
}

/* A file has its pages reserved by the first shared mapping of them, and keeps them without it. */
static int reserve(int fd, uint64_t size)
{
	void *map;

	if (ftruncate(fd, (off_t)size) < 0)
		return -errno;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	munmap(map, size);
	return 0;
}

int berth_hostmem_pool_file(const struct berth_host *host, enum berth_pages pages, uint64_t size,
			    int *ret_fd, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int fd = -1;
	unsigned int shift = (unsigned int)__builtin_ctzll(berth_pages_hugetlb(pages));
	int r = berth_hostmem_check_pool(host, pages, size, err);

	if (r < 0)
		return r;
	fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_HUGETLB | shift << MFD_PAGE_SHIFT);
	if (fd < 0)
		return berth_err_set(err, -errno, "memory: a file in pages of %s: %s",
				     berth_pages_name(pages), strerror(errno));
	r = reserve(fd, size);
	/* Somebody was faster: say how many are left now. */
	if (r == -ENOMEM && berth_hostmem_check_pool(host, pages, size, err) < 0)
		return r;
	if (r < 0)
		return berth_err_set(err, r, "memory: reserve %" PRIu64 " pages of %s: %s",
				     size / berth_pages_hugetlb(pages), berth_pages_name(pages),
				     strerror(-r));
	*ret_fd = BERTH_TAKE_FD(fd);
	return 0;
}

/* --- nodes --- */

/* One line of a node's meminfo, in bytes; 0 when it is not there. */
static uint64_t meminfo(const char *text, int node, const char *key)
{
	char head[64];
	const char *at;
	uint64_t kib;

	snprintf(head, sizeof(head), "Node %d %s:", node, key);
	at = strstr(text, head);
	return at && sscanf(at + strlen(head), "%" SCNu64, &kib) == 1 ? kib << 10 : 0;
}

static int check_room(const struct berth_host *host, int node, uint64_t size, struct berth_err *err)
{
	static const char *const givable[] = { "MemFree", "Active(file)", "Inactive(file)",
					       "SReclaimable" };
	char text[4096];
	uint64_t room = 0;
	int r = berth_sysfs_read(host, text, sizeof(text), "devices/system/node/node%d/meminfo",
				 node);

	if (r < 0)
		return berth_err_set(err, r, "memory: NUMA node %d: %s", node, strerror(-r));
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(givable); i++)
		room += meminfo(text, node, givable[i]);
	if (room < size)
		return berth_err_set(err, -ENOMEM,
				     "memory: NUMA node %d can give %" PRIu64 " MiB, %" PRIu64
				     " MiB are needed",
				     node, room >> 20, size >> 20);
	return 0;
}

int berth_hostmem_check_node(const struct berth_host *host, int node, enum berth_pages pages,
			     uint64_t size, struct berth_err *err)
{
	if (!berth_sysfs_exists(host, "devices/system/node/node%d", node))
		return berth_err_set(err, -ENOENT, "memory: this host has no NUMA node %d", node);
	if (berth_pages_hugetlb(pages))
		return check_pool(host, pages, node, size, err);
	return check_room(host, node, size, err);
}

static bool has_more_than_one_node(const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	unsigned int nr = 0, node;

	if (berth_sysfs_list(host, &names, NULL, "devices/system/node") < 0)
		return false;
	for (char **n = names; *n; n++)
		nr += sscanf(*n, "node%u", &node) == 1;
	return nr > 1;
}

int berth_hostmem_device_node(const struct berth_host *host, struct berth_bdf at)
{
	int64_t node;

	if (!has_more_than_one_node(host) ||
	    berth_sysfs_read_i64(host, &node, "bus/pci/devices/%s/numa_node", BERTH_BDF_STR(at)) <
		    0 ||
	    node < 0 || node > BERTH_NODE_MAX)
		return BERTH_NODE_ANY;
	return (int)node;
}

int berth_hostmem_choose_node(const struct berth_host *host, const struct berth_bdf *devices,
			      size_t nr, enum berth_pages pages, uint64_t size, int *ret,
			      struct berth_err *err)
{
	int node = BERTH_NODE_ANY, r;

	*ret = BERTH_NODE_ANY;
	for (size_t i = 0; i < nr; i++) {
		int of = berth_hostmem_device_node(host, devices[i]);

		if (i && of != node)
			return berth_err_set(err, -EXDEV,
					     "memory comes from any NUMA node: devices are near to "
					     "different ones");
		node = of;
	}
	if (node == BERTH_NODE_ANY)
		return 0;
	r = berth_hostmem_check_node(host, node, pages, size, err);
	if (r < 0)
		return berth_err_prefix(
			err, r, "memory comes from any NUMA node, more slowly for the devices");
	*ret = node;
	return 0;
}
