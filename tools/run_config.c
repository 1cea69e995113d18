/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/run_config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "manager/resolve.h"
#include "vmm/launch.h"
#include "vmm/mem.h"

void berth_run_config_init(struct berth_run_config *c)
{
	*c = (struct berth_run_config){ .nr_cpus = 1,
					.memory = BERTH_RUN_MEMORY,
					.numa_node = BERTH_RUN_NODE_AUTO };
}

void berth_run_config_done(struct berth_run_config *c)
{
	for (size_t i = 0; i < c->nr_devices; i++)
		free(c->devices[i]);
	free(c->devices);
	free(c->options);
	free(c->name);
	free(c->kernel);
	free(c->initrd);
	free(c->cmdline);
	berth_run_config_init(c);
}

static int no_memory(struct berth_err *err)
{
	return berth_err_set(err, -ENOMEM, "out of memory");
}

int berth_run_config_set(char **field, const char *value, struct berth_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

#define NO_OPTIONS ((struct berth_run_device){ .p2p_clique = -1 })

int berth_run_config_add_device(struct berth_run_config *c, const char *device,
				const struct berth_run_device *options, struct berth_err *err)
{
	char **more = realloc(c->devices, (c->nr_devices + 1) * sizeof(*more));
	struct berth_run_device *more_options;

	if (!more)
		return no_memory(err);
	c->devices = more;
	more_options = realloc(c->options, (c->nr_devices + 1) * sizeof(*more_options));
	if (!more_options)
		return no_memory(err);
	c->options = more_options;
	more_options[c->nr_devices] = options ? *options : NO_OPTIONS;
	more[c->nr_devices] = strdup(device);
	if (!more[c->nr_devices])
		return no_memory(err);
	c->nr_devices++;
	return 0;
}

static int bad_option(const char *option, const char *want, struct berth_err *err)
{
	return berth_err_set(err, -EINVAL, "'%.80s' is no option of a device; there are %s", option,
			     want);
}

/* One "key=value". */
static int take_option(struct berth_run_device *d, const char *option, struct berth_err *err)
{
	static const struct {
		const char *text;
		size_t field;
		bool value;
	} rows[] = {
		{ "rom=on", offsetof(struct berth_run_device, no_rom), false },
		{ "rom=off", offsetof(struct berth_run_device, no_rom), true },
		{ "msix-table=keep", offsetof(struct berth_run_device, move_msix), false },
		{ "msix-table=move", offsetof(struct berth_run_device, move_msix), true },
		{ "p2p-clique-force=on", offsetof(struct berth_run_device, p2p_clique_force),
		  true },
		{ "p2p-clique-force=off", offsetof(struct berth_run_device, p2p_clique_force),
		  false },
	};
	static const char clique[] = "p2p-clique=";
	unsigned int number;

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		if (strcmp(option, rows[i].text) == 0) {
			*(bool *)((char *)d + rows[i].field) = rows[i].value;
			return 0;
		}
	}
	if (strncmp(option, clique, strlen(clique)) == 0 &&
	    berth_parse_number(option + strlen(clique), 0, BERTH_P2P_CLIQUE_MAX, &number) == 0) {
		d->p2p_clique = (int)number;
		return 0;
	}
	return bad_option(option,
			  "rom=on|off, msix-table=keep|move, p2p-clique=0…15 and "
			  "p2p-clique-force=on|off",
			  err);
}

int berth_run_config_parse_device(struct berth_run_config *c, const char *text,
				  struct berth_err *err)
{
	BERTH_CLEANUP(berth_freep) char *copy = strdup(text);
	struct berth_run_device options = NO_OPTIONS;
	char *rest = copy, *name;
	int r = 0;

	if (!copy)
		return no_memory(err);
	name = strsep(&rest, ",");
	while (r == 0 && rest)
		r = take_option(&options, strsep(&rest, ","), err);
	return r < 0 ? r : berth_run_config_add_device(c, name, &options, err);
}

/* --- numbers --- */

int berth_parse_number(const char *text, unsigned int min, unsigned int max, unsigned int *ret)
{
	uint64_t value = 0;

	if (!*text || strlen(text) > 10)
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		value = 10 * value + (uint64_t)(*c - '0');
	}
	if (value < min || value > max)
		return -EINVAL;
	*ret = (unsigned int)value;
	return 0;
}

int berth_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	uint64_t value = 0;
	const char *c = text, *unit;

	for (; *c >= '0' && *c <= '9'; c++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
			return -ERANGE;
	}
	unit = *c ? strchr(units, *c) : NULL;
	if (c == text || !unit || (c[1] && strcmp(c + 1, "iB") != 0))
		return -EINVAL;
	if (__builtin_mul_overflow(value, UINT64_C(1) << (10 * (unit - units + 1)), ret))
		return -ERANGE;
	return 0;
}

int berth_parse_on_dma_fault(const char *text, bool *ret_stop)
{
	bool stop = strcmp(text, "stop") == 0;

	if (!stop && strcmp(text, "log") != 0)
		return -EINVAL;
	*ret_stop = stop;
	return 0;
}

int berth_parse_node(const char *text, int *ret)
{
	unsigned int node;

	if (strcmp(text, "auto") == 0)
		*ret = BERTH_RUN_NODE_AUTO;
	else if (strcmp(text, "off") == 0)
		*ret = BERTH_NODE_ANY;
	else if (berth_parse_number(text, 0, BERTH_NODE_MAX, &node) < 0)
		return -EINVAL;
	else
		*ret = (int)node;
	return 0;
}

char *berth_format_size(uint64_t bytes, char buf[static 24])
{
	static const char units[] = "KMGT";
	unsigned int i = 0;

	while (bytes && i < 4 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	if (i)
		snprintf(buf, 24, "%" PRIu64 "%c", bytes, units[i - 1]);
	else
		snprintf(buf, 24, "%" PRIu64, bytes);
	return buf;
}

/* --- VM.json --- */

/* A path of the file, relative to its folder. */
static int set_path(char **field, const char *value, const char *file, struct berth_err *err)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (*value == '/' || !slash)
		return berth_run_config_set(field, value, err);
	if (asprintf(&path, "%.*s/%s", (int)(slash - file), file, value) < 0)
		return no_memory(err);
	free(*field);
	*field = path;
	return 0;
}

static int load_strings(struct berth_run_config *c, const struct berth_json_at *root,
			const char *file, struct berth_err *err)
{
	const struct {
		const char *key;
		char **field;
		bool is_path;
	} rows[] = {
		{ "name", &c->name, false },
		{ "kernel", &c->kernel, true },
		{ "initrd", &c->initrd, true },
		{ "cmdline", &c->cmdline, false },
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(rows); i++) {
		const char *value;
		int r = berth_json_get_string(root, rows[i].key, &value, err);

		if (r == BERTH_ABSENT)
			continue;
		if (r == 0)
			r = rows[i].is_path ? set_path(rows[i].field, value, file, err) :
					      berth_run_config_set(rows[i].field, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_iommu(struct berth_run_config *c, const struct berth_json_at *root,
		      struct berth_err *err)
{
	const char *iommu;
	int r = berth_json_get_string(root, "iommu", &iommu, err);

	if (r == 0 && berth_ioas_want_parse(iommu, &c->iommu) < 0) {
		struct berth_json_at at = berth_json_member(root, "iommu");

		return berth_json_bad(&at, err, "'%s' is not \"auto\", \"type1\" or \"iommufd\"",
				      iommu);
	}
	return r == BERTH_ABSENT ? 0 : r;
}

static int load_numbers(struct berth_run_config *c, const struct berth_json_at *root,
			struct berth_err *err)
{
	const char *memory;
	int64_t cpus;
	int r = berth_json_get_int(root, "cpus", 1, BERTH_VM_MAX_VCPUS, &cpus, err);

	if (r < 0)
		return r;
	if (r == 0)
		c->nr_cpus = (unsigned int)cpus;
	r = berth_json_get_string(root, "memory", &memory, err);
	if (r == BERTH_ABSENT)
		return 0;
	if (r == 0 && berth_parse_size(memory, &c->memory) < 0) {
		struct berth_json_at at = berth_json_member(root, "memory");

		return berth_json_bad(&at, err, "'%s' is not a size; write \"512M\" or \"4G\"",
				      memory);
	}
	return r;
}

/* A member that is true or false. Absent: @ret stays. */
static int load_bool(const struct berth_json_at *at, const char *key, bool *ret,
		     struct berth_err *err)
{
	int r = berth_json_get_bool(at, key, ret, err);

	return r == BERTH_ABSENT ? 0 : r;
}

static int load_msix_table(const struct berth_json_at *device, bool *ret, struct berth_err *err)
{
	struct berth_json_at at;
	const char *where;
	int r = berth_json_get_string(device, "msix_table", &where, err);

	if (r != 0)
		return r == BERTH_ABSENT ? 0 : r;
	*ret = strcmp(where, "move") == 0;
	if (*ret || strcmp(where, "keep") == 0)
		return 0;
	at = berth_json_member(device, "msix_table");
	return berth_json_bad(&at, err, "\"keep\" or \"move\", not \"%s\"", where);
}

/* {"device": "03:00.0", "rom": false, …} */
static int load_device(struct berth_run_config *c, const struct berth_json_at *device,
		       struct berth_err *err)
{
	static const char *const keys[] = { "device",		"rom", "msix_table", "p2p_clique",
					    "p2p_clique_force", NULL };
	struct berth_run_device options = NO_OPTIONS;
	const char *name;
	bool rom = true;
	int64_t clique;
	int r = berth_json_only(device, keys, err);

	if (r == 0)
		r = berth_json_get_string(device, "device", &name, err);
	if (r == BERTH_ABSENT)
		return berth_json_bad(device, err, "a device without \"device\", its name");
	if (r == 0)
		r = load_bool(device, "rom", &rom, err);
	if (r == 0)
		r = load_msix_table(device, &options.move_msix, err);
	if (r == 0)
		r = load_bool(device, "p2p_clique_force", &options.p2p_clique_force, err);
	if (r < 0)
		return r;
	r = berth_json_get_int(device, "p2p_clique", 0, BERTH_P2P_CLIQUE_MAX, &clique, err);
	if (r == 0)
		options.p2p_clique = (int)clique;
	options.no_rom = !rom;
	return r < 0 ? r : berth_run_config_add_device(c, name, &options, err);
}

/* A word, or a number where @key is "numa_node". */
static int load_backing(struct berth_run_config *c, const struct berth_json_at *root,
			struct berth_err *err)
{
	struct berth_json_at node = berth_json_member(root, "numa_node"), pages;
	const char *word;
	int64_t number;
	int r = berth_json_get_string(root, "hugepages", &word, err);

	if (r < 0)
		return r;
	if (r == 0 && berth_pages_parse(word, &c->pages) < 0) {
		pages = berth_json_member(root, "hugepages");
		return berth_json_bad(&pages, err, "'%s' is not one of thp, off, 2M and 1G", word);
	}
	if (json_is_string(node.value)) {
		word = json_string_value(node.value);
		return berth_parse_node(word, &c->numa_node) == 0 ?
			       0 :
			       berth_json_bad(&node, err,
					      "'%s' is not auto, off or the number of a node",
					      word);
	}
	r = berth_json_get_int(root, "numa_node", 0, BERTH_NODE_MAX, &number, err);
	if (r == 0)
		c->numa_node = (int)number;
	return r < 0 ? r : 0;
}

int berth_parse_on_error(const char *text, enum berth_vm_on_error *ret)
{
	static const char *const names[] = {
		[BERTH_VM_ERROR_STOP] = "stop",
		[BERTH_VM_ERROR_PAUSE] = "pause",
		[BERTH_VM_ERROR_PASS] = "pass",
	};

	for (size_t i = 0; i < BERTH_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) != 0)
			continue;
		*ret = (enum berth_vm_on_error)i;
		return 0;
	}
	return -EINVAL;
}

static int load_on_error(struct berth_run_config *c, const struct berth_json_at *root,
			 struct berth_err *err)
{
	const char *what;
	int r = berth_json_get_string(root, "on_error", &what, err);

	if (r == 0 && berth_parse_on_error(what, &c->on_error) < 0) {
		struct berth_json_at at = berth_json_member(root, "on_error");

		return berth_json_bad(&at, err, "'%s' is not \"stop\", \"pause\" or \"pass\"",
				      what);
	}
	return r == BERTH_ABSENT ? 0 : r;
}

static int load_on_dma_fault(struct berth_run_config *c, const struct berth_json_at *root,
			     struct berth_err *err)
{
	struct berth_json_at at = berth_json_member(root, "on_dma_fault");
	const char *what;
	int r = berth_json_get_string(root, "on_dma_fault", &what, err);

	if (r == 0 && berth_parse_on_dma_fault(what, &c->stop_on_dma_fault) < 0)
		return berth_json_bad(&at, err, "'%s' is neither \"log\" nor \"stop\"", what);
	return r == BERTH_ABSENT ? 0 : r;
}

static int load_devices(struct berth_run_config *c, const struct berth_json_at *root,
			struct berth_err *err)
{
	struct berth_json_at devices;
	int r = berth_json_get_array(root, "devices", &devices, err);

	if (r == BERTH_ABSENT)
		return 0;
	for (size_t i = 0; r == 0 && i < json_array_size(devices.value); i++) {
		struct berth_json_at device = berth_json_element(&devices, i);

		if (json_is_object(device.value))
			r = load_device(c, &device, err);
		else if (json_is_string(device.value))
			r = berth_run_config_add_device(c, json_string_value(device.value), NULL,
							err);
		else
			r = berth_json_bad(&device, err,
					   "a device is a string, \"0000:03:00.0\" or a name, or "
					   "an object with \"device\"");
	}
	return r;
}

int berth_run_config_load(struct berth_run_config *c, const char *path, struct berth_err *err)
{
	static const char *const keys[] = { "name",	    "kernel", "initrd",	   "cmdline",
					    "cpus",	    "memory", "hugepages", "numa_node",
					    "devices",	    "p2p",    "iommu",	   "on_error",
					    "on_dma_fault", NULL };
	BERTH_CLEANUP(berth_json_freep) struct berth_json *doc = NULL;
	struct berth_json_at root;
	int r = berth_json_load_file(AT_FDCWD, path, NULL, NULL, &doc, err);

	if (r < 0)
		return r;
	root = berth_json_root(doc);
	r = berth_json_only(&root, keys, err);
	if (r == 0)
		r = load_strings(c, &root, path, err);
	if (r == 0)
		r = load_numbers(c, &root, err);
	if (r == 0)
		r = load_backing(c, &root, err);
	if (r == 0)
		r = load_on_dma_fault(c, &root, err);
	if (r == 0)
		r = load_iommu(c, &root, err);
	if (r == 0)
		r = load_on_error(c, &root, err);
	if (r == 0)
		r = load_devices(c, &root, err);
	if (r == 0)
		r = load_bool(&root, "p2p", &c->p2p, err);
	return r;
}

/* A clique tells the guest's driver that peer-to-peer DMA works: it must not say so where nothing is mapped for it. */
static int check_cliques(const struct berth_run_config *c, struct berth_err *err)
{
	for (size_t i = 0; i < c->nr_devices && !c->p2p; i++) {
		if (c->options[i].p2p_clique >= 0)
			return berth_err_set(
				err, -EINVAL,
				"device %.80s is to be in P2P clique %d, but VM %s has "
				"no peer-to-peer DMA; give --p2p or \"p2p\": true",
				c->devices[i], c->options[i].p2p_clique, c->name);
	}
	return 0;
}

int berth_run_config_check(const struct berth_run_config *c, struct berth_err *err)
{
	if (!c->name)
		return berth_err_set(err, -EINVAL,
				     "the VM has no name; give --name or \"name\" in VM.json");
	if (!berth_vm_name_valid(c->name))
		return berth_err_set(err, -EINVAL,
				     "VM name '%s': 1 to %d of A-Z a-z 0-9 . _ - are allowed, not "
				     "starting with . or -",
				     c->name, BERTH_VM_NAME_MAX);
	if (!c->kernel)
		return berth_err_set(err, -EINVAL,
				     "VM %s has no kernel; give --kernel or \"kernel\" in VM.json",
				     c->name);
	if (c->nr_cpus < 1 || c->nr_cpus > BERTH_VM_MAX_VCPUS)
		return berth_err_set(err, -EINVAL, "VM %s: %u CPUs; 1 to %d are possible", c->name,
				     c->nr_cpus, BERTH_VM_MAX_VCPUS);
	if (c->memory < BERTH_MEM_MIN || c->memory > BERTH_MEMORY_MAX)
		return berth_err_set(err, -EINVAL,
				     "VM %s: %" PRIu64 " bytes of memory; 16M to 8T are possible",
				     c->name, c->memory);
	if (c->memory % BERTH_MEMORY_ALIGN)
		return berth_err_set(err, -EINVAL, "VM %s: memory must be a multiple of 1M",
				     c->name);
	if (berth_pages_hugetlb(c->pages) && c->memory % berth_pages_hugetlb(c->pages))
		return berth_err_set(err, -EINVAL,
				     "VM %s: memory in pages of %s must be a multiple of that",
				     c->name, berth_pages_name(c->pages));
	if (c->cmdline && strlen(c->cmdline) > BERTH_VM_MAX_CMDLINE)
		return berth_err_set(err, -EINVAL,
				     "VM %s: the kernel command line is longer than %d bytes",
				     c->name, BERTH_VM_MAX_CMDLINE);
	return check_cliques(c, err) < 0 ? -EINVAL :
					   berth_resolve_check_form((const char *const *)c->devices,
								    c->nr_devices, err);
}
