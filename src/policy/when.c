/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

int berth_span_parse(const char *text, int64_t *ret_s)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	size_t digits = strspn(text, "0123456789");
	int64_t number = 0;

	if (digits < 1 || digits > 9 || strlen(text) != digits + 1)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (text[i] - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].letter != text[digits])
			continue;
		if (number > BERTH_SPAN_MAX_S / units[i].seconds)
			return -EINVAL;
		*ret_s = number * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

/* Exactly @n digits at *p, which moves behind them. -1: there are others. */
static int digits(const char **p, int n)
{
	int value = 0;

	for (; n > 0; n--, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool skip(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to this day of the Gregorian calendar; -1: there is no such day. */
static int64_t days_to(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
	int length, past = year - 1;

	if (year < 1970 || month < 1 || month > 12 || day < 1)
		return -1;
	length = before[month] - before[month - 1] + (month == 2 && is_leap(year));
	if (day > length)
		return -1;
	/* 719162 days lie between 0001-01-01 and 1970-01-01 */
	return (int64_t)past * 365 + past / 4 - past / 100 + past / 400 + before[month - 1] +
	       (month > 2 && is_leap(year)) + day - 1 - 719162;
}

/* "Z" or "+02:00". Return: 0; -EINVAL. */
static int offset(const char **p, int64_t *ret_s)
{
	int sign = **p == '-' ? -1 : 1, hours, minutes;

	*ret_s = 0;
	if (skip(p, 'Z') || skip(p, 'z'))
		return 0;
	if (!skip(p, '+') && !skip(p, '-'))
		return -EINVAL;
	hours = digits(p, 2);
	if (hours < 0 || hours > 23 || !skip(p, ':'))
		return -EINVAL;
	minutes = digits(p, 2);
	if (minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return 0;
}

/* "08:00" or "08:00:30". Return: seconds of the day, or -1. */
static int clock_time(const char **p)
{
	int hour = digits(p, 2), minute, second = 0;

	if (hour < 0 || hour > 23 || !skip(p, ':'))
		return -1;
	minute = digits(p, 2);
	if (minute < 0 || minute > 59)
		return -1;
	if (skip(p, ':'))
		second = digits(p, 2);
	return second < 0 || second > 59 ? -1 : hour * 3600 + minute * 60 + second;
}

int berth_moment_parse(const char *text, int64_t *ret)
{
	const char *p = text;
	int year, month, day, time;
	int64_t days, off, moment;

	year = digits(&p, 4);
	if (year < 0 || !skip(&p, '-'))
		return -EINVAL;
	month = digits(&p, 2);
	if (month < 0 || !skip(&p, '-'))
		return -EINVAL;
	day = digits(&p, 2);
	days = day < 0 ? -1 : days_to(year, month, day);
	if (days < 0 || (!skip(&p, 'T') && !skip(&p, 't')))
		return -EINVAL;
	time = clock_time(&p);
	if (time < 0 || offset(&p, &off) < 0 || *p)
		return -EINVAL;
	moment = days * 86400 + time - off;
	if (moment <= 0)
		return -EINVAL;
	*ret = moment;
	return 0;
}
