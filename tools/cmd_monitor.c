/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth monitor: PCI functions that come, go and change drivers, one line each as it happens.
 */
#include "tools/berth.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/json.h"
#include "tools/out.h"
#include "vfio/inventory.h"
#include "vfio/monitor.h"

struct watch {
	const struct berth_host *host;
	struct berth_monitor *monitor; /* owned */
	struct berth_inventory *inv;   /* owned; for names; NULL when it could not be read */
	int signals;		       /* owned; signalfd */
	bool json;
	uint64_t count;	 /* lines to print, UINT64_MAX: no end */
	uint64_t end_ms; /* on the monotonic clock, UINT64_MAX: no end */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The name of a function, "" when nobody knows. What was removed is still in the last inventory. */
static const char *name_of(struct watch *w, const struct berth_event *event,
			   char buf[static BERTH_DEVICE_NAME])
{
	const struct berth_device *dev = w->inv ? berth_inventory_find(w->inv, event->at) : NULL;
	struct berth_inventory *fresh;

	if (event->kind == BERTH_EVENT_ADD && berth_inventory_read(&fresh, w->host, NULL) == 0) {
		berth_inventory_free(w->inv);
		w->inv = fresh;
		dev = berth_inventory_find(w->inv, event->at);
	}
	return dev ? berth_device_name(w->inv, dev, buf) : "";
}

static json_t *text_or_null(const char *text)
{
	return berth_json_text(*text ? text : NULL);
}

static int print_json(const struct berth_event *event, const char *name)
{
	char when[64], whole[80];
	time_t seconds = (time_t)(event->time_us / 1000000);
	bool about_one = event->kind != BERTH_EVENT_RESCAN;
	json_t *line;
	struct tm tm;
	int r;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	snprintf(whole, sizeof(whole), "%s.%06uZ", when, (unsigned int)(event->time_us % 1000000));
	line = json_pack("{ss ss so so so}", "time", whole, "event", berth_event_name(event->kind),
			 "bdf", text_or_null(about_one ? BERTH_BDF_STR(event->at) : ""), "driver",
			 text_or_null(event->driver), "name", text_or_null(name));
	if (!line)
		return -ENOMEM;
	r = json_dumpf(line, stdout, JSON_COMPACT) < 0 ? -EIO : 0;
	json_decref(line);
	putchar('\n');
	return r;
}

static int print_text(const struct berth_event *event, const char *name)
{
	char when[32];
	time_t seconds = (time_t)(event->time_us / 1000000);
	char *printable;
	struct tm tm;

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&seconds, &tm));
	printf("%s.%03u %-7s", when, (unsigned int)(event->time_us / 1000 % 1000),
	       berth_event_name(event->kind));
	if (event->kind == BERTH_EVENT_RESCAN) {
		printf("events were lost, look at everything again\n");
		return 0;
	}
	printf("%-13s %-12s", BERTH_BDF_STR(event->at), *event->driver ? event->driver : "-");
	printable = berth_out_printable(name);
	if (!printable)
		return -ENOMEM;
	printf(" %s\n", *printable ? printable : "-");
	free(printable);
	return 0;
}

/* Print what there is. Return: 0; -errno. */
static int drain(struct watch *w, struct berth_err *err)
{
	char buf[BERTH_DEVICE_NAME];
	struct berth_event event;
	int r = 0;

	while (w->count > 0 && (r = berth_monitor_next(w->monitor, 0, &event, err)) == 0) {
		const char *name = event.kind == BERTH_EVENT_RESCAN ? "" : name_of(w, &event, buf);

		r = w->json ? print_json(&event, name) : print_text(&event, name);
		if (r == 0 && fflush(stdout) < 0)
			r = -errno;
		if (r < 0)
			return berth_err_set(err, r, "writing the output: %s", strerror(-r));
		if (w->count != UINT64_MAX)
			w->count--;
	}
	return r == BERTH_ABSENT || r == -EINTR ? 0 : r;
}

static int watch(struct watch *w, struct berth_err *err)
{
	struct pollfd p[] = { { .fd = berth_monitor_fd(w->monitor), .events = POLLIN },
			      { .fd = w->signals, .events = POLLIN } };
	int r = 0;

	while (r == 0 && w->count > 0) {
		uint64_t now = now_ms();
		int wait = -1;

		if (w->end_ms != UINT64_MAX) {
			if (now >= w->end_ms)
				break;
			wait = w->end_ms - now > INT_MAX ? INT_MAX : (int)(w->end_ms - now);
		}
		if (poll(p, 2, wait) < 0 && errno != EINTR)
			return berth_err_set(err, -errno, "waiting for events: %s",
					     strerror(errno));
		if (p[0].revents)
			r = drain(w, err);
		if (p[1].revents)
			break;
	}
	return r;
}

/* Ctrl-C and a service manager's stop are the regular ends. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool parse_seconds(const char *text, uint64_t *ret_ms)
{
	char *end;
	double value;

	if (*text < '0' || *text > '9')
		return false;
	value = strtod(text, &end);
	if (*end || value > 1e9)
		return false;
	*ret_ms = (uint64_t)(value * 1000);
	return true;
}

static bool parse_count(const char *text, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end && *ret > 0;
}

static int parse(const struct berth_cmd *cmd, struct watch *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "timeout", required_argument, NULL, 't' },
		{ "count", required_argument, NULL, 'n' },
		{ 0 },
	};
	uint64_t ms;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jt:n:", options, NULL)) >= 0) {
		switch (c) {
		case 'j':
			w->json = true;
			break;
		case 't':
			if (!parse_seconds(optarg, &ms))
				return berth_usage(cmd, "--timeout wants seconds, not '%s'",
						   optarg);
			w->end_ms = now_ms() + ms;
			break;
		case 'n':
			if (!parse_count(optarg, &w->count))
				return berth_usage(cmd, "--count wants a number above 0, not '%s'",
						   optarg);
			break;
		case ':':
			return berth_usage(cmd, "%s needs a value", argv[optind - 1]);
		default:
			return berth_usage(cmd, "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return berth_usage(cmd, "takes no argument, so not '%s'", argv[optind]);
	return BERTH_EXIT_OK;
}

static int run_monitor(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	struct watch w = { .host = host, .signals = -1, .count = UINT64_MAX, .end_ms = UINT64_MAX };
	struct berth_err err = BERTH_ERR_INIT;
	int r = parse(cmd, &w, argc, argv);

	if (r != BERTH_EXIT_OK)
		return r;
	w.signals = catch_signals();
	r = w.signals < 0 ? berth_err_set(&err, -errno, "signalfd: %s", strerror(errno)) :
			    berth_monitor_new(&w.monitor, &err);
	if (r == 0) {
		(void)berth_inventory_read(&w.inv, host, NULL);
		r = watch(&w, &err);
	}
	berth_inventory_free(w.inv);
	berth_monitor_free(w.monitor);
	berth_closep(&w.signals);
	return r < 0 ? berth_fail(cmd, r, &err) : BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_monitor = {
	.name = "monitor",
	.summary = "PCI functions that come, go and change drivers, as it happens",
	.help = "Usage: berth monitor [--json] [--timeout S] [--count N]\n\n"
		"Prints a line for each PCI function that appears, disappears, gets or loses a driver:\n"
		"time, event (add, remove, bind, unbind, change), address, driver, name. An event 'rescan'\n"
		"says that events were lost. Ends on Ctrl-C.\n\n"
		"  -j, --json       one JSON object per line\n"
		"  -t, --timeout S  end after S seconds\n"
		"  -n, --count N    end after N lines\n",
	.run = run_monitor,
};
