/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory runs out once: preloaded into a program, it makes the $BERTH_NOMEM'th allocation fail, whoever asks for it. With 0 none
 * fails. How many there were is written to the file $BERTH_NOMEM_COUNT as the program ends. What a fake kernel allocates is not
 * counted, if it says so by nomem_suffices().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* glibc's own, by the names that it exports for this purpose. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *p, size_t size);

static unsigned long fail_at, count;
static pid_t self;
static bool suffices;

void nomem_suffices(bool yes);

static void __attribute__((constructor)) start(void)
{
	const char *text = getenv("BERTH_NOMEM");

	fail_at = text ? strtoul(text, NULL, 10) : 0;
	self = getpid();
	count = 0;
}

static void __attribute__((destructor)) end(void)
{
	const char *path = getenv("BERTH_NOMEM_COUNT");
	int fd = path && getpid() == self ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%lu\n", count);
	close(fd);
}

void nomem_suffices(bool yes)
{
	suffices = yes;
}

static int fails(void)
{
	if (suffices || ++count != fail_at || !fail_at)
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
