/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope-bound cleanup for memory and file descriptors.
 *
 * Not for host state (a binding, a VF count): undoing that can fail and is written out as an explicit undo ladder.
 */
#ifndef BERTH_BASE_CLEANUP_H
#define BERTH_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BERTH_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hand a pointer or fd out of the scope that would clean it up. */
#define BERTH_TAKE_PTR(p)                                                                          \
	({                                                                                         \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})
#define BERTH_TAKE_FD(fd)                                                                          \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Define `static inline void fn##p(type *)` for BERTH_CLEANUP, from a destructor that takes NULL. */
#define BERTH_DEFINE_CLEANUP(type, fn)                                                             \
	static inline void fn##p(type *p)                                                          \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}                                                                                          \
	struct berth_cleanup_needs_a_semicolon

static inline void berth_freep(void *p)
{
	free(*(void **)p);
}

static inline void berth_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void berth_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define BERTH_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
