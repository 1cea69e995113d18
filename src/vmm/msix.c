/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/msix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/range.h"

#define VECTOR_MASKED                                                                              \
	1u /* 7.7.2.5.4: bit 0 of Vector Control; the others are reserved or steering tags */

enum word { ADDR_LO, ADDR_HI, DATA, CONTROL, NR_WORDS };

struct berth_msix {
	const struct berth_msix_ops *ops; /* borrowed */
	void *opaque;
	uint16_t control;
	unsigned int nr;
	struct entry {
		uint32_t word[NR_WORDS];
		bool armed; /* the owner was told so */
	} entries[];
};

int berth_msix_new(struct berth_msix **ret, unsigned int nr, const struct berth_msix_ops *ops,
		   void *opaque)
{
	struct berth_msix *msix;

	if (nr == 0 || nr > BERTH_MSIX_MAX_VECTORS)
		return -EINVAL;
	msix = calloc(1, sizeof(*msix) + nr * sizeof(msix->entries[0]));
	if (!msix)
		return -ENOMEM;
	msix->ops = ops;
	msix->opaque = opaque;
	msix->nr = nr;
	berth_msix_reset(msix);
	*ret = msix;
	return 0;
}

void berth_msix_free(struct berth_msix *msix)
{
	free(msix);
}

uint64_t berth_msix_table_size(const struct berth_msix *msix)
{
	return (uint64_t)msix->nr * BERTH_MSIX_ENTRY_SIZE;
}

uint64_t berth_msix_pba_size(const struct berth_msix *msix)
{
	return ((uint64_t)msix->nr + 63) / 64 * 8;
}

static bool access_ok(uint64_t offset, unsigned int len, uint64_t size)
{
	return (len == 4 || len == 8) && offset % len == 0 && berth_range_fits(offset, len, size);
}

void berth_msix_table_read(const struct berth_msix *msix, uint64_t offset, unsigned int len,
			   void *data)
{
	memset(data, 0xff, len);
	if (!access_ok(offset, len, berth_msix_table_size(msix)))
		return;
	for (unsigned int i = 0; i < len; i += 4) {
		uint64_t at = offset + i;
		uint32_t v = msix->entries[at / BERTH_MSIX_ENTRY_SIZE]
				     .word[at % BERTH_MSIX_ENTRY_SIZE / 4];

		memcpy((uint8_t *)data + i, &v, 4);
	}
}

/* Tell the owner where vector @n stands. @changed: its message or mask was written. Return: something was armed. */
static bool settle(struct berth_msix *msix, unsigned int n, bool changed)
{
	struct entry *e = &msix->entries[n];
	bool live = (msix->control & BERTH_MSIX_ENABLE) && !(msix->control & BERTH_MSIX_MASKALL) &&
		    !(e->word[CONTROL] & VECTOR_MASKED);

	if (!live) {
		if (e->armed)
			msix->ops->hold(msix->opaque, n);
		e->armed = false;
		return false;
	}
	if (e->armed && !changed)
		return false;
	e->armed = true;
	msix->ops->arm(msix->opaque, n, (uint64_t)e->word[ADDR_HI] << 32 | e->word[ADDR_LO],
		       e->word[DATA]);
	return true;
}

static void write_word(struct entry *e, unsigned int word, uint32_t v)
{
	/* 7.7.2.5.1: the address is dword aligned */
	static const uint32_t kept[NR_WORDS] = { ~3u, ~0u, ~0u, VECTOR_MASKED };

	e->word[word] = v & kept[word];
}

void berth_msix_table_write(struct berth_msix *msix, uint64_t offset, unsigned int len,
			    const void *data)
{
	unsigned int n;

	if (!access_ok(offset, len, berth_msix_table_size(msix)))
		return;
	n = (unsigned int)(offset / BERTH_MSIX_ENTRY_SIZE);
	for (unsigned int i = 0; i < len; i += 4) {
		uint32_t v;

		memcpy(&v, (const uint8_t *)data + i, 4);
		write_word(&msix->entries[n], (offset + i) % BERTH_MSIX_ENTRY_SIZE / 4, v);
	}
	if (settle(msix, n, true))
		msix->ops->commit(msix->opaque);
}

void berth_msix_pba_read(const struct berth_msix *msix, uint64_t offset, unsigned int len,
			 void *data)
{
	uint8_t *bytes = data;

	memset(bytes, 0xff, len);
	if (!access_ok(offset, len, berth_msix_pba_size(msix)))
		return;
	memset(bytes, 0, len);
	for (unsigned int i = 0; i < 8 * len; i++) {
		uint64_t n = offset * 8 + i;

		if (n < msix->nr && !msix->entries[n].armed &&
		    msix->ops->pending(msix->opaque, (unsigned int)n))
			bytes[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

void berth_msix_set_control(struct berth_msix *msix, uint16_t control)
{
	bool armed = false;

	msix->control = control;
	for (unsigned int n = 0; n < msix->nr; n++)
		armed |= settle(msix, n, false);
	if (armed)
		msix->ops->commit(msix->opaque);
}

void berth_msix_reset(struct berth_msix *msix)
{
	berth_msix_set_control(msix, 0);
	for (unsigned int n = 0; n < msix->nr; n++)
		msix->entries[n] = (struct entry){ .word[CONTROL] = VECTOR_MASKED };
}
