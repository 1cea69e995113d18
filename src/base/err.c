/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int berth_err_set(struct berth_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code != 0);
	if (!err || err->code)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int berth_err_prefix(struct berth_err *err, int code, const char *fmt, ...)
{
	char cause[BERTH_ERR_TEXT];
	va_list ap;
	int n;

	if (!err)
		return code;
	if (err->code)
		memcpy(cause, err->text, sizeof(cause));
	else
		snprintf(cause, sizeof(cause), "%s", code < 0 ? strerror(-code) : "refused");
	err->code = code;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", cause);
	return code;
}

void berth_err_clear(struct berth_err *err)
{
	if (!err)
		return;
	err->code = 0;
	err->text[0] = '\0';
}
