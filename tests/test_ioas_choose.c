/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/ioas.h"
#include "tests/lib/host_tree.h"

static const struct berth_bdf devs[] = { { .bus = 1 }, { .bus = 2 } };

static int setup(void **state)
{
	*state = host_tree_new();
	return 0;
}

static int teardown(void **state)
{
	host_tree_free(*state);
	return 0;
}

/* What a kernel offers: nodes, and character devices of the first @nr_cdevs functions. */
static struct berth_host *offer(struct host_tree *tree, bool type1, bool iommu,
				unsigned int nr_cdevs)
{
	host_tree_dir(tree, "dev/vfio");
	if (type1)
		host_tree_file(tree, "dev/vfio/vfio", "-");
	if (iommu)
		host_tree_file(tree, "dev/iommu", "-");
	for (unsigned int i = 0; i < 2; i++) {
		char path[96];

		snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0", i + 1);
		host_tree_dir(tree, path);
		strcat(path, "/vfio-dev/vfio0");
		if (i < nr_cdevs)
			host_tree_dir(tree, path);
	}
	return host_tree_host(tree);
}

static int choose(struct berth_host *host, enum berth_ioas_want want, struct berth_err *err)
{
	enum berth_ioas_kind kind;
	int r = berth_ioas_choose(want, host, devs, 2, false, &kind, err);

	return r < 0 ? r : (int)kind;
}

static void takes_iommufd_where_kernel_and_every_device_offer_it(void **state)
{
	struct berth_host *host = offer(*state, true, true, 2);

	assert_int_equal(choose(host, BERTH_IOAS_WANT_ANY, NULL), BERTH_IOAS_IOMMUFD);
	assert_int_equal(choose(host, BERTH_IOAS_WANT_IOMMUFD, NULL), BERTH_IOAS_IOMMUFD);
	assert_int_equal(choose(host, BERTH_IOAS_WANT_TYPE1, NULL), BERTH_IOAS_TYPE1);
}

static void peer_to_peer_is_better_off_with_type1(void **state)
{
	struct host_tree *tree = *state;
	struct berth_host *host = offer(tree, true, true, 2);
	enum berth_ioas_kind kind;

	assert_int_equal(berth_ioas_choose(BERTH_IOAS_WANT_ANY, host, devs, 2, true, &kind, NULL),
			 0);
	assert_int_equal(kind, BERTH_IOAS_TYPE1);
	assert_int_equal(
		berth_ioas_choose(BERTH_IOAS_WANT_IOMMUFD, host, devs, 2, true, &kind, NULL), 0);
	assert_int_equal(kind, BERTH_IOAS_IOMMUFD);
}

static void without_type1_peer_to_peer_is_tried_with_iommufd(void **state)
{
	enum berth_ioas_kind kind;

	assert_int_equal(berth_ioas_choose(BERTH_IOAS_WANT_ANY, offer(*state, false, true, 2), devs,
					   2, true, &kind, NULL),
			 0);
	assert_int_equal(kind, BERTH_IOAS_IOMMUFD);
}

static void one_device_without_a_character_device_makes_it_type1(void **state)
{
	struct berth_host *host = offer(*state, true, true, 1);
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(choose(host, BERTH_IOAS_WANT_ANY, NULL), BERTH_IOAS_TYPE1);
	assert_int_equal(choose(host, BERTH_IOAS_WANT_IOMMUFD, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "0000:02:00.0 has no VFIO character device"));
	assert_non_null(strstr(err.text, "CONFIG_VFIO_DEVICE_CDEV"));
}

static void a_forced_interface_that_is_not_there_is_an_error_with_a_remedy(void **state)
{
	struct berth_host *host = offer(*state, true, false, 2);
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(choose(host, BERTH_IOAS_WANT_IOMMUFD, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no /dev/iommu"));
	assert_non_null(strstr(err.text, "take type1"));
	assert_int_equal(choose(host, BERTH_IOAS_WANT_ANY, NULL), BERTH_IOAS_TYPE1);
}

static void a_kernel_without_containers_has_iommufd_only(void **state)
{
	struct berth_host *host = offer(*state, false, true, 2);
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(choose(host, BERTH_IOAS_WANT_ANY, NULL), BERTH_IOAS_IOMMUFD);
	assert_int_equal(choose(host, BERTH_IOAS_WANT_TYPE1, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "no /dev/vfio/vfio"));
}

static void a_kernel_with_neither_is_refused(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(choose(offer(*state, false, false, 2), BERTH_IOAS_WANT_ANY, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "CONFIG_VFIO_CONTAINER"));
}

static void reads_what_users_write(void **state)
{
	static const struct {
		const char *text;
		enum berth_ioas_want want;
	} rows[] = {
		{ "auto", BERTH_IOAS_WANT_ANY },
		{ "type1", BERTH_IOAS_WANT_TYPE1 },
		{ "iommufd", BERTH_IOAS_WANT_IOMMUFD },
	};
	enum berth_ioas_want want;

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		want = BERTH_IOAS_WANT_ANY;
		assert_int_equal(berth_ioas_want_parse(rows[i].text, &want), 0);
		assert_int_equal(want, rows[i].want);
	}
	assert_int_equal(berth_ioas_want_parse("", &want), -EINVAL);
	assert_int_equal(berth_ioas_want_parse("vfio", &want), -EINVAL);
	assert_int_equal(want, BERTH_IOAS_WANT_IOMMUFD);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(takes_iommufd_where_kernel_and_every_device_offer_it),
		T(peer_to_peer_is_better_off_with_type1),
		T(without_type1_peer_to_peer_is_tried_with_iommufd),
		T(one_device_without_a_character_device_makes_it_type1),
		T(a_forced_interface_that_is_not_there_is_an_error_with_a_remedy),
		T(a_kernel_without_containers_has_iommufd_only),
		T(a_kernel_with_neither_is_refused),
		cmocka_unit_test(reads_what_users_write),
	};

	return cmocka_run_group_tests_name("iommu/ioas_choose", tests, NULL, NULL);
}
