/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * draw: a picture on the guest's frame buffer, to see with one's own eyes whose GPU it is.
 *
 *   draw /dev/fb0 "first line" "second line" …
 *
 * A ship at its berth under an evening sky, and the lines as text. Uses the fbdev interface (linux/fb.h), which every
 * DRM driver offers; 32 bits per pixel only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct canvas {
	uint8_t *pixels; /* mapped; stride bytes a line */
	int width, height;
	size_t stride;
};

static void put(struct canvas *c, int x, int y, uint32_t rgb)
{
	if (x >= 0 && y >= 0 && x < c->width && y < c->height)
		memcpy(c->pixels + (size_t)y * c->stride + (size_t)x * 4, &rgb, 4);
}

static void box(struct canvas *c, int x, int y, int w, int h, uint32_t rgb)
{
	for (int j = y; j < y + h; j++)
		for (int i = x; i < x + w; i++)
			put(c, i, j, rgb);
}

static uint32_t blend(uint32_t a, uint32_t b, int num, int den)
{
	uint32_t out = 0;

	for (int shift = 0; shift < 24; shift += 8) {
		int from = (int)(a >> shift & 0xff), to = (int)(b >> shift & 0xff);

		out |= (uint32_t)(from + (to - from) * num / den) << shift;
	}
	return out;
}

static void sky_and_sea(struct canvas *c)
{
	int horizon = c->height * 5 / 8;

	for (int y = 0; y < c->height; y++) {
		uint32_t rgb = y < horizon ?
				       blend(0x1b2a49, 0xf2a65a, y, horizon) :
				       blend(0x2b6777, 0x0b1f2a, y - horizon, c->height - horizon);

		box(c, 0, y, c->width, 1, rgb);
	}
	for (int y = horizon + 12; y < c->height; y += 26)
		for (int x = y * 7 % 90; x < c->width; x += 150)
			box(c, x, y, 40, 2, 0x4f8a99);
}

static void sun(struct canvas *c, int cx, int cy, int r)
{
	for (int y = -r; y <= 0; y++)
		for (int x = -r; x <= r; x++)
			if (x * x + y * y <= r * r)
				put(c, cx + x, cy + y, 0xffe8a3);
}

static void ship(struct canvas *c, int x, int y, int u)
{
	for (int j = 0; j < 4 * u; j++) /* hull, narrower towards the keel */
		box(c, x + j, y + j, 30 * u - 2 * j, 1, 0x7a1f2b);
	box(c, x, y - u / 2, 30 * u, u / 2, 0xf4f1de);
	box(c, x + 4 * u, y - 4 * u, 18 * u, 4 * u - u / 2, 0xf4f1de);
	for (int i = 0; i < 6; i++)
		box(c, x + 5 * u + i * 3 * u, y - 3 * u, u, u, 0x1b2a49);
	box(c, x + 9 * u, y - 9 * u, 3 * u, 5 * u, 0xe07a5f);
	box(c, x + 15 * u, y - 9 * u, 3 * u, 5 * u, 0xe07a5f);
	box(c, x + 9 * u, y - 8 * u, 3 * u, u, 0xf4f1de);
	box(c, x + 15 * u, y - 8 * u, 3 * u, u, 0xf4f1de);
}

static void quay(struct canvas *c, int y)
{
	box(c, 0, y, c->width * 3 / 4, 40, 0x5c5346);
	box(c, 0, y, c->width * 3 / 4, 6, 0x8d8371);
	for (int x = 30; x < c->width * 3 / 4; x += 120)
		box(c, x, y - 14, 16, 20, 0x2f2a24);
}

/* A 5×7 letter: five columns, low bit on top. Only what the demo writes: digits, capitals and some marks. */
static const uint8_t *glyph(char ch)
{
	static const char known[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.:-/,";
	static const uint8_t font[][5] = {
		{ 0x3e, 0x51, 0x49, 0x45, 0x3e }, { 0x00, 0x42, 0x7f, 0x40, 0x00 },
		{ 0x42, 0x61, 0x51, 0x49, 0x46 }, { 0x21, 0x41, 0x45, 0x4b, 0x31 },
		{ 0x18, 0x14, 0x12, 0x7f, 0x10 }, { 0x27, 0x45, 0x45, 0x45, 0x39 },
		{ 0x3c, 0x4a, 0x49, 0x49, 0x30 }, { 0x01, 0x71, 0x09, 0x05, 0x03 },
		{ 0x36, 0x49, 0x49, 0x49, 0x36 }, { 0x06, 0x49, 0x49, 0x29, 0x1e },
		{ 0x7e, 0x11, 0x11, 0x11, 0x7e }, { 0x7f, 0x49, 0x49, 0x49, 0x36 },
		{ 0x3e, 0x41, 0x41, 0x41, 0x22 }, { 0x7f, 0x41, 0x41, 0x22, 0x1c },
		{ 0x7f, 0x49, 0x49, 0x49, 0x41 }, { 0x7f, 0x09, 0x09, 0x09, 0x01 },
		{ 0x3e, 0x41, 0x49, 0x49, 0x7a }, { 0x7f, 0x08, 0x08, 0x08, 0x7f },
		{ 0x00, 0x41, 0x7f, 0x41, 0x00 }, { 0x20, 0x40, 0x41, 0x3f, 0x01 },
		{ 0x7f, 0x08, 0x14, 0x22, 0x41 }, { 0x7f, 0x40, 0x40, 0x40, 0x40 },
		{ 0x7f, 0x02, 0x0c, 0x02, 0x7f }, { 0x7f, 0x04, 0x08, 0x10, 0x7f },
		{ 0x3e, 0x41, 0x41, 0x41, 0x3e }, { 0x7f, 0x09, 0x09, 0x09, 0x06 },
		{ 0x3e, 0x41, 0x51, 0x21, 0x5e }, { 0x7f, 0x09, 0x19, 0x29, 0x46 },
		{ 0x46, 0x49, 0x49, 0x49, 0x31 }, { 0x01, 0x01, 0x7f, 0x01, 0x01 },
		{ 0x3f, 0x40, 0x40, 0x40, 0x3f }, { 0x1f, 0x20, 0x40, 0x20, 0x1f },
		{ 0x3f, 0x40, 0x38, 0x40, 0x3f }, { 0x63, 0x14, 0x08, 0x14, 0x63 },
		{ 0x07, 0x08, 0x70, 0x08, 0x07 }, { 0x61, 0x51, 0x49, 0x45, 0x43 },
		{ 0x00, 0x60, 0x60, 0x00, 0x00 }, { 0x00, 0x36, 0x36, 0x00, 0x00 },
		{ 0x08, 0x08, 0x08, 0x08, 0x08 }, { 0x20, 0x10, 0x08, 0x04, 0x02 },
		{ 0x00, 0x50, 0x30, 0x00, 0x00 },
	};
	const char *at = NULL;

	if (ch >= 'a' && ch <= 'z')
		ch = (char)(ch - 'a' + 'A');
	if (ch)
		at = strchr(known, ch);
	return at ? font[at - known] : NULL;
}

static void text(struct canvas *c, int x, int y, int u, const char *line, uint32_t rgb)
{
	for (; *line; line++, x += 6 * u) {
		const uint8_t *columns = glyph(*line);

		for (int i = 0; columns && i < 5; i++)
			for (int j = 0; j < 7; j++)
				if (columns[i] >> j & 1)
					box(c, x + i * u, y + j * u, u, u, rgb);
	}
}

static int open_canvas(struct canvas *c, const char *path)
{
	struct fb_var_screeninfo var;
	struct fb_fix_screeninfo fix;
	int fd = open(path, O_RDWR);

	if (fd < 0 || ioctl(fd, FBIOGET_VSCREENINFO, &var) < 0 ||
	    ioctl(fd, FBIOGET_FSCREENINFO, &fix) < 0) {
		fprintf(stderr, "draw: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (var.bits_per_pixel != 32) {
		fprintf(stderr, "draw: %s: %u bits per pixel, only 32 will do\n", path,
			var.bits_per_pixel);
		return -1;
	}
	c->width = (int)var.xres;
	c->height = (int)var.yres;
	c->stride = fix.line_length;
	c->pixels = mmap(NULL, c->stride * var.yres, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->pixels == MAP_FAILED) {
		fprintf(stderr, "draw: mmap %s: %s\n", path, strerror(errno));
		return -1;
	}
	printf("draw: %s, %.16s, %d x %d\n", path, fix.id, c->width, c->height);
	return fd;
}

int main(int argc, char **argv)
{
	struct canvas c;
	int unit, fd;

	if (argc < 2) {
		fprintf(stderr, "usage: draw FRAMEBUFFER [LINE]…\n");
		return 2;
	}
	fd = open_canvas(&c, argv[1]);
	if (fd < 0)
		return 1;
	unit = c.width / 80;
	sky_and_sea(&c);
	sun(&c, c.width * 3 / 4, c.height * 5 / 8, 7 * unit);
	ship(&c, c.width / 5, c.height * 5 / 8 + unit, unit);
	quay(&c, c.height * 3 / 4);
	text(&c, unit * 4, unit * 3, unit * 2 / 3, "BERTH", 0xf4f1de);
	for (int i = 2; i < argc; i++)
		text(&c, unit * 4, unit * 10 + (i - 2) * unit * 3, unit / 4 ? unit / 4 : 1, argv[i],
		     0xf4f1de);
	fsync(fd);
	/* fbdev emulation copies to the device on a timer; give it one */
	usleep(200000);
	return 0;
}
