/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fake_pci.h"

#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"

static struct fake_host *current;

int __wrap_berth_sysfs_write(const struct berth_host *host, const char *value,
			     unsigned int deadline_ms, struct berth_err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* There only where the test is linked with --wrap. */
int __real_berth_sysfs_write(const struct berth_host *host, const char *value,
			     unsigned int deadline_ms, struct berth_err *err, const char *fmt, ...)
	__attribute__((format(printf, 5, 6), weak));

/* --- files --- */

static void join(char path[PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void join(char path[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && n < PATH_MAX);
}

static void full_path(const struct fake_host *fake, char path[PATH_MAX], const char *below)
{
	join(path, "%s/%s", fake->root, below);
}

static void make_parents(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			fail_msg("mkdir %s: %s", path, strerror(errno));
		*p = '/';
	}
}

/* A name next to @path and of this process. What is made there and renamed is old or new to a reader, as in /sys. */
static void beside(const char *path, char tmp[PATH_MAX])
{
	join(tmp, "%s.new-%d", path, (int)getpid());
}

static void put(const struct fake_host *fake, const char *below, const void *data, size_t len)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	int fd;

	full_path(fake, path, below);
	make_parents(path);
	beside(path, tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
	assert_int_equal(rename(tmp, path), 0);
}

void fake_host_file(const struct fake_host *fake, const char *path, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text));
	put(fake, path, text, (size_t)n);
}

void fake_host_link(const struct fake_host *fake, const char *path, const char *target)
{
	char from[PATH_MAX], tmp[PATH_MAX];

	full_path(fake, from, path);
	make_parents(from);
	beside(from, tmp);
	assert_int_equal(symlink(target, tmp), 0);
	assert_int_equal(rename(tmp, from), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

void fake_host_remove(const struct fake_host *fake, const char *path)
{
	char from[PATH_MAX];

	full_path(fake, from, path);
	nftw(from, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- what is bound --- */

static void device_file(char path[PATH_MAX], const char *bdf, const char *name)
{
	join(path, "sys/bus/pci/devices/%s/%s", bdf, name);
}

const char *fake_host_driver(const struct fake_host *fake, const char *bdf)
{
	static char name[NAME_MAX + 1];
	char below[PATH_MAX], path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	device_file(below, bdf, "driver");
	full_path(fake, path, below);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return "";
	target[n] = '\0';
	snprintf(name, sizeof(name), "%s", strrchr(target, '/') + 1);
	return name;
}

const char *fake_host_override(const struct fake_host *fake, const char *bdf)
{
	static char text[NAME_MAX + 1];
	char below[PATH_MAX], path[PATH_MAX];
	FILE *f;

	device_file(below, bdf, "driver_override");
	full_path(fake, path, below);
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, "(null)") ? text : "";
}

static const struct fake_fn *find_fn(const struct fake_host *fake, const char *bdf)
{
	for (size_t i = 0; i < fake->nr; i++) {
		if (strcmp(fake->fns[i].bdf, bdf) == 0)
			return &fake->fns[i];
	}
	return NULL;
}

static bool have(const struct fake_host *fake, const char *below)
{
	char path[PATH_MAX];

	full_path(fake, path, below);
	return access(path, F_OK) == 0;
}

static bool have_device(const struct fake_host *fake, const char *bdf)
{
	char below[PATH_MAX];

	device_file(below, bdf, "");
	return have(fake, below);
}

static bool have_driver(const struct fake_host *fake, const char *driver)
{
	char below[PATH_MAX];

	join(below, "sys/bus/pci/drivers/%s", driver);
	return have(fake, below);
}

/* Inventory takes most facts from here: one read instead of six. */
static void make_uevent(const struct fake_host *fake, const struct fake_fn *fn, const char *driver)
{
	char path[PATH_MAX];

	device_file(path, fn->bdf, "uevent");
	fake_host_file(fake, path,
		       "%s%s%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
		       "PCI_SLOT_NAME=%s\nMODALIAS=pci:v%08Xd%08X\n",
		       *driver ? "DRIVER=" : "", driver, *driver ? "\n" : "", fn->class, fn->vendor,
		       fn->device, fn->vendor, fn->device, fn->bdf, fn->vendor, fn->device);
}

void fake_host_bind(struct fake_host *fake, const char *bdf, const char *driver)
{
	const struct fake_fn *fn = find_fn(fake, bdf);
	char link[PATH_MAX], target[PATH_MAX];

	assert_non_null(fn);
	make_uevent(fake, fn, driver);

	device_file(link, bdf, "driver");
	if (*driver) {
		join(target, "%s/sys/bus/pci/drivers/%s", fake->root, driver);
		fake_host_link(fake, link, target);
	} else {
		fake_host_remove(fake, link);
	}
}

/* --- the kernel --- */

static unsigned int number(const struct fake_host *fake, const char *bdf, const char *name)
{
	char below[PATH_MAX], path[PATH_MAX];
	unsigned int value = 0;
	FILE *f;

	device_file(below, bdf, name);
	full_path(fake, path, below);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%u", &value), 1);
	fclose(f);
	return value;
}

/* drivers/pci/pci-driver.c, pci_device_can_probe() */
static bool can_probe(const struct fake_host *fake, const struct fake_fn *fn)
{
	return !fn->pf || number(fake, fn->pf, "sriov_drivers_autoprobe") ||
	       *fake_host_override(fake, fn->bdf);
}

static int do_probe(struct fake_host *fake, const char *bdf)
{
	const struct fake_fn *fn = find_fn(fake, bdf);
	const char *want;

	if (!fn || !have_device(fake, bdf))
		return -EINVAL;
	if (*fake_host_driver(fake, bdf))
		return 0;
	want = fake_host_override(fake, bdf);
	if (!*want)
		want = fn->driver;
	if (*want && have_driver(fake, want) && can_probe(fake, fn))
		fake_host_bind(fake, bdf, want);
	return 0;
}

static int do_bind(struct fake_host *fake, const char *driver, const char *bdf)
{
	const struct fake_fn *fn = find_fn(fake, bdf);
	const char *want = fn ? fake_host_override(fake, bdf) : "";

	if (!fn || !have_device(fake, bdf) || *fake_host_driver(fake, bdf) || !can_probe(fake, fn))
		return -ENODEV;
	if (strcmp(*want ? want : fn->driver, driver) != 0)
		return -ENODEV;
	fake_host_bind(fake, bdf, driver);
	return 0;
}

/* --- building it --- */

static bool is_bridge(const struct fake_fn *fn)
{
	return fn->class >> 8 == 0x0604;
}

static void make_config(const struct fake_host *fake, const char *dir, const struct fake_fn *fn)
{
	uint8_t c[256] = {
		fn->vendor & 0xff,
		(uint8_t)(fn->vendor >> 8),
		fn->device & 0xff,
		(uint8_t)(fn->device >> 8),
		0x07, /* I/O, memory, bus master */
		0x01,
		0x00,
		0x00,
		0x01, /* revision */
		fn->class & 0xff,
		fn->class >> 8 & 0xff,
		(uint8_t)(fn->class >> 16),
	};
	char path[PATH_MAX];

	c[0x0e] = is_bridge(fn) ? 1 : 0;
	join(path, "%s/config", dir);
	put(fake, path, c, sizeof(c));
}

/* The folder of a function below devices/, with those of the bridges above it. */
static void real_dir(const struct fake_host *fake, const struct fake_fn *fn, char dir[PATH_MAX])
{
	char above[PATH_MAX];
	const struct fake_fn *parent = fn->parent ? find_fn(fake, fn->parent) : NULL;

	if (parent)
		real_dir(fake, parent, above);
	else
		join(above, "sys/devices/pci0000:00");
	join(dir, "%s/%s", above, fn->bdf);
}

static void attribute(const struct fake_host *fake, const char *dir, const char *name,
		      const char *fmt, unsigned int value)
{
	char path[PATH_MAX], text[64];

	join(path, "%s/%s", dir, name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof(text), fmt, value);
#pragma GCC diagnostic pop
	fake_host_file(fake, path, "%s\n", text);
}

static void make_group(const struct fake_host *fake, const struct fake_fn *fn, const char *dir)
{
	char path[PATH_MAX], target[PATH_MAX];

	if (fn->group < 0)
		return;
	join(path, "sys/kernel/iommu_groups/%d/devices/%s", fn->group, fn->bdf);
	join(target, "%s/%s", fake->root, dir);
	fake_host_link(fake, path, target);
	join(path, "sys/kernel/iommu_groups/%d/type", fn->group);
	fake_host_file(fake, path, "DMA\n");
	join(path, "sys/kernel/iommu_groups/%d/reserved_regions", fn->group);
	fake_host_file(fake, path, "0x00000000fee00000 0x00000000feefffff msi\n");
	join(path, "%s/iommu_group", dir);
	join(target, "%s/sys/kernel/iommu_groups/%d", fake->root, fn->group);
	fake_host_link(fake, path, target);
	join(path, "dev/vfio/%d", fn->group);
	fake_host_file(fake, path, "%s", "");
}

static void make_fn(struct fake_host *fake, const struct fake_fn *fn)
{
	char dir[PATH_MAX], path[PATH_MAX], target[PATH_MAX];

	real_dir(fake, fn, dir);
	make_config(fake, dir, fn);
	attribute(fake, dir, "vendor", "0x%04x", fn->vendor);
	attribute(fake, dir, "device", "0x%04x", fn->device);
	attribute(fake, dir, "subsystem_vendor", "0x%04x", fn->vendor);
	attribute(fake, dir, "subsystem_device", "0x%04x", fn->device);
	attribute(fake, dir, "class", "0x%06x", fn->class);
	attribute(fake, dir, "revision", "0x%02x", 1);
	attribute(fake, dir, "irq", "%u", 0);
	attribute(fake, dir, "enable", "%u", 1);
	attribute(fake, dir, "d3cold_allowed", "%u", 1);
	join(path, "%s/numa_node", dir);
	fake_host_file(fake, path, "-1\n");
	join(path, "%s/driver_override", dir);
	fake_host_file(fake, path, "(null)\n");
	join(path, "%s/power/control", dir);
	fake_host_file(fake, path, "on\n");
	join(path, "%s/resource", dir);
	fake_host_file(fake, path, "%s",
		       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n");
	join(path, "%s/modalias", dir);
	fake_host_file(fake, path, "pci:v%08Xd%08X\n", fn->vendor, fn->device);
	if (!fn->no_reset && !is_bridge(fn)) {
		join(path, "%s/reset", dir);
		fake_host_file(fake, path, "%s", "");
		join(path, "%s/reset_method", dir);
		fake_host_file(fake, path, "flr\n");
	}
	join(path, "%s/subsystem", dir);
	join(target, "%s/sys/bus/pci", fake->root);
	fake_host_link(fake, path, target);
	join(path, "sys/bus/pci/devices/%s", fn->bdf);
	join(target, "%s/%s", fake->root, dir);
	fake_host_link(fake, path, target);
	make_group(fake, fn, dir);
	make_uevent(fake, fn, "");
	if (fn->total_vfs) {
		attribute(fake, dir, "sriov_totalvfs", "%u", fn->total_vfs);
		attribute(fake, dir, "sriov_numvfs", "%u", 0);
		attribute(fake, dir, "sriov_offset", "%u", 128);
		attribute(fake, dir, "sriov_stride", "%u", 2);
		attribute(fake, dir, "sriov_vf_device", "%x", 0x10ca);
		attribute(fake, dir, "sriov_drivers_autoprobe", "%u", 1);
	}
	if (*fn->driver) {
		join(path, "sys/bus/pci/drivers/%s/bind", fn->driver);
		fake_host_file(fake, path, "%s", "");
		join(path, "sys/bus/pci/drivers/%s/unbind", fn->driver);
		fake_host_file(fake, path, "%s", "");
		if (can_probe(fake, fn))
			fake_host_bind(fake, fn->bdf, fn->driver);
	}
}

/* --- virtual functions --- */

static void make_vf(struct fake_host *fake, const struct fake_fn *fn)
{
	char path[PATH_MAX], target[PATH_MAX];

	make_fn(fake, fn);
	device_file(path, fn->bdf, "physfn");
	join(target, "../%s", fn->pf);
	fake_host_link(fake, path, target);
	join(path, "sys/bus/pci/devices/%s/virtfn%u", fn->pf, fn->vf);
	join(target, "../%s", fn->bdf);
	fake_host_link(fake, path, target);
}

static void drop_vf(struct fake_host *fake, const struct fake_fn *fn)
{
	char path[PATH_MAX];

	join(path, "sys/bus/pci/devices/%s/virtfn%u", fn->pf, fn->vf);
	fake_host_remove(fake, path);
	join(path, "sys/bus/pci/devices/%s", fn->bdf);
	fake_host_remove(fake, path);
	real_dir(fake, fn, path);
	fake_host_remove(fake, path);
	join(path, "sys/kernel/iommu_groups/%d", fn->group);
	fake_host_remove(fake, path);
	join(path, "dev/vfio/%d", fn->group);
	fake_host_remove(fake, path);
}

/* drivers/pci/pci-sysfs.c and iov.c, sriov_numvfs_store(). */
static int do_numvfs(struct fake_host *fake, const char *pf, const char *value)
{
	unsigned int want = (unsigned int)strtoul(value, NULL, 10);
	char below[PATH_MAX];

	if (want > number(fake, pf, "sriov_totalvfs"))
		return -ERANGE;
	if (want && number(fake, pf, "sriov_numvfs"))
		return -EBUSY;
	for (size_t i = 0; i < fake->nr; i++) {
		const struct fake_fn *fn = &fake->fns[i];

		if (!fn->pf || strcmp(fn->pf, pf))
			continue;
		if (fn->vf < want)
			make_vf(fake, fn);
		else if (have_device(fake, fn->bdf))
			drop_vf(fake, fn);
	}
	device_file(below, pf, "sriov_numvfs");
	fake_host_file(fake, below, "%u\n", want);
	return 0;
}

/* --- writes --- */

static int plain_write(struct fake_host *fake, const char *path, const char *value)
{
	char below[PATH_MAX], full[PATH_MAX];

	join(below, "sys/%s", path);
	full_path(fake, full, below);
	if (access(full, F_OK) < 0)
		return -ENOENT;
	put(fake, below, value, strlen(value));
	return 0;
}

/* Does @path end in "/@tail"? Then *ret_name is the path component before it. */
static bool ends_in(const char *path, const char *tail, char name[NAME_MAX + 1])
{
	size_t len = strlen(path), cut = strlen(tail);
	const char *start;

	if (len <= cut + 1 || strcmp(path + len - cut, tail) || path[len - cut - 1] != '/')
		return false;
	start = path + len - cut - 1;
	while (start > path && start[-1] != '/')
		start--;
	snprintf(name, NAME_MAX + 1, "%.*s", (int)(path + len - cut - 1 - start), start);
	return true;
}

int fake_host_write(struct fake_host *fake, const char *path, const char *value)
{
	char name[NAME_MAX + 1], below[PATH_MAX];

	if (strcmp(path, "bus/pci/drivers_probe") == 0)
		return do_probe(fake, value);
	if (ends_in(path, "driver/unbind", name)) {
		if (!*fake_host_driver(fake, name) || strcmp(name, value))
			return -ENODEV;
		fake_host_bind(fake, name, "");
		return 0;
	}
	if (ends_in(path, "unbind", name)) { /* the same file, by the driver's own name */
		if (!have_device(fake, value) || strcmp(fake_host_driver(fake, value), name))
			return -ENODEV;
		fake_host_bind(fake, value, "");
		return 0;
	}
	if (ends_in(path, "bind", name))
		return do_bind(fake, name, value);
	if (ends_in(path, "driver_override", name)) {
		if (!have_device(fake, name))
			return -ENOENT;
		device_file(below, name, "driver_override");
		fake_host_file(fake, below, "%s\n",
			       *value && strcmp(value, "\n") ? value : "(null)");
		return 0;
	}
	if (ends_in(path, "sriov_numvfs", name))
		return do_numvfs(fake, name, value);
	if (ends_in(path, "reset", name)) {
		device_file(below, name, "reset");
		return have(fake, below) ? 0 : -ENOENT;
	}
	return plain_write(fake, path, value);
}

/* A FIFO that nobody reads: opening it for writing waits, as in a driver that does not let go. */
static void hang_path(const struct fake_host *fake, char full[PATH_MAX], const char *path)
{
	char below[PATH_MAX];

	join(below, "sys/hangs/%s", path);
	full_path(fake, full, below);
}

static int hang(struct fake_host *fake, const struct berth_host *host, const char *path,
		const char *value, struct berth_err *err)
{
	char fifo[PATH_MAX];

	hang_path(fake, fifo, path);
	make_parents(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	return __real_berth_sysfs_write(host, value, fake->hang_ms, err, "hangs/%s", path);
}

void fake_host_return(struct fake_host *fake, const char *path, const char *value)
{
	char fifo[PATH_MAX], text[64];
	int fd;

	assert_int_equal(fake_host_write(fake, path, value), 0);
	hang_path(fake, fifo, path);
	fd = open(fifo, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text)) > 0);
	close(fd);
	unlink(fifo);
}

int __wrap_berth_sysfs_write(const struct berth_host *host, const char *value,
			     unsigned int deadline_ms, struct berth_err *err, const char *fmt, ...)
{
	struct fake_host *fake = current;
	enum fake_fault_kind kind = FAKE_FAULT_NONE;
	char path[PATH_MAX];
	va_list ap;
	int r = 0;

	(void)deadline_ms;
	assert_non_null(fake);
	va_start(ap, fmt);
	vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	fake->writes++;
	if (fake->fault.at &&
	    (fake->writes == fake->fault.at ||
	     (fake->fault.kind == FAKE_FAULT_EIO_FROM && fake->writes > fake->fault.at)))
		kind = fake->fault.kind;
	if (kind == FAKE_FAULT_HANG)
		return hang(fake, host, path, value, err);
	if (kind == FAKE_FAULT_KILL_BEFORE)
		_exit(FAKE_KILLED);
	if (kind == FAKE_FAULT_EIO || kind == FAKE_FAULT_EIO_FROM)
		r = -EIO;
	else if (kind != FAKE_FAULT_LIE)
		r = fake_host_write(fake, path, value);
	if (kind == FAKE_FAULT_KILL_AFTER)
		_exit(FAKE_KILLED);
	if (kind == FAKE_FAULT_TIMEOUT)
		r = -ETIMEDOUT;
	if (r < 0)
		return berth_err_set(err, r, "writing \"%s\" to /sys/%s: %s", value, path,
				     strerror(-r));
	return 0;
}

/* --- the whole host --- */

static void make_proc(const struct fake_host *fake)
{
	fake_host_file(fake, "proc/sys/kernel/random/boot_id",
		       "11111111-2222-3333-4444-555555555555\n");
	fake_host_file(fake, "proc/cmdline", "quiet intel_iommu=on\n");
	fake_host_file(fake, "proc/interrupts",
		       "           CPU0\n  24:          0   IR-PCI-MSI-0000:00:01.0   0-edge\n");
	fake_host_file(fake, "proc/mounts", "%s", "");
	fake_host_file(fake, "proc/self/mountinfo", "%s", "");
	fake_host_file(fake, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	fake_host_file(fake, "proc/net/route", "Iface\tDestination\tGateway\tFlags\n");
	fake_host_file(fake, "proc/net/ipv6_route", "%s", "");
	fake_host_file(fake, "proc/fb", "%s", "");
}

static void point_env(const struct fake_host *fake, const char *name, const char *below)
{
	char path[PATH_MAX];

	full_path(fake, path, below);
	make_parents(path);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	setenv(name, path, 1);
}

struct fake_host *fake_host_attach(const char *root, const struct fake_fn *fns, size_t nr)
{
	struct fake_host *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	assert_true(strlen(root) < sizeof(fake->root));
	strcpy(fake->root, root);
	fake->fns = fns;
	fake->nr = nr;
	point_env(fake, "BERTH_LIB", "lib");
	point_env(fake, "BERTH_ETC", "etc");
	point_env(fake, "BERTH_STATE", "state");
	point_env(fake, "BERTH_RUN", "run");
	current = fake;
	return fake;
}

struct fake_host *fake_host_new_at(const char *root, const struct fake_fn *fns, size_t nr)
{
	struct fake_host *fake = fake_host_attach(root, fns, nr);

	fake_host_file(fake, "sys/bus/pci/drivers_probe", "%s", "");
	fake_host_file(fake, "sys/bus/pci/drivers/vfio-pci/bind", "%s", "");
	fake_host_file(fake, "sys/bus/pci/drivers/vfio-pci/unbind", "%s", "");
	fake_host_file(fake, "sys/class/iommu/dmar0/intel-iommu/ecap", "f0005e\n");
	fake_host_file(fake, "dev/vfio/vfio", "%s", "");
	for (size_t i = 0; i < nr; i++) {
		if (!fns[i].pf)
			make_fn(fake, &fns[i]);
	}
	make_proc(fake);
	return fake;
}

struct fake_host *fake_host_new(const struct fake_fn *fns, size_t nr)
{
	/* In memory when possible: the ledger syncs to disk at every step. */
	char root[] = "/dev/shm/berth-fake-XXXXXX";

	if (access("/dev/shm", W_OK) < 0)
		strcpy(root, "/tmp/berth-fake-XXXXXX");
	assert_non_null(mkdtemp(root));
	return fake_host_new_at(root, fns, nr);
}

void fake_host_detach(struct fake_host *fake)
{
	free(fake);
	current = NULL;
}

/* Whoever waits for its other end to be opened goes on, and ends: it cannot write to anybody. */
static int let_go(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type, (void)ftw;
	if (S_ISFIFO(st->st_mode))
		close(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	return 0;
}

/* A process that hangs in a write for ever would outlive the test, with all that it has inherited. */
static void end_hangs(const struct fake_host *fake)
{
	char path[PATH_MAX];

	full_path(fake, path, "sys/hangs");
	nftw(path, let_go, 16, FTW_PHYS);
}

void fake_host_free(struct fake_host *fake)
{
	end_hangs(fake);
	fake_host_remove(fake, "");
	fake_host_detach(fake);
}
