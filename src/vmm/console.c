/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vmm/console"
#include "vmm/console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/serial.h"

/* A terminal or pipe that polls writable takes this much without blocking (n_tty: 256, pipe: a page). */
#define CHUNK 128

struct end {
	int fd;		 /* borrowed; -1 when there is none (any more) */
	bool socket;	 /* send() instead of write() */
	bool polled;	 /* in the loop; a regular file is not, and is always ready */
	uint32_t events; /* waited for at present */
};

struct berth_console {
	struct berth_serial *serial; /* owned */
	struct berth_irq *irq;	     /* borrowed */
	struct berth_loop *loop;     /* borrowed */
	pthread_mutex_t lock;	     /* guards everything below */
	struct end in,
		out; /* with one fd for both, in.events holds both and out is not in the loop */
	uint8_t buffer[BERTH_CONSOLE_BUFFER];
	size_t head, len;
};

/* The end that the loop knows for output. */
static struct end *out_end(struct berth_console *c)
{
	return c->out.fd == c->in.fd ? &c->in : &c->out;
}

/* Under the lock: wait for @event, or not, on top of what is waited for anyhow. */
static void want(struct berth_console *c, struct end *end, uint32_t event, bool on)
{
	uint32_t events = on ? end->events | event : end->events & ~event;

	if (!end->polled || events == end->events)
		return;
	end->events = events;
	(void)berth_loop_set(c->loop, end->fd, events);
}

static ssize_t write_some(const struct end *out, const void *data, size_t len)
{
	struct pollfd p = { .fd = out->fd, .events = POLLOUT };

	if (out->socket)
		return send(out->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (poll(&p, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	return write(out->fd, data, len < CHUNK ? len : CHUNK);
}

/* Under the lock: give the reader what it takes without blocking. */
static void flush(struct berth_console *c)
{
	while (c->len && c->out.fd >= 0) {
		size_t run = sizeof(c->buffer) - c->head;
		ssize_t n = write_some(&c->out, c->buffer + c->head, c->len < run ? c->len : run);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) { /* the reader is gone; the guest goes on without */
			c->len = 0;
			break;
		}
		c->head = (c->head + (size_t)n) % sizeof(c->buffer);
		c->len -= (size_t)n;
	}
	want(c, out_end(c), EPOLLOUT, c->len > 0);
}

static void console_irq(void *opaque, int level)
{
	struct berth_console *c = opaque;

	(void)berth_irq_set_pin(c->irq, BERTH_SERIAL_COM1_IRQ, level);
}

static void console_output(void *opaque, uint8_t byte)
{
	struct berth_console *c = opaque;

	pthread_mutex_lock(&c->lock);
	if (c->out.fd >= 0 && c->len < sizeof(c->buffer)) {
		bool idle = c->len == 0;

		c->buffer[(c->head + c->len++) % sizeof(c->buffer)] = byte;
		/* While older bytes wait the loop flushes; trying here again would cost a system call per byte. */
		if (idle || !out_end(c)->polled)
			flush(c);
	}
	pthread_mutex_unlock(&c->lock);
}

static void console_room(void *opaque)
{
	struct berth_console *c = opaque;

	pthread_mutex_lock(&c->lock);
	if (c->in.fd >= 0)
		want(c, &c->in, EPOLLIN, true);
	pthread_mutex_unlock(&c->lock);
}

static const struct berth_serial_ops console_ops = { console_irq, console_output, console_room };

/* The fd hung up: take it out of the loop, or it would be reported for ever. */
static void hang_up(struct berth_console *c, struct end *end)
{
	log_info("the console's descriptor %d hung up; the guest goes on without it", end->fd);
	berth_loop_del(c->loop, end->fd);
	end->polled = false;
	if (c->out.fd == end->fd) {
		c->out.fd = -1;
		c->len = 0;
	}
	end->fd = -1;
}

/* Main thread. Return: false at the end of input. */
static bool take_input(struct berth_console *c)
{
	uint8_t data[BERTH_SERIAL_FIFO];
	size_t room = berth_serial_room(c->serial);
	ssize_t n;

	if (room == 0) {
		/* The guest's next read of its FIFO asks for more; look again in case it just did. */
		pthread_mutex_lock(&c->lock);
		want(c, &c->in, EPOLLIN, false);
		pthread_mutex_unlock(&c->lock);
		if (berth_serial_room(c->serial))
			console_room(c);
		return true;
	}
	n = read(c->in.fd, data, room);
	if (n > 0) {
		(void)berth_serial_input(c->serial, data, (size_t)n);
		return true;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void console_ready(void *opaque, int fd, uint32_t events)
{
	struct berth_console *c = opaque;
	bool ended = false;

	if (events & EPOLLOUT) {
		pthread_mutex_lock(&c->lock);
		flush(c);
		pthread_mutex_unlock(&c->lock);
	}
	if (fd == c->in.fd && (events & EPOLLIN))
		ended = !take_input(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		ended = true;
	if (!ended)
		return;
	pthread_mutex_lock(&c->lock);
	if (fd == c->in.fd)
		hang_up(c, &c->in);
	else
		hang_up(c, &c->out);
	pthread_mutex_unlock(&c->lock);
}

static void describe(struct end *end, int fd)
{
	struct stat st;

	end->fd = fd;
	end->socket = fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static int watch(struct berth_console *c, struct end *end, uint32_t events, struct berth_err *err)
{
	struct berth_err why = BERTH_ERR_INIT;
	int r;

	if (end->fd < 0)
		return 0;
	r = berth_loop_add(c->loop, end->fd, events, console_ready, c, &why);
	if (r ==
	    -EPERM) { /* a regular file or /dev/null: output works unpolled, input makes no sense */
		if (end == &c->in)
			end->fd = -1;
		return 0;
	}
	if (r < 0)
		return berth_err_set(err, r, "console: %s", why.text);
	end->polled = true;
	end->events = events;
	return 0;
}

int berth_console_new(struct berth_console **ret, struct berth_bus *pio, struct berth_irq *irq,
		      struct berth_loop *loop, int in_fd, int out_fd, struct berth_err *err)
{
	BERTH_CLEANUP(berth_console_freep) struct berth_console *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&c->lock, NULL);
	c->irq = irq;
	c->loop = loop;
	describe(&c->in, in_fd);
	describe(&c->out, out_fd);
	r = berth_serial_new(&c->serial, pio, &console_ops, c, err);
	if (r == 0)
		r = watch(c, &c->in, EPOLLIN, err);
	if (r == 0 && c->out.fd != c->in.fd)
		r = watch(c, &c->out, 0, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(c);
	return 0;
}

void berth_console_free(struct berth_console *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	flush(c);
	pthread_mutex_unlock(&c->lock);
	if (c->in.polled)
		berth_loop_del(c->loop, c->in.fd);
	if (c->out.polled)
		berth_loop_del(c->loop, c->out.fd);
	berth_serial_free(c->serial);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
