/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole policy about config space. Register names and offsets are those of linux/pci_regs.h. VFIO has a say of its
 * own behind this: it keeps guests from what breaks the host, and hides capabilities that it does not know.
 */
#include "vfio/config_table.h"

#include <linux/pci_regs.h>

#include "base/cleanup.h"

#define ALL UINT32_MAX

/* clang-format off */
const struct berth_config_row berth_config_header[] = {
	/* name			offset			width	ours	guest	zero	source */
	{ "Vendor, Device ID",	PCI_VENDOR_ID,		4,	0,	0,	0,	"7.5.1.1.1: a VF's are VFIO's answer; all-ones tells that the device is gone" },
	/* What the guest reaches is decided by mappings, so decoding is a note; the device's own stays on. */
	{ "Command",		PCI_COMMAND,		2,	0x0003,	0x0547,	0,	"7.5.1.1.3: decoding ours; master, parity, SERR#, INTx disable the device's" },
	{ "Status",		PCI_STATUS,		2,	0x0010,	0xf900,	0xf900,	"7.5.1.1.4: capability list bit ours; RW1C bits the device's" },
	{ "Revision, Class",	PCI_CLASS_REVISION,	4,	0,	0,	0,	"7.5.1.1.5, 7.5.1.1.6" },
	{ "Cache Line Size",	PCI_CACHE_LINE_SIZE,	1,	0xff,	0xff,	0,	"7.5.1.1.7: has no effect in PCI Express" },
	{ "Latency Timer",	PCI_LATENCY_TIMER,	1,	0xff,	0,	0,	"7.5.1.1.8: 0" },
	{ "Header Type",	PCI_HEADER_TYPE,	1,	0xff,	0,	0,	"7.5.1.1.9: type 0; multifunction as in the guest's slot" },
	{ "BIST",		PCI_BIST,		1,	0xff,	0,	0,	"7.5.1.1.10: no self test by guests" },
	/* BARs: the bits from the size up become the guest's, see setup_bar() */
	{ "BAR 0",		PCI_BASE_ADDRESS_0,	4,	ALL,	0,	0,	"7.5.1.2.1: guest addresses, unknown to the device" },
	{ "BAR 1",		PCI_BASE_ADDRESS_1,	4,	ALL,	0,	0,	"7.5.1.2.1" },
	{ "BAR 2",		PCI_BASE_ADDRESS_2,	4,	ALL,	0,	0,	"7.5.1.2.1" },
	{ "BAR 3",		PCI_BASE_ADDRESS_3,	4,	ALL,	0,	0,	"7.5.1.2.1" },
	{ "BAR 4",		PCI_BASE_ADDRESS_4,	4,	ALL,	0,	0,	"7.5.1.2.1" },
	{ "BAR 5",		PCI_BASE_ADDRESS_5,	4,	ALL,	0,	0,	"7.5.1.2.1" },
	{ "CardBus CIS",	PCI_CARDBUS_CIS,	4,	ALL,	0,	0,	"7.5.1.2.2: 0" },
	{ "Subsystem IDs",	PCI_SUBSYSTEM_VENDOR_ID, 4,	0,	0,	0,	"7.5.1.2.3" },
	{ "Expansion ROM",	PCI_ROM_ADDRESS,	4,	ALL,	0,	0,	"7.5.1.2.4: the bits above the size, and the enable bit, see setup_rom()" },
	{ "Capabilities",	PCI_CAPABILITY_LIST,	4,	ALL,	0,	0,	"7.5.1.1.11: start of our own chain, see link_caps()" },
	{ "(reserved)",		0x38,			4,	ALL,	0,	0,	"7.5.1.2: 0" },
	{ "Interrupt Line",	PCI_INTERRUPT_LINE,	1,	0xff,	0xff,	0,	"7.5.1.1.12: a note that system software leaves itself" },
	{ "Interrupt Pin",	PCI_INTERRUPT_PIN,	1,	0xff,	0,	0,	"7.5.1.1.13: as the device; 0 when VFIO has no INTx for us" },
	{ "Min_Gnt, Max_Lat",	PCI_MIN_GNT,		2,	0xffff,	0,	0,	"7.5.1.2.5: 0" },
};
const size_t berth_config_header_nr = BERTH_ARRAY_SIZE(berth_config_header);

static const struct berth_config_row pm_rows[] = {
	{ "PM Capabilities",	PCI_PM_PMC,		2,	0xfe00,	0,	0,	"7.5.2.1: no PME, it has no way to the guest; neither D1 nor D2" },
	{ "PM Control/Status",	PCI_PM_CTRL,		2,	0xff03,	0x0003,	0,	"7.5.2.2: power state a note that switches decoding; no PME, no Data register" },
	{ "PM Bridge, Data",	PCI_PM_PPB_EXTENSIONS,	2,	0xffff,	0,	0,	"7.5.2.2: 0" },
};

static const struct berth_config_row vpd_rows[] = {
	/* The flag is 1 after a read; written back as 1 it would start a write. */
	{ "VPD Address",	PCI_VPD_ADDR,		2,	0,	0x7fff,	PCI_VPD_ADDR_F, "7.9.18.2: reads only, what is written stays for the next tenant" },
	{ "VPD Data",		PCI_VPD_DATA,		4,	0,	0,	0,	"7.9.18.3" },
};

static const struct berth_config_row msi_rows[] = {
	{ "MSI Control",	PCI_MSI_FLAGS,		2,	0xffff,	0x0071,	0,	"7.7.1.2: enable and number of messages; our own vectors stand behind them" },
	{ "MSI Address",	PCI_MSI_ADDRESS_LO,	4,	ALL,	0xfffffffc, 0,	"7.7.1.3: the guest's, becomes a KVM route" },
};

static const struct berth_config_row msi32_rows[] = {
	{ "MSI Data",		PCI_MSI_DATA_32,	2,	0xffff,	0xffff,	0,	"7.7.1.5" },
};

static const struct berth_config_row msi64_rows[] = {
	{ "MSI Upper Address",	PCI_MSI_ADDRESS_HI,	4,	ALL,	ALL,	0,	"7.7.1.4" },
	{ "MSI Data",		PCI_MSI_DATA_64,	2,	0xffff,	0xffff,	0,	"7.7.1.5" },
};

/* Of the mask only bits of vectors that there are become the guest's, see setup_msi(). */
static const struct berth_config_row msi32_mask_rows[] = {
	{ "MSI Mask",		PCI_MSI_MASK_32,	4,	ALL,	0,	0,	"7.7.1.7: our vectors are held back" },
	{ "MSI Pending",	PCI_MSI_PENDING_32,	4,	ALL,	0,	0,	"7.7.1.8: what came for them meanwhile" },
};

static const struct berth_config_row msi64_mask_rows[] = {
	{ "MSI Mask",		PCI_MSI_MASK_64,	4,	ALL,	0,	0,	"7.7.1.7" },
	{ "MSI Pending",	PCI_MSI_PENDING_64,	4,	ALL,	0,	0,	"7.7.1.8" },
};

static const struct berth_config_row msix_rows[] = {
	{ "MSI-X Control",	PCI_MSIX_FLAGS,		2,	0xffff,	0xc000,	0,	"7.7.2.2: enable and function mask" },
	{ "MSI-X Table",	PCI_MSIX_TABLE,		4,	ALL,	0,	0,	"7.7.2.3: where the device says; the table there is ours" },
	{ "MSI-X PBA",		PCI_MSIX_PBA,		4,	ALL,	0,	0,	"7.7.2.4" },
};

static const struct berth_config_row exp_rows[] = {
	{ "PCIe Version, Type",	PCI_EXP_FLAGS,		1,	0xff,	0,	0,	"7.5.3.2: version at least 1; an integrated endpoint is a plain one behind our port" },
	{ "PCIe Message No.",	PCI_EXP_FLAGS + 1,	1,	0xff,	0,	0,	"7.5.3.2: slot implemented, interrupt message: a port's; 0" },
	{ "Device Cap.",	PCI_EXP_DEVCAP,		4,	0x00000018, 0,	0,	"7.5.3.3: no phantom functions, they would have requester ids of their own" },
	{ "Device Control",	PCI_EXP_DEVCTL,		2,	0,	0xf9ff,	0,	"7.5.3.4: all but phantom functions, aux power; VFIO has a say about MPS and does the FLR" },
	{ "Device Status",	PCI_EXP_DEVSTA,		2,	0,	0x000f,	0x000f,	"7.5.3.5: RW1C" },
	{ "Link Cap.",		PCI_EXP_LNKCAP,		4,	0,	0,	0,	"7.5.3.6: as the device has it" },
	{ "Link Control",	PCI_EXP_LNKCTL,		2,	0,	0,	0,	"7.5.3.7: the link is the host's" },
	{ "Link Status",	PCI_EXP_LNKSTA,		2,	0,	0,	0,	"7.5.3.8: speed and width are true" },
};

static const struct berth_config_row exp2_rows[] = {
	{ "Slot Cap.",		PCI_EXP_SLTCAP,		4,	ALL,	0,	0,	"7.5.3.9: a port's; 0" },
	{ "Slot Control/Status", PCI_EXP_SLTCTL,	4,	ALL,	0,	0,	"7.5.3.10: a port's; 0" },
	{ "Root Control/Cap.",	PCI_EXP_RTCTL,		4,	ALL,	0,	0,	"7.5.3.12: a port's; 0" },
	{ "Root Status",	PCI_EXP_RTSTA,		4,	ALL,	0,	0,	"7.5.3.14: a port's; 0" },
	{ "Device Cap. 2",	PCI_EXP_DEVCAP2,	4,	0x00ff3820, 0,	0,	"7.5.3.15: no ARI, LTR, TPH, 10-bit tags, OBFF, prefixes: nothing in the guest for them" },
	{ "Device Control 2",	PCI_EXP_DEVCTL2,	2,	0,	0x035f,	0,	"7.5.3.16: completion timeout, AtomicOp requests, ID-based ordering" },
	{ "Device Status 2",	PCI_EXP_DEVSTA2,	2,	0,	0,	0,	"7.5.3.17: reserved" },
	{ "Link Cap. 2",	PCI_EXP_LNKCAP2,	4,	0,	0,	0,	"7.5.3.18" },
	{ "Link Control 2",	PCI_EXP_LNKCTL2,	2,	0,	0,	0,	"7.5.3.19: the link is the host's" },
	{ "Link Status 2",	PCI_EXP_LNKSTA2,	2,	0,	0,	0,	"7.5.3.20" },
	{ "Slot Cap. 2",	PCI_EXP_SLTCAP2,	4,	ALL,	0,	0,	"7.5.3.21: a port's; 0" },
	{ "Slot Control/St. 2",	PCI_EXP_SLTCAP2 + 4,	4,	ALL,	0,	0,	"7.5.3.22: a port's; 0" },
};

static const struct berth_config_row af_rows[] = {
	{ "AF Length, Cap.",	PCI_AF_LENGTH,		2,	0,	0,	0,	"ECN Advanced Capabilities for Conventional PCI" },
	{ "AF Control",		PCI_AF_CTRL,		1,	0,	0x01,	0,	"the same: VFIO does the FLR" },
	{ "AF Status",		PCI_AF_STATUS,		1,	0,	0,	0,	"the same" },
};

static const struct berth_config_row power_budget_rows[] = {
	{ "Data Select",	PCI_PWR_DSR,		1,	0,	0xff,	0,	"7.8.1.2: chooses what can be read" },
};

#define ROWS(r) BERTH_CONFIG_ROWS, (r), BERTH_ARRAY_SIZE(r)
#define READ	BERTH_CONFIG_ROWS, NULL, 0
#define PASS	BERTH_CONFIG_PASS, NULL, 0
#define HIDE	BERTH_CONFIG_HIDE, NULL, 0
static const struct berth_config_cap caps[] = {
	/* id			fate			size	source */
	{ 0x00,			HIDE,			0,	"7.9.28: null, and how VFIO marks what it hides" },
	{ PCI_CAP_ID_PM,	ROWS(pm_rows),		8,	"7.5.2" },
	{ PCI_CAP_ID_AGP,	HIDE,			0,	"PCI Code and ID Assignment 1.11: obsolete" },
	{ PCI_CAP_ID_VPD,	ROWS(vpd_rows),		8,	"7.9.18" },
	{ PCI_CAP_ID_SLOTID,	HIDE,			0,	"a bridge's" },
	{ PCI_CAP_ID_MSI,	ROWS(msi_rows),		10,	"7.7.1: shadow as a whole" },
	{ PCI_CAP_ID_CHSWP,	HIDE,			0,	"CompactPCI: hot swap is the host's" },
	{ PCI_CAP_ID_PCIX,	HIDE,			0,	"PCI-X 2.0: shows the host's bus number" },
	{ PCI_CAP_ID_HT,	HIDE,			0,	"HyperTransport: interrupt mapping of the host" },
	{ PCI_CAP_ID_VNDR,	PASS,			3,	"7.9.4: its driver's" },
	{ PCI_CAP_ID_DBG,	HIDE,			0,	"EHCI debug port: the host's console" },
	{ PCI_CAP_ID_CCRC,	HIDE,			0,	"CompactPCI: the host's" },
	{ PCI_CAP_ID_SHPC,	HIDE,			0,	"a bridge's" },
	{ PCI_CAP_ID_SSVID,	HIDE,			0,	"a bridge's" },
	{ PCI_CAP_ID_AGP3,	HIDE,			0,	"obsolete" },
	{ PCI_CAP_ID_SECDEV,	HIDE,			0,	"AMD I/O virtualization: the host's" },
	{ PCI_CAP_ID_EXP,	ROWS(exp_rows),		0x14,	"7.5.3" },
	{ PCI_CAP_ID_MSIX,	ROWS(msix_rows),	12,	"7.7.2: shadow as a whole" },
	{ PCI_CAP_ID_SATA,	PASS,			8,	"Serial ATA AHCI 1.3.1, 2.4: index and data of its own registers" },
	{ PCI_CAP_ID_AF,	ROWS(af_rows),		6,	"ECN Advanced Capabilities for Conventional PCI" },
	{ PCI_CAP_ID_EA,	HIDE,			0,	"7.8.5: BARs at fixed host addresses" },
	{ 0x15,			HIDE,			0,	"7.8.11: flattening portal bridge, host routing" },
};

static const struct berth_config_cap ext_caps[] = {
	{ 0x00,			HIDE,			0,	"7.9.28: null, and how VFIO marks what it hides" },
	{ PCI_EXT_CAP_ID_ERR,	READ,			0x2c,	"7.8.4: the host handles the errors; the guest may look" },
	{ PCI_EXT_CAP_ID_VC,	HIDE,			0,	"7.9.1: arbitration of host links" },
	{ PCI_EXT_CAP_ID_DSN,	READ,			12,	"7.9.3" },
	{ PCI_EXT_CAP_ID_PWR,	ROWS(power_budget_rows), 16,	"7.8.1" },
	{ PCI_EXT_CAP_ID_RCLD,	HIDE,			0,	"7.9.8: a root complex's" },
	{ PCI_EXT_CAP_ID_RCILC,	HIDE,			0,	"7.9.9: a root complex's" },
	{ PCI_EXT_CAP_ID_RCEC,	HIDE,			0,	"7.9.10: a root complex's" },
	{ PCI_EXT_CAP_ID_MFVC,	HIDE,			0,	"7.9.2: arbitration of host links" },
	{ PCI_EXT_CAP_ID_VC9,	HIDE,			0,	"7.9.1: the same" },
	{ PCI_EXT_CAP_ID_RCRB,	HIDE,			0,	"7.9.7: a root complex's" },
	{ PCI_EXT_CAP_ID_VNDR,	PASS,			8,	"7.9.5: its driver's" },
	{ PCI_EXT_CAP_ID_CAC,	HIDE,			0,	"obsolete" },
	{ PCI_EXT_CAP_ID_ACS,	HIDE,			0,	"7.7.11: isolation is the host's" },
	{ PCI_EXT_CAP_ID_ARI,	HIDE,			0,	"7.8.8: function numbers of the host" },
	{ PCI_EXT_CAP_ID_ATS,	HIDE,			0,	"10.5.1: translated requests go round the IOMMU" },
	{ PCI_EXT_CAP_ID_SRIOV,	HIDE,			0,	"9.3.3: VFs and their host addresses" },
	{ PCI_EXT_CAP_ID_MRIOV,	HIDE,			0,	"MR-IOV 1.0" },
	{ PCI_EXT_CAP_ID_MCAST,	HIDE,			0,	"7.9.11: host addresses" },
	{ PCI_EXT_CAP_ID_PRI,	HIDE,			0,	"10.5.2: needs ATS" },
	{ PCI_EXT_CAP_ID_AMD_XXX, HIDE,			0,	"reserved" },
	/* rows made from the number of BARs, see setup_rebar() */
	{ PCI_EXT_CAP_ID_REBAR,	READ,			12,	"7.8.6: pinned, the size that a BAR has is the only one it can have" },
	{ PCI_EXT_CAP_ID_DPA,	HIDE,			0,	"7.9.12: power is the host's" },
	{ PCI_EXT_CAP_ID_TPH,	HIDE,			0,	"7.9.13: steering tags name host processors" },
	{ PCI_EXT_CAP_ID_LTR,	HIDE,			0,	"7.8.2: latencies of the host's platform" },
	{ PCI_EXT_CAP_ID_SECPCI, HIDE,			0,	"7.7.3: the link is the host's" },
	{ PCI_EXT_CAP_ID_PMUX,	HIDE,			0,	"the link is the host's" },
	{ PCI_EXT_CAP_ID_PASID,	HIDE,			0,	"7.8.9: needs an IOMMU in the guest" },
	{ 0x1c,			HIDE,			0,	"7.8.10: FRS queueing, a port's" },
	{ PCI_EXT_CAP_ID_DPC,	HIDE,			0,	"7.9.14: a port's" },
	{ PCI_EXT_CAP_ID_L1SS,	HIDE,			0,	"7.8.3: link power is the host's" },
	{ PCI_EXT_CAP_ID_PTM,	HIDE,			0,	"7.9.15: needs a timing hierarchy" },
	{ 0x22,			READ,			12,	"7.9.16: readiness times" },
	{ PCI_EXT_CAP_ID_DVSEC,	PASS,			10,	"7.9.6: its driver's" },
	{ 0x24,			HIDE,			0,	"7.8.7: VF resizable BAR" },
	{ PCI_EXT_CAP_ID_DLF,	HIDE,			0,	"7.7.4: the link is the host's" },
	{ PCI_EXT_CAP_ID_PL_16GT, HIDE,			0,	"7.7.5: the link is the host's" },
	{ 0x27,			HIDE,			0,	"7.7.10: lane margining, the link is the host's" },
	{ PCI_EXT_CAP_ID_DOE,	HIDE,			0,	"7.9.24: DOE mailbox, device security is the host's" },
	{ 0x30,			HIDE,			0,	"7.9.26: link encryption keys" },
};
/* clang-format on */

/* Unknown means no: its registers may hold host addresses, or move what the host relies on. */
static const struct berth_config_cap unknown = { .fate = BERTH_CONFIG_HIDE,
						 .source = "not in the table" };

static const struct berth_config_cap *find(const struct berth_config_cap *list, size_t nr,
					   uint16_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (list[i].id == id)
			return &list[i];
	return &unknown;
}

const struct berth_config_cap *berth_config_cap(uint8_t id)
{
	return find(caps, BERTH_ARRAY_SIZE(caps), id);
}

const struct berth_config_cap *berth_config_ext_cap(uint16_t id)
{
	return find(ext_caps, BERTH_ARRAY_SIZE(ext_caps), id);
}

const struct berth_config_row *berth_config_form(enum berth_config_form form, size_t *ret_nr)
{
	static const struct {
		const struct berth_config_row *rows;
		size_t nr;
	} forms[BERTH_CONFIG_NR_FORMS] = {
		[BERTH_CONFIG_MSI_32] = { msi32_rows, BERTH_ARRAY_SIZE(msi32_rows) },
		[BERTH_CONFIG_MSI_64] = { msi64_rows, BERTH_ARRAY_SIZE(msi64_rows) },
		[BERTH_CONFIG_MSI_32_MASK] = { msi32_mask_rows, BERTH_ARRAY_SIZE(msi32_mask_rows) },
		[BERTH_CONFIG_MSI_64_MASK] = { msi64_mask_rows, BERTH_ARRAY_SIZE(msi64_mask_rows) },
		[BERTH_CONFIG_EXP_2] = { exp2_rows, BERTH_ARRAY_SIZE(exp2_rows) },
	};

	*ret_nr = forms[form].nr;
	return forms[form].rows;
}
