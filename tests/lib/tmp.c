/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/tmp.h"

#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *tmp_new(void)
{
	const char *base = getenv("TMPDIR");
	char *dir;

	assert_true(asprintf(&dir, "%s/berth-test-XXXXXX", base && *base ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(dir));
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void tmp_free(char *dir)
{
	if (!dir)
		return;
	assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(dir);
}

char *tmp_path(const char *dir, const char *name, char *buf, size_t size)
{
	assert_true(snprintf(buf, size, "%s/%s", dir, name) < (int)size);
	return buf;
}

void tmp_write(const char *dir, const char *name, const void *data, size_t len)
{
	int fd = open(TMP_PATH(dir, name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

void tmp_text(const char *dir, const char *name, const char *text)
{
	tmp_write(dir, name, text, strlen(text));
}
