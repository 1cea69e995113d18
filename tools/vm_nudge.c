/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_nudge.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "manager/evict.h"
#include "manager/manager.h"
#include "policy/ledger.h"
#include "tools/vm_dir.h"
#include "tools/vm_request.h"

#define BERTH_LOG "nudge"
#include "base/log.h"

#define ANSWER_MS 2000

void berth_vm_nudge(const struct berth_host *host, const char *vm)
{
	struct berth_err err = BERTH_ERR_INIT;
	BERTH_CLEANUP(berth_closep) int sock = berth_vm_dir_connect(host, vm, &err);

	if (sock < 0 || berth_vm_request(sock, "lease", ANSWER_MS, &err) < 0)
		log_debug("VM %s: %s", vm, err.text);
}

void berth_vm_nudge_all(struct berth_host *host)
{
	struct berth_assignment_list running = { 0 };
	struct berth_manager *m;

	if (berth_manager_open(&m, host, BERTH_MANAGER_READ, NULL, NULL) != 0)
		return;
	if (berth_evict_running(m, &running, NULL) < 0)
		running.nr = 0;
	berth_manager_close(m);
	for (size_t i = 0; i < running.nr; i++)
		berth_vm_nudge(host, running.items[i].vm);
	berth_assignment_list_free(&running);
}
