/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define MAX_RULES 16
#define NAME_SIZE 96

enum action { KILL, ERROR, SLEEP, STOP };

struct rule {
	char name[NAME_SIZE]; /* "*": any */
	enum action action;
	int arg;	 /* errno, or milliseconds */
	unsigned int at; /* 0: every time */
};

static struct rule rules[MAX_RULES];
static size_t nr_rules;
static atomic_uint *
	passed; /* by rule; shared with children, so that a place is counted once whoever passes it */
static int log_fd = -1;
static bool ready;

/* "kill", "stop", "error:5", "sleep:20", each with or without "@3". Return: was it one? */
static bool parse_action(char *text, struct rule *rule)
{
	char *at = strchr(text, '@'), *arg;

	rule->at = 0;
	if (at) {
		*at = '\0';
		rule->at = (unsigned int)strtoul(at + 1, NULL, 10);
	}
	arg = strchr(text, ':');
	if (arg)
		*arg++ = '\0';
	rule->arg = arg ? (int)strtol(arg, NULL, 10) : 0;
	if (strcmp(text, "kill") == 0)
		rule->action = KILL;
	else if (strcmp(text, "stop") == 0)
		rule->action = STOP;
	else if (strcmp(text, "error") == 0 && rule->arg > 0)
		rule->action = ERROR;
	else if (strcmp(text, "sleep") == 0 && rule->arg > 0)
		rule->action = SLEEP;
	else
		return false;
	return true;
}

static bool parse_rule(char *text, struct rule *rule)
{
	char *equals = strchr(text, '=');

	if (!equals || equals - text >= NAME_SIZE)
		return false;
	*equals = '\0';
	strcpy(rule->name, text);
	return parse_action(equals + 1, rule);
}

/* A test with a mistake in its rules must not pass for one in which nothing went wrong. */
static void set_up(void)
{
	const char *env = getenv("BERTH_FAILPOINTS"), *log = getenv("BERTH_FAILPOINT_LOG");
	char text[1024], *save, *part;

	ready = true;
	if (!passed) {
		passed = mmap(NULL, MAX_RULES * sizeof(*passed), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (passed == MAP_FAILED)
			abort();
	}
	if (log && *log)
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (!env || !*env)
		return;
	if (snprintf(text, sizeof(text), "%s", env) >= (int)sizeof(text))
		abort();
	for (part = strtok_r(text, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		if (nr_rules == MAX_RULES || !parse_rule(part, &rules[nr_rules]))
			abort();
		nr_rules++;
	}
}

void berth_failpoint_reset(void)
{
	nr_rules = 0;
	ready = false;
	for (size_t i = 0; passed && i < MAX_RULES; i++)
		passed[i] = 0;
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
	set_up();
}

static size_t append(char *name, size_t len, const char *part)
{
	while (*part && len < NAME_SIZE - 2)
		name[len++] = *part++;
	return len;
}

static int act(const struct rule *rule)
{
	struct timespec nap = { rule->arg / 1000, rule->arg % 1000 * 1000000L };

	switch (rule->action) {
	case KILL:
		kill(getpid(), SIGKILL);
		break;
	case STOP:
		raise(SIGSTOP);
		break;
	case SLEEP:
		nanosleep(&nap, NULL);
		break;
	case ERROR:
		return -rule->arg;
	}
	return 0;
}

int berth_failpoint_hit(const char *object, const char *operation, const char *side,
			struct berth_err *err)
{
	char name[NAME_SIZE];
	size_t len = append(name, 0, object);
	int r = 0;

	if (!ready)
		set_up();
	len = append(name, append(name, len, "."), operation);
	len = append(name, append(name, len, "."), side);
	name[len] = '\n';
	if (log_fd >= 0 && write(log_fd, name, len + 1) < 0)
		return -errno;
	name[len] = '\0';
	for (size_t i = 0; i < nr_rules && r == 0; i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(rule->name, "*") && strcmp(rule->name, name))
			continue;
		if (atomic_fetch_add(&passed[i], 1) + 1 == rule->at || rule->at == 0)
			r = act(rule);
	}
	return r == 0 ? 0 : berth_err_set(err, r, "failpoint %s: %s", name, strerror(-r));
}
