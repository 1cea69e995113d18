/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mark left in a device, for tests of what a reset clears:
 *
 *	canary ID BAR OFFSET VALUE	write it, read it back
 *	canary ID BAR OFFSET		read
 *
 * ID is vendor:device ("8086:10c9") or, on a host, an address ("0000:01:00.0"). Through the resource files of sysfs, so that
 * no driver and no VFIO, which would reset the device as it opens it, stands between. Prints "canary: 0x…".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
#define COMMAND 0x04
#define MEMORY	0x2

static _Noreturn void die(const char *what)
{
	printf("canary: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Is this the function asked for? Leaves its config space open. */
static int open_config(const char *name, const char *id)
{
	char path[300], text[12];
	uint16_t word[2];
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/config", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pread(fd, word, sizeof(word), 0) == (ssize_t)sizeof(word)) {
		snprintf(text, sizeof(text), "%04x:%04x", word[0], word[1]);
		if (strcmp(text, id) == 0 || strcmp(name, id) == 0)
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int find(const char *id, char *name, size_t size)
{
	DIR *d = opendir(DEVICES);
	struct dirent *e;
	int fd = -1;

	while (fd < 0 && d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		fd = open_config(e->d_name, id);
		snprintf(name, size, "%s", e->d_name);
	}
	if (fd < 0) {
		errno = ENODEV;
		die(id);
	}
	closedir(d);
	return fd;
}

int main(int argc, char **argv)
{
	char name[256], path[300];
	unsigned long offset, page = (unsigned long)sysconf(_SC_PAGESIZE);
	volatile uint32_t *at;
	uint16_t command;
	uint8_t *base;
	int config, fd;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: canary ID BAR OFFSET [VALUE]\n");
		return 2;
	}
	offset = strtoul(argv[3], NULL, 0);
	config = find(argv[1], name, sizeof(name));
	if (pread(config, &command, 2, COMMAND) != 2)
		die("read config space");
	command |= MEMORY;
	if (pwrite(config, &command, 2, COMMAND) != 2)
		die("write config space");
	snprintf(path, sizeof(path), DEVICES "/%s/resource%s", name, argv[2]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	base = fd < 0 ? MAP_FAILED :
			mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			     (off_t)(offset & ~(page - 1)));
	if (base == MAP_FAILED)
		die(path);
	at = (volatile uint32_t *)(base + (offset & (page - 1)));
	if (argc == 5)
		*at = (uint32_t)strtoul(argv[4], NULL, 0);
	printf("canary: %#010x\n", *at);
	return 0;
}
