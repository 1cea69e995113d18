/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's interrupt routing and irqfds as the tests of passthrough need them: berth_irq_… calls are replaced (linked with
 * --wrap) by a model that also checks the order in which they come.
 */
#ifndef BERTH_TESTS_FAKE_IRQ_H
#define BERTH_TESTS_FAKE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

struct fake_vfio;

#define FAKE_GSIS    4096
#define FAKE_IRQ_LOG 8192

struct fake_irq {
	struct {
		bool allocated, routed, committed;
		uint64_t addr, now_addr; /* as set; as committed */
		uint32_t data, now_data;
		int fd;		 /* attached eventfd, -1 */
		int resample_fd; /* -1 */
		unsigned int injected;
	} gsi[FAKE_GSIS];
	/* What KVM delivered, in order; a pin shows as address 0 and its number. */
	struct fake_message {
		uint64_t addr;
		uint32_t data;
	} log[FAKE_IRQ_LOG];
	unsigned int nr_log;
	unsigned int top; /* GSIs from here on were never used */
	unsigned int nr_commits, nr_attaches;
	int attach_result; /* when not 0: what the next attach answers */
};

extern struct fake_irq fake_irq;

void fake_irq_reset(void);
/*
 * The device raises a vector: VFIO signals its eventfd; KVM takes it when attached. What nobody listens to, of an index
 * that is enabled, the device keeps pending (MSI-X, MSI with masking). Return: was there a signal at all?
 */
bool fake_irq_raise(struct fake_vfio *f, unsigned int index, unsigned int vector);
/* Somebody writes to an eventfd that may be attached. */
void fake_irq_signal(int fd);
/* Interrupts that a message's data stands for; counted over all GSIs. */
unsigned int fake_irq_injected(uint32_t data);

#endif
