/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "Did you mean …?": the word of a list that a mistyped word was meant to be.
 */
#ifndef BERTH_BASE_NEAREST_H
#define BERTH_BASE_NEAREST_H

/**
 * berth_nearest() - the closest word of a list
 * @words: NULL-terminated, borrowed
 *
 * Close means: at most a third of the letters were added, lost, changed or swapped with a neighbour, case aside.
 *
 * Return: an element of @words, or NULL when none is close.
 */
const char *berth_nearest(const char *word, const char *const *words);

#endif
