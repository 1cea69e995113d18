/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many processes at once on one fake host; each verb in a process of its own, as on a real one.
 *
 *   race winner PROCESSES ROUNDS            all of them assign one device at the same moment, again and again
 *   race ops PROCESSES DEVICES OPERATIONS   each assigns, releases and looks at random; the history, one line for each
 *                                           operation, goes to stdout for tests/race/linear.py:
 *                                           PROCESS START END OPERATION DEVICE VM RESULT OWNER   (nanoseconds)
 *
 * With $RACE_PROGRAM, winner runs that program (berth-fake) instead of calling the library. $RACE_SEED: another run.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pci/pci.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/assign.h"
#include "manager/manager.h"
#include "manager/release.h"
#include "manager/status.h"
#include "tests/lib/fake_pci.h"

#define MAX_DEVICES   8
#define MAX_PROCESSES 256
#define OWNER_SIZE    32
#define JITTER_US     5000

struct outcome {
	int r;	  /* as the verb returned; of a program 0, -EIO or BERTH_REFUSED */
	bool own; /* the sentence of a refusal names another owner */
	char text[512];
};

/* What the processes share. */
struct shared {
	pthread_barrier_t barrier;
	struct outcome outcomes[MAX_PROCESSES];
};

static struct fake_fn fns[2 * MAX_DEVICES];
static char bdfs[2 * MAX_DEVICES][16];

/* A port and a disk behind it, each in its own group. */
static void make_fns(void)
{
	for (unsigned int i = 0; i < MAX_DEVICES; i++) {
		char *port = bdfs[2 * i], *disk = bdfs[2 * i + 1];

		snprintf(port, sizeof(bdfs[0]), "0000:00:%02x.0", i + 1);
		snprintf(disk, sizeof(bdfs[0]), "0000:%02x:00.0", i + 1);
		fns[2 * i] = (struct fake_fn){ .bdf = port,
					       .vendor = 0x1b36,
					       .device = 0xc,
					       .class = 0x060400,
					       .driver = "pcieport",
					       .group = (int)i };
		fns[2 * i + 1] = (struct fake_fn){ .bdf = disk,
						   .parent = port,
						   .vendor = 0x1b36,
						   .device = 0x10,
						   .class = 0x010802,
						   .driver = "nvme",
						   .group = 100 + (int)i };
	}
}

static const char *device(unsigned int i)
{
	return bdfs[2 * i + 1];
}

char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...);
char *__wrap_pci_lookup_name(struct pci_access *a, char *buf, int size, int flags, ...)
{
	(void)a, (void)flags;
	snprintf(buf, (size_t)size, "a device");
	return buf;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* --- verbs --- */

static int assign(struct berth_host *host, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, host, BERTH_MANAGER_CHANGE, NULL, err);

	return r ? r : berth_manager_assign(m, vm, &dev, 1, false, NULL, err);
}

static int release(struct berth_host *host, const char *vm, const char *dev, struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	int r = berth_manager_open(&m, host, BERTH_MANAGER_CHANGE, NULL, err);

	return r ? r :
		   berth_manager_release(m, vm, &dev, 1, (struct berth_release_how){ 0 }, NULL,
					 err);
}

/* Who has @dev, "-" for nobody. */
static int look(struct berth_host *host, const char *dev, char owner[OWNER_SIZE],
		struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = NULL;
	struct berth_status s;
	int r = berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, err);

	strcpy(owner, "-");
	if (r == 0)
		r = berth_status_read(m, &s, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < s.nr; i++) {
		if (strcmp(s.rows[i].devices, dev) == 0 && s.rows[i].vm)
			snprintf(owner, OWNER_SIZE, "%s", s.rows[i].vm);
	}
	berth_status_done(&s);
	return 0;
}

/* The owner that a refusal names, "-" when it names none ("is not owned by any VM"). */
static void named_owner(const char *text, char owner[OWNER_SIZE])
{
	const char *at = strstr(text, "owned by ");

	strcpy(owner, "-");
	if (at && (sscanf(at, "owned by %31[a-zA-Z0-9]", owner) != 1 || strcmp(owner, "any") == 0))
		strcpy(owner, "-");
}

/* The same by the real program. Return: as the library would. */
static int run_program(const char *program, const char *vm, const char *dev, struct berth_err *err)
{
	int pipefd[2], status;
	char text[400] = "";
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipefd[1], 2);
		dup2(open("/dev/null", O_WRONLY), 1);
		execl(program, program, "assign", dev, "--vm", vm, (char *)NULL);
		_exit(127);
	}
	close(pipefd[1]);
	for (size_t len = 0; (n = read(pipefd[0], text + len, sizeof(text) - 1 - len)) > 0;)
		len += (size_t)n;
	close(pipefd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return berth_err_set(err,
			     WIFEXITED(status) && WEXITSTATUS(status) == 3 ? BERTH_REFUSED : -EIO,
			     "%s", text);
}

/* --- one device, one winner --- */

static void contend(struct shared *sh, unsigned int me, unsigned int rounds, unsigned int seed)
{
	BERTH_CLEANUP(berth_host_closep) struct berth_host *host = NULL;
	const char *program = getenv("RACE_PROGRAM");
	char vm[16];

	assert_int_equal(berth_host_open(&host, getenv("BERTH_ROOT"), NULL), 0);
	snprintf(vm, sizeof(vm), "t%u", me);
	for (unsigned int i = 0; i < rounds; i++) {
		struct berth_err err = BERTH_ERR_INIT;
		struct outcome *o = &sh->outcomes[me];

		pthread_barrier_wait(&sh->barrier);
		if (i % 2)
			usleep((useconds_t)rand_r(&seed) % JITTER_US);
		o->r = program ? run_program(program, vm, device(0), &err) :
				 assign(host, vm, device(0), &err);
		snprintf(o->text, sizeof(o->text), "%s", err.text);
		pthread_barrier_wait(&sh->barrier);
		pthread_barrier_wait(&sh->barrier);
	}
}

/* Return: how many things were wrong in this round. */
static unsigned int judge_round(struct berth_host *host, const struct shared *sh, unsigned int nr,
				unsigned int round)
{
	unsigned int winners = 0, winner = 0, wrong = 0;
	char vm[16] = "", owner[OWNER_SIZE];
	struct berth_err err = BERTH_ERR_INIT;

	for (unsigned int i = 0; i < nr; i++) {
		if (sh->outcomes[i].r == 0) {
			winners++;
			winner = i;
		}
	}
	snprintf(vm, sizeof(vm), "t%u", winner);
	if (winners != 1) {
		printf("round %u: %u winners\n", round, winners);
		wrong++;
	}
	for (unsigned int i = 0; i < nr; i++) {
		const struct outcome *o = &sh->outcomes[i];

		named_owner(o->text, owner);
		if (o->r != 0 && (o->r != BERTH_REFUSED || strcmp(owner, vm))) {
			printf("round %u: t%u: %d: %s\n", round, i, o->r, o->text);
			wrong++;
		}
	}
	if (look(host, device(0), owner, &err) != 0 || strcmp(owner, vm)) {
		printf("round %u: %s won, %s has it (%s)\n", round, vm, owner, err.text);
		wrong++;
	}
	if (release(host, owner, device(0), &err) != 0) {
		printf("round %u: release: %s\n", round, err.text);
		wrong++;
	}
	return wrong;
}

static struct shared *share(unsigned int nr)
{
	struct shared *sh =
		mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t attr;

	assert_true(sh != MAP_FAILED);
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&sh->barrier, &attr, nr);
	return sh;
}

static unsigned int reap(unsigned int nr)
{
	unsigned int failed = 0;
	int status;

	while (nr-- > 0 && wait(&status) > 0)
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return failed;
}

static int run_winner(struct berth_host *host, unsigned int nr, unsigned int rounds,
		      unsigned int seed)
{
	struct shared *sh = share(nr + 1);
	unsigned int wrong = 0;
	uint64_t start = now_ns();

	for (unsigned int i = 0; i < nr; i++) {
		if (fork() == 0) {
			contend(sh, i, rounds, seed + i);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < rounds; i++) {
		pthread_barrier_wait(&sh->barrier);
		pthread_barrier_wait(&sh->barrier);
		wrong += judge_round(host, sh, nr, i);
		pthread_barrier_wait(&sh->barrier);
	}
	wrong += reap(nr);
	printf("%u processes, %u rounds%s: one winner each but for %u, %.1f s\n", nr, rounds,
	       getenv("RACE_PROGRAM") ? " of the program" : "", wrong,
	       (double)(now_ns() - start) / 1e9);
	return wrong ? 1 : 0;
}

/* --- any operation on any device --- */

static void one_operation(struct berth_host *host, FILE *f, unsigned int me,
			  unsigned int nr_devices, unsigned int *seed)
{
	static const char *const names[] = { "assign", "release", "look" };
	static int last =
		-1; /* the device that this process got last, and that it gives back half the time */
	bool back = last >= 0 && rand_r(seed) % 2;
	unsigned int which = back ? (unsigned int)last : (unsigned int)rand_r(seed) % nr_devices;
	unsigned int what = back ? 1 : (unsigned int)rand_r(seed) % 3;
	const char *dev = device(which);
	struct berth_err err = BERTH_ERR_INIT;
	char vm[16], owner[OWNER_SIZE] = "-";
	uint64_t start, end;
	int r;

	snprintf(vm, sizeof(vm), "t%u", me);
	start = now_ns();
	r = what == 0 ? assign(host, vm, dev, &err) :
	    what == 1 ? release(host, vm, dev, &err) :
			look(host, dev, owner, &err);
	end = now_ns();
	if (r == BERTH_REFUSED)
		named_owner(err.text, owner);
	if (r == 0 && what < 2)
		last = what == 0 ? (int)which : -1;
	fprintf(f, "%u %llu %llu %s %s %s %s %s\n", me, (unsigned long long)start,
		(unsigned long long)end, names[what], dev, vm,
		r == 0		   ? "ok" :
		r == BERTH_REFUSED ? "refused" :
				     err.text,
		owner);
}

static int run_ops(struct berth_host *host, unsigned int nr, unsigned int nr_devices,
		   unsigned int operations, unsigned int seed)
{
	unsigned int failed;

	(void)host;
	for (unsigned int i = 0; i < nr; i++) {
		char *text;
		size_t size;
		FILE *f;

		if (fork())
			continue;
		f = open_memstream(&text, &size);
		assert_int_equal(berth_host_open(&host, getenv("BERTH_ROOT"), NULL), 0);
		seed += i;
		for (unsigned int j = 0; j < operations / nr; j++)
			one_operation(host, f, i, nr_devices, &seed);
		fclose(f);
		/* One write: lines of different processes must not mix. */
		flockfile(stdout);
		fwrite(text, 1, size, stdout);
		fflush(stdout);
		_exit(0);
	}
	failed = reap(nr);
	return failed ? 1 : 0;
}

static unsigned int number(const char *text, unsigned int max)
{
	unsigned long n = strtoul(text, NULL, 10);

	return n && n <= max ? (unsigned int)n : max;
}

int main(int argc, char **argv)
{
	const char *seed_text = getenv("RACE_SEED");
	unsigned int seed = seed_text ? (unsigned int)strtoul(seed_text, NULL, 10) : 1;
	struct fake_host *fake;
	struct berth_host *host;
	int r = 2;

	make_fns();
	fake = fake_host_new(fns, 2 * MAX_DEVICES);
	fake_host_file(fake, "proc/interrupts",
		       " 24:  0  IR-PCI-MSIX-0000:01:00.0  0-edge  nvme\n");
	setenv("BERTH_ROOT", fake->root, 1);
	assert_int_equal(berth_host_open(&host, fake->root, NULL), 0);
	if (argc == 4 && strcmp(argv[1], "winner") == 0)
		r = run_winner(host, number(argv[2], MAX_PROCESSES), number(argv[3], 1000000),
			       seed);
	else if (argc == 5 && strcmp(argv[1], "ops") == 0)
		r = run_ops(host, number(argv[2], MAX_PROCESSES), number(argv[3], MAX_DEVICES),
			    number(argv[4], 100000000), seed);
	else
		fprintf(stderr, "usage: race winner PROCESSES ROUNDS | ops PROCESSES DEVICES "
				"OPERATIONS\n");
	berth_host_close(host);
	fake_host_free(fake);
	return r;
}
