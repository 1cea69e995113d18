/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's wish for devices, looked at from all sides before anything moves: what is meant, what moves with it, who owns it,
 * is it safe, does policy allow it. The same for assign, plan and run.
 */
#ifndef BERTH_MANAGER_REQUEST_H
#define BERTH_MANAGER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "manager/unit.h"
#include "policy/ledger.h"

struct berth_manager;

struct berth_request {
	char *vm;			   /* owned */
	struct berth_units units;	   /* every group that is needed */
	struct berth_assignment_list live; /* the ledger's rows when we looked */
	/* By unit: the live assignment that @vm has already, or NULL: to be taken from the host. Borrowed from @live. */
	const struct berth_assignment **own;
	/* What it is taken for, kept with it in the ledger: what was asked for with, else what the policy's claim of @vm says. */
	int priority;
	bool preemptible;
};

/**
 * berth_request_make() - check @vm's wish for @names
 *
 * Return: 0; -EINVAL malformed BDF or VM name; -ENODEV; BERTH_REFUSED owned by another, by safety or by policy, the first
 *         reason is in @err; -errno.
 */
int berth_request_make(struct berth_manager *m, const char *vm, const char *const *names, size_t nr,
		       struct berth_request *ret, struct berth_err *err);
void berth_request_done(struct berth_request *request);

/* A VM's name as other parts of the system can bear it: letters, digits, "._-", not first '.' or '-', at most 64.
 * Return: 0; -EINVAL. */
int berth_vm_name_check(const char *vm, struct berth_err *err);

#endif
