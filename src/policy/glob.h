/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shell patterns over a whole text: '*' any run, '?' any one character, "[abc]", "[a-f]", "[!abc]" one of a set.
 *
 * Not fnmatch(3): its time explodes with many stars, its letters depend on the locale and its '[' on what follows.
 * Here the cost is at most pattern times text.
 */
#ifndef BERTH_POLICY_GLOB_H
#define BERTH_POLICY_GLOB_H

#include <stdbool.h>

/* @pattern must be valid. A pattern without special characters matches only itself. */
bool berth_glob(const char *pattern, const char *text);

/* Is every '[' closed and every set non-empty? */
bool berth_glob_valid(const char *pattern);

/* Has it any of the special characters? */
bool berth_glob_is(const char *pattern);

#endif
