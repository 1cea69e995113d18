/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tools/out_check.h"

#define OK   BERTH_CHECK_OK
#define WARN BERTH_CHECK_WARN
#define FAIL BERTH_CHECK_FAIL

static const char *iommu_remedy(const struct berth_platform *p)
{
	if (p->iommu_off)
		return "take the switch that turns the IOMMU off from the kernel command line";
	if (strcmp(p->cpu_vendor, "GenuineIntel") == 0)
		return "turn VT-d on in the firmware and boot with intel_iommu=on";
	if (strcmp(p->cpu_vendor, "AuthenticAMD") == 0)
		return "turn the IOMMU (AMD-Vi) on in the firmware";
	return "turn the IOMMU on in the firmware (VT-d, AMD-Vi, SMMU) and in the kernel";
}

static void check_iommu(struct berth_checks *c, const struct berth_platform *p)
{
	if (!p->has_pci) {
		berth_check_add(c, "pci", FAIL, "passthrough needs PCI devices",
				"this machine has no PCI bus");
		return;
	}
	if (!p->nr_groups)
		berth_check_add(c, "iommu", FAIL, iommu_remedy(p), "%s",
				p->nr_iommu ? "the kernel knows an IOMMU, but made no groups" :
					      "no IOMMU is on: a device could write all of memory");
	else
		berth_check_add(c, "iommu", OK, NULL, "%s, %zu groups", *p->iommu ? p->iommu : "on",
				p->nr_groups);
}

static void check_interrupts(struct berth_checks *c, const struct berth_platform *p)
{
	if (p->intremap == BERTH_YES)
		berth_check_add(c, "interrupt-remapping", OK, NULL, "on");
	else
		berth_check_add(c, "interrupt-remapping", FAIL,
				"turn it on in the firmware (x2APIC, interrupt remapping) and take "
				"intremap=off from the kernel command line",
				"%s: a guest could send any interrupt to the host by DMA",
				p->intremap == BERTH_NO ? "off" : "cannot be proven on");
	if (p->unsafe_interrupts == BERTH_YES)
		berth_check_add(c, "unsafe-interrupts", FAIL,
				"load vfio_iommu_type1 and iommufd without "
				"allow_unsafe_interrupts=1",
				"vfio_iommu_type1 or iommufd runs with allow_unsafe_interrupts");
	if (p->noiommu == BERTH_YES)
		berth_check_add(c, "vfio-noiommu", FAIL,
				"load vfio without enable_unsafe_noiommu_mode=1",
				"vfio runs with enable_unsafe_noiommu_mode");
}

static void check_cmdline(struct berth_checks *c, const struct berth_platform *p)
{
	if (p->acs_override)
		berth_check_add(c, "acs-override", FAIL,
				"boot without pcie_acs_override and use slots with ACS",
				"the kernel pretends isolation (pcie_acs_override=%s)",
				p->acs_override_arg);
	if (p->acs_redir_off)
		berth_check_add(c, "acs-redirect", WARN,
				"boot without disable_acs_redir= and config_acs=",
				"the kernel command line changes ACS: devices may reach each other "
				"past the IOMMU");
	if (p->iommu_pt)
		berth_check_add(c, "iommu-passthrough", WARN,
				"boot with iommu=nopt where host devices are not trusted",
				"host drivers use untranslated DMA: a device is open to all of "
				"memory until it is bound to vfio-pci");
	if (p->iommu_lazy)
		berth_check_add(c, "iommu-lazy", WARN, "boot with iommu.strict=1",
				"memory that the host unmapped stays reachable for devices for "
				"a while (iommu.strict=0)");
}

static void check_kernel(struct berth_checks *c, const struct berth_platform *p)
{
	if (!p->kernel_major)
		berth_check_add(c, "kernel", WARN, NULL, "its version cannot be read");
	else if (p->kernel_major < 5 || (p->kernel_major == 5 && p->kernel_minor < 15))
		berth_check_add(c, "kernel", FAIL, "run Linux 5.15 or newer",
				"%s does not say how devices can be reset (reset_method)",
				p->kernel);
	else
		berth_check_add(c, "kernel", OK, NULL, "%s", p->kernel);
	if (p->kvm == BERTH_YES)
		berth_check_add(c, "kvm", OK, NULL, "/dev/kvm is there");
	else
		berth_check_add(c, "kvm", FAIL,
				"turn virtualisation (VT-x, SVM) on in the firmware and load "
				"kvm_intel or kvm_amd",
				"there is no /dev/kvm");
}

static void check_module(struct berth_checks *c, const char *name, const char *remedy, bool loaded,
			 enum berth_tri available)
{
	if (loaded)
		berth_check_add(c, name, OK, NULL, "loaded");
	else if (available == BERTH_YES)
		berth_check_add(c, name, OK, NULL, "available; berth loads it when needed");
	else if (available == BERTH_NO)
		berth_check_add(c, name, FAIL, remedy, "the kernel does not have it");
	else
		berth_check_add(c, name, WARN, remedy,
				"not loaded, and the kernel's module list cannot be read");
}

/* Does the kernel have iommufd, as far as can be told before a device is bound? */
static bool has_iommufd(const struct berth_platform *p)
{
	return (p->iommufd == BERTH_YES || p->iommufd_available == BERTH_YES) &&
	       (p->vfio_cdev || !p->vfio_loaded);
}

/* The two ways to hold devices and to map memory for them; one is enough. */
static void check_interfaces(struct berth_checks *c, const struct berth_platform *p)
{
	if (has_iommufd(p))
		berth_check_add(c, "iommufd", OK, NULL,
				p->vfio_loaded ? "/dev/iommu and VFIO's character devices are "
						 "there; berth run uses them" :
						 "available; berth run uses it where VFIO makes "
						 "character devices");
	else
		berth_check_add(c, "iommufd", OK, NULL, "%s; berth run uses type1",
				p->iommufd == BERTH_YES || p->iommufd_available == BERTH_YES ?
					"VFIO of this kernel makes no character devices" :
					"the kernel does not have it");
	if (!has_iommufd(p) || p->type1_loaded || p->type1_available == BERTH_YES)
		check_module(c, "vfio_iommu_type1", "install a kernel with CONFIG_VFIO_IOMMU_TYPE1",
			     p->type1_loaded, p->type1_available);
}

static void format_size(char *buf, size_t size, uint64_t bytes)
{
	if (bytes == UINT64_MAX)
		snprintf(buf, size, "no limit");
	else
		snprintf(buf, size, "%llu MiB", (unsigned long long)(bytes >> 20));
}

static void check_memory(struct berth_checks *c, const struct berth_platform *p)
{
	char text[32];

	format_size(text, sizeof(text), p->memlock);
	berth_check_add(c, "memlock", OK, NULL,
			"%s for this user; 'berth run', as root, raises it for its VM", text);
}

static bool passable(const struct berth_device *dev)
{
	return dev->isolation == BERTH_ISOLATION_ISOLATED ||
	       dev->isolation == BERTH_ISOLATION_MULTIFUNCTION;
}

/* One line for the sum, one for each device with a problem of its own. */
static void check_devices(struct berth_checks *c, const struct berth_out_view *view,
			  const struct berth_platform *p)
{
	const struct berth_inventory *inv = view->inv;
	size_t worth = 0, good = 0;

	for (size_t i = 0; i < inv->nr; i++) {
		const struct berth_device *dev = &inv->devices[i];

		if (!berth_device_is_worth_passing(inv, dev))
			continue;
		worth++;
		good += passable(dev);
	}
	if (!worth || !p->nr_groups)
		return;
	berth_check_add(
		c, "isolation", good == worth ? OK : WARN, NULL,
		"%zu of %zu devices worth passing through can be assigned apart from others", good,
		worth);
	for (size_t i = 0; i < inv->nr; i++) {
		const struct berth_device *dev = &inv->devices[i];

		if (berth_device_is_worth_passing(inv, dev) && !passable(dev))
			berth_check_add(c, "device", WARN, NULL, "%s %s: %s",
					BERTH_BDF_STR(dev->bdf),
					berth_isolation_name(dev->isolation),
					dev->isolation_reason);
	}
}

void berth_check_host(struct berth_checks *c, const struct berth_out_view *view,
		      const struct berth_platform *p)
{
	c->nr = 0;
	check_iommu(c, p);
	check_interrupts(c, p);
	check_cmdline(c, p);
	check_kernel(c, p);
	check_module(c, "vfio-pci", "install a kernel with CONFIG_VFIO_PCI", p->vfio_pci_loaded,
		     p->vfio_pci_available);
	check_interfaces(c, p);
	check_memory(c, p);
	check_devices(c, view, p);
}
