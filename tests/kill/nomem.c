/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory runs out once: preloaded into a program, it makes the $BERTH_NOMEM'th allocation fail, whoever asks for it.
 *
 * With 0 none fails; then the file $BERTH_NOMEM_COUNT gets how many there were as the program ends and, a line each, the numbers
 * of those that were the first by their way of calls: to fail these is to take each path of an error once. What a fake
 * kernel allocates is not counted, if it says so by nomem_suffices().
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH	 32
#define MAX_WAYS 65536 /* a power of two; a program that has more gets an error message */

/* glibc's own, by the names that it exports for this purpose. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static struct {
	uint64_t hash; /* 0: free */
	unsigned long first;
} ways[MAX_WAYS];
static unsigned long fail_at, count, nr_ways;
static pid_t self;
static bool suffices, listing;

void nomem_suffices(bool yes);

static void __attribute__((constructor)) start(void)
{
	const char *text = getenv("BERTH_NOMEM");
	void *frame[1];

	fail_at = text ? strtoul(text, NULL, 10) : 0;
	self = getpid();
	backtrace(frame, 1); /* loads what it needs, once */
	listing = fail_at == 0;
	count = 0;
}

static void __attribute__((destructor)) end(void)
{
	const char *path = getenv("BERTH_NOMEM_COUNT");
	int fd = path && getpid() == self ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

	listing = false;
	if (fd < 0)
		return;
	dprintf(fd, "%lu\n", nr_ways < MAX_WAYS / 2 ? count : 0);
	for (size_t i = 0; i < MAX_WAYS; i++)
		if (ways[i].hash)
			dprintf(fd, "%lu\n", ways[i].first);
	close(fd);
}

void nomem_suffices(bool yes)
{
	suffices = yes;
}

/* FNV-1a over the return addresses. */
static void note_way(void)
{
	void *frames[DEPTH];
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	size_t at;
	int nr;

	listing = false; /* for what backtrace() itself may need */
	nr = backtrace(frames, DEPTH);
	listing = true;
	for (int i = 0; i < nr; i++)
		hash = (hash ^ (uintptr_t)frames[i]) * UINT64_C(0x100000001b3);
	hash |= 1;
	for (at = hash >> 32 & (MAX_WAYS - 1); ways[at].hash && ways[at].hash != hash;)
		at = (at + 1) & (MAX_WAYS - 1);
	if (ways[at].hash || nr_ways >= MAX_WAYS / 2)
		return;
	ways[at].hash = hash;
	ways[at].first = count;
	nr_ways++;
}

static int fails(void)
{
	if (suffices)
		return 0;
	count++;
	if (listing)
		note_way();
	if (count != fail_at)
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
	return fails() ? NULL : __libc_calloc(nr, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}
