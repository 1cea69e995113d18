/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comes up and switches itself off: for benches that want no guest. */
#include "tiny.h"

void tiny_main(void)
{
	tiny_check(true, "the tiny guest is up");
}
