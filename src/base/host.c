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

static int open_below(const char *root, const char *name)
{
	BERTH_CLEANUP(berth_freep) char *path = NULL;

	if (asprintf(&path, "%s/%s", root, name) < 0)
		return -1;
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static char *read_boot_id(const struct berth_host *host)
{
	char *text;

	if (host->proc_fd < 0 ||
	    berth_read_file(host->proc_fd, "sys/kernel/random/boot_id", 128, &text, NULL) < 0)
		return strdup("");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

int berth_host_open(struct berth_host **ret, const char *root, struct berth_err *err)
{
	BERTH_CLEANUP(berth_host_closep) struct berth_host *host = NULL;
	struct stat st;

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
	host->sys_fd = open_below(root, "sys");
	host->proc_fd = open_below(root, "proc");
	host->dev_fd = open_below(root, "dev");
	host->root = strdup(root);
	host->lib = env_or("BERTH_LIB", BERTH_LIBDIR);
	host->etc = env_or("BERTH_ETC", "/etc/berth");
	host->state = env_or("BERTH_STATE", "/var/lib/berth");
	host->run = env_or("BERTH_RUN", "/run/berth");
	host->boot_id = read_boot_id(host);
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
