/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other managers, told by their command lines; and status shows them without anything being touched. */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/external.h"
#include "manager/manager.h"
#include "manager/status.h"
#include "tests/lib/fake_fixture.h"

#define NIC "0000:01:00.0"

static const struct fake_fn fns[] = {
	{ .bdf = NIC,
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 13 },
};

static int set_up(void **state)
{
	*state = fake_fixture_new(sizeof(struct fake_fixture), fns, BERTH_ARRAY_SIZE(fns));
	return 0;
}

/* Process 700: '|' ends an argument. */
static void process(struct fake_fixture *f, const char *comm, const char *args)
{
	char path[128], text[512];
	size_t len = strlen(args);
	int fd;

	fake_host_file(f->fake, "proc/700/comm", "%s\n", comm);
	fake_host_file(f->fake, "proc/700/cmdline", "%s", "");
	assert_true(len < sizeof(text));
	for (size_t i = 0; i <= len; i++)
		text[i] = args[i] == '|' ? '\0' : args[i];
	snprintf(path, sizeof(path), "%s/proc/700/cmdline", f->fake->root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len + 1), (ssize_t)len + 1);
	close(fd);
}

static void programs_are_told_by_their_command_lines(void **state)
{
	static const struct {
		const char *comm, *args, *want;
	} cases[] = {
		{ "qemu-system-x86",
		  "/usr/bin/qemu-system-x86_64|-name|guest=web1,debug-threads=on|-S|-object|"
		  "{\"qom-type\":\"secret\",\"file\":\"/var/lib/libvirt/qemu/d-1/master-key.aes\"}",
		  "libvirt domain web1" },
		{ "qemu-system-x86", "qemu-system-x86_64|-name|lab|-m|1G", "QEMU lab" },
		{ "qemu-system-x86", "qemu-system-x86_64|-m|1G", "QEMU" },
		{ "qemu-system-x86", "qemu-system-x86_64|-name|a\033[2J,b", "QEMU a?[2J" },
		{ "dpdk-testpmd", "dpdk-testpmd|-l|0-1|--file-prefix=vpp|--|-i",
		  "DPDK (file prefix vpp)" },
		{ "app", "app|--file-prefix|one", "DPDK (file prefix one)" },
		{ "spdk_tgt", "spdk_tgt|-m|0x1", "SPDK" },
		{ "app", "app|--file-prefix=spdk_pid7", "SPDK" },
		{ "app", "app|--file-prefixes|two|--file-prefix|one", "DPDK (file prefix one)" },
		/* renamed threads, wrappers; who has objects need not be libvirt's, and its domains have names */
		{ "CPU 0/KVM", "/usr/bin/qemu-system-x86_64|-name|web", "QEMU web" },
		{ "qemu-kvm", "kvm|-name|web", "QEMU web" },
		{ "qemu-kvm", "kvm|-name|web|-object|rng-random,id=r", "QEMU web" },
		{ "qemu-kvm", "kvm|-object|secret,file=/var/lib/libvirt/k", "QEMU" },
		{ "sleep", "sleep|100", "" },
		{ "sleep", "sleep|-name", "" },
	};
	struct fake_fixture *f = *state;
	char words[100];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(cases); i++) {
		process(f, cases[i].comm, cases[i].args);
		berth_external_process(f->host, 700, words, sizeof(words));
		assert_string_equal(words, cases[i].want);
	}
	fake_host_file(f->fake, "proc/700/maps", "7f00-7f01 rw-s 0 /usr/bin/sleep\n");
	berth_external_process(f->host, 700, words, sizeof(words));
	assert_string_equal(words, "");
	fake_host_file(f->fake, "proc/700/maps", "7f00-7f01 rw-s 0 /dev/hugepages/rtemap_0\n");
	berth_external_process(f->host, 700, words, sizeof(words));
	assert_string_equal(words, "DPDK");
	berth_external_process(f->host, 701, words, sizeof(words));
	assert_string_equal(words, "");
}

static void status_names_who_holds_it_and_recovery_leaves_it_alone(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = NULL;
	struct berth_status s;
	char node[128];

	process(f, "qemu-system-x86", "qemu-system-x86_64|-name|lab");
	fake_host_file(f->fake, "sys/bus/pci/devices/" NIC "/driver_override", "vfio-pci\n");
	fake_host_bind(f->fake, NIC, "vfio-pci");
	snprintf(node, sizeof(node), "%s/dev/vfio/13", f->fake->root);
	fake_host_link(f->fake, "proc/700/fd/5", node);
	f->fake->writes = 0;
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_CHANGE, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_int_equal(s.nr, 1);
	assert_string_equal(s.rows[0].state, "external");
	assert_int_equal(s.rows[0].holder, 700);
	assert_non_null(strstr(s.rows[0].note, "QEMU lab"));
	berth_status_done(&s);
	berth_manager_close(m);
	assert_int_equal(f->fake->writes, 0);
	assert_string_equal(fake_host_driver(f->fake, NIC), "vfio-pci");
}

static void driverctl_is_told_as_such(void **state)
{
	struct fake_fixture *f = *state;
	struct berth_manager *m = NULL;
	struct berth_status s;

	fake_host_file(f->fake, "etc/driverctl.d/" NIC, "vfio-pci\n");
	fake_host_bind(f->fake, NIC, "vfio-pci");
	assert_int_equal(berth_manager_open(&m, f->host, BERTH_MANAGER_READ, NULL, NULL), 0);
	assert_int_equal(berth_status_read(m, &s, NULL), 0);
	assert_int_equal(s.nr, 1);
	assert_non_null(strstr(s.rows[0].note, "driverctl"));
	berth_status_done(&s);
	berth_manager_close(m);
}

/* One line of whoever's file: the first word, without what is no letter, as much of it as there is room for. */
static void of_driverctl_s_file_one_word_counts(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "vfio-pci\n", "vfio-pci" },
		{ "vfio-pci and more\n", "vfio-pci" },
		{ "vfio-pci", "vfio-pci" },
		{ "", "" },
		{ "a\tb\n", "a?b" },
		{ "0123456789abcdefghij\n", "0123456789abcde" },
		{ "0123456789abcde\n", "0123456789abcde" },
	};
	const struct berth_bdf at = { 0, 1, 0, 0 };
	struct fake_fixture *f = *state;
	char word[17];

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		fake_host_file(f->fake, "etc/driverctl.d/" NIC, "%s", rows[i].text);
		memset(word, 'x', sizeof(word));
		berth_external_driverctl(f->host, at, word, 16);
		assert_string_equal(word, rows[i].want);
		assert_int_equal(word[16], 'x');
	}
	fake_host_remove(f->fake, "etc/driverctl.d/" NIC);
	berth_external_driverctl(f->host, at, word, 16);
	assert_string_equal(word, "");
}

#define EXTERNAL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fake_fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXTERNAL_TEST(programs_are_told_by_their_command_lines),
		EXTERNAL_TEST(status_names_who_holds_it_and_recovery_leaves_it_alone),
		EXTERNAL_TEST(driverctl_is_told_as_such),
		EXTERNAL_TEST(of_driverctl_s_file_one_word_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
