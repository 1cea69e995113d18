/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A piece of work that can block for ever in the kernel, done in a child process with a deadline.
 *
 * Drivers bind, unbind, reset and make virtual functions in the context of whoever asks; one that does not return leaves
 * its caller in a sleep that no signal ends. The child takes that risk. When it misses its deadline it is left behind, and
 * keeps a note of what it waits for (struct berth_slow_write) for as long as it does.
 *
 * For processes with one thread.
 */
#ifndef BERTH_BASE_CHILD_H
#define BERTH_BASE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct berth_host;

/* After this long without an answer work is slow: igb's unbind takes half a second, most writes take a few milliseconds. */
#define BERTH_CHILD_SLOW_MS 50

/*
 * For whoever keeps others off a device while the kernel works on it, and off nothing else (host->slow_write).
 *
 * While work is under way @note_fd holds one line: "PARENT CHILD SECONDS VALUE PATH": two process ids, when it began
 * (since 1970), what is done, and where. The child keeps @note_fd open until the kernel has answered; it closes @drop
 * first of all.
 */
struct berth_slow_write {
	int note_fd;
	const int *also; /* borrowed; @nr_also more descriptors like @note_fd */
	size_t nr_also;
	const int *drop; /* borrowed; @nr_drop descriptors */
	size_t nr_drop;
	void (*waiting)(void *data);  /* BERTH_CHILD_SLOW_MS have passed; the wait goes on */
	void (*answered)(void *data); /* only after waiting(): the wait is over, either way */
	void *data;
	pid_t left; /* gets the child that is left behind at a deadline */
};

struct berth_child_work {
	const char *
		value; /* for the note, without blanks: what is written ("0000:01:00.0"), or done ("reset") */
	const char *path;	/* for the note: where, below /sys; lines are cut */
	int (*run)(void *data); /* in the child. Return: 0, a positive outcome, or -errno */
	void *data;
	void *result; /* of the caller's: what run() leaves there comes back, undefined on -EIO; NULL: nothing */
	size_t size; /* of @result; at most BERTH_CHILD_RESULT */
	const int *
		keep; /* NULL: all descriptors; else only these @nr_keep (-1 is none), standard ones and the note */
	size_t nr_keep;
};

/* A pipe takes as much at once (pipe(7)), so that the child never waits for its parent. */
#define BERTH_CHILD_RESULT 65000

/**
 * berth_child_run() - do @work within @deadline_ms
 * @host: its slow_write hears of it
 * @ret_left: gets the child that is left behind; 0: none is
 *
 * What the child prints is lost: a stuck one must not keep its caller's output open.
 *
 * Return: what run() returned; -ETIMEDOUT with *@ret_left: it is left behind; -EIO it died, whatever it had done; -ENOMEM, -EAGAIN, -EMFILE
 *         there was none.
 */
int berth_child_run(const struct berth_host *host, const struct berth_child_work *work,
		    unsigned int deadline_ms, pid_t *ret_left);

#endif
