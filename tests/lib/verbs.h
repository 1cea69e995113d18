/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs as the commands do them, on a small host whose kernel answers (fake_pci.h): the fixture of the tests of
 * src/manager. For tests with WRAP_VERBS in the Makefile.
 */
#ifndef BERTH_TESTS_VERBS_H
#define BERTH_TESTS_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager/manager.h"
#include "tests/lib/fake_fixture.h"

struct berth_vm_claim;

#define PORT1 "0000:00:01.0"
#define PORT2 "0000:00:02.0"
#define PORT3 "0000:00:03.0"
#define NIC   "0000:01:00.0"
#define GPU   "0000:02:00.0"
#define AUDIO "0000:02:00.1"
#define EDU   "0000:03:00.0"
#define SIB   "0000:03:01.0"
#define PF    "0000:04:00.0"
#define VF    "0000:04:10.0"

/* The network settings of the one VF, as its PF's driver keeps them: at first, and now. */
extern const char verbs_net_found[];
extern char verbs_net_now[];
extern bool verbs_net_broken; /* the driver takes nothing but what it had */

int verbs_set_up(void **state);

int verbs_set_up_vf(void **state);

struct berth_manager *verbs_open(struct fake_fixture *f, enum berth_manager_mode mode);

int verbs_assign(struct fake_fixture *f, const char *vm, const char *dev, struct berth_err *err);

int verbs_release(struct fake_fixture *f, const char *vm, const char *dev, struct berth_err *err);

void verbs_recover(struct fake_fixture *f);

/* Number of rows that berth status shows; of the first one the state, "" for none. */
size_t verbs_status(struct fake_fixture *f, char state[32]);

void verbs_expect_state(struct fake_fixture *f, const char *want);

const char *verbs_power(struct fake_fixture *f, const char *bdf);

/* Everything on the host is as the fixture made it, and nobody owns anything. */
void verbs_expect_untouched(struct fake_fixture *f, const char *when);

/* /proc/PID/stat of a process that lives as long as the file does. */
void verbs_process(struct fake_fixture *f, int pid);

struct berth_vm_claim *verbs_claim(struct fake_fixture *f, const char *vm, const char *dev,
				   pid_t holder, int want);

void verbs_unclaim(struct fake_fixture *f, struct berth_vm_claim *c, bool reset_ok, int want,
		   struct berth_err *err);

/* Write into the configuration space of @bdf. */
void verbs_set_config(struct fake_fixture *f, const char *bdf, unsigned int at, uint16_t value);

#endif
