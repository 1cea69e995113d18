/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables below are the whole policy. Section numbers are of PCI Express Base 6.0 unless said otherwise; register
 * names and offsets are those of linux/pci_regs.h.
 */
#include "vfio/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "base/range.h"
#include "vfio/caps.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#define SIZE	     4096u /* 7.2.2 */
#define LEGACY_SIZE  256u
#define NR_BARS	     6u
#define NO_ANSWER    UINT32_MAX
#define EXT_NULL_CAP 0u	     /* 7.9.28: a capability that means nothing */
#define FLAG_MSI_PVM 0x0100u /* 7.7.1.2, per-vector masking capable */

/*
 * One register. Bits in @shadow are answered by us and not by the device; of these the guest may change the ones in
 * @write. Bits in @through are written to the device. A bit in none of them is the device's, read-only.
 */
struct row {
	uint8_t offset; /* from the start of the header or capability */
	uint8_t width;	/* bytes */
	uint32_t shadow, write, through;
	const char *source;
};

/* clang-format off */
static const struct row header_rows[] = {
	/* offset		width	shadow		write		through		source */
	{ PCI_VENDOR_ID,	4,	0,		0,		0,		"7.5.1.1.1: tells also that the device is gone" },
	/* decoding is ours: the device's own stays on, what the guest may reach is decided by mappings */
	{ PCI_COMMAND,		2,	0x0003,		0x0003,		0x0544,		"7.5.1.1.3: master, parity, SERR#, INTx disable go through" },
	{ PCI_STATUS,		2,	0x0010,		0,		0xf900,		"7.5.1.1.4: capability list bit ours, RW1C through" },
	{ PCI_CLASS_REVISION,	4,	0,		0,		0,		"7.5.1.1.5" },
	{ PCI_CACHE_LINE_SIZE,	1,	0xff,		0xff,		0,		"7.5.1.1.7: no effect in PCI Express" },
	{ PCI_LATENCY_TIMER,	1,	0xff,		0,		0,		"7.5.1.1.8: 0" },
	{ PCI_HEADER_TYPE,	1,	0xff,		0,		0,		"7.5.1.1.9: multifunction as in the guest's slot" },
	{ PCI_BIST,		1,	0xff,		0,		0,		"7.5.1.1.10: no self test by guests" },
	/* BARs: the bits above the size become writable, see setup_bars() */
	{ PCI_BASE_ADDRESS_0,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_BASE_ADDRESS_1,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_BASE_ADDRESS_2,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_BASE_ADDRESS_3,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_BASE_ADDRESS_4,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_BASE_ADDRESS_5,	4,	0xffffffff,	0,		0,		"7.5.1.2.1" },
	{ PCI_CARDBUS_CIS,	4,	0xffffffff,	0,		0,		"7.5.1.2.2: 0" },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4,	0,		0,		0,		"7.5.1.2.3" },
	{ PCI_ROM_ADDRESS,	4,	0xffffffff,	0,		0,		"7.5.1.2.4: no ROM for guests" },
	{ PCI_CAPABILITY_LIST,	4,	0xffffffff,	0,		0,		"7.5.1.1.11: start of our own chain, see link_caps()" },
	{ 0x38,			4,	0xffffffff,	0,		0,		"7.5.1.2: reserved" },
	{ PCI_INTERRUPT_LINE,	1,	0xff,		0xff,		0,		"7.5.1.1.12: a note that system software leaves itself" },
	{ PCI_INTERRUPT_PIN,	1,	0xff,		0,		0,		"7.5.1.1.13: 0 when VFIO has no INTx for us" },
	{ PCI_MIN_GNT,		2,	0xffff,		0,		0,		"7.5.1.2.5: 0" },
};

static const struct row pm_rows[] = {
	{ PCI_PM_PMC,		2,	PCI_PM_CAP_PME_MASK, 0,		0,		"7.5.2.1: no PME, it has no way to the guest" },
	{ PCI_PM_CTRL,		2,	0x8103,		0x0003,		0,		"7.5.2.2: power state ours, no PME" },
	{ PCI_PM_PPB_EXTENSIONS, 2,	0xffff,		0,		0,		"7.5.2.2: 0" },
};

static const struct row vpd_rows[] = {
	{ PCI_VPD_ADDR,		2,	0,		0,		0x7fff,		"7.9.18: reads only, what is written stays for the next tenant" },
	{ PCI_VPD_DATA,		4,	0,		0,		0,		"7.9.18" },
};

/* The longest form, 24 bytes; setup_msi() says which part of it there is. */
static const struct row msi_rows[] = {
	{ PCI_MSI_FLAGS,	2,	0xffff,		PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 0, "7.7.1.2: no per-vector masking" },
	{ PCI_MSI_ADDRESS_LO,	4,	0xffffffff,	0xfffffffc,	0,		"7.7.1.3" },
};

static const struct row msi32_rows[] = {
	{ PCI_MSI_DATA_32,	2,	0xffff,		0xffff,		0,		"7.7.1.5" },
};

static const struct row msi64_rows[] = {
	{ PCI_MSI_ADDRESS_HI,	4,	0xffffffff,	0xffffffff,	0,		"7.7.1.4" },
	{ PCI_MSI_DATA_64,	2,	0xffff,		0xffff,		0,		"7.7.1.5" },
};

static const struct row msix_rows[] = {
	{ PCI_MSIX_FLAGS,	2,	0xffff,		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 0, "7.7.2.2" },
	{ PCI_MSIX_TABLE,	4,	0xffffffff,	0,		0,		"7.7.2.3" },
	{ PCI_MSIX_PBA,		4,	0xffffffff,	0,		0,		"7.7.2.4" },
};

static const struct row exp_rows[] = {
	{ PCI_EXP_FLAGS,	1,	0xff,		0,		0,		"7.5.3.2: version at least 1; an integrated endpoint is a plain one behind our port" },
	{ PCI_EXP_FLAGS + 1,	1,	0,		0,		0,		"7.5.3.2" },
};

/* Capabilities with rows of their own, and those a guest does not get to see. Others pass as they are. */
struct cap_rule {
	uint16_t id;
	bool hide;
	const struct row *rows;
	uint8_t nr_rows;
	uint8_t size; /* bytes that must fit below 256 for the capability to be shown */
	const char *why;
};

#define ROWS(r) (r), sizeof(r) / sizeof((r)[0])
static const struct cap_rule cap_rules[] = {
	{ 0x00,			true,	NULL, 0,	0,	"7.9.28: null, and how VFIO marks what it hides" },
	{ PCI_CAP_ID_PM,	false,	ROWS(pm_rows),	8,	"7.5.2" },
	{ PCI_CAP_ID_VPD,	false,	ROWS(vpd_rows),	8,	"7.9.18" },
	{ PCI_CAP_ID_MSI,	false,	ROWS(msi_rows),	24,	"7.7.1" },
	{ PCI_CAP_ID_EXP,	false,	ROWS(exp_rows),	4,	"7.5.3" },
	{ PCI_CAP_ID_MSIX,	false,	ROWS(msix_rows), 12,	"7.7.2" },
	{ PCI_CAP_ID_EA,	true,	NULL, 0,	0,	"7.8.5: BARs at fixed host addresses" },
	{ 0x15,			true,	NULL, 0,	0,	"7.8.11: flattening portal bridge, host routing" },
};

static const struct cap_rule ext_rules[] = {
	{ PCI_EXT_CAP_ID_VC,	true,	NULL, 0,	0,	"7.9.1: arbitration of host links" },
	{ PCI_EXT_CAP_ID_MFVC,	true,	NULL, 0,	0,	"7.9.2: the same" },
	{ PCI_EXT_CAP_ID_VC9,	true,	NULL, 0,	0,	"7.9.1: the same" },
	{ PCI_EXT_CAP_ID_ACS,	true,	NULL, 0,	0,	"7.7.11: isolation is the host's" },
	{ PCI_EXT_CAP_ID_ARI,	true,	NULL, 0,	0,	"7.8.8: function numbers of the host" },
	{ PCI_EXT_CAP_ID_ATS,	true,	NULL, 0,	0,	"10.5.1: translated requests go round the IOMMU" },
	{ PCI_EXT_CAP_ID_SRIOV,	true,	NULL, 0,	0,	"9.3.3: VFs and their host addresses" },
	{ PCI_EXT_CAP_ID_MRIOV,	true,	NULL, 0,	0,	"MR-IOV 1.0" },
	{ PCI_EXT_CAP_ID_MCAST,	true,	NULL, 0,	0,	"7.9.11: host addresses" },
	{ PCI_EXT_CAP_ID_PRI,	true,	NULL, 0,	0,	"10.5.2: needs ATS" },
	{ PCI_EXT_CAP_ID_REBAR,	true,	NULL, 0,	0,	"7.8.6: sizes are the host's to choose" },
	{ PCI_EXT_CAP_ID_TPH,	true,	NULL, 0,	0,	"7.9.13: steering tags name host processors" },
	{ PCI_EXT_CAP_ID_PASID,	true,	NULL, 0,	0,	"7.8.9: needs an IOMMU in the guest" },
	{ PCI_EXT_CAP_ID_DPC,	true,	NULL, 0,	0,	"7.9.14: a port's" },
	{ PCI_EXT_CAP_ID_L1SS,	true,	NULL, 0,	0,	"7.8.3: link power is the host's" },
	{ PCI_EXT_CAP_ID_PTM,	true,	NULL, 0,	0,	"7.9.15: needs a timing hierarchy" },
	{ 0x24,			true,	NULL, 0,	0,	"7.8.7: VF resizable BAR" },
	{ 0x2e,			true,	NULL, 0,	0,	"7.9.24: DOE mailbox, device security is the host's" },
	{ 0x30,			true,	NULL, 0,	0,	"7.9.26: link encryption keys" },
};
/* clang-format on */

struct berth_vfio_config {
	struct berth_vfio_device *dev; /* borrowed */
	unsigned int size;	       /* bytes that the device has: 256 or 4096 */
	struct berth_vfio_config_caps caps;
	struct berth_vfio_config_bar bars[NR_BARS];
	uint8_t shadow[SIZE]; /* our answer */
	uint8_t ours[SIZE];   /* bits answered by shadow */
	uint8_t write[SIZE];  /* bits of ours that the guest may change */
	uint8_t through[SIZE];
};

struct found_cap {
	struct berth_cap cap;
	uint16_t end; /* its extent: up to the next capability, or the end of the space */
	const struct cap_rule *rule; /* NULL: passes as it is */
};

static void put(struct berth_vfio_config *cfg, unsigned int offset, unsigned int len, uint32_t v)
{
	for (unsigned int i = 0; i < len; i++)
		cfg->shadow[offset + i] = (uint8_t)(v >> (8 * i));
}

uint32_t berth_vfio_config_shadow(const struct berth_vfio_config *cfg, unsigned int offset,
				  unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)cfg->shadow[offset + i] << (8 * i);
	return v;
}

/*
 * Rows may only take power away: on bytes that a hostile chain gives to two capabilities, what either of them keeps from
 * the device stays kept from it.
 */
static void apply(struct berth_vfio_config *cfg, unsigned int base, const struct row *rows,
		  unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int b = 0; b < rows[i].width; b++) {
			unsigned int at = base + rows[i].offset + b;

			cfg->ours[at] |= (uint8_t)(rows[i].shadow >> (8 * b));
			cfg->write[at] |= (uint8_t)(rows[i].write >> (8 * b));
			cfg->through[at] &= (uint8_t)(rows[i].through >> (8 * b));
		}
	}
}

/* Bytes that read as a constant. */
static void freeze(struct berth_vfio_config *cfg, unsigned int from, unsigned int to)
{
	for (unsigned int at = from; at < to; at++) {
		cfg->ours[at] = 0xff;
		cfg->write[at] = 0;
		cfg->through[at] = 0;
	}
}

static const struct cap_rule *rule_for(const struct cap_rule *rules, size_t nr, uint16_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (rules[i].id == id)
			return &rules[i];
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	return (int)((const struct found_cap *)a)->cap.at -
	       (int)((const struct found_cap *)b)->cap.at;
}

/* Rules and extents for @nr capabilities: each reaches to the next one in address order, the last to @end. */
static void look_up(struct found_cap *caps, const struct berth_cap *list, size_t nr,
		    const struct cap_rule *rules, size_t nr_rules, unsigned int end)
{
	for (size_t i = 0; i < nr; i++)
		caps[i] = (struct found_cap){
			.cap = list[i],
			.rule = rule_for(rules, nr_rules, list[i].id),
		};
	qsort(caps, nr, sizeof(*caps), by_place);
	for (size_t i = 0; i < nr; i++)
		caps[i].end = (uint16_t)(i + 1 < nr ? caps[i + 1].cap.at : end);
}

/* 7.7.1: the capability is 10 or 14 bytes long, 20 or 24 with the masking that guests do not get. */
static bool setup_msi(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	uint32_t flags = berth_vfio_device_config_read(cfg->dev, cap->cap.at + PCI_MSI_FLAGS, 2);
	bool is64 = flags & PCI_MSI_FLAGS_64BIT;
	unsigned int whole = (is64 ? 14 : 10) + (flags & FLAG_MSI_PVM ? 10 : 0);
	unsigned int log2 = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	struct berth_vfio_irq irq;

	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_MSI) < 0 || irq.count == 0 ||
	    !berth_range_fits(cap->cap.at, whole, LEGACY_SIZE))
		return false;
	while (log2 > 5 || (log2 > 0 && 1u << log2 > irq.count))
		log2--;
	cfg->caps.msi = (uint8_t)cap->cap.at;
	cfg->caps.msi_64bit = is64;
	cfg->caps.msi_vectors = 1u << log2;
	freeze(cfg, cap->cap.at, cap->cap.at + whole);
	apply(cfg, cap->cap.at, msi_rows, BERTH_ARRAY_SIZE(msi_rows));
	if (is64)
		apply(cfg, cap->cap.at, msi64_rows, BERTH_ARRAY_SIZE(msi64_rows));
	else
		apply(cfg, cap->cap.at, msi32_rows, BERTH_ARRAY_SIZE(msi32_rows));
	put(cfg, cap->cap.at + PCI_MSI_FLAGS, 2, (flags & PCI_MSI_FLAGS_64BIT) | log2 << 1);
	return true;
}

static bool setup_msix(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	uint32_t flags = berth_vfio_device_config_read(cfg->dev, cap->cap.at + PCI_MSIX_FLAGS, 2);
	uint32_t table = berth_vfio_device_config_read(cfg->dev, cap->cap.at + PCI_MSIX_TABLE, 4);
	uint32_t pba = berth_vfio_device_config_read(cfg->dev, cap->cap.at + PCI_MSIX_PBA, 4);
	unsigned int vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	struct berth_vfio_irq irq;

	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_MSIX) < 0 || irq.count == 0 ||
	    (table & PCI_MSIX_TABLE_BIR) >= NR_BARS)
		return false;
	if (vectors > irq.count)
		vectors = irq.count;
	cfg->caps.msix = (uint8_t)cap->cap.at;
	cfg->caps.msix_vectors = vectors;
	cfg->caps.msix_table_bar = table & PCI_MSIX_TABLE_BIR;
	cfg->caps.msix_table_offset = table & PCI_MSIX_TABLE_OFFSET;
	cfg->caps.msix_pba_bar = pba & PCI_MSIX_PBA_BIR;
	cfg->caps.msix_pba_offset = pba & PCI_MSIX_PBA_OFFSET;
	freeze(cfg, cap->cap.at, cap->cap.at + 12u);
	apply(cfg, cap->cap.at, msix_rows, BERTH_ARRAY_SIZE(msix_rows));
	put(cfg, cap->cap.at + PCI_MSIX_FLAGS, 2, vectors - 1);
	put(cfg, cap->cap.at + PCI_MSIX_TABLE, 4, table);
	put(cfg, cap->cap.at + PCI_MSIX_PBA, 4, pba);
	return true;
}

static void setup_exp(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	uint8_t v =
		(uint8_t)berth_vfio_device_config_read(cfg->dev, cap->cap.at + PCI_EXP_FLAGS, 1);
	uint8_t type = v >> 4, version = v & PCI_EXP_FLAGS_VERS;

	if (type == PCI_EXP_TYPE_RC_END)
		type = PCI_EXP_TYPE_ENDPOINT;
	put(cfg, cap->cap.at + PCI_EXP_FLAGS, 1, (uint32_t)type << 4 | (version ? version : 1));
	apply(cfg, cap->cap.at, exp_rows, BERTH_ARRAY_SIZE(exp_rows));
}

/* Return: is it shown? */
static bool setup_cap(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	if (cap->rule &&
	    (cap->rule->hide || (cap->cap.id != PCI_CAP_ID_MSI &&
				 !berth_range_fits(cap->cap.at, cap->rule->size, LEGACY_SIZE))))
		return false;
	/* A second one of a kind that we act on would be a second opinion: the first counts. */
	switch (cap->cap.id) {
	case PCI_CAP_ID_MSI:
		return !cfg->caps.msi && setup_msi(cfg, cap);
	case PCI_CAP_ID_MSIX:
		return !cfg->caps.msix && setup_msix(cfg, cap);
	case PCI_CAP_ID_EXP:
		setup_exp(cfg, cap);
		return true;
	case PCI_CAP_ID_PM:
		if (cfg->caps.pm)
			return false;
		cfg->caps.pm = (uint8_t)cap->cap.at;
		break;
	default:
		break;
	}
	if (cap->rule)
		apply(cfg, cap->cap.at, cap->rule->rows, cap->rule->nr_rows);
	return true;
}

static void setup_caps(struct berth_vfio_config *cfg, const uint8_t *image)
{
	static const struct row link_row[] = { { 0, 2, 0xffff, 0, 0, "7.5.1.1.11" } };
	struct berth_cap list[BERTH_CAPS_MAX];
	struct found_cap caps[BERTH_CAPS_MAX];
	size_t nr = berth_caps_list(image, LEGACY_SIZE, list);
	unsigned int link = PCI_CAPABILITY_LIST;

	look_up(caps, list, nr, cap_rules, BERTH_ARRAY_SIZE(cap_rules), LEGACY_SIZE);
	for (size_t i = 0; i < nr; i++) {
		if (!setup_cap(cfg, &caps[i])) {
			freeze(cfg, caps[i].cap.at, caps[i].end);
			continue;
		}
		apply(cfg, caps[i].cap.at, link_row, 1);
		put(cfg, caps[i].cap.at, 2, caps[i].cap.id);
		put(cfg, link, 1, caps[i].cap.at);
		link = caps[i].cap.at + PCI_CAP_LIST_NEXT;
	}
	put(cfg, PCI_STATUS, 2, link == PCI_CAPABILITY_LIST ? 0 : PCI_STATUS_CAP_LIST);
}

static void setup_ext_caps(struct berth_vfio_config *cfg, const uint8_t *image)
{
	static const struct row link_row[] = { { 0, 4, 0xffffffff, 0, 0, "7.6.3" } };
	struct berth_cap list[BERTH_CAPS_EXT_MAX];
	struct found_cap caps[BERTH_CAPS_EXT_MAX];
	size_t nr = berth_caps_list_ext(image, cfg->size, list);
	unsigned int last = 0;

	look_up(caps, list, nr, ext_rules, BERTH_ARRAY_SIZE(ext_rules), SIZE);
	for (size_t i = 0; i < nr; i++) {
		bool hide = caps[i].rule && caps[i].rule->hide;
		uint32_t head = (uint32_t)caps[i].cap.id | (uint32_t)caps[i].cap.version << 16;

		if (hide) {
			freeze(cfg, caps[i].cap.at, caps[i].end);
			/* The chain starts at 100h whatever is there (7.6.1). */
			if (caps[i].cap.at != LEGACY_SIZE)
				continue;
			head = EXT_NULL_CAP;
		}
		apply(cfg, caps[i].cap.at, link_row, 1);
		put(cfg, caps[i].cap.at, 4, head);
		if (last)
			put(cfg, last, 4,
			    (berth_vfio_config_shadow(cfg, last, 4) & 0xfffff) |
				    (uint32_t)caps[i].cap.at << 20);
		last = caps[i].cap.at;
	}
}

static int setup_bar(struct berth_vfio_config *cfg, unsigned int i, unsigned int *ret_step,
		     struct berth_err *err)
{
	const struct berth_vfio_region *region = berth_vfio_device_region(cfg->dev, i);
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;
	uint32_t low = berth_vfio_device_config_read(cfg->dev, at, 4);
	struct berth_vfio_config_bar *bar = &cfg->bars[i];
	uint64_t mask, min;

	*ret_step = 1;
	if (!region)
		return 0;
	bar->io = low & PCI_BASE_ADDRESS_SPACE_IO;
	bar->is64 = !bar->io &&
		    (low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	bar->prefetch = !bar->io && (low & PCI_BASE_ADDRESS_MEM_PREFETCH);
	min = bar->io ? 4 : 16; /* 7.5.1.2.1 */
	bar->size = region->size < min ? min : region->size;
	if (!berth_is_pow2(bar->size) || (!bar->is64 && bar->size > UINT32_MAX) ||
	    (bar->is64 && i == NR_BARS - 1) || bar->size > INT64_MAX)
		return berth_err_set(err, -EPROTO, "%s: BAR %u of %#llx bytes makes no sense",
				     berth_vfio_device_name(cfg->dev), i,
				     (unsigned long long)region->size);
	mask = ~(bar->size - 1);
	put(cfg, at, 4,
	    low & (bar->io ? PCI_BASE_ADDRESS_SPACE_IO : (uint32_t)~PCI_BASE_ADDRESS_MEM_MASK));
	for (unsigned int b = 0; b < (bar->is64 ? 8u : 4u); b++)
		cfg->write[at + b] = (uint8_t)(mask >> (8 * b));
	*ret_step = bar->is64 ? 2 : 1;
	return 0;
}

static int setup_bars(struct berth_vfio_config *cfg, struct berth_err *err)
{
	unsigned int step;

	for (unsigned int i = 0; i < NR_BARS; i += step) {
		int r = setup_bar(cfg, i, &step, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int setup_header(struct berth_vfio_config *cfg, bool multifunction, struct berth_err *err)
{
	const char *name = berth_vfio_device_name(cfg->dev);
	uint32_t type = berth_vfio_device_config_read(cfg->dev, PCI_HEADER_TYPE, 1);
	struct berth_vfio_irq irq;

	if (berth_vfio_device_config_read(cfg->dev, PCI_VENDOR_ID, 4) == NO_ANSWER)
		return berth_err_set(err, -ENODEV, "%s does not answer: its config space reads ff",
				     name);
	if ((type & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return berth_err_set(err, -EPROTO, "%s is a bridge (header type %#x), not a device",
				     name, type);
	memset(cfg->through, 0, PCI_STD_HEADER_SIZEOF);
	memset(cfg->through + PCI_COMMAND, 0xff, 4);
	apply(cfg, 0, header_rows, BERTH_ARRAY_SIZE(header_rows));
	put(cfg, PCI_HEADER_TYPE, 1, multifunction ? 0x80 : 0);
	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_INTX) == 0 && irq.count)
		put(cfg, PCI_INTERRUPT_PIN, 1,
		    berth_vfio_device_config_read(cfg->dev, PCI_INTERRUPT_PIN, 1));
	return 0;
}

int berth_vfio_config_new(struct berth_vfio_config **ret, struct berth_vfio_device *dev,
			  bool multifunction, struct berth_err *err)
{
	const struct berth_vfio_region *region =
		berth_vfio_device_region(dev, BERTH_VFIO_REGION_CONFIG);
	BERTH_CLEANUP(berth_vfio_config_freep)
	struct berth_vfio_config *cfg = calloc(1, sizeof(*cfg));
	uint8_t image[SIZE];
	int r;

	if (!cfg)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	cfg->dev = dev;
	if (!region || region->size < LEGACY_SIZE)
		return berth_err_set(err, -EPROTO, "%s: its config space is smaller than 256 bytes",
				     berth_vfio_device_name(dev));
	cfg->size = region->size < SIZE ? LEGACY_SIZE : SIZE;
	memset(cfg->through, 0xff, sizeof(cfg->through));
	r = setup_header(cfg, multifunction, err);
	if (r == 0)
		r = setup_bars(cfg, err);
	if (r < 0)
		return r;
	berth_vfio_region_read(dev, region, 0, image, cfg->size);
	setup_caps(cfg, image);
	setup_ext_caps(cfg, image);
	*ret = BERTH_TAKE_PTR(cfg);
	return 0;
}

void berth_vfio_config_free(struct berth_vfio_config *cfg)
{
	free(cfg);
}

uint32_t berth_vfio_config_read(struct berth_vfio_config *cfg, unsigned int offset,
				unsigned int len)
{
	uint32_t ours = 0, device = 0;

	if (!berth_range_fits(offset, len, cfg->size))
		return NO_ANSWER >> (8 * (4 - len));
	for (unsigned int i = 0; i < len; i++)
		ours |= (uint32_t)cfg->ours[offset + i] << (8 * i);
	if (ours != NO_ANSWER >> (8 * (4 - len)))
		device = berth_vfio_device_config_read(cfg->dev, offset, len);
	return (device & ~ours) | (berth_vfio_config_shadow(cfg, offset, len) & ours);
}

static bool hits(unsigned int offset, unsigned int len, unsigned int start, unsigned int size)
{
	return offset < start + size && start < offset + len;
}

static unsigned int touched(const struct berth_vfio_config *cfg, unsigned int offset,
			    unsigned int len)
{
	const struct berth_vfio_config_caps *caps = &cfg->caps;

	return (hits(offset, len, PCI_COMMAND, 2) ? BERTH_VFIO_CONFIG_COMMAND : 0) |
	       (hits(offset, len, PCI_BASE_ADDRESS_0, 24) ? BERTH_VFIO_CONFIG_BAR : 0) |
	       (caps->msi && hits(offset, len, caps->msi, 24) ? BERTH_VFIO_CONFIG_MSI : 0) |
	       (caps->msix && hits(offset, len, caps->msix + PCI_MSIX_FLAGS, 2) ?
			BERTH_VFIO_CONFIG_MSIX :
			0) |
	       (caps->pm && hits(offset, len, caps->pm + PCI_PM_CTRL, 2) ? BERTH_VFIO_CONFIG_POWER :
									   0);
}

unsigned int berth_vfio_config_write(struct berth_vfio_config *cfg, unsigned int offset,
				     unsigned int len, uint32_t value)
{
	uint32_t through = 0, all = NO_ANSWER >> (8 * (4 - len));

	if (!berth_range_fits(offset, len, cfg->size))
		return 0;
	for (unsigned int i = 0; i < len; i++) {
		unsigned int at = offset + i;
		uint8_t b = (uint8_t)(value >> (8 * i));

		cfg->shadow[at] = (cfg->shadow[at] & ~cfg->write[at]) | (b & cfg->write[at]);
		through |= (uint32_t)cfg->through[at] << (8 * i);
	}
	/* Bits that stay behind keep the device's value; none of these is write-1-to-clear (see the tables). */
	if (through && through != all)
		value = (value & through) |
			(berth_vfio_device_config_read(cfg->dev, offset, len) & ~through);
	if (through)
		berth_vfio_device_config_write(cfg->dev, offset, value, len);
	return touched(cfg, offset, len);
}

void berth_vfio_config_masks(const struct berth_vfio_config *cfg, unsigned int offset,
			     uint8_t *ret_device, uint8_t *ret_shadow, uint8_t *ret_through)
{
	*ret_device = (uint8_t)~cfg->ours[offset];
	*ret_shadow = cfg->write[offset];
	*ret_through = cfg->through[offset];
}

const struct berth_vfio_config_caps *berth_vfio_config_caps(const struct berth_vfio_config *cfg)
{
	return &cfg->caps;
}

const struct berth_vfio_config_bar *berth_vfio_config_bar(const struct berth_vfio_config *cfg,
							  unsigned int bar)
{
	return &cfg->bars[bar];
}

void berth_vfio_config_no_intx(struct berth_vfio_config *cfg)
{
	put(cfg, PCI_INTERRUPT_PIN, 1, 0);
}

static bool in_d0(const struct berth_vfio_config *cfg)
{
	return !cfg->caps.pm || (berth_vfio_config_shadow(cfg, cfg->caps.pm + PCI_PM_CTRL, 2) &
				 PCI_PM_CTRL_STATE_MASK) == 0;
}

bool berth_vfio_config_mem_on(const struct berth_vfio_config *cfg)
{
	return in_d0(cfg) && berth_vfio_config_shadow(cfg, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;
}

bool berth_vfio_config_io_on(const struct berth_vfio_config *cfg)
{
	return in_d0(cfg) && berth_vfio_config_shadow(cfg, PCI_COMMAND, 2) & PCI_COMMAND_IO;
}
