/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/fd.h"

static char *env_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return strdup(value && *value ? value : fallback);
}

/* *ret: -1 when there is none. Return: 0; -errno it is there and cannot be opened. */
static int open_below(const char *root, const char *name, int *ret, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *path = NULL;

	*ret = -1;
	if (asprintf(&path, "%s/%s", root, name) < 0)
		return berth_err_set(err, -ENOMEM, "out of memory");
	*ret = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
		return berth_err_set(err, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* "" when there is none: with a wrong one everything would look like before the last boot. */
static int read_boot_id(struct berth_host *host, struct berth_err *err)
{
	char *text = NULL;
	int r = host->proc_fd < 0 ? -ENOENT :
				    berth_read_file(host->proc_fd, "sys/kernel/random/boot_id", 128,
						    &text, NULL);

	if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EACCES)
		return berth_err_set(err, r, "/proc/sys/kernel/random/boot_id: %s", strerror(-r));
	host->boot_id = r < 0 ? strdup("") : text;
	if (host->boot_id)
		host->boot_id[strcspn(host->boot_id, "\n")] = '\0';
	return 0;
}

static int open_folders(struct berth_host *host, const char *root, struct berth_err *err)
{
	int r = open_below(root, "sys", &host->sys_fd, err);

	if (r == 0)
		r = open_below(root, "proc", &host->proc_fd, err);
	if (r == 0)
		r = open_below(root, "dev", &host->dev_fd, err);
	return r == 0 ? read_boot_id(host, err) : r;
}

int berth_host_open(struct berth_host **ret, const char *root, struct berth_err *err)
{
	BERTH_CLEANUP(berth_host_closep) struct berth_host *host = NULL;
	struct stat st;
	int r;

	if (!root)
		root = getenv("BERTH_ROOT");
	if (!root)
		root = "";
	if (*root && stat(root, &st) < 0)
		return berth_err_set(err, -errno, "host tree %s: %s", root, strerror(errno));
	if (*root && !S_ISDIR(st.st_mode))
		return berth_err_set(err, -ENOTDIR, "host tree %s: not a directory", root);
	host = calloc(1, sizeof(*host));
	if (!host)
		return berth_err_set(err, -ENOMEM, "out of memory");
	host->sys_fd = host->proc_fd = host->dev_fd = -1;
	r = open_folders(host, root, err);
	if (r < 0)
		return r;
	host->root = strdup(root);
	host->lib = env_or("BERTH_LIB", BERTH_LIBDIR);
	host->etc = env_or("BERTH_ETC", "/etc/berth");
	host->state = env_or("BERTH_STATE", "/var/lib/berth");
	host->run = env_or("BERTH_RUN", "/run/berth");
	if (!host->root || !host->lib || !host->etc || !host->state || !host->run || !host->boot_id)
		return berth_err_set(err, -ENOMEM, "out of memory");
	*ret = BERTH_TAKE_PTR(host);
	return 0;
}

void berth_host_close(struct berth_host *host)
{
	if (!host)
		return;
	berth_closep(&host->sys_fd);
	berth_closep(&host->proc_fd);
	berth_closep(&host->dev_fd);
	free(host->root);
	free(host->lib);
	free(host->etc);
	free(host->state);
	free(host->run);
	free(host->boot_id);
	free(host);
}

bool berth_host_is_real(const struct berth_host *host)
{
	return host->root[0] == '\0';
}
