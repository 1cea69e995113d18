/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memory the host has to give to a guest: pages in the hugetlb pools, room on a NUMA node, and the node that devices are
 * near to. Asked by the supervisor, before anything is taken from the host; nothing here changes a setting of the host.
 */
#ifndef BERTH_VMM_HOSTMEM_H
#define BERTH_VMM_HOSTMEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/bdf.h"
#include "vmm/backing.h"

struct berth_err;
struct berth_host;

/**
 * berth_hostmem_pool_file() - a memory file with @size bytes of pages of a pool, reserved
 * @pages: a hugetlb kind
 * @size: bytes, a multiple of its pages
 * @ret_fd: owned by the caller; the pages are reserved until the last copy is closed
 *
 * Source: Documentation/admin-guide/mm/hugetlbpage.rst; memfd_create(2), MFD_HUGETLB.
 *
 * Return: 0; -ENOENT this kernel or processor has no pages of that size; -ENOMEM too few are free: the sentence says how many
 *         are there, how many are needed, and the command that makes them; -errno.
 */
int berth_hostmem_pool_file(const struct berth_host *host, enum berth_pages pages, uint64_t size,
			    int *ret_fd, struct berth_err *err);

/**
 * berth_hostmem_check_pool() - the same question without taking anything
 *
 * Return: 0; -ENOENT, -ENOMEM as above.
 */
int berth_hostmem_check_pool(const struct berth_host *host, enum berth_pages pages, uint64_t size,
			     struct berth_err *err);

/**
 * berth_hostmem_check_node() - can this node give @size bytes in such pages
 *
 * For pages that are not of a pool an estimate: free memory, page cache and slabs that the kernel can drop.
 *
 * Return: 0; -ENOENT no such node; -ENOMEM too little, with figures; -errno.
 */
int berth_hostmem_check_node(const struct berth_host *host, int node, enum berth_pages pages,
			     uint64_t size, struct berth_err *err);

/* The node that a function is near to; BERTH_NODE_ANY when the host has one node only, or the firmware did not say. */
int berth_hostmem_device_node(const struct berth_host *host, struct berth_bdf at);

/**
 * berth_hostmem_choose_node() - the node that all devices are near to, if it has room
 * @ret: always set: the node, or BERTH_NODE_ANY
 *
 * Return: 0; -EXDEV the devices are near to different nodes; -ENOMEM the node has too little, with figures. Both are no reason not
 *         to start: memory then comes from any node, and the sentence says why.
 */
int berth_hostmem_choose_node(const struct berth_host *host, const struct berth_bdf *devices,
			      size_t nr, enum berth_pages pages, uint64_t size, int *ret,
			      struct berth_err *err);

#endif
