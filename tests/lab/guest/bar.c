/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest can do with the BARs of any device, without a driver for it:
 *
 *	bar move VENDOR:DEVICE N	each memory BAR N times to another place, and to places where it cannot be; with
 *					decoding on and off; it must be found where it is and nowhere else
 *	bar memory VENDOR:DEVICE BAR	for a BAR that is memory: patterns at both ends and in between, none of them seen
 *					anywhere else; says how large it is
 *	bar park VENDOR:DEVICE BAR	to another place in the 32-bit window, where it stays
 *	bar address VENDOR:DEVICE BAR	where it is
 *	bar read VENDOR:DEVICE BAR OFFSET	one dword of it
 *	bar rom VENDOR:DEVICE		the option ROM: its size and whether it starts with 55 AA
 *
 * VENDOR:DEVICE may be followed by @N for the Nth of its kind, from 0. Prints "ok - …" or "not ok - …"; exit status 1 for
 * the latter.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
/* The upper part of the window for 32-bit BARs; the VMM starts at the lower end. */
#define PLAY_START 0xd0000000u
#define PLAY_SIZE  0x1c000000u

struct bar {
	unsigned int index;
	uint64_t size, home;
	bool is64;
	uint32_t signature; /* the dword at its start */
};

static char dir[300];
static const char *who;
static int config_fd, mem_fd;
static int failed;

static void verdict(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s - %s: ", good ? "ok" : "not ok", who);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failed |= !good;
}

static _Noreturn void die(const char *what)
{
	printf("not ok - %s: %s: %s\n", who, what, strerror(errno));
	exit(1);
}

static uint32_t cfg(unsigned int at)
{
	uint32_t v = 0;

	if (pread(config_fd, &v, 4, at) != 4)
		die("read config space");
	return v;
}

static void set_cfg(unsigned int at, unsigned int len, uint32_t v)
{
	if (pwrite(config_fd, &v, len, at) != (ssize_t)len)
		die("write config space");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void find_device(const char *id)
{
	unsigned int vendor, device, nth = 0;
	struct dirent **list;
	int nr = scandir(DEVICES, &list, NULL, by_name);

	if (sscanf(id, "%x:%x@%u", &vendor, &device, &nth) < 2)
		die("VENDOR:DEVICE");
	for (int i = 0; i < nr; i++) {
		char path[320];

		snprintf(dir, sizeof(dir), DEVICES "/%s", list[i]->d_name);
		snprintf(path, sizeof(path), "%s/config", dir);
		config_fd = open(path, O_RDWR | O_CLOEXEC);
		if (config_fd >= 0 && cfg(0) == (device << 16 | vendor) && nth-- == 0)
			return;
		if (config_fd >= 0)
			close(config_fd);
	}
	errno = ENODEV;
	die("find the device");
}

static uint32_t dword_at(uint64_t addr)
{
	volatile uint32_t *p;
	uint32_t v;

	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem_fd,
		 (off_t)(addr & ~UINT64_C(4095)));
	if (p == MAP_FAILED)
		die("map /dev/mem");
	v = p[addr % 4096 / 4];
	munmap((void *)(uintptr_t)p, 4096);
	return v;
}

static void put(const struct bar *b, uint64_t addr)
{
	unsigned int at = 0x10 + 4 * b->index;

	set_cfg(at, 4, (uint32_t)addr);
	if (b->is64)
		set_cfg(at + 4, 4, (uint32_t)(addr >> 32));
}

static uint64_t get(const struct bar *b)
{
	unsigned int at = 0x10 + 4 * b->index;

	return (cfg(at) & ~0xfu) | (b->is64 ? (uint64_t)cfg(at + 4) << 32 : 0);
}

/* Return: is there a memory BAR at this register? */
static bool look(unsigned int index, struct bar *b)
{
	uint32_t low = cfg(0x10 + 4 * index);
	uint64_t mask;

	if (low & 1)
		return false;
	*b = (struct bar){ .index = index, .is64 = (low & 6) == 4 };
	b->home = get(b);
	set_cfg(0x04, 2, cfg(0x04) & ~2u);
	put(b, UINT64_MAX);
	mask = get(b) | (b->is64 ? 0 : UINT64_C(0xffffffff) << 32);
	put(b, b->home);
	set_cfg(0x04, 2, (cfg(0x04) & 0xffff) | 2);
	b->size = ~mask + 1;
	if (mask >> 32 == 0xffffffff && !(uint32_t)mask)
		return false;
	b->signature = dword_at(b->home);
	return b->size >= 16 && b->home;
}

static unsigned int move_once(const struct bar *b, unsigned long i, uint32_t command)
{
	static const uint64_t nowhere[] = { 0x01000000, 0xfec00000, 0, UINT64_C(1) << 62,
					    UINT64_C(0x7f00000000000) };
	uint64_t room = PLAY_SIZE / (b->size < 4096 ? 4096 : b->size);
	uint64_t to = room > 1 ? PLAY_START + i % room * (b->size < 4096 ? 4096 : b->size) :
				 b->home;
	uint64_t bad = nowhere[i / 8 % 5] & ~(b->size - 1);
	unsigned int wrong = 0;

	if (b->size < 4096 && i % 2)
		to += b->size; /* not where a page begins */
	if (i % 3 == 0)
		set_cfg(0x04, 2, command & ~2u); /* properly, decoding off */
	put(b, to);
	set_cfg(0x04, 2, command | 2);
	wrong += dword_at(to) != b->signature;
	if (to != b->home)
		wrong += dword_at(b->home) == b->signature;
	if (i % 8 == 0) {
		/* over RAM, over the IOAPIC, at 0, beyond all addresses: gone from where it was, and no harm done */
		put(b, b->is64 ? bad : (uint32_t)bad);
		wrong += dword_at(to) == b->signature;
		put(b, to);
	}
	if (i % 8 == 4) {
		set_cfg(0x04, 2, command & ~2u);
		wrong += dword_at(to) != UINT32_MAX;
		set_cfg(0x04, 2, command | 2);
		set_cfg(0x10 + 4 * b->index, 4, UINT32_MAX); /* sizing with decoding on */
		wrong += dword_at(to) != b->signature;
		put(b, to);
	}
	return wrong;
}

static void do_move(unsigned long n)
{
	uint32_t command = cfg(0x04) & 0xffff;
	struct bar b;

	for (unsigned int index = 0; index < 6; index += b.is64 ? 2 : 1) {
		unsigned int wrong = 0;

		b.is64 = false;
		if (!look(index, &b))
			continue;
		if (b.signature == UINT32_MAX) {
			verdict(false, "BAR %u has nothing to be known by", index);
			continue;
		}
		for (unsigned long i = 0; i < n; i++)
			wrong += move_once(&b, i, command);
		put(&b, b.home);
		set_cfg(0x04, 2, command | 2);
		verdict(wrong == 0 && dword_at(b.home) == b.signature,
			"BAR %u (%llu KiB) moved %lu times, %u times wrong", index,
			(unsigned long long)(b.size >> 10), n, wrong);
	}
}

/* A page of the BAR by sysfs. */
static volatile uint64_t *page_of(unsigned int index, uint64_t offset)
{
	char path[320];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "%s/resource%u", dir, index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	p = fd < 0 ? MAP_FAILED :
		     mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			  (off_t)(offset & ~UINT64_C(4095)));
	if (p == MAP_FAILED)
		die(path);
	close(fd);
	return p;
}

static uint64_t pattern(uint64_t offset)
{
	return offset * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static void do_memory(unsigned int index)
{
	uint64_t offsets[64], wrong = 0;
	unsigned int nr = 0;
	struct bar b;

	if (!look(index, &b)) {
		verdict(false, "BAR %u is no memory", index);
		return;
	}
	/* both ends, both sides of each power of two */
	offsets[nr++] = 0;
	for (uint64_t at = 4096; at < b.size && nr < 60; at *= 4) {
		offsets[nr++] = at - 8;
		offsets[nr++] = at;
	}
	offsets[nr++] = b.size - 8;
	for (unsigned int i = 0; i < nr; i++)
		page_of(index, offsets[i])[offsets[i] % 4096 / 8] = pattern(offsets[i]);
	for (unsigned int i = 0; i < nr; i++)
		wrong += page_of(index, offsets[i])[offsets[i] % 4096 / 8] != pattern(offsets[i]);
	verdict(wrong == 0, "BAR %u, %llu MiB at %#llx: %u places up to its last bytes, %llu wrong",
		index, (unsigned long long)(b.size >> 20), (unsigned long long)b.home, nr,
		(unsigned long long)wrong);
}

static void do_rom(void)
{
	char path[320];
	uint8_t head[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/rom", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("%s: no ROM\n", who);
		exit(1);
	}
	if (write(fd, "1", 1) != 1)
		die("switch the ROM on");
	n = pread(fd, head, sizeof(head), 0);
	verdict(n >= 512 && head[0] == 0x55 && head[1] == 0xaa, "ROM starts with %02x %02x (%zd)",
		n > 1 ? head[0] : 0, n > 1 ? head[1] : 0, n);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	unsigned long n = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	struct bar b;

	if (argc < 3)
		return 2;
	who = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	mem_fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	if (mem_fd < 0)
		die("/dev/mem");
	find_device(argv[2]);
	set_cfg(0x04, 2, (cfg(0x04) & 0xffff) | 2);
	if (!strcmp(verb, "move"))
		do_move(n);
	else if (!strcmp(verb, "memory"))
		do_memory((unsigned int)n);
	else if (!strcmp(verb, "park") && look((unsigned int)n, &b))
		put(&b, PLAY_START + 2 * b.size);
	else if (!strcmp(verb, "address") && look((unsigned int)n, &b))
		printf("%#llx\n", (unsigned long long)b.home);
	else if (!strcmp(verb, "read") && argc > 4 && look((unsigned int)n, &b))
		printf("%#x\n", dword_at(b.home + strtoull(argv[4], NULL, 0)));
	else if (!strcmp(verb, "rom"))
		do_rom();
	else
		return 2;
	return failed;
}
