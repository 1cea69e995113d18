/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmocka needs these five headers before its own, in this order. */
#ifndef BERTH_TESTS_CMOCKA_ALL_H
#define BERTH_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#endif
