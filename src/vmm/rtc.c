/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "vmm/bus.h"

/* Registers of the MC146818A. */
enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	MONTHDAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
};

#define REG_A_32KHZ                                                                                \
	0x26 /* time base 32.768 kHz, 1.024 kHz rate; update in progress (bit 7) never shows */
#define REG_B_24H    0x02
#define REG_B_BINARY 0x04
#define REG_D_VALID  0x80 /* the battery is good */

struct berth_rtc {
	struct berth_bus *pio;		 /* borrowed */
	struct berth_bus_region *region; /* owned */
	time_t (*now)(void);
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t bytes[128];
};

static time_t host_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

static uint8_t coded(const struct berth_rtc *rtc, int value)
{
	if (rtc->bytes[REG_B] & REG_B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static uint8_t hours(const struct berth_rtc *rtc, int hour)
{
	if (rtc->bytes[REG_B] & REG_B_24H)
		return coded(rtc, hour);
	return coded(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static uint8_t read_byte(const struct berth_rtc *rtc, uint8_t index)
{
	time_t now = rtc->now();
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (index) {
	case SECONDS:
		return coded(rtc, tm.tm_sec);
	case MINUTES:
		return coded(rtc, tm.tm_min);
	case HOURS:
		return hours(rtc, tm.tm_hour);
	case WEEKDAY:
		return coded(rtc, tm.tm_wday + 1);
	case MONTHDAY:
		return coded(rtc, tm.tm_mday);
	case MONTH:
		return coded(rtc, tm.tm_mon + 1);
	case YEAR:
		return coded(rtc, tm.tm_year % 100);
	case BERTH_RTC_CENTURY:
		return coded(rtc, (tm.tm_year + 1900) / 100);
	case REG_A:
		return REG_A_32KHZ;
	case REG_C:
		return 0; /* no interrupt was ever raised */
	case REG_D:
		return REG_D_VALID;
	default:
		return rtc->bytes[index];
	}
}

static void rtc_read(void *opaque, uint64_t offset, unsigned int len, void *data)
{
	struct berth_rtc *rtc = opaque;

	if (len != 1 || offset != 1)
		return;
	pthread_mutex_lock(&rtc->lock);
	*(uint8_t *)data = read_byte(rtc, rtc->index);
	pthread_mutex_unlock(&rtc->lock);
}

static void rtc_write(void *opaque, uint64_t offset, unsigned int len, const void *data)
{
	struct berth_rtc *rtc = opaque;
	uint8_t value = *(const uint8_t *)data;

	if (len != 1)
		return;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0)
		rtc->index = value & 0x7f; /* bit 7 masks the NMI, which there is none of */
	else
		rtc->bytes[rtc->index] = value;
	pthread_mutex_unlock(&rtc->lock);
}

static const struct berth_bus_ops rtc_ops = { rtc_read, rtc_write };

int berth_rtc_new(struct berth_rtc **ret, struct berth_bus *pio, time_t (*now)(void),
		  struct berth_err *err)
{
	struct berth_rtc *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->pio = pio;
	rtc->now = now ? now : host_now;
	rtc->bytes[REG_B] = REG_B_24H;
	r = berth_bus_add(pio, (struct berth_range){ BERTH_RTC_PORT, 2 }, &rtc_ops, rtc,
			  &rtc->region, err);
	if (r < 0) {
		free(rtc);
		return r;
	}
	*ret = rtc;
	return 0;
}

void berth_rtc_free(struct berth_rtc *rtc)
{
	if (!rtc)
		return;
	berth_bus_remove(rtc->pio, rtc->region);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
