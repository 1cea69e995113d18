/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is there until a byte comes in on the serial port, for tests that look at a running VM from outside. */
#include "tiny.h"

void tiny_main(void)
{
	tiny_print("# waiting\n");
	tiny_check(tiny_getc() == 'x', "a byte came in");
}
