/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "iommu/group.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/sysfs.h"

#define GROUPS "kernel/iommu_groups"

/* A group's number as sysfs writes it. Return: -1 for anything else. */
static int parse_id(const char *text)
{
	char *end;
	long id;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	id = strtol(text, &end, 10);
	return errno || *end || id > INT_MAX ? -1 : (int)id;
}

int berth_group_of(const struct berth_host *host, struct berth_bdf at)
{
	char name[32];
	int r;

	r = berth_sysfs_link_name(host, name, sizeof(name), "bus/pci/devices/%s/iommu_group",
				  BERTH_BDF_STR(at));
	if (r < 0)
		return r;
	r = parse_id(name);
	return r < 0 ? -EINVAL : r;
}

static bool parse_hex(const char **p, uint64_t *ret)
{
	char *end;

	if (strncmp(*p, "0x", 2) != 0)
		return false;
	errno = 0;
	*ret = strtoull(*p, &end, 16);
	if (errno || end == *p + 2)
		return false;
	*p = end;
	return true;
}

/* "0x00000000fee00000 0x00000000feefffff msi" */
bool berth_group_parse_resv(const char *line, struct berth_group_resv *ret)
{
	struct berth_group_resv r;
	const char *p = line;
	size_t n;

	if (!parse_hex(&p, &r.start) || *p++ != ' ' || !parse_hex(&p, &r.last) || *p++ != ' ')
		return false;
	n = strcspn(p, "\n");
	if (n == 0 || n >= sizeof(r.type) || r.last < r.start)
		return false;
	memcpy(r.type, p, n);
	r.type[n] = '\0';
	*ret = r;
	return true;
}

static int by_bdf(const void *a, const void *b)
{
	return berth_bdf_cmp(a, b);
}

static int read_members(struct berth_group *g, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	size_t nr;
	int r;

	r = berth_sysfs_list(host, &names, &nr, GROUPS "/%d/devices", g->id);
	if (r < 0)
		return r;
	g->members = calloc(nr + 1, sizeof(*g->members));
	if (!g->members)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		if (berth_bdf_parse(names[i], &g->members[g->nr_members]) == 0)
			g->nr_members++;
		else
			g->nr_foreign++;
	}
	if (g->nr_members)
		qsort(g->members, g->nr_members, sizeof(*g->members), by_bdf);
	return 0;
}

/* Kernels before 4.11 have no such file: then nothing is known to be reserved. */
static int read_resv(struct berth_group *g, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char *text = NULL;
	char path[64];
	size_t lines = 1;
	int r;

	snprintf(path, sizeof(path), GROUPS "/%d/reserved_regions", g->id);
	r = berth_read_file(host->sys_fd, path, 64 * 1024, &text, NULL);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	g->resv = calloc(lines, sizeof(*g->resv));
	if (!g->resv)
		return -ENOMEM;
	for (const char *p = text; *p;) {
		if (berth_group_parse_resv(p, &g->resv[g->nr_resv]))
			g->nr_resv++;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return 0;
}

int berth_group_read(struct berth_group **ret, const struct berth_host *host, int id,
		     struct berth_err *err)
{
	BERTH_CLEANUP(berth_group_freep) struct berth_group *g = calloc(1, sizeof(*g));
	char name[32];
	int r;

	if (!g)
		return berth_err_set(err, -ENOMEM, "out of memory");
	g->id = id;
	r = read_members(g, host);
	if (r == -ENOENT)
		return berth_err_set(
			err, r, "IOMMU group %d does not exist; 'berth groups' lists them", id);
	if (r == 0)
		r = read_resv(g, host);
	if (r < 0)
		return berth_err_set(err, r, "reading IOMMU group %d: %s", id, strerror(-r));
	berth_sysfs_read(host, g->type, sizeof(g->type), GROUPS "/%d/type", id);
	/* vfio names the groups that it makes itself (drivers/vfio/group.c, vfio_noiommu_group_alloc). */
	berth_sysfs_read(host, name, sizeof(name), GROUPS "/%d/name", id);
	g->noiommu = strcmp(name, "vfio-noiommu") == 0;
	*ret = BERTH_TAKE_PTR(g);
	return 0;
}

void berth_group_free(struct berth_group *g)
{
	if (!g)
		return;
	free(g->members);
	free(g->resv);
	free(g);
}

bool berth_group_holds(const struct berth_group *g, struct berth_bdf at)
{
	for (size_t i = 0; i < g->nr_members; i++) {
		if (berth_bdf_eq(g->members[i], at))
			return true;
	}
	return false;
}

const struct berth_group_resv *berth_group_resv_of_type(const struct berth_group *g,
							const char *type)
{
	for (size_t i = 0; i < g->nr_resv; i++) {
		if (strcmp(g->resv[i].type, type) == 0)
			return &g->resv[i];
	}
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

int berth_group_list(const struct berth_host *host, int **ret, size_t *ret_nr)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	size_t nr = 0, found = 0;
	int *ids;
	int r;

	r = berth_sysfs_list(host, &names, &nr, GROUPS);
	if (r < 0 && r != -ENOENT)
		return r;
	ids = calloc(nr + 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		int id = parse_id(names[i]);

		if (id >= 0)
			ids[found++] = id;
	}
	qsort(ids, found, sizeof(*ids), by_number);
	*ret = ids;
	*ret_nr = found;
	return 0;
}
