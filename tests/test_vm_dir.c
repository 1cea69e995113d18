/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "tools/vm_dir.h"
#include "vmm/sandbox.h"

struct fixture {
	char top[64];
	struct berth_host *host;
	struct berth_err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char run[80];

	assert_non_null(f);
	strcpy(f->top, "/tmp/berth-test-run-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(run, sizeof(run), "%s/run", f->top);
	setenv("BERTH_RUN", run, 1);
	assert_int_equal(berth_host_open(&f->host, NULL, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->top);
	assert_int_equal(system(command), 0);
	berth_host_close(f->host);
	free(f);
	return 0;
}

static struct berth_vm_info sample(void)
{
	return (struct berth_vm_info){ .name = "t1",
				       .vmm_pid = 4711,
				       .uid = BERTH_SANDBOX_UID_BASE + 5,
				       .since = 1700000000,
				       .nr_cpus = 2,
				       .memory = UINT64_C(4) << 30,
				       .hugepages = "2M",
				       .numa_node = -1,
				       .devices_ms = 210,
				       .memory_ms = 1700,
				       .ready_ms = 1900,
				       .kernel = "/boot/vm\"linuz",
				       .iommu = "iommufd",
				       .nr_devices = 2,
				       .devices = { { 0, 1, 0, 0 }, { 0x10000, 2, 0, 1 } } };
}

static void what_is_written_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir;
	struct berth_vm_info info = sample(), got;

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", &f->err), 0);
	assert_int_equal(berth_vm_dir_write(dir, &info, &f->err), 0);
	assert_int_equal(berth_vm_info_load(f->host, "t1", &got, &f->err), 0);
	assert_int_equal(got.pid, getpid());
	assert_true(got.start > 0);
	assert_string_equal(got.kernel, info.kernel);
	assert_memory_equal(&got, &info, sizeof(got));
	berth_vm_dir_drop(dir);
	assert_int_equal(berth_vm_info_load(f->host, "t1", &got, &f->err), BERTH_ABSENT);
}

static void second_supervisor_is_refused_with_the_pid(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir, *second = NULL;
	struct berth_vm_info info = sample();
	char pid[32];

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", &f->err), 0);
	assert_int_equal(berth_vm_dir_write(dir, &info, &f->err), 0);
	assert_int_equal(berth_vm_dir_take(&second, f->host, "t1", &f->err), BERTH_REFUSED);
	snprintf(pid, sizeof(pid), "process %d;", (int)getpid());
	assert_non_null(strstr(f->err.text, pid));
	assert_null(second);
	/* the refusal took nothing away */
	assert_int_equal(berth_vm_info_load(f->host, "t1", &info, NULL), 0);
	berth_vm_dir_drop(dir);
	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	berth_vm_dir_drop(dir);
}

/* A child that takes t1, writes itself down and dies without a word. */
static void leave_stale(struct fixture *f)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct berth_vm_dir *dir;
		struct berth_vm_info info = sample();

		if (berth_vm_dir_take(&dir, f->host, "t1", NULL) < 0 ||
		    berth_vm_dir_write(dir, &info, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void stale_folder_is_skipped_and_removed(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_info *list = NULL, info;
	char path[100];
	size_t nr = 7;

	leave_stale(f);
	assert_int_equal(berth_vm_info_load(f->host, "t1", &info, NULL), BERTH_ABSENT);
	assert_int_equal(berth_vm_info_list(f->host, &list, &nr, &f->err), 0);
	assert_int_equal(nr, 0);
	snprintf(path, sizeof(path), "%s/run/t1", f->top);
	assert_int_equal(access(path, F_OK), -1);
	free(list);
}

static void stale_folder_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir;

	leave_stale(f);
	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", &f->err), 0);
	berth_vm_dir_drop(dir);
}

static void list_is_sorted_and_ignores_what_is_not_a_vm(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *a, *b;
	struct berth_vm_info info = sample(), *list;
	size_t nr;
	uint32_t uid;

	assert_int_equal(berth_vm_info_list(f->host, &list, &nr, NULL),
			 0); /* no $BERTH_RUN at all */
	assert_int_equal(nr, 0);
	assert_int_equal(berth_vm_dir_take(&b, f->host, "b", NULL), 0);
	assert_int_equal(berth_vm_dir_take(&a, f->host, "a", NULL), 0);
	assert_int_equal(berth_vm_dir_take_uid(a, &uid, NULL), 0); /* makes .uid */
	assert_int_equal(berth_vm_dir_write(a, &info, NULL), 0);
	assert_int_equal(berth_vm_dir_write(b, &info, NULL), 0);
	assert_int_equal(berth_vm_info_list(f->host, &list, &nr, NULL), 0);
	assert_int_equal(nr, 2);
	assert_string_equal(list[0].name, "a");
	assert_string_equal(list[1].name, "b");
	free(list);
	berth_vm_dir_drop(a);
	berth_vm_dir_drop(b);
}

static void no_two_vms_have_one_user(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir, *other;
	uint32_t first, again, second;
	char name[16];

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	assert_int_equal(berth_vm_dir_take_uid(dir, &first, NULL), 0);
	assert_in_range(first, BERTH_SANDBOX_UID_BASE,
			BERTH_SANDBOX_UID_BASE + BERTH_SANDBOX_UIDS - 1);
	/* a name with the same hash exists only by search: take many and compare */
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		assert_int_equal(berth_vm_dir_take(&other, f->host, name, NULL), 0);
		assert_int_equal(berth_vm_dir_take_uid(other, &second, NULL), 0);
		assert_int_not_equal(second, first);
		berth_vm_dir_drop(other);
	}
	berth_vm_dir_drop(dir);
	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	assert_int_equal(berth_vm_dir_take_uid(dir, &again, NULL), 0);
	assert_int_equal(again, first); /* stable when free */
	berth_vm_dir_drop(dir);
}

static void user_in_use_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir;
	uint32_t first, second;
	char path[120];
	int fd;

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	assert_int_equal(berth_vm_dir_take_uid(dir, &first, NULL), 0);
	berth_vm_dir_drop(dir);
	snprintf(path, sizeof(path), "%s/run/.uid/%u", f->top, first);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	assert_int_equal(berth_vm_dir_take_uid(dir, &second, NULL), 0);
	assert_int_not_equal(second, first);
	berth_vm_dir_drop(dir);
	close(fd);
}

static void hostile_info_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir;
	struct berth_vm_info info;
	static const char *const rows[] = {
		"",
		"{}",
		"{\"pid\":-1}",
		("{\"pid\":1,\"start\":1,\"vmm_pid\":1,\"uid\":1,\"since\":1,\"cpus\":1,\"memory\":1,"
		 "\"hugepages\":\"thp\",\"numa_node\":-1,\"devices_ms\":0,\"memory_ms\":0,\"ready_ms\":0,"
		 "\"kernel\":\"k\",\"iommu\":\"\",\"devices\":[\"zz\"]}"),
		("{\"pid\":1,\"start\":1,\"vmm_pid\":1,\"uid\":1,\"since\":1,\"cpus\":1,\"memory\":1,"
		 "\"hugepages\":\"thp\",\"numa_node\":-2,\"devices_ms\":0,\"memory_ms\":0,\"ready_ms\":0,"
		 "\"kernel\":\"k\",\"iommu\":\"\",\"devices\":[]}"),
		"[[[[[[]]]]]]",
	};
	char path[100];

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	snprintf(path, sizeof(path), "%s/run/t1/info", f->top);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(rows[i], file);
		fclose(file);
		berth_err_clear(&f->err);
		assert_true(berth_vm_info_load(f->host, "t1", &info, &f->err) < 0);
		assert_int_not_equal(f->err.text[0], '\0');
	}
	berth_vm_dir_drop(dir);
}

static void control_socket_reaches_the_supervisor(void **state)
{
	struct fixture *f = *state;
	struct berth_vm_dir *dir;
	struct stat st;
	char path[100];
	int listening, client, server;

	assert_int_equal(berth_vm_dir_take(&dir, f->host, "t1", NULL), 0);
	listening = berth_vm_dir_listen(dir, &f->err);
	assert_true(listening >= 0);
	snprintf(path, sizeof(path), "%s/run/t1/control", f->top);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	client = berth_vm_dir_connect(f->host, "t1", &f->err);
	assert_true(client >= 0);
	server = accept(listening, NULL, NULL);
	assert_true(server >= 0);
	close(server);
	close(client);
	berth_vm_dir_drop(dir);
	assert_true(berth_vm_dir_connect(f->host, "t1", &f->err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(second_supervisor_is_refused_with_the_pid, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(stale_folder_is_skipped_and_removed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(stale_folder_is_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_is_sorted_and_ignores_what_is_not_a_vm, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_two_vms_have_one_user, set_up, tear_down),
		cmocka_unit_test_setup_teardown(user_in_use_is_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_info_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(control_socket_reaches_the_supervisor, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("tools/vm_dir", tests, NULL, NULL);
}
