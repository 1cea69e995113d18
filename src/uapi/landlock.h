/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Landlock numbers that the oldest supported headers (linux-libc-dev 6.1) lack or that came later. Facts from
 * Documentation/userspace-api/landlock.rst; asked for at run time (LANDLOCK_CREATE_RULESET_VERSION), never by #ifdef alone.
 */
#ifndef BERTH_UAPI_LANDLOCK_H
#define BERTH_UAPI_LANDLOCK_H

#include <stdint.h>

/* struct landlock_ruleset_attr; older kernels take a shorter one, and a longer one whose surplus is zero. */
struct berth_landlock_ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4, Linux 6.7 */
	uint64_t scoped;	     /* ABI 6, Linux 6.12 */
};
_Static_assert(sizeof(struct berth_landlock_ruleset_attr) == 24, "struct landlock_ruleset_attr");

#define BERTH_LANDLOCK_CREATE_RULESET_VERSION 1u

/* Rights by ABI: 13 file system rights with 1, REFER with 2, TRUNCATE with 3, IOCTL_DEV with 5. */
#define BERTH_LANDLOCK_FS_ABI1 ((UINT64_C(1) << 13) - 1)
#define BERTH_LANDLOCK_FS_ABI2 ((UINT64_C(1) << 14) - 1)
#define BERTH_LANDLOCK_FS_ABI3 ((UINT64_C(1) << 15) - 1)
#define BERTH_LANDLOCK_FS_ABI5 ((UINT64_C(1) << 16) - 1)
#define BERTH_LANDLOCK_NET     UINT64_C(3) /* BIND_TCP, CONNECT_TCP */
#define BERTH_LANDLOCK_SCOPED  UINT64_C(3) /* ABSTRACT_UNIX_SOCKET, SIGNAL */

#endif
