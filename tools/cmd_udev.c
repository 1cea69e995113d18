/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * berth udev: what udev-rules/60-berth.rules runs for each PCI function that appears.
 *
 * udev drops what its programs say on stderr, so that sentences also go to the kernel's log, which exists before any other.
 */
#include "tools/berth.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "manager/appear.h"
#include "vfio/bind.h"

/* All of it, whatever hangs. udev itself would wait three minutes. */
#define DEADLINE_S 9

static int log_fd = -1; /* for the signal handler */
static char late[96];

static void on_alarm(int sig)
{
	(void)sig;
	/* nothing to be done when even this fails */
	(void)!write(log_fd, late, strlen(late));
	_exit(BERTH_EXIT_FAILED);
}

static bool run_by_udev(void)
{
	return getenv("SEQNUM") && getenv("DEVPATH");
}

static void set_deadline(const char *name)
{
	struct sigaction act = { .sa_handler = on_alarm };

	log_fd = run_by_udev() ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC) : STDERR_FILENO;
	snprintf(late, sizeof(late), "<4>berth udev: %s: not done within %d s, left as it is\n",
		 name, DEADLINE_S);
	sigaction(SIGALRM, &act, NULL);
	alarm(DEADLINE_S);
}

static void say(const char *name, const char *text)
{
	char line[BERTH_ERR_TEXT + 64];

	fprintf(stderr, "berth udev: %s: %s\n", name, text);
	if (!run_by_udev() || log_fd < 0)
		return;
	/* <4>: warning. One write is one record (Documentation/ABI/testing/dev-kmsg). */
	snprintf(line, sizeof(line), "<4>berth udev: %s: %s\n", name, text);
	(void)berth_write_all(log_fd, line, strlen(line));
}

/*
 * A wrong policy is wrong for every function of a boot, and one line about it is enough: the file holds what was said
 * last, and goes when there is nothing to say any more.
 */
static bool said_before(const struct berth_host *host, const char *text)
{
	BERTH_CLEANUP(berth_closep) int dir = -1;
	BERTH_CLEANUP(berth_closep) int fd = -1;
	BERTH_CLEANUP(berth_freep) char *old = NULL;
	static const char file[] = "udev-said";

	dir = open(host->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!*text) {
		(void)unlinkat(dir, file, 0);
		return true;
	}
	if (dir < 0 && mkdir(host->run, 0755) == 0)
		dir = open(host->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (berth_read_file(dir, file, 4096, &old, NULL) == 0 && strcmp(old, text) == 0)
		return true;
	fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		(void)berth_write_all(fd, text, strlen(text));
	return false;
}

static int run_udev(const struct berth_cmd *cmd, struct berth_host *host, int argc, char **argv)
{
	struct berth_err err = BERTH_ERR_INIT;
	struct berth_appear_verdict verdict;
	struct berth_bdf at;
	const char *name;
	int r;

	if (argc != 2)
		return berth_usage(cmd, "wants the kernel's name of one PCI function");
	if (berth_bdf_parse(argv[1], &at) < 0)
		return berth_usage(cmd, "'%s' is not a PCI address such as 0000:03:00.0", argv[1]);
	if (!berth_host_is_real(host))
		return berth_usage(cmd, "works on the running machine only");
	name = BERTH_BDF_STR(at);
	set_deadline(name);
	memset(&verdict, 0, sizeof(verdict));
	r = berth_manager_appear(host, at, &verdict, &err);
	alarm(0);
	if (r < 0) {
		say(name, err.text);
		return BERTH_EXIT_FAILED;
	}
	if (!said_before(host, verdict.say ? verdict.text : ""))
		say(name, verdict.text);
	/* udev takes this as a property of the device; the rules then load no other driver */
	if (verdict.what != BERTH_APPEAR_LEAVE)
		printf("BERTH_DRIVER=%s\n", BERTH_BIND_VFIO);
	return BERTH_EXIT_OK;
}

const struct berth_cmd berth_cmd_udev = {
	.name = "udev",
	.summary = "decide what driver a function gets that has just appeared (for udev's rules)",
	.help = "Usage: berth udev BDF\n\n"
		"Run by udev for each PCI function that appears, before its driver is loaded. Binds it to\n"
		"vfio-pci when policy says \"bind\": \"auto\" or a VM owns it, and leaves it alone otherwise.\n"
		"Prints BERTH_DRIVER=vfio-pci when the function is on vfio-pci. Takes 9 seconds at most.\n",
	.run = run_udev,
	.needs_root = true,
};
