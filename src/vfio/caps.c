/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/caps.h"

#include <stdio.h>
#include <string.h>

#include "base/range.h"

/* Register offsets and capability ids: linux/pci_regs.h; sections below are of PCIe Base 6.0. */
enum {
	REG_COMMAND = 0x04,
	REG_STATUS = 0x06, /* 7.5.1.1.4; bit 4: there is a capability list */
	REG_REVISION = 0x08,
	REG_HEADER_TYPE = 0x0e,
	REG_SECONDARY = 0x19, /* 7.5.1.3.3 */
	REG_SUBORDINATE = 0x1a,
	REG_CAP_POINTER = 0x34,
	REG_CAP_POINTER_CARDBUS = 0x14,
	REG_INT_PIN = 0x3d,
	CAP_PM = 0x01,
	CAP_MSI = 0x05,
	CAP_PCIE = 0x10,
	CAP_MSIX = 0x11,
	MSIX_SIZE = 12, /* 7.7.2 */
	CAP_AF = 0x13,
	EXT_DSN = 0x03,
	EXT_ACS = 0x0d,
	EXT_ARI = 0x0e,
	EXT_ATS = 0x0f,
	EXT_SRIOV = 0x10,
	EXT_REBAR = 0x15,
	EXT_PASID = 0x1b,
};

static uint16_t get16(const uint8_t *config, size_t len, size_t at)
{
	if (!berth_range_fits(at, 2, len))
		return 0;
	return (uint16_t)(config[at] | config[at + 1] << 8);
}

static uint32_t get32(const uint8_t *config, size_t len, size_t at)
{
	if (!berth_range_fits(at, 4, len))
		return 0;
	return (uint32_t)get16(config, len, at) | (uint32_t)get16(config, len, at + 2) << 16;
}

/* Where the list starts, or 0. */
static uint8_t first_cap(const uint8_t *config, size_t len)
{
	size_t at = (config[REG_HEADER_TYPE] & 0x7f) == 2 ? REG_CAP_POINTER_CARDBUS :
							    REG_CAP_POINTER;

	if (len < BERTH_CONFIG_HEADER || !(get16(config, len, REG_STATUS) & 0x10))
		return 0;
	return config[at] & 0xfc;
}

size_t berth_caps_list(const uint8_t *config, size_t len,
		       struct berth_cap ret[static BERTH_CAPS_MAX])
{
	bool seen[BERTH_CONFIG_PCI / 4] = { false };
	uint8_t at = len < BERTH_CONFIG_HEADER ? 0 : first_cap(config, len);
	size_t nr = 0;

	while (nr < BERTH_CAPS_MAX && at >= BERTH_CONFIG_HEADER && !seen[at / 4] &&
	       berth_range_fits(at, 2, len)) {
		uint16_t head = get16(config, len, at);

		if (head == UINT16_MAX)
			break;
		seen[at / 4] = true;
		ret[nr++] = (struct berth_cap){ .at = at, .id = head & 0xff };
		at = (head >> 8) & 0xfc;
	}
	return nr;
}

size_t berth_caps_list_ext(const uint8_t *config, size_t len,
			   struct berth_cap ret[static BERTH_CAPS_EXT_MAX])
{
	bool seen[BERTH_CONFIG_PCIE / 4] = { false };
	uint16_t at = BERTH_CONFIG_PCI;
	size_t nr = 0;

	while (nr < BERTH_CAPS_EXT_MAX && at >= BERTH_CONFIG_PCI && !seen[at / 4] &&
	       berth_range_fits(at, 4, len)) {
		uint32_t head = get32(config, len, at);

		if (head == 0 || head == UINT32_MAX)
			break;
		seen[at / 4] = true;
		ret[nr++] = (struct berth_cap){ .at = at,
						.id = head & 0xffff,
						.version = head >> 16 & 0xf };
		at = (head >> 20) & 0xffc;
	}
	return nr;
}

static uint16_t find(const struct berth_cap *list, size_t nr, uint16_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i].id == id)
			return list[i].at;
	return 0;
}

uint16_t berth_caps_find(const uint8_t *config, size_t len, uint8_t id)
{
	struct berth_cap list[BERTH_CAPS_MAX];

	return find(list, berth_caps_list(config, len, list), id);
}

uint16_t berth_caps_find_ext(const uint8_t *config, size_t len, uint16_t id)
{
	struct berth_cap list[BERTH_CAPS_EXT_MAX];

	return find(list, berth_caps_list_ext(config, len, list), id);
}

/* Is the first capability pointer already beyond what was copied? Then absence proves nothing. */
static enum berth_tri has(const uint8_t *config, size_t len, uint8_t id, uint16_t *ret_at)
{
	*ret_at = berth_caps_find(config, len, id);
	if (*ret_at)
		return BERTH_YES;
	if (len >= BERTH_CONFIG_PCI)
		return BERTH_NO;
	return len >= BERTH_CONFIG_HEADER && first_cap(config, len) == 0 ? BERTH_NO : BERTH_UNKNOWN;
}

/* Conventional PCI has no extended space: there, absence is certain with 256 bytes. */
static enum berth_tri has_ext(const struct berth_caps *c, const uint8_t *config, size_t len,
			      uint16_t id, uint16_t *ret_at)
{
	*ret_at = berth_caps_find_ext(config, len, id);
	if (*ret_at)
		return BERTH_YES;
	return len >= BERTH_CONFIG_PCIE || c->pcie == BERTH_NO ? BERTH_NO : BERTH_UNKNOWN;
}

static void parse_header(struct berth_caps *c, const uint8_t *config)
{
	c->header_type = config[REG_HEADER_TYPE] & 0x7f;
	c->multifunction = config[REG_HEADER_TYPE] & 0x80;
	c->revision = config[REG_REVISION];
	c->intx_pin = config[REG_INT_PIN] <= 4 ? config[REG_INT_PIN] : 0;
	if (c->header_type == 1) {
		c->secondary = config[REG_SECONDARY];
		c->subordinate = config[REG_SUBORDINATE];
	}
}

/* Message Control: MSI 7.7.1.2 (Multiple Message Capable, bits 3:1), MSI-X 7.7.2.2 (Table Size - 1, bits 10:0). */
static void parse_interrupts(struct berth_caps *c, const uint8_t *config, size_t len)
{
	uint16_t at;

	c->msi = has(config, len, CAP_MSI, &at);
	if (c->msi == BERTH_YES)
		c->msi_vectors = 1u << (get16(config, len, at + 2u) >> 1 & 7);
	c->msix = has(config, len, CAP_MSIX, &at);
	/* One that would reach into the extended space is none. */
	if (c->msix == BERTH_YES && !berth_range_fits(at, MSIX_SIZE, BERTH_CONFIG_PCI))
		c->msix = BERTH_NO;
	if (c->msix == BERTH_YES) {
		uint32_t table = get32(config, len, at + 4u), pba = get32(config, len, at + 8u);

		c->msix_vectors = (get16(config, len, at + 2u) & 0x7ffu) + 1;
		c->msix_table_bar = table & 7;
		c->msix_table_offset = table & ~7u;
		c->msix_pba_bar = pba & 7;
		c->msix_pba_offset = pba & ~7u;
	}
}

static bool has_slot(const struct berth_caps *c, uint16_t pcie_caps)
{
	return (pcie_caps & 0x100) &&
	       (c->type == BERTH_PCIE_ROOT_PORT || c->type == BERTH_PCIE_DOWNSTREAM);
}

/* 7.5.3: PCI Express Capabilities +2, Device Capabilities +4, Link +0xc and +0x12, Slot +0x14. */
static void parse_pcie(struct berth_caps *c, const uint8_t *config, size_t len)
{
	uint16_t at, flags;

	c->pcie = has(config, len, CAP_PCIE, &at);
	c->type = c->pcie == BERTH_NO ? BERTH_PCIE_NONE : BERTH_PCIE_UNKNOWN;
	if (c->pcie != BERTH_YES)
		return;
	flags = get16(config, len, at + 2u);
	c->type = (enum berth_pcie_type)(flags >> 4 & 0xf);
	c->flr = berth_tri_of(get32(config, len, at + 4u) & 1u << 28);
	c->link_speed_max = get32(config, len, at + 0xcu) & 0xf;
	c->link_width_max = get32(config, len, at + 0xcu) >> 4 & 0x3f;
	c->link_speed = get16(config, len, at + 0x12u) & 0xf;
	c->link_width = get16(config, len, at + 0x12u) >> 4 & 0x3f;
	c->slot_hotplug = has_slot(c, flags) ? berth_tri_of(get32(config, len, at + 0x14u) & 0x40) :
					       BERTH_NO;
}

/* Conventional PCI: Advanced Features, capabilities byte at +3, bit 1 = FLR (ECN "Advanced Capabilities for Conventional PCI"). */
static void parse_af(struct berth_caps *c, const uint8_t *config, size_t len)
{
	uint16_t at;

	c->af = has(config, len, CAP_AF, &at);
	if (c->af == BERTH_YES && (get16(config, len, at + 2u) >> 8 & 2))
		c->flr = BERTH_YES;
	else if (c->flr == BERTH_UNKNOWN && c->pcie == BERTH_NO && c->af == BERTH_NO)
		c->flr = BERTH_NO;
}

static void parse_ext(struct berth_caps *c, const uint8_t *config, size_t len)
{
	uint16_t at;

	c->acs = has_ext(c, config, len, EXT_ACS, &at);
	if (c->acs == BERTH_YES) {
		c->acs_offset = at;
		c->acs_cap = get16(config, len, at + 4u);
		c->acs_ctrl = get16(config, len, at + 6u);
	}
	c->ats = has_ext(c, config, len, EXT_ATS, &at);
	c->ats_enabled = c->ats == BERTH_YES && get16(config, len, at + 6u) >> 15;
	c->has_serial = has_ext(c, config, len, EXT_DSN, &at);
	if (c->has_serial == BERTH_YES)
		c->serial = (uint64_t)get32(config, len, at + 8u) << 32 |
			    get32(config, len, at + 4u);
	c->sriov = has_ext(c, config, len, EXT_SRIOV, &at);
	c->pasid = has_ext(c, config, len, EXT_PASID, &at);
	c->resizable_bar = has_ext(c, config, len, EXT_REBAR, &at);
	c->ari = has_ext(c, config, len, EXT_ARI, &at);
}

static bool all_ones(const uint8_t *config, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (config[i] != 0xff)
			return false;
	}
	return true;
}

static void set_unknown(struct berth_caps *c)
{
	*c = (struct berth_caps){
		.header_type = -1,
		.revision = -1,
		.intx_pin = -1,
		.msi = BERTH_UNKNOWN,
		.msix = BERTH_UNKNOWN,
		.pm = BERTH_UNKNOWN,
		.pcie = BERTH_UNKNOWN,
		.af = BERTH_UNKNOWN,
		.type = BERTH_PCIE_UNKNOWN,
		.flr = BERTH_UNKNOWN,
		.slot_hotplug = BERTH_UNKNOWN,
		.acs = BERTH_UNKNOWN,
		.ats = BERTH_UNKNOWN,
		.sriov = BERTH_UNKNOWN,
		.pasid = BERTH_UNKNOWN,
		.resizable_bar = BERTH_UNKNOWN,
		.ari = BERTH_UNKNOWN,
		.has_serial = BERTH_UNKNOWN,
	};
}

void berth_caps_parse(struct berth_caps *c, const uint8_t *config, size_t len)
{
	uint16_t at;

	set_unknown(c);
	c->len = len;
	if (len < BERTH_CONFIG_HEADER)
		return;
	c->dead = all_ones(config, BERTH_CONFIG_HEADER);
	if (c->dead)
		return;
	parse_header(c, config);
	c->pm = has(config, len, CAP_PM, &at);
	parse_interrupts(c, config, len);
	parse_pcie(c, config, len);
	parse_af(c, config, len);
	parse_ext(c, config, len);
}

const char *berth_caps_speed_name(unsigned int speed)
{
	static const char *const names[] = { "", "2.5", "5", "8", "16", "32", "64" };

	return speed < sizeof(names) / sizeof(names[0]) ? names[speed] : "";
}

const char *berth_caps_type_name(enum berth_pcie_type type)
{
	switch (type) {
	case BERTH_PCIE_UNKNOWN:
		return "unknown";
	case BERTH_PCIE_NONE:
		return "conventional PCI";
	case BERTH_PCIE_ENDPOINT:
		return "endpoint";
	case BERTH_PCIE_LEGACY_ENDPOINT:
		return "legacy endpoint";
	case BERTH_PCIE_ROOT_PORT:
		return "root port";
	case BERTH_PCIE_UPSTREAM:
		return "upstream port";
	case BERTH_PCIE_DOWNSTREAM:
		return "downstream port";
	case BERTH_PCIE_TO_PCI:
		return "PCIe to PCI bridge";
	case BERTH_PCI_TO_PCIE:
		return "PCI to PCIe bridge";
	case BERTH_PCIE_RC_ENDPOINT:
		return "root complex endpoint";
	case BERTH_PCIE_RC_EVENT_COLLECTOR:
		return "root complex event collector";
	}
	return "reserved";
}

const char *berth_caps_serial(const struct berth_caps *c, char buf[static BERTH_SERIAL_LEN])
{
	uint64_t n = c->serial;

	/* All ones: it was asked while it was being reset, or is about to go. */
	if (c->has_serial != BERTH_YES || n == UINT64_MAX)
		return NULL;
	snprintf(buf, BERTH_SERIAL_LEN, "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x",
		 (uint8_t)(n >> 56), (uint8_t)(n >> 48), (uint8_t)(n >> 40), (uint8_t)(n >> 32),
		 (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n);
	return buf;
}
