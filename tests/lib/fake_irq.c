/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include "tests/lib/fake_irq.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/fake_vfio.h"
#include "vmm/irq.h"

struct fake_irq fake_irq;

int __wrap_berth_irq_alloc_gsi(struct berth_irq *irq, unsigned int *ret_gsi, struct berth_err *err);
void __wrap_berth_irq_free_gsi(struct berth_irq *irq, unsigned int gsi);
int __wrap_berth_irq_set_msi(struct berth_irq *irq, unsigned int gsi, uint64_t addr, uint32_t data,
			     struct berth_err *err);
int __wrap_berth_irq_commit(struct berth_irq *irq, struct berth_err *err);
int __wrap_berth_irq_attach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd,
			       int resample_fd, struct berth_err *err);
void __wrap_berth_irq_detach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd);

static void clear_gsi(unsigned int g)
{
	memset(&fake_irq.gsi[g], 0, sizeof(fake_irq.gsi[g]));
	fake_irq.gsi[g].fd = fake_irq.gsi[g].resample_fd = -1;
	fake_irq.gsi[g].committed = g < BERTH_IRQ_NR_PINS;
}

void fake_irq_reset(void)
{
	unsigned int old_top = fake_irq.top ? fake_irq.top : FAKE_GSIS;

	for (unsigned int g = 0; g < old_top; g++)
		clear_gsi(g);
	fake_irq.top = BERTH_IRQ_NR_PINS;
	fake_irq.nr_log = fake_irq.nr_commits = fake_irq.nr_attaches = 0;
	fake_irq.attach_result = 0;
}

static void inject(unsigned int g)
{
	bool pin = g < BERTH_IRQ_NR_PINS;

	fake_irq.gsi[g].injected++;
	if (fake_irq.nr_log < FAKE_IRQ_LOG)
		fake_irq.log[fake_irq.nr_log++] = (struct fake_message){
			pin ? 0 : fake_irq.gsi[g].now_addr,
			pin ? g : fake_irq.gsi[g].now_data,
		};
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

int __wrap_berth_irq_alloc_gsi(struct berth_irq *irq, unsigned int *ret_gsi, struct berth_err *err)
{
	(void)irq;
	(void)err;
	for (unsigned int g = BERTH_IRQ_NR_PINS; g < FAKE_GSIS; g++) {
		if (fake_irq.gsi[g].allocated)
			continue;
		fake_irq.gsi[g].allocated = true;
		if (fake_irq.top <= g)
			fake_irq.top = g + 1;
		fake_irq.gsi[g].routed = fake_irq.gsi[g].committed = false;
		*ret_gsi = g;
		return 0;
	}
	return -ENOSPC;
}

void __wrap_berth_irq_free_gsi(struct berth_irq *irq, unsigned int gsi)
{
	(void)irq;
	assert_true(fake_irq.gsi[gsi].allocated);
	assert_int_equal(fake_irq.gsi[gsi].fd, -1); /* detach before the route goes */
	fake_irq.gsi[gsi].allocated = false;
}

int __wrap_berth_irq_set_msi(struct berth_irq *irq, unsigned int gsi, uint64_t addr, uint32_t data,
			     struct berth_err *err)
{
	(void)irq;
	(void)err;
	assert_true(fake_irq.gsi[gsi].allocated);
	fake_irq.gsi[gsi].routed = true;
	fake_irq.gsi[gsi].addr = addr;
	fake_irq.gsi[gsi].data = data;
	return 0;
}

int __wrap_berth_irq_commit(struct berth_irq *irq, struct berth_err *err)
{
	(void)irq;
	(void)err;
	fake_irq.nr_commits++;
	for (unsigned int g = BERTH_IRQ_NR_PINS; g < fake_irq.top; g++) {
		fake_irq.gsi[g].committed = fake_irq.gsi[g].allocated && fake_irq.gsi[g].routed;
		fake_irq.gsi[g].now_addr = fake_irq.gsi[g].addr;
		fake_irq.gsi[g].now_data = fake_irq.gsi[g].data;
	}
	return 0;
}

int __wrap_berth_irq_attach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd,
			       int resample_fd, struct berth_err *err)
{
	(void)irq;
	(void)err;
	if (fake_irq.attach_result)
		return fake_irq.attach_result;
	assert_true(fake_irq.gsi[gsi].committed); /* the route before the eventfd */
	assert_int_equal(fake_irq.gsi[gsi].fd, -1);
	fake_irq.gsi[gsi].fd = eventfd;
	fake_irq.gsi[gsi].resample_fd = resample_fd;
	fake_irq.nr_attaches++;
	/* kvm_irqfd_assign(): what is pending is delivered, the count stays */
	if (readable(eventfd))
		inject(gsi);
	return 0;
}

void __wrap_berth_irq_detach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd)
{
	(void)irq;
	assert_int_equal(fake_irq.gsi[gsi].fd, eventfd);
	fake_irq.gsi[gsi].fd = -1;
}

void fake_irq_signal(int fd)
{
	uint64_t one = 1, count;

	assert_int_equal(write(fd, &one, 8), 8);
	for (unsigned int g = 0; g < fake_irq.top; g++) {
		if (fake_irq.gsi[g].fd != fd)
			continue;
		/* irqfd_wakeup(): takes the count out and delivers */
		assert_int_equal(read(fd, &count, 8), 8);
		inject(g);
	}
}

bool fake_irq_raise(struct fake_vfio *f, unsigned int index, unsigned int vector)
{
	if (!f->irq[index].enabled || vector >= FAKE_VECTORS)
		return false;
	if (vector >= f->irq[index].nr || f->irq[index].fd[vector] < 0) {
		f->irq[index].held[vector] = true;
		return false;
	}
	fake_irq_signal(f->irq[index].fd[vector]);
	return true;
}

unsigned int fake_irq_injected(uint32_t data)
{
	unsigned int n = 0;

	for (unsigned int g = BERTH_IRQ_NR_PINS; g < fake_irq.top; g++)
		if (fake_irq.gsi[g].routed && fake_irq.gsi[g].data == data)
			n += fake_irq.gsi[g].injected;
	return n;
}
