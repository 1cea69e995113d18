/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is: named devices, classes, pools, what stays with the host, SR-IOV wishes. */
#include "base/err.h"
#include "policy/load.h"
#include "policy/read.h"

/* --- devices and classes --- */

static int read_bind(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	static const char *const words[] = { "auto", "on-assign", NULL };
	struct berth_group_entry *entry = into;
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	entry->has_bind = true;
	entry->bind = word == 0 ? BERTH_BIND_AUTO : BERTH_BIND_ON_ASSIGN;
	return r;
}

static int read_net(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		    struct berth_err *err)
{
	struct berth_group_entry *entry = into;

	entry->has_net = true;
	return berth_read_net(reader, at, &entry->net, err);
}

static int read_class_net(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			  struct berth_err *err)
{
	struct berth_group_entry *entry = into;
	int r = read_net(reader, at, into, err);

	if (r == 0 && entry->net.has_mac)
		r = berth_json_bad(
			at, err,
			"\"mac\" in a class would give several devices the same address; "
			"put it into a device");
	return r;
}

static int check_device(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	const struct berth_group_entry *entry = into;

	(void)at;
	if (entry->expect || !berth_match_has(entry->match, "pci.bdf"))
		return 0;
	return berth_read_warn(
		reader, &entry->origin,
		"bus numbers change when cards are added; give \"expect\" with the ids, or "
		"match \"pci.path\"",
		err);
}

static const struct berth_key device_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_group_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "match", true, berth_read_match, offsetof(struct berth_group_entry, match) },
	{ "expect", false, berth_read_match, offsetof(struct berth_group_entry, expect) },
	{ "bind", false, read_bind, 0 },
	{ "net", false, read_net, 0 },
	{ 0 },
};

static const struct berth_key class_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_group_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "match", true, berth_read_match, offsetof(struct berth_group_entry, match) },
	{ "bind", false, read_bind, 0 },
	{ "net", false, read_class_net, 0 },
	{ 0 },
};

const struct berth_object berth_object_device = { "device", device_keys, check_device };
const struct berth_object berth_object_class = { "class", class_keys, NULL };

int berth_read_devices(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_device,
							sizeof(struct berth_group_entry),
							offsetof(struct berth_group_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->devices, &p->nr_devices,
				   err);
}

int berth_read_classes(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		       struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_class,
							sizeof(struct berth_group_entry),
							offsetof(struct berth_group_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->classes, &p->nr_classes,
				   err);
}

/* --- pools --- */

static int read_order(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	static const char *const words[] = { "listed", "pack", "spread", NULL };
	static const enum berth_order orders[] = { BERTH_ORDER_LISTED, BERTH_ORDER_PACK,
						   BERTH_ORDER_SPREAD };
	int word = 0, r = berth_read_word(at, words, &word, err);

	(void)reader;
	*(enum berth_order *)into = orders[word];
	return r;
}

static int check_pool(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	const struct berth_pool_entry *pool = into;

	(void)reader;
	if (!pool->devices == !pool->classes)
		return berth_json_bad(at, err, "must have either \"devices\" or \"class\"");
	return 0;
}

static const struct berth_key pool_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_pool_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "devices", false, berth_read_names, offsetof(struct berth_pool_entry, devices) },
	{ "class", false, berth_read_names, offsetof(struct berth_pool_entry, classes) },
	{ "match", false, berth_read_match, offsetof(struct berth_pool_entry, match) },
	{ "order", false, read_order, offsetof(struct berth_pool_entry, order) },
	{ "keep_free", false, berth_read_limit, offsetof(struct berth_pool_entry, keep_free) },
	{ 0 },
};

const struct berth_object berth_object_pool = { "pool", pool_keys, check_pool };

int berth_read_pools(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		     struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_pool,
							sizeof(struct berth_pool_entry),
							offsetof(struct berth_pool_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->pools, &p->nr_pools, err);
}

/* --- protect --- */

static const struct berth_key protect_keys[] = {
	{ "name", true, berth_read_name, offsetof(struct berth_protect_entry, name) },
	{ "comment", false, berth_read_comment, 0 },
	{ "match", true, berth_read_match, offsetof(struct berth_protect_entry, match) },
	{ 0 },
};

const struct berth_object berth_object_protect = { "protect", protect_keys, NULL };

int berth_read_protects(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	static const struct berth_elements elements = {
		&berth_object_protect, sizeof(struct berth_protect_entry),
		offsetof(struct berth_protect_entry, origin), BERTH_POLICY_MAX_ENTRIES,
		"in the policy"
	};
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->protects, &p->nr_protects,
				   err);
}

/* --- sriov --- */

/* TotalVFs of the SR-IOV capability has 16 bits (PCIe Base 6.0, 9.3.3.6). */
static int read_num_vfs(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			struct berth_err *err)
{
	int64_t number = 0;
	int r = berth_read_number(at, 0, 65535, &number, err);

	(void)reader;
	*(unsigned int *)into = (unsigned int)number;
	return r;
}

static int read_vf_defaults(struct berth_reader *reader, const struct berth_json_at *at, void *into,
			    struct berth_err *err)
{
	struct berth_net_policy *net = into;
	int r = berth_read_net(reader, at, net, err);

	if (r == 0 && net->has_mac)
		r = berth_json_bad(at, err,
				   "\"mac\" would give all virtual functions the same address; put "
				   "it into a device");
	return r;
}

static const struct berth_key sriov_keys[] = {
	{ "pf", true, berth_read_name, offsetof(struct berth_sriov_entry, pf) },
	{ "comment", false, berth_read_comment, 0 },
	{ "num_vfs", true, read_num_vfs, offsetof(struct berth_sriov_entry, num_vfs) },
	{ "vf_defaults", false, read_vf_defaults, offsetof(struct berth_sriov_entry, vf_defaults) },
	{ 0 },
};

const struct berth_object berth_object_sriov = { "sriov", sriov_keys, NULL };

int berth_read_sriovs(struct berth_reader *reader, const struct berth_json_at *at, void *into,
		      struct berth_err *err)
{
	static const struct berth_elements elements = { &berth_object_sriov,
							sizeof(struct berth_sriov_entry),
							offsetof(struct berth_sriov_entry, origin),
							BERTH_POLICY_MAX_ENTRIES, "in the policy" };
	struct berth_policy *p = into;

	return berth_read_elements(reader, &elements, at, (void **)&p->sriovs, &p->nr_sriovs, err);
}
