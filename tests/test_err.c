/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void first_writer_owns_the_cause(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_err_set(&err, -ENOENT, "open %s", "a"), -ENOENT);
	assert_int_equal(berth_err_set(&err, -EIO, "later"), -EIO);
	assert_int_equal(err.code, -ENOENT);
	assert_string_equal(err.text, "open a");
}

static void prefix_puts_context_in_front(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	berth_err_set(&err, -EBUSY, "group 14 is open elsewhere");
	assert_int_equal(berth_err_prefix(&err, -EBUSY, "assign %s", "01:00.0"), -EBUSY);
	assert_string_equal(err.text, "assign 01:00.0: group 14 is open elsewhere");
}

static void prefix_without_a_cause_says_the_errno(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_err_prefix(&err, -ENOMEM, "map"), -ENOMEM);
	assert_string_equal(err.text, "map: Cannot allocate memory");
}

static void long_texts_are_cut_not_overrun(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	char big[2 * BERTH_ERR_TEXT];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	berth_err_set(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), BERTH_ERR_TEXT - 1);
	berth_err_prefix(&err, -EIO, "%s", big);
	assert_int_equal(strlen(err.text), BERTH_ERR_TEXT - 1);
}

static void a_null_err_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(berth_err_set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(berth_err_prefix(NULL, -EIO, "x"), -EIO);
	berth_err_clear(NULL);
}

static void clear_makes_room_for_the_next_cause(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	berth_err_set(&err, -EIO, "one");
	berth_err_clear(&err);
	berth_err_set(&err, BERTH_REFUSED, "two");
	assert_int_equal(err.code, BERTH_REFUSED);
	assert_string_equal(err.text, "two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_writer_owns_the_cause),
		cmocka_unit_test(prefix_puts_context_in_front),
		cmocka_unit_test(prefix_without_a_cause_says_the_errno),
		cmocka_unit_test(long_texts_are_cut_not_overrun),
		cmocka_unit_test(a_null_err_is_allowed),
		cmocka_unit_test(clear_makes_room_for_the_next_cause),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
