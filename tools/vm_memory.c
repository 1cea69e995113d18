/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/vm_memory.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tools/run_config.h"
#include "vmm/hostmem.h"

#define BERTH_LOG "run"
#include "base/log.h"

int berth_vm_memory_reserve(struct berth_vm_memory *m, const struct berth_host *host,
			    const struct berth_run_config *c, struct berth_err *err)
{
	int r = 0;

	m->config.pages = c->pages;
	m->config.size = c->memory;
	m->config.node = c->numa_node >= 0 ? c->numa_node : BERTH_NODE_ANY;
	if (c->numa_node >= 0)
		r = berth_hostmem_check_node(host, c->numa_node, c->pages, c->memory, err);
	if (r == 0 && berth_pages_hugetlb(c->pages))
		r = berth_hostmem_pool_file(host, c->pages, c->memory, &m->config.fd, err);
	return r < 0 ? berth_err_prefix(err, r, "VM %s", c->name) : 0;
}

void berth_vm_memory_choose_node(struct berth_vm_memory *m, const struct berth_host *host,
				 const struct berth_run_config *c, const struct berth_bdf *devices,
				 size_t nr)
{
	struct berth_err err = BERTH_ERR_INIT;

	if (c->numa_node == BERTH_RUN_NODE_AUTO &&
	    berth_hostmem_choose_node(host, devices, nr, c->pages, c->memory, &m->config.node,
				      &err) < 0)
		log_warn("VM %s: %s", c->name, err.text);
}

void berth_vm_memory_done(struct berth_vm_memory *m)
{
	berth_closep(&m->config.fd);
	m->config.fd = -1;
}
