/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/prefault.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* asm-generic/mman-common.h of Linux 5.14 */
#endif

struct slice {
	void *start;
	uint64_t size;
	bool done;
};

struct berth_prefault {
	pthread_t threads[BERTH_PREFAULT_THREADS];
	unsigned int nr_threads; /* started */
	struct slice *slices;	 /* owned */
	size_t nr;
	pthread_mutex_t lock; /* guards what follows, and done of the slices */
	pthread_cond_t moved;
	size_t next;	  /* slice that nobody has taken yet */
	size_t nr_ready;  /* slices from the first on that are all done */
	uint64_t ready;	  /* bytes in them */
	int error;	  /* negative errno, 0 */
	bool unsupported; /* the kernel cannot: nobody needs to wait */
};

unsigned int berth_prefault_threads(void)
{
	cpu_set_t set;
	int n;

	CPU_ZERO(&set);
	/* A machine with more processors than fit into the set has more than enough. */
	n = sched_getaffinity(0, sizeof(set), &set) < 0 ? BERTH_PREFAULT_THREADS : CPU_COUNT(&set);
	if (n < 2)
		return 0;
	return n > BERTH_PREFAULT_THREADS ? BERTH_PREFAULT_THREADS : (unsigned int)n;
}

static int populate(const struct slice *s)
{
	int r;

	do
		r = madvise(s->start, s->size, MADV_POPULATE_WRITE) < 0 ? -errno : 0;
	while (r == -EINTR || r == -EAGAIN);
	return r;
}

/* Under the lock. */
static void finish(struct berth_prefault *p, struct slice *s, int r)
{
	s->done = true;
	if (r == -EINVAL)
		p->unsupported = true;
	else if (r < 0 && !p->error)
		p->error = r;
	while (p->nr_ready < p->nr && p->slices[p->nr_ready].done)
		p->ready += p->slices[p->nr_ready++].size;
	pthread_cond_broadcast(&p->moved);
}

static void *work(void *arg)
{
	struct berth_prefault *p = arg;

	pthread_mutex_lock(&p->lock);
	while (p->next < p->nr && !p->error && !p->unsupported) {
		struct slice *s = &p->slices[p->next++];
		int r;

		pthread_mutex_unlock(&p->lock);
		r = populate(s);
		pthread_mutex_lock(&p->lock);
		finish(p, s, r);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int cut(struct berth_prefault *p, const struct berth_prefault_range *ranges, size_t nr,
	       uint64_t slice)
{
	size_t total = 0;

	for (size_t i = 0; i < nr; i++)
		total += (ranges[i].size + slice - 1) / slice;
	p->slices = calloc(total + 1, sizeof(*p->slices));
	if (!p->slices)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		for (uint64_t at = 0; at < ranges[i].size; at += slice) {
			uint64_t left = ranges[i].size - at;

			p->slices[p->nr++] = (struct slice){
				.start = (char *)ranges[i].start + at,
				.size = left < slice ? left : slice,
			};
		}
	return 0;
}

int berth_prefault_start(struct berth_prefault **ret, const struct berth_prefault_range *ranges,
			 size_t nr, uint64_t slice, unsigned int nr_threads, struct berth_err *err)
{
	struct berth_prefault *p = calloc(1, sizeof(*p));

	if (!p)
		return berth_err_set(err, -ENOMEM, "memory: out of memory");
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->moved, NULL);
	p->unsupported = nr_threads == 0;
	if (cut(p, ranges, nr, slice) < 0) {
		berth_prefault_free(p);
		return berth_err_set(err, -ENOMEM, "memory: out of memory");
	}
	if (nr_threads > BERTH_PREFAULT_THREADS)
		nr_threads = BERTH_PREFAULT_THREADS;
	for (; p->nr_threads < nr_threads && p->nr_threads < p->nr; p->nr_threads++) {
		int r = pthread_create(&p->threads[p->nr_threads], NULL, work, p);

		/* One is as good as many, only slower. */
		if (r && p->nr_threads == 0) {
			berth_prefault_free(p);
			return berth_err_set(err, -r, "memory: a thread to fault it in: %s",
					     strerror(r));
		}
		if (r)
			break;
	}
	*ret = p;
	return 0;
}

int berth_prefault_wait(struct berth_prefault *p, uint64_t bytes, struct berth_err *err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	while (p->ready < bytes && p->nr_ready < p->nr && !p->error && !p->unsupported)
		pthread_cond_wait(&p->moved, &p->lock);
	r = p->error;
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		return berth_err_set(
			err, r, "memory: faulting it in: %s%s", strerror(-r),
			r == -EFAULT ? "; no page left where it has to be from" :
			r == -ENOMEM ? "; the host or this VM's control group has no more" :
				       "");
	return 0;
}

void berth_prefault_free(struct berth_prefault *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->next = p->nr;
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nr_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->moved);
	pthread_mutex_destroy(&p->lock);
	free(p->slices);
	free(p);
}
