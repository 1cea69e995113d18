/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "iommu/ioas.h"
#include "manager/busy.h"
#include "manager/claim.h"
#include "manager/doubts.h"
#include "manager/lease.h"
#include "manager/manager.h"
#include "manager/report.h"
#include "manager/sanitise.h"
#include "manager/wait.h"
#include "policy/ledger.h"
#include "tools/run_config.h"
#include "vfio/device.h"
#include "vfio/reset.h"
#include "vfio/watch.h"
#include "vmm/passthru.h"

#define BERTH_LOG "run"
#include "base/log.h"

void berth_vm_devices_init(struct berth_vm_devices *d, struct berth_host *host)
{
	*d = (struct berth_vm_devices){ .host = host };
}

static void log_report(struct berth_report *report)
{
	for (size_t i = 0; i < report->nr; i++)
		log_info("%s", report->lines[i]);
	berth_report_done(report);
}

struct attempt {
	struct berth_vm_devices *d;
	const char *vm;
	char *const *names;
	size_t nr;
	const struct berth_vm_wish *wish;
	bool doubted; /* what is wrong with the policy has been said */
};

static int claim(void *arg, struct berth_manager *m, struct berth_report *report,
		 struct berth_err *err)
{
	struct attempt *a = arg;
	char words[BERTH_DOUBTS_WORDS];

	if (!a->doubted && *berth_manager_doubts(m, words))
		log_warn("%s", words);
	a->doubted = true;
	return berth_manager_claim_leased(m, a->vm, (const char *const *)a->names, a->nr, getpid(),
					  &a->wish->lease, &a->d->claim, report, err);
}

static void say_waiting(void *arg, const char *words)
{
	const struct attempt *a = arg;

	fprintf(stderr, "berth run: VM %s is waiting: %s\n", a->vm, words);
}

static int claim_at_once(struct attempt *a, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, a->d->host, BERTH_MANAGER_CHANGE, report, err);

	if (r != 0)
		return r;
	berth_manager_priority(m, a->wish->priority);
	if (a->wish->force)
		berth_manager_force(m);
	return claim(a, m, report, err);
}

static int claim_when_free(struct attempt *a, int stop_fd, struct berth_report *report,
			   struct berth_err *err)
{
	const struct berth_wait_how how = {
		.assign = { .priority = a->wish->priority },
		.force = a->wish->force,
		.attempt = claim,
		.wait_s = a->wish->wait_s,
		.stop_fd = stop_fd,
		.waiting = say_waiting,
		.arg = a,
	};

	return berth_wait_assign(a->d->host, a->vm, (const char *const *)a->names, a->nr, &how,
				 report, err);
}

int berth_vm_devices_claim(struct berth_vm_devices *d, const char *vm, char *const *names,
			   size_t nr, const struct berth_vm_wish *wish, int stop_fd,
			   struct berth_err *err)
{
	struct attempt a = { .d = d, .vm = vm, .names = names, .nr = nr, .wish = wish };
	struct berth_report report = BERTH_REPORT_INIT;
	int r;

	if (nr == 0)
		return 0;
	r = wish->wait ? claim_when_free(&a, stop_fd, &report, err) :
			 claim_at_once(&a, &report, err);
	log_report(&report);
	return r;
}

int berth_vm_devices_lease(void *devices, struct berth_lease *ret)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	const struct berth_vm_devices *d = devices;
	int r;

	if (!d->claim)
		return BERTH_ABSENT;
	r = berth_ledger_open(&ledger, d->host->state, BERTH_LEDGER_READ, NULL);
	return r == 0 ? berth_lease_soonest(ledger, d->claim->assignments, d->claim->nr_groups, ret,
					    NULL) :
			r;
}

/* Reset all of them, with the results in the claim. */
static int reset(struct berth_vm_devices *d, enum berth_reset_when when, struct berth_err *err)
{
	struct berth_reset_result results[BERTH_LAUNCH_DEVICES];
	struct berth_vm_claim *c = d->claim;
	struct berth_busy_guard guard;
	int r;

	berth_busy_guard_begin(&guard, d->host, c->assignments, c->nr_groups);
	r = berth_reset_in_time(d->host, d->io, d->devs, c->nr_devs, when,
				berth_reset_deadline_ms(c->nr_devs), results, err);
	berth_busy_guard_end(&guard, d->host);
	for (size_t i = 0; i < c->nr_devs; i++) {
		c->devs[i].reset = results[i];
		log_info("%s", results[i].sentence);
	}
	return r;
}

int berth_vm_devices_choose(struct berth_vm_devices *d, enum berth_ioas_want want, bool p2p,
			    enum berth_ioas_kind *ret, struct berth_err *err)
{
	struct berth_bdf at[BERTH_LAUNCH_DEVICES];
	enum berth_ioas_kind kind;
	int r;

	if (!d->claim)
		return 0;
	if (d->claim->nr_devs > BERTH_LAUNCH_DEVICES)
		return berth_err_set(err, -E2BIG,
				     "VM %s: its groups hold %zu functions; %d are possible",
				     d->claim->vm, d->claim->nr_devs, BERTH_LAUNCH_DEVICES);
	for (size_t i = 0; i < d->claim->nr_devs; i++)
		at[i] = d->claim->devs[i].at;
	r = berth_ioas_choose(want, d->host, at, d->claim->nr_devs, p2p, &kind, err);
	if (r < 0)
		return berth_err_prefix(err, r, "VM %s", d->claim->vm);
	*ret = kind;
	return berth_ioas_open(&d->io, kind, d->host, err);
}

int berth_vm_devices_open(struct berth_vm_devices *d, struct berth_err *err)
{
	int r = 0;

	if (!d->claim)
		return 0;
	for (size_t i = 0; r == 0 && i < d->claim->nr_devs; i++)
		r = berth_vfio_device_open(&d->devs[i], d->io, d->claim->devs[i].at, err);
	if (r == 0)
		r = reset(d, BERTH_RESET_BEFORE_USE, err);
	if (r == 0)
		r = berth_sanitise_before(d->host, d->claim, err);
	return r == 0 ? berth_vfio_watch_new(&d->watch, d->devs, d->claim->nr_devs, err) : r;
}

static bool goes_to_guest(const struct berth_vm_claim *c, size_t i)
{
	for (size_t k = 0; k < c->nr_devs; k++) {
		if (c->devs[k].asked && c->devs[k].group == c->devs[i].group &&
		    berth_bdf_same_slot(c->devs[k].at, c->devs[i].at))
			return true;
	}
	return false;
}

static int dup_fd(int fd, int *ret, struct berth_err *err)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *ret < 0 ? berth_err_set(err, -errno, "descriptors for berth-vmm: %s",
					strerror(errno)) :
			  0;
}

/* Only groups that hold a device of the guest: berth-vmm gets nothing that it does not use. */
static int lend_group(struct berth_vm_devices *d, struct berth_launch *l, unsigned int number,
		      unsigned int *ret, struct berth_err *err)
{
	size_t nr;
	const struct berth_ioas_group *groups = berth_ioas_groups(d->io, &nr);
	unsigned int at = 0;

	while (at < l->nr_groups && l->groups[at].number != number)
		at++;
	*ret = at;
	if (at < l->nr_groups)
		return 0;
	for (size_t i = 0; i < nr && at < BERTH_LAUNCH_GROUPS; i++) {
		if (groups[i].id != number)
			continue;
		l->groups[at].number = number;
		l->nr_groups++;
		return dup_fd(groups[i].fd, &l->groups[at].fd, err);
	}
	return berth_err_set(err, -E2BIG, "group %u: not open, or more than %d groups", number,
			     BERTH_LAUNCH_GROUPS);
}

static void set_options(struct berth_launch_device *to, const struct berth_run_device *from)
{
	to->no_rom = from->no_rom;
	to->move_msix = from->move_msix;
	to->p2p_clique = from->p2p_clique;
	to->p2p_clique_force = from->p2p_clique_force;
}

static int lend_device(struct berth_vm_devices *d, const struct berth_run_device *options,
		       struct berth_launch *l, size_t i, struct berth_err *err)
{
	struct berth_launch_device *to = &l->devices[l->nr_devices];
	int r = 0;

	if (l->ioas_kind == BERTH_IOAS_TYPE1)
		r = lend_group(d, l, d->claim->devs[i].group, &to->group, err);
	if (r == 0)
		r = dup_fd(berth_vfio_device_fd(d->devs[i]), &to->fd, err);
	if (r < 0)
		return r;
	to->host = d->claim->devs[i].at;
	if (d->claim->devs[i].asked)
		set_options(to, &options[d->claim->devs[i].asked_as]);
	l->nr_devices++;
	return 0;
}

int berth_vm_devices_lend(struct berth_vm_devices *d, const struct berth_run_device *options,
			  struct berth_launch *l, struct berth_err *err)
{
	int r;

	if (!d->claim)
		return 0;
	l->ioas_id = berth_ioas_id(d->io);
	r = dup_fd(berth_ioas_fd(d->io), &l->container_fd, err);
	for (size_t i = 0; r == 0 && i < d->claim->nr_devs; i++) {
		if (goes_to_guest(d->claim, i))
			r = lend_device(d, options, l, i, err);
	}
	return r == 0 ? berth_launch_place(l, err) : r;
}

uint64_t berth_vm_devices_nr_fds(const struct berth_vm_devices *d)
{
	uint64_t sum = 0;

	for (size_t i = 0; d->claim && i < d->claim->nr_devs; i++) {
		if (d->devs[i])
			sum += berth_passthru_nr_fds(d->devs[i]);
	}
	return sum;
}

static void close_all(struct berth_vm_devices *d)
{
	for (size_t i = 0; i < BERTH_LAUNCH_DEVICES; i++) {
		berth_vfio_device_close(d->devs[i]);
		d->devs[i] = NULL;
	}
	berth_ioas_close(d->io);
	d->io = NULL;
}

static int unclaim(struct berth_vm_devices *d, struct berth_report *report, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, d->host, BERTH_MANAGER_CHANGE, report, err);

	return r != 0 ? r : berth_manager_unclaim(m, d->claim, report, err);
}

int berth_vm_devices_give_back(struct berth_vm_devices *d, struct berth_err *err)
{
	struct berth_report report = BERTH_REPORT_INIT;
	int r;

	if (!d->claim)
		return 0;
	berth_vfio_watch_free(d->watch);
	d->watch = NULL;
	/* What is not proven here has a second chance in unclaim(): alone, and no longer while somebody waits for it. */
	if (d->used)
		reset(d, BERTH_RESET_AFTER_USE, NULL);
	close_all(d);
	r = unclaim(d, &report, err);
	log_report(&report);
	berth_vm_claim_free(d->claim);
	berth_vm_devices_init(d, d->host);
	return r == -EUCLEAN ? BERTH_REFUSED : r;
}
