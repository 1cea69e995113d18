/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/quiet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/host.h"

bool berth_quiet_has(const struct berth_quiet *quiet, struct berth_bdf at)
{
	for (size_t i = 0; i < quiet->nr; i++) {
		if (berth_bdf_eq(quiet->at[i], at))
			return true;
	}
	return false;
}

/* The note, without its two process ids and its time; "" when nobody is at work, or he is dead. */
static void read_note(int dir, const char *name, char *buf, size_t size)
{
	BERTH_CLEANUP(berth_closep)
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	/* Who works holds the file locked: a note without is an old one. */
	if (*buf && flock(fd, LOCK_SH | LOCK_NB) == 0)
		buf[0] = '\0';
}

/* Each address in a note: in the value, or as a component of the path. */
static void add_all(struct berth_quiet *quiet, char *note)
{
	char *save = NULL;

	for (char *word = strtok_r(note, " /\n", &save); word;
	     word = strtok_r(NULL, " /\n", &save)) {
		struct berth_bdf at;

		if (strlen(word) >= BERTH_BDF_LEN || berth_bdf_parse(word, &at) < 0)
			continue;
		if (quiet->nr < BERTH_QUIET_MAX && !berth_quiet_has(quiet, at))
			quiet->at[quiet->nr++] = at;
	}
}

void berth_quiet_read(struct berth_quiet *ret, const struct berth_host *host)
{
	char path[PATH_MAX], note[PATH_MAX + 128];
	struct dirent *e;
	DIR *dir;

	ret->nr = 0;
	snprintf(path, sizeof(path), "%s/" BERTH_QUIET_DIR, host->state);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (*e->d_name == '.')
			continue;
		read_note(dirfd(dir), e->d_name, note, sizeof(note));
		add_all(ret, note);
	}
	if (dir)
		closedir(dir);
}
