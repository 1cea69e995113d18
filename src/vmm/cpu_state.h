/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state in which processors start: registers and MSRs of the first vCPU, MSRs of all. The others wait for the guest's
 * INIT and SIPI, which KVM's LAPIC handles.
 */
#ifndef BERTH_VMM_CPU_STATE_H
#define BERTH_VMM_CPU_STATE_H

struct berth_boot;
struct berth_err;
struct berth_mem;

/* Write the GDT and, for 64-bit entry, identity page tables of the first 4 GiB. */
void berth_cpu_state_put_tables(const struct berth_mem *mem);

/* What firmware leaves in every processor: MTRR default write-back, fast strings. Return: 0 or -errno. */
int berth_cpu_state_set_msrs(int vcpu_fd, struct berth_err *err);

/* Registers of the first vCPU at the kernel's entry point. Return: 0 or -errno. */
int berth_cpu_state_set_boot(int vcpu_fd, const struct berth_boot *boot, struct berth_err *err);

#endif
