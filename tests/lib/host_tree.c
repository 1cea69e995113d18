/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bdf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/host.h"
#include "tests/lib/host_tree.h"

/* --- files --- */

static void make_parents(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		*p = '/';
	}
}

static void full_path(const struct host_tree *tree, const char *path, char *full)
{
	int n = snprintf(full, PATH_MAX, "%s/%s", tree->root, path);

	assert_true(n > 0 && n < PATH_MAX);
	make_parents(full);
}

void host_tree_bytes(const struct host_tree *tree, const char *path, const void *data, size_t len)
{
	char full[PATH_MAX];
	int fd;

	full_path(tree, path, full);
	unlink(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(berth_write_all(fd, data, len), 0);
	close(fd);
}

void host_tree_file(const struct host_tree *tree, const char *path, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text));
	host_tree_bytes(tree, path, text, (size_t)n);
}

void host_tree_link(const struct host_tree *tree, const char *path, const char *target)
{
	char full[PATH_MAX];

	full_path(tree, path, full);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

void host_tree_dir(const struct host_tree *tree, const char *path)
{
	char full[PATH_MAX];

	full_path(tree, path, full);
	if (mkdir(full, 0755) < 0)
		assert_int_equal(errno, EEXIST);
}

static void __attribute__((format(printf, 2, 3))) join(char *path, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	assert_true(n > 0 && n < PATH_MAX);
}

/* --- configuration space --- */

static void put16(uint8_t *config, size_t at, unsigned int value)
{
	config[at] = (uint8_t)value;
	config[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *config, size_t at, uint32_t value)
{
	put16(config, at, value & 0xffff);
	put16(config, at + 2, value >> 16);
}

/* Append a capability to the list whose last "next" byte is at *@link; 0x50 bytes of room each. */
static size_t add_cap(uint8_t *config, size_t *link, size_t at, uint8_t id)
{
	config[*link] = (uint8_t)at;
	config[at] = id;
	*link = at + 1;
	return at;
}

static void add_ext(uint8_t *config, size_t at, uint16_t id, size_t next)
{
	put32(config, at, id | 1u << 16 | (uint32_t)next << 20);
}

static void fill_caps(const struct tree_fn *fn, uint8_t *config)
{
	size_t link = 0x34, at;

	put16(config, 0x06, 0x10);
	add_cap(config, &link, 0x40, 0x01);
	if (fn->msi) {
		at = add_cap(config, &link, 0x50, 0x05);
		put16(config, at + 2, (unsigned int)__builtin_ctz(fn->msi) << 1);
	}
	if (fn->type) {
		at = add_cap(config, &link, 0x60, 0x10);
		put16(config, at + 2, 2u | (unsigned int)(fn->type - 1) << 4);
		put32(config, at + 4, fn->flr ? 1u << 28 : 0);
		put32(config, at + 0xc, 4 | 16 << 4); /* at best 16 GT/s x16 */
		put16(config, at + 0x12, 3 | 8 << 4); /* now 8 GT/s x8 */
	}
	if (fn->msix) {
		at = add_cap(config, &link, 0xb0, 0x11);
		put16(config, at + 2, fn->msix - 1);
		put32(config, at + 4, 0x2000 | 3); /* table at 0x2000 of BAR 3 */
		put32(config, at + 8, 0x3000 | 3);
	}
}

static void fill_ext(const struct tree_fn *fn, uint8_t *config)
{
	/* A list needs a head: an empty vendor-specific entry (id 0x0b). */
	add_ext(config, 0x100, 0x0b, 0x140);
	add_ext(config, 0x140, fn->acs == TREE_ACS_NONE ? 0x0b : 0x0d, 0x180);
	put16(config, 0x144, fn->acs == TREE_ACS_NONE ? 0 : 0x5f);
	put16(config, 0x146, fn->acs == TREE_ACS_ON ? 0x1d : 0);
	add_ext(config, 0x180, fn->serial ? 0x03 : 0x0b, 0);
	put32(config, 0x184, (uint32_t)fn->serial);
	put32(config, 0x188, (uint32_t)(fn->serial >> 32));
}

static void write_config(const struct host_tree *tree, const char *dir, const struct tree_fn *fn)
{
	size_t len = fn->config_len ? fn->config_len : fn->type ? 4096 : 256;
	uint8_t config[4096] = { 0 };
	char path[PATH_MAX];

	put16(config, 0x00, fn->vendor);
	put16(config, 0x02, fn->device);
	config[0x08] = 0x01;
	put16(config, 0x0a, fn->class >> 8);
	config[0x0e] =
		(uint8_t)((fn->class >> 8 == 0x0604 ? 1 : 0) | (fn->multifunction ? 0x80 : 0));
	config[0x3d] = 1;
	fill_caps(fn, config);
	if (fn->type)
		fill_ext(fn, config);
	join(path, "%s/config", dir);
	host_tree_bytes(tree, path, config, len);
}

/* --- functions --- */

/* Folder of a function that exists, from its link: "sys/devices/…". */
static void dir_of(const struct host_tree *tree, const char *bdf, char *dir)
{
	char link[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	join(link, "%s/sys/bus/pci/devices/%s", tree->root, bdf);
	n = readlink(link, target, sizeof(target) - 1);
	assert_true(n > 0);
	target[n] = '\0';
	/* "../../../devices/…" */
	join(dir, "sys/%s", target + strlen("../../../"));
}

static void write_group(const struct host_tree *tree, const char *dir, const struct tree_fn *fn)
{
	char path[PATH_MAX], target[PATH_MAX];

	if (!fn->group)
		return;
	join(path, "%s/iommu_group", dir);
	join(target, "../../../../../../kernel/iommu_groups/%d", fn->group);
	host_tree_link(tree, path, target);
	join(path, "sys/kernel/iommu_groups/%d/devices/%s", fn->group, fn->bdf);
	join(target, "../../../../%s", dir + strlen("sys/"));
	host_tree_link(tree, path, target);
	join(path, "sys/kernel/iommu_groups/%d/type", fn->group);
	host_tree_file(tree, path, "DMA\n");
	join(path, "sys/kernel/iommu_groups/%d/reserved_regions", fn->group);
	host_tree_file(tree, path, "0x00000000fee00000 0x00000000feefffff msi\n");
}

static void write_driver(const struct host_tree *tree, const char *dir, const struct tree_fn *fn)
{
	char path[PATH_MAX], target[PATH_MAX];

	if (!fn->driver)
		return;
	join(path, "sys/bus/pci/drivers/%s", fn->driver);
	host_tree_dir(tree, path);
	join(path, "%s/driver", dir);
	join(target, "../../../../bus/pci/drivers/%s", fn->driver);
	host_tree_link(tree, path, target);
}

static void write_attributes(const struct host_tree *tree, const char *dir,
			     const struct tree_fn *fn)
{
	char path[PATH_MAX];

	join(path, "%s/uevent", dir);
	host_tree_file(tree, path,
		       "%s%s%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=1AF4:1100\n"
		       "PCI_SLOT_NAME=%s\nMODALIAS=pci:v%08Xd%08X\n",
		       fn->driver ? "DRIVER=" : "", fn->driver ? fn->driver : "",
		       fn->driver ? "\n" : "", fn->class, fn->vendor, fn->device, fn->bdf,
		       fn->vendor, fn->device);
	join(path, "%s/vendor", dir);
	host_tree_file(tree, path, "0x%04x\n", fn->vendor);
	join(path, "%s/device", dir);
	host_tree_file(tree, path, "0x%04x\n", fn->device);
	join(path, "%s/class", dir);
	host_tree_file(tree, path, "0x%06x\n", fn->class);
	join(path, "%s/numa_node", dir);
	host_tree_file(tree, path, "%d\n", fn->numa - 1);
	join(path, "%s/driver_override", dir);
	host_tree_file(tree, path, "(null)\n");
	join(path, "%s/power_state", dir);
	host_tree_file(tree, path, "D0\n");
	join(path, "%s/resource", dir);
	host_tree_file(tree, path,
		       "0x%016x 0x%016x 0x%016x\n0x0000000000000000 0x0000000000000000 "
		       "0x0000000000000000\n",
		       fn->bar0_size ? 0x80000000u : 0,
		       fn->bar0_size ? 0x80000000u + fn->bar0_size - 1 : 0,
		       fn->bar0_size ? 0x0014220cu : 0);
	if (!fn->reset)
		return;
	join(path, "%s/reset_method", dir);
	host_tree_file(tree, path, "%s\n", fn->reset);
}

/* The links between a PF and its VF, and the PF's count. */
static void write_vf(const struct host_tree *tree, const char *dir, const struct tree_fn *fn)
{
	char path[PATH_MAX], target[PATH_MAX], pf[PATH_MAX];

	if (!fn->pf)
		return;
	dir_of(tree, fn->pf, pf);
	join(path, "%s/physfn", dir);
	join(target, "../%s", fn->pf);
	host_tree_link(tree, path, target);
	join(path, "%s/virtfn%d", pf, fn->vf_index);
	join(target, "../%s", fn->bdf);
	host_tree_link(tree, path, target);
	host_tree_attr(tree, fn->pf, "sriov_totalvfs", "7\n");
	join(path, "%s/sriov_numvfs", pf);
	host_tree_file(tree, path, "%d\n", fn->vf_index + 1);
	host_tree_attr(tree, fn->pf, "sriov_drivers_autoprobe", "0\n");
	join(path, "%s/sriov_vf_device", pf);
	host_tree_file(tree, path, "%x\n", fn->device);
}

void host_tree_add(struct host_tree *tree, const struct tree_fn *fn)
{
	char dir[PATH_MAX], path[PATH_MAX], target[PATH_MAX];

	if (fn->parent)
		dir_of(tree, fn->parent, path);
	else
		join(path, "sys/devices/pci%.4s:00", fn->bdf);
	join(dir, "%s/%s", path, fn->bdf);
	join(path, "sys/bus/pci/devices/%s", fn->bdf);
	join(target, "../../../%s", dir + strlen("sys/"));
	host_tree_link(tree, path, target);
	write_attributes(tree, dir, fn);
	write_config(tree, dir, fn);
	write_group(tree, dir, fn);
	write_driver(tree, dir, fn);
	write_vf(tree, dir, fn);
}

void host_tree_add_all(struct host_tree *tree, const struct tree_fn *fns, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		host_tree_add(tree, &fns[i]);
}

void host_tree_attr(const struct host_tree *tree, const char *bdf, const char *name,
		    const char *value)
{
	char dir[PATH_MAX], path[PATH_MAX];

	dir_of(tree, bdf, dir);
	join(path, "%s/%s", dir, name);
	host_tree_file(tree, path, "%s", value);
}

/* --- classes --- */

void host_tree_class(const struct host_tree *tree, const char *class, const char *name,
		     const char *bdf)
{
	char dir[PATH_MAX], path[PATH_MAX], target[PATH_MAX];

	dir_of(tree, bdf, dir);
	join(path, "%s/%s/%s", dir, class, name);
	host_tree_dir(tree, path);
	join(target, "../../%s/%s/%s", dir + strlen("sys/"), class, name);
	join(path, "sys/class/%s/%s", class, name);
	host_tree_link(tree, path, target);
}

void host_tree_virtual(const struct host_tree *tree, const char *class, const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];

	join(path, "sys/devices/virtual/%s/%s", class, name);
	host_tree_dir(tree, path);
	join(target, "../../devices/virtual/%s/%s", class, name);
	join(path, "sys/class/%s/%s", class, name);
	host_tree_link(tree, path, target);
}

/* --- life --- */

static void set_folder(const struct host_tree *tree, const char *variable, const char *name)
{
	char path[PATH_MAX];

	join(path, "%s/%s", tree->root, name);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(setenv(variable, path, 1), 0);
}

struct host_tree *host_tree_new(void)
{
	struct host_tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	strcpy(tree->root, "/tmp/berth-test-tree-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	host_tree_dir(tree, "sys");
	host_tree_dir(tree, "dev");
	host_tree_file(tree, "proc/cmdline", "console=ttyS0 intel_iommu=on\n");
	host_tree_file(tree, "proc/self/mountinfo", "%s", "");
	host_tree_file(tree, "proc/consoles", "ttyS0 -W- (EC p a) 4:64\n");
	set_folder(tree, "BERTH_LIB", "lib");
	set_folder(tree, "BERTH_ETC", "etc");
	set_folder(tree, "BERTH_STATE", "state");
	set_folder(tree, "BERTH_RUN", "run");
	return tree;
}

void host_tree_free(struct host_tree *tree)
{
	char command[128];

	berth_host_close(tree->host);
	snprintf(command, sizeof(command), "rm -rf '%s'", tree->root);
	assert_int_equal(system(command), 0);
	free(tree);
}

struct berth_host *host_tree_host(struct host_tree *tree)
{
	if (!tree->host)
		assert_int_equal(berth_host_open(&tree->host, tree->root, NULL), 0);
	return tree->host;
}
