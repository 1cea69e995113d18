/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vfio/dma_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/host.h"

#define RECORD_MAX 8192 /* bytes; CONSOLE_EXT_LOG_MAX of the kernel */

/* The address that follows @key somewhere in @text, up to a character of @ends. */
static bool bdf_after(const char *text, const char *key, const char *ends, struct berth_bdf *ret)
{
	char word[BERTH_BDF_LEN];
	size_t len;

	text = strstr(text, key);
	if (!text)
		return false;
	text += strlen(key);
	len = strcspn(text, ends);
	if (len && text[len] && text[len - 1] == ':') /* of dev_err(): "0000:03:00.0: " */
		len--;
	if (len >= sizeof(word) || !text[len])
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return berth_bdf_parse(word, ret) == 0;
}

static bool number_after(const char *text, const char *key, uint64_t *ret)
{
	char *end;

	text = strstr(text, key);
	if (!text || strncmp(text + strlen(key), "0x", 2) != 0)
		return false;
	*ret = strtoull(text + strlen(key), &end, 16);
	return end > text + strlen(key) + 2;
}

/* "DMAR: [DMA Write NO_PASID] Request device [03:00.0] fault addr 0x4000000 [fault reason 0x05] …" */
static bool parse_intel(const char *text, struct berth_dma_fault *ret)
{
	ret->any_domain = true;
	return strncmp(text, "DMAR: [DMA ", 11) == 0 &&
	       bdf_after(text, " device [", "]", &ret->at) &&
	       number_after(text, " fault addr ", &ret->addr);
}

/*
 * "vfio-pci 0000:03:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0x4000000 flags=0x0020]", or
 * "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:03:00.0 domain=0x000f address=0x4000000 flags=0x0020]"
 */
static bool parse_amd(const char *text, struct berth_dma_fault *ret)
{
	const char *event = strstr(text, "AMD-Vi: Event logged [IO_PAGE_FAULT ");

	ret->any_domain = false;
	if (!event || !number_after(event, " address=", &ret->addr))
		return false;
	if (event == text)
		return bdf_after(event, " device=", " ", &ret->at);
	return strncmp(text, "vfio-pci ", 9) == 0 && bdf_after(text, "vfio-pci ", " ", &ret->at);
}

bool berth_dma_fault_parse(const char *line, struct berth_dma_fault *ret)
{
	struct berth_dma_fault fault = { 0 };
	const char *text = strchr(line, ';');

	/* The head of a record has no space (Documentation/ABI/testing/dev-kmsg); a ';' later on belongs to the text. */
	if (!text || strcspn(line, " ") < (size_t)(text - line))
		text = line;
	else
		text++;
	if (!parse_intel(text, &fault) && !parse_amd(text, &fault))
		return false;
	*ret = fault;
	return true;
}

bool berth_dma_fault_is_of(const struct berth_dma_fault *fault, struct berth_bdf device)
{
	if (fault->any_domain)
		device.domain = fault->at.domain;
	return berth_bdf_eq(fault->at, device);
}

int berth_dma_fault_open(const struct berth_host *host, struct berth_err *err)
{
	int fd = openat(host->dev_fd, "kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return berth_err_set(err, -errno, "/dev/kmsg: %s", strerror(errno));
	if (lseek(fd, 0, SEEK_END) < 0) {
		int e = errno;

		close(fd);
		return berth_err_set(err, -e, "/dev/kmsg: %s", strerror(e));
	}
	return fd;
}

int berth_dma_fault_next(int fd, const struct berth_bdf *devices, size_t nr,
			 struct berth_dma_fault *ret)
{
	char record[RECORD_MAX + 1];
	ssize_t n;

	for (;;) {
		struct berth_dma_fault fault;

		n = read(fd, record, RECORD_MAX);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* EPIPE: records were overwritten before we came; the next is the oldest left */
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN;
		record[n] = '\0';
		if (!berth_dma_fault_parse(record, &fault))
			continue;
		for (size_t i = 0; i < nr; i++)
			if (berth_dma_fault_is_of(&fault, devices[i])) {
				fault.at = devices[i];
				*ret = fault;
				return 0;
			}
	}
}
