# SPDX-License-Identifier: GPL-2.0-or-later
# Berth: one Makefile, no recursion; `make help` lists the targets.

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/berth
LIBDIR     ?= $(PREFIX)/lib/berth
DATADIR    ?= $(PREFIX)/share/berth
MANDIR     ?= $(PREFIX)/share/man
UDEVDIR    ?= /usr/lib/udev/rules.d
UNITDIR    ?= /usr/lib/systemd/system
DESTDIR    ?=
SAN        ?=
COV        ?=
FAILPOINTS ?=
V          ?= 0

VERSION := 0.1.0

# --- variants: a sanitizer or clang build never mixes its objects with another one ---
comma   := ,
VARIANT ?= $(notdir $(firstword $(CC)))$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(FAILPOINTS),-failpoints)
B       := build/$(VARIANT)

LIBS_PC := libpci libudev libnl-3.0 libnl-route-3.0 jansson sqlite3 smartcols libseccomp nettle
PC_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(LIBS_PC) 2>/dev/null)
PC_LIBS   = $(shell $(PKG_CONFIG) --libs $(LIBS_PC) 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
        -Wimplicit-fallthrough -Wpointer-arith -Wwrite-strings
WERROR ?= 0
# Ours; the user's own CFLAGS come after and never replace these.
C_ALL = -std=gnu11 -D_GNU_SOURCE -Isrc -I. $(WARN) $(if $(filter 1,$(WERROR)),-Werror) \
        -DBERTH_VERSION='"$(VERSION)"' -DBERTH_LIBEXECDIR='"$(LIBEXECDIR)"' \
        -DBERTH_LIBDIR='"$(LIBDIR)"' \
        -fno-strict-aliasing -fstack-protector-strong \
        $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer) \
        $(if $(COV),-fprofile-instr-generate -fcoverage-mapping) $(if $(FAILPOINTS),-DBERTH_FAILPOINTS) $(PC_CFLAGS)
LD_ALL = $(if $(SAN),-fsanitize=$(SAN)) $(if $(COV),-fprofile-instr-generate) -Wl,-z,relro,-z,now -pthread

LAYERS   := base uapi iommu vfio vmm policy manager
LIB_SRC  := $(sort $(foreach l,$(LAYERS),$(wildcard src/$(l)/*.c)))
CMD_SRC  := $(sort $(filter-out tools/berth-vmm.c,$(wildcard tools/*.c)))
VMM_SRC  := $(wildcard tools/berth-vmm.c)
TEST_SRC := $(sort $(wildcard tests/test_*.c))
TESTLIB_SRC := $(sort $(wildcard tests/lib/*.c))
HEADERS  := $(sort $(wildcard src/*/*.h tools/*.h tests/*.h tests/lib/*.h))

obj = $(patsubst %.c,$(B)/%.o,$(1))
LIB   := $(B)/libberth.a
PROGS := $(B)/berth $(if $(VMM_SRC),$(B)/berth-vmm)
TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(TEST_SRC))
MANS  := $(patsubst docs/man/%.scd,build/man/%,$(wildcard docs/man/*.scd))

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all clean help deps unit fuzz fuzz-run check check-lab check-devices check-format check-layers check-failpoints check-headers install man demo guest labhost lab-kernel FORCE

all: $(PROGS) man ## build the programs and the manual pages

help: ## list the targets
	@sed -n 's/^\([a-z][a-z_-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	 while IFS='|' read -r t d; do printf '  %-16s %s\n' "$$t" "$$d"; done
	@echo; echo '  variables: SAN=address,undefined  FAILPOINTS=1  CC=clang  CFLAGS=…  WERROR=1  V=1  DESTDIR= PREFIX='

# --- compile ---
# The stamp holds the flags of the last build: a changed flag rebuilds.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(C_ALL) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
	 echo '$(CC) $(C_ALL) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS)' > $@

$(B)/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(C_ALL) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC))
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/berth: $(call obj,$(CMD_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PC_LIBS)

$(B)/berth-vmm: $(call obj,$(VMM_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(PC_LIBS)

# --- unit tests: one program per object; WRAP_test_x names the calls that test replaces ---
WRAP_test_mem := ioctl
WRAP_test_prefault := madvise
WRAP_test_dma_ram := berth_ioas_map berth_ioas_unmap berth_prefault_wait berth_mem_ram_ranges berth_mem_size
WRAP_test_early_ram := berth_prefault_threads
WRAP_test_power := ioctl
WRAP_test_guest_console := ioctl
WRAP_test_pci_host := ioctl
WRAP_test_loader := ioctl
WRAP_test_vmm_irq := ioctl
WRAP_test_ioas := ioctl getrlimit setrlimit
WRAP_test_vfio_device := ioctl
WRAP_test_ioas_iommufd := ioctl
WRAP_test_ioas_layout := ioctl
WRAP_IRQ := berth_irq_alloc_gsi berth_irq_free_gsi berth_irq_set_msi \
	berth_irq_commit berth_irq_attach_fd berth_irq_detach_fd
WRAP_test_barmap := berth_memslot_set berth_memslot_del berth_memslot_on_drop
WRAP_test_dev_bars := ioctl berth_dev_irqs_part berth_dev_irqs_read berth_dev_irqs_write
WRAP_test_vectors := $(WRAP_IRQ)
WRAP_test_intx := $(WRAP_IRQ)
WRAP_test_dev_irqs := $(WRAP_IRQ)
WRAP_test_msix := calloc
WRAP_test_vfio_config := calloc
WRAP_VM := ioctl berth_vm_irq berth_vm_mmio berth_vm_pio berth_vm_pci berth_vm_watch_fd berth_vm_unwatch_fd berth_vm_fail
WRAP_test_passthru := $(WRAP_IRQ) $(WRAP_VM)
WRAP_test_inventory := pci_lookup_name
WRAP_test_bind := berth_sysfs_write
WRAP_test_wait := berth_sysfs_write
WRAP_test_displace := berth_sysfs_write
WRAP_test_evict := berth_sysfs_write
WRAP_test_reserve := berth_sysfs_write time
WRAP_test_expire := berth_sysfs_write time
WRAP_VERBS := berth_sysfs_write berth_netdev_vf_read berth_netdev_vf_apply
WRAP_test_assign := $(WRAP_VERBS)
WRAP_test_bind_verb := $(WRAP_VERBS)
WRAP_test_manager := $(WRAP_VERBS)
WRAP_test_obstacle := $(WRAP_VERBS)
WRAP_test_recover := $(WRAP_VERBS)
WRAP_test_take := $(WRAP_VERBS)
WRAP_test_vm_claim := $(WRAP_VERBS)
WRAP_test_busy := berth_sysfs_write
WRAP_test_drift := berth_sysfs_write
WRAP_test_retake := berth_sysfs_write
WRAP_test_sanitise := berth_sysfs_write berth_ioas_choose
WRAP_test_external := berth_sysfs_write
WRAP_test_sriov := berth_sysfs_write
WRAP_test_netdev := berth_sysfs_write
WRAP_test_kept := berth_sysfs_write
WRAP_test_facts := berth_sysfs_write
WRAP_test_vpd := berth_sysfs_write
WRAP_test_repin := fsync
WRAP_test_vm_devices := berth_sysfs_write
WRAP_test_doubts := berth_sysfs_write
WRAP_test_claimed := berth_sysfs_write
WRAP_test_appear := berth_sysfs_write
WRAP_test_sriov_verb := berth_sysfs_write
# A test of a command (tests/test_cmd_x.c) may link objects of tools/ too: OBJ_test_cmd_x = tools/….c
OBJ_test_out        := tools/out.c
OBJ_test_run_config := tools/run_config.c
OBJ_test_terminal   := tools/terminal.c
OBJ_test_vm_dir     := tools/vm_dir.c
OBJ_test_vm_ending   := tools/vm_ending.c
OBJ_test_vm_lines    := tools/vm_lines.c
OBJ_test_vm_loop    := tools/vm_loop.c tools/vm_ending.c tools/vm_lines.c tools/vm_request.c tools/vm_lease.c tools/vm_spawn.c tools/console.c tools/terminal.c tests/vm_loop_fixture.c
OBJ_test_vm_lease   := $(OBJ_test_vm_loop)
OBJ_test_vm_devices := tools/vm_devices.c tools/run_config.c
OBJ_test_timearg    := tools/timearg.c
$(B)/tests/test_%: $(B)/tests/test_%.o $(call obj,$(TESTLIB_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) $(foreach w,$(WRAP_test_$*),-Wl,--wrap=$(w)) -o $@ \
	 $< $(call obj,$(OBJ_test_$*)) $(call obj,$(TESTLIB_SRC)) $(LIB) $(PC_LIBS) -lcmocka
$(foreach t,$(TESTS),$(eval $(t): $(call obj,$(OBJ_$(notdir $(t))))))

# --- what bench/ runs ---
$(B)/bench/%: $(B)/bench/%.o $(call obj,$(TESTLIB_SRC)) $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call obj,$(TESTLIB_SRC)) $(LIB) $(PC_LIBS) -lcmocka

# --- fuzzers: tests/fuzz/fuzz_x.c with libFuzzer, so clang only ---
# Inputs worth keeping lie in tests/fuzz/corpus/fuzz_x, one file each, minimised; `make fuzz-merge` adds what a run has found.
FUZZ_SECONDS ?= 60
FUZZ_SEED    ?=
FUZZ_JOBS    ?= $(shell nproc)
FUZZ_MAX_fuzz_guest := 1024
FUZZ_MAX_fuzz_device := 1536
FUZZ_MAX_fuzz_launch := 8200
FUZZ_MAX_fuzz_kernel := 16384
FUZZ_MAX_fuzz_policy := 8192
SEEDS_fuzz_policy := $(wildcard docs/examples/policy-*.json)
WRAP_fuzz_guest  := $(WRAP_IRQ) $(WRAP_VM)
WRAP_fuzz_device := $(WRAP_IRQ) $(WRAP_VM)
WRAP_fuzz_kernel := ioctl
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CC := CC=clang SAN=fuzzer-no-link,address,undefined

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(call obj,$(TESTLIB_SRC)) $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LD_ALL) -fsanitize=fuzzer $(CFLAGS) $(LDFLAGS) $(foreach w,$(WRAP_$*),-Wl,--wrap=$(w)) -o $@ $^ \
	 $(PC_LIBS) -lcmocka

.PHONY: fuzz-build fuzz-run fuzz-seeds fuzz-merge fuzz-merge-run coverage coverage-run
fuzz-build: $(addprefix $(B)/fuzz/,$(FUZZERS))

fuzz-run: fuzz-build
	@FUZZ_SEED=$(FUZZ_SEED) tests/fuzz/run.sh $(B)/fuzz $(FUZZ_SECONDS) $(FUZZ_JOBS) \
	 $(foreach f,$(FUZZERS),$(f):$(or $(FUZZ_MAX_$(f)),4096):$(subst $() ,$(comma),$(SEEDS_$(f))))

fuzz: ## run the corpus of each fuzzer, then each for FUZZ_SECONDS seconds (clang)
	@$(MAKE) --no-print-directory $(FUZZ_CC) fuzz-run

fuzz-merge-run: fuzz-build
	@$(foreach f,$(FUZZERS),tests/fuzz/merge.sh $(B)/fuzz $(f) &&) :

fuzz-merge: ## add to tests/fuzz/corpus what the last run has found and reaches new code
	@$(MAKE) --no-print-directory $(FUZZ_CC) fuzz-merge-run

# --- coverage: unit tests and the fuzzers' kept inputs; these files must be covered branch by branch ---
COVERED := src/vmm/msix.c src/vfio/config.c src/vfio/config_table.c
# Of the library: not the tests of tools/ and of the program, nor of the sandbox, which lets nobody write a profile.
COV_TESTS := $(filter-out %/test_sandbox %/test_hostile $(foreach t,$(TESTS),$(if $(OBJ_$(notdir $(t))),$(t))),$(TESTS))
coverage-run: $(COV_TESTS) fuzz-build
	@tests/coverage.sh $(B) $(COVERED) -- $(COV_TESTS) $(addprefix $(B)/fuzz/,$(FUZZERS))

coverage: ## branch coverage per file (clang, llvm); fails when the MSI-X or config table is not covered whole
	@$(MAKE) --no-print-directory CC=clang COV=1 VARIANT=coverage CFLAGS='-O0 -g' coverage-run

# --- the kill sweep: the real verbs on a fake kernel, killed and failed at every system call and every failpoint ---
# berth-fake is the program berth; what is replaced is the kernel below it and nothing else (tests/kill/fake.c).
KILL_WRAP := main write pci_lookup_name berth_host_is_real berth_module_load berth_netdev_vf_read berth_netdev_vf_apply
$(B)/tests/kill/berth-fake: $(call obj,tests/kill/fake.c tests/kill/fake_host.c tests/lib/fake_pci.c $(CMD_SRC)) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) $(foreach w,$(KILL_WRAP),-Wl,--wrap=$(w)) -o $@ $^ $(PC_LIBS) -lcmocka
$(B)/tests/kill/inject: $(B)/tests/kill/inject.o
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/tests/kill/nomem.so: tests/kill/nomem.c
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(C_ALL) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

.PHONY: kill-build check-kill
kill-build: $(B)/tests/kill/berth-fake $(B)/tests/kill/inject $(B)/tests/kill/nomem.so

check-kill: ## kill and fail assign, release and recover everywhere (KILL_STEP=n: every nth place)
	@$(MAKE) --no-print-directory FAILPOINTS=1 kill-build
	@BERTH_KILL_CC='$(CC)' tests/kill/sweep.py $(B)-failpoints/tests/kill

$(B)/tests/race/race: $(call obj,tests/race/race.c tests/lib/fake_pci.c) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -Wl,--wrap=berth_sysfs_write -Wl,--wrap=pci_lookup_name -o $@ $^ $(PC_LIBS) -lcmocka

-include $(patsubst %.o,%.d,$(call obj,$(wildcard tests/kill/*.c tests/race/*.c)))

.PHONY: race-build races check-races
race-build: $(B)/tests/race/race $(B)/tests/kill/berth-fake

races: race-build
	@tests/run.sh --progs $(B) tests/race/run.sh

check-races: race-build ## races between verbs in full numbers: 1,000 rounds of 64 processes, 100,000 operations
	@BERTH_BUILD=$(abspath $(B)) tests/race/run.sh 1000 100000

# --- the state machine: its page and its model are made from the tables in the program ---
STATES := $(B)/states
$(STATES): $(B)/tests/states/states.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PC_LIBS)

.PHONY: docs-state check-spin
docs-state: $(STATES) ## write docs/state-machine.md from the tables of transitions and remedies
	@$(STATES) md > docs/state-machine.md

check-spin: $(STATES) ## model of ownership with crashes and a power cut: the whole state space, and its mutants
	@sh packaging/deps.sh spin
	@tests/spin/run.sh $(STATES) $(SPIN_ARGS)

# The loader's tables, for tests/policy_schema.py
$(B)/tests/policy_keys: $(B)/tests/policy_keys.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PC_LIBS)

unit: check-layers check-failpoints check-headers $(PROGS) $(TESTS) $(STATES) $(B)/tests/policy_keys $(B)/tests/kill/berth-fake ## layer and header checks, every unit test
	@tests/run.sh --jobs $$(nproc) --progs $(B) $(TESTS) $(wildcard tests/cli/*.sh)

.PHONY: check-property
check-property: $(B)/tests/test_decide_random ## 100,000 random hosts and policies (a minute); unit does 5,000 of them
	@BERTH_PROPERTY_CASES=100000 $<

check-layers: ## who may include whom (docs/architecture.md)
	@tests/layers.sh

check-failpoints: ## each change of state has a failpoint on both sides
	@tests/failpoints.sh

check-headers: $(patsubst %.h,$(B)/alone/%.ok,$(HEADERS)) ## each header compiles alone
$(B)/alone/%.ok: %.h $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(C_ALL) $(CPPFLAGS) -MMD -MP -MF $@.d -MT $@ -x c -fsyntax-only -include $< /dev/null
	@touch $@

check-format: ## clang-format finds nothing to change
	@$(CLANG_FORMAT) --dry-run -Werror $$(git ls-files '*.c' '*.h') && echo "format: ok"

# --- the gate ---
check: ## everything: install what is missing, build, unit, sanitizers, clang, format, lab
	@tests/check.sh

# Small static programs that run inside guests
GUEST_SRC := $(wildcard tests/lab/guest/*.c)
GUEST     := $(patsubst tests/lab/guest/%.c,build/guest/%,$(GUEST_SRC))
# Guests without an operating system, one property each
TINY := $(patsubst tests/lab/guest/tiny/%.c,build/guest/tiny-%.elf,$(filter-out %/tiny.c,$(wildcard tests/lab/guest/tiny/*.c)))
TINY_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdlib -static -fno-pic -mno-red-zone -mgeneral-regs-only \
               -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
build/guest/tiny-%.elf: tests/lab/guest/tiny/%.c $(addprefix tests/lab/guest/tiny/,tiny.c start.S tiny.ld tiny.h edu.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TINY_CFLAGS) $(WARN) $(if $(filter 1,$(WERROR)),-Werror) -Wl,-T,tests/lab/guest/tiny/tiny.ld \
	 -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -o $@ $(filter %.S,$^) $(filter %.c,$^)

guest: $(GUEST) $(TINY) ## the programs that lab tests put into guests
build/guest/%: tests/lab/guest/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(if $(filter 1,$(WERROR)),-Werror) -O2 -static -o $@ $<

# Programs that drive one part of the library in the lab host, without the rest
LABHOST_SRC := $(wildcard tests/lab/host/*.c)
LABHOST     := $(patsubst tests/lab/host/%.c,$(B)/lab/%,$(LABHOST_SRC))
labhost: $(LABHOST)
$(LABHOST): $(B)/lab/%: $(B)/tests/lab/host/%.o $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LD_ALL) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PC_LIBS)

check-lab: $(PROGS) guest labhost ## the tests that run in the lab (real VFIO, real KVM)
	@tests/run.sh --jobs $$(nproc) --progs $(B) $(wildcard tests/lab/t_*.sh)

lab-kernel: ## build the lab's kernel with iommufd, once (tens of minutes)
	@tests/lab/lab kernel

check-devices: $(PROGS) guest ## every kind of device over type1 and iommufd, as a table (needs lab-kernel)
	@BERTH_BUILD=$(abspath $(B)) tests/lab/check-devices.sh

demo: ## the main job end to end, in the lab
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all guest
	@tests/lab/demo.sh $(B)

deps: ## install missing packages (Debian 12 and 13)
	@sh packaging/deps.sh

# --- documents ---
man: $(MANS) ## manual pages from docs/man/*.scd
build/man/%: docs/man/%.scd
	@mkdir -p $(@D)
	@if command -v scdoc >/dev/null; then scdoc < $< > $@; else \
	 echo "  scdoc is not installed: no $(@F)"; : > $@; fi

# Files that name the installed program: always made anew, BINDIR may have changed.
GENERATED := $(B)/udev-rules/60-berth.rules $(B)/packaging/berth-recover.service
$(GENERATED): $(B)/%: % FORCE
	@mkdir -p $(@D)
	@sed 's|@BINDIR@|$(BINDIR)|g' $< > $@

install: all $(GENERATED) ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(B)/berth $(DESTDIR)$(BINDIR)/berth
	install -D -m 755 $(B)/berth-vmm $(DESTDIR)$(LIBEXECDIR)/berth-vmm
	install -D -m 644 $(B)/udev-rules/60-berth.rules $(DESTDIR)$(UDEVDIR)/60-berth.rules
	install -D -m 644 $(B)/packaging/berth-recover.service $(DESTDIR)$(UNITDIR)/berth-recover.service
	install -D -m 644 packaging/berth-recover.timer $(DESTDIR)$(UNITDIR)/berth-recover.timer
	install -D -m 644 docs/policy.schema.json $(DESTDIR)$(DATADIR)/policy.schema.json
	for e in docs/examples/*.json; do install -D -m 644 $$e $(DESTDIR)$(DATADIR)/examples/$${e##*/}; done
	for m in $(MANS); do install -D -m 644 $$m $(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/}; done

clean: ## remove build/
	rm -rf build

-include $(patsubst %.o,%.d,$(call obj,$(LIB_SRC) $(CMD_SRC) $(VMM_SRC) $(TEST_SRC) $(TESTLIB_SRC) $(LABHOST_SRC) tests/policy_keys.c $(wildcard tests/fuzz/*.c tests/states/*.c)))
-include $(patsubst %.h,$(B)/alone/%.ok.d,$(HEADERS))
