/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "manager/sanitise"
#include "manager/sanitise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/child.h"
#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "base/sysfs.h"
#include "iommu/ioas.h"
#include "manager/claim.h"
#include "manager/context.h"
#include "manager/owner.h"
#include "manager/process.h"
#include "policy/evidence.h"
#include "vfio/bind.h"
#include "vfio/device.h"
#include "vfio/inventory.h"
#include "vfio/proof.h"
#include "vfio/reset.h"

#define POLL_MS 50

int berth_sanitise_wait_closed(struct berth_manager *m, const struct berth_assignment *a,
			       unsigned int deadline_ms, struct berth_err *err)
{
	const struct timespec nap = { .tv_nsec = POLL_MS * 1000000L };
	int group = berth_owner_group(m->inv, a);
	char name[32];
	pid_t pid = 0;

	if (group < 0)
		return 0;
	for (unsigned int waited = 0;; waited += POLL_MS) {
		pid = berth_process_holding(m->host, group, 0);
		if (!pid)
			return 0;
		if (pid < 0)
			return berth_err_set(err, pid,
					     "%s: who has group %d open cannot be found out: %s",
					     a->members[0].bdf, group, strerror(-pid));
		if (waited >= deadline_ms)
			break;
		nanosleep(&nap, NULL);
	}
	return berth_err_set(err, BERTH_REFUSED,
			     "%s: group %d is held by process %d (%s); end it first",
			     a->members[0].bdf, group, (int)pid,
			     berth_process_name(m->host, pid, name));
}

/* The functions of @a that are there, at most @max; @ret_all_vfio: are they all on vfio-pci now? */
static size_t present(struct berth_manager *m, const struct berth_assignment *a,
		      const struct berth_device **devs, bool *ret_all_vfio)
{
	struct berth_bind_state now;
	size_t nr = 0;
	bool same;

	*ret_all_vfio = true;
	for (size_t i = 0; i < a->nr_members; i++) {
		const struct berth_device *dev =
			berth_owner_find_member(m->inv, &a->members[i], &same);

		if (!dev || !same)
			continue;
		devs[nr++] = dev;
		if (berth_bind_read(m->host, dev->bdf, &now, NULL) < 0 ||
		    strcmp(now.driver, BERTH_BIND_VFIO) != 0)
			*ret_all_vfio = false;
	}
	return nr;
}

/* What the child that resets through VFIO works on, and what it brings back. */
struct by_vfio {
	struct berth_manager *m;
	struct berth_bdf *at; /* owned */
	size_t nr;
	struct by_vfio_answer {
		struct berth_err err;
		struct berth_reset_result results[];
	} * answer; /* owned */
};

/* Opening and closing a function reset it, too: all of it is done by the child. */
static int in_child(void *data)
{
	struct by_vfio *v = data;
	struct berth_vfio_device **open = calloc(v->nr + 1, sizeof(*open));
	struct berth_err *err = &v->answer->err;
	struct berth_host *host = v->m->host;
	struct berth_ioas *io = NULL;
	enum berth_ioas_kind kind;
	int r = open ? 0 : berth_err_set(err, -ENOMEM, "out of memory");

	if (r == 0)
		r = berth_ioas_choose(BERTH_IOAS_WANT_ANY, host, v->at, v->nr, false, &kind, err);
	if (r == 0)
		r = berth_ioas_open(&io, kind, host, err);
	for (size_t i = 0; i < v->nr && r == 0; i++)
		r = berth_vfio_device_open(&open[i], io, v->at[i], err);
	if (r == 0)
		r = berth_reset_devices(host, io, open, v->nr, BERTH_RESET_AFTER_USE,
					v->answer->results, err);
	for (size_t i = 0; open && i < v->nr; i++)
		berth_vfio_device_close(open[i]);
	berth_ioas_close(io);
	free(open);
	return r;
}

/* Return: as berth_reset_devices(); -ETIMEDOUT and *ret_left: a child is left behind; -errno. */
static int run_child(struct by_vfio *v, size_t size, struct berth_reset_result *results,
		     pid_t *ret_left, struct berth_err *err)
{
	const struct berth_host *host = v->m->host;
	const int keep[] = { host->sys_fd, host->proc_fd, host->dev_fd };
	char note[512];
	const struct berth_child_work work = { .value = "reset",
					       .path = note,
					       .run = in_child,
					       .data = v,
					       .result = v->answer,
					       .size = size,
					       .keep = keep,
					       .nr_keep = BERTH_ARRAY_SIZE(keep) };
	unsigned int deadline_ms = v->m->reset_ms ?: berth_reset_deadline_ms(v->nr);
	int r;

	berth_reset_note(v->at, v->nr, note, sizeof(note));
	r = berth_child_run(host, &work, deadline_ms, ret_left);
	if (*ret_left) {
		berth_reset_no_answer(v->at, v->nr, deadline_ms, *ret_left, results);
		return berth_err_set(err, r, "%s", results[0].sentence);
	}
	if (r != -EIO) /* from whatever has made it fail there may be results */
		memcpy(results, v->answer->results, v->nr * sizeof(*results));
	return r == 0 ? 0 :
			berth_err_set(err, r, "%s",
				      v->answer->err.code ? v->answer->err.text : strerror(EIO));
}

static int by_vfio(struct berth_manager *m, const struct berth_device *const *devs, size_t nr,
		   struct berth_reset_result *results, pid_t *ret_left, struct berth_err *err)
{
	size_t size = sizeof(struct by_vfio_answer) + nr * sizeof(*results);
	struct by_vfio v = {
		.m = m, .at = calloc(nr + 1, sizeof(*v.at)), .nr = nr, .answer = calloc(1, size)
	};
	int r = v.at && v.answer && size <= BERTH_CHILD_RESULT ? 0 : -ENOMEM;

	*ret_left = 0;
	for (size_t i = 0; i < nr && r == 0; i++)
		v.at[i] = devs[i]->bdf;
	if (r == 0)
		r = run_child(&v, size, results, ret_left, err);
	else
		berth_err_set(err, r, "out of memory");
	free(v.at);
	free(v.answer);
	return r;
}

/* Under a driver that is at work for the host nothing is reset. */
static bool has_host_driver(struct berth_manager *m, struct berth_bdf at,
			    struct berth_reset_result *ret)
{
	struct berth_bind_state now;

	if (berth_bind_read(m->host, at, &now, NULL) < 0 || !*now.driver ||
	    strcmp(now.driver, BERTH_BIND_VFIO) == 0)
		return false;
	*ret = (struct berth_reset_result){ .method = BERTH_RESET_NONE };
	snprintf(ret->sentence, sizeof(ret->sentence), "%s: no reset: it runs on %s",
		 BERTH_BDF_STR(at), now.driver);
	return true;
}

/* Those that VFIO has not proven. */
static void by_sysfs(struct berth_manager *m, const struct berth_device *const *devs, size_t nr,
		     struct berth_reset_result *results)
{
	for (size_t i = 0; i < nr; i++) {
		struct berth_reset_result result;
		struct berth_err why = BERTH_ERR_INIT;
		int r;

		if (results[i].proven || has_host_driver(m, devs[i]->bdf, &results[i]))
			continue;
		r = berth_reset_sysfs(m->host, devs[i]->bdf, BERTH_SYSFS_DEADLINE_MS, &result,
				      &why);
		/* What VFIO says about a failure is more than "there is no reset". */
		if (r == 0 || !*results[i].sentence)
			results[i] = result;
	}
}

/* --- what it shows, and the record of it --- */

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int record(struct berth_ledger *ledger, const char *vm, const char *path, const char *bdf,
		  bool after, const struct berth_reset_result *result, const char *image,
		  struct berth_err *err)
{
	char words[BERTH_PROOF_WORDS];
	const struct berth_evidence e = {
		.path = text(path),
		.bdf = text(bdf),
		.vm = text(vm),
		.after = after,
		.method = text(*result->by ? result->by : berth_reset_method_name(result->method)),
		.checked = berth_proof_words(result->checks, words),
		.proven = result->proven,
		.sentence = text(result->sentence),
		.image = text(image),
	};

	return berth_evidence_add(ledger, &e, err);
}

/* Is the configuration as it was before the use? Without an image (no use since this berth knows the device) there is nothing to say. */
static int compare(struct berth_manager *m, const struct berth_device *dev,
		   struct berth_reset_result *result, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *image = NULL;
	struct berth_proof_image before, now;
	char what[100];
	int r = berth_evidence_image(m->ledger, dev->path, &image, err);

	if (r != 0)
		return r > 0 ? 0 : r;
	r = berth_proof_image_parse(image, &before);
	if (r < 0)
		return berth_err_set(err, -EUCLEAN, "%s: the ledger's image of it is damaged",
				     BERTH_BDF_STR(dev->bdf));
	r = berth_proof_image_read(&now, m->host, dev->bdf, err);
	if (r < 0)
		return r;
	if (berth_proof_image_same(&before, &now, what, sizeof(what))) {
		result->checks |= BERTH_PROOF_IMAGE;
		return 0;
	}
	result->proven = false;
	snprintf(result->sentence, sizeof(result->sentence),
		 "%s: its use changed its configuration for good: %s", BERTH_BDF_STR(dev->bdf),
		 what);
	return 0;
}

/* Return: 0 all proven; BERTH_REFUSED; -errno of the ledger or of reading a function. */
static int conclude(struct berth_manager *m, const struct berth_assignment *a,
		    const struct berth_device *const *devs, size_t nr,
		    struct berth_reset_result *results, struct berth_err *err)
{
	int r = 0, verdict = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		/* Pulled out meanwhile: there is nothing to hand on. What comes back is reset before its next use. */
		if (!results[i].proven &&
		    !berth_sysfs_exists(m->host, "bus/pci/devices/%s", BERTH_BDF_STR(devs[i]->bdf)))
			continue;
		if (results[i].proven)
			r = compare(m, devs[i], &results[i], err);
		if (r == 0)
			r = record(m->ledger, a->vm, devs[i]->path, BERTH_BDF_STR(devs[i]->bdf),
				   true, &results[i], NULL, err);
		if (r == 0 && !results[i].proven && verdict == 0)
			verdict = berth_err_set(err, BERTH_REFUSED, "%s", results[i].sentence);
	}
	return r ? r : verdict;
}

/* What the holder of @c found out about @dev; NULL: nothing. */
static const struct berth_reset_result *result_of(const struct berth_vm_claim *c,
						  const struct berth_device *dev)
{
	for (size_t i = 0; i < c->nr_devs; i++) {
		if (berth_bdf_eq(c->devs[i].at, dev->bdf))
			return &c->devs[i].reset;
	}
	return NULL;
}

int berth_sanitise_accept(struct berth_manager *m, const struct berth_assignment *a,
			  const struct berth_vm_claim *c, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const struct berth_device **devs = calloc(a->nr_members + 1, sizeof(*devs));
	BERTH_CLEANUP(berth_freep)
	struct berth_reset_result *results = calloc(a->nr_members + 1, sizeof(*results));
	bool all_vfio;
	size_t nr;

	if (!devs || !results)
		return berth_err_set(err, -ENOMEM, "out of memory");
	nr = present(m, a, devs, &all_vfio);
	for (size_t i = 0; i < nr; i++) {
		const struct berth_reset_result *result = result_of(c, devs[i]);

		if (!result || !result->proven)
			return berth_err_set(err, BERTH_REFUSED, "%s: %s",
					     BERTH_BDF_STR(devs[i]->bdf),
					     result ? result->sentence : "not reset after use");
		results[i] = *result;
	}
	return conclude(m, a, devs, nr, results, err);
}

static int record_before(struct berth_ledger *ledger, const struct berth_host *host,
			 const struct berth_vm_claim *c, const struct berth_vm_claim_dev *dev,
			 struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *format = NULL;
	struct berth_proof_image image;
	int r = berth_proof_image_read(&image, host, dev->at, err);

	if (r < 0)
		return r;
	format = berth_proof_image_format(&image);
	if (!format)
		return berth_err_set(err, -ENOMEM, "out of memory");
	return record(ledger, c->vm, dev->path, BERTH_BDF_STR(dev->at), false, &dev->reset, format,
		      err);
}

int berth_sanitise_before(struct berth_host *host, const struct berth_vm_claim *c,
			  struct berth_err *err)
{
	BERTH_CLEANUP(berth_ledger_closep) struct berth_ledger *ledger = NULL;
	int r = berth_ledger_open(&ledger, host->state, BERTH_LEDGER_WRITE, err);

	if (r == 0)
		r = berth_ledger_begin(ledger, err);
	for (size_t i = 0; r == 0 && i < c->nr_devs; i++)
		r = record_before(ledger, host, c, &c->devs[i], err);
	return r == 0 ? berth_ledger_commit(ledger, err) : r;
}

/* --- the verb's part --- */

int berth_sanitise(struct berth_manager *m, const struct berth_assignment *a, char *how,
		   size_t size, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep)
	const struct berth_device **devs = calloc(a->nr_members + 1, sizeof(*devs));
	BERTH_CLEANUP(berth_freep)
	struct berth_reset_result *results = calloc(a->nr_members + 1, sizeof(*results));
	struct berth_err first = BERTH_ERR_INIT;
	bool all_vfio;
	size_t nr, len = 0;
	pid_t left = 0;
	int r = -EOPNOTSUPP;

	how[0] = '\0';
	if (!devs || !results)
		return berth_err_set(err, -ENOMEM, "out of memory");
	nr = present(m, a, devs, &all_vfio);
	if (nr == 0)
		return 0;
	if (all_vfio)
		r = by_vfio(m, devs, nr, results, &left, &first);
	/* While the kernel is at it nothing else is tried: it would hang as well. */
	if (r != 0 && !left) {
		log_info("%s: reset through vfio: %s", a->group,
			 all_vfio ? first.text : "not bound");
		by_sysfs(m, devs, nr, results);
	}
	r = conclude(m, a, devs, nr, results, err);
	for (size_t i = 0; i < nr && len < size; i++)
		len += (size_t)snprintf(how + len, size - len, "%s%s", i ? "; " : "",
					results[i].sentence);
	return r == 0 ? 0 : BERTH_REFUSED;
}
