/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A temporary folder of a test, gone afterwards with everything in it. Failures fail the test.
 */
#ifndef BERTH_TESTS_TMP_H
#define BERTH_TESTS_TMP_H

#include <stddef.h>

/* Make a folder, mode 0700. Return: its path, to be given to tmp_free(). */
char *tmp_new(void);
void tmp_free(char *dir);

/* "DIR/NAME" in a buffer that lives as long as the enclosing block. */
#define TMP_PATH(dir, name) tmp_path((dir), (name), (char[512]){ 0 }, 512)
char *tmp_path(const char *dir, const char *name, char *buf, size_t size);

/* Write a file, mode 0600. */
void tmp_write(const char *dir, const char *name, const void *data, size_t len);
void tmp_text(const char *dir, const char *name, const char *text);

#endif
