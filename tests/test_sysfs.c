/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/sysfs.h"

struct tree {
	char root[64];
	struct berth_host *host;
};

static void put(const struct tree *t, const char *name, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/sys/%s", t->root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(berth_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static int make_tree(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	char path[PATH_MAX];

	assert_non_null(t);
	strcpy(t->root, "/tmp/berth-test-sysfs-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	snprintf(path, sizeof(path), "%s/sys", t->root);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(berth_host_open(&t->host, t->root, NULL), 0);
	*state = t;
	return 0;
}

static int drop_tree(void **state)
{
	struct tree *t = *state;
	char command[128];

	berth_host_close(t->host);
	snprintf(command, sizeof(command), "rm -rf '%s'", t->root);
	assert_int_equal(system(command), 0);
	free(t);
	return 0;
}

static void reads_text_without_its_newline(void **state)
{
	struct tree *t = *state;
	char buf[8];

	put(t, "name", "igb\n");
	assert_int_equal(berth_sysfs_read(t->host, buf, sizeof(buf), "%s", "name"), 3);
	assert_string_equal(buf, "igb");
	assert_int_equal(berth_sysfs_read(t->host, buf, sizeof(buf), "absent"), -ENOENT);
	assert_string_equal(buf, "");
}

static void long_text_is_cut_to_the_buffer(void **state)
{
	struct tree *t = *state;
	char buf[4];

	put(t, "name", "abcdefgh");
	assert_int_equal(berth_sysfs_read(t->host, buf, sizeof(buf), "name"), 3);
	assert_string_equal(buf, "abc");
}

static void reads_numbers_and_refuses_what_is_none(void **state)
{
	struct tree *t = *state;
	uint64_t u = 1;
	int64_t i = 1;

	put(t, "vendor", "0x8086\n");
	put(t, "numa_node", "-1\n");
	put(t, "text", "on\n");
	put(t, "huge", "99999999999999999999999\n");
	assert_int_equal(berth_sysfs_read_u64(t->host, &u, "vendor"), 0);
	assert_int_equal(u, 0x8086);
	assert_int_equal(berth_sysfs_read_i64(t->host, &i, "numa_node"), 0);
	assert_int_equal(i, -1);
	assert_int_equal(berth_sysfs_read_u64(t->host, &u, "numa_node"), -EINVAL);
	assert_int_equal(berth_sysfs_read_u64(t->host, &u, "text"), -EINVAL);
	assert_int_equal(berth_sysfs_read_u64(t->host, &u, "huge"), -ERANGE);
	assert_int_equal(u, 0x8086);
}

static void names_the_end_of_a_link(void **state)
{
	struct tree *t = *state;
	char path[PATH_MAX], buf[16];

	snprintf(path, sizeof(path), "%s/sys/driver", t->root);
	assert_int_equal(symlink("../../bus/pci/drivers/vfio-pci", path), 0);
	assert_int_equal(berth_sysfs_link_name(t->host, buf, sizeof(buf), "driver"), 8);
	assert_string_equal(buf, "vfio-pci");
	assert_int_equal(berth_sysfs_link_name(t->host, buf, 5, "driver"), -ENAMETOOLONG);
	assert_int_equal(berth_sysfs_link_name(t->host, buf, sizeof(buf), "none"), -ENOENT);
}

static void lists_names_in_order(void **state)
{
	struct tree *t = *state;
	char **names;
	size_t nr;

	put(t, "b", "");
	put(t, "a", "");
	put(t, "c", "");
	assert_int_equal(berth_sysfs_list(t->host, &names, &nr, "."), 0);
	assert_int_equal(nr, 3);
	assert_string_equal(names[0], "a");
	assert_string_equal(names[2], "c");
	assert_null(names[3]);
	free(names);
	assert_int_equal(berth_sysfs_list(t->host, &names, &nr, "absent"), -ENOENT);
}

static void writes_the_value(void **state)
{
	struct tree *t = *state;
	char buf[32];

	put(t, "driver_override", "");
	assert_int_equal(
		berth_sysfs_write(t->host, "vfio-pci", 1000, NULL, "driver_%s", "override"), 0);
	berth_sysfs_read(t->host, buf, sizeof(buf), "driver_override");
	assert_string_equal(buf, "vfio-pci");
}

static void a_failed_write_names_the_attribute_and_the_reason(void **state)
{
	struct tree *t = *state;
	struct berth_err err = BERTH_ERR_INIT;

	assert_int_equal(berth_sysfs_write(t->host, "1", 1000, &err, "reset"), -ENOENT);
	assert_string_equal(err.text, "writing \"1\" to /sys/reset: No such file or directory");
}

/* A FIFO that nobody reads blocks open(2) as a driver's unbind blocks write(2). */
static void a_write_that_blocks_meets_its_deadline(void **state)
{
	struct tree *t = *state;
	struct berth_err err = BERTH_ERR_INIT;
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/sys/unbind", t->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(berth_sysfs_write(t->host, "x", 50, &err, "unbind"), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "no answer from the kernel within 50 ms"));
	fd = open(path, O_RDONLY | O_NONBLOCK); /* lets the child go */
	assert_true(fd >= 0);
	close(fd);
}

static void a_host_without_sys_has_no_attributes(void **state)
{
	struct berth_host *host;
	char root[] = "/tmp/berth-test-sysfs-XXXXXX", buf[8], **names;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(berth_host_open(&host, root, NULL), 0);
	assert_int_equal(berth_sysfs_read(host, buf, sizeof(buf), "x"), -ENOENT);
	assert_int_equal(berth_sysfs_list(host, &names, NULL, "x"), -ENOENT);
	assert_false(berth_sysfs_exists(host, "x"));
	assert_false(berth_host_is_real(host));
	berth_host_close(host);
	rmdir(root);
}

static void a_root_that_is_no_directory_is_refused(void **state)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_host *host;

	(void)state;
	assert_int_equal(berth_host_open(&host, "/dev/null", &err), -ENOTDIR);
	assert_string_equal(err.text, "host tree /dev/null: not a directory");
	assert_int_equal(berth_host_open(&host, "/nowhere/at/all", NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define on_tree(t) cmocka_unit_test_setup_teardown(t, make_tree, drop_tree)
		on_tree(reads_text_without_its_newline),
		on_tree(long_text_is_cut_to_the_buffer),
		on_tree(reads_numbers_and_refuses_what_is_none),
		on_tree(names_the_end_of_a_link),
		on_tree(lists_names_in_order),
		on_tree(writes_the_value),
		on_tree(a_failed_write_names_the_attribute_and_the_reason),
		on_tree(a_write_that_blocks_meets_its_deadline),
		cmocka_unit_test(a_host_without_sys_has_no_attributes),
		cmocka_unit_test(a_root_that_is_no_directory_is_refused),
	};

	return cmocka_run_group_tests_name("base/sysfs", tests, NULL, NULL);
}
