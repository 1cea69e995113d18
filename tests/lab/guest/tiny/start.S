/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the PVH entry (32 bits, paging off, EBX: start info) to main() in 64 bits: a GDT, an identity map of 4 GiB, a stack;
 * and the 256 ways into on_interrupt().
 */
#define PTE	   0x83 /* present, writable, 2 MiB */
#define UNCACHED   0x18 /* PWT and PCD: device memory, from 3 GiB on */
#define CR4_PAE	   0x20
#define MSR_EFER   0xc0000080
#define EFER_LME   0x100
#define CR0_PG	   0x80000000
#define SEL_CODE   8
#define SEL_DATA   16

	.section .note.pvh, "a", @note
	.long 4, 8, 18 /* sizes of name and contents; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad start

	.section .text.start, "ax"
	.code32
	.globl start
start:
	cld
	mov $pd, %edi
	xor %ecx, %ecx
1:	mov %ecx, %eax
	shl $21, %eax
	or $PTE, %eax
	cmp $1536, %ecx
	jb 2f
	or $UNCACHED, %eax
2:	mov %eax, (%edi,%ecx,8)
	movl $0, 4(%edi,%ecx,8)
	inc %ecx
	cmp $2048, %ecx
	jb 1b
	movl $pdpt + 3, pml4
	movl $pd + 3, pdpt
	movl $pd + 0x1003, pdpt + 8
	movl $pd + 0x2003, pdpt + 16
	movl $pd + 0x3003, pdpt + 24
	mov $pml4, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $SEL_CODE, $start64

	.code64
start64:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	lea stack_top(%rip), %rsp
	xor %ebp, %ebp
	call tiny_start
3:	hlt
	jmp 3b

	.data
	.balign 8
gdt:	.quad 0
	.quad 0x00af9a000000ffff
	.quad 0x00cf92000000ffff
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.bss
	.balign 4096
pml4:	.skip 4096
pdpt:	.skip 4096
pd:	.skip 4 * 4096
	.skip 16384
stack_top:

	.text
/* Each 16 bytes long; those of the processor that have an error code of their own: AMD APM 2, 8.2. */
	.balign 16
	.globl vectors
vectors:
	.set i, 0
	.rept 256
	.balign 16
	.if !(i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21 || i == 29 || i == 30)
	pushq $0
	.endif
	pushq $i
	jmp common
	.set i, i + 1
	.endr

common:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	mov 72(%rsp), %rdi /* vector */
	mov 88(%rsp), %rsi /* where it was */
	sub $8, %rsp	   /* 16 pushes of 8 bytes make the stack aligned for C again */
	cld
	call on_interrupt
	add $8, %rsp
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
