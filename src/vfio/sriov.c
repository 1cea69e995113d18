/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/sriov"

#include "vfio/sriov.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"

#define DEV "bus/pci/devices/%s"

static bool is_function(const struct berth_host *host, const char *name)
{
	return berth_sysfs_exists(host, DEV, name);
}

/* An attribute that old kernels lack. */
static unsigned int optional_number(const struct berth_host *host, const char *name,
				    const char *attribute, int base)
{
	char text[32], *end;
	unsigned long value;

	if (berth_sysfs_read(host, text, sizeof(text), DEV "/%s", name, attribute) <= 0)
		return 0;
	value = strtoul(text, &end, base);
	return *end || value > UINT16_MAX ? 0 : (unsigned int)value;
}

static int read_count(const struct berth_host *host, const char *name, const char *attribute,
		      unsigned int *ret, struct berth_err *err)
{
	uint64_t value;
	int r = berth_sysfs_read_u64(host, &value, DEV "/%s", name, attribute);

	if (r == 0 && value > BERTH_SRIOV_MAX_VFS)
		r = -ERANGE;
	if (r < 0)
		return berth_err_set(err, r, "%s: reading %s: %s", name, attribute, strerror(-r));
	*ret = (unsigned int)value;
	return 0;
}

int berth_sriov_read(const struct berth_host *host, struct berth_bdf at, struct berth_sriov *ret,
		     struct berth_err *err)
{
	const char *name = BERTH_BDF_STR(at);
	struct berth_sriov pf = { .at = at };
	uint64_t autoprobe;
	int r;

	if (!is_function(host, name))
		return berth_err_set(err, -ENODEV, "%s: there is no such PCI function", name);
	if (berth_sysfs_exists(host, DEV "/physfn", name))
		return berth_err_set(err, BERTH_ABSENT,
				     "%s is a virtual function; name its physical function", name);
	if (!berth_sysfs_exists(host, DEV "/sriov_totalvfs", name))
		return berth_err_set(err, BERTH_ABSENT, "%s has no SR-IOV capability", name);
	r = read_count(host, name, "sriov_totalvfs", &pf.total, err);
	if (r == 0)
		r = read_count(host, name, "sriov_numvfs", &pf.num, err);
	if (r < 0)
		return r;
	pf.offset = optional_number(host, name, "sriov_offset", 10);
	pf.stride = optional_number(host, name, "sriov_stride", 10);
	/* printed as "%x" without 0x: drivers/pci/iov.c, sriov_vf_device_show() */
	pf.vf_device_id = (uint16_t)optional_number(host, name, "sriov_vf_device", 16);
	r = berth_sysfs_read_u64(host, &autoprobe, DEV "/sriov_drivers_autoprobe", name);
	if (r < 0)
		return berth_err_set(err, r, "%s: reading sriov_drivers_autoprobe: %s", name,
				     strerror(-r));
	pf.autoprobe = autoprobe != 0;
	(void)berth_sysfs_link_name(host, pf.driver, sizeof(pf.driver), DEV "/driver", name);
	*ret = pf;
	return 0;
}

int berth_sriov_vf(const struct berth_host *host, struct berth_bdf pf, unsigned int index,
		   struct berth_bdf *ret)
{
	char name[32];
	int r = berth_sysfs_link_name(host, name, sizeof(name), DEV "/virtfn%u", BERTH_BDF_STR(pf),
				      index);

	if (r == -ENOENT)
		return BERTH_ABSENT;
	return r < 0 ? r : berth_bdf_parse(name, ret);
}

int berth_sriov_pf_of(const struct berth_host *host, struct berth_bdf vf, struct berth_bdf *ret_pf,
		      unsigned int *ret_index)
{
	struct berth_bdf pf, other;
	char name[32];
	uint64_t num;
	int r;

	r = berth_sysfs_link_name(host, name, sizeof(name), DEV "/physfn", BERTH_BDF_STR(vf));
	if (r == -ENOENT)
		return BERTH_ABSENT;
	if (r >= 0)
		r = berth_bdf_parse(name, &pf);
	if (r == 0)
		r = berth_sysfs_read_u64(host, &num, DEV "/sriov_numvfs", name);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < num && i < BERTH_SRIOV_MAX_VFS; i++) {
		if (berth_sriov_vf(host, pf, i, &other) || !berth_bdf_eq(other, vf))
			continue;
		*ret_pf = pf;
		*ret_index = i;
		return 0;
	}
	return -ENODEV;
}

int berth_sriov_vf_expected(const struct berth_sriov *pf, unsigned int index, struct berth_bdf *ret)
{
	unsigned int rid;

	if (pf->offset == 0 || (index > 0 && pf->stride == 0) || index >= BERTH_SRIOV_MAX_VFS)
		return -ERANGE;
	rid = (unsigned int)pf->at.bus << 8 | (unsigned int)pf->at.dev << 3 | pf->at.fn;
	if (__builtin_add_overflow(rid, pf->offset + index * pf->stride, &rid) || rid > UINT16_MAX)
		return -ERANGE;
	*ret = (struct berth_bdf){ .domain = pf->at.domain,
				   .bus = (uint8_t)(rid >> 8),
				   .dev = (rid >> 3) & 0x1f,
				   .fn = rid & 7 };
	return 0;
}

unsigned int berth_sriov_deadline_ms(unsigned int num)
{
	return 3 * BERTH_SYSFS_DEADLINE_MS + num * 500;
}

int berth_sriov_autoprobe(const struct berth_host *host, struct berth_bdf pf, bool on,
			  struct berth_err *err)
{
	return berth_sysfs_write(host, on ? "1" : "0", BERTH_SYSFS_DEADLINE_MS, err,
				 DEV "/sriov_drivers_autoprobe", BERTH_BDF_STR(pf));
}

static int write_count(const struct berth_host *host, const char *name, unsigned int num,
		       unsigned int deadline_ms, struct berth_err *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", num);
	return berth_sysfs_write(host, text, deadline_ms, err, DEV "/sriov_numvfs", name);
}

static unsigned int count_links(const struct berth_host *host, struct berth_bdf pf,
				unsigned int num)
{
	unsigned int found = 0;
	struct berth_bdf vf;

	for (unsigned int i = 0; i < num; i++) {
		if (berth_sriov_vf(host, pf, i, &vf) == 0 && is_function(host, BERTH_BDF_STR(vf)))
			found++;
	}
	return found;
}

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Drivers may accept the number and make the functions later, or make fewer. */
static int await_vfs(const struct berth_host *host, struct berth_bdf pf, unsigned int num,
		     unsigned int deadline_ms, struct berth_err *err)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	long long end = now_ms() + deadline_ms;
	unsigned int found;

	while ((found = count_links(host, pf, num)) < num) {
		if (now_ms() >= end)
			return berth_err_set(
				err, -ETIMEDOUT,
				"%s: only %u of %u virtual functions appeared within %u ms",
				BERTH_BDF_STR(pf), found, num, deadline_ms);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int ask_guard(const struct berth_host *host, const struct berth_sriov *pf,
		     berth_sriov_guard_fn *guard, void *ctx, struct berth_err *err)
{
	struct berth_bdf vf;
	int r;

	for (unsigned int i = 0; guard && i < pf->num; i++) {
		r = berth_sriov_vf(host, pf->at, i, &vf);
		if (r == 0)
			r = guard(ctx, vf, i, err);
		if (r != 0 && r != BERTH_ABSENT)
			return berth_err_prefix(err, r, "VF %u of %s", i, BERTH_BDF_STR(pf->at));
	}
	return 0;
}

/* Has the driver not answered? Then each further write would wait for it, too. */
static bool is_left(const struct berth_host *host, int r)
{
	return r == -ETIMEDOUT && (!host->slow_write || host->slow_write->left);
}

/* The steps of berth_sriov_set() after all questions were asked; each failure undoes what went before. */
static int change_count(const struct berth_host *host, const struct berth_sriov *pf,
			unsigned int num, unsigned int deadline_ms, struct berth_err *err)
{
	const char *name = BERTH_BDF_STR(pf->at);
	int r, u;

	r = berth_sriov_autoprobe(host, pf->at, false, err);
	if (r < 0)
		return r;
	if (pf->num > 0) {
		r = write_count(host, name, 0, deadline_ms, err);
		if (is_left(host, r))
			return r;
		if (r < 0)
			goto undo_autoprobe;
	}
	if (num > 0) {
		r = write_count(host, name, num, deadline_ms, err);
		if (is_left(host, r))
			return r;
		if (r < 0)
			goto undo_count;
		r = await_vfs(host, pf->at, num, deadline_ms, err);
		if (r < 0)
			goto undo_new;
	}
	return 0;

undo_new:
	u = write_count(host, name, 0, deadline_ms, NULL);
	if (u < 0)
		log_warn("%s: removing the VFs again: %s", name, strerror(-u));
undo_count:
	u = pf->num > 0 ? write_count(host, name, pf->num, deadline_ms, NULL) : 0;
	if (u < 0)
		log_warn("%s: going back to %u VFs: %s", name, pf->num, strerror(-u));
undo_autoprobe:
	u = pf->autoprobe ? berth_sriov_autoprobe(host, pf->at, true, NULL) : 0;
	if (u < 0)
		log_warn("%s: restoring sriov_drivers_autoprobe: %s", name, strerror(-u));
	return r;
}

int berth_sriov_set(const struct berth_host *host, struct berth_bdf at, unsigned int num,
		    berth_sriov_guard_fn *guard, void *ctx, unsigned int deadline_ms,
		    struct berth_err *err)
{
	struct berth_sriov pf;
	int r = berth_sriov_read(host, at, &pf, err);

	if (r)
		return r;
	if (num > pf.total)
		return berth_err_set(
			err, -ERANGE,
			"%s: %u virtual functions wanted, %u is the most the device and its driver %s allow",
			BERTH_BDF_STR(at), num, pf.total, pf.driver[0] ? pf.driver : "(none)");
	if (num == pf.num)
		return 0;
	if (num > 0 && !pf.driver[0])
		return berth_err_set(
			err, -ENODEV,
			"%s: has no driver, and its driver is what makes virtual functions; bind it first",
			BERTH_BDF_STR(at));
	r = ask_guard(host, &pf, guard, ctx, err);
	return r ? r : change_count(host, &pf, num, deadline_ms, err);
}
