/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a launch message, of a machine or of its devices: refused with a sentence, or something that passes the checks and
 * survives being sent again.
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
static void machine_again(const struct berth_launch *l, const int *fds, size_t nr_fds)
{
	static struct berth_launch again;
	static uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	struct berth_err err = BERTH_ERR_INIT;
	int seen[BERTH_FD_MAX_PASS];
	size_t len;

	check(berth_launch_check(l, &err) == 0, err.text);
	check(berth_launch_machine_fds(l, seen) == nr_fds, "descriptors were lost");
	check(memcmp(seen, fds, nr_fds * sizeof(*fds)) == 0, "descriptors were mixed up");
	len = berth_launch_encode(l, buf);
	check(len <= sizeof(buf), "the message is too long");
	check(berth_launch_decode(buf, len, fds, nr_fds, &again, &err) == 0, err.text);
	check(memcmp(l, &again, sizeof(again)) == 0, "the second decoding says something else");
}

static void devices_again(const struct berth_launch *l, const struct berth_launch *machine,
			  const int *fds, size_t nr_fds)
{
	static struct berth_launch again;
	static uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	struct berth_err err = BERTH_ERR_INIT;
	int seen[BERTH_FD_MAX_PASS];
	size_t len;

	check(berth_launch_check(l, &err) == 0, err.text);
	check(berth_launch_device_fds(l, seen) == nr_fds, "descriptors were lost");
	check(memcmp(seen, fds, nr_fds * sizeof(*fds)) == 0, "descriptors were mixed up");
	len = berth_launch_encode_devices(l, buf);
	check(len <= sizeof(buf), "the message is too long");
	again = *machine;
	check(berth_launch_decode_devices(buf, len, fds, nr_fds, &again, &err) == 0, err.text);
	check(memcmp(l, &again, sizeof(again)) == 0, "the second decoding says something else");
}

static void init_machine(struct berth_launch *l, enum berth_ioas_kind kind)
{
	berth_launch_init(l);
	strcpy(l->name, "t1");
	l->nr_cpus = 1;
	l->memory = UINT64_C(64) << 20;
	l->uid = 70000;
	l->devices_follow = true;
	l->ioas_kind = kind;
}

static void try_devices(const uint8_t *data, size_t size, const int *fds, size_t nr,
			enum berth_ioas_kind kind)
{
	static struct berth_launch machine, l;
	struct berth_err err = BERTH_ERR_INIT;
	int r;

	init_machine(&machine, kind);
	l = machine;
	r = berth_launch_decode_devices(data, size, fds, nr, &l, &err);
	check(r <= 0 && (r == 0 || err.text[0]), "refused without a word");
	if (r == 0)
		devices_again(&l, &machine, fds, nr);
	else
		check(memcmp(&l, &machine, sizeof(l)) == 0, "half a message was kept");
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
		machine_again(&l, fds, nr);
	try_devices(data + 1, size - 1, fds, nr, BERTH_IOAS_TYPE1);
	try_devices(data + 1, size - 1, fds, nr, BERTH_IOAS_IOMMUFD);
	return 0;
}
