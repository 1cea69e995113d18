/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a program under injection tells the injector where it is: a call that does nothing, with arguments that nobody
 * else passes.
 */
#ifndef BERTH_TESTS_KILL_MARKS_H
#define BERTH_TESTS_KILL_MARKS_H

#include <sys/syscall.h>
#include <unistd.h>

#define MARK_MAGIC 0x62657274 /* "bert" */

enum mark {
	MARK_MAIN,	 /* before this there is only the dynamic loader */
	MARK_KERNEL_IN,	 /* the fake kernel is at work: neither killed nor failed */
	MARK_KERNEL_OUT, /* and is done */
};

static inline void mark(enum mark what)
{
	syscall(SYS_getppid, MARK_MAGIC, what);
}

#endif
