/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/vm_lines.h"

/* What comes out of our log for what berth-vmm writes, piece by piece; its end of the pipe is closed after the last one. */
static char *pass_on(const char *const *pieces, char log[65536])
{
	int in[2], out[2], saved = dup(STDERR_FILENO);
	struct berth_vm_lines lines;
	ssize_t n;

	assert_int_equal(pipe2(in, O_NONBLOCK), 0);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	dup2(out[1], STDERR_FILENO);
	berth_vm_lines_init(&lines, "t1");
	for (; *pieces; pieces++) {
		assert_int_equal(write(in[1], *pieces, strlen(*pieces)), strlen(*pieces));
		berth_vm_lines_read(&lines, &in[0]);
	}
	close(in[1]);
	berth_vm_lines_end(&lines, &in[0]);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(in[0], -1); /* it has seen the end */
	n = read(out[0], log, 65535);
	log[n > 0 ? n : 0] = '\0';
	close(out[0]);
	close(out[1]);
	return log;
}

static size_t count(const char *text, const char *word)
{
	size_t nr = 0;

	while ((text = strstr(text, word)) != NULL) {
		nr++;
		text += strlen(word);
	}
	return nr;
}

static void lines_come_whole_and_with_the_name_of_the_vm(void **state)
{
	static const char *const pieces[] = { "one\ntw", "o\nthr", "ee", NULL };
	char log[65536];

	(void)state;
	pass_on(pieces, log);
	assert_non_null(strstr(log, "VM t1: one\n"));
	assert_non_null(strstr(log, "VM t1: two\n"));
	assert_non_null(strstr(log, "VM t1: three\n")); /* its end never came */
	assert_int_equal(count(log, "VM t1: "), 3);
}

static void a_line_that_is_too_long_is_cut_in_two(void **state)
{
	char line[800], log[65536];
	const char *const pieces[] = { line, NULL };

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 2] = '\n';
	line[sizeof(line) - 1] = '\0';
	pass_on(pieces, log);
	assert_int_equal(count(log, "VM t1: xxx"), 2);
}

static void a_flood_is_cut_and_what_was_dropped_is_counted(void **state)
{
	char flood[500 * 6 + 1] = "", log[65536];
	const char *const pieces[] = { flood, NULL };
	unsigned int dropped = 0;
	const char *told;
	size_t shown;

	(void)state;
	for (size_t i = 0; i < 500; i++)
		memcpy(flood + 6 * i, "noise\n", 7);
	pass_on(pieces, log);
	shown = count(log, "VM t1: noise");
	assert_in_range(shown, 20, 40);
	told = strstr(log, " more lines dropped");
	assert_non_null(told);
	while (told > log && told[-1] != ' ')
		told--;
	assert_int_equal(sscanf(told, "%u", &dropped), 1);
	assert_int_equal(shown + dropped, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_and_with_the_name_of_the_vm),
		cmocka_unit_test(a_line_that_is_too_long_is_cut_in_two),
		cmocka_unit_test(a_flood_is_cut_and_what_was_dropped_is_counted),
	};

	return cmocka_run_group_tests_name("tools/vm_lines", tests, NULL, NULL);
}
