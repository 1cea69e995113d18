/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define WORD_MAX 48 /* longer words are not typed by hand */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Damerau-Levenshtein distance with neighbouring swaps only; both words are at most WORD_MAX long. */
static unsigned int distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];

	for (size_t i = 0; i <= a_len; i++)
		d[i][0] = (unsigned int)i;
	for (size_t j = 0; j <= b_len; j++)
		d[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= a_len; i++) {
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int cost = same(a[i - 1], b[j - 1]) ? 0 : 1;

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[a_len][b_len];
}

const char *berth_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word);
	const char *best = NULL;
	unsigned int best_distance = WORD_MAX;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *words; words++) {
		size_t other = strlen(*words), longer = other > len ? other : len;
		unsigned int d;

		if (other > WORD_MAX)
			continue;
		d = distance(word, len, *words, other);
		if (d < best_distance && d * 3 <= longer) {
			best = *words;
			best_distance = d;
		}
	}
	return best;
}
