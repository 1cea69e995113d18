/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what the kernel says may be mapped to where a guest's RAM and BARs are, over both interfaces: everything that was
 * laid out can be mapped. ioctl is wrapped and answers with the same ranges in either's form.
 */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "iommu/ioas.h"
#include "uapi/iommufd.h"
#include "vmm/bus.h"
#include "vmm/mem.h"
#include "vmm/pci_host.h"

#define MIB	  (UINT64_C(1) << 20)
#define GIB	  (UINT64_C(1) << 30)
#define MEMORY	  (6 * GIB)
#define PHYS_BITS 40

/* Holes: in the middle of RAM, one page of it; the MSI window; where the 64-bit window would start; the last GiB. */
static const struct berth_range holes[] = {
	{ 0x60000000, 0x1000 },
	{ 0xfee00000, MIB },
	{ 8 * GIB, GIB / 2 },
	{ 1023 * GIB, GIB },
};

static struct berth_iommu_iova_range allowed[] = {
	{ 0, 0x5fffffff },
	{ 0x60001000, 0xfedfffff },
	{ 0xfef00000, 8 * GIB - 1 },
	{ 8 * GIB + GIB / 2, 1023 * GIB - 1 },
};

static int answer_type1(struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range cap = {
		.header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1 },
		.nr_iovas = BERTH_ARRAY_SIZE(allowed),
	};
	size_t size = sizeof(*info) + sizeof(cap) + sizeof(allowed);
	bool fits = info->argsz >= size;

	_Static_assert(sizeof(struct vfio_iova_range) == sizeof(allowed[0]),
		       "both interfaces write a range alike");
	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = 0x1000;
	info->cap_offset = fits ? sizeof(*info) : 0;
	info->argsz = (uint32_t)size;
	if (fits) {
		memcpy(info + 1, &cap, sizeof(cap));
		memcpy((uint8_t *)(info + 1) + sizeof(cap), allowed, sizeof(allowed));
	}
	return 0;
}

static int answer_iommufd(struct berth_iommu_ioas_iova_ranges *get)
{
	uint32_t room = get->num_iovas;

	get->num_iovas = BERTH_ARRAY_SIZE(allowed);
	get->out_iova_alignment = 0x1000;
	if (room < BERTH_ARRAY_SIZE(allowed)) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy((void *)(uintptr_t)get->allowed_iovas, allowed, sizeof(allowed));
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == KVM_CHECK_EXTENSION)
		return 64;
	if (request == VFIO_IOMMU_GET_INFO)
		return answer_type1(arg);
	if (request == BERTH_IOMMU_IOAS_IOVA_RANGES)
		return answer_iommufd(arg);
	return 0;
}

/* A function with two 64-bit BARs of 1 GiB and one of 256 MiB; its registers take and give back anything. */
struct device {
	struct berth_pci_function f;
	uint32_t regs[BERTH_PCI_CONFIG_SIZE / 4];
};

static uint32_t dev_read(struct berth_pci_function *self, unsigned int offset, unsigned int len)
{
	uint32_t value = 0;

	memcpy(&value, (char *)((struct device *)self)->regs + offset, len);
	return value;
}

static void dev_write(struct berth_pci_function *self, unsigned int offset, unsigned int len,
		      uint32_t value)
{
	memcpy((char *)((struct device *)self)->regs + offset, &value, len);
}

static const struct berth_pci_function_ops dev_ops = { dev_read, dev_write };

struct machine {
	struct berth_ioas *io;
	struct berth_bus *mmio, *pio;
	struct berth_mem *mem;
	struct berth_pci_host *host;
	struct device device;
};

static int open_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void take_ioas(struct machine *m, enum berth_ioas_kind kind)
{
	static const int device = 0;
	struct berth_ioas_group group = { 7, -1 };
	struct berth_ioas_handover h = { .kind = kind, .fd = open_null() };

	if (kind == BERTH_IOAS_TYPE1) {
		group.fd = open_null();
		h.groups = &group;
		h.nr_groups = 1;
	} else {
		h.devices = &device;
		h.nr_devices = 1;
	}
	assert_int_equal(berth_ioas_from_fds(&m->io, &h, NULL), 0);
}

static void lay_out(struct machine *m, enum berth_ioas_kind kind)
{
	struct berth_range reserved[16];
	int fd = memfd_create("ram", MFD_CLOEXEC); /* sparse, for a small test machine */
	struct berth_mem_config config = { .size = MEMORY, .fd = fd, .reserved = reserved };
	struct berth_pci_slot *slot;

	take_ioas(m, kind);
	config.nr_reserved = berth_ioas_holes(m->io, reserved, BERTH_ARRAY_SIZE(reserved));
	assert_int_equal(ftruncate(fd, (off_t)MEMORY), 0);
	assert_int_equal(berth_bus_new(&m->mmio, "mmio"), 0);
	assert_int_equal(berth_bus_new(&m->pio, "pio"), 0);
	assert_int_equal(berth_mem_new(&m->mem, 3, &config, NULL), 0);
	close(fd);
	assert_int_equal(berth_pci_host_new(&m->host, m->mmio, m->pio, m->mem, PHYS_BITS, NULL), 0);
	m->device.f.ops = &dev_ops;
	m->device.f.name = "0000:03:00.0";
	m->device.regs[0] = 0x12348086;
	m->device.f.bars[0] = (struct berth_pci_bar){ .size = GIB, .is64 = true, .prefetch = true };
	m->device.f.bars[2] = (struct berth_pci_bar){ .size = GIB, .is64 = true, .prefetch = true };
	m->device.f.bars[4] =
		(struct berth_pci_bar){ .size = GIB / 4, .is64 = true, .prefetch = true };
	assert_int_equal(berth_pci_host_add_slot(m->host, &slot, NULL), 0);
	assert_int_equal(berth_pci_slot_add(slot, 0, &m->device.f, NULL), 0);
	assert_int_equal(berth_pci_host_assign(m->host, NULL), 0);
}

static void free_machine(struct machine *m)
{
	berth_pci_host_free(m->host);
	berth_mem_free(m->mem);
	berth_bus_free(m->pio);
	berth_bus_free(m->mmio);
	berth_ioas_close(m->io);
}

static void check_clear(struct berth_range at)
{
	for (size_t i = 0; i < BERTH_ARRAY_SIZE(holes); i++)
		assert_false(berth_range_overlaps(at, holes[i]));
}

static void check_ram(struct machine *m)
{
	size_t nr;
	const struct berth_mem_range *ram = berth_mem_ram_ranges(m->mem, &nr);
	uint64_t sum = 0;

	assert_true(nr >= 3); /* the hole in the middle has split what lies below the gap */
	for (size_t i = 0; i < nr; i++) {
		struct berth_range at = { ram[i].gpa, ram[i].size };
		struct berth_err err = BERTH_ERR_INIT;

		check_clear(at);
		/* one call per bank, and large pages are possible in it */
		assert_int_equal((at.start ^ (uintptr_t)ram[i].hva) % (2 * MIB), 0);
		if (berth_ioas_map(m->io, at, ram[i].hva, BERTH_IOAS_READ | BERTH_IOAS_WRITE,
				   &err) < 0)
			fail_msg("%s", err.text);
		sum += at.size;
	}
	assert_int_equal(sum, MEMORY);
}

static void check_bars(struct machine *m)
{
	for (int i = 0; i < 6; i += 2) {
		const struct berth_pci_bar *bar = &m->device.f.bars[i];
		struct berth_range at = { bar->addr, bar->size };
		struct berth_err err = BERTH_ERR_INIT;

		assert_true(bar->addr >= 4 * GIB);
		check_clear(at);
		if (berth_ioas_map(m->io, at, (void *)(uintptr_t)GIB, BERTH_IOAS_READ, &err) < 0)
			fail_msg("%s", err.text);
	}
}

static void check_layout(enum berth_ioas_kind kind)
{
	struct machine m = { .io = NULL };
	struct berth_range found[16];

	lay_out(&m, kind);
	assert_int_equal(berth_ioas_holes(m.io, found, 16), BERTH_ARRAY_SIZE(holes));
	for (size_t i = 0; i + 1 < BERTH_ARRAY_SIZE(holes); i++)
		assert_memory_equal(&found[i], &holes[i], sizeof(holes[i]));
	check_ram(&m);
	check_bars(&m);
	free_machine(&m);
}

static void ram_and_bars_keep_out_of_holes_with_type1(void **state)
{
	(void)state;
	check_layout(BERTH_IOAS_TYPE1);
}

static void ram_and_bars_keep_out_of_holes_with_iommufd(void **state)
{
	(void)state;
	check_layout(BERTH_IOAS_IOMMUFD);
}

/* The control: without the holes, the same machine lies across both of them. */
static void without_holes_the_layout_would_hit_them(void **state)
{
	struct machine m = { .io = NULL };
	const struct berth_iommu_iova_range saved = allowed[0];
	const struct berth_mem_range *ram;
	bool hit_ram = false, hit_bar = false;
	size_t nr;

	(void)state;
	allowed[0].last = 1024 * GIB - 1;
	for (size_t i = 1; i < BERTH_ARRAY_SIZE(allowed); i++)
		allowed[i] = (struct berth_iommu_iova_range){ (1024 + i) * GIB, (1024 + i) * GIB };
	lay_out(&m, BERTH_IOAS_IOMMUFD);
	ram = berth_mem_ram_ranges(m.mem, &nr);
	for (size_t i = 0; i < nr; i++)
		hit_ram |= berth_range_overlaps((struct berth_range){ ram[i].gpa, ram[i].size },
						holes[0]);
	for (int i = 0; i < 6; i += 2) {
		const struct berth_pci_bar *bar = &m.device.f.bars[i];

		hit_bar |= berth_range_overlaps((struct berth_range){ bar->addr, bar->size },
						holes[2]);
	}
	assert_true(hit_ram && hit_bar);
	free_machine(&m);
	allowed[0] = saved;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_and_bars_keep_out_of_holes_with_type1),
		cmocka_unit_test(ram_and_bars_keep_out_of_holes_with_iommufd),
		cmocka_unit_test(
			without_holes_the_layout_would_hit_them), /* last: it changes @allowed */
	};

	return cmocka_run_group_tests_name("iommu/ioas_layout", tests, NULL, NULL);
}
