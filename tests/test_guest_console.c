/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's console over real descriptors, with the event loop turned by hand: a reader that stalls, input that is
 * more than the FIFO takes, ends that hang up.
 */
#include "tests/cmocka_all.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/bus.h"
#include "vmm/console.h"
#include "vmm/irq.h"
#include "vmm/loop.h"
#include "vmm/serial.h"

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	return request == KVM_CHECK_EXTENSION ? 4096 : 0;
}

struct board {
	struct berth_bus *pio;
	struct berth_irq *irq;
	struct berth_loop *loop;
	struct berth_console *console;
	int tick; /* eventfd that ends one turn of the loop */
	int ours; /* our end of the guest's socket */
	int theirs;
};

static void on_tick(void *opaque, int fd, uint32_t events)
{
	struct board *b = opaque;
	eventfd_t value;

	(void)events;
	(void)eventfd_read(fd, &value);
	berth_loop_quit(b->loop);
}

static int setup(void **state)
{
	static struct board b;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	b.ours = fds[0];
	b.theirs = fds[1];
	assert_int_equal(berth_bus_new(&b.pio, "pio"), 0);
	assert_int_equal(berth_irq_new(&b.irq, 3, NULL), 0);
	assert_int_equal(berth_loop_new(&b.loop, NULL), 0);
	b.tick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(berth_loop_add(b.loop, b.tick, EPOLLIN, on_tick, &b, NULL), 0);
	b.console = NULL;
	*state = &b;
	return 0;
}

static void open_console(struct board *b, int in, int out)
{
	assert_int_equal(berth_console_new(&b->console, b->pio, b->irq, b->loop, in, out, NULL), 0);
}

static int teardown(void **state)
{
	struct board *b = *state;

	berth_console_free(b->console);
	berth_loop_free(b->loop);
	berth_irq_free(b->irq);
	berth_bus_free(b->pio);
	close(b->tick);
	if (b->ours >= 0)
		close(b->ours);
	close(b->theirs);
	return 0;
}

static void send_byte(struct board *b, char c)
{
	berth_bus_write(b->pio, BERTH_SERIAL_COM1 + UART_TX, 1, &c);
}

/* As the guest does: look whether there is a byte, take it. */
static int receive_byte(struct board *b)
{
	uint8_t lsr = 0, byte = 0;

	berth_bus_read(b->pio, BERTH_SERIAL_COM1 + UART_LSR, 1, &lsr);
	if (!(lsr & UART_LSR_DR))
		return -1;
	berth_bus_read(b->pio, BERTH_SERIAL_COM1 + UART_RX, 1, &byte);
	return byte;
}

/* What was ready before the tick is served in the same batch of events, or an earlier one. */
static void turn(struct board *b)
{
	eventfd_write(b->tick, 1);
	assert_int_equal(berth_loop_run(b->loop, NULL), 0);
}

static void output_goes_out_at_once(void **state)
{
	struct board *b = *state;
	char text[16] = "";

	open_console(b, b->theirs, b->theirs);
	for (const char *p = "login:"; *p; p++)
		send_byte(b, *p);
	assert_int_equal(read(b->ours, text, sizeof(text)), 6);
	assert_string_equal(text, "login:");
}

/* What is there to be read now must go on from byte number *@total. */
static void expect_sequence(struct board *b, size_t *total)
{
	char data[4096];
	ssize_t n;

	while ((n = recv(b->ours, data, sizeof(data), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++, (*total)++)
			assert_int_equal((uint8_t)data[i], *total % 251);
}

static void a_stalled_reader_never_blocks_the_guest(void **state)
{
	struct board *b = *state;
	size_t total = 0, before;

	open_console(b, b->theirs, b->theirs);
	/* far more than socket and buffer hold; this ends only if nothing blocks */
	for (unsigned int i = 0; i < 1000000; i++)
		send_byte(b, (char)(i % 251));
	expect_sequence(b, &total);
	before = total;
	assert_in_range(before, 1, 900000);
	turn(b);
	expect_sequence(b, &total);
	/* what was kept comes after, the oldest first; what came later was dropped */
	assert_int_equal(total - before, BERTH_CONSOLE_BUFFER);
}

static void long_input_waits_in_the_descriptor(void **state)
{
	static const char text[] = "a line that is longer than the sixteen bytes of the FIFO";
	struct board *b = *state;
	char got[sizeof(text)] = "";
	int c;

	open_console(b, b->theirs, b->theirs);
	assert_int_equal(write(b->ours, text, strlen(text)), (ssize_t)strlen(text));
	turn(b);
	for (size_t i = 0; (c = receive_byte(b)) >= 0; i++)
		got[i] = (char)c;
	/* one turn fills the FIFO once; the loop has quit then, so a byte a turn is no requirement */
	assert_int_equal(strlen(got), BERTH_SERIAL_FIFO);
	assert_memory_equal(got, text, BERTH_SERIAL_FIFO);
}

static void files_and_nothing_are_consoles_too(void **state)
{
	struct board *b = *state;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	open_console(b, null, null);
	send_byte(b, 'x');
	turn(b);
	berth_console_free(b->console);
	open_console(b, -1, -1);
	send_byte(b, 'x');
	assert_int_equal(receive_byte(b), -1);
	close(null);
}

static void a_hung_up_end_does_not_end_the_guest(void **state)
{
	struct board *b = *state;

	open_console(b, b->theirs, b->theirs);
	close(b->ours);
	b->ours = -1;
	turn(b);
	for (unsigned int i = 0; i < 100; i++)
		send_byte(b, 'x');
	assert_int_equal(receive_byte(b), -1);
}

static void input_and_output_may_be_different_ends(void **state)
{
	struct board *b = *state;
	int in[2], out[2];
	char c = 0;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	open_console(b, in[0], out[1]);
	assert_int_equal(write(in[1], "i", 1), 1);
	turn(b);
	assert_int_equal(receive_byte(b), 'i');
	close(in[1]); /* end of input: output goes on */
	send_byte(b, 'o');
	assert_int_equal(read(out[0], &c, 1), 1);
	assert_int_equal(c, 'o');
	berth_console_free(b->console);
	b->console = NULL;
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(output_goes_out_at_once),
		T(a_stalled_reader_never_blocks_the_guest),
		T(long_input_waits_in_the_descriptor),
		T(files_and_nothing_are_consoles_too),
		T(a_hung_up_end_does_not_end_the_guest),
		T(input_and_output_may_be_different_ends),
	};

	return cmocka_run_group_tests_name("vmm/console", tests, NULL, NULL);
}
