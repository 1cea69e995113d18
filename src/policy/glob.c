/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/glob.h"

#include <stddef.h>
#include <string.h>

/* The closing bracket of the set that starts at @p, NULL when there is none. A ']' right at the start is a member. */
static const char *set_end(const char *p)
{
	p++;
	if (*p == '!')
		p++;
	return *p ? strchr(p + 1, ']') : NULL;
}

static bool in_set(const char *p, const char *end, char c)
{
	bool negated = p[1] == '!', found = false;

	for (p += negated ? 2 : 1; p < end; p++) {
		if (p[1] == '-' && p + 2 < end) {
			found |= (unsigned char)p[0] <= (unsigned char)c &&
				 (unsigned char)c <= (unsigned char)p[2];
			p += 2;
		} else {
			found |= *p == c;
		}
	}
	return found != negated;
}

/* Does the one-character pattern at *p fit @c? Moves *p behind it. */
static bool one_fits(const char **p, char c)
{
	const char *at = *p, *end;

	if (*at == '[') {
		end = set_end(at);
		*p = end + 1;
		return in_set(at, end, c);
	}
	*p = at + 1;
	return *at == '?' || *at == c;
}

bool berth_glob(const char *pattern, const char *text)
{
	const char *after_star = NULL, *retry = NULL;

	while (*text) {
		if (*pattern == '*') {
			after_star = ++pattern;
			retry = text;
			continue;
		}
		if (*pattern && one_fits(&pattern, *text)) {
			text++;
			continue;
		}
		/* Let the last star swallow one more; earlier stars never need another try. */
		if (!after_star)
			return false;
		pattern = after_star;
		text = ++retry;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

bool berth_glob_valid(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern != '[')
			continue;
		pattern = set_end(pattern);
		if (!pattern)
			return false;
	}
	return true;
}

bool berth_glob_is(const char *pattern)
{
	return strpbrk(pattern, "*?[") != NULL;
}
