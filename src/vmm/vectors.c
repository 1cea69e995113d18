/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/vectors.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "vfio/device.h"
#include "vmm/irq.h"

#define NO_GSI UINT32_MAX

struct vector {
	int fd;		  /* owned */
	unsigned int gsi; /* owned, NO_GSI when unset */
	bool want;	  /* may deliver */
	bool attached;	  /* to KVM */
	bool dirty;	  /* commit has something to do */
};

struct berth_vectors {
	struct berth_irq *irq;	       /* borrowed */
	struct berth_vfio_device *dev; /* borrowed */
	bool enabled;
	enum berth_vfio_irq_index index;
	/* by index; asked at the start, the sandbox forbids it later */
	bool noresize[BERTH_VFIO_NR_IRQS];
	unsigned int nr;
	unsigned int nr_enabled; /* of these the guest may use [0, nr_enabled) */
	unsigned int nr_in_vfio; /* vectors [0, nr_in_vfio) exist in VFIO */
	bool no_more;		 /* the host did not have more when last asked */
	bool *signalled;	 /* owned; per vector: VFIO signals its eventfd */
	int32_t *fds;		 /* owned; scratch for one call */
	struct vector *vec;	 /* owned */
};

static int open_fds(struct berth_vectors *v, struct berth_err *err)
{
	for (unsigned int n = 0; n < v->nr; n++) {
		struct rlimit lim = { 0 };

		v->vec[n].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->vec[n].fd >= 0)
			continue;
		getrlimit(RLIMIT_NOFILE, &lim);
		return berth_err_set(err, -errno,
				     "%s: an eventfd for each of %u interrupt vectors: %s; the "
				     "limit is %llu descriptors (RLIMIT_NOFILE)",
				     berth_vfio_device_name(v->dev), v->nr, strerror(errno),
				     (unsigned long long)lim.rlim_cur);
	}
	return 0;
}

static void query_noresize(struct berth_vectors *v)
{
	for (int i = 0; i < BERTH_VFIO_NR_IRQS; i++) {
		struct berth_vfio_irq info;

		v->noresize[i] = berth_vfio_irq_query(&info, v->dev, (enum berth_vfio_irq_index)i) <
					 0 ||
				 info.noresize;
	}
}

int berth_vectors_new(struct berth_vectors **ret, struct berth_irq *irq,
		      struct berth_vfio_device *dev, unsigned int nr, struct berth_err *err)
{
	BERTH_CLEANUP(berth_vectors_freep) struct berth_vectors *v = calloc(1, sizeof(*v));
	int r;

	if (v) {
		v->irq = irq;
		v->dev = dev;
		v->vec = calloc(nr + 1, sizeof(*v->vec));
		v->fds = calloc(nr + 1, sizeof(*v->fds));
		v->signalled = calloc(nr + 1, sizeof(*v->signalled));
	}
	if (!v || !v->vec || !v->fds || !v->signalled)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	v->nr = nr;
	for (unsigned int n = 0; n < nr; n++)
		v->vec[n] = (struct vector){ .fd = -1, .gsi = NO_GSI };
	query_noresize(v);
	r = open_fds(v, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(v);
	return 0;
}

void berth_vectors_free(struct berth_vectors *v)
{
	if (!v)
		return;
	if (v->vec)
		berth_vectors_disable(v);
	for (unsigned int n = 0; v->vec && n < v->nr; n++)
		if (v->vec[n].fd >= 0)
			close(v->vec[n].fd);
	free(v->signalled);
	free(v->fds);
	free(v->vec);
	free(v);
}

/* Empty an eventfd. Return: was there anything in it? */
static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

void berth_vectors_enable(struct berth_vectors *v, enum berth_vfio_irq_index index, unsigned int nr)
{
	assert(!v->enabled && nr > 0 && nr <= v->nr);
	v->enabled = true;
	v->index = index;
	v->nr_enabled = nr;
	v->nr_in_vfio = 0;
	v->no_more = false;
	memset(v->signalled, 0, v->nr * sizeof(*v->signalled));
}

void berth_vectors_disable(struct berth_vectors *v)
{
	if (!v->enabled)
		return;
	v->enabled = false;
	/* Detach before the routes go: old kernels crash the other way round. */
	for (unsigned int n = 0; n < v->nr; n++)
		berth_vectors_hold(v, n);
	berth_vfio_irq_disable(v->dev, v->index);
	for (unsigned int n = 0; n < v->nr; n++) {
		struct vector *vec = &v->vec[n];

		if (vec->gsi != NO_GSI)
			berth_irq_free_gsi(v->irq, vec->gsi);
		vec->gsi = NO_GSI;
		vec->dirty = false;
		drain(vec->fd);
	}
	berth_irq_commit(v->irq, NULL);
}

int berth_vectors_arm(struct berth_vectors *v, unsigned int n, uint64_t addr, uint32_t data,
		      struct berth_err *err)
{
	struct vector *vec = &v->vec[n];
	int r;

	if (vec->gsi == NO_GSI) {
		r = berth_irq_alloc_gsi(v->irq, &vec->gsi, err);
		if (r < 0)
			return r;
	}
	r = berth_irq_set_msi(v->irq, vec->gsi, addr, data, err);
	if (r < 0)
		return r;
	vec->want = true;
	vec->dirty = true;
	return 0;
}

void berth_vectors_hold(struct berth_vectors *v, unsigned int n)
{
	struct vector *vec = &v->vec[n];

	vec->want = false;
	if (vec->attached)
		berth_irq_detach_fd(v->irq, vec->gsi, vec->fd);
	vec->attached = false;
}

bool berth_vectors_pending(struct berth_vectors *v, unsigned int n)
{
	struct pollfd p = { .fd = v->vec[n].fd, .events = POLLIN };

	return v->enabled && !v->vec[n].attached && poll(&p, 1, 0) == 1;
}

static int attach(struct berth_vectors *v, struct vector *vec, struct berth_err *err)
{
	int r = berth_irq_attach_fd(v->irq, vec->gsi, vec->fd, -1, err);

	if (r < 0)
		return r;
	vec->attached = true;
	/*
	 * KVM looks at the eventfd as it is attached and delivers what was pending, but leaves the count in it; later
	 * signals it takes out itself (irqfd_wakeup() since Linux 5.11). Empty it, so that the next masking does not find
	 * an interrupt that was delivered already.
	 */
	drain(vec->fd);
	return 0;
}

/* Set the device up with vectors [0, nr), or as many as there are; those not wanted yet stay without signal. */
static int set_up(struct berth_vectors *v, unsigned int nr, struct berth_err *err)
{
	int r;

	for (unsigned int n = 0; n < nr; n++) {
		v->signalled[n] |= v->vec[n].want;
		v->fds[n] = v->signalled[n] ? v->vec[n].fd : -1;
	}
	r = berth_vfio_irq_enable_upto(v->dev, v->index, v->fds, nr, &v->nr_in_vfio, err);
	if (r < 0)
		v->nr_in_vfio = 0;
	memset(v->signalled + v->nr_in_vfio, 0, (v->nr - v->nr_in_vfio) * sizeof(*v->signalled));
	return r;
}

/*
 * Vectors beyond what the host had at first are wanted, and none can be added while the device is enabled. What it raises
 * between the two calls is gone: a spurious interrupt costs a driver a look at its device, a lost one hangs it.
 */
static int set_up_anew(struct berth_vectors *v, struct berth_err *err)
{
	unsigned int before = v->nr_in_vfio;
	int r;

	berth_vfio_irq_disable(v->dev, v->index);
	r = set_up(v, v->nr_enabled, err);
	v->no_more = v->nr_in_vfio <= before;
	for (unsigned int n = 0; n < before && n < v->nr_in_vfio; n++) {
		uint64_t one = 1;

		if (v->signalled[n] && write(v->vec[n].fd, &one, sizeof(one)) < 0)
			return berth_err_set(err, -errno, "eventfd: %s", strerror(errno));
	}
	return r;
}

/* Signals for the wanted vectors below @end that VFIO does not signal yet, in runs. */
static int add_signals(struct berth_vectors *v, unsigned int end, struct berth_err *err)
{
	unsigned int n = 0, run;
	int r;

	while (n < end) {
		for (run = 0; n + run < end && v->vec[n + run].want && !v->signalled[n + run];
		     run++)
			v->fds[run] = v->vec[n + run].fd;
		if (run == 0) {
			n++;
			continue;
		}
		r = berth_vfio_irq_enable(v->dev, v->index, n, v->fds, run, err);
		if (r < 0)
			return r;
		memset(v->signalled + n, true, run * sizeof(*v->signalled));
		n += run;
		if (n > v->nr_in_vfio)
			v->nr_in_vfio = n;
	}
	return 0;
}

/* How many vectors VFIO must have for what is wanted: one more than the highest. */
static unsigned int nr_wanted(const struct berth_vectors *v)
{
	unsigned int n = v->nr_enabled;

	while (n > 0 && !v->vec[n - 1].want)
		n--;
	return n;
}

static int commit_to_vfio(struct berth_vectors *v, struct berth_err *err)
{
	/* MSI is one block of messages (7.7.1.2) and never grows. */
	bool fixed = v->noresize[v->index] || v->index == BERTH_VFIO_IRQ_MSI;
	unsigned int nr = nr_wanted(v);
	int r = 0;

	if (v->nr_in_vfio == 0)
		r = set_up(v, fixed ? v->nr_enabled : nr ? nr : 1, err);
	else if (fixed && nr > v->nr_in_vfio && !v->no_more)
		r = set_up_anew(v, err);
	if (r == 0)
		r = add_signals(v, fixed ? v->nr_in_vfio : nr, err);
	if (r == 0 && nr > v->nr_in_vfio)
		return berth_err_set(
			err, -ENOSPC,
			"%s: the host has %u interrupt vectors for it, the guest uses %u",
			berth_vfio_device_name(v->dev), v->nr_in_vfio, nr);
	return r;
}

int berth_vectors_commit(struct berth_vectors *v, struct berth_err *err)
{
	int r, failed;

	if (!v->enabled)
		return 0;
	failed = berth_irq_commit(v->irq, err);
	for (unsigned int n = 0; failed == 0 && n < v->nr; n++) {
		struct vector *vec = &v->vec[n];

		if (!vec->dirty)
			continue;
		vec->dirty = false;
		r = vec->want && !vec->attached ? attach(v, vec, err) : 0;
		if (r < 0)
			failed = r;
	}
	r = commit_to_vfio(v, err);
	return failed < 0 ? failed : r;
}
