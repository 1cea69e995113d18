/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: a number for the program and a sentence for the person.
 *
 * Every fallible function returns an int:
 *   0    done
 *   < 0  a negative errno; pass it up unchanged
 *   > 0  an outcome that the function's header lists (BERTH_REFUSED, …) and the caller must handle
 * and takes a struct berth_err *, which may be NULL, for the words. The first writer owns the cause; whoever passes the
 * error up may only put context in front of it. The text is one sentence without a full stop that names the object, the
 * operation, the reason and, where known, the remedy. Library code never prints; a program prints err.text once.
 */
#ifndef BERTH_BASE_ERR_H
#define BERTH_BASE_ERR_H

#include <stdarg.h>

#define BERTH_ERR_TEXT 768

struct berth_err {
	int code; /* 0 while nothing was set, else what the failing function returned */
	char text[BERTH_ERR_TEXT];
};

#define BERTH_ERR_INIT                                                                             \
	{                                                                                          \
		.code = 0, .text = ""                                                              \
	}

/* Outcomes (> 0) that are shared by many verbs; a function that can return one says so. */
enum berth_outcome {
	BERTH_REFUSED =
		1, /* policy or safety says no; err.text says which check and why; program exit code 3 */
	BERTH_ABSENT =
		2, /* the thing asked for does not exist, which is a regular answer to this question */
};

/**
 * berth_err_set() - record the cause of a failure
 * @err: may be NULL; untouched when it already holds a cause
 * @code: negative errno or an outcome > 0; never 0
 *
 * Return: @code, so that `return berth_err_set(…)` is the idiom.
 */
int berth_err_set(struct berth_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * berth_err_prefix() - put "context: " in front of the recorded text
 * @err: may be NULL; when nothing was recorded, the context and strerror(-@code) become the text
 *
 * Return: @code.
 */
int berth_err_prefix(struct berth_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Forget what was recorded, for a caller that handled it. */
void berth_err_clear(struct berth_err *err);

#endif
