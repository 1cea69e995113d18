/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/launch.h"
#include "vmm/mem.h"

struct fixture {
	int sock[2];
	struct berth_launch out, in;
	struct berth_err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int console[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, f->sock), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console), 0);
	close(console[1]);
	berth_launch_init(&f->in);
	berth_launch_init(&f->out);
	strcpy(f->out.name, "t1");
	strcpy(f->out.cmdline, "console=ttyS0 quiet");
	f->out.nr_cpus = 2;
	f->out.memory = 512ull << 20;
	f->out.uid = 70000;
	f->out.kvm_fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* a character device, as /dev/kvm */
	f->out.kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	f->out.console_fd = console[0];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	berth_launch_done(&f->in);
	berth_launch_done(&f->out);
	close(f->sock[0]);
	close(f->sock[1]);
	free(f);
	return 0;
}

/* Two groups: 01:00.0 and .1 in one, 02:00.0 in the other. */
static void add_devices(struct berth_launch *l)
{
	static const struct berth_bdf at[] = { { 0, 1, 0, 0 },
					       { 0, 1, 0, 1 },
					       { 0x10000, 2, 0, 0 } };

	l->devices_follow = true;
	l->container_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	l->nr_groups = 2;
	for (unsigned int i = 0; i < 2; i++) {
		l->groups[i].number = 14 + i;
		l->groups[i].fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	}
	l->nr_devices = 3;
	for (unsigned int i = 0; i < 3; i++) {
		l->devices[i].host = at[i];
		l->devices[i].group = i / 2;
		l->devices[i].fd = memfd_create("device", MFD_CLOEXEC);
	}
	assert_int_equal(berth_launch_place(l, NULL), 0);
	l->p2p = true;
	l->devices[1].no_rom = l->devices[2].move_msix = true;
	l->devices[2].p2p_clique = BERTH_P2P_CLIQUE_MAX;
	l->devices[2].p2p_clique_force = true;
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Both messages. */
static void pass_on(struct fixture *f)
{
	assert_int_equal(berth_launch_send(f->sock[0], &f->out, &f->err), 0);
	assert_int_equal(berth_launch_recv(f->sock[1], &f->in, &f->err), 0);
	assert_int_equal(f->in.nr_devices, 0);
	assert_int_equal(f->in.container_fd, -1);
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, &f->err), 0);
	assert_int_equal(berth_launch_recv_devices(f->sock[1], &f->in, &f->err), 0);
}

static void arrives_as_it_was_sent(void **state)
{
	struct fixture *f = *state;

	add_devices(&f->out);
	pass_on(f);
	assert_string_equal(f->in.name, "t1");
	assert_string_equal(f->in.cmdline, "console=ttyS0 quiet");
	assert_int_equal(f->in.nr_cpus, 2);
	assert_int_equal(f->in.memory, 512ull << 20);
	assert_int_equal(f->in.uid, 70000);
	assert_int_equal(f->in.initrd_fd, -1);
	assert_int_equal(f->in.memory_fd, -1);
	assert_int_equal(f->in.pages, BERTH_PAGES_THP);
	assert_int_equal(f->in.numa_node, BERTH_NODE_ANY);
	assert_int_equal(inode(f->in.kernel_fd), inode(f->out.kernel_fd));
	assert_int_equal(inode(f->in.console_fd), inode(f->out.console_fd));
	assert_int_equal(f->in.nr_groups, 2);
	assert_int_equal(f->in.groups[1].number, 15);
	assert_int_equal(f->in.nr_devices, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(berth_bdf_eq(f->in.devices[i].host, f->out.devices[i].host));
		assert_int_equal(f->in.devices[i].group, i / 2);
		assert_int_equal(f->in.devices[i].slot, i / 2);
		assert_int_equal(f->in.devices[i].fn, i % 2);
		assert_int_equal(f->in.devices[i].no_rom, i == 1);
		assert_int_equal(f->in.devices[i].move_msix, i == 2);
		assert_int_equal(f->in.devices[i].p2p_clique, i == 2 ? BERTH_P2P_CLIQUE_MAX : -1);
		assert_int_equal(f->in.devices[i].p2p_clique_force, i == 2);
		assert_int_equal(inode(f->in.devices[i].fd), inode(f->out.devices[i].fd));
	}
	assert_true(f->in.p2p);
	assert_int_equal(fcntl(f->in.kernel_fd, F_GETFD), FD_CLOEXEC);
}

/* By iommufd there are no groups, and a device is a character device. */
static void use_iommufd(struct berth_launch *l)
{
	l->ioas_kind = BERTH_IOAS_IOMMUFD;
	l->ioas_id = 7;
	for (unsigned int i = 0; i < l->nr_groups; i++)
		berth_closep(&l->groups[i].fd);
	l->nr_groups = 0;
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		berth_closep(&l->devices[i].fd);
		l->devices[i].fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		l->devices[i].group = 0;
	}
}

static void devices_by_iommufd_come_without_groups(void **state)
{
	struct fixture *f = *state;

	add_devices(&f->out);
	use_iommufd(&f->out);
	pass_on(f);
	assert_int_equal(f->in.ioas_kind, BERTH_IOAS_IOMMUFD);
	assert_int_equal(f->in.ioas_id, 7);
	assert_int_equal(f->in.nr_groups, 0);
	assert_int_equal(f->in.nr_devices, 3);
	assert_true(f->in.container_fd >= 0 && f->in.devices[2].fd >= 0);
}

static void interface_and_descriptors_must_agree(void **state)
{
	struct fixture *f = *state;

	add_devices(&f->out);
	f->out.ioas_kind = BERTH_IOAS_IOMMUFD;
	assert_int_equal(berth_launch_send(f->sock[0], &f->out, NULL), 0);
	assert_int_equal(berth_launch_recv(f->sock[1], &f->in, NULL), 0);
	/* but with groups */
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), -EINVAL);
	use_iommufd(&f->out);
	f->out.devices[1].group = 1;
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), -EINVAL);
	f->out.devices[1].group = 0;
	berth_closep(&f->out.devices[1].fd);
	f->out.devices[1].fd = memfd_create("device", MFD_CLOEXEC); /* no character device */
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), 0);
	assert_int_equal(berth_launch_recv_devices(f->sock[1], &f->in, &f->err), -EINVAL);
	assert_int_equal(f->in.nr_devices, 0);
	assert_int_equal(f->in.container_fd, -1);
	assert_non_null(strstr(f->err.text, "a VFIO device"));
	f->out.ioas_kind = BERTH_IOAS_TYPE1; /* but without groups */
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), -EINVAL);
}

static void memory_of_a_pool_arrives_as_a_file(void **state)
{
	struct fixture *f = *state;

	add_devices(&f->out);
	f->out.pages = BERTH_PAGES_2M;
	f->out.numa_node = 3;
	f->out.memory_fd = memfd_create("memory", MFD_CLOEXEC);
	pass_on(f);
	assert_int_equal(f->in.pages, BERTH_PAGES_2M);
	assert_int_equal(f->in.numa_node, 3);
	assert_int_equal(inode(f->in.memory_fd), inode(f->out.memory_fd));
	assert_int_equal(inode(f->in.devices[2].fd), inode(f->out.devices[2].fd));
}

/* A message whose flags say that a file comes, with pages that need none, and the other way round. */
static void memory_and_its_file_must_agree(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[BERTH_FD_MAX_PASS];

	f->out.memory_fd = memfd_create("memory", MFD_CLOEXEC);
	assert_int_equal(berth_launch_decode(buf, berth_launch_encode(&f->out, buf), fds,
					     berth_launch_machine_fds(&f->out, fds), &f->in,
					     &f->err),
			 -EPROTO);
	assert_non_null(strstr(f->err.text, "pages of thp"));
	close(f->out.memory_fd);
	f->out.memory_fd = -1;
	f->out.pages = BERTH_PAGES_1G;
	f->out.memory = 1ull << 30;
	assert_int_equal(berth_launch_decode(buf, berth_launch_encode(&f->out, buf), fds,
					     berth_launch_machine_fds(&f->out, fds), &f->in, NULL),
			 -EPROTO);
}

static void impossible_backings_are_refused(void **state)
{
	static const struct {
		unsigned int pages;
		int node;
		uint64_t memory;
		const char *says;
	} rows[] = {
		{ BERTH_PAGES_COUNT, -1, 1ull << 30, "kind" },
		{ BERTH_PAGES_1G, -1, 1536ull << 20, "multiple" },
		{ BERTH_PAGES_2M, -1, 513ull << 20, "multiple" },
		{ BERTH_PAGES_THP, -2, 1ull << 30, "node -2" },
		{ BERTH_PAGES_THP, BERTH_NODE_MAX + 1, 1ull << 30, "node 1024" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		struct berth_err err = BERTH_ERR_INIT;

		f->out.pages = (enum berth_pages)rows[i].pages;
		f->out.numa_node = rows[i].node;
		f->out.memory = rows[i].memory;
		assert_int_equal(berth_launch_check(&f->out, &err), -EINVAL);
		assert_non_null(strstr(err.text, rows[i].says));
	}
}

/* The two messages of a VM with devices. */
struct message {
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	size_t len;
	size_t nr_fds;
	bool devices;
};

static void encode_both(const struct berth_launch *l, struct message m[2])
{
	m[0].len = berth_launch_encode(l, m[0].buf);
	m[0].nr_fds = 3;
	m[0].devices = false;
	m[1].len = berth_launch_encode_devices(l, m[1].buf);
	m[1].nr_fds = 6;
	m[1].devices = true;
}

static int decode(struct fixture *f, const struct message *m, const uint8_t *buf, size_t len)
{
	static const int fds[16]; /* all 0, and not ours to close */

	berth_launch_init(&f->in);
	if (!m->devices)
		return berth_launch_decode(buf, len, fds, m->nr_fds, &f->in, NULL);
	f->in = f->out;
	f->in.ioas_id = f->in.nr_groups = f->in.nr_devices = 0;
	f->in.container_fd = -1;
	return berth_launch_decode_devices(buf, len, fds, m->nr_fds, &f->in, NULL);
}

static void every_byte_cut_off_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct message messages[2];

	add_devices(&f->out);
	encode_both(&f->out, messages);
	for (const struct message *m = messages; m < messages + 2; m++) {
		assert_int_equal(decode(f, m, m->buf, m->len), 0);
		for (size_t cut = 0; cut < m->len; cut++) {
			uint8_t *exact =
				malloc(cut ? cut : 1); /* a sanitizer sees a read past the end */

			memcpy(exact, m->buf, cut);
			assert_int_equal(decode(f, m, exact, cut), -EPROTO);
			/* and again when the length field agrees with the cut */
			if (cut >= 12) {
				exact[8] = (uint8_t)cut;
				exact[9] = (uint8_t)(cut >> 8);
				assert_int_equal(decode(f, m, exact, cut), -EPROTO);
			}
			free(exact);
		}
	}
	berth_launch_init(&f->in);
}

static void no_changed_byte_makes_it_misbehave(void **state)
{
	struct fixture *f = *state;
	struct message messages[2];

	add_devices(&f->out);
	encode_both(&f->out, messages);
	for (struct message *m = messages; m < messages + 2; m++) {
		size_t refused = 0;

		for (size_t at = 0; at < m->len * 256; at++) {
			uint8_t was = m->buf[at / 256];

			m->buf[at / 256] = (uint8_t)at;
			if (decode(f, m, m->buf, m->len) < 0) {
				assert_int_equal(f->in.nr_devices, 0);
				assert_int_equal(f->in.container_fd, -1);
				refused++;
			} else {
				assert_int_equal(berth_launch_check(&f->in, NULL), 0);
			}
			m->buf[at / 256] = was;
		}
		assert_true(refused > 12 * 255); /* magic, version, length at the very least */
	}
	berth_launch_init(&f->in);
}

static void one_message_is_not_taken_for_the_other(void **state)
{
	struct fixture *f = *state;
	struct message messages[2];

	add_devices(&f->out);
	encode_both(&f->out, messages);
	messages[0].devices = true;
	messages[1].devices = false;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(decode(f, &messages[i], messages[i].buf, messages[i].len),
				 -EPROTO);
	berth_launch_init(&f->in);
}

static void devices_must_be_announced(void **state)
{
	struct fixture *f = *state;

	add_devices(&f->out);
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), 0);
	f->out.devices_follow = false;
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), -EINVAL);
	assert_int_equal(berth_launch_send(f->sock[0], &f->out, NULL), 0);
	f->in = f->out;
	f->in.nr_devices = f->in.nr_groups = 0;
	f->in.container_fd = -1;
	assert_int_equal(berth_launch_recv_devices(f->sock[1], &f->in, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.text, "announced"));
	berth_launch_init(&f->in);
}

static void no_device_is_no_message(void **state)
{
	struct fixture *f = *state;

	f->out.devices_follow = true;
	assert_int_equal(berth_launch_send_devices(f->sock[0], &f->out, NULL), -EINVAL);
}

static void wrong_number_of_descriptors_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[16] = { 0 };
	size_t len = berth_launch_encode(&f->out, buf);

	assert_int_equal(berth_launch_decode(buf, len, fds, 2, &f->in, NULL), -EPROTO);
	assert_int_equal(berth_launch_decode(buf, len, fds, 4, &f->in, &f->err), -EPROTO);
	assert_string_equal(f->err.text, "launch message: 4 descriptors, expected 3");
}

static void refused_message_leaves_no_descriptor_open(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[3] = { f->out.kvm_fd, f->out.kernel_fd, f->out.console_fd };
	int before = dup(0), after;
	size_t len = berth_launch_encode(&f->out, buf);

	close(before);
	buf[4]++; /* version */
	assert_int_equal(berth_fd_send(f->sock[0], buf, len, fds, 3), 0);
	assert_int_equal(berth_launch_recv(f->sock[1], &f->in, &f->err), -EPROTO);
	after = dup(0);
	close(after);
	assert_int_equal(after, before);
}

static void kinds_of_descriptors_are_checked(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[BERTH_LAUNCH_MESSAGE_MAX];
	int fds[3] = { f->out.kernel_fd, f->out.kvm_fd, f->out.console_fd }; /* swapped */

	assert_int_equal(berth_fd_send(f->sock[0], buf, berth_launch_encode(&f->out, buf), fds, 3),
			 0);
	assert_int_equal(berth_launch_recv(f->sock[1], &f->in, &f->err), -EINVAL);
	assert_int_equal(f->in.kvm_fd, -1);
}

static void closed_socket_is_reported(void **state)
{
	struct fixture *f = *state;

	shutdown(f->sock[0], SHUT_RDWR);
	assert_int_equal(berth_launch_recv(f->sock[1], &f->in, &f->err), -ECONNRESET);
}

static void refuses_what_no_vm_can_be(void **state)
{
	struct fixture *f = *state;
	struct berth_launch *l = &f->out;

#define REFUSED_WITH(change)                                                                       \
	do {                                                                                       \
		struct berth_launch saved = *l;                                                    \
		change;                                                                            \
		assert_int_equal(berth_launch_check(l, NULL), -EINVAL);                            \
		assert_int_equal(berth_launch_send_devices(f->sock[0], l, NULL), -EINVAL);         \
		*l = saved;                                                                        \
	} while (0)

	add_devices(l);
	assert_int_equal(berth_launch_check(l, &f->err), 0);
	REFUSED_WITH(l->nr_cpus = 0);
	REFUSED_WITH(l->nr_cpus = BERTH_VM_MAX_VCPUS + 1);
	REFUSED_WITH(l->memory = 0);
	REFUSED_WITH(l->memory = BERTH_MEM_MIN - BERTH_MEMORY_ALIGN);
	REFUSED_WITH(l->memory += 4096);
	REFUSED_WITH(l->memory = BERTH_MEMORY_MAX + BERTH_MEMORY_ALIGN);
	REFUSED_WITH(l->uid = 0);
	REFUSED_WITH(l->uid = UINT32_MAX);
	REFUSED_WITH(strcpy(l->name, "../x"));
	REFUSED_WITH(strcpy(l->cmdline, "a\nb"));
	REFUSED_WITH(l->nr_devices = BERTH_LAUNCH_DEVICES + 1);
	REFUSED_WITH(l->nr_groups = BERTH_LAUNCH_GROUPS + 1);
	REFUSED_WITH(l->nr_devices = 0);
	REFUSED_WITH(l->devices[1].group = 2);
	REFUSED_WITH(l->devices[1].slot = BERTH_LAUNCH_SLOTS);
	REFUSED_WITH(l->devices[1].fn = 8);
	REFUSED_WITH(l->devices[1].fn = 0);		       /* two at one place */
	REFUSED_WITH(l->devices[0].fn = 2);		       /* no function 0 left */
	REFUSED_WITH(l->devices[2].host = l->devices[0].host); /* listed twice */
	REFUSED_WITH(l->devices[0].host.dev = 32);
	REFUSED_WITH(l->devices[0].p2p_clique = BERTH_P2P_CLIQUE_MAX + 1);
	REFUSED_WITH(l->devices[0].p2p_clique = -2);
#undef REFUSED_WITH
}

static void knows_vm_names(void **state)
{
	char longest[BERTH_VM_NAME_MAX + 2] = "";

	(void)state;
	memset(longest, 'x', BERTH_VM_NAME_MAX);
	assert_true(berth_vm_name_valid(longest));
	longest[BERTH_VM_NAME_MAX] = 'x';
	assert_false(berth_vm_name_valid(longest));
	assert_true(berth_vm_name_valid("t1"));
	assert_true(berth_vm_name_valid("A_b-c.9"));
	assert_false(berth_vm_name_valid(""));
	assert_false(berth_vm_name_valid("."));
	assert_false(berth_vm_name_valid(".."));
	assert_false(berth_vm_name_valid("-x"));
	assert_false(berth_vm_name_valid("a/b"));
	assert_false(berth_vm_name_valid("a b"));
	assert_false(berth_vm_name_valid("a\n"));
	assert_false(berth_vm_name_valid("ä"));
}

static void functions_of_one_slot_stay_together(void **state)
{
	struct fixture *f = *state;
	struct berth_launch *l = &f->out;
	static const struct {
		struct berth_bdf host;
		unsigned int slot, fn;
	} rows
		[] = {
			{ { 0, 3, 0, 1 }, 0, 1 }, { { 0, 5, 0, 0 }, 1, 0 },
			{ { 0, 3, 0, 0 }, 0, 0 }, { { 0, 7, 0, 3 }, 2, 3 },
			{ { 0, 7, 0, 2 }, 2, 0 }, /* function 0 stayed with the host */
			{ { 1, 3, 0, 0 }, 3, 0 }, /* another domain is another slot */
		};

	l->nr_devices = BERTH_ARRAY_SIZE(rows);
	for (unsigned int i = 0; i < l->nr_devices; i++)
		l->devices[i].host = rows[i].host;
	assert_int_equal(berth_launch_place(l, &f->err), 0);
	for (unsigned int i = 0; i < l->nr_devices; i++) {
		assert_int_equal(l->devices[i].slot, rows[i].slot);
		assert_int_equal(l->devices[i].fn, rows[i].fn);
	}
}

static void more_slots_than_there_are_is_refused(void **state)
{
	struct fixture *f = *state;
	struct berth_launch *l = &f->out;

	l->nr_devices = BERTH_LAUNCH_SLOTS + 1;
	for (unsigned int i = 0; i < l->nr_devices; i++)
		l->devices[i].host = (struct berth_bdf){ 0, (uint8_t)(i + 1), 0, 0 };
	assert_int_equal(berth_launch_place(l, &f->err), -E2BIG);
	l->nr_devices--;
	assert_int_equal(berth_launch_place(l, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(arrives_as_it_was_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(devices_by_iommufd_come_without_groups, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(interface_and_descriptors_must_agree, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_of_a_pool_arrives_as_a_file, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_and_its_file_must_agree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(impossible_backings_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_byte_cut_off_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_changed_byte_makes_it_misbehave, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_message_is_not_taken_for_the_other, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(devices_must_be_announced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_device_is_no_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_number_of_descriptors_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refused_message_leaves_no_descriptor_open, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(kinds_of_descriptors_are_checked, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(closed_socket_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_no_vm_can_be, set_up, tear_down),
		cmocka_unit_test(knows_vm_names),
		cmocka_unit_test_setup_teardown(functions_of_one_slot_stay_together, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_slots_than_there_are_is_refused, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("vmm/launch", tests, NULL, NULL);
}
