/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's real-time clock: an MC146818 at ports 0x70/0x71 that tells the host's time in UTC.
 *
 * The guest may set whatever it likes: time registers are taken from the host anew at each read and writes to them are
 * dropped; the other bytes are plain memory. No alarm, no periodic interrupt: ACPI gives the device no interrupt.
 * Source: Motorola MC146818A data sheet; century at 0x32 as FADT.CENTURY says (ACPI 6.5, 5.2.9).
 */
#ifndef BERTH_VMM_RTC_H
#define BERTH_VMM_RTC_H

#include <stdint.h>
#include <time.h>

#include "base/cleanup.h"

struct berth_bus;
struct berth_err;
struct berth_rtc; /* opaque */

#define BERTH_RTC_PORT	  0x70
#define BERTH_RTC_CENTURY 0x32

/* @now: NULL for the host's clock; tests give their own. Return: 0, -ENOMEM. */
int berth_rtc_new(struct berth_rtc **ret, struct berth_bus *pio, time_t (*now)(void),
		  struct berth_err *err);
void berth_rtc_free(struct berth_rtc *rtc);
BERTH_DEFINE_CLEANUP(struct berth_rtc *, berth_rtc_free);

#endif
