/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's loop against a berth-vmm that is played by a child of the test. Linked by the Makefile's OBJ_test_x.
 */
#ifndef BERTH_TESTS_VM_LOOP_FIXTURE_H
#define BERTH_TESTS_VM_LOOP_FIXTURE_H

#include <stdint.h>

#include "base/err.h"
#include "tools/console.h"
#include "tools/vm_loop.h"
#include "vmm/control.h"

struct berth_vfio_device;
struct fake_vfio;

struct loop_fixture {
	struct berth_vm_process process;
	struct berth_terminal *terminal;
	struct berth_console console;
	struct berth_vm_loop_config config;
	struct berth_vm_loop *loop;
	struct berth_vm_ending end;
	struct berth_err err;
	char output[64];
	int running; /* calls of on_running */
	int went;    /* calls of on_go */
	int go;	     /* and what it answers */
	int ready;   /* calls of on_memory */
	struct fake_vfio *fake;
	struct berth_vfio_device *dev;
	struct berth_vfio_watch *watch;
};

/* What the child finds in its copy of the test's memory. */
extern struct loop_fixture *loop_current;

int loop_set_up(void **state);
int loop_tear_down(void **state);

/* Runs the loop with @vmm as the child, until that is reaped. */
void loop_run(struct loop_fixture *f, void (*vmm)(int control, int console));

int64_t loop_now_ms(void);

/* For the child. expect: another message than this one ends it with status 8. */
void loop_expect(int control, enum berth_control_type type);
void loop_start_up(int control);
void loop_end(int control, enum berth_control_outcome outcome, const char *text)
	__attribute__((noreturn));

#endif
