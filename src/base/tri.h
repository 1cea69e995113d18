/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fact that may be out of reach: the file is not readable, the register not visible to this user.
 * Unknown is neither yes nor no; whoever grants something on a fact grants it on BERTH_YES only.
 */
#ifndef BERTH_BASE_TRI_H
#define BERTH_BASE_TRI_H

enum berth_tri { BERTH_UNKNOWN = -1, BERTH_NO = 0, BERTH_YES = 1 };

static inline enum berth_tri berth_tri_of(int yes)
{
	return yes ? BERTH_YES : BERTH_NO;
}

static inline const char *berth_tri_name(enum berth_tri t)
{
	return t == BERTH_YES ? "yes" : t == BERTH_NO ? "no" : "unknown";
}

#endif
