/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "base/err.h"
#include "base/range.h"
#include "vfio/caps.h"
#include "vfio/config_inside.h"
#include "vfio/config_table.h"
#include "vfio/device.h"
#include "vfio/irq.h"
#include "vfio/region.h"

#define NO_ANSWER  UINT32_MAX
#define EXP_1_SIZE 0x14u /* 7.5.3 of PCI Express Base 1.1: up to Link Status */
#define EXP_2_SIZE 0x3cu /* 7.5.3 */
#define CAP_MAX	   64u	 /* bytes; more than any rule's size */

struct found_cap {
	struct berth_cap cap;
	uint16_t end; /* its extent: up to the next capability, or the end of the space */
	const struct berth_config_cap *rule;
	bool first; /* of its kind, as the chain goes: the one that the kernel acts on */
};

static uint32_t gather(const uint8_t *bytes, unsigned int len)
{
	uint32_t v = 0;

	for (unsigned int i = 0; i < len; i++)
		v |= (uint32_t)bytes[i] << (8 * i);
	return v;
}

uint32_t berth_vfio_config_shadow(const struct berth_vfio_config *cfg, unsigned int offset,
				  unsigned int len)
{
	return gather(cfg->shadow + offset, len);
}

/*
 * Rows may only take power away: on bytes that a hostile chain gives to two capabilities, what either of them keeps from
 * the device stays kept from it. Bytes from @from up to @to after @base that are in no row become read-only.
 */
static void apply(struct berth_vfio_config *cfg, unsigned int base, unsigned int from,
		  unsigned int to, const struct berth_config_row *rows, size_t nr)
{
	uint8_t through[CAP_MAX] = { 0 };

	for (size_t i = 0; i < nr; i++) {
		const struct berth_config_row *row = &rows[i];

		for (unsigned int b = 0; b < row->width; b++) {
			unsigned int at = base + row->offset + b;
			uint8_t ours = (uint8_t)(row->ours >> (8 * b));
			uint8_t guest = (uint8_t)(row->guest >> (8 * b));

			cfg->ours[at] |= ours;
			cfg->write[at] |= guest & ours;
			cfg->zero[at] |= (uint8_t)(row->zero >> (8 * b));
			through[row->offset + b] = guest & ~ours;
		}
	}
	for (unsigned int i = from; i < to; i++)
		cfg->through[base + i] &= through[i];
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

static int by_place(const void *a, const void *b)
{
	return (int)((const struct found_cap *)a)->cap.at -
	       (int)((const struct found_cap *)b)->cap.at;
}

static bool is_first(const struct berth_cap *list, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (list[i].id == list[at].id)
			return false;
	return true;
}

/* Rules and extents for @nr capabilities: each reaches to the next one in address order, the last to @end. */
static void look_up(struct found_cap *caps, const struct berth_cap *list, size_t nr, bool ext,
		    unsigned int end)
{
	for (size_t i = 0; i < nr; i++)
		caps[i] = (struct found_cap){
			.cap = list[i],
			.rule = ext ? berth_config_ext_cap(list[i].id) :
				      berth_config_cap((uint8_t)list[i].id),
			.first = is_first(list, i),
		};
	qsort(caps, nr, sizeof(*caps), by_place);
	for (size_t i = 0; i < nr; i++)
		caps[i].end = (uint16_t)(i + 1 < nr ? caps[i + 1].cap.at : end);
}

/* The rows of a form are the bytes from @from up to @to, all of them. */
static void apply_form(struct berth_vfio_config *cfg, unsigned int base, unsigned int from,
		       unsigned int to, enum berth_config_form form)
{
	size_t nr;
	const struct berth_config_row *rows = berth_config_form(form, &nr);

	apply(cfg, base, from, to, rows, nr);
}

static void apply_rule(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	const struct berth_config_cap *rule = cap->rule;

	if (rule->fate == BERTH_CONFIG_ROWS)
		apply(cfg, cap->cap.at, 0, rule->size, rule->rows, rule->nr_rows);
}

/* 7.7.1: the capability is 10 or 14 bytes long, and 10 more with mask and pending bits. */
static bool setup_msi(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	unsigned int at = cap->cap.at;
	uint32_t flags = gather(cfg->image + at + PCI_MSI_FLAGS, 2);
	bool is64 = flags & PCI_MSI_FLAGS_64BIT, mask = flags & PCI_MSI_FLAGS_MASKBIT;
	unsigned int whole = (is64 ? 14 : 10) + (mask ? 10 : 0);
	unsigned int log2 = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	struct berth_vfio_irq irq;

	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_MSI) < 0 || irq.count == 0 ||
	    !berth_range_fits(at, whole, LEGACY_SIZE))
		return false;
	while (log2 > 5 || (log2 > 0 && 1u << log2 > irq.count))
		log2--;
	cfg->caps.msi = (uint8_t)at;
	cfg->caps.msi_64bit = is64;
	cfg->caps.msi_vectors = 1u << log2;
	freeze(cfg, at, at + whole);
	apply_rule(cfg, cap);
	apply_form(cfg, at, 0, 0, is64 ? BERTH_CONFIG_MSI_64 : BERTH_CONFIG_MSI_32);
	berth_vfio_config_put(cfg, at + PCI_MSI_FLAGS, 2,
			      (flags & (PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT)) | log2 << 1);
	if (!mask)
		return true;
	apply_form(cfg, at, 0, 0, is64 ? BERTH_CONFIG_MSI_64_MASK : BERTH_CONFIG_MSI_32_MASK);
	cfg->caps.msi_mask = (uint8_t)(at + (is64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32));
	for (unsigned int n = 0; n < cfg->caps.msi_vectors; n++)
		cfg->write[cfg->caps.msi_mask + n / 8] |= (uint8_t)(1u << n % 8);
	return true;
}

static bool setup_msix(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	unsigned int at = cap->cap.at;
	uint32_t flags = gather(cfg->image + at + PCI_MSIX_FLAGS, 2);
	uint32_t table = gather(cfg->image + at + PCI_MSIX_TABLE, 4);
	uint32_t pba = gather(cfg->image + at + PCI_MSIX_PBA, 4);
	unsigned int vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	struct berth_vfio_irq irq;

	if ((table & PCI_MSIX_TABLE_BIR) >= NR_BARS)
		return false;
	/* Where the table is matters also when there are no interrupts: it is no guest's. */
	cfg->caps.msix_table_bar = table & PCI_MSIX_TABLE_BIR;
	cfg->caps.msix_table_offset = table & PCI_MSIX_TABLE_OFFSET;
	cfg->caps.msix_table_size = vectors * PCI_MSIX_ENTRY_SIZE;
	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_MSIX) < 0 || irq.count == 0)
		return false;
	if (vectors > irq.count)
		vectors = irq.count;
	cfg->caps.msix = (uint8_t)at;
	cfg->caps.msix_vectors = vectors;
	cfg->caps.msix_pba_bar = pba & PCI_MSIX_PBA_BIR;
	cfg->caps.msix_pba_offset = pba & PCI_MSIX_PBA_OFFSET;
	freeze(cfg, at, at + cap->rule->size);
	apply_rule(cfg, cap);
	berth_vfio_config_put(cfg, at + PCI_MSIX_FLAGS, 2, vectors - 1);
	berth_vfio_config_put(cfg, at + PCI_MSIX_TABLE, 4, table);
	berth_vfio_config_put(cfg, at + PCI_MSIX_PBA, 4, pba);
	return true;
}

static bool setup_exp(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	unsigned int at = cap->cap.at;
	uint8_t v = (uint8_t)gather(cfg->image + at + PCI_EXP_FLAGS, 1);
	uint8_t type = v >> 4, version = v & PCI_EXP_FLAGS_VERS;
	uint32_t devcap = gather(cfg->image + at + PCI_EXP_DEVCAP, 4);

	if (version >= 2 && !berth_range_fits(at, EXP_2_SIZE, LEGACY_SIZE))
		return false;
	if (type == PCI_EXP_TYPE_RC_END)
		type = PCI_EXP_TYPE_ENDPOINT;
	berth_vfio_config_put(cfg, at + PCI_EXP_FLAGS, 1,
			      (uint32_t)type << 4 | (version ? version : 1));
	apply_rule(cfg, cap);
	if (version >= 2)
		apply_form(cfg, at, EXP_1_SIZE, EXP_2_SIZE, BERTH_CONFIG_EXP_2);
	if (devcap & PCI_EXP_DEVCAP_FLR) {
		cfg->flr[0].at = (uint16_t)(at + PCI_EXP_DEVCTL + 1);
		cfg->flr[0].bit = PCI_EXP_DEVCTL_BCR_FLR >> 8;
	}
	return true;
}

static void setup_af(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	unsigned int at = cap->cap.at;

	apply_rule(cfg, cap);
	if (!(gather(cfg->image + at + PCI_AF_CAP, 1) & PCI_AF_CAP_FLR))
		return;
	cfg->flr[1].at = (uint16_t)(at + PCI_AF_CTRL);
	cfg->flr[1].bit = PCI_AF_CTRL_FLR;
}

/* Return: is it shown? */
static bool setup_cap(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	if (cap->rule->fate == BERTH_CONFIG_HIDE ||
	    !berth_range_fits(cap->cap.at, cap->rule->size, LEGACY_SIZE))
		return false;
	/* A second one of a kind that we act on would be a second opinion: the first counts. */
	switch (cap->cap.id) {
	case PCI_CAP_ID_MSI:
		return cap->first && setup_msi(cfg, cap);
	case PCI_CAP_ID_MSIX:
		return cap->first && setup_msix(cfg, cap);
	case PCI_CAP_ID_EXP:
		return cap->first && setup_exp(cfg, cap);
	case PCI_CAP_ID_AF:
		if (!cap->first)
			return false;
		setup_af(cfg, cap);
		return true;
	case PCI_CAP_ID_PM:
		if (!cap->first)
			return false;
		cfg->caps.pm = (uint8_t)cap->cap.at;
		break;
	default:
		break;
	}
	apply_rule(cfg, cap);
	return true;
}

static void setup_caps(struct berth_vfio_config *cfg)
{
	struct berth_cap list[BERTH_CAPS_MAX];
	struct found_cap caps[BERTH_CAPS_MAX];
	size_t nr = berth_caps_list(cfg->image, LEGACY_SIZE, list), shown = 0;
	unsigned int link = PCI_CAPABILITY_LIST;

	look_up(caps, list, nr, false, LEGACY_SIZE);
	for (size_t i = 0; i < nr; i++) {
		if (setup_cap(cfg, &caps[i]))
			caps[shown++] = caps[i];
		else
			freeze(cfg, caps[i].cap.at, caps[i].end);
	}
	/* Links last: nothing that a chain lets overlap with them makes them writable. */
	for (size_t i = 0; i < shown; i++) {
		freeze(cfg, caps[i].cap.at, caps[i].cap.at + 2u);
		berth_vfio_config_put(cfg, caps[i].cap.at, 2, caps[i].cap.id);
		berth_vfio_config_put(cfg, link, 1, caps[i].cap.at);
		link = caps[i].cap.at + PCI_CAP_LIST_NEXT;
	}
	berth_vfio_config_put(cfg, PCI_STATUS, 2, shown ? PCI_STATUS_CAP_LIST : 0);
}

/* 7.8.6.2, 7.8.6.3. One entry of 8 bytes per BAR. Return: is it as it should be? */
static bool setup_rebar(struct berth_vfio_config *cfg, unsigned int at)
{
	uint32_t first = gather(cfg->image + at + PCI_REBAR_CTRL, 4);
	unsigned int nr = (first & PCI_REBAR_CTRL_NBAR_MASK) >> PCI_REBAR_CTRL_NBAR_SHIFT;

	if (nr == 0 || nr > NR_BARS || !berth_range_fits(at, 4 + 8 * nr, cfg->size))
		return false;
	freeze(cfg, at, at + 4 + 8 * nr);
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int entry = at + 8 * i;
		uint32_t ctrl = gather(cfg->image + entry + PCI_REBAR_CTRL, 4);
		unsigned int bar = ctrl & PCI_REBAR_CTRL_BAR_IDX;
		unsigned int log2 = (ctrl & 0x3f00) >> PCI_REBAR_CTRL_BAR_SHIFT; /* MiB */

		if (bar >= NR_BARS || log2 > 43 ||
		    cfg->bars[bar].size != UINT64_C(1) << (20 + log2))
			return false;
		berth_vfio_config_put(cfg, entry + PCI_REBAR_CAP, 4,
				      log2 < 28 ? UINT32_C(1) << (4 + log2) : 0);
		berth_vfio_config_put(cfg, entry + PCI_REBAR_CTRL, 4,
				      bar | (i == 0 ? nr << PCI_REBAR_CTRL_NBAR_SHIFT : 0) |
					      log2 << PCI_REBAR_CTRL_BAR_SHIFT |
					      (log2 < 28 ? 0 : UINT32_C(1) << (16 + log2 - 28)));
	}
	return true;
}

/* Return: is it shown? */
static bool setup_ext_cap(struct berth_vfio_config *cfg, const struct found_cap *cap)
{
	if (cap->rule->fate == BERTH_CONFIG_HIDE ||
	    !berth_range_fits(cap->cap.at, cap->rule->size, cfg->size))
		return false;
	apply_rule(cfg, cap);
	return cap->cap.id != PCI_EXT_CAP_ID_REBAR || setup_rebar(cfg, cap->cap.at);
}

static void setup_ext_caps(struct berth_vfio_config *cfg)
{
	struct berth_cap list[BERTH_CAPS_EXT_MAX];
	struct found_cap caps[BERTH_CAPS_EXT_MAX];
	size_t nr = berth_caps_list_ext(cfg->image, cfg->size, list), shown = 0;

	/* No list at all is a 0 (7.6.3), whatever the device has there. */
	freeze(cfg, LEGACY_SIZE, LEGACY_SIZE + 4);
	look_up(caps, list, nr, true, SIZE);
	for (size_t i = 0; i < nr; i++) {
		if (setup_ext_cap(cfg, &caps[i])) {
			caps[shown++] = caps[i];
			continue;
		}
		freeze(cfg, caps[i].cap.at, caps[i].end);
		memset(cfg->shadow + caps[i].cap.at, 0, caps[i].end - caps[i].cap.at);
		/* The chain starts at 100h whatever is there (7.6.1): a null capability then (7.9.28). */
		if (caps[i].cap.at == LEGACY_SIZE)
			caps[shown++] = (struct found_cap){ .cap = { .at = LEGACY_SIZE } };
	}
	for (size_t i = 0; i < shown; i++) {
		const struct berth_cap *cap = &caps[i].cap;

		freeze(cfg, cap->at, cap->at + 4u);
		berth_vfio_config_put(cfg, cap->at, 4,
				      (uint32_t)cap->id | (uint32_t)cap->version << 16 |
					      (i + 1 < shown ? (uint32_t)caps[i + 1].cap.at << 20 :
							       0));
	}
}

static int setup_bar(struct berth_vfio_config *cfg, unsigned int i, unsigned int *ret_step,
		     struct berth_err *err)
{
	const struct berth_vfio_region *region = berth_vfio_device_region(cfg->dev, i);
	unsigned int at = PCI_BASE_ADDRESS_0 + 4 * i;
	uint32_t low = gather(cfg->image + at, 4);
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
	berth_vfio_config_put(cfg, at, 4,
			      low & (bar->io ? PCI_BASE_ADDRESS_SPACE_IO :
					       (uint32_t)~PCI_BASE_ADDRESS_MEM_MASK));
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
	berth_vfio_config_setup_rom(cfg);
	return 0;
}

static int setup_header(struct berth_vfio_config *cfg, bool multifunction, struct berth_err *err)
{
	const char *name = berth_vfio_device_name(cfg->dev);
	uint32_t type = gather(cfg->image + PCI_HEADER_TYPE, 1);
	struct berth_vfio_irq irq;

	if (gather(cfg->image + PCI_VENDOR_ID, 4) == NO_ANSWER)
		return berth_err_set(err, -ENODEV, "%s does not answer: its config space reads ff",
				     name);
	if ((type & 0x7f) != PCI_HEADER_TYPE_NORMAL)
		return berth_err_set(err, -EPROTO, "%s is a bridge (header type %#x), not a device",
				     name, type);
	apply(cfg, 0, 0, PCI_STD_HEADER_SIZEOF, berth_config_header, berth_config_header_nr);
	berth_vfio_config_put(cfg, PCI_HEADER_TYPE, 1, multifunction ? 0x80 : 0);
	if (berth_vfio_irq_query(&irq, cfg->dev, BERTH_VFIO_IRQ_INTX) == 0 && irq.count)
		berth_vfio_config_put(cfg, PCI_INTERRUPT_PIN, 1,
				      gather(cfg->image + PCI_INTERRUPT_PIN, 1));
	return 0;
}

int berth_vfio_config_new(struct berth_vfio_config **ret, struct berth_vfio_device *dev,
			  bool multifunction, struct berth_err *err)
{
	const struct berth_vfio_region *region =
		berth_vfio_device_region(dev, BERTH_VFIO_REGION_CONFIG);
	BERTH_CLEANUP(berth_vfio_config_freep)
	struct berth_vfio_config *cfg = calloc(1, sizeof(*cfg));
	int r;

	if (!cfg)
		return berth_err_set(err, -ENOMEM, "%s: out of memory",
				     berth_vfio_device_name(dev));
	cfg->dev = dev;
	if (region->size < LEGACY_SIZE) /* that there is one was seen when the device was opened */
		return berth_err_set(err, -EPROTO, "%s: its config space is smaller than 256 bytes",
				     berth_vfio_device_name(dev));
	cfg->size = region->size < SIZE ? LEGACY_SIZE : SIZE;
	memset(cfg->through, 0xff, sizeof(cfg->through));
	r = berth_vfio_region_read(dev, region, 0, cfg->image, cfg->size);
	if (r < 0)
		return berth_err_set(err, -ENODEV, "%s does not answer: read config space: %s",
				     berth_vfio_device_name(dev), strerror(-r));
	r = setup_header(cfg, multifunction, err);
	if (r == 0)
		r = setup_bars(cfg, err);
	if (r < 0)
		return r;
	setup_caps(cfg);
	setup_ext_caps(cfg);
	memcpy(cfg->initial, cfg->shadow, sizeof(cfg->initial));
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
	uint32_t all = NO_ANSWER >> (8 * (4 - len)), ours, device = 0;

	if (!berth_range_fits(offset, len, cfg->size))
		return all;
	ours = gather(cfg->ours + offset, len);
	/* What is ours is there only as long as the device is: after surprise removal all reads ones. */
	if (ours && berth_vfio_device_config_read(cfg->dev, PCI_VENDOR_ID, 4) == NO_ANSWER)
		return all;
	if (ours != all)
		device = berth_vfio_device_config_read(cfg->dev, offset, len);
	return (device & ~ours) | (gather(cfg->shadow + offset, len) & ours);
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

/* Does this write set a bit that starts an FLR? */
static bool starts_reset(const struct berth_vfio_config *cfg, unsigned int offset, unsigned int len,
			 uint32_t value)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(cfg->flr); i++) {
		unsigned int at = cfg->flr[i].at;

		if (cfg->flr[i].bit && hits(offset, len, at, 1) &&
		    (value >> (8 * (at - offset)) & cfg->flr[i].bit))
			return true;
	}
	return false;
}

/*
 * 6.6.2: after an FLR the registers are as after power-on. The device's own were saved and restored by the kernel, bus
 * mastering included, but no guest asks to reset a device that shall go on with DMA.
 */
static void reset(struct berth_vfio_config *cfg)
{
	uint32_t through = gather(cfg->through + PCI_COMMAND, 2);
	uint32_t command = berth_vfio_device_config_read(cfg->dev, PCI_COMMAND, 2);

	memcpy(cfg->shadow, cfg->initial, sizeof(cfg->shadow));
	berth_vfio_device_config_write(cfg->dev, PCI_COMMAND, command & ~through, 2);
}

/* There is neither D1 nor D2 (see the table): what asks for them is discarded (7.5.2.2). */
static void check_power(struct berth_vfio_config *cfg, uint8_t before)
{
	unsigned int at = cfg->caps.pm + PCI_PM_CTRL;
	uint8_t state = cfg->shadow[at] & PCI_PM_CTRL_STATE_MASK;

	if (state == 1 || state == 2)
		cfg->shadow[at] = before;
}

unsigned int berth_vfio_config_write(struct berth_vfio_config *cfg, unsigned int offset,
				     unsigned int len, uint32_t value)
{
	uint32_t through, keep, all = NO_ANSWER >> (8 * (4 - len));
	uint8_t power = cfg->shadow[cfg->caps.pm + PCI_PM_CTRL];

	if (!berth_range_fits(offset, len, cfg->size))
		return 0;
	for (unsigned int i = 0; i < len; i++) {
		unsigned int at = offset + i;
		uint8_t b = (uint8_t)(value >> (8 * i));

		cfg->shadow[at] = (cfg->shadow[at] & ~cfg->write[at]) | (b & cfg->write[at]);
	}
	if (cfg->caps.pm)
		check_power(cfg, power);
	through = gather(cfg->through + offset, len);
	keep = all & ~through & ~gather(cfg->zero + offset, len);
	if (through) {
		uint32_t device = keep ? berth_vfio_device_config_read(cfg->dev, offset, len) : 0;

		berth_vfio_device_config_write(cfg->dev, offset,
					       (value & through) | (device & keep), len);
	}
	if (!starts_reset(cfg, offset, len, value))
		return touched(cfg, offset, len);
	reset(cfg);
	return BERTH_VFIO_CONFIG_RESET;
}

void berth_vfio_config_set_pending(struct berth_vfio_config *cfg, uint32_t bits)
{
	berth_vfio_config_put(cfg, cfg->caps.msi_mask + 4u, 4, bits);
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
