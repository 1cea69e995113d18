/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "iommu/ioas.h"
#include "vfio/caps.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/proof.h"
#include "vfio/region.h"
#include "vfio/scrub.h"

/* More functions than this on one bus need ARI and are VFs, which no bus reset is for. */
#define MAX_DEPENDENTS 256
/* PCIe Base 6.0, 6.6.1: a function answers within 1 s of the end of a reset. */
#define ANSWER_MS 1000
#define POLL_MS	  10

const char *berth_reset_method_name(enum berth_reset_method method)
{
	switch (method) {
	case BERTH_RESET_NONE:
		return "none";
	case BERTH_RESET_OPEN:
		return "open";
	case BERTH_RESET_FUNCTION:
		return "function";
	case BERTH_RESET_HOT:
		return "hot";
	case BERTH_RESET_SYSFS:
		return "sysfs";
	}
	return "?";
}

static const char *in_words(enum berth_reset_method method)
{
	switch (method) {
	case BERTH_RESET_NONE:
		return "not reset";
	case BERTH_RESET_OPEN:
		return "reset by the kernel at open";
	case BERTH_RESET_FUNCTION:
		return "function reset";
	case BERTH_RESET_HOT:
		return "bus reset";
	case BERTH_RESET_SYSFS:
		return "reset through sysfs";
	}
	return "?";
}

/* A function's config space. Written through VFIO while it is open, else through sysfs. */
struct view {
	const struct berth_host *host; /* read through its sysfs; NULL: through VFIO */
	struct berth_vfio_device *dev; /* NULL: fd */
	int fd;
	struct berth_bdf at;
};

static size_t view_read(const struct view *v, uint8_t *buf, size_t len)
{
	if (v->host)
		return berth_proof_read(v->host, v->at, buf, len);
	memset(buf, 0xff, len);
	berth_vfio_region_read(v->dev, berth_vfio_device_region(v->dev, BERTH_VFIO_REGION_CONFIG),
			       0, buf, len);
	return len;
}

static void view_write16(const struct view *v, unsigned int offset, uint16_t value)
{
	uint8_t b[2] = { (uint8_t)value, (uint8_t)(value >> 8) };

	if (berth_failpoint_before("config", "quiesce", NULL) < 0)
		return; /* as any failure here, seen when it is read back */
	if (v->dev)
		berth_vfio_device_config_write(v->dev, offset, value, 2);
	else if (pwrite(v->fd, b, 2, offset) != 2)
		return;
	(void)berth_failpoint_after("config", "quiesce", NULL);
}

static uint16_t get16(const uint8_t *config, unsigned int at)
{
	return (uint16_t)(config[at] | config[at + 1] << 8);
}

/*
 * Before a reset: no decoding, no DMA, full power. A reset restores the registers that the kernel saved just before it, so
 * this also decides what they are afterwards.
 */
static void quiesce(const struct view *v)
{
	uint8_t config[BERTH_CONFIG_PCI];
	uint16_t pm;

	view_read(v, config, sizeof(config));
	if (get16(config, PCI_STATUS) == 0xffff)
		return;
	view_write16(v, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	pm = berth_caps_find(config, sizeof(config), PCI_CAP_ID_PM);
	if (pm && pm + PCI_PM_CTRL + 2u <= sizeof(config) &&
	    (get16(config, pm + PCI_PM_CTRL) & PCI_PM_CTRL_STATE_MASK))
		view_write16(v, pm + PCI_PM_CTRL,
			     get16(config, pm + PCI_PM_CTRL) & ~PCI_PM_CTRL_STATE_MASK);
}

/* Read back what a reset must have left, and say it. @any_power: idle functions under runtime PM may be in D3hot. */
static void verify(const struct view *v, const char *name, bool any_power,
		   struct berth_reset_result *ret)
{
	static const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	uint8_t config[BERTH_CONFIG_PCI];
	const char *how = in_words(ret->method), *flaw = NULL;
	char by[sizeof(ret->by) + 4] = "";

	if (strcmp(ret->by, berth_reset_method_name(ret->method)) != 0)
		snprintf(by, sizeof(by), " (%s)", ret->by);
	for (int ms = 0; ms <= ANSWER_MS; ms += POLL_MS) {
		view_read(v, config, sizeof(config));
		ret->checks =
			berth_proof_state(config, sizeof(config), v->host, v->at, any_power, &flaw);
		if ((ret->checks & BERTH_PROOF_ANSWERS) && (ret->checks & BERTH_PROOF_PENDING))
			break;
		nanosleep(&pause, NULL);
	}
	ret->proven = !flaw;
	if (flaw)
		snprintf(ret->sentence, sizeof(ret->sentence), "%s: %s%s, but it %s", name, how, by,
			 flaw);
	else
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "%s: %s%s, answers, bus mastering off%s", name, how, by,
			 any_power ? "" : ", D0");
}

static void unproven(struct berth_reset_result *ret, const char *name, const char *why)
{
	ret->method = BERTH_RESET_NONE;
	snprintf(ret->by, sizeof(ret->by), "none");
	ret->proven = false;
	ret->checks = 0;
	snprintf(ret->sentence, sizeof(ret->sentence), "%s: no reset: %s", name, why);
}

static bool owns(const struct berth_ioas *io, const struct berth_vfio_dependent *d)
{
	size_t nr;
	const struct berth_ioas_group *groups = berth_ioas_groups(io, &nr);

	if (d->by_device)
		return d->owned;
	for (size_t i = 0; i < nr; i++)
		if (groups[i].id == d->group)
			return true;
	return false;
}

/* The groups that @list touches, each once: the kernel refuses more groups than there are functions to reset. */
static size_t collect_fds(const struct berth_ioas *io, const struct berth_vfio_dependent *list,
			  size_t nr, int32_t fds[static MAX_DEPENDENTS])
{
	size_t nr_groups, nr_fds = 0;
	const struct berth_ioas_group *groups = berth_ioas_groups(io, &nr_groups);

	for (size_t i = 0; i < nr_groups && nr_fds < MAX_DEPENDENTS; i++) {
		for (size_t k = 0; k < nr; k++) {
			if (list[k].group != groups[i].id)
				continue;
			fds[nr_fds++] = groups[i].fd;
			break;
		}
	}
	return nr_fds;
}

/* Reset the bus of @dev. Return: 0, *list and *nr say who was reset; -errno, and @why. */
static int hot_reset(struct berth_ioas *io, struct berth_vfio_device *dev,
		     struct berth_vfio_dependent list[static MAX_DEPENDENTS], size_t *nr, char *why,
		     size_t size)
{
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(dev, &ctx);
	int32_t fds[MAX_DEPENDENTS];
	char group[32] = "";
	size_t nr_fds;
	int r;

	*nr = 0;
	r = ops->hot_reset_info(ctx, list, MAX_DEPENDENTS, nr);
	if (r < 0) {
		*nr = 0;
		snprintf(why, size, "neither by itself nor by its bus (%s)", strerror(-r));
		return r;
	}
	for (size_t i = 0; i < *nr; i++) {
		if (owns(io, &list[i]))
			continue;
		if (!list[i].by_device)
			snprintf(group, sizeof(group), " in group %u", list[i].group);
		snprintf(why, size,
			 "not by itself, and a bus reset would also reset %s%s, which is not ours; "
			 "assign that too",
			 BERTH_BDF_STR(list[i].at), group);
		return -EPERM;
	}
	nr_fds = collect_fds(io, list, *nr, fds);
	r = ops->hot_reset(ctx, fds, nr_fds);
	if (r < 0)
		snprintf(why, size, "bus reset: %s", strerror(-r));
	return r;
}

/* What one call to berth_reset_devices() is about. */
struct job {
	const struct berth_host *host; /* or NULL */
	struct berth_ioas *io;
	struct berth_vfio_device *const *devs;
	size_t nr;
	enum berth_reset_when when;
	struct berth_reset_result *results;
};

static bool is_vf(const struct job *job, size_t i)
{
	return job->host && berth_sysfs_exists(job->host, "bus/pci/devices/%s/physfn",
					       berth_vfio_device_name(job->devs[i]));
}

/* Which way the kernel tries first; "" unknown. Documentation/ABI/testing/sysfs-bus-pci, reset_method. */
static void first_method(const struct berth_host *host, const char *name, char *buf, size_t size)
{
	buf[0] = '\0';
	if (host && berth_sysfs_read(host, buf, size, "bus/pci/devices/%s/reset_method", name) > 0)
		buf[strcspn(buf, " \n")] = '\0';
}

/* Only a change of power state: the last resort, since many devices keep nearly everything through it. */
static bool is_weak(const struct job *job, size_t i)
{
	return strcmp(job->results[i].by, "pm") == 0;
}

/* One bus reset for function @i and whoever shares its bus. Return: 0; -errno, and @why. */
static int reset_by_bus(const struct job *job, size_t i, char *why, size_t size)
{
	struct berth_vfio_dependent list[MAX_DEPENDENTS];
	size_t nr_list;
	int r;

	if (is_vf(job, i)) {
		snprintf(why, size,
			 "not by itself, and a virtual function is never reset by its bus");
		return -EPERM;
	}
	r = hot_reset(job->io, job->devs[i], list, &nr_list, why, size);
	if (r < 0)
		return r;
	for (size_t j = 0; j < job->nr; j++) {
		bool on_it = j == i;

		for (size_t k = 0; k < nr_list; k++)
			on_it |= berth_bdf_eq(berth_vfio_device_bdf(job->devs[j]), list[k].at);
		if (!on_it)
			continue;
		job->results[j].method = BERTH_RESET_HOT;
		snprintf(job->results[j].by, sizeof(job->results[j].by), "hot");
	}
	return 0;
}

/* Return: 0; -errno of the kernel. */
static int reset_by_itself(const struct job *job, size_t i)
{
	struct berth_reset_result *result = &job->results[i];
	void *ctx;
	const struct berth_vfio_ops *ops = berth_vfio_device_ops(job->devs[i], &ctx);
	int r = 0;

	/* The flag is set by vfio_pci_core_enable() exactly when its reset of the device, at open, succeeded. */
	result->method = BERTH_RESET_OPEN;
	if (job->when != BERTH_RESET_BEFORE_USE) {
		result->method = BERTH_RESET_FUNCTION;
		r = ops->reset(ctx);
	}
	if (!*result->by)
		snprintf(result->by, sizeof(result->by), "%s",
			 berth_reset_method_name(result->method));
	return r;
}

/* The ladder for one function. */
static void reset_one(const struct job *job, size_t i)
{
	struct berth_reset_result *result = &job->results[i];
	const char *name = berth_vfio_device_name(job->devs[i]);
	bool alone = berth_vfio_device_can_reset(job->devs[i]);
	bool bus_first = !alone || (is_weak(job, i) && job->when == BERTH_RESET_AFTER_USE);
	char why[160] = "";
	int r = -ENOTTY;

	if (bus_first)
		r = reset_by_bus(job, i, why, sizeof(why));
	if (r < 0 && alone)
		r = reset_by_itself(job, i);
	if (r < 0 && alone && !bus_first && reset_by_bus(job, i, why, sizeof(why)) == 0)
		r = 0;
	if (r < 0)
		unproven(result, name, alone ? strerror(-r) : why);
}

static void interrupts_off(struct berth_vfio_device *dev)
{
	for (int i = 0; i < BERTH_VFIO_NR_IRQS; i++)
		berth_vfio_irq_disable(dev, (enum berth_vfio_irq_index)i);
}

static struct view view_of(const struct job *job, size_t i)
{
	return (struct view){ .host = job->host,
			      .dev = job->devs[i],
			      .at = berth_vfio_device_bdf(job->devs[i]) };
}

/* What the reset is known to leave behind. */
static void scrub(const struct job *job, size_t i)
{
	struct berth_reset_result *result = &job->results[i];
	struct berth_err why = BERTH_ERR_INIT;
	size_t len = strlen(result->sentence);
	int r = berth_scrub(job->io, job->devs[i], &why);

	if (r == BERTH_ABSENT)
		return;
	if (r == 0) {
		result->checks |= BERTH_PROOF_SCRUB;
		snprintf(result->sentence + len, sizeof(result->sentence) - len, ", scrubbed");
		return;
	}
	result->proven = false;
	snprintf(result->sentence, sizeof(result->sentence), "%s", why.text);
}

static void start(const struct job *job, size_t i)
{
	struct view v = view_of(job, i);

	memset(&job->results[i], 0, sizeof(job->results[i]));
	first_method(job->host, berth_vfio_device_name(job->devs[i]), job->results[i].by,
		     sizeof(job->results[i].by));
	interrupts_off(job->devs[i]);
	quiesce(&v);
}

static void finish(const struct job *job, size_t i)
{
	struct view v = view_of(job, i);

	if (job->results[i].method != BERTH_RESET_NONE)
		verify(&v, berth_vfio_device_name(job->devs[i]), false, &job->results[i]);
	if (job->results[i].proven)
		scrub(job, i);
}

int berth_reset_devices(const struct berth_host *host, struct berth_ioas *io,
			struct berth_vfio_device *const *devs, size_t nr,
			enum berth_reset_when when, struct berth_reset_result *results,
			struct berth_err *err)
{
	const struct job job = { host, io, devs, nr, when, results };
	int ret = 0;

	for (size_t i = 0; i < nr; i++)
		start(&job, i);
	/* Buses first: what shares one with a function that needs it is then done. */
	for (size_t i = 0; i < nr; i++) {
		if (!berth_vfio_device_can_reset(devs[i]) && results[i].method != BERTH_RESET_HOT)
			reset_one(&job, i);
	}
	for (size_t i = 0; i < nr; i++) {
		if (berth_vfio_device_can_reset(devs[i]) && results[i].method != BERTH_RESET_HOT)
			reset_one(&job, i);
	}
	for (size_t i = 0; i < nr; i++) {
		finish(&job, i);
		if (!results[i].proven && ret == 0)
			ret = berth_err_set(err, BERTH_REFUSED, "%s", results[i].sentence);
	}
	return ret;
}

/* --- with a deadline --- */

unsigned int berth_reset_deadline_ms(size_t nr)
{
	return 20000 + 2000 * (unsigned int)nr;
}

void berth_reset_note(const struct berth_bdf *at, size_t nr, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, ":resetting");

	for (size_t i = 0; i < nr && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, " %s", BERTH_BDF_STR(at[i]));
	if (len < size)
		snprintf(buf + len, size - len, " through VFIO");
}

void berth_reset_no_answer(const struct berth_bdf *at, size_t nr, unsigned int deadline_ms,
			   pid_t left, struct berth_reset_result *results)
{
	char why[128];

	snprintf(why, sizeof(why),
		 "no answer from the kernel within %u ms; process %d waits for it", deadline_ms,
		 (int)left);
	for (size_t i = 0; i < nr; i++)
		unproven(&results[i], BERTH_BDF_STR(at[i]), why);
}

/* What the child does, and what it brings back. */
struct timed {
	struct job job;
	struct answer {
		struct berth_err err;
		struct berth_reset_result results[];
	} * answer; /* owned */
};

static int reset_in_child(void *data)
{
	struct timed *t = data;

	return berth_reset_devices(t->job.host, t->job.io, t->job.devs, t->job.nr, t->job.when,
				   t->answer->results, &t->answer->err);
}

/* What a reset needs: @keep has room for all. */
static size_t descriptors(const struct job *job, int *keep)
{
	size_t nr_groups, nr = 0;
	const struct berth_ioas_group *groups = berth_ioas_groups(job->io, &nr_groups);

	keep[nr++] = job->host->sys_fd;
	keep[nr++] = job->host->proc_fd;
	keep[nr++] = job->host->dev_fd;
	keep[nr++] = berth_ioas_fd(job->io);
	for (size_t i = 0; i < nr_groups; i++)
		keep[nr++] = groups[i].fd;
	for (size_t i = 0; i < job->nr; i++)
		keep[nr++] = berth_vfio_device_fd(job->devs[i]);
	return nr;
}

static int run_timed(struct timed *t, unsigned int deadline_ms, struct berth_err *err)
{
	const struct job *job = &t->job;
	size_t size = sizeof(*t->answer) + job->nr * sizeof(t->answer->results[0]), nr_groups;
	BERTH_CLEANUP(berth_freep) struct berth_bdf *at = calloc(job->nr + 1, sizeof(*at));
	BERTH_CLEANUP(berth_freep) int *keep = NULL;
	char note[512];
	struct berth_child_work work = {
		.value = "reset", .path = note, .run = reset_in_child, .data = t, .size = size
	};
	pid_t left;
	int r;

	berth_ioas_groups(job->io, &nr_groups);
	keep = calloc(4 + nr_groups + job->nr, sizeof(*keep));
	t->answer = calloc(1, size);
	if (!at || !keep || !t->answer || size > BERTH_CHILD_RESULT)
		return berth_err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < job->nr; i++)
		at[i] = berth_vfio_device_bdf(job->devs[i]);
	berth_reset_note(at, job->nr, note, sizeof(note));
	work.result = t->answer;
	work.keep = keep;
	work.nr_keep = descriptors(job, keep);
	r = berth_child_run(job->host, &work, deadline_ms, &left);
	if (left)
		berth_reset_no_answer(at, job->nr, deadline_ms, left, job->results);
	else if (r >= 0)
		memcpy(job->results, t->answer->results, job->nr * sizeof(*job->results));
	else
		for (size_t i = 0; i < job->nr; i++)
			unproven(&job->results[i], BERTH_BDF_STR(at[i]), strerror(-r));
	if (r > 0)
		return berth_err_set(err, r, "%s", t->answer->err.text);
	return r < 0 ? berth_err_set(err, r, "%s", job->results[0].sentence) : 0;
}

int berth_reset_in_time(const struct berth_host *host, struct berth_ioas *io,
			struct berth_vfio_device *const *devs, size_t nr,
			enum berth_reset_when when, unsigned int deadline_ms,
			struct berth_reset_result *results, struct berth_err *err)
{
	struct timed t = { .job = { host, io, devs, nr, when, results } };
	int r = nr ? run_timed(&t, deadline_ms, err) : 0;

	free(t.answer);
	return r;
}

/* --- through sysfs --- */

static int sysfs_not_reset(struct berth_reset_result *ret, const char *name, const char *why,
			   struct berth_err *err)
{
	unproven(ret, name, why);
	return berth_err_set(err, BERTH_REFUSED, "%s", ret->sentence);
}

static bool needs_scrub(const struct berth_host *host, const char *name)
{
	uint64_t vendor = 0, device = 0, class = 0;

	if (berth_sysfs_read_u64(host, &vendor, "bus/pci/devices/%s/vendor", name) < 0 ||
	    berth_sysfs_read_u64(host, &device, "bus/pci/devices/%s/device", name) < 0 ||
	    berth_sysfs_read_u64(host, &class, "bus/pci/devices/%s/class", name) < 0)
		return true; /* unknown */
	return berth_scrub_needed((uint16_t)vendor, (uint16_t)device, (uint32_t) class);
}

int berth_reset_sysfs(const struct berth_host *host, struct berth_bdf at, unsigned int deadline_ms,
		      struct berth_reset_result *ret, struct berth_err *err)
{
	char name[BERTH_BDF_LEN], path[64];
	BERTH_CLEANUP(berth_closep) int fd = -1;
	struct berth_err why = BERTH_ERR_INIT;
	struct view v = { .host = host, .at = at };

	memset(ret, 0, sizeof(*ret));
	berth_bdf_format(at, name);
	if (!berth_sysfs_exists(host, "bus/pci/devices/%s", name))
		return berth_err_set(err, -ENOENT, "%s: no such function", name);
	if (!berth_sysfs_exists(host, "bus/pci/devices/%s/reset", name))
		return sysfs_not_reset(ret, name, "the kernel knows no way to reset it alone", err);
	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", name);
	fd = openat(host->sys_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return sysfs_not_reset(ret, name, strerror(errno), err);
	v.fd = fd;
	quiesce(&v);
	if (berth_sysfs_write(host, "1", deadline_ms, &why, "bus/pci/devices/%s/reset", name) < 0)
		return sysfs_not_reset(ret, name, why.text, err);
	ret->method = BERTH_RESET_SYSFS;
	first_method(host, name, ret->by, sizeof(ret->by));
	verify(&v, name, true, ret);
	if (ret->proven && needs_scrub(host, name)) {
		ret->proven = false;
		snprintf(ret->sentence, sizeof(ret->sentence),
			 "%s: reset, but that leaves what a guest wrote in it, and overwriting it "
			 "takes vfio-pci",
			 name);
	}
	return ret->proven ? 0 : berth_err_set(err, BERTH_REFUSED, "%s", ret->sentence);
}
