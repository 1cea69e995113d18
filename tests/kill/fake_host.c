/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/kill/fake_host.h"

#include <stdio.h>

#define PORT(at, grp)                                                                              \
	{                                                                                          \
		.bdf = at, .vendor = 0x1b36, .device = 0xc, .class = 0x060400,                     \
		.driver = "pcieport", .group = grp                                                 \
	}

const struct fake_fn fake_host_fns[FAKE_HOST_NR] = {
	PORT("0000:00:01.0", 1),
	PORT("0000:00:02.0", 2),
	PORT("0000:00:03.0", 3),
	{ .bdf = FAKE_GPU,
	  .parent = "0000:00:01.0",
	  .vendor = 0x1234,
	  .device = 0x1111,
	  .class = 0x030000,
	  .driver = "bochs-drm",
	  .group = 11 },
	{ .bdf = FAKE_AUDIO,
	  .parent = "0000:00:01.0",
	  .vendor = 0x8086,
	  .device = 0x293e,
	  .class = 0x040300,
	  .driver = "snd_hda_intel",
	  .group = 11 },
	{ .bdf = FAKE_PF,
	  .parent = "0000:00:02.0",
	  .vendor = 0x8086,
	  .device = 0x10c9,
	  .class = 0x020000,
	  .driver = "igb",
	  .group = 12,
	  .total_vfs = 1 },
	{ .bdf = FAKE_VF,
	  .parent = "0000:00:02.0",
	  .vendor = 0x8086,
	  .device = 0x10ca,
	  .class = 0x020000,
	  .driver = "igbvf",
	  .group = 13,
	  .pf = FAKE_PF,
	  .vf = 0 },
	{ .bdf = FAKE_NVME,
	  .parent = "0000:00:03.0",
	  .vendor = 0x1b36,
	  .device = 0x10,
	  .class = 0x010802,
	  .driver = "nvme",
	  .group = 14 },
};

static const char policy[] =
	"{\"version\": 1,\n"
	" \"devices\": [ { \"name\": \"vf\", \"match\": { \"pci.is_vf\": true },\n"
	"   \"net\": { \"mac\": \"52:54:00:00:00:07\", \"vlan\": 40 } } ],\n"
	" \"rules\": [ { \"name\": \"all\", \"effect\": \"allow\", \"subject\": { \"any_vm\": true },\n"
	"   \"resource\": { \"match\": { \"any_device\": true } } } ] }\n";

int fake_host_make(const char *root)
{
	struct fake_host *fake = fake_host_new_at(root, fake_host_fns, FAKE_HOST_NR);

	fake_host_file(fake, "sys/bus/pci/devices/" FAKE_GPU "/power/control", "auto\n");
	fake_host_file(fake, "proc/interrupts", " 24:  0  IR-PCI-MSIX-0000:02:00.0  0-edge  igb\n");
	fake_host_file(fake, "etc/policy.d/10-all.json", "%s", policy);
	fake_host_file(fake, FAKE_NET, "%s\n",
		       "mac=00:00:00:00:00:00 vlan=0 qos=0 proto=802.1Q trust=off");
	if (fake_host_write(fake, "bus/pci/devices/" FAKE_PF "/sriov_numvfs", "1") < 0) {
		fprintf(stderr, "%s: no VF\n", root);
		return 1;
	}
	fake_host_detach(fake);
	return 0;
}
