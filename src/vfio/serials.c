/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/serials.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/sysfs.h"
#include "vfio/inventory.h"
#include "vfio/kept.h"
#include "vfio/netdev.h"

#define NET_ADDR_PERM 0 /* linux/netdevice.h: the address is the one burnt in */

/* The host may have given the interface another address, and a VF has none of its own. */
static void read_mac(struct berth_serials *ret, const struct berth_host *host, struct berth_bdf at)
{
	char name[IFNAMSIZ], mac[64], bdf[BERTH_BDF_LEN];
	uint64_t assigned;

	berth_bdf_format(at, bdf);
	if (berth_sysfs_exists(host, "bus/pci/devices/%s/physfn", bdf) ||
	    berth_netdev_of(host, at, name) != 0 ||
	    berth_sysfs_read_u64(host, &assigned, "bus/pci/devices/%s/net/%s/addr_assign_type", bdf,
				 name) < 0 ||
	    assigned != NET_ADDR_PERM ||
	    berth_sysfs_read(host, mac, sizeof(mac), "bus/pci/devices/%s/net/%s/address", bdf,
			     name) != BERTH_SERIALS_MAC_LEN - 1 ||
	    strcmp(mac, "00:00:00:00:00:00") == 0)
		return;
	memcpy(ret->mac, mac, BERTH_SERIALS_MAC_LEN);
}

/* As the nvme driver has it, without the blanks that fill its field. */
static void read_nvme(struct berth_serials *ret, const struct berth_host *host, struct berth_bdf at)
{
	char **names = NULL, *text = ret->nvme, bdf[BERTH_BDF_LEN];
	int len = 0;

	berth_bdf_format(at, bdf);
	if (berth_sysfs_list(host, &names, NULL, "bus/pci/devices/%s/nvme", bdf) < 0)
		return;
	if (names[0])
		len = berth_sysfs_read(host, text, BERTH_SERIALS_NVME_LEN,
				       "bus/pci/devices/%s/nvme/%s/serial", bdf, names[0]);
	free(names);
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	/* ASCII, says the standard; what else a device says is no number, and nothing for a terminal */
	for (int i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[0] = '\0';
	}
}

void berth_serials_keep(const struct berth_host *host, struct berth_bdf at)
{
	struct berth_serials s = { .vpd = "" };

	read_mac(&s, host, at);
	read_nvme(&s, host, at);
	if (*s.mac || *s.nvme)
		(void)berth_kept_put(host, at, &s);
}

void berth_serials_read(struct berth_serials *ret, const struct berth_host *host,
			const struct berth_device *dev, bool vpd)
{
	*ret = (struct berth_serials){ .vpd = "" };
	read_mac(ret, host, dev->bdf);
	read_nvme(ret, host, dev->bdf);
	/* vfio-pci may have been given it since; a host driver that knows better has said so already */
	if (!*ret->mac && !*ret->nvme)
		berth_kept_get(host, dev->bdf, ret);
	if (vpd && !dev->quiet && !dev->caps.has_serial)
		(void)berth_vpd_read_serial(host, dev->bdf, ret->vpd);
}
