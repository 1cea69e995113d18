/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/host.h"
#include "base/range.h"
#include "base/sysfs.h"
#include "vfio/caps.h"

char *berth_proof_words(unsigned int checks, char buf[static BERTH_PROOF_WORDS])
{
	static const char *const words[] = { "answers", "no-dma",   "d0",    "idle",
					     "bars",	"scrubbed", "config" };
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(words); i++) {
		if (checks & 1u << i)
			len += (size_t)snprintf(buf + len, BERTH_PROOF_WORDS - len, "%s%s",
						len ? "," : "", words[i]);
	}
	return buf;
}

/* --- the image --- */

enum space { HEADER, CAP, EXT };

/*
 * Registers that stay as they are while nobody writes them, and that a guest may reach. Sections of PCIe Base 6.0. Not COMMAND:
 * while the function is open it is ours, afterwards the kernel puts back what it found.
 */
static const struct {
	enum space space;
	uint16_t id; /* of the capability; 0 with HEADER */
	uint16_t at; /* from its start */
	uint8_t len;
	uint32_t mask;
} table[] = {
	{ HEADER, 0, PCI_VENDOR_ID, 4, UINT32_MAX },
	{ HEADER, 0, PCI_CLASS_REVISION, 4, UINT32_MAX },
	{ HEADER, 0, PCI_CACHE_LINE_SIZE, 1, 0xff },
	{ HEADER, 0, PCI_LATENCY_TIMER, 1, 0xff },
	{ HEADER, 0, PCI_HEADER_TYPE, 1, 0xff },
	{ HEADER, 0, PCI_BASE_ADDRESS_0, 4, UINT32_MAX },
	{ HEADER, 0, PCI_BASE_ADDRESS_1, 4, UINT32_MAX },
	{ HEADER, 0, PCI_BASE_ADDRESS_2, 4, UINT32_MAX },
	{ HEADER, 0, PCI_BASE_ADDRESS_3, 4, UINT32_MAX },
	{ HEADER, 0, PCI_BASE_ADDRESS_4, 4, UINT32_MAX },
	{ HEADER, 0, PCI_BASE_ADDRESS_5, 4, UINT32_MAX },
	{ HEADER, 0, PCI_SUBSYSTEM_VENDOR_ID, 4, UINT32_MAX },
	{ HEADER, 0, PCI_ROM_ADDRESS, 4, PCI_ROM_ADDRESS_MASK },
	{ HEADER, 0, PCI_CAPABILITY_LIST, 1, 0xff },
	{ HEADER, 0, PCI_INTERRUPT_LINE, 2, 0xffff }, /* with the pin */
	{ CAP, PCI_CAP_ID_PM, PCI_PM_PMC, 2, 0xffff },
	{ CAP, PCI_CAP_ID_MSI, PCI_MSI_FLAGS, 2,
	  0xff8f }, /* 7.7.1.2, without Multiple Message Enable */
	{ CAP, PCI_CAP_ID_MSIX, PCI_MSIX_FLAGS, 2, 0xffff },
	{ CAP, PCI_CAP_ID_MSIX, PCI_MSIX_TABLE, 4, UINT32_MAX },
	{ CAP, PCI_CAP_ID_MSIX, PCI_MSIX_PBA, 4, UINT32_MAX },
	{ CAP, PCI_CAP_ID_EXP, PCI_EXP_FLAGS, 2, 0xffff },
	{ CAP, PCI_CAP_ID_EXP, PCI_EXP_DEVCAP, 4, UINT32_MAX },
	{ CAP, PCI_CAP_ID_EXP, PCI_EXP_DEVCTL, 2, 0x7fff }, /* 7.5.3.4; bit 15 starts a reset */
	{ CAP, PCI_CAP_ID_EXP, PCI_EXP_LNKCTL, 2, 0xffff & ~PCI_EXP_LNKCTL_RL },
	{ CAP, PCI_CAP_ID_EXP, PCI_EXP_DEVCTL2, 2, 0xffff },
	{ EXT, PCI_EXT_CAP_ID_ERR, PCI_ERR_UNCOR_MASK, 4, UINT32_MAX }, /* 7.8.4 */
	{ EXT, PCI_EXT_CAP_ID_ERR, PCI_ERR_UNCOR_SEVER, 4, UINT32_MAX },
	{ EXT, PCI_EXT_CAP_ID_ERR, PCI_ERR_COR_MASK, 4, UINT32_MAX },
	{ EXT, PCI_EXT_CAP_ID_DSN, 4, 4, UINT32_MAX },
	{ EXT, PCI_EXT_CAP_ID_DSN, 8, 4, UINT32_MAX },
	{ EXT, PCI_EXT_CAP_ID_ACS, PCI_ACS_CTRL, 2, 0xffff },
	{ EXT, PCI_EXT_CAP_ID_SRIOV, PCI_SRIOV_CTRL, 2, 0xffff },
	{ EXT, PCI_EXT_CAP_ID_SRIOV, PCI_SRIOV_NUM_VF, 2, 0xffff },
	{ EXT, PCI_EXT_CAP_ID_REBAR, PCI_REBAR_CTRL, 4, UINT32_MAX },
	{ EXT, PCI_EXT_CAP_ID_LTR, 4, 4, UINT32_MAX },
};

static uint32_t get(const uint8_t *config, unsigned int at, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)config[at + i] << (8 * i);
	return v;
}

static void take_table(struct berth_proof_image *ret, const uint8_t *config, size_t len,
		       enum space space, uint16_t id, uint16_t base)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(table); i++) {
		unsigned int at = base + table[i].at;

		if (table[i].space != space || table[i].id != id ||
		    !berth_range_fits(at, table[i].len, len) || ret->nr == BERTH_PROOF_REGS)
			continue;
		ret->regs[ret->nr++] =
			(struct berth_proof_reg){ (uint16_t)at, table[i].len,
						  get(config, at, table[i].len) & table[i].mask };
	}
}

void berth_proof_image_take(struct berth_proof_image *ret, const uint8_t *config, size_t len)
{
	struct berth_cap caps[BERTH_CAPS_MAX], ext[BERTH_CAPS_EXT_MAX];
	size_t nr = berth_caps_list(config, len, caps);

	memset(ret, 0, sizeof(*ret));
	take_table(ret, config, len, HEADER, 0, 0);
	for (size_t i = 0; i < nr; i++)
		take_table(ret, config, len, CAP, caps[i].id, caps[i].at);
	nr = berth_caps_list_ext(config, len, ext);
	for (size_t i = 0; i < nr; i++)
		take_table(ret, config, len, EXT, ext[i].id, ext[i].at);
}

static int open_config(const struct berth_host *host, struct berth_bdf at)
{
	char path[64];

	snprintf(path, sizeof(path), "bus/pci/devices/%s/config", BERTH_BDF_STR(at));
	return openat(host->sys_fd, path, O_RDONLY | O_CLOEXEC);
}

size_t berth_proof_read(const struct berth_host *host, struct berth_bdf at, uint8_t *buf,
			size_t size)
{
	BERTH_CLEANUP(berth_closep) int fd = open_config(host, at);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size, 0);
	size_t got = n < 0 ? 0 : (size_t)n;

	memset(buf + got, 0xff, size - got);
	return got;
}

int berth_proof_image_read(struct berth_proof_image *ret, const struct berth_host *host,
			   struct berth_bdf at, struct berth_err *err)
{
	uint8_t config[BERTH_CONFIG_PCIE];
	size_t len = berth_proof_read(host, at, config, sizeof(config));

	if (len < BERTH_CONFIG_PCI)
		return berth_err_set(err, -EIO,
				     "%s: its configuration space cannot be read beyond %zu bytes",
				     BERTH_BDF_STR(at), len);
	berth_proof_image_take(ret, config, len);
	return 0;
}

bool berth_proof_image_same(const struct berth_proof_image *before,
			    const struct berth_proof_image *now, char *what, size_t size)
{
	for (size_t i = 0; i < before->nr; i++) {
		const struct berth_proof_reg *was = &before->regs[i], *is = &now->regs[i];

		if (i >= now->nr || is->at != was->at || is->len != was->len) {
			snprintf(what, size, "register %#05x is no longer there", was->at);
			return false;
		}
		if (is->value != was->value) {
			snprintf(what, size, "register %#05x is %#" PRIx32 ", was %#" PRIx32,
				 was->at, is->value, was->value);
			return false;
		}
	}
	if (now->nr > before->nr) {
		snprintf(what, size, "register %#05x is new", now->regs[before->nr].at);
		return false;
	}
	return true;
}

/* "0a8:2:00002810 " */
#define REG_TEXT 15

char *berth_proof_image_format(const struct berth_proof_image *image)
{
	char *text = calloc(image->nr + 1, REG_TEXT), *p = text;

	for (size_t i = 0; text && i < image->nr; i++)
		p += snprintf(p, REG_TEXT + 1, "%s%03x:%u:%08" PRIx32, i ? " " : "",
			      image->regs[i].at, image->regs[i].len, image->regs[i].value);
	return text;
}

int berth_proof_image_parse(const char *text, struct berth_proof_image *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (*text) {
		unsigned int at, len;
		uint32_t value;
		int used = 0;

		if (ret->nr == BERTH_PROOF_REGS ||
		    sscanf(text, "%3x:%1u:%8" SCNx32 "%n", &at, &len, &value, &used) != 3 ||
		    (len != 1 && len != 2 && len != 4))
			return -EINVAL;
		text += used;
		if (*text && *text++ != ' ')
			return -EINVAL;
		ret->regs[ret->nr++] =
			(struct berth_proof_reg){ (uint16_t)at, (uint8_t)len, value };
	}
	return 0;
}

/* --- the state --- */

/* VFs have no ids of their own (9.3.4.1.1: FFFFh), but a status register. */
static bool answers(const uint8_t *config, const struct berth_host *host, const char *bdf, bool vf)
{
	uint64_t vendor, device;

	if (get(config, PCI_STATUS, 2) == 0xffff)
		return false;
	if (!host || vf)
		return true;
	return berth_sysfs_read_u64(host, &vendor, "bus/pci/devices/%s/vendor", bdf) == 0 &&
	       berth_sysfs_read_u64(host, &device, "bus/pci/devices/%s/device", bdf) == 0 &&
	       get(config, PCI_VENDOR_ID, 4) == (vendor | device << 16);
}

/* linux/ioport.h: I/O, memory, 64 bit, no address given */
#define RES_IO	  0x00000100u
#define RES_MEM	  0x00000200u
#define RES_64	  0x00100000u
#define RES_UNSET 0x20000000u

static bool bar_at(const uint8_t *config, unsigned int bar, uint64_t start, uint64_t flags)
{
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t is = get(config, at, 4);

	if (flags & RES_IO)
		return (is & PCI_BASE_ADDRESS_IO_MASK & UINT32_MAX) == start;
	is &= PCI_BASE_ADDRESS_MEM_MASK & UINT32_MAX;
	if ((flags & RES_64) && bar < 5)
		is |= (uint64_t)get(config, at + 4, 4) << 32;
	return is == start;
}

/* As the kernel's `resource` says: one line per BAR, start, end, flags. An all-zero line: no BAR, or half of the one before. */
static bool bars_in_place(const uint8_t *config, const struct berth_host *host, const char *bdf)
{
	char text[1024], *line, *rest = text;
	unsigned int bar = 0;

	if (berth_sysfs_read(host, text, sizeof(text), "bus/pci/devices/%s/resource", bdf) < 0)
		return false;
	while (bar < 6 && (line = strsep(&rest, "\n"))) {
		uint64_t start, end, flags;

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) != 3)
			return false;
		if ((flags & (RES_IO | RES_MEM)) && !(flags & RES_UNSET) &&
		    !bar_at(config, bar, start, flags))
			return false;
		bar++;
	}
	return true;
}

static bool in_d0(const uint8_t *config, size_t len)
{
	uint16_t pm = berth_caps_find(config, len, PCI_CAP_ID_PM);

	return !pm || !berth_range_fits(pm + PCI_PM_CTRL, 2, len) ||
	       !(get(config, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
}

static bool idle(const uint8_t *config, size_t len)
{
	uint16_t exp = berth_caps_find(config, len, PCI_CAP_ID_EXP);

	return !exp || !berth_range_fits(exp + PCI_EXP_DEVSTA, 2, len) ||
	       !(get(config, exp + PCI_EXP_DEVSTA, 2) & PCI_EXP_DEVSTA_TRPND);
}

unsigned int berth_proof_state(const uint8_t *config, size_t len, const struct berth_host *host,
			       struct berth_bdf at, bool any_power, const char **ret_flaw)
{
	const char *bdf = BERTH_BDF_STR(at);
	bool vf = host && berth_sysfs_exists(host, "bus/pci/devices/%s/physfn", bdf);
	unsigned int checks = 0;

	*ret_flaw = NULL;
	if (!answers(config, host, bdf, vf)) {
		*ret_flaw = "does not answer";
		return 0;
	}
	checks |= BERTH_PROOF_ANSWERS;
	if (!(get(config, PCI_COMMAND, 2) & PCI_COMMAND_MASTER))
		checks |= BERTH_PROOF_MASTER;
	else
		*ret_flaw = "is still a bus master";
	if (in_d0(config, len))
		checks |= BERTH_PROOF_POWER;
	else if (!any_power)
		*ret_flaw = *ret_flaw ?: "is not in power state D0";
	if (idle(config, len))
		checks |= BERTH_PROOF_PENDING;
	else
		*ret_flaw = *ret_flaw ?: "has transactions pending";
	/* A VF's BARs are set for all VFs together, in its PF. */
	if (host && !vf && bars_in_place(config, host, bdf))
		checks |= BERTH_PROOF_BARS;
	else if (host && !vf)
		*ret_flaw = *ret_flaw ?: "has other addresses in its BARs than the host gave it";
	return checks;
}
