/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a launch message: refused with a sentence, or a VM that passes the checks and survives being sent again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmm/launch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* What decoding gives is what encoding takes. */
static void round_trip(const struct berth_launch *l, const int *fds, size_t nr_fds)
{
	static struct berth_launch again;
	static uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	struct berth_err err = BERTH_ERR_INIT;
	int seen[BERTH_FD_MAX_PASS];
	size_t len;

	check(berth_launch_check(l, &err) == 0, err.text);
	check(berth_launch_fds(l, seen) == nr_fds, "descriptors were lost");
	check(memcmp(seen, fds, nr_fds * sizeof(*fds)) == 0, "descriptors were mixed up");
	len = berth_launch_encode(l, buf);
	check(len <= sizeof(buf), "the message is too long");
	check(berth_launch_decode(buf, len, fds, nr_fds, &again, &err) == 0, err.text);
	check(strcmp(l->name, again.name) == 0 && strcmp(l->cmdline, again.cmdline) == 0 &&
		      l->memory == again.memory && l->nr_cpus == again.nr_cpus &&
		      l->nr_devices == again.nr_devices && l->nr_groups == again.nr_groups,
	      "the second decoding says something else");
}

/* The first byte says how many descriptors come along. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct berth_launch l;
	struct berth_err err = BERTH_ERR_INIT;
	int fds[BERTH_FD_MAX_PASS], r;
	size_t nr;

	if (size == 0)
		return 0;
	nr = data[0] % (BERTH_FD_MAX_PASS + 1);
	for (int i = 0; i < BERTH_FD_MAX_PASS; i++)
		fds[i] = 1000 + i;
	r = berth_launch_decode(data + 1, size - 1, fds, nr, &l, &err);
	check(r <= 0 && (r == 0 || err.text[0]), "refused without a word");
	if (r == 0)
		round_trip(&l, fds, nr);
	return 0;
}
