/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host of berth-fake: a GPU with its audio function, a NIC with one VF, an NVMe disk, each behind a port of its own.
 */
#ifndef BERTH_TESTS_KILL_FAKE_HOST_H
#define BERTH_TESTS_KILL_FAKE_HOST_H

#include "tests/lib/fake_pci.h"

#define FAKE_GPU   "0000:01:00.0"
#define FAKE_AUDIO "0000:01:00.1"
#define FAKE_PF	   "0000:02:00.0"
#define FAKE_VF	   "0000:02:10.0"
#define FAKE_NVME  "0000:03:00.0"

/* The VF's network settings, as its PF's driver keeps them: below the root, one line. */
#define FAKE_NET "vf-net"

#define FAKE_HOST_NR 8
extern const struct fake_fn fake_host_fns[FAKE_HOST_NR];

/* Build it in the empty folder @root. Return: exit status. */
int fake_host_make(const char *root);

#endif
