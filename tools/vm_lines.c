/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_lines.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BERTH_LOG "berth-vmm"
#include "base/log.h"

#define BURST	   20
#define PER_SECOND 10
#define COST	   (1000 / PER_SECOND)
#define MOST	   ((int64_t)BURST * COST)

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void berth_vm_lines_init(struct berth_vm_lines *l, const char *name)
{
	*l = (struct berth_vm_lines){ .name = name, .credit = MOST, .time = now_ms() };
}

static void show(struct berth_vm_lines *l)
{
	int64_t now = now_ms();

	l->line[l->len] = '\0';
	l->len = 0;
	l->credit += now - l->time;
	l->time = now;
	if (l->credit > MOST)
		l->credit = MOST;
	if (l->credit < COST) {
		l->dropped++;
		return;
	}
	l->credit -= COST;
	log_warn("VM %s: %s", l->name, l->line);
}

void berth_vm_lines_read(struct berth_vm_lines *l, int *fd)
{
	char buf[1024];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		berth_closep(fd);
		*fd = -1;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n' && l->len < sizeof(l->line) - 1)
			l->line[l->len++] = buf[i];
		if (buf[i] == '\n' || l->len == sizeof(l->line) - 1)
			show(l);
	}
}

void berth_vm_lines_end(struct berth_vm_lines *l, int *fd)
{
	while (*fd >= 0) {
		struct pollfd p = { .fd = *fd, .events = POLLIN };

		if (poll(&p, 1, 0) != 1)
			break;
		berth_vm_lines_read(l, fd);
	}
	if (l->len)
		show(l);
	if (l->dropped)
		log_warn("VM %s: %u more lines dropped", l->name, l->dropped);
}
