/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every test forks: what the child took from itself is gone for good. Exit status of a child: 0 as expected, else the
 * number of the check that failed; a filter kills with SIGSYS.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "uapi/iommufd.h"
#include "uapi/vfio_cdev.h"
#include "vmm/control.h"
#include "vmm/sandbox.h"

#define CONSOLE 70  /* descriptor number of the console in these tests */
#define KILLED	256 /* run_child(): died of SIGSYS */

/* Return: exit status, KILLED, or -1 for another end. */
static int run_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		_exit(fn(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : -1;
	return WEXITSTATUS(status);
}

static int filter(enum berth_sandbox_phase phase, int control_fd)
{
	/* once only: the first filter allows no such prctl any more */
	static bool done;

	if (!done)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	done = true;
	return berth_sandbox_filter(phase, BERTH_SANDBOX_TYPE1,
				    &(struct berth_sandbox_fds){ control_fd, CONSOLE, -1 }, NULL);
}

/* --- what must kill --- */

struct forbidden {
	const char *what;
	long nr;
	long args[3];
	bool only_running; /* allowed while the VM is made */
};

static const struct forbidden forbidden[] = {
	{ "open", SYS_open, { (long)"/dev/null", O_RDONLY }, false },
	{ "openat", SYS_openat, { AT_FDCWD, (long)"/dev/null", O_RDONLY }, false },
	{ "openat2", SYS_openat2, { AT_FDCWD, (long)"/dev/null" }, false },
	{ "socket", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, false },
	{ "connect", SYS_connect, { 3 }, false },
	{ "execve", SYS_execve, { (long)"/bin/true" }, false },
	{ "execveat", SYS_execveat, { -1, (long)"/bin/true" }, false },
	{ "fork", SYS_fork, { 0 }, false },
	{ "vfork", SYS_vfork, { 0 }, false },
	{ "clone of a process", SYS_clone, { SIGCHLD }, false },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME }, false },
	{ "process_vm_writev", SYS_process_vm_writev, { 1 }, false },
	{ "process_vm_readv", SYS_process_vm_readv, { 1 }, false },
	{ "kill", SYS_kill, { 0, 0 }, false },
	{ "tgkill of another process", SYS_tgkill, { 1, 1, 0 }, false },
	{ "mount", SYS_mount, { 0 }, false },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER }, false },
	{ "setuid", SYS_setuid, { 0 }, false },
	{ "setrlimit", SYS_setrlimit, { RLIMIT_CORE }, false },
	{ "prlimit64", SYS_prlimit64, { 0, RLIMIT_CORE }, false },
	{ "prctl other than a name", SYS_prctl, { PR_SET_DUMPABLE, 1 }, false },
	{ "bpf", SYS_bpf, { 0 }, false },
	{ "userfaultfd", SYS_userfaultfd, { 0 }, false },
	{ "io_uring_setup", SYS_io_uring_setup, { 1 }, false },
	{ "perf_event_open", SYS_perf_event_open, { 0 }, false },
	{ "keyctl", SYS_keyctl, { 0 }, false },
	{ "executable mmap", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC }, false },
	{ "mprotect to executable", SYS_mprotect, { 0, 0, PROT_EXEC }, false },
	{ "sendmsg elsewhere", SYS_sendmsg, { 2 }, false },
	{ "sendto elsewhere", SYS_sendto, { 2 }, false },
	{ "recvmsg elsewhere", SYS_recvmsg, { 2 }, false },
	{ "ioctl TIOCSTI", SYS_ioctl, { 0, 0x5412 }, false },
	{ "ioctl VFIO_GROUP_GET_DEVICE_FD", SYS_ioctl, { -1, VFIO_GROUP_GET_DEVICE_FD }, false },
	{ "ioctl VFIO_GROUP_SET_CONTAINER", SYS_ioctl, { -1, VFIO_GROUP_SET_CONTAINER }, false },
	{ "ioctl with surplus high bits", SYS_ioctl, { -1, KVM_RUN | 1l << 32 }, false },
	{ "ioctl VFIO_DEVICE_PCI_HOT_RESET", SYS_ioctl, { -1, VFIO_DEVICE_PCI_HOT_RESET }, true },
	{ "ioctl VFIO_IOMMU_MAP_DMA", SYS_ioctl, { -1, VFIO_IOMMU_MAP_DMA }, true },
	{ "ioctl KVM_CREATE_VM", SYS_ioctl, { -1, KVM_CREATE_VM }, true },
	{ "ioctl KVM_CREATE_VCPU", SYS_ioctl, { -1, KVM_CREATE_VCPU }, true },
	{ "clone of a thread", SYS_clone, { 0x3d0f00 }, true },
	{ "clone3", SYS_clone3, { 0 }, true },
	{ "seccomp", SYS_seccomp, { 1 }, true },
	{ "memfd_create", SYS_memfd_create, { (long)"x" }, true },
};

static int try_forbidden(void *arg)
{
	const struct forbidden *f = arg;

	if (filter(f->only_running ? BERTH_SANDBOX_RUN : BERTH_SANDBOX_SETUP, 3) < 0)
		return 99;
	syscall(f->nr, f->args[0], f->args[1], f->args[2]);
	return 0;
}

/* The control: the same call without a filter must not kill. Not for those that would leave the test program. */
static int try_unfiltered(void *arg)
{
	const struct forbidden *f = arg;

	syscall(f->nr, f->args[0], f->args[1], f->args[2]);
	return 0;
}

static bool returns_twice(const struct forbidden *f)
{
	return f->nr == SYS_fork || f->nr == SYS_vfork || f->nr == SYS_clone ||
	       f->nr == SYS_execve || f->nr == SYS_execveat || f->nr == SYS_ptrace;
}

static void calls_outside_the_list_kill(void **state)
{
	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(forbidden); i++) {
		if (run_child(try_forbidden, (void *)&forbidden[i]) != KILLED)
			fail_msg("%s did not kill", forbidden[i].what);
		if (!returns_twice(&forbidden[i]) &&
		    run_child(try_unfiltered, (void *)&forbidden[i]) != 0)
			fail_msg("%s ends a process without any filter", forbidden[i].what);
	}
}

/* --- requests of VFIO and iommufd: only of what the VM has its devices through --- */

static const struct {
	const char *what;
	unsigned long request;
	unsigned int made,
		runs; /* enum berth_sandbox_devices or-ed: allowed while the VM is made, while it runs */
} requests[] = {
	{ "VFIO_IOMMU_MAP_DMA", VFIO_IOMMU_MAP_DMA, BERTH_SANDBOX_TYPE1, 0 },
	{ "VFIO_IOMMU_UNMAP_DMA", VFIO_IOMMU_UNMAP_DMA, BERTH_SANDBOX_TYPE1, BERTH_SANDBOX_TYPE1 },
	{ "IOMMU_IOAS_MAP", BERTH_IOMMU_IOAS_MAP, BERTH_SANDBOX_IOMMUFD, 0 },
	{ "IOMMU_IOAS_UNMAP", BERTH_IOMMU_IOAS_UNMAP, BERTH_SANDBOX_IOMMUFD,
	  BERTH_SANDBOX_IOMMUFD },
	{ "IOMMU_IOAS_IOVA_RANGES", BERTH_IOMMU_IOAS_IOVA_RANGES, BERTH_SANDBOX_IOMMUFD, 0 },
	{ "IOMMU_OPTION", BERTH_IOMMU_OPTION, 0, 0 },
	{ "IOMMU_IOAS_ALLOC", BERTH_IOMMU_IOAS_ALLOC, 0, 0 },
	{ "VFIO_DEVICE_BIND_IOMMUFD", BERTH_VFIO_DEVICE_BIND_IOMMUFD, 0, 0 },
	{ "VFIO_DEVICE_ATTACH_IOMMUFD_PT", BERTH_VFIO_DEVICE_ATTACH_IOMMUFD_PT, 0, 0 },
	{ "VFIO_DEVICE_PCI_HOT_RESET by iommufd", VFIO_DEVICE_PCI_HOT_RESET, BERTH_SANDBOX_TYPE1,
	  0 },
	{ "VFIO_DEVICE_SET_IRQS", VFIO_DEVICE_SET_IRQS, BERTH_SANDBOX_TYPE1 | BERTH_SANDBOX_IOMMUFD,
	  BERTH_SANDBOX_TYPE1 | BERTH_SANDBOX_IOMMUFD },
};

struct asked {
	unsigned long request;
	enum berth_sandbox_phase phase;
	enum berth_sandbox_devices devices;
	int dma_fd, asked_fd;
};

static int try_request(void *arg)
{
	const struct asked *a = arg;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (berth_sandbox_filter(a->phase, a->devices,
				 &(struct berth_sandbox_fds){ 3, CONSOLE, a->dma_fd }, NULL) < 0)
		return 99;
	ioctl(a->asked_fd, a->request, 0);
	return 0;
}

static void only_the_interface_in_use_has_its_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(requests); i++) {
		for (unsigned int devices = 1; devices <= BERTH_SANDBOX_IOMMUFD; devices *= 2) {
			for (int run = 0; run < 2; run++) {
				struct asked a = { requests[i].request,
						   run ? BERTH_SANDBOX_RUN : BERTH_SANDBOX_SETUP,
						   (enum berth_sandbox_devices)devices, -1, -1 };
				unsigned int ok = run ? requests[i].runs : requests[i].made;
				int want = ok & devices ? 0 : KILLED;

				if (run_child(try_request, &a) != want)
					fail_msg("%s with devices %u, running %d: not as listed",
						 requests[i].what, devices, run);
			}
		}
	}
}

/* With peer-to-peer DMA, BARs are mapped while the VM runs: into the one container. */
static void only_the_container_takes_mappings_while_the_vm_runs(void **state)
{
	static const struct {
		unsigned long request;
		enum berth_sandbox_devices devices;
		int asked_fd, want;
	} rows[] = {
		{ VFIO_IOMMU_MAP_DMA, BERTH_SANDBOX_TYPE1, 80, 0 },
		{ VFIO_IOMMU_MAP_DMA, BERTH_SANDBOX_TYPE1, 81,
		  KILLED }, /* a device: PCI_HOT_RESET */
		{ VFIO_IOMMU_MAP_DMA, BERTH_SANDBOX_IOMMUFD, 80, KILLED },
		{ BERTH_IOMMU_IOAS_MAP, BERTH_SANDBOX_IOMMUFD, 80, 0 },
		{ BERTH_IOMMU_IOAS_MAP, BERTH_SANDBOX_IOMMUFD, 81, KILLED },
		{ BERTH_IOMMU_IOAS_MAP, BERTH_SANDBOX_TYPE1, 80, KILLED },
		{ VFIO_IOMMU_GET_INFO, BERTH_SANDBOX_TYPE1, 80, KILLED },
	};

	(void)state;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct asked a = { rows[i].request, BERTH_SANDBOX_RUN, rows[i].devices, 80,
				   rows[i].asked_fd };

		if (run_child(try_request, &a) != rows[i].want)
			fail_msg("row %zu: not as listed", i);
	}
}

/* --- what must work --- */

static void *thread_main(void *arg)
{
	prctl(PR_SET_NAME, "cpu0");
	free(malloc(1 << 20));
	return arg;
}

static int check_thread(void)
{
	pthread_t thread;
	void *back = NULL;

	if (pthread_create(&thread, NULL, thread_main, &back) != 0)
		return 1;
	pthread_join(thread, &back);
	return back == &back ? 0 : 1;
}

static int check_memory(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) < 0 ||
	    madvise(p, 4096, MADV_DONTNEED) < 0)
		return 1;
	for (size_t size = 16; size < 64 << 20; size *= 4) {
		char *q = malloc(size);

		if (!q)
			return 1;
		memset(q, 1, size);
		free(q);
	}
	return munmap(p, 8192);
}

static int check_events(int epoll_fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t value;

	if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ||
	    epoll_wait(epoll_fd, &ev, 1, 1000) != 1)
		return 1;
	if (read(fd, &value, sizeof(value)) != sizeof(value) || value != 1)
		return 1;
	return close(fd);
}

static int check_control(int sock)
{
	struct berth_control msg;

	if (berth_control_say(sock, BERTH_CONTROL_RUNNING) < 0)
		return 1;
	if (berth_control_recv(sock, &msg) < 0 || msg.type != BERTH_CONTROL_STOP)
		return 1;
	/* the console may be sent to; here there is none */
	return send(CONSOLE, "x", 1, MSG_DONTWAIT) != -1 || errno != EBADF;
}

static void on_signal(int sig)
{
	(void)sig;
}

static int check_kick(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	return sigaction(SIGRTMIN, &act, NULL) < 0 || pthread_kill(pthread_self(), SIGRTMIN) != 0;
}

static int work_in_both_phases(void *arg)
{
	int sock = *(int *)arg, epoll_fd;

	if (filter(BERTH_SANDBOX_SETUP, sock) < 0)
		return 1;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || check_thread() || check_memory() || check_events(epoll_fd) ||
	    check_kick())
		return 2;
	if (filter(BERTH_SANDBOX_RUN, sock) < 0)
		return 3;
	if (check_memory() || check_events(epoll_fd) || check_kick() || check_control(sock))
		return 4;
	/* a listed request reaches the kernel, which refuses the descriptor */
	return ioctl(-1, KVM_RUN, 0) == -1 && errno == EBADF ? 0 : 5;
}

static void what_a_vm_needs_goes_on_working(void **state)
{
	int sock[2];
	struct berth_control msg;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock), 0);
	assert_int_equal(berth_control_say(sock[0], BERTH_CONTROL_STOP), 0);
	assert_int_equal(run_child(work_in_both_phases, &sock[1]), 0);
	assert_int_equal(berth_control_recv(sock[0], &msg), 0);
	assert_int_equal(msg.type, BERTH_CONTROL_RUNNING);
	close(sock[0]);
	close(sock[1]);
}

static void *wait_then_open(void *arg)
{
	int *gate = arg;
	char c;

	if (read(gate[0], &c, 1) == 1)
		open("/dev/null", O_RDONLY | O_CLOEXEC);
	return NULL;
}

static int filter_binds_older_threads(void *arg)
{
	int gate[2];
	pthread_t thread;

	(void)arg;
	if (pipe(gate) < 0 || filter(BERTH_SANDBOX_SETUP, 3) < 0)
		return 1;
	if (pthread_create(&thread, NULL, wait_then_open, gate) != 0)
		return 2;
	if (filter(BERTH_SANDBOX_RUN, 3) < 0 || write(gate[1], "x", 1) != 1)
		return 3;
	pthread_join(thread, NULL);
	return 0;
}

static void filter_is_on_every_thread(void **state)
{
	(void)state;
	assert_int_equal(run_child(filter_binds_older_threads, NULL), KILLED);
}

/* --- stages 1 to 6, which need root --- */

struct outside {
	int ready[2], go[2]; /* pipes */
};

static int confined(void *arg)
{
	struct outside *o = arg;
	int keep[] = { o->go[0], o->ready[1] };
	struct berth_sandbox s = {
		.uid = BERTH_SANDBOX_UID_BASE + 7, .keep = keep, .nr_keep = 2, .nr_threads = 4
	};
	struct berth_err err = BERTH_ERR_INIT;
	char c;

	if (setenv("SECRET", "x", 1) < 0 || open("/dev/null", O_RDONLY) < 0)
		return 90;
	if (berth_sandbox_confine(&s, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 91;
	}
	if (write(o->ready[1], "x", 1) != 1 || read(o->go[0], &c, 1) != 1)
		return 92;
	if (open("/", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0 ||
	    open(".", O_RDONLY) >= 0)
		return 1;
	if (mkdir("/x", 0700) == 0 || chdir("..") == 0)
		return 2;
	if (setuid(0) == 0 || unshare(CLONE_NEWNET) == 0)
		return 3;
	if (getenv("SECRET"))
		return 4;
	return 0;
}

static void expect_status(pid_t pid, const char *line)
{
	char path[64], *text;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	assert_int_equal(berth_read_file(AT_FDCWD, path, 65536, &text, NULL), 0);
	if (!strstr(text, line))
		fail_msg("%s lacks \"%s\":\n%s", path, line, text);
	free(text);
}

static void expect_other_namespace(pid_t pid, const char *name)
{
	char path[64], own[64], its[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	n = readlink(path, own, sizeof(own));
	assert_true(n > 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	assert_int_equal(readlink(path, its, sizeof(its)), n);
	assert_memory_not_equal(own, its, (size_t)n);
}

static void confined_process_has_nothing_left(void **state)
{
	static const char *const namespaces[] = { "mnt", "net", "ipc", "uts", "cgroup" };
	struct outside o;
	char c;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "# skip: confinement starts as root\n");
		skip();
	}
	assert_int_equal(pipe(o.ready), 0);
	assert_int_equal(pipe(o.go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(confined(&o));
	close(o.ready[1]);
	if (read(o.ready[0], &c, 1) == 1) {
		expect_status(pid, "Uid:\t1891500039\t1891500039\t1891500039\t1891500039\n");
		expect_status(pid, "Gid:\t1891500039\t1891500039\t1891500039\t1891500039\n");
		expect_status(pid, "Groups:\t \n");
		expect_status(pid, "CapInh:\t0000000000000000\n");
		expect_status(pid, "CapPrm:\t0000000000000000\n");
		expect_status(pid, "CapEff:\t0000000000000000\n");
		expect_status(pid, "CapBnd:\t0000000000000000\n");
		expect_status(pid, "CapAmb:\t0000000000000000\n");
		expect_status(pid, "NoNewPrivs:\t1\n");
		for (size_t i = 0; i < BERTH_ARRAY_SIZE(namespaces); i++)
			expect_other_namespace(pid, namespaces[i]);
		assert_int_equal(write(o.go[1], "x", 1), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(o.ready[0]);
	close(o.go[0]);
	close(o.go[1]);
}

static int count_descriptors(void *arg)
{
	int high = *(int *)arg, keep[2] = { high, 5 };
	struct berth_sandbox s = {
		.uid = BERTH_SANDBOX_UID_BASE, .keep = keep, .nr_keep = 2, .nr_threads = 4
	};

	if (dup2(0, 5) < 0 || dup2(0, 6) < 0 || berth_sandbox_confine(&s, NULL) < 0)
		return 90;
	for (int fd = 3; fd < high + 10; fd++) {
		bool open_still = fcntl(fd, F_GETFD) >= 0;

		if (open_still != (fd == 5 || fd == high))
			return fd;
	}
	return 0;
}

static void only_listed_descriptors_stay_open(void **state)
{
	int high = 70;

	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "# skip: confinement starts as root\n");
		skip();
	}
	assert_int_equal(dup2(0, high), high);
	assert_int_equal(run_child(count_descriptors, &high), 0);
	close(high);
}

static void root_is_refused_as_the_user(void **state)
{
	struct berth_sandbox s = { .uid = 0 };
	struct berth_err err = BERTH_ERR_INIT;

	(void)state;
	assert_int_equal(berth_sandbox_confine(&s, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_outside_the_list_kill),
		cmocka_unit_test(only_the_interface_in_use_has_its_requests),
		cmocka_unit_test(only_the_container_takes_mappings_while_the_vm_runs),
		cmocka_unit_test(what_a_vm_needs_goes_on_working),
		cmocka_unit_test(filter_is_on_every_thread),
		cmocka_unit_test(confined_process_has_nothing_left),
		cmocka_unit_test(only_listed_descriptors_stay_open),
		cmocka_unit_test(root_is_refused_as_the_user),
	};

	return cmocka_run_group_tests_name("vmm/sandbox", tests, NULL, NULL);
}
