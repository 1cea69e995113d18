/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inject PROGRAM OUTPUT: run PROGRAM again and again, each time killed, or with a call failing, at one given system call.
 *
 * One request per line on stdin, its parts separated by tabs:
 *
 *   ACTION PROCESS CALL RULES ARGUMENT…
 *
 * PROCESS is 0 for the program, n for the nth child that it makes; CALL counts that process's system calls, the program's
 * from the mark of its main(), a child's from its fork, what the fake kernel calls (tests/kill/marks.h) left out. ACTION:
 *
 *   run          nothing is injected and nothing traced
 *   points       the same, and the failpoints that are passed are listed in OUTPUT.points
 *   list         nothing is injected; each call is listed in OUTPUT.calls: process, call, number, third argument
 *   entry, exit  SIGKILL to the process before the call is made; after it is done, before the process knows
 *   error:N      the call is not made and fails with errno N; close(2) is made, it does close whatever it says
 *
 *   nomem        CALL counts allocations, of whatever size and by whomever: that one fails. 0: none does. How many there were
 *                is in OUTPUT.nomem; nomem.so lies beside PROGRAM
 *
 * RULES goes into $BERTH_FAILPOINTS. The program's stdout and stderr go to OUTPUT. Other processes of the run live on, as
 * after a real kill. Answer: "STATUS NUMBER MICROSECONDS": exit status or 256 + signal; the system call's number, -1 when
 * it was never reached; from start to end, less what the program waited for a processor that others had.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/ptrace.h>

#include "tests/kill/marks.h"

#define MAX_ARGS      24
#define MAX_PROCESSES 256
#define OPTIONS                                                                                    \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

enum action { RUN, POINTS, NOMEM, LIST, ENTRY, EXIT, ERROR };

struct request {
	enum action action;
	int error;
	unsigned int process;
	unsigned long call;
	const char *rules;
	char *argv[MAX_ARGS + 1];
};

struct process {
	pid_t pid; /* 0: gone */
	unsigned long calls;
	bool counting; /* past the mark of main(), and not in the fake kernel */
	bool inside;   /* a call is under way */
	bool counted;  /* and it is one that counts */
};

struct run {
	const struct request *q;
	struct process processes[MAX_PROCESSES];
	unsigned int nr;
	int status; /* of the program, as the answer wants it; -1: it runs */
	long hit;   /* number of the call */
	FILE *calls;
};

static const char *program, *output;

static void die(const char *what)
{
	fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set_nomem(unsigned long at)
{
	const char *slash = strrchr(program, '/');
	char text[4096];

	snprintf(text, sizeof(text), "%.*s/nomem.so", (int)(slash - program), program);
	setenv("LD_PRELOAD", text, 1);
	snprintf(text, sizeof(text), "%lu", at);
	setenv("BERTH_NOMEM", text, 1);
	snprintf(text, sizeof(text), "%s.nomem", output);
	setenv("BERTH_NOMEM_COUNT", text, 1);
}

static void exec_program(const struct request *q)
{
	int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int null = open("/dev/null", O_RDWR);
	char path[4096];

	if (fd < 0 || null < 0)
		die(output);
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	closefrom(3);
	if (*q->rules)
		setenv("BERTH_FAILPOINTS", q->rules, 1);
	if (q->action == POINTS) {
		snprintf(path, sizeof(path), "%s.points", output);
		setenv("BERTH_FAILPOINT_LOG", path, 1);
	}
	if (q->action == NOMEM)
		set_nomem(q->call);
	if (q->action > NOMEM && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		die("PTRACE_TRACEME");
	execv(program, q->argv);
	die(program);
}

static int words_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static struct process *find(struct run *run, pid_t pid)
{
	for (unsigned int i = 0; i < run->nr; i++) {
		if (run->processes[i].pid == pid)
			return &run->processes[i];
	}
	return NULL;
}

/* Children are counted in the order in which their parent makes them: the fork's own stop says so, not the child's. */
static struct process *add(struct run *run, pid_t pid, bool counting)
{
	struct process *p = &run->processes[run->nr++];

	if (run->nr > MAX_PROCESSES)
		die("too many processes");
	*p = (struct process){ .pid = pid, .counting = counting };
	return p;
}

/* Is it of any interest what this process calls? */
static bool is_target(const struct run *run, const struct process *p)
{
	return run->q->action == LIST || p == &run->processes[run->q->process];
}

static void go_on(const struct run *run, const struct process *p, int sig)
{
	ptrace(is_target(run, p) ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, NULL, (long)sig);
}

static void set_result(pid_t pid, bool skip, int error)
{
	struct user_regs_struct regs;

	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	if (skip)
		regs.orig_rax = (unsigned long long)-1;
	else
		regs.rax = (unsigned long long)-error;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void take_mark(struct process *p, uint64_t what)
{
	p->counting = what != MARK_KERNEL_IN;
}

/* A call is about to be made. Return: was the process killed? */
static bool on_entry(struct run *run, struct process *p, uint64_t nr, const uint64_t *args)
{
	p->counted = false;
	if (nr == SYS_getppid && args[0] == MARK_MAGIC) {
		take_mark(p, args[1]);
		return false;
	}
	if (!p->counting)
		return false;
	p->counted = true;
	p->calls++;
	if (run->q->action == LIST)
		fprintf(run->calls, "%u %lu %lu %lu\n", (unsigned int)(p - run->processes),
			p->calls, (unsigned long)nr, (unsigned long)args[2]);
	if (run->q->action == LIST || p->calls != run->q->call)
		return false;
	run->hit = (long)nr;
	if (run->q->action == ENTRY) {
		kill(p->pid, SIGKILL);
		return true;
	}
	if (run->q->action == ERROR && nr != SYS_close)
		set_result(p->pid, true, 0);
	return false;
}

/* A call is done. Return: is that the end of our interest: killed, or failed and let go? */
static bool on_exit_of(struct run *run, struct process *p)
{
	if (!p->counted || run->hit < 0 || p->calls != run->q->call || run->q->action == LIST)
		return false;
	if (run->q->action == EXIT) {
		kill(p->pid, SIGKILL);
		return true;
	}
	if (run->q->action == ERROR) {
		set_result(p->pid, false, run->q->error);
		ptrace(PTRACE_DETACH, p->pid, NULL, NULL);
		return true;
	}
	return false;
}

static bool on_call(struct run *run, struct process *p)
{
	struct ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof(info), &info) < 0)
		return false;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		return on_entry(run, p, info.entry.nr, (const uint64_t *)info.entry.args);
	return on_exit_of(run, p);
}

static void on_stop(struct run *run, struct process *p, int status)
{
	int sig = WSTOPSIG(status);
	unsigned long child;

	if (status >> 16) { /* a fork, or its like */
		if (ptrace(PTRACE_GETEVENTMSG, p->pid, NULL, &child) == 0 &&
		    !find(run, (pid_t)child))
			add(run, (pid_t)child, true);
		go_on(run, p, 0);
		return;
	}
	if (sig == (SIGTRAP | 0x80)) {
		if (!on_call(run, p))
			go_on(run, p, 0);
		return;
	}
	go_on(run, p, sig == SIGSTOP || sig == SIGTRAP ? 0 : sig);
}

/* A child's first stop may come before its parent's, and then it waits until we know which child it is. */
static void adopt(struct run *run, pid_t pid)
{
	int status;

	for (unsigned int i = 0; i < run->nr; i++) {
		struct process *parent = &run->processes[i];

		if (!parent->pid || waitpid(parent->pid, &status, __WALL) != parent->pid)
			continue;
		if (WIFSTOPPED(status))
			on_stop(run, parent, status);
		if (find(run, pid))
			break;
	}
	if (find(run, pid))
		go_on(run, find(run, pid), 0);
}

static void on_end(struct run *run, struct process *p, int status)
{
	if (p == &run->processes[0])
		run->status = words_of(status);
	p->pid = 0;
}

/* Until all of them have ended: a child that outlives the program does what it was made for, and that is not much. */
static void trace(struct run *run)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		struct process *p = find(run, pid);

		if (!WIFSTOPPED(status)) {
			if (p)
				on_end(run, p, status);
		} else if (p) {
			on_stop(run, p, status);
		} else {
			adopt(run, pid);
		}
	}
}

/* Microseconds that the ended, not yet reaped @pid was ready to run and did not. Source: proc_pid_schedstat, field 2. */
static long waited_for_processor(pid_t pid)
{
	unsigned long long ran, waited = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
			waited = 0;
		fclose(f);
	}
	return (long)(waited / 1000);
}

static void serve(const struct request *q)
{
	struct run run = { .q = q, .status = -1, .hit = -1 };
	struct timespec from, to;
	long delay = 0;
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &from);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		exec_program(q);
	add(&run, pid, false);
	if (q->action <= NOMEM) {
		siginfo_t info;

		while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
			;
		delay = waited_for_processor(pid);
		waitpid(pid, &status, 0);
		run.status = words_of(status);
	} else {
		char path[4096];

		snprintf(path, sizeof(path), "%s.calls", output);
		if (q->action == LIST)
			run.calls = fopen(path, "we");
		if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			die("the program did not start");
		ptrace(PTRACE_SETOPTIONS, pid, NULL, (long)OPTIONS);
		go_on(&run, &run.processes[0], 0);
		trace(&run);
		if (run.calls)
			fclose(run.calls);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%d %ld %ld\n", run.status, run.hit,
	       (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000 - delay);
	fflush(stdout);
}

static bool parse(char *line, struct request *q)
{
	char *save, *action = strsep(&line, "\t"), *process = strsep(&line, "\t");
	char *call = strsep(&line, "\t");
	size_t nr = 1;

	q->rules = strsep(&line, "\t");
	if (!q->rules || !line)
		return false;
	q->process = (unsigned int)strtoul(process, NULL, 10);
	q->call = strtoul(call, NULL, 10);
	q->action = strcmp(action, "run") == 0	  ? RUN :
		    strcmp(action, "points") == 0 ? POINTS :
		    strcmp(action, "nomem") == 0  ? NOMEM :
		    strcmp(action, "list") == 0	  ? LIST :
		    strcmp(action, "entry") == 0  ? ENTRY :
		    strcmp(action, "exit") == 0	  ? EXIT :
						    ERROR;
	if (q->action == ERROR && sscanf(action, "error:%d", &q->error) != 1)
		return false;
	q->argv[0] = (char *)(uintptr_t)program;
	for (char *arg = strtok_r(line, "\t\n", &save); arg && nr < MAX_ARGS;
	     arg = strtok_r(NULL, "\t\n", &save))
		q->argv[nr++] = arg;
	q->argv[nr] = NULL;
	return true;
}

int main(int argc, char **argv)
{
	char line[4096];

	if (argc != 3) {
		fprintf(stderr, "usage: inject PROGRAM OUTPUT\n");
		return 2;
	}
	program = argv[1];
	output = argv[2];
	/* What outlives its parent is ours to reap. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (fgets(line, sizeof(line), stdin)) {
		struct request q = { 0 };

		if (!parse(line, &q)) {
			fprintf(stderr, "inject: what is \"%s\"?\n", line);
			return 2;
		}
		serve(&q);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 0;
}
