/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stages 7 and 8 of sandbox.h: what system calls berth-vmm may make, each with its reason.
 */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>
#include <seccomp.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "uapi/iommufd.h"

/* Filters only ever take away, so what is allowed later is allowed from the start. */
enum {
	MAKE = 1,   /* only while the VM is made */
	ALWAYS = 3, /* and while it runs, and at its end */
};

struct rule {
	int nr;
	unsigned int phases;
	const char *why;
	unsigned int nr_args;
	struct scmp_arg_cmp args[1];
};

/* A pthread of glibc, exactly: CLONE_VM | FS | FILES | SYSVSEM | SIGHAND | THREAD | SETTLS | PARENT_SETTID | CHILD_CLEARTID. */
#define THREAD_FLAGS 0x3d0f00

/* clang-format off */
/* Conditions on arguments, for the last two members of a struct rule. */
#define ANY	       0, { { 0 } }
#define IS(n, value)   1, { { (n), SCMP_CMP_EQ, (value), 0 } }
#define LACKS(n, bits) 1, { { (n), SCMP_CMP_MASKED_EQ, (bits), 0 } }

static const struct rule rules[] = {
	{ SCMP_SYS(read), ALWAYS, "eventfds, console, kernel image", ANY },
	{ SCMP_SYS(pread64), ALWAYS, "kernel image; config space and regions of VFIO devices", ANY },
	{ SCMP_SYS(pwrite64), ALWAYS, "config space and regions of VFIO devices", ANY },
	{ SCMP_SYS(write), ALWAYS, "eventfds, console, diagnostics on stderr", ANY },
	{ SCMP_SYS(writev), ALWAYS, "glibc's last words (assert, malloc corruption)", ANY },
	{ SCMP_SYS(close), ALWAYS, "end of descriptors", ANY },
	{ SCMP_SYS(fstat), ALWAYS, "size of kernel and initrd", ANY },
	{ SCMP_SYS(newfstatat), MAKE, "fstat of glibc 2.33 and later; there is no path it could find", ANY },
	{ SCMP_SYS(lseek), MAKE, "size of kernel and initrd", ANY },
	{ SCMP_SYS(eventfd2), ALWAYS, "interrupt vectors that the guest switches on", ANY },
	{ SCMP_SYS(epoll_create1), MAKE, "the event loop", ANY },
	{ SCMP_SYS(epoll_ctl), ALWAYS, "descriptors watched by the event loop", ANY },
	{ SCMP_SYS(epoll_wait), ALWAYS, "the event loop", ANY },
	{ SCMP_SYS(epoll_pwait), ALWAYS, "the event loop, where glibc has no epoll_wait", ANY },
	{ SCMP_SYS(poll), ALWAYS, "waiting for one descriptor", ANY },
	{ SCMP_SYS(ppoll), ALWAYS, "the same", ANY },
	{ SCMP_SYS(timerfd_create), MAKE, "clock of the guest", ANY },
	{ SCMP_SYS(timerfd_settime), ALWAYS, "clock of the guest", ANY },
	{ SCMP_SYS(fcntl), ALWAYS, "non-blocking console", IS(1, F_SETFL) },
	{ SCMP_SYS(fcntl), ALWAYS, "non-blocking console", IS(1, F_GETFL) },
	{ SCMP_SYS(fcntl), MAKE, "descriptors of the launch", IS(1, F_GETFD) },

	{ SCMP_SYS(mmap), ALWAYS, "guest RAM, BARs, malloc; never executable",
	  LACKS(2, PROT_EXEC) },
	{ SCMP_SYS(mprotect), ALWAYS, "thread stacks, malloc; never executable",
	  LACKS(2, PROT_EXEC) },
	{ SCMP_SYS(munmap), ALWAYS, "guest RAM, BARs, malloc", ANY },
	{ SCMP_SYS(mremap), ALWAYS, "realloc of large blocks", ANY },
	{ SCMP_SYS(madvise), ALWAYS, "huge pages for guest RAM; stacks of ended threads", ANY },
	{ SCMP_SYS(mbind), MAKE, "guest RAM on the node of its devices", ANY },
	{ SCMP_SYS(brk), ALWAYS, "malloc", ANY },
	{ SCMP_SYS(memfd_create), MAKE, "guest RAM", ANY },
	{ SCMP_SYS(ftruncate), MAKE, "guest RAM", ANY },

	{ SCMP_SYS(clone), MAKE, "vCPU threads, not processes", IS(0, THREAD_FLAGS) },
	{ SCMP_SYS(set_robust_list), ALWAYS, "start of a thread", ANY },
	{ SCMP_SYS(rseq), ALWAYS, "start of a thread", ANY },
	{ SCMP_SYS(prctl), ALWAYS, "names of threads", IS(0, PR_SET_NAME) },
	{ SCMP_SYS(futex), ALWAYS, "locks", ANY },
	{ SCMP_SYS(gettid), ALWAYS, "kicks, abort", ANY },
	{ SCMP_SYS(getpid), ALWAYS, "kicks, abort", ANY },
	{ SCMP_SYS(sched_yield), ALWAYS, "waiting for another thread", ANY },
	{ SCMP_SYS(sched_getaffinity), ALWAYS, "glibc counts processors for malloc's arenas", ANY },
	{ SCMP_SYS(rt_sigaction), ALWAYS, "the empty handler of the kick; abort", ANY },
	{ SCMP_SYS(rt_sigprocmask), ALWAYS, "kicks, threads, abort", ANY },
	{ SCMP_SYS(rt_sigreturn), ALWAYS, "return from the kick's handler", ANY },
	{ SCMP_SYS(sigaltstack), ALWAYS, "threads of a build with AddressSanitizer", ANY },
	{ SCMP_SYS(restart_syscall), ALWAYS, "SIGSTOP and SIGCONT by an administrator", ANY },
	{ SCMP_SYS(clock_gettime), ALWAYS, "time, where the vDSO cannot tell", ANY },
	{ SCMP_SYS(clock_nanosleep), ALWAYS, "waiting for a device", ANY },
	{ SCMP_SYS(gettimeofday), ALWAYS, "time, where the vDSO cannot tell", ANY },
	{ SCMP_SYS(getrandom), ALWAYS, "malloc", ANY },
	{ SCMP_SYS(exit), ALWAYS, "end of a thread", ANY },
	{ SCMP_SYS(exit_group), ALWAYS, "the end", ANY },
	{ SCMP_SYS(seccomp), MAKE, "the second filter", ANY },
	{ SCMP_SYS(sysinfo), MAKE, "glibc 2.36: qsort asks how much memory there is", ANY },
};

struct request {
	unsigned long request;
	unsigned int phases;
	const char *why;
};

static const struct request kvm_requests[] = {
	/* linux/kvm.h: /dev/kvm */
	{ KVM_GET_API_VERSION, MAKE, "is it KVM" },
	{ KVM_CREATE_VM, MAKE, "once" },
	{ KVM_CHECK_EXTENSION, MAKE, "what this KVM can do" },
	{ KVM_GET_VCPU_MMAP_SIZE, MAKE, "size of the vCPU's shared page" },
	{ KVM_GET_SUPPORTED_CPUID, MAKE, "CPU features for the guest" },
	{ KVM_GET_MSR_INDEX_LIST, MAKE, "which MSRs exist" },
	{ KVM_GET_MSRS, MAKE, "features described by MSRs" },
	/* linux/kvm.h: VM */
	{ KVM_CREATE_VCPU, MAKE, "vCPUs" },
	{ KVM_SET_TSS_ADDR, MAKE, "Intel: pages for real mode" },
	{ KVM_SET_IDENTITY_MAP_ADDR, MAKE, "Intel: the same" },
	{ KVM_CREATE_IRQCHIP, MAKE, "interrupt controllers in the kernel" },
	{ KVM_CREATE_PIT2, MAKE, "timer in the kernel" },
	{ KVM_ENABLE_CAP, MAKE, "optional features" },
	{ KVM_CREATE_DEVICE, MAKE, "KVM-VFIO device" },
	{ KVM_SET_DEVICE_ATTR, ALWAYS, "groups of the KVM-VFIO device, taken off at the end" },
	{ KVM_SET_USER_MEMORY_REGION, ALWAYS, "guest RAM; BARs, which the guest moves" },
	{ KVM_SET_GSI_ROUTING, ALWAYS, "MSI messages, which the guest writes" },
	{ KVM_IRQFD, ALWAYS, "interrupts without an exit" },
	{ KVM_IOEVENTFD, ALWAYS, "doorbells without an exit" },
	{ KVM_IRQ_LINE, ALWAYS, "interrupts of serial port and clock" },
	{ KVM_SIGNAL_MSI, ALWAYS, "MSI of emulated devices" },
	/* linux/kvm.h: vCPU */
	{ KVM_SET_CPUID2, MAKE, "CPU features for the guest" },
	{ KVM_SET_MSRS, MAKE, "start state" },
	{ KVM_GET_SREGS, ALWAYS, "start state; words about a triple fault" },
	{ KVM_SET_SREGS, MAKE, "start state" },
	{ KVM_GET_REGS, ALWAYS, "words about a triple fault" },
	{ KVM_SET_REGS, MAKE, "start state" },
	{ KVM_GET_FPU, MAKE, "start state" },
	{ KVM_SET_FPU, MAKE, "start state" },
	{ KVM_GET_LAPIC, MAKE, "start state" },
	{ KVM_SET_LAPIC, MAKE, "start state" },
	{ KVM_SET_MP_STATE, MAKE, "vCPUs but the first wait for INIT" },
	{ KVM_SET_SIGNAL_MASK, MAKE, "the kick" },
	{ KVM_RUN, ALWAYS, "the guest" },
};

static const struct request type1_requests[] = {
	/* linux/vfio.h: container. MAP_DMA is also VFIO_DEVICE_PCI_HOT_RESET, so it ends with MAKE; see also add_own(). */
	{ VFIO_IOMMU_GET_INFO, MAKE, "page sizes, reserved addresses; of a device: HOT_RESET_INFO" },
	{ VFIO_IOMMU_MAP_DMA, MAKE, "guest RAM for the devices; of a device: PCI_HOT_RESET" },
	{ VFIO_IOMMU_UNMAP_DMA, ALWAYS, "the end; of a device: QUERY_GFX_PLANE" },
};

static const struct request iommufd_requests[] = {
	/* uapi/iommufd.h. Neither OPTION, HWPT_* nor DESTROY: the supervisor has made the address space. */
	{ BERTH_IOMMU_IOAS_IOVA_RANGES, MAKE, "page sizes, reserved addresses" },
	{ BERTH_IOMMU_IOAS_MAP, MAKE, "guest RAM for the devices" },
	{ BERTH_IOMMU_IOAS_UNMAP, ALWAYS, "the end" },
};

static const struct request device_requests[] = {
	/* linux/vfio.h: device. Neither BIND_IOMMUFD nor ATTACH or DETACH: the supervisor did that. */
	{ VFIO_DEVICE_GET_INFO, MAKE, "regions and interrupts" },
	{ VFIO_DEVICE_GET_REGION_INFO, MAKE, "regions" },
	{ VFIO_DEVICE_GET_IRQ_INFO, MAKE, "interrupts" },
	{ VFIO_DEVICE_SET_IRQS, ALWAYS, "interrupts that the guest switches on and off" },
	{ VFIO_DEVICE_RESET, ALWAYS, "function-level reset by the guest" },
};
/* clang-format on */

static int add_rule(scmp_filter_ctx ctx, const struct rule *r)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, r->nr, r->nr_args, r->args);
}

/* Which requests there are for which VMs, enum berth_sandbox_devices or-ed. */
static const struct {
	unsigned int devices;
	const struct request *list;
	size_t nr;
} request_tables[] = {
	{ BERTH_SANDBOX_NO_DEVICES | BERTH_SANDBOX_TYPE1 | BERTH_SANDBOX_IOMMUFD, kvm_requests,
	  BERTH_ARRAY_SIZE(kvm_requests) },
	{ BERTH_SANDBOX_TYPE1, type1_requests, BERTH_ARRAY_SIZE(type1_requests) },
	{ BERTH_SANDBOX_IOMMUFD, iommufd_requests, BERTH_ARRAY_SIZE(iommufd_requests) },
	{ BERTH_SANDBOX_TYPE1 | BERTH_SANDBOX_IOMMUFD, device_requests,
	  BERTH_ARRAY_SIZE(device_requests) },
};

static int add_requests(scmp_filter_ctx ctx, unsigned int phase, const struct request *list,
			size_t nr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr; i++) {
		if (list[i].phases & phase)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					     SCMP_A1_64(SCMP_CMP_EQ, list[i].request, 0));
	}
	return r;
}

static int add_tables(scmp_filter_ctx ctx, unsigned int phase, unsigned int devices)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < BERTH_ARRAY_SIZE(rules); i++) {
		if (rules[i].phases & phase)
			r = add_rule(ctx, &rules[i]);
	}
	for (size_t i = 0; r == 0 && i < BERTH_ARRAY_SIZE(request_tables); i++) {
		if (request_tables[i].devices & devices)
			r = add_requests(ctx, phase, request_tables[i].list, request_tables[i].nr);
	}
	return r;
}

/* BARs for peers, while the VM runs. */
static int add_mapping(scmp_filter_ctx ctx, unsigned int devices, int fd)
{
	unsigned long request = devices & BERTH_SANDBOX_IOMMUFD ? BERTH_IOMMU_IOAS_MAP :
								  VFIO_IOMMU_MAP_DMA;

	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 2,
				SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)fd, 0),
				SCMP_A1_64(SCMP_CMP_EQ, request, 0));
}

/* Rules whose arguments are known only now. */
static int add_own(scmp_filter_ctx ctx, unsigned int phase, unsigned int devices,
		   const struct berth_sandbox_fds *fds)
{
	const struct rule own[] = {
		{ SCMP_SYS(sendmsg), ALWAYS, "the supervisor", IS(0, (scmp_datum_t)fds->control) },
		{ SCMP_SYS(recvmsg), ALWAYS, "the supervisor", IS(0, (scmp_datum_t)fds->control) },
		{ SCMP_SYS(sendto), ALWAYS, "guest output, without waiting for the user",
		  IS(0, (scmp_datum_t)fds->console) },
		{ SCMP_SYS(tgkill), ALWAYS, "kicks of our own threads, abort",
		  IS(0, (scmp_datum_t)getpid()) },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BERTH_ARRAY_SIZE(own); i++) {
		/* without a console there is no descriptor to allow */
		if ((own[i].phases & phase) && (own[i].nr != SCMP_SYS(sendto) || fds->console >= 0))
			r = add_rule(ctx, &own[i]);
	}
	if (r == 0 && fds->dma >= 0)
		r = add_mapping(ctx, devices, fds->dma);
	/* clone3's flags are in memory, where a filter cannot look: glibc then takes clone. */
	if (r == 0 && (phase & MAKE))
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

static int build(scmp_filter_ctx ctx, unsigned int phase, unsigned int devices,
		 const struct berth_sandbox_fds *fds)
{
	/* A process of another architecture's calls is as wrong as a call outside the list. */
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* A search tree instead of one comparison after another: KVM_RUN and read are on the way of every exit. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_tables(ctx, phase, devices);
	if (r == 0)
		r = add_own(ctx, phase, devices, fds);
	return r;
}

int berth_sandbox_filter(enum berth_sandbox_phase phase, enum berth_sandbox_devices devices,
			 const struct berth_sandbox_fds *fds, struct berth_err *err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return berth_err_set(err, -ENOMEM, "confining berth-vmm: out of memory");
	r = build(ctx, phase == BERTH_SANDBOX_SETUP ? MAKE : ALWAYS & ~MAKE, devices, fds);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r < 0 ? berth_err_set(err, r, "confining berth-vmm: system call filter: %s",
				     strerror(-r)) :
		       0;
}
