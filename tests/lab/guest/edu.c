/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest without a driver can do with QEMU's edu device (docs/specs/edu.rst of QEMU), found by its ID:
 *
 *	edu factorial	1 … 12
 *	edu dma		memory → device → memory
 *	edu peer ADDR	memory → device → ADDR in another device's BAR that is memory → device → memory
 *	edu nopeer ADDR	the same, but nothing may arrive
 *	edu peek	prints the first word of its buffer
 *	edu msi [N]	N interrupts by MSI. There is no driver to take them, so they are aimed at the NMI of CPU 0, whose count
 *			is in /proc/interrupts
 *	edu intx [N]	N interrupts by INTx, through uio_pci_generic, which must be loaded
 *	edu move [N]	the BAR N times to another place, also over RAM and with decoding off
 *	edu read N	N reads of a register; says how many milliseconds that took
 *	edu write N	N writes of a register; likewise
 *	edu spin MS	a loop without them, for so many milliseconds
 *
 * Prints "ok - …" or "not ok - …"; exit status 1 for the latter.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
#define ID	0x11e81234u

enum reg {
	REG_ID = 0x00,
	REG_INVERT = 0x04,
	REG_FACTORIAL = 0x08,
	REG_STATUS = 0x20,
	REG_IRQ_STATUS = 0x24,
	REG_IRQ_RAISE = 0x60,
	REG_IRQ_ACK = 0x64,
	REG_DMA_SRC = 0x80,
	REG_DMA_DST = 0x88,
	REG_DMA_COUNT = 0x90,
	REG_DMA_CMD = 0x98,
};

#define DMA_START   1u
#define DMA_TO_RAM  2u
#define DMA_BUFFER  0x40000u
#define EDU_ID_BITS 0x010000edu

static char dir[300];
static int config_fd;
static volatile uint32_t *bar;
static int failed;

static void verdict(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s - edu: ", good ? "ok" : "not ok");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failed |= !good;
}

static _Noreturn void die(const char *what)
{
	printf("not ok - edu: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t cfg(unsigned int at, unsigned int len)
{
	uint32_t v = 0;

	if (pread(config_fd, &v, len, at) != (ssize_t)len)
		die("read config space");
	return v;
}

static void set_cfg(unsigned int at, unsigned int len, uint32_t v)
{
	if (pwrite(config_fd, &v, len, at) != (ssize_t)len)
		die("write config space");
}

static void find_device(void)
{
	DIR *d = opendir(DEVICES);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[320];

		snprintf(dir, sizeof(dir), DEVICES "/%s", e->d_name);
		snprintf(path, sizeof(path), "%s/config", dir);
		config_fd = open(path, O_RDWR | O_CLOEXEC);
		if (config_fd >= 0 && cfg(0, 4) == ID) {
			closedir(d);
			return;
		}
		if (config_fd >= 0)
			close(config_fd);
	}
	errno = ENODEV;
	die("find the device");
}

static void map_bar(void)
{
	char path[320];
	int fd;
	void *p;

	set_cfg(0x04, 2, cfg(0x04, 2) | 0x6); /* memory, bus master */
	snprintf(path, sizeof(path), "%s/resource0", dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("map BAR 0");
	bar = p;
}

static uint32_t rd(enum reg r)
{
	return bar[r / 4];
}

static void wr(enum reg r, uint32_t v)
{
	bar[r / 4] = v;
}

static bool wait_while(enum reg r, uint32_t bits)
{
	for (int ms = 0; ms < 20000; ms += 5, usleep(5000))
		if (!(rd(r) & bits))
			return true;
	return false;
}

static void do_factorial(void)
{
	uint32_t want = 1;

	verdict(rd(REG_ID) == EDU_ID_BITS, "identification %#x", rd(REG_ID));
	wr(REG_INVERT, 0x12345678);
	verdict(rd(REG_INVERT) == ~0x12345678u, "liveness check");
	for (uint32_t n = 1; n <= 12; n++) {
		want *= n;
		wr(REG_FACTORIAL, n);
		if (!wait_while(REG_STATUS, 1) || rd(REG_FACTORIAL) != want) {
			verdict(false, "%u! is %u, not %u", n, want, rd(REG_FACTORIAL));
			return;
		}
	}
	verdict(true, "factorials up to 12! = %u", want);
}

static uint64_t physical(void *p)
{
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)p / 4096 * 8)) != 8 || !(entry >> 63))
		die("physical address");
	close(fd);
	return (entry & ((UINT64_C(1) << 55) - 1)) * 4096 + (uintptr_t)p % 4096;
}

static void wr64(enum reg r, uint64_t v)
{
	*(volatile uint64_t *)((uintptr_t)bar + r) = v;
}

static bool dma(uint64_t src, uint64_t dst, uint32_t cmd)
{
	wr64(REG_DMA_SRC, src);
	wr64(REG_DMA_DST, dst);
	wr64(REG_DMA_COUNT, 4096);
	wr64(REG_DMA_CMD, cmd | DMA_START);
	return wait_while(REG_DMA_CMD, DMA_START);
}

static void do_dma(void)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	uint64_t from, to;

	if (p == MAP_FAILED)
		die("memory");
	for (int i = 0; i < 4096; i++)
		p[i] = (uint8_t)(i * 7 + i / 256 + 1);
	memset(p + 4096, 0, 4096);
	from = physical(p);
	to = physical(p + 4096);
	if (from >> 28 || to >> 28) {
		verdict(false, "memory at %#llx is beyond the 28 bits of its DMA engine",
			(unsigned long long)(from | to));
		return;
	}
	verdict(dma(from, DMA_BUFFER, 0), "DMA from memory ends");
	verdict(dma(DMA_BUFFER, to, DMA_TO_RAM), "DMA to memory ends");
	verdict(memcmp(p, p + 4096, 4096) == 0, "4096 bytes came back as they were");
}

static void *device_memory(uint64_t addr)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	void *p = fd < 0 ? MAP_FAILED :
			   mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)addr);

	if (p == MAP_FAILED)
		die("/dev/mem");
	close(fd);
	return p;
}

/* Byte for byte: string instructions are not for device memory. */
static unsigned int differing(const volatile uint8_t *a, const volatile uint8_t *b)
{
	unsigned int n = 0;

	for (int i = 0; i < 4096; i++)
		n += a[i] != b[i];
	return n;
}

static void do_peer(uint64_t addr, bool reaches)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	volatile uint8_t *there = device_memory(addr);
	unsigned int wrong;

	if (p == MAP_FAILED)
		die("memory");
	for (int i = 0; i < 4096; i++) {
		there[i] = 0;
		p[i] = (uint8_t)(i * 5 + i / 256 + 3);
	}
	memset(p + 4096, 0, 4096);
	dma(physical(p), DMA_BUFFER, 0);
	dma(DMA_BUFFER, addr, DMA_TO_RAM);
	wrong = differing(there, p);
	if (!reaches) {
		wrong = differing(there, p + 4096);
		verdict(wrong == 0, "DMA to another device's BAR changed %u bytes of it", wrong);
		return;
	}
	verdict(wrong == 0, "DMA to another device's BAR: %u bytes of 4096 wrong", wrong);
	for (int i = 0; i < 4096; i++)
		there[i] = (uint8_t)(i * 11 + i / 256 + 1);
	dma(addr, DMA_BUFFER, 0);
	dma(DMA_BUFFER, physical(p), DMA_TO_RAM);
	wrong = differing(there, p);
	verdict(wrong == 0, "DMA from another device's BAR: %u bytes of 4096 wrong", wrong);
}

/* What is in the device's buffer, without writing to it. */
static void do_peek(void)
{
	uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
	uint64_t to;

	if (p == MAP_FAILED)
		die("memory");
	to = physical(p);
	verdict(to >> 28 == 0 && dma(DMA_BUFFER, to, DMA_TO_RAM), "DMA to memory ends");
	printf("edu: buffer: %08x\n", p[0]);
}

static unsigned long nmi_count(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long n = 0;
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " NMI: %lu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static unsigned int find_cap(uint8_t id)
{
	unsigned int at = cfg(0x34, 1);

	for (int i = 0; at && i < 48; i++, at = cfg(at + 1, 1))
		if (cfg(at, 1) == id)
			return at;
	errno = ENOENT;
	die("find a capability");
}

/* Raise N interrupts one after another, wait for each to be counted. */
static void do_msi(unsigned long n)
{
	unsigned int cap = find_cap(0x05);
	unsigned long start = nmi_count(), i;
	bool is64 = cfg(cap + 2, 2) & 0x80;

	set_cfg(cap + 4, 4, 0xfee00000);
	if (is64)
		set_cfg(cap + 8, 4, 0);
	set_cfg(cap + (is64 ? 12 : 8), 2, 0x400); /* delivery mode NMI (Intel SDM 3, 11.11.2) */
	set_cfg(cap + 2, 2, cfg(cap + 2, 2) | 1);
	for (i = 0; i < n; i++) {
		int ms = 0;

		wr(REG_IRQ_RAISE, 1);
		while (nmi_count() == start + i && ms++ < 5000)
			usleep(1000);
		wr(REG_IRQ_ACK, 1);
		if (nmi_count() != start + i + 1)
			break;
	}
	set_cfg(cap + 2, 2, cfg(cap + 2, 2) & ~1u);
	usleep(100000);
	verdict(nmi_count() - start == n, "%lu interrupts by MSI, %lu arrived", n,
		nmi_count() - start);
}

static int bind_uio(void)
{
	const char *name = strrchr(dir, '/') + 1;
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s/driver_override", dir);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "uio_pci_generic", 15) != 15)
		die("driver_override");
	close(fd);
	fd = open("/sys/bus/pci/drivers_probe", O_WRONLY);
	if (fd < 0 || write(fd, name, strlen(name)) < 0)
		die("bind uio_pci_generic");
	close(fd);
	for (int ms = 0; ms < 5000; ms += 10, usleep(10000)) {
		fd = open("/dev/uio0", O_RDWR);
		if (fd >= 0)
			return fd;
	}
	die("/dev/uio0");
}

static void do_intx(unsigned long n)
{
	struct pollfd p = { .fd = bind_uio(), .events = POLLIN };
	uint32_t count = 0, first = 0;
	unsigned long i;

	for (i = 0; i < n; i++) {
		set_cfg(0x04, 2,
			cfg(0x04, 2) & ~0x400u); /* uio_pci_generic sets INTx disable each time */
		wr(REG_IRQ_RAISE, 1);
		if (poll(&p, 1, 5000) != 1 || read(p.fd, &count, 4) != 4)
			break;
		if (i == 0)
			first = count;
		wr(REG_IRQ_ACK, 1);
		if (count != first + i)
			break;
	}
	set_cfg(0x04, 2, cfg(0x04, 2) & ~0x400u);
	verdict(i == n && poll(&p, 1, 300) == 0, "%lu interrupts by INTx, %lu arrived, none more",
		n, i);
	close(p.fd);
}

static uint32_t id_at(uint64_t addr)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	uint32_t v = 0;
	volatile uint32_t *p;

	if (fd < 0)
		die("/dev/mem");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)addr);
	if (p == MAP_FAILED)
		die("map /dev/mem");
	v = *p;
	munmap((void *)(uintptr_t)p, 4096);
	close(fd);
	return v;
}

static void do_move(unsigned long n)
{
	uint32_t home = cfg(0x10, 4) & ~0xfu, command = cfg(0x04, 2);
	unsigned long wrong = 0;

	for (unsigned long i = 0; i < n; i++) {
		uint32_t to = 0xd0000000u + (uint32_t)(i % 64) * 0x100000u;

		if (i % 3 == 0)
			set_cfg(0x04, 2, command & ~2u); /* properly, decoding off */
		set_cfg(0x10, 4, to);
		set_cfg(0x04, 2, command | 2);
		wrong += id_at(to) != EDU_ID_BITS;
		if (i % 8 == 0) {
			/* over RAM, over the IOAPIC: gone from where it was, and no harm done */
			set_cfg(0x10, 4, i % 16 ? 0x01000000u : 0xfec00000u);
			wrong += id_at(to) != UINT32_MAX;
			set_cfg(0x10, 4, to);
		}
		if (i % 8 == 4) {
			set_cfg(0x04, 2, command & ~2u);
			wrong += id_at(to) != UINT32_MAX;
			set_cfg(0x04, 2, command | 2);
			set_cfg(0x10, 4, UINT32_MAX); /* sizing with decoding on */
			wrong += cfg(0x10, 4) != 0xfff00000u || id_at(to) != EDU_ID_BITS;
			set_cfg(0x10, 4, to);
		}
	}
	set_cfg(0x10, 4, home);
	set_cfg(0x04, 2, command | 2);
	verdict(wrong == 0 && rd(REG_ID) == EDU_ID_BITS, "BAR moved %lu times, %lu times wrong", n,
		wrong);
}

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000 + (unsigned long)t.tv_nsec / 1000000;
}

static void do_read(unsigned long n)
{
	unsigned long start = now_ms();
	uint32_t sum = 0;

	for (unsigned long i = 0; i < n; i++)
		sum += rd(REG_ID);
	verdict(sum == (uint32_t)n * EDU_ID_BITS, "%lu reads of a register in %lu ms", n,
		now_ms() - start);
}

static void do_write(unsigned long n)
{
	unsigned long start = now_ms();

	for (unsigned long i = 0; i < n; i++)
		wr(REG_INVERT, (uint32_t)i);
	verdict(rd(REG_INVERT) == ~(uint32_t)(n - 1), "%lu writes of a register in %lu ms", n,
		now_ms() - start);
}

static void do_spin(unsigned long ms)
{
	unsigned long start = now_ms(), turns = 0;

	while (now_ms() - start < ms)
		turns++;
	verdict(turns > 0, "spun %lu times in %lu ms", turns, ms);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_device();
	map_bar();
	if (!strcmp(verb, "factorial"))
		do_factorial();
	else if (!strcmp(verb, "dma"))
		do_dma();
	else if (!strcmp(verb, "peer") || !strcmp(verb, "nopeer"))
		do_peer(argc > 2 ? strtoull(argv[2], NULL, 0) : 0, verb[0] == 'p');
	else if (!strcmp(verb, "peek"))
		do_peek();
	else if (!strcmp(verb, "msi"))
		do_msi(n);
	else if (!strcmp(verb, "intx"))
		do_intx(n);
	else if (!strcmp(verb, "move"))
		do_move(n);
	else if (!strcmp(verb, "read"))
		do_read(n);
	else if (!strcmp(verb, "write"))
		do_write(n);
	else if (!strcmp(verb, "spin"))
		do_spin(n);
	else
		return 2;
	return failed;
}
