/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "manager/manager.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/host.h"
#include "manager/context.h"
#include "manager/facts.h"
#include "manager/recover.h"
#include "manager/reserve.h"
#include "manager/view.h"
#include "manager/wait.h"
#include "policy/ledger.h"
#include "policy/load.h"
#include "vfio/inuse.h"
#include "vfio/inventory.h"

int berth_manager_refresh(struct berth_manager *m, struct berth_err *err)
{
	struct berth_inventory *inv;
	int r = berth_inventory_read(&inv, m->host, err);

	if (r < 0)
		return r;
	berth_view_drop(m);
	berth_fact_sheet_free(m->facts);
	m->facts = NULL;
	berth_inuse_free(m->inuse);
	m->inuse = NULL;
	berth_inventory_free(m->inv);
	m->inv = inv;
	return berth_platform_read(&m->platform, m->host);
}

static int open_ledger(struct berth_manager *m, struct berth_err *err)
{
	bool change = m->mode == BERTH_MANAGER_CHANGE;
	int r = berth_ledger_open(&m->ledger, m->host->state,
				  change ? BERTH_LEDGER_WRITE : BERTH_LEDGER_READ, err);

	if (r != -EACCES || change)
		return r;
	/* An ordinary user may look at the host, though not at who owns what. */
	berth_err_clear(err);
	return 0;
}

void berth_manager_force(struct berth_manager *m)
{
	m->force = true;
}

void berth_manager_priority(struct berth_manager *m, int priority)
{
	m->turn.priority = priority;
}

int berth_manager_policy(const struct berth_manager *m, const struct berth_policy **ret,
			 struct berth_err *err)
{
	*ret = m->policy;
	return m->policy ? 0 : berth_err_set(err, m->policy_err.code, "%s", m->policy_err.text);
}

static int open_all(struct berth_manager *m, struct berth_err *err)
{
	int r = 0;

	if (m->mode == BERTH_MANAGER_CHANGE)
		r = berth_lock_take(&m->lock, m->host->state, BERTH_MANAGER_LOCK_MS, err);
	if (r == 0)
		r = open_ledger(m, err);
	if (r == 0 && berth_policy_load(m->host, &m->policy, &m->policy_err) == 0)
		r = berth_reserve_enter(m, m->policy, err);
	if (r == 0)
		r = berth_manager_refresh(m, err);
	return r;
}

int berth_manager_open(struct berth_manager **ret, struct berth_host *host,
		       enum berth_manager_mode mode, struct berth_report *report,
		       struct berth_err *err)
{
	BERTH_CLEANUP(berth_manager_closep) struct berth_manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return berth_err_set(err, -ENOMEM, "out of memory");
	m->host = host;
	m->mode = mode;
	m->lock = (struct berth_lock)BERTH_LOCK_INIT;
	r = open_all(m, err);
	if (r == 0 && mode == BERTH_MANAGER_CHANGE)
		r = berth_recover(m, report, err);
	if (r == 0 && mode == BERTH_MANAGER_CHANGE)
		r = berth_wait_tidy(m, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(m);
	return 0;
}

void berth_manager_close(struct berth_manager *m)
{
	if (!m)
		return;
	berth_view_drop(m);
	berth_fact_sheet_free(m->facts);
	berth_inuse_free(m->inuse);
	berth_inventory_free(m->inv);
	berth_policy_free(m->policy);
	berth_ledger_close(m->ledger);
	berth_busy_end_all(m);
	/* The last: what the next one reads must be written. */
	berth_lock_drop(&m->lock);
	free(m);
}
