/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmm/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"

struct route {
	bool used;
	bool set;	/* has a message */
	bool committed; /* KVM knows a message for it */
	uint64_t addr;
	uint32_t data;
};

struct attachment {
	unsigned int gsi;
	int eventfd; /* borrowed */
	struct attachment *next;
};

struct berth_irq {
	int vm_fd; /* borrowed */
	pthread_mutex_t lock;
	struct route *routes;	/* owned; by GSI - BERTH_IRQ_NR_PINS */
	unsigned int nr_routes; /* BERTH_IRQ_NR_GSIS - BERTH_IRQ_NR_PINS, or less in an old KVM */
	unsigned int top;	/* routes from here on were never used */
	bool dirty;		/* differs from what KVM has */
	struct attachment *attachments; /* owned list */
};

static int create_chips(int vm_fd, struct berth_err *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0))
		return berth_err_set(err, -errno, "KVM_CREATE_IRQCHIP: %s", strerror(errno));
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit))
		return berth_err_set(err, -errno, "KVM_CREATE_PIT2: %s", strerror(errno));
	return 0;
}

int berth_irq_new(struct berth_irq **ret, int vm_fd, struct berth_err *err)
{
	BERTH_CLEANUP(berth_irq_freep) struct berth_irq *irq = calloc(1, sizeof(*irq));
	int max, r;

	if (!irq)
		return berth_err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&irq->lock, NULL);
	irq->vm_fd = vm_fd;
	r = create_chips(vm_fd, err);
	if (r < 0)
		return r;
	max = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);
	if (max <= BERTH_IRQ_NR_PINS)
		return berth_err_set(err, -EOPNOTSUPP, "this KVM has no interrupt routing");
	irq->nr_routes = (max < BERTH_IRQ_NR_GSIS ? (unsigned int)max : BERTH_IRQ_NR_GSIS) -
			 BERTH_IRQ_NR_PINS;
	irq->routes = calloc(irq->nr_routes, sizeof(*irq->routes));
	if (!irq->routes)
		return berth_err_set(err, -ENOMEM, "out of memory");
	irq->dirty = true;
	r = berth_irq_commit(irq, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(irq);
	return 0;
}

void berth_irq_free(struct berth_irq *irq)
{
	if (!irq)
		return;
	while (irq->attachments) {
		struct attachment *a = irq->attachments;

		irq->attachments = a->next;
		free(a);
	}
	pthread_mutex_destroy(&irq->lock);
	free(irq->routes);
	free(irq);
}

/* The route of an allocated MSI GSI, else NULL. Under the lock. */
static struct route *route_of(struct berth_irq *irq, unsigned int gsi)
{
	struct route *route;

	if (gsi < BERTH_IRQ_NR_PINS || gsi - BERTH_IRQ_NR_PINS >= irq->nr_routes)
		return NULL;
	route = &irq->routes[gsi - BERTH_IRQ_NR_PINS];
	return route->used ? route : NULL;
}

int berth_irq_alloc_gsi(struct berth_irq *irq, unsigned int *ret_gsi, struct berth_err *err)
{
	unsigned int i;

	pthread_mutex_lock(&irq->lock);
	for (i = 0; i < irq->nr_routes && irq->routes[i].used; i++)
		;
	if (i < irq->nr_routes) {
		irq->routes[i] = (struct route){ .used = true };
		if (irq->top <= i)
			irq->top = i + 1;
	}
	pthread_mutex_unlock(&irq->lock);
	if (i == irq->nr_routes)
		return berth_err_set(err, -ENOSPC, "all %u interrupt routes of the VM are in use",
				     irq->nr_routes);
	*ret_gsi = i + BERTH_IRQ_NR_PINS;
	return 0;
}

void berth_irq_free_gsi(struct berth_irq *irq, unsigned int gsi)
{
	struct route *route;

	pthread_mutex_lock(&irq->lock);
	route = route_of(irq, gsi);
	if (route) {
		irq->dirty |= route->set || route->committed;
		*route = (struct route){ .used = false };
	}
	pthread_mutex_unlock(&irq->lock);
}

int berth_irq_set_msi(struct berth_irq *irq, unsigned int gsi, uint64_t addr, uint32_t data,
		      struct berth_err *err)
{
	struct route *route;

	pthread_mutex_lock(&irq->lock);
	route = route_of(irq, gsi);
	if (route && (!route->set || route->addr != addr || route->data != data)) {
		route->set = true;
		route->addr = addr;
		route->data = data;
		irq->dirty = true;
	}
	pthread_mutex_unlock(&irq->lock);
	if (!route)
		return berth_err_set(err, -EINVAL, "GSI %u is not one for messages", gsi);
	return 0;
}

static unsigned int fill_table(const struct berth_irq *irq, struct kvm_irq_routing_entry *entries)
{
	unsigned int nr = 0;

	for (unsigned int pin = 0; pin < BERTH_IRQ_NR_PINS; pin++)
		entries[nr++] = (struct kvm_irq_routing_entry){
			.gsi = pin,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin },
		};
	for (unsigned int i = 0; i < irq->top; i++)
		if (irq->routes[i].set)
			entries[nr++] = (struct kvm_irq_routing_entry){
				.gsi = i + BERTH_IRQ_NR_PINS,
				.type = KVM_IRQ_ROUTING_MSI,
				.u.msi = { .address_lo = (uint32_t)irq->routes[i].addr,
					   .address_hi = (uint32_t)(irq->routes[i].addr >> 32),
					   .data = irq->routes[i].data },
			};
	return nr;
}

static int commit(struct berth_irq *irq, struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) struct kvm_irq_routing *table = NULL;

	if (!irq->dirty)
		return 0;
	table = calloc(1,
		       sizeof(*table) + (BERTH_IRQ_NR_PINS + irq->top) * sizeof(table->entries[0]));
	if (!table)
		return berth_err_set(err, -ENOMEM, "out of memory");
	table->nr = fill_table(irq, table->entries);
	if (ioctl(irq->vm_fd, KVM_SET_GSI_ROUTING, table))
		return berth_err_set(err, -errno, "KVM_SET_GSI_ROUTING with %u routes: %s",
				     table->nr, strerror(errno));
	for (unsigned int i = 0; i < irq->top; i++)
		irq->routes[i].committed = irq->routes[i].set;
	irq->dirty = false;
	return 0;
}

int berth_irq_commit(struct berth_irq *irq, struct berth_err *err)
{
	int r;

	pthread_mutex_lock(&irq->lock);
	r = commit(irq, err);
	pthread_mutex_unlock(&irq->lock);
	return r;
}

static struct attachment **find_attachment(struct berth_irq *irq, unsigned int gsi, int eventfd)
{
	struct attachment **p;

	for (p = &irq->attachments; *p; p = &(*p)->next)
		if ((*p)->gsi == gsi && (*p)->eventfd == eventfd)
			break;
	return p;
}

static int irqfd(const struct berth_irq *irq, unsigned int gsi, int eventfd, int resample_fd,
		 uint32_t flags)
{
	struct kvm_irqfd arg = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = flags | (resample_fd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0),
		.resamplefd = resample_fd >= 0 ? (uint32_t)resample_fd : 0,
	};

	return ioctl(irq->vm_fd, KVM_IRQFD, &arg) ? -errno : 0;
}

static int attach(struct berth_irq *irq, unsigned int gsi, int eventfd, int resample_fd,
		  struct berth_err *err)
{
	const struct route *route = route_of(irq, gsi);
	struct attachment *a;
	int r;

	if (gsi >= BERTH_IRQ_NR_PINS && (!route || !route->committed))
		return berth_err_set(err, -EINVAL, "GSI %u has no committed route", gsi);
	if (*find_attachment(irq, gsi, eventfd))
		return berth_err_set(err, -EBUSY, "GSI %u: eventfd %d is attached already", gsi,
				     eventfd);
	a = calloc(1, sizeof(*a));
	if (!a)
		return berth_err_set(err, -ENOMEM, "out of memory");
	r = irqfd(irq, gsi, eventfd, resample_fd, 0);
	if (r < 0) {
		free(a);
		return berth_err_set(err, r, "KVM_IRQFD for GSI %u: %s", gsi, strerror(-r));
	}
	*a = (struct attachment){ gsi, eventfd, irq->attachments };
	irq->attachments = a;
	return 0;
}

int berth_irq_attach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd, int resample_fd,
			struct berth_err *err)
{
	int r;

	pthread_mutex_lock(&irq->lock);
	r = attach(irq, gsi, eventfd, resample_fd, err);
	pthread_mutex_unlock(&irq->lock);
	return r;
}

void berth_irq_detach_fd(struct berth_irq *irq, unsigned int gsi, int eventfd)
{
	struct attachment **p, *a;

	pthread_mutex_lock(&irq->lock);
	p = find_attachment(irq, gsi, eventfd);
	a = *p;
	if (a) {
		/* Fails only for what KVM does not know, and then there is nothing to take away. */
		(void)irqfd(irq, gsi, eventfd, -1, KVM_IRQFD_FLAG_DEASSIGN);
		*p = a->next;
		free(a);
	}
	pthread_mutex_unlock(&irq->lock);
}

int berth_irq_set_pin(struct berth_irq *irq, unsigned int pin, int level)
{
	struct kvm_irq_level arg = { .irq = pin, .level = level ? 1 : 0 };

	return ioctl(irq->vm_fd, KVM_IRQ_LINE, &arg) ? -errno : 0;
}

int berth_irq_signal_msi(struct berth_irq *irq, uint64_t addr, uint32_t data)
{
	struct kvm_msi arg = {
		.address_lo = (uint32_t)addr,
		.address_hi = (uint32_t)(addr >> 32),
		.data = data,
	};

	return ioctl(irq->vm_fd, KVM_SIGNAL_MSI, &arg) < 0 ? -errno : 0;
}
