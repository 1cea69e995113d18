/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/child.h"
#include "base/err.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "iommu/ioas.h"
#include "iommu/ioas_ops.h"
#include "tests/lib/fake_vfio.h"
#include "tests/lib/host_tree.h"
#include "vfio/proof.h"
#include "vfio/reset.h"

#define NR 2

/* Two functions of one slot, in group 5; the address space owns groups 4 and 5. */
struct fixture {
	struct fake_vfio *fake[NR];
	struct berth_vfio_device *dev[NR];
	struct berth_ioas *io;
	int group_fd[2];
	struct berth_reset_result result[NR];
	struct berth_err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f)
		return -1;
	f->io = berth_ioas_alloc(&berth_ioas_type1, BERTH_IOAS_TYPE1);
	for (int i = 0; i < 2; i++) {
		f->group_fd[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		assert_int_equal(berth_ioas_add_group(f->io, 4 + (unsigned int)i, f->group_fd[i]),
				 0);
	}
	for (uint8_t i = 0; i < NR; i++) {
		f->fake[i] = fake_vfio_new();
		fake_put32(f->fake[i], PCI_VENDOR_ID, 0x11111234);
		fake_put16(f->fake[i], PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
		fake_vfio_cap(f->fake[i], 0x40, PCI_CAP_ID_PM);
		fake_put16(f->fake[i], 0x44, 3); /* asleep */
		f->fake[i]->nr_dependents = 2;
		for (uint8_t k = 0; k < 2; k++)
			f->fake[i]->dependents[k] =
				(struct berth_vfio_dependent){ .at = { 0, 2, 0, k }, .group = 5 };
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < NR; i++) {
		berth_vfio_device_close(f->dev[i]);
		fake_vfio_free(f->fake[i]);
	}
	berth_ioas_close(f->io);
	free(f);
	return 0;
}

static int run(struct fixture *f, bool alone, enum berth_reset_when when)
{
	for (uint8_t i = 0; i < NR; i++) {
		if (!alone)
			f->fake[i]->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
		f->dev[i] = fake_vfio_open(f->fake[i], (struct berth_bdf){ 0, 2, 0, i });
	}
	return berth_reset_devices(NULL, f->io, f->dev, NR, when, f->result, &f->err);
}

static void before_use_the_kernels_reset_is_verified_not_repeated(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, true, BERTH_RESET_BEFORE_USE), 0);
	assert_int_equal(f->result[0].method, BERTH_RESET_OPEN);
	assert_true(f->result[0].proven && f->result[1].proven);
	assert_int_equal(f->fake[0]->nr_resets, 0);
	assert_int_equal(fake_get(f->fake[0], PCI_COMMAND, 2), PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake_get(f->fake[0], 0x44, 2), 0);
}

static void after_use_each_function_is_reset_by_itself(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->irq[2].enabled = true;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->fake[0]->nr_resets + f->fake[1]->nr_resets, 2);
	assert_int_equal(f->result[1].method, BERTH_RESET_FUNCTION);
	assert_non_null(strstr(f->result[1].sentence, "0000:02:00.1: function reset, answers"));
	assert_false(f->fake[0]->irq[2].enabled);
}

static void functions_without_a_reset_share_one_of_their_bus(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, false, BERTH_RESET_BEFORE_USE), 0);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_int_equal(f->result[0].method, BERTH_RESET_HOT);
	assert_int_equal(f->result[1].method, BERTH_RESET_HOT);
	assert_true(f->result[0].proven && f->result[1].proven);
	/* of the groups owned, the one concerned */
	assert_int_equal(f->fake[0]->nr_hot_fds, 1);
	assert_int_equal(f->fake[0]->hot_fds[0], f->group_fd[1]);
}

static void a_bus_with_somebody_elses_function_is_not_reset(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->dependents[1] =
		(struct berth_vfio_dependent){ .at = { 0, 2, 1, 0 }, .group = 9 };
	f->fake[1]->dependents[1] = f->fake[0]->dependents[1];
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_int_equal(f->fake[0]->nr_hot_resets, 0);
	assert_false(f->result[0].proven);
	assert_int_equal(f->result[0].method, BERTH_RESET_NONE);
	assert_non_null(strstr(f->err.text, "0000:02:01.0 in group 9"));
}

static void with_iommufd_the_kernel_says_whose_a_function_is(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < f->fake[i]->nr_dependents; k++) {
			f->fake[i]->dependents[k].by_device = true;
			f->fake[i]->dependents[k].owned = true;
			f->fake[i]->dependents[k].group = 0;
		}
	}
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_int_equal(f->fake[0]->nr_hot_fds, 0);
	f->fake[0]->dependents[1].owned = f->fake[1]->dependents[1].owned = false;
	for (int i = 0; i < NR; i++)
		berth_vfio_device_close(f->dev[i]);
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_non_null(strstr(f->err.text, "0000:02:00.1, which is not ours"));
}

static void a_failed_reset_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[1]->reset_result = -ENOTTY;
	f->fake[1]->hot_result = -EIO;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_true(f->result[0].proven);
	assert_false(f->result[1].proven);
	assert_non_null(strstr(f->err.text, "0000:02:00.1"));
}

static void a_failed_reset_falls_back_to_the_bus(void **state)
{
	struct fixture *f = *state;

	f->fake[1]->reset_result = -ENOTTY;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->result[1].method, BERTH_RESET_HOT);
	assert_string_equal(f->result[1].by, "hot");
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
}

static void a_failed_bus_reset_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->hot_result = f->fake[1]->hot_result = -EIO;
	assert_int_equal(run(f, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_false(f->result[0].proven || f->result[1].proven);
}

static void a_device_that_stays_bus_master_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->reset_sets_master = true;
	assert_int_equal(run(f, true, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_non_null(strstr(f->result[0].sentence, "still a bus master"));
	assert_true(f->result[1].proven);
}

static void a_device_that_does_not_answer_is_not_proven(void **state)
{
	struct fixture *f = *state;

	f->fake[0]->gone = true;
	assert_int_equal(run(f, true, BERTH_RESET_BEFORE_USE), BERTH_REFUSED);
	assert_non_null(strstr(f->result[0].sentence, "does not answer"));
}

/* --- with a host: what sysfs says counts --- */

#define FN0 "0000:02:00.0"
#define FN1 "0000:02:00.1"

/* A host where both functions have configuration space of their own, and @methods to reset them. */
static struct host_tree *host_for(const char *methods, const char *pf)
{
	const struct tree_fn fns[] = {
		{ .bdf = "0000:01:00.0", .vendor = 0x8086, .device = 0x10c9, .class = 0x020000 },
		{ .bdf = FN0,
		  .vendor = 0x1234,
		  .device = 0x1111,
		  .class = 0x030000,
		  .type = 1,
		  .group = 5,
		  .reset = methods,
		  .pf = pf },
		{ .bdf = FN1,
		  .vendor = 0x1234,
		  .device = 0x1111,
		  .class = 0x040300,
		  .type = 1,
		  .group = 5,
		  .reset = methods,
		  .pf = pf,
		  .vf_index = 1 },
	};
	struct host_tree *tree = host_tree_new();

	host_tree_add_all(tree, fns, BERTH_ARRAY_SIZE(fns));
	return tree;
}

/* Write into the configuration space of @bdf. */
static void set_config(struct host_tree *tree, const char *bdf, unsigned int at, uint16_t value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", bdf);
	fd = openat(host_tree_host(tree)->sys_fd, path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &value, 2, at), 2);
	close(fd);
}

static int run_on(struct fixture *f, struct host_tree *tree, bool alone, enum berth_reset_when when)
{
	for (uint8_t i = 0; i < NR; i++) {
		if (!alone)
			f->fake[i]->flags &= ~(uint32_t)VFIO_DEVICE_FLAGS_RESET;
		f->dev[i] = fake_vfio_open(f->fake[i], (struct berth_bdf){ 0, 2, 0, i });
	}
	return berth_reset_devices(host_tree_host(tree), f->io, f->dev, NR, when, f->result,
				   &f->err);
}

static void the_record_names_the_kernels_method(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr bus", NULL);
	char words[BERTH_PROOF_WORDS];

	assert_int_equal(run_on(f, tree, true, BERTH_RESET_AFTER_USE), 0);
	assert_string_equal(f->result[0].by, "flr");
	assert_string_equal(f->result[0].sentence,
			    FN0 ": function reset (flr), answers, bus mastering off, D0");
	assert_string_equal(berth_proof_words(f->result[0].checks, words),
			    "answers,no-dma,d0,idle,bars");
	host_tree_free(tree);
}

static int run_in_time(struct fixture *f, struct host_tree *tree, unsigned int deadline_ms)
{
	for (uint8_t i = 0; i < NR; i++)
		f->dev[i] = fake_vfio_open(f->fake[i], (struct berth_bdf){ 0, 2, 0, i });
	return berth_reset_in_time(host_tree_host(tree), f->io, f->dev, NR, BERTH_RESET_AFTER_USE,
				   deadline_ms, f->result, &f->err);
}

static void in_a_child_it_finds_the_same(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr bus", NULL);

	assert_int_equal(run_in_time(f, tree, 10000), 0);
	assert_true(f->result[0].proven && f->result[1].proven);
	assert_string_equal(f->result[1].by, "flr");
	assert_string_equal(f->result[0].sentence,
			    FN0 ": function reset (flr), answers, bus mastering off, D0");
	host_tree_free(tree);
}

static void in_a_child_it_is_refused_in_the_same_words(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr bus", NULL);

	f->fake[1]->reset_result = -EIO;
	f->fake[1]->hot_info_result = -ENODEV;
	assert_int_equal(run_in_time(f, tree, 10000), BERTH_REFUSED);
	assert_true(f->result[0].proven);
	assert_false(f->result[1].proven);
	assert_string_equal(f->err.text, f->result[1].sentence);
	assert_non_null(strstr(f->err.text, "0000:02:00.1: no reset"));
	host_tree_free(tree);
}

static void a_reset_that_does_not_return_is_left_behind(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr bus", NULL);
	struct berth_slow_write slow = { .note_fd = open("/dev/null", O_RDWR | O_CLOEXEC) };
	struct berth_host *host = host_tree_host(tree);

	host->slow_write = &slow;
	f->fake[1]->reset_hangs = true;
	assert_int_equal(run_in_time(f, tree, 200), -ETIMEDOUT);
	host->slow_write = NULL;
	assert_true(slow.left > 0);
	for (size_t i = 0; i < NR; i++) {
		assert_false(f->result[i].proven);
		assert_int_equal(f->result[i].method, BERTH_RESET_NONE);
		assert_non_null(strstr(f->result[i].sentence, "no answer from the kernel within"));
	}
	assert_string_equal(f->err.text, f->result[0].sentence);
	assert_int_equal(kill(slow.left, SIGKILL), 0);
	assert_int_equal(waitpid(slow.left, NULL, 0), slow.left);
	close(slow.note_fd);
	host_tree_free(tree);
}

static void a_change_of_power_state_is_the_last_resort(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("pm bus", NULL);

	assert_int_equal(run_on(f, tree, true, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->result[0].method, BERTH_RESET_HOT);
	assert_int_equal(f->result[1].method, BERTH_RESET_HOT);
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 1);
	assert_int_equal(f->fake[0]->nr_resets + f->fake[1]->nr_resets, 0);
	host_tree_free(tree);
}

static void but_it_is_taken_when_the_bus_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("pm", NULL);

	f->fake[0]->dependents[1].group = f->fake[1]->dependents[1].group = 9;
	assert_int_equal(run_on(f, tree, true, BERTH_RESET_AFTER_USE), 0);
	assert_int_equal(f->result[0].method, BERTH_RESET_FUNCTION);
	assert_string_equal(f->result[0].by, "pm");
	assert_int_equal(f->fake[0]->nr_hot_resets + f->fake[1]->nr_hot_resets, 0);
	host_tree_free(tree);
}

static void a_virtual_function_is_never_reset_by_its_bus(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("", "0000:01:00.0");

	assert_int_equal(run_on(f, tree, false, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
	assert_int_equal(f->fake[0]->nr_hot_resets, 0);
	assert_false(f->result[0].proven);
	assert_non_null(strstr(f->result[0].sentence, "never reset by its bus"));
	host_tree_free(tree);
}

static void registers_behind_vfios_back_count(void **state)
{
	static const struct {
		unsigned int at;
		uint16_t value;
		const char *flaw;
	} rows[] = {
		{ PCI_COMMAND, PCI_COMMAND_MASTER, "is still a bus master" },
		{ PCI_STATUS, 0xffff, "does not answer" },
		{ PCI_DEVICE_ID, 0x2222, "does not answer" },
		{ PCI_BASE_ADDRESS_0 + 2, 0x8000, "has other addresses in its BARs" },
		{ 0x44, 3, "is not in power state D0" },
		{ 0x60 + PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_TRPND, "has transactions pending" },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct fixture *f = *state;
		struct host_tree *tree = host_for("flr", NULL);

		host_tree_attr(tree, FN0, "resource",
			       "0x0000000070000000 0x0000000070000fff 0x0000000000040200\n");
		set_config(tree, FN0, PCI_BASE_ADDRESS_0 + 2, 0x7000);
		set_config(tree, FN0, rows[i].at, rows[i].value);
		assert_int_equal(run_on(f, tree, true, BERTH_RESET_AFTER_USE), BERTH_REFUSED);
		if (!strstr(f->result[0].sentence, rows[i].flaw))
			fail_msg("register %#x: %s", rows[i].at, f->result[0].sentence);
		assert_true(f->result[1].proven);
		assert_non_null(strstr(f->err.text, FN0));
		host_tree_free(tree);
		for (int k = 0; k < NR; k++) {
			berth_vfio_device_close(f->dev[k]);
			f->dev[k] = NULL;
		}
	}
}

/* --- without VFIO --- */

static int by_sysfs(struct fixture *f, struct host_tree *tree)
{
	return berth_reset_sysfs(host_tree_host(tree), (struct berth_bdf){ 0, 2, 0, 0 }, 500,
				 &f->result[0], &f->err);
}

static void sysfs_resets_and_reads_back(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr", NULL);
	uint8_t config[64];
	char reset[8];

	host_tree_attr(tree, FN0, "reset", "");
	set_config(tree, FN0, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	set_config(tree, FN0, 0x44, 3);
	assert_int_equal(by_sysfs(f, tree), 0);
	assert_true(f->result[0].proven);
	assert_int_equal(f->result[0].method, BERTH_RESET_SYSFS);
	assert_string_equal(f->result[0].by, "flr");
	assert_string_equal(f->result[0].sentence,
			    FN0 ": reset through sysfs (flr), answers, bus mastering off");
	assert_true(berth_sysfs_read(host_tree_host(tree), reset, sizeof(reset),
				     "bus/pci/devices/" FN0 "/reset") == 1);
	assert_string_equal(reset, "1");
	/* quiet before it was reset */
	berth_proof_read(host_tree_host(tree), (struct berth_bdf){ 0, 2, 0, 0 }, config, 64);
	assert_int_equal(config[PCI_COMMAND] | config[PCI_COMMAND + 1] << 8,
			 PCI_COMMAND_INTX_DISABLE);
	host_tree_free(tree);
}

static void sysfs_needs_a_way_to_reset(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr", NULL);

	assert_int_equal(by_sysfs(f, tree), BERTH_REFUSED);
	assert_string_equal(f->err.text,
			    FN0 ": no reset: the kernel knows no way to reset it alone");
	assert_string_equal(f->result[0].by, "none");
	assert_int_equal(berth_reset_sysfs(host_tree_host(tree), (struct berth_bdf){ 0, 9, 0, 0 },
					   500, &f->result[0], &f->err),
			 -ENOENT);
	host_tree_free(tree);
}

static void sysfs_that_does_not_answer_in_time_proves_nothing(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr", NULL);
	char path[128];
	int fd;

	/* opening a pipe for writing waits for a reader: a kernel that does not come back */
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/" FN0 "/reset", tree->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(by_sysfs(f, tree), BERTH_REFUSED);
	assert_false(f->result[0].proven);
	assert_int_equal(f->result[0].method, BERTH_RESET_NONE);
	/* a reader: the child that was left behind goes on, and ends */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(wait(NULL) > 0);
	close(fd);
	host_tree_free(tree);
}

static void sysfs_reads_back_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr", NULL);

	host_tree_attr(tree, FN0, "reset", "");
	set_config(tree, FN0, 0x60 + PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_TRPND);
	assert_int_equal(by_sysfs(f, tree), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "but it has transactions pending"));
	host_tree_free(tree);
}

static void sysfs_does_not_prove_what_has_to_be_scrubbed(void **state)
{
	struct fixture *f = *state;
	struct host_tree *tree = host_for("flr", NULL);

	host_tree_attr(tree, FN0, "reset", "");
	host_tree_attr(tree, FN0, "class", "0x010802\n");
	assert_int_equal(by_sysfs(f, tree), BERTH_REFUSED);
	assert_non_null(strstr(f->err.text, "overwriting it takes vfio-pci"));
	host_tree_free(tree);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(before_use_the_kernels_reset_is_verified_not_repeated),
		T(after_use_each_function_is_reset_by_itself),
		T(functions_without_a_reset_share_one_of_their_bus),
		T(a_bus_with_somebody_elses_function_is_not_reset),
		T(with_iommufd_the_kernel_says_whose_a_function_is),
		T(a_failed_reset_is_not_proven),
		T(a_failed_reset_falls_back_to_the_bus),
		T(a_failed_bus_reset_is_not_proven),
		T(a_device_that_stays_bus_master_is_not_proven),
		T(a_device_that_does_not_answer_is_not_proven),
		T(the_record_names_the_kernels_method),
		T(in_a_child_it_finds_the_same),
		T(in_a_child_it_is_refused_in_the_same_words),
		T(a_reset_that_does_not_return_is_left_behind),
		T(a_change_of_power_state_is_the_last_resort),
		T(but_it_is_taken_when_the_bus_is_not_ours),
		T(a_virtual_function_is_never_reset_by_its_bus),
		T(registers_behind_vfios_back_count),
		T(sysfs_resets_and_reads_back),
		T(sysfs_needs_a_way_to_reset),
		T(sysfs_that_does_not_answer_in_time_proves_nothing),
		T(sysfs_reads_back_what_is_wrong),
		T(sysfs_does_not_prove_what_has_to_be_scrubbed),
	};

	return cmocka_run_group_tests_name("vfio/reset", tests, NULL, NULL);
}
