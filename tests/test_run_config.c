/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/run_config.h"

struct fixture {
	struct berth_run_config c;
	struct berth_err err;
	char path[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	assert_non_null(f);
	berth_run_config_init(&f->c);
	strcpy(f->path, "/tmp/berth-test-vm-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_run_config_done(&f->c);
	unlink(f->path);
	free(f);
	return 0;
}

static int load(struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	berth_err_clear(&f->err);
	return berth_run_config_load(&f->c, f->path, &f->err);
}

static void reads_every_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		load(f,
		     "{\"name\":\"t1\",\"kernel\":\"/boot/vmlinuz\",\"initrd\":\"i.img\","
		     "\"cmdline\":\"quiet\",\"cpus\":2,\"memory\":\"512M\",\"hugepages\":\"2M\",\"numa_node\":1,"
		     "\"on_dma_fault\":\"stop\","
		     "\"devices\":[\"01:00.0\",\"pool:gpus\"],\"iommu\":\"type1\",\"on_error\":\"pause\"}"),
		0);
	assert_string_equal(f->c.name, "t1");
	assert_string_equal(f->c.kernel, "/boot/vmlinuz");
	assert_string_equal(f->c.initrd, "/tmp/i.img"); /* beside the file */
	assert_string_equal(f->c.cmdline, "quiet");
	assert_int_equal(f->c.nr_cpus, 2);
	assert_int_equal(f->c.memory, 512 << 20);
	assert_int_equal(f->c.pages, BERTH_PAGES_2M);
	assert_int_equal(f->c.numa_node, 1);
	assert_true(f->c.stop_on_dma_fault);
	assert_int_equal(f->c.nr_devices, 2);
	assert_string_equal(f->c.devices[1], "pool:gpus");
	assert_int_equal(f->c.iommu, BERTH_IOAS_WANT_TYPE1);
	assert_int_equal(f->c.on_error, BERTH_VM_ERROR_PAUSE);
	assert_int_equal(berth_run_config_check(&f->c, &f->err), 0);
}

static void devices_have_options_in_the_file_and_on_the_command_line(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "{\"p2p\":true,\"devices\":[\"01:00.0\",{\"device\":\"gpu0\","
				 "\"rom\":false,\"msix_table\":\"move\",\"p2p_clique\":3}]}"),
			 0);
	assert_int_equal(berth_run_config_parse_device(&f->c,
						       "pool:x,rom=off,p2p-clique=15,"
						       "p2p-clique-force=on,rom=on",
						       NULL),
			 0);
	assert_int_equal(berth_run_config_parse_device(&f->c, "02:00.0", NULL), 0);
	assert_true(f->c.p2p);
	assert_int_equal(f->c.nr_devices, 4);
	assert_false(f->c.options[0].no_rom);
	assert_int_equal(f->c.options[0].p2p_clique, -1);
	assert_string_equal(f->c.devices[1], "gpu0");
	assert_true(f->c.options[1].no_rom);
	assert_true(f->c.options[1].move_msix);
	assert_int_equal(f->c.options[1].p2p_clique, 3);
	assert_false(f->c.options[1].p2p_clique_force);
	assert_string_equal(f->c.devices[2], "pool:x");
	assert_false(f->c.options[2].no_rom);
	assert_int_equal(f->c.options[2].p2p_clique, 15);
	assert_true(f->c.options[2].p2p_clique_force);
	assert_int_equal(f->c.options[3].p2p_clique, -1);
}

static void unknown_options_of_devices_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "gpu0,rom",	       "gpu0,",
					   "gpu0,rom=of",      "gpu0,p2p-clique=16",
					   "gpu0,p2p-clique=", "gpu0,rom=off,x=1" };

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(bad); i++)
		assert_int_equal(berth_run_config_parse_device(&f->c, bad[i], &f->err), -EINVAL);
	assert_int_equal(f->c.nr_devices, 0);
}

static void a_clique_without_peer_to_peer_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "{\"name\":\"t1\",\"kernel\":\"/k\",\"devices\":[{\"device\":"
				 "\"gpu0\",\"p2p_clique\":0}]}"),
			 0);
	assert_int_equal(berth_run_config_check(&f->c, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "no peer-to-peer DMA"));
	f->c.p2p = true;
	assert_int_equal(berth_run_config_check(&f->c, NULL), 0);
}

static void what_is_not_said_has_a_default(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "{\"name\":\"t1\",\"kernel\":\"/k\"}"), 0);
	assert_int_equal(f->c.nr_cpus, 1);
	assert_int_equal(f->c.memory, BERTH_RUN_MEMORY);
	assert_int_equal(f->c.pages, BERTH_PAGES_THP);
	assert_int_equal(f->c.numa_node, BERTH_RUN_NODE_AUTO);
	assert_false(f->c.stop_on_dma_fault);
	assert_null(f->c.initrd);
	assert_int_equal(berth_run_config_check(&f->c, NULL), 0);
}

static void errors_say_where(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text, *where;
	} rows[] = {
		{ "{\"name\":\"t1\",\n \"memroy\":\"1G\"}", ":2:" },
		{ "{\"cpus\":\"two\"}", ":1:9" },
		{ "{\"cpus\":0}", ":1:9" },
		{ "{\"cpus\":1000}", ":1:9" },
		{ "{\"memory\":\"512\"}", ":1:11" },
		{ "{\"memory\":512}", ":1:11" },
		{ "{\"hugepages\":\"4K\"}", ":1:14" },
		{ "{\"hugepages\":2}", ":1:14" },
		{ "{\"on_dma_fault\":\"die\"}", ":1:17" },
		{ "{\"numa_node\":\"all\"}", ":1:14" },
		{ "{\"numa_node\":-1}", ":1:14" },
		{ "{\"numa_node\":1024}", ":1:14" },
		{ "{\"devices\":\"01:00.0\"}", ":1:12" },
		{ "{\"devices\":[1]}", ":1:13" },
		{ "{\"devices\":[{}]}", ":1:13" },
		{ "{\"devices\":[{\"device\":\"a\",\"romm\":true}]}", ":1:" },
		{ "{\"devices\":[{\"device\":\"a\",\"rom\":1}]}", ":1:" },
		{ "{\"devices\":[{\"device\":\"a\",\"msix_table\":\"x\"}]}", ":1:" },
		{ "{\"devices\":[{\"device\":\"a\",\"p2p_clique\":16}]}", ":1:" },
		{ "{\"p2p\":1}", ":1:8" },
		{ "{\"iommu\":\"vfio\"}", ":1:10" },
		{ "{\"on_error\":\"panic\"}", ":1:13" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", ":1:" },
		{ "{\"name\":}", ":1:" },
		{ "[]", ":1:1" },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		assert_int_equal(load(f, rows[i].text), -EINVAL);
		if (!strstr(f->err.text, f->path) || !strstr(f->err.text, rows[i].where))
			fail_msg("%s: \"%s\" lacks %s", rows[i].text, f->err.text, rows[i].where);
	}
}

static void missing_and_impossible_settings_are_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_run_config *c = &f->c;

	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL); /* no name */
	assert_int_equal(berth_run_config_set(&c->name, "t1", NULL), 0);
	assert_int_equal(berth_run_config_check(c, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "no kernel"));
	assert_int_equal(berth_run_config_set(&c->kernel, "/k", NULL), 0);
	assert_int_equal(berth_run_config_check(c, NULL), 0);
	c->memory = 0;
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->memory = (64 << 20) + 4096;
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->memory = UINT64_C(1) << 50;
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->memory = 1536 << 20;
	c->pages = BERTH_PAGES_2M;
	assert_int_equal(berth_run_config_check(c, NULL), 0);
	c->pages = BERTH_PAGES_1G;
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->pages = BERTH_PAGES_THP;
	c->memory = 64 << 20;
	c->nr_cpus = 0;
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->nr_cpus = 1;
	assert_int_equal(berth_run_config_set(&c->name, "../t1", NULL), 0);
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	assert_int_equal(berth_run_config_set(&c->name, "t1", NULL), 0);
	c->cmdline = calloc(1, 4096);
	memset(c->cmdline, 'x', 2048);
	assert_int_equal(berth_run_config_check(c, NULL), -EINVAL);
	c->cmdline[2047] = '\0';
	assert_int_equal(berth_run_config_check(c, NULL), 0);
	assert_int_equal(berth_run_config_add_device(c, "gpu0", NULL, NULL), 0);
	assert_int_equal(berth_run_config_check(c, NULL), 0);
	assert_int_equal(berth_run_config_add_device(c, "03:00.0x", NULL, NULL), 0);
	berth_err_clear(&f->err);
	assert_int_equal(berth_run_config_check(c, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "'03:00.0x' is not a PCI address"));
}

static void sizes_need_a_unit(void **state)
{
	static const struct {
		const char *text;
		int want;
		uint64_t bytes;
	} rows[] = {
		{ "512M", 0, UINT64_C(512) << 20 },
		{ "4G", 0, UINT64_C(4) << 30 },
		{ "4GiB", 0, UINT64_C(4) << 30 },
		{ "1T", 0, UINT64_C(1) << 40 },
		{ "65536K", 0, UINT64_C(64) << 20 },
		{ "0M", 0, 0 },
		{ "512", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1M", -EINVAL, 0 },
		{ " 1M", -EINVAL, 0 },
		{ "1M ", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1g", -EINVAL, 0 },
		{ "1GB", -EINVAL, 0 },
		{ "0x10M", -EINVAL, 0 },
		{ "99999999999999999999M", -ERANGE, 0 },
		{ "16777216T", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		uint64_t got = 0;

		if (berth_parse_size(rows[i].text, &got) != rows[i].want || got != rows[i].bytes)
			fail_msg("\"%s\" gave %llu", rows[i].text, (unsigned long long)got);
	}
}

static void numbers_are_whole_and_in_range(void **state)
{
	unsigned int n = 7;

	(void)state;
	assert_int_equal(berth_parse_number("240", 1, 240, &n), 0);
	assert_int_equal(n, 240);
	assert_int_equal(berth_parse_number("241", 1, 240, &n), -EINVAL);
	assert_int_equal(berth_parse_number("0", 1, 240, &n), -EINVAL);
	assert_int_equal(berth_parse_number("4294967297", 1, 240, &n), -EINVAL); /* 2^32 + 1 */
	assert_int_equal(berth_parse_number("-1", 0, 240, &n), -EINVAL);
	assert_int_equal(berth_parse_number("2 ", 0, 240, &n), -EINVAL);
	assert_int_equal(berth_parse_number("", 0, 240, &n), -EINVAL);
	assert_int_equal(n, 240);
}

static void nodes_are_numbers_or_two_words(void **state)
{
	static const struct {
		const char *text;
		int want, node;
	} rows[] = {
		{ "auto", 0, BERTH_RUN_NODE_AUTO },
		{ "off", 0, BERTH_NODE_ANY },
		{ "0", 0, 0 },
		{ "1023", 0, BERTH_NODE_MAX },
		{ "1024", -EINVAL, 77 },
		{ "-1", -EINVAL, 77 },
		{ "", -EINVAL, 77 },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		int node = 77;

		assert_int_equal(berth_parse_node(rows[i].text, &node), rows[i].want);
		assert_int_equal(node, rows[i].node);
	}
}

static void sizes_are_shown_in_the_largest_unit(void **state)
{
	char buf[24];

	(void)state;
	assert_string_equal(berth_format_size(UINT64_C(4) << 30, buf), "4G");
	assert_string_equal(berth_format_size(UINT64_C(1536) << 20, buf), "1536M");
	assert_string_equal(berth_format_size(1000, buf), "1000");
	assert_string_equal(berth_format_size(0, buf), "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_every_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			devices_have_options_in_the_file_and_on_the_command_line, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(unknown_options_of_devices_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_clique_without_peer_to_peer_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_said_has_a_default, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_say_where, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_and_impossible_settings_are_refused, set_up,
						tear_down),
		cmocka_unit_test(sizes_need_a_unit),
		cmocka_unit_test(nodes_are_numbers_or_two_words),
		cmocka_unit_test(numbers_are_whole_and_in_range),
		cmocka_unit_test(sizes_are_shown_in_the_largest_unit),
	};

	return cmocka_run_group_tests_name("tools/run_config", tests, NULL, NULL);
}
