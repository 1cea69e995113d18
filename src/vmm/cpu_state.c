/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/cpu_state.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/boot_map.h"
#include "vmm/loader.h"
#include "vmm/mem.h"

/* Intel SDM 3A, 2.5 (control registers) and 4.5 (paging); AMD APM 2, 5.3. */
#define CR0_PE	  (1u << 0)
#define CR0_ET	  (1u << 4)
#define CR0_PG	  (1u << 31)
#define CR4_PAE	  (1u << 5)
#define EFER_LME  (1u << 8)
#define EFER_LMA  (1u << 10)
#define PTE_P	  (1u << 0)
#define PTE_RW	  (1u << 1)
#define PTE_PS	  (1u << 7)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define PAGE	  4096
#define NR_PDS	  4 /* page directories of 1 GiB */

#define RFLAGS_RESERVED	 2
#define MSR_MISC_ENABLE	 0x1a0
#define MSR_MTRR_DEFTYPE 0x2ff
#define MISC_FAST_STRING 1
#define MTRR_ENABLED	 0x800
#define MTRR_WB		 6

/* Selectors that both boot protocols want: code 0x10 and data 0x18; the task segment is for KVM's sake. */
enum { SEL_CODE = 0x10, SEL_DATA = 0x18, SEL_TASK = 0x20 };
#define GDT_ENTRIES 5
#define TYPE_CODE   0xb /* execute, read, accessed */
#define TYPE_DATA   0x3 /* read, write, accessed */
#define TYPE_TASK   0xb /* busy */

static struct kvm_segment segment(uint16_t selector, uint8_t type, bool code64)
{
	return (struct kvm_segment){
		.base = 0,
		.limit = selector == SEL_TASK ? 0x67 : 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = selector != SEL_TASK,
		.l = code64,
		.db = selector != SEL_TASK && !code64,
		.g = selector != SEL_TASK,
	};
}

/* A segment as the 8 bytes of its descriptor: Intel SDM 3A, 3.4.5. */
static uint64_t descriptor(const struct kvm_segment *s)
{
	uint64_t limit = s->g ? s->limit >> 12 : s->limit;

	return (limit & 0xffff) | (uint64_t)s->type << 40 | (uint64_t)s->s << 44 |
	       (uint64_t)s->present << 47 | (limit >> 16 & 0xf) << 48 | (uint64_t)s->l << 53 |
	       (uint64_t)s->db << 54 | (uint64_t)s->g << 55;
}

static void put_gdt(const struct berth_mem *mem)
{
	uint64_t *gdt = berth_mem_at(mem, BERTH_BOOT_GDT, GDT_ENTRIES * sizeof(*gdt));
	struct kvm_segment code = segment(SEL_CODE, TYPE_CODE, true),
			   data = segment(SEL_DATA, TYPE_DATA, false),
			   task = segment(SEL_TASK, TYPE_TASK, false);

	assert(gdt);
	memset(gdt, 0, GDT_ENTRIES * sizeof(*gdt));
	gdt[SEL_CODE / 8] = descriptor(&code);
	gdt[SEL_DATA / 8] = descriptor(&data);
	gdt[SEL_TASK / 8] = descriptor(&task);
}

void berth_cpu_state_put_tables(const struct berth_mem *mem)
{
	uint64_t *tables = berth_mem_at(mem, BERTH_BOOT_PAGE_TABLES, (2 + NR_PDS) * PAGE);
	uint64_t *pml4 = tables, *pdpt, *pd;

	assert(tables);
	pdpt = pml4 + PAGE / sizeof(*pml4);
	pd = pdpt + PAGE / sizeof(*pdpt);
	put_gdt(mem);
	memset(tables, 0, (2 + NR_PDS) * PAGE);
	pml4[0] = (BERTH_BOOT_PAGE_TABLES + PAGE) | PTE_P | PTE_RW;
	for (unsigned int i = 0; i < NR_PDS; i++)
		pdpt[i] = (BERTH_BOOT_PAGE_TABLES + (2 + i) * PAGE) | PTE_P | PTE_RW;
	for (unsigned int i = 0; i < NR_PDS * (PAGE / sizeof(*pd)); i++)
		pd[i] = i * HUGE_PAGE | PTE_P | PTE_RW | PTE_PS;
}

int berth_cpu_state_set_msrs(int vcpu_fd, struct berth_err *err)
{
	static const struct kvm_msr_entry values[] = {
		/* With non-coherent DMA KVM honours the MTRRs: without this, guest RAM would be uncached. */
		{ .index = MSR_MTRR_DEFTYPE, .data = MTRR_ENABLED | MTRR_WB },
		{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRING },
	};
	BERTH_CLEANUP(berth_freep)
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(values));
	int nr;

	if (!msrs)
		return berth_err_set(err, -ENOMEM, "out of memory");
	msrs->nmsrs = BERTH_ARRAY_SIZE(values);
	memcpy(msrs->entries, values, sizeof(values));
	nr = ioctl(vcpu_fd, KVM_SET_MSRS, msrs);
	if (nr < 0)
		return berth_err_set(err, -errno, "KVM_SET_MSRS: %s", strerror(errno));
	if ((size_t)nr < BERTH_ARRAY_SIZE(values))
		return berth_err_set(err, -EOPNOTSUPP, "KVM does not let us set MSR 0x%x",
				     values[nr].index);
	return 0;
}

static void set_sregs(struct kvm_sregs *s, bool long_mode)
{
	s->cs = segment(SEL_CODE, TYPE_CODE, long_mode);
	s->ds = s->es = s->fs = s->gs = s->ss = segment(SEL_DATA, TYPE_DATA, false);
	s->tr = segment(SEL_TASK, TYPE_TASK, false);
	s->gdt.base = BERTH_BOOT_GDT;
	s->gdt.limit = GDT_ENTRIES * 8 - 1;
	s->idt.base = 0;
	s->idt.limit = 0; /* an exception before the kernel has its own table is a triple fault */
	s->cr0 = CR0_PE | CR0_ET;
	if (!long_mode)
		return;
	s->cr0 |= CR0_PG;
	s->cr3 = BERTH_BOOT_PAGE_TABLES;
	s->cr4 |= CR4_PAE;
	s->efer |= EFER_LME | EFER_LMA;
}

int berth_cpu_state_set_boot(int vcpu_fd, const struct berth_boot *boot, struct berth_err *err)
{
	bool long_mode = boot->protocol == BERTH_BOOT_LINUX64;
	struct kvm_regs regs = { .rip = boot->entry, .rflags = RFLAGS_RESERVED };
	struct kvm_sregs sregs;

	if (long_mode)
		regs.rsi = boot->params;
	else
		regs.rbx = boot->params;
	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return berth_err_set(err, -errno, "KVM_GET_SREGS: %s", strerror(errno));
	set_sregs(&sregs, long_mode);
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return berth_err_set(err, -errno, "KVM_SET_SREGS: %s", strerror(errno));
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return berth_err_set(err, -errno, "KVM_SET_REGS: %s", strerror(errno));
	return 0;
}
