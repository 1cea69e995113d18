/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/chain.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "policy/audit.h"

static void add_text(struct sha256_ctx *ctx, const char *text)
{
	char head[24];
	size_t len = text ? strlen(text) : 0;
	int n;

	if (!text) {
		sha256_update(ctx, 2, (const uint8_t *)"-,");
		return;
	}
	n = snprintf(head, sizeof(head), "%zu:", len);
	sha256_update(ctx, (size_t)n, (const uint8_t *)head);
	sha256_update(ctx, len, (const uint8_t *)text);
	sha256_update(ctx, 1, (const uint8_t *)",");
}

static void add_number(struct sha256_ctx *ctx, int64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, number);
	add_text(ctx, text);
}

static char *to_hex(struct sha256_ctx *ctx, char buf[static BERTH_CHAIN_HASH])
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(buf + 2 * i, 3, "%02x", digest[i]);
	return buf;
}

char *berth_chain_hash_text(const char *text, char buf[static BERTH_CHAIN_HASH])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	return to_hex(&ctx, buf);
}

char *berth_chain_hash(const struct berth_audit *row, const char *prev,
		       char buf[static BERTH_CHAIN_HASH])
{
	static const char version[] = "berth-audit-1\n";
	const char *const texts[] = { row->verb,   row->vm,    row->device,
				      row->before, row->after, row->reason };
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(version) - 1, (const uint8_t *)version);
	add_text(&ctx, prev);
	add_number(&ctx, row->seq);
	add_number(&ctx, row->time);
	add_number(&ctx, row->uid);
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(texts); i++)
		add_text(&ctx, texts[i]);
	return to_hex(&ctx, buf);
}
