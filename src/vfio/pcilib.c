/* SPDX-License-Identifier: GPL-2.0-or-later */
#define BERTH_LOG "vfio/pcilib"

#include "vfio/pcilib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <pci/pci.h>

#include "base/err.h"
#include "base/host.h"
#include "base/log.h"
#include "vfio/caps.h"

struct berth_pcilib {
	struct pci_access *access; /* owned; NULL: at rest, or given up (leaked) after an error */
	char *sysfs_path;	   /* owned */
	bool spoiled;		   /* after an error: libpci is not to be called again */
};

/* libpci's callbacks carry no context: where to jump, and what it said. Set by every function that calls libpci. */
static _Thread_local jmp_buf *way_out;
static _Thread_local char complaint[256];

static void __attribute__((noreturn, format(printf, 1, 2))) on_error(char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(complaint, sizeof(complaint), fmt, ap);
	va_end(ap);
	longjmp(*way_out, 1);
}

static void __attribute__((format(printf, 1, 2))) on_warning(char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_debug("%s", text);
}

/* One piece of work that calls libpci; @job is its own struct. */
typedef void (*work_fn)(struct berth_pcilib *lib, void *job);

/*
 * Every call of libpci goes through here. After a jump libpci is in an unknown state: leaking its few kilobytes is right,
 * cleaning up through it is not.
 */
static int guarded(struct berth_pcilib *lib, work_fn work, void *job, struct berth_err *err)
{
	jmp_buf here;

	way_out = &here;
	if (setjmp(here)) {
		way_out = NULL;
		lib->access = NULL;
		lib->spoiled = true;
		return berth_err_set(err, -EIO, "libpci: %s", complaint);
	}
	work(lib, job);
	way_out = NULL;
	return 0;
}

static void do_open(struct berth_pcilib *lib, void *job)
{
	static char param[] = "sysfs.path";

	(void)job;
	lib->access = pci_alloc();
	lib->access->error = on_error;
	lib->access->warning = on_warning;
	/* This method and no other: libpci must not fall back to poking at I/O ports. */
	lib->access->method = PCI_ACCESS_SYS_BUS_PCI;
	pci_set_param(lib->access, param, lib->sysfs_path);
	pci_init(lib->access);
}

int berth_pcilib_open(struct berth_pcilib **ret, const struct berth_host *host,
		      struct berth_err *err)
{
	BERTH_CLEANUP(berth_pcilib_closep) struct berth_pcilib *lib = calloc(1, sizeof(*lib));
	int r;

	if (!lib)
		return berth_err_set(err, -ENOMEM, "out of memory");
	if (asprintf(&lib->sysfs_path, "%s/sys/bus/pci", host->root) < 0) {
		lib->sysfs_path = NULL;
		return berth_err_set(err, -ENOMEM, "out of memory");
	}
	r = guarded(lib, do_open, NULL, err);
	if (r < 0)
		return r;
	*ret = BERTH_TAKE_PTR(lib);
	return 0;
}

static void do_close(struct berth_pcilib *lib, void *job)
{
	(void)job;
	pci_cleanup(lib->access);
	lib->access = NULL;
}

void berth_pcilib_rest(struct berth_pcilib *lib)
{
	if (lib->access)
		guarded(lib, do_close, NULL, NULL);
}

void berth_pcilib_close(struct berth_pcilib *lib)
{
	if (!lib)
		return;
	berth_pcilib_rest(lib);
	free(lib->sysfs_path);
	free(lib);
}

static int by_place(const void *a, const void *b)
{
	return berth_bdf_cmp(a, b);
}

static struct berth_bdf place_of(const struct pci_dev *dev)
{
	return (struct berth_bdf){ (uint32_t)dev->domain, dev->bus, dev->dev, dev->func };
}

static void do_scan(struct berth_pcilib *lib, void *job)
{
	(void)job;
	pci_scan_bus(lib->access);
}

int berth_pcilib_scan(struct berth_pcilib *lib, struct berth_bdf **ret, size_t *ret_nr,
		      struct berth_err *err)
{
	struct berth_bdf *all;
	size_t nr = 0;
	int r;

	r = guarded(lib, do_scan, NULL, err);
	if (r < 0)
		return r;
	for (struct pci_dev *dev = lib->access->devices; dev; dev = dev->next)
		nr++;
	all = calloc(nr + 1, sizeof(*all));
	if (!all)
		return berth_err_set(err, -ENOMEM, "out of memory");
	nr = 0;
	for (struct pci_dev *dev = lib->access->devices; dev; dev = dev->next)
		all[nr++] = place_of(dev);
	qsort(all, nr, sizeof(*all), by_place);
	*ret = all;
	*ret_nr = nr;
	return 0;
}

static struct pci_dev *find(struct berth_pcilib *lib, struct berth_bdf at)
{
	for (struct pci_dev *dev = lib->access->devices; dev; dev = dev->next) {
		if (berth_bdf_eq(place_of(dev), at))
			return dev;
	}
	return NULL;
}

struct config_job {
	struct pci_dev *dev;
	uint8_t *buf;
	size_t size, len;
};

/* The kernel answers a read past what it grants with fewer bytes, which libpci makes a failure. */
static void do_config(struct berth_pcilib *lib, void *data)
{
	static const size_t sizes[] = { BERTH_CONFIG_PCIE, BERTH_CONFIG_PCI, BERTH_CONFIG_HEADER };
	struct config_job *job = data;

	(void)lib;
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(sizes) && job->len == 0; i++) {
		if (sizes[i] <= job->size && pci_read_block(job->dev, 0, job->buf, (int)sizes[i]))
			job->len = sizes[i];
	}
}

int berth_pcilib_config(struct berth_pcilib *lib, struct berth_bdf at, uint8_t *buf, size_t size,
			size_t *ret_len, struct berth_err *err)
{
	struct config_job job = { .dev = find(lib, at), .buf = buf, .size = size };
	int r;

	if (!job.dev)
		return -ENODEV;
	r = guarded(lib, do_config, &job, err);
	if (r < 0)
		return r;
	*ret_len = job.len;
	return 0;
}

struct name_job {
	int kind, a, b; /* @b is not used by every kind of name */
	char *buf;
	size_t size;
	const char *name; /* in @buf, or NULL when the list does not know the ids */
};

static void do_name(struct berth_pcilib *lib, void *data)
{
	struct name_job *job = data;

	if (!lib->access)
		do_open(lib, NULL);
	job->name = pci_lookup_name(lib->access, job->buf, (int)job->size,
				    job->kind | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB, job->a,
				    job->b);
}

const char *berth_pcilib_name(struct berth_pcilib *lib, enum berth_pcilib_kind kind, int a, int b,
			      char *buf, size_t size)
{
	static const int kinds[] = {
		[BERTH_PCILIB_VENDOR] = PCI_LOOKUP_VENDOR,
		[BERTH_PCILIB_DEVICE] = PCI_LOOKUP_DEVICE,
		[BERTH_PCILIB_CLASS] = PCI_LOOKUP_CLASS,
	};
	struct name_job job = { .kind = kinds[kind], .a = a, .b = b, .buf = buf, .size = size };
	struct berth_err err = BERTH_ERR_INIT;

	if (lib->spoiled)
		return "";
	if (guarded(lib, do_name, &job, &err) < 0) {
		log_warn("pci.ids cannot be read, devices are named by their numbers: %s",
			 err.text);
		return "";
	}
	return job.name ?: "";
}
