/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/json.h"
#include "manager/process.h"
#include "vmm/sandbox.h"

#define INFO_MAX 16384 /* bytes */

struct berth_vm_dir {
	const struct berth_host *host; /* borrowed, outlives us */
	char name[BERTH_VM_NAME_MAX + 1];
	int run_fd;	/* owned; $BERTH_RUN */
	int fd;		/* owned; $BERTH_RUN/NAME */
	int lock_fd;	/* owned */
	int uid_fd;	/* owned, -1 before take_uid */
	int control_fd; /* owned, -1 before listen */
};

static int fail(struct berth_err *err, const struct berth_host *host, const char *name,
		const char *what)
{
	int e = errno;

	return berth_err_set(err, -e, "%s %s/%s: %s", what, host->run, name, strerror(e));
}

/* $BERTH_RUN itself, made when missing: its parent is /run, which exists. */
static int open_run(const struct berth_host *host, bool make, struct berth_err *err)
{
	int fd;

	if (make && mkdir(host->run, 0755) < 0 && errno != EEXIST)
		return fail(err, host, "", "mkdir");
	fd = open(host->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail(err, host, "", "open") : fd;
}

static int open_dir(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int make_dir(const struct berth_host *host, int dirfd, const char *name, mode_t mode,
		    struct berth_err *err)
{
	int fd;

	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return fail(err, host, name, "mkdir");
	fd = open_dir(dirfd, name);
	return fd < 0 ? fail(err, host, name, "open") : fd;
}

/* Open and lock a file. Return: fd; -EWOULDBLOCK somebody has it; -errno. */
static int take_lock(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int e = errno;

		close(fd);
		return -e;
	}
	return fd < 0 ? -errno : fd;
}

static void remove_files(int dirfd)
{
	unlinkat(dirfd, "control", 0);
	unlinkat(dirfd, "info", 0);
	unlinkat(dirfd, "info.new", 0);
	unlinkat(dirfd, "lock", 0);
}

/* --- the record --- */

static json_t *info_to_json(const struct berth_vm_info *info)
{
	json_t *devices = json_array();

	for (unsigned int i = 0; i < info->nr_devices; i++)
		json_array_append_new(devices, json_string(BERTH_BDF_STR(info->devices[i])));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:i, s:I, s:I, s:I, s:o, "
			 "s:s, s:o}",
			 "name", info->name, "pid", (json_int_t)info->pid, "start",
			 (json_int_t)info->start, "vmm_pid", (json_int_t)info->vmm_pid, "uid",
			 (json_int_t)info->uid, "since", (json_int_t)info->since, "cpus",
			 (json_int_t)info->nr_cpus, "memory", (json_int_t)info->memory, "hugepages",
			 info->hugepages, "numa_node", info->numa_node, "devices_ms",
			 (json_int_t)info->devices_ms, "memory_ms", (json_int_t)info->memory_ms,
			 "ready_ms", (json_int_t)info->ready_ms, "kernel",
			 berth_json_text(info->kernel), "iommu", info->iommu, "devices", devices);
}

static int get_number(const struct berth_json_at *at, const char *key, int64_t min, int64_t max,
		      int64_t *ret, struct berth_err *err)
{
	return berth_json_need(at, key, berth_json_get_int(at, key, min, max, ret, err), err);
}

static int get_string(const struct berth_json_at *at, const char *key, char *ret, size_t size,
		      struct berth_err *err)
{
	const char *value;
	int r = berth_json_need(at, key, berth_json_get_string(at, key, &value, err), err);

	if (r == 0)
		snprintf(ret, size, "%s", value);
	return r;
}

static int numbers_from_json(const struct berth_json_at *at, struct berth_vm_info *info,
			     struct berth_err *err)
{
	int64_t v[11];
	static const struct {
		const char *key;
		int64_t min, max;
	} rows[11] = {
		{ "pid", 0, INT32_MAX },	{ "start", 0, INT64_MAX },
		{ "vmm_pid", 0, INT32_MAX },	{ "uid", 0, UINT32_MAX },
		{ "since", 0, INT64_MAX },	{ "cpus", 0, INT32_MAX },
		{ "memory", 0, INT64_MAX },	{ "numa_node", BERTH_NODE_ANY, BERTH_NODE_MAX },
		{ "devices_ms", 0, INT64_MAX }, { "memory_ms", 0, INT64_MAX },
		{ "ready_ms", 0, INT64_MAX },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		int r = get_number(at, rows[i].key, rows[i].min, rows[i].max, &v[i], err);

		if (r < 0)
			return r;
	}
	info->pid = (pid_t)v[0];
	info->start = (uint64_t)v[1];
	info->vmm_pid = (pid_t)v[2];
	info->uid = (uint32_t)v[3];
	info->since = v[4];
	info->nr_cpus = (unsigned int)v[5];
	info->memory = (uint64_t)v[6];
	info->numa_node = (int)v[7];
	info->devices_ms = (uint64_t)v[8];
	info->memory_ms = (uint64_t)v[9];
	info->ready_ms = (uint64_t)v[10];
	return 0;
}

static int info_from_json(const struct berth_json *doc, struct berth_vm_info *info,
			  struct berth_err *err)
{
	struct berth_json_at root = berth_json_root(doc), devices;
	int r = numbers_from_json(&root, info, err);

	if (r == 0)
		r = get_string(&root, "kernel", info->kernel, sizeof(info->kernel), err);
	if (r == 0)
		r = get_string(&root, "iommu", info->iommu, sizeof(info->iommu), err);
	if (r == 0)
		r = get_string(&root, "hugepages", info->hugepages, sizeof(info->hugepages), err);
	if (r < 0)
		return r;
	r = berth_json_need(&root, "devices", berth_json_get_array(&root, "devices", &devices, err),
			    err);
	for (size_t i = 0; r == 0 && i < json_array_size(devices.value); i++) {
		struct berth_json_at at = berth_json_element(&devices, i);

		if (i == BERTH_LAUNCH_DEVICES || !json_is_string(at.value) ||
		    berth_bdf_parse(json_string_value(at.value), &info->devices[i]) < 0)
			return berth_json_bad(&at, err, "not a PCI address");
		info->nr_devices++;
	}
	return r;
}

static int load_info(const struct berth_host *host, int dirfd, const char *name,
		     struct berth_vm_info *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	const struct berth_json_limits limits = { .max_bytes = INFO_MAX, .max_depth = 3 };
	char shown[512];
	int r;

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(shown, sizeof(shown), "%s/%s/info", host->run, name);
	r = berth_json_load_file(dirfd, "info", shown, &limits, &doc, err);
	if (r < 0)
		return r;
	r = info_from_json(doc, ret, err);
	return r < 0 ? -EBADMSG : 0;
}

/* --- the supervisor's side --- */

static int refuse_running(const struct berth_vm_dir *dir, struct berth_err *err)
{
	struct berth_vm_info info;

	if (load_info(dir->host, dir->fd, dir->name, &info, NULL) < 0)
		return berth_err_set(err, BERTH_REFUSED, "VM %s is being started already",
				     dir->name);
	return berth_err_set(err, BERTH_REFUSED,
			     "VM %s runs already, as process %d; 'berth vm stop %s' ends it",
			     dir->name, (int)info.pid, dir->name);
}

/* Return: 0 held; -ESTALE a predecessor removed the folder under us, try again; -EWOULDBLOCK; -errno, @err is set. */
static int try_take(struct berth_vm_dir *dir, struct berth_err *err)
{
	struct stat st;
	int r;

	dir->fd = make_dir(dir->host, dir->run_fd, dir->name, 0755, NULL);
	if (dir->fd == -ENOENT)
		return -ESTALE;
	if (dir->fd < 0)
		return make_dir(dir->host, dir->run_fd, dir->name, 0755, err);
	r = take_lock(dir->fd, "lock");
	if (r == -ENOENT)
		return -ESTALE;
	if (r == -EWOULDBLOCK)
		return r;
	if (r < 0)
		return berth_err_set(err, r, "lock %s/%s/lock: %s", dir->host->run, dir->name,
				     strerror(-r));
	dir->lock_fd = r;
	if (fstat(dir->lock_fd, &st) < 0 || st.st_nlink == 0) {
		berth_closep(&dir->lock_fd);
		dir->lock_fd = -1;
		return -ESTALE;
	}
	return 0;
}

int berth_vm_dir_take(struct berth_vm_dir **ret, const struct berth_host *host, const char *name,
		      struct berth_err *err)
{
	struct berth_vm_dir *dir = calloc(1, sizeof(*dir));
	int r;

	if (!dir)
		return berth_err_set(err, -ENOMEM, "out of memory");
	dir->host = host;
	snprintf(dir->name, sizeof(dir->name), "%s", name);
	dir->fd = dir->lock_fd = dir->uid_fd = dir->control_fd = -1;
	dir->run_fd = r = open_run(host, true, err);
	for (unsigned int tries = 0; dir->run_fd >= 0 && tries < 100; tries++) {
		berth_closep(&dir->fd);
		r = try_take(dir, err);
		if (r != -ESTALE)
			break;
	}
	if (r == -EWOULDBLOCK)
		r = refuse_running(dir, err);
	if (r == -ESTALE)
		berth_err_set(err, r, "VM %s: its folder in %s comes and goes", name, host->run);
	if (r != 0) {
		berth_vm_dir_drop(dir);
		return r;
	}
	unlinkat(dir->fd, "info", 0); /* of a predecessor that died */
	*ret = dir;
	return 0;
}

void berth_vm_dir_drop(struct berth_vm_dir *dir)
{
	if (!dir)
		return;
	if (dir->lock_fd >= 0) {
		remove_files(dir->fd);
		unlinkat(dir->run_fd, dir->name, AT_REMOVEDIR);
	}
	berth_closep(&dir->control_fd);
	berth_closep(&dir->uid_fd);
	berth_closep(&dir->lock_fd);
	berth_closep(&dir->fd);
	berth_closep(&dir->run_fd);
	free(dir);
}

/* FNV-1a, so that a VM usually gets the same user again. */
static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

int berth_vm_dir_take_uid(struct berth_vm_dir *dir, uint32_t *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int uids = make_dir(dir->host, dir->run_fd, ".uid", 0700, err);
	uint32_t first = hash(dir->name);

	if (uids < 0)
		return uids;
	for (uint32_t i = 0; i < BERTH_SANDBOX_UIDS; i++) {
		uint32_t uid = BERTH_SANDBOX_UID_BASE + (first + i) % BERTH_SANDBOX_UIDS;
		char name[16];
		int fd;

		snprintf(name, sizeof(name), "%u", uid);
		fd = take_lock(uids, name);
		if (fd >= 0) {
			dir->uid_fd = fd;
			*ret = uid;
			return 0;
		}
		if (fd != -EWOULDBLOCK)
			return berth_err_set(err, fd, "lock %s/.uid/%s: %s", dir->host->run, name,
					     strerror(-fd));
	}
	return berth_err_set(err, -EAGAIN, "all %u user ids for VMs are in use",
			     BERTH_SANDBOX_UIDS);
}

static int write_info(int dirfd, const struct berth_vm_info *info)
{
	json_t *json = info_to_json(info);
	BERTH_CLEANUP(berth_fclosep) FILE *f = NULL;
	int fd, r;

	if (!json)
		return -ENOMEM;
	fd = openat(dirfd, "info.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0)
		f = fdopen(fd, "w");
	r = f ? berth_json_print(f, json) : -errno;
	if (r == 0 && fflush(f) != 0)
		r = -errno;
	json_decref(json);
	return r;
}

int berth_vm_dir_write(struct berth_vm_dir *dir, struct berth_vm_info *info, struct berth_err *err)
{
	int r;

	info->pid = getpid();
	r = berth_process_start(dir->host, info->pid, &info->start);
	if (r == 0)
		r = write_info(dir->fd, info);
	if (r == 0 && renameat(dir->fd, "info.new", dir->fd, "info") < 0)
		r = -errno;
	return r < 0 ? berth_err_set(err, r, "write %s/%s/info: %s", dir->host->run, dir->name,
				     strerror(-r)) :
		       0;
}

/* An address below a folder of any length of path: through /proc/self/fd. */
static struct sockaddr_un control_address(int dirfd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/control", dirfd);
	return addr;
}

int berth_vm_dir_listen(struct berth_vm_dir *dir, struct berth_err *err)
{
	struct sockaddr_un addr = control_address(dir->fd);
	mode_t mask;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return fail(err, dir->host, dir->name, "socket for");
	unlinkat(dir->fd, "control", 0);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (r < 0 || listen(fd, 8) < 0) {
		r = fail(err, dir->host, dir->name, "listen in");
		close(fd);
		return r;
	}
	dir->control_fd = fd;
	return fd;
}

/* --- everybody else --- */

static int absent(const char *name, struct berth_err *err)
{
	return berth_err_set(err, BERTH_ABSENT,
			     "VM %s does not run; 'berth vm list' shows what does", name);
}

int berth_vm_info_load(const struct berth_host *host, const char *name, struct berth_vm_info *ret,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int run = -1;
	BERTH_CLEANUP(berth_closep) int fd = -1;
	int r;

	if (!berth_vm_name_valid(name))
		return absent(name, err);
	run = open(host->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run >= 0)
		fd = open_dir(run, name);
	if (fd < 0)
		return errno == ENOENT ? absent(name, err) : fail(err, host, name, "open");
	r = load_info(host, fd, name, ret, err);
	if (r == -ENOENT && err)
		berth_err_clear(err);
	if (r == -ENOENT || (r == 0 && !berth_process_lives(host, ret->pid, ret->start)))
		return absent(name, err);
	return r;
}

/* Only one that nobody holds, and a successor may just be taking it: hence under its lock. */
static void remove_stale(int run, const char *name)
{
	BERTH_CLEANUP(berth_closep) int fd = open_dir(run, name);
	BERTH_CLEANUP(berth_closep) int lock = -1;

	if (fd < 0)
		return;
	lock = openat(fd, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return;
	remove_files(fd);
	unlinkat(run, name, AT_REMOVEDIR);
}

static int add_info(struct berth_vm_info **list, size_t *nr, const struct berth_vm_info *info)
{
	struct berth_vm_info *more = realloc(*list, (*nr + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[(*nr)++] = *info;
	*list = more;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct berth_vm_info *)a)->name,
		      ((const struct berth_vm_info *)b)->name);
}

int berth_vm_info_list(const struct berth_host *host, struct berth_vm_info **ret, size_t *ret_nr,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct berth_vm_info *list = NULL;
	size_t nr = 0;
	struct dirent *entry;
	DIR *d = opendir(host->run);
	int r = 0;

	if (!d && errno != ENOENT)
		return fail(err, host, "", "open");
	while (d && r == 0 && (entry = readdir(d))) {
		struct berth_vm_info info;

		if (!berth_vm_name_valid(entry->d_name))
			continue;
		if (berth_vm_info_load(host, entry->d_name, &info, NULL) == 0)
			r = add_info(&list, &nr, &info);
		else
			remove_stale(dirfd(d), entry->d_name);
	}
	if (d)
		closedir(d);
	if (r < 0)
		return berth_err_set(err, r, "out of memory");
	if (nr)
		qsort(list, nr, sizeof(*list), by_name);
	*ret = BERTH_TAKE_PTR(list);
	*ret_nr = nr;
	return 0;
}

int berth_vm_dir_connect(const struct berth_host *host, const char *name, struct berth_err *err)
{
	BERTH_CLEANUP(berth_closep) int run = -1;
	BERTH_CLEANUP(berth_closep) int dir = -1;
	BERTH_CLEANUP(berth_closep) int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	run = open(host->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run >= 0)
		dir = open_dir(run, name);
	if (sock < 0 || dir < 0)
		return fail(err, host, name, "open");
	addr = control_address(dir);
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail(err, host, name, "connect to the supervisor in");
	return BERTH_TAKE_FD(sock);
}
