/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "iommu/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/host.h"
#include "base/sysfs.h"
#include "iommu/group.h"

#define MAX_PROC_FILE (16u << 20)

/* Does a chip name of this kind stand at @p? The kernel prefixes "IR-" where the IOMMU remaps (arch/x86 irqdomain names). */
static bool starts_chip(const char *p, const char *name)
{
	return strncmp(p, name, strlen(name)) == 0;
}

enum berth_tri berth_platform_intremap(const char *interrupts)
{
	enum berth_tri answer = BERTH_UNKNOWN;
	const char *p = interrupts;

	while (*p) {
		p += strspn(p, " \t\n");
		/* On Arm the GIC's translation service checks the device of every message. */
		if (starts_chip(p, "IR-") || starts_chip(p, "ITS-"))
			return BERTH_YES;
		if (starts_chip(p, "IO-APIC") || starts_chip(p, "PCI-MSI"))
			answer = BERTH_NO;
		p += strcspn(p, " \t\n");
	}
	return answer;
}

static bool word_is(const char *word, size_t n, const char *want)
{
	return n == strlen(want) && strncmp(word, want, n) == 0;
}

/* Does the word start with "name=" ? Then *ret_value points behind it. */
static bool word_sets(const char *word, size_t n, const char *name, const char **ret_value)
{
	size_t len = strlen(name);

	if (n <= len || strncmp(word, name, len) != 0 || word[len] != '=')
		return false;
	*ret_value = word + len + 1;
	return true;
}

/* Is @what in the value, which ends with the word? */
static bool value_has(const char *value, const char *word_end, const char *what)
{
	const char *hit = memmem(value, (size_t)(word_end - value), what, strlen(what));

	return hit != NULL;
}

static void take_word(struct berth_platform *p, const char *word, size_t n)
{
	const char *value, *end = word + n;

	if (word_sets(word, n, "pcie_acs_override", &value)) {
		p->acs_override = true;
		snprintf(p->acs_override_arg, sizeof(p->acs_override_arg), "%.*s",
			 (int)(end - value), value);
	} else if (word_is(word, n, "pcie_acs_override")) {
		p->acs_override = true;
	} else if (word_sets(word, n, "pci", &value)) {
		p->acs_redir_off |= value_has(value, end, "disable_acs_redir=") ||
				    value_has(value, end, "config_acs=");
	} else if (word_sets(word, n, "iommu", &value)) {
		p->iommu_pt |= value_has(value, end, "pt") && !value_has(value, end, "nopt");
		p->iommu_off |= value_has(value, end, "off");
	} else if (word_sets(word, n, "intel_iommu", &value) ||
		   word_sets(word, n, "amd_iommu", &value)) {
		p->iommu_off |= value_has(value, end, "off");
	} else if (word_sets(word, n, "iommu.passthrough", &value)) {
		p->iommu_pt |= *value == '1' || *value == 'y';
	} else if (word_sets(word, n, "iommu.strict", &value)) {
		p->iommu_lazy |= *value == '0' || *value == 'n';
	}
}

void berth_platform_cmdline(struct berth_platform *p, const char *cmdline)
{
	while (*cmdline) {
		size_t n;

		cmdline += strspn(cmdline, " \t\n");
		n = strcspn(cmdline, " \t\n");
		/* What follows "--" is for init. */
		if (word_is(cmdline, n, "--"))
			return;
		take_word(p, cmdline, n);
		cmdline += n;
	}
}

static void read_iommus(struct berth_platform *p, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char **names = NULL;
	BERTH_CLEANUP(berth_freep) int *groups = NULL;
	bool any_remaps = false, all_known = true;
	size_t len = 0;

	if (berth_group_list(host, &groups, &p->nr_groups) < 0)
		p->nr_groups = 0;
	if (berth_sysfs_list(host, &names, &p->nr_iommu, "class/iommu") < 0)
		return;
	for (size_t i = 0; i < p->nr_iommu; i++) {
		char ecap[32];

		if (len < sizeof(p->iommu))
			len += (size_t)snprintf(p->iommu + len, sizeof(p->iommu) - len, "%s%s",
						i ? ", " : "", names[i]);
		/* VT-d 4.1, 11.4.3: Extended Capability Register, bit 3 = Interrupt Remapping support. */
		if (berth_sysfs_read(host, ecap, sizeof(ecap), "class/iommu/%s/intel-iommu/ecap",
				     names[i]) > 0)
			any_remaps |= strtoull(ecap, NULL, 16) >> 3 & 1;
		else
			all_known = false;
	}
	if (p->nr_iommu && all_known && !any_remaps && p->intremap == BERTH_UNKNOWN)
		p->intremap = BERTH_NO;
}

static enum berth_tri read_flag(const struct berth_host *host, const char *path)
{
	char text[8];

	if (berth_sysfs_read(host, text, sizeof(text), "%s", path) < 1)
		return BERTH_UNKNOWN;
	return berth_tri_of(text[0] == 'Y' || text[0] == '1');
}

static enum berth_tri dev_exists(const struct berth_host *host, const char *path)
{
	if (host->dev_fd < 0)
		return BERTH_UNKNOWN;
	if (faccessat(host->dev_fd, path, F_OK, 0) == 0)
		return BERTH_YES;
	return errno == ENOENT || errno == ENOTDIR ? BERTH_NO : BERTH_UNKNOWN;
}

/* Is "/NAME.ko" (perhaps compressed) in one of the running kernel's module lists? */
static enum berth_tri module_listed(const struct berth_host *host, const char *release,
				    const char *name)
{
	static const char *const lists[] = { "modules.dep", "modules.builtin" };
	enum berth_tri answer = BERTH_UNKNOWN;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(lists); i++) {
		BERTH_CLEANUP(berth_freep) char *path = NULL;
		BERTH_CLEANUP(berth_freep) char *text = NULL;
		BERTH_CLEANUP(berth_freep) char *want = NULL;

		if (asprintf(&path, "%s/lib/modules/%s/%s", host->root, release, lists[i]) < 0)
			return BERTH_UNKNOWN;
		if (asprintf(&want, "/%s.ko", name) < 0)
			return BERTH_UNKNOWN;
		if (berth_read_file(AT_FDCWD, path, MAX_PROC_FILE, &text, NULL) < 0)
			continue;
		if (strstr(text, want))
			return BERTH_YES;
		answer = BERTH_NO;
	}
	return answer;
}

static void read_modules(struct berth_platform *p, const struct berth_host *host)
{
	p->vfio_pci_loaded = berth_sysfs_exists(host, "bus/pci/drivers/vfio-pci");
	p->type1_loaded = berth_sysfs_exists(host, "module/vfio_iommu_type1");
	p->vfio_pci_available = p->vfio_pci_loaded ? BERTH_YES :
						     module_listed(host, p->kernel, "vfio-pci");
	p->type1_available = p->type1_loaded ? BERTH_YES :
					       module_listed(host, p->kernel, "vfio_iommu_type1");
	p->vfio_loaded = berth_sysfs_exists(host, "module/vfio");
	p->vfio_cdev = berth_sysfs_exists(host, "class/vfio-dev");
	p->iommufd_available = berth_sysfs_exists(host, "module/iommufd") ?
				       BERTH_YES :
				       module_listed(host, p->kernel, "iommufd");
	p->unsafe_interrupts =
		read_flag(host, "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	if (p->unsafe_interrupts != BERTH_YES) {
		enum berth_tri other =
			read_flag(host, "module/iommufd/parameters/allow_unsafe_interrupts");

		if (other != BERTH_UNKNOWN)
			p->unsafe_interrupts = other;
	}
	p->noiommu = read_flag(host, "module/vfio/parameters/enable_unsafe_noiommu_mode");
}

/* The text of a /proc file; "" when it cannot be read. NULL: no memory. */
static char *read_proc(const struct berth_host *host, const char *path)
{
	char *text;

	if (host->proc_fd < 0 ||
	    berth_read_file(host->proc_fd, path, MAX_PROC_FILE, &text, NULL) < 0)
		return strdup("");
	return text;
}

static void read_kernel(struct berth_platform *p, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char *release = read_proc(host, "sys/kernel/osrelease");
	BERTH_CLEANUP(berth_freep) char *cmdline = read_proc(host, "cmdline");
	BERTH_CLEANUP(berth_freep) char *interrupts = read_proc(host, "interrupts");
	BERTH_CLEANUP(berth_freep) char *cpuinfo = read_proc(host, "cpuinfo");
	const char *vendor;

	if (!release || !cmdline || !interrupts || !cpuinfo)
		return;
	release[strcspn(release, "\n")] = '\0';
	snprintf(p->kernel, sizeof(p->kernel), "%s", release);
	if (sscanf(release, "%u.%u", &p->kernel_major, &p->kernel_minor) != 2)
		p->kernel_major = p->kernel_minor = 0;
	berth_platform_cmdline(p, cmdline);
	p->intremap = berth_platform_intremap(interrupts);
	vendor = strstr(cpuinfo, "vendor_id\t: ");
	if (vendor)
		snprintf(p->cpu_vendor, sizeof(p->cpu_vendor), "%.*s",
			 (int)strcspn(vendor + 12, "\n"), vendor + 12);
}

static void read_memory(struct berth_platform *p, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char *meminfo = read_proc(host, "meminfo");
	unsigned long long kib;
	struct rlimit limit;

	if (meminfo && sscanf(meminfo, "MemTotal: %llu kB", &kib) == 1)
		p->mem_total = kib * 1024;
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		p->memlock = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

int berth_platform_read(struct berth_platform *p, const struct berth_host *host)
{
	BERTH_CLEANUP(berth_freep) char **functions = NULL;
	size_t nr = 0;

	memset(p, 0, sizeof(*p));
	p->intremap = BERTH_UNKNOWN;
	if (berth_sysfs_list(host, &functions, &nr, "bus/pci/devices") == 0)
		p->has_pci = nr > 0;
	read_kernel(p, host);
	read_iommus(p, host);
	read_modules(p, host);
	read_memory(p, host);
	p->kvm = dev_exists(host, "kvm");
	p->vfio_dev = dev_exists(host, "vfio/vfio");
	p->iommufd = dev_exists(host, "iommu");
	return 0;
}
