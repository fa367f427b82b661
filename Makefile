# Wafer: one WebAssembly module in, one bootable x86-64 machine image out.
#
#   make run                      the example file server on http://127.0.0.1:8080/
#   make APP=server.wasm run      your own module in a virtual machine
#   make APP=server.wasm image    build/<name>/<name>.elf and <name>.iso
#   make test                     every test; ends with "N passed, N failed, N skipped"
#   make lint | bench | fuzz | fuzz-differential | soak | examples | install | clean
#
# Knobs for run and image (scripts/wafer does the work; wafer run --help says more):
#   APP=app.wasm      the module, .wasm or .wat      (default: the example file server)
#   DIR=public        a folder the application sees as / (or HOST::GUEST, several allowed)
#   ARGS="a b"        the application's arguments    ENV="K=V L=W"   its environment
#   PORTS="8080:80"   [ADDR:]HOST:GUEST ports        LISTEN="8080"   listeners it inherits
#   MEM=128M          RAM of the machine             ACCEL=tcg|kvm   (default: what works)
#   CPU=x86-64-v3     what the compiler may use      WAFER_FLAGS=..  anything else
# Knobs for building: O=folder  V=1 (show commands)  UBSAN=1 (instrument the kernel)
#                     PREFIX=/usr/local DESTDIR= (install)  MODULES=100000 SEED=1 (fuzz-differential)

.DEFAULT_GOAL := help
# The same name whoever asks (wafer gives the whole path): what a .d file lists is found again.
O ?= build
override O := $(abspath $(O))
LLVM_VERSION := 19
CC := clang-$(LLVM_VERSION)
LD := ld
AR := ar
OBJCOPY := objcopy
Q := $(if $(V),,@)

export WAFER_BUILD := $(O)

include aot/sources.mk kernel/sources.mk drivers/sources.mk net/sources.mk fs/sources.mk wasi/sources.mk
include trace/sources.mk

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wcast-qual -Wvla -Wundef -Wswitch-enum \
            -Wstrict-prototypes -Wmissing-prototypes

# $(call FLAG_STAMP,name,flags): a file that changes when the flags do; what is compiled with them
# depends on it. A clone elsewhere is no change.
define FLAG_STAMP
$(O)/flags/$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(filter-out -ffile-prefix-map=%,$(2))' | cmp -s - $$@ || \
	    printf '%s\n' '$$(filter-out -ffile-prefix-map=%,$(2))' > $$@
endef
.PHONY: FORCE
FORCE:

# ---- The kernel: freestanding, no vector registers, top 2 GiB ----------------------------------
# Guest memory begins at address 0, so the compiler must not take null for unreachable.
KERNEL_FLAGS := -std=gnu17 -O2 -g -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic \
    -mcmodel=kernel -fno-omit-frame-pointer -fno-common -fno-strict-aliasing \
    -fstack-protector-strong -mstack-protector-guard=global -ftrivial-auto-var-init=zero \
    -ffunction-sections -fdata-sections -fno-delete-null-pointer-checks \
    -ffile-prefix-map=$(CURDIR)=. -I. $(WARNINGS) -Wframe-larger-than=1024
# Undefined behaviour traps and is reported by kernel/trap.c; make test-ubsan uses it.
ifdef UBSAN
KERNEL_FLAGS += -fsanitize=undefined -fsanitize-trap=undefined -Wframe-larger-than=4096
endif
KERNEL_ALL_SRCS := $(KERNEL_SRCS) $(DRIVERS_SRCS) $(NET_SRCS) $(FS_SRCS) $(WASI_SRCS)
KERNEL_OBJS := $(patsubst %,$(O)/obj/%.o,$(KERNEL_ALL_SRCS))
# What runs once at boot, in a report or beside a disk is made small instead of fast.
KERNEL_SMALL_SRCS := $(filter fs/ext/% fs/p9/% fs/tar% drivers/drivers.c drivers/pci.c drivers/virtio_pci.c \
    drivers/virtio_mmio.c drivers/virtio_config.c drivers/virtio_9p.c drivers/virtio_request.c kernel/base/exception_pool.c \
    kernel/base/fmt.c kernel/backtrace.c kernel/cmdline.c \
    kernel/config.c kernel/machine.c kernel/main.c kernel/page_check.c kernel/panic.c \
    kernel/profile.c kernel/symbols.c kernel/trap.c kernel/x86/acpi.c kernel/x86/bootinfo.c \
    kernel/x86/cpu.c kernel/x86/pit.c kernel/x86/rtc.c net/arp.c net/dhcp% net/dns% net/icmp% \
    net/ip_fragment.c net/ip_reassembly.c net/mld.c net/ndp% net/netif% net/tcp_peer.c \
    net/tcp_recovery.c net/tcp_segment.c \
    wasi/sock_resolve.c wasi/start.c,$(KERNEL_ALL_SRCS))
$(patsubst %,$(O)/obj/%.o,$(KERNEL_SMALL_SRCS)): KERNEL_FLAGS += -Oz

# Linked only into images that are to be observed (wafer run --trace, --stats).
TRACE_OBJS := $(patsubst %,$(O)/obj/%.o,$(TRACE_SRCS))
$(TRACE_OBJS): KERNEL_FLAGS += -Oz

# What each request runs through is compiled as one unit, so that small functions of one file are
# inlined into another (decision 16). Only these files: guest_memory.c, which opens the SMAP
# window, stays by itself.
KERNEL_HOT_SRCS := $(filter net/tcp_ack.c net/tcp_input.c net/tcp_output.c net/tcp_predict.c \
    net/tcp_receive.c net/tcp_send_queue.c net/tcp_record.c net/tcp_rtt.c net/tcp_congestion.c \
    net/tcp_timer.c net/tcp_table.c net/tcp_socket.c net/tcp_connection.c \
    net/timer.c net/hash.c net/stack.c net/socket.c net/ip_output.c net/ip_input.c net/ip_buffer.c \
    net/ip_route.c net/ip_neighbour.c net/ipv4.c net/ethernet.c net/checksum.c drivers/virtio_net.c \
    drivers/virtio_net_receive.c drivers/virtqueue.c wasi/poll.c wasi/poll_set.c wasi/sock.c \
    wasi/sock_io.c wasi/sock_wasmedge.c wasi/descriptor.c,$(KERNEL_ALL_SRCS))
KERNEL_HOT_BCS := $(patsubst %,$(O)/obj/%.bc,$(KERNEL_HOT_SRCS))
KERNEL_COLD_OBJS := $(filter-out $(patsubst %,$(O)/obj/%.o,$(KERNEL_HOT_SRCS)),$(KERNEL_OBJS))

$(eval $(call FLAG_STAMP,kernel,$$(CC) $$(KERNEL_FLAGS) small: $$(KERNEL_SMALL_SRCS) hot: $$(KERNEL_HOT_SRCS)))
.PHONY: kernel waferc
kernel: $(O)/libkernel.a $(O)/libtrace.a
$(O)/libtrace.a: $(TRACE_OBJS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(O)/libkernel.a: $(KERNEL_COLD_OBJS) $(O)/obj/hot.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
# What the rest uses of it stays visible. The threshold inlines what makes the caller no larger.
$(O)/obj/hot.o: $(KERNEL_HOT_BCS) $(KERNEL_COLD_OBJS) $(TRACE_OBJS)
	$(Q)llvm-link-$(LLVM_VERSION) -o $(O)/obj/hot.bc $(KERNEL_HOT_BCS)
	$(Q)nm -u $(KERNEL_COLD_OBJS) $(TRACE_OBJS) | sed -n 's/^ *U //p' | sort -u > $(O)/obj/hot.exports
	$(Q)opt-$(LLVM_VERSION) -passes='internalize,lto<O2>' -inline-threshold=0 \
	    -internalize-public-api-file=$(O)/obj/hot.exports -o $(O)/obj/hot.opt.bc $(O)/obj/hot.bc
	$(Q)$(CC) $(filter -O2 -m% -fno-pic -f%-sections -fno-omit-frame-pointer,$(KERNEL_FLAGS)) \
	    -Xclang -disable-llvm-passes -x ir -c -o $@ $(O)/obj/hot.opt.bc
$(O)/obj/%.c.bc: %.c $(O)/flags/kernel
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -flto -MMD -MP -MF $(@:.bc=.d) -c -o $@ $<
$(O)/obj/%.c.o: %.c $(O)/flags/kernel
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<
$(O)/obj/%.S.o: %.S $(O)/flags/kernel
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

# ---- waferc: hosted, LLVM 19 through its C API --------------------------------------------------
LLVM_CONFIG := llvm-config-$(LLVM_VERSION)
AOT_FLAGS = -std=gnu17 -O2 -g -I. $(WARNINGS) -isystem $(shell $(LLVM_CONFIG) --includedir)
AOT_OBJS := $(patsubst %,$(O)/host/%.o,$(AOT_SRCS))
waferc: $(O)/waferc
$(O)/waferc: $(AOT_OBJS)
	$(Q)$(CC) -o $@ $^ $(shell $(LLVM_CONFIG) --ldflags) -lLLVM-$(LLVM_VERSION) -lpthread
$(eval $(call FLAG_STAMP,waferc,$$(CC) $$(AOT_FLAGS)))
$(O)/host/%.c.o: %.c $(O)/flags/waferc
	@mkdir -p $(@D)
	$(Q)$(CC) $(AOT_FLAGS) -MMD -MP -c -o $@ $<

# ---- Tests ----------------------------------------------------------------------------------------
# Each area declares its tests: UNIT_TESTS += test_x, test_x_SRCS := the real module and its fakes.
UNIT_TESTS :=
FUZZ_TARGETS :=
include $(sort $(wildcard tests/unit/*.mk tests/net/*.mk tests/fuzz/*.mk tests/spec/*.mk))

HOST_TEST_FLAGS := -std=gnu17 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer -I. $(WARNINGS)
# Sources are compiled once for all tests; a test with flags of its own (<name>_FLAGS, <name>_LIBS) is
# compiled by itself.
$(eval $(call FLAG_STAMP,tests,$$(CC) $$(HOST_TEST_FLAGS)))
$(O)/unit/obj/%.o: % $(O)/flags/tests
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_TEST_FLAGS) -MMD -MP -c -o $@ $<
$(O)/fuzz/obj/%.o: % $(O)/flags/tests
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_TEST_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
# $(1) name, $(2) folder, $(3) link flags
define HOST_TEST_RULE
ifdef $(1)_FLAGS
$$(eval $$(call FLAG_STAMP,$(1),$$$$(CC) $$$$(HOST_TEST_FLAGS) $$$$($(1)_FLAGS)))
$(O)/$(2)/$(1): $$($(1)_SRCS) $(O)/flags/$(1)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOST_TEST_FLAGS) $$($(1)_FLAGS) $(3) -o $$@ $$($(1)_SRCS) $$($(1)_LIBS)
else
$(O)/$(2)/$(1): $$(patsubst %,$(O)/$(2)/obj/%.o,$$($(1)_SRCS))
	$$(Q)$$(CC) $$(HOST_TEST_FLAGS) $(3) -o $$@ $$^ $$($(1)_LIBS)
-include $$(patsubst %,$(O)/$(2)/obj/%.d,$$($(1)_SRCS))
endif
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call HOST_TEST_RULE,$(t),unit,-lcmocka)))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call HOST_TEST_RULE,$(t),fuzz,-fsanitize=fuzzer)))

.PHONY: test-unit-build fuzz-build test-unit
test-unit-build: $(addprefix $(O)/unit/,$(UNIT_TESTS))
fuzz-build: $(addprefix $(O)/fuzz/,$(FUZZ_TARGETS))
SUITE_UNIT = tests/unit/run.sh $(O)/unit $(UNIT_TESTS)
SUITE_FUZZ = tests/fuzz/run.sh $(O)/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)
FUZZ_SECONDS ?= 10
test-unit: test-unit-build
	$(Q)tests/run.py --logs $(O)/test-logs 'unit=$(SUITE_UNIT)'
test-fuzz: fuzz-build
	$(Q)tests/run.py --logs $(O)/test-logs 'fuzz=$(SUITE_FUZZ)'
fuzz:
	$(Q)$(MAKE) test-fuzz FUZZ_SECONDS=600

-include $(KERNEL_COLD_OBJS:.o=.d) $(KERNEL_HOT_BCS:.bc=.d) $(TRACE_OBJS:.o=.d) $(AOT_OBJS:.o=.d)

# ---- Examples: built from source with Debian's compilers ----------------------------------------
# Bulk memory is on by default since LLVM 20 (lime1).
WASM_CC := clang-$(LLVM_VERSION) --target=wasm32-wasi -mbulk-memory
EXAMPLES := hello static-file-server echo
.PHONY: examples
examples: $(foreach e,$(EXAMPLES),$(O)/examples/$(e).wasm)
FILE_SERVER_SRCS := $(addprefix examples/static-file-server/,server.c http.c files.c)
$(O)/examples/hello.wasm: examples/hello/hello.c
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) -std=gnu17 -Wall -Wextra -Werror -O2 -g -o $@ $^
$(O)/examples/static-file-server.wasm: $(FILE_SERVER_SRCS) $(wildcard examples/static-file-server/*.h)
	@mkdir -p $(@D)
	$(Q)$(WASM_CC) -std=gnu17 -Wall -Wextra -Werror -O2 -g -o $@ $(FILE_SERVER_SRCS)
# Debian's own compiler, by its path: a rustup shim earlier in PATH lacks the target.
$(O)/examples/echo.wasm: examples/echo/echo.rs
	@mkdir -p $(@D)
	$(Q)/usr/bin/rustc --target wasm32-wasi -O -C linker=wasm-ld-14 -C link-self-contained=yes -o $@ $<

# ---- The main job -------------------------------------------------------------------------------
.PHONY: help run image install clean
help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

ifdef APP
RUN_APP := $(APP)
else
RUN_APP := $(O)/examples/static-file-server.wasm
DIR ?= examples/static-file-server/public
PORTS ?= 8080:80
endif
GUEST_DIRS = $(foreach d,$(DIR),--dir $(if $(findstring ::,$(d)),$(d),$(d)::/))
APP_FLAGS = $(GUEST_DIRS) $(foreach e,$(ENV),--env $(e)) $(foreach l,$(LISTEN),--listen $(l)) \
    $(if $(CPU),--cpu $(CPU)) $(WAFER_FLAGS)
RUN_FLAGS = $(foreach p,$(PORTS),--publish $(p)) $(if $(MEM),--memory $(MEM)) \
    $(if $(ACCEL),--accel $(ACCEL))

run: setup-run $(if $(APP),,$(RUN_APP))
	$(if $(APP),,@echo "wafer: starting the example file server on http://127.0.0.1:$(firstword $(subst :, ,$(PORTS)))/ (Ctrl-C ends it)" >&2)
	@scripts/wafer run $(RUN_APP) $(APP_FLAGS) $(RUN_FLAGS) $(if $(ARGS),-- $(ARGS))

image: setup-run $(if $(APP),,$(RUN_APP))
	@name=$(basename $(notdir $(RUN_APP))); \
	    scripts/wafer build $(RUN_APP) -o $(O)/$$name/$$name.elf --iso $(APP_FLAGS) $(if $(ARGS),-- $(ARGS)) && \
	    echo "$(O)/$$name/$$name.elf $(O)/$$name/$$name.iso"

.PHONY: setup-run setup-test setup-lint setup-bench
setup-run setup-test setup-lint setup-bench:
	@scripts/setup $(@:setup-%=%)

PREFIX ?= /usr/local
install: setup-run waferc kernel
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/wafer/scripts \
	    $(DESTDIR)$(PREFIX)/lib/wafer/linker $(DESTDIR)$(PREFIX)/lib/wafer/wasi \
	    $(DESTDIR)$(PREFIX)/lib/wafer/trace
	install -m 755 scripts/wafer $(DESTDIR)$(PREFIX)/bin/wafer
	install -m 755 $(O)/waferc $(DESTDIR)$(PREFIX)/lib/wafer/waferc
	ln -sf ../lib/wafer/waferc $(DESTDIR)$(PREFIX)/bin/waferc
	install -m 644 scripts/wafer_*.py image.mk $(O)/libkernel.a $(O)/libtrace.a $(DESTDIR)$(PREFIX)/lib/wafer/
	install -m 644 scripts/mk*.py $(DESTDIR)$(PREFIX)/lib/wafer/scripts/
	install -m 644 linker/* $(DESTDIR)$(PREFIX)/lib/wafer/linker/
	install -m 644 wasi/imports.def $(DESTDIR)$(PREFIX)/lib/wafer/wasi/
	install -m 644 trace/wrap.list $(DESTDIR)$(PREFIX)/lib/wafer/trace/

clean:
	rm -rf $(O)

# ---- make test ----------------------------------------------------------------------------------
.PHONY: test test-all test-boot test-apps test-net test-fuzz fuzz
SUITE_BOOT = tests/boot/run.py --out $(O)
SUITE_KERNEL = tests/kernel/run.py --out $(O)
# APPS_FULL=1: large modules are optimised too, programs work longer.
SUITE_APPS = tests/apps/run.py --out $(O) $(if $(APPS_FULL),--full)
SUITE_NET_TAP = tests/net/test_tap.py $(O)/unit/tap_host
test-net: $(O)/unit/test_tcp_sim $(O)/unit/tap_host
	$(Q)tests/run.py --logs $(O)/test-logs \
	    'simulator=tests/unit/run.sh $(O)/unit test_tcp_sim' 'linux=$(SUITE_NET_TAP)'
SUITE_VOLUME = tests/volume/run.py --out $(O)
.PHONY: test-volume
test-volume: waferc kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'volume=$(SUITE_VOLUME)'
SUITE_HOSTILE = tests/hostile/run.py --out $(O)
.PHONY: test-hostile
test-hostile: waferc kernel examples
	$(Q)tests/run.py --logs $(O)/test-logs 'hostile=$(SUITE_HOSTILE)'
SUITE_MOUNT = tests/mount/run.py --out $(O)
.PHONY: test-mount
test-mount: waferc kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'mount=$(SUITE_MOUNT)'
# The instrumented kernel is an archive of its own, in whose place wafer takes it (WAFER_KERNEL).
UBSAN_KERNEL = $(O)/ubsan/libkernel.a
SUITE_UBSAN_SAMPLE = env WAFER_KERNEL=$(UBSAN_KERNEL) $(SUITE_BOOT) --only pages
.PHONY: ubsan-kernel test-ubsan
ubsan-kernel:
	$(Q)$(MAKE) --no-print-directory UBSAN=1 O=$(O)/ubsan kernel
test-ubsan: waferc kernel examples ubsan-kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'ubsan-kernel=tests/kernel/run.py --out $(O)/ubsan' \
	    'ubsan-boot=env WAFER_KERNEL=$(UBSAN_KERNEL) $(SUITE_BOOT)'
.PHONY: test-kernel
test-kernel: kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'kernel=$(SUITE_KERNEL)'
test-boot: waferc kernel examples
	$(Q)tests/run.py --logs $(O)/test-logs 'boot=$(SUITE_BOOT)'
test-apps: waferc kernel
	$(Q)tests/run.py --logs $(O)/test-logs 'apps=$(SUITE_APPS)'
# Set-up first, by itself: what is built needs what it installs.
test: setup-test
	$(Q)$(MAKE) --no-print-directory -j$(shell nproc) test-build
	$(Q)scripts/spec-tools $(O) || echo "wafer: without wasm-tools some official tests are skipped" >&2
	$(Q)$(MAKE) --no-print-directory test-all
.PHONY: test-build
test-build: waferc kernel examples test-unit-build fuzz-build spec-build $(O)/unit/tap_host ubsan-kernel
test-all: test-build
	$(Q)tests/run.py --logs $(O)/test-logs 'unit=$(SUITE_UNIT)' 'fuzz=$(SUITE_FUZZ)' \
	    'linux=$(SUITE_NET_TAP)' 'spec=$(SUITE_SPEC)' 'kernel=$(SUITE_KERNEL)' 'boot=$(SUITE_BOOT)' \
	    'ubsan=$(SUITE_UBSAN_SAMPLE)' 'volume=$(SUITE_VOLUME)' 'mount=$(SUITE_MOUNT)' 'apps=$(SUITE_APPS)' \
	    'hostile=$(SUITE_HOSTILE)' 'soak=$(SUITE_SOAK) --seconds 10'

# A booted server under a hostile load for SECONDS; make test has ten seconds of it.
.PHONY: soak
SECONDS ?= 600
SUITE_SOAK = tests/soak/run.py --out $(O)
soak: setup-test waferc kernel examples
	$(Q)$(SUITE_SOAK) --seconds $(SECONDS)

# ---- make lint ----------------------------------------------------------------------------------
.PHONY: lint format
C_FILES = $(shell git ls-files '*.c' '*.h')
lint: setup-lint kernel waferc
	$(Q)scripts/lint.py --nm $(O)
	$(Q)clang-format-$(LLVM_VERSION) --dry-run -Werror $(C_FILES)
	$(Q)scripts/lint.py --analyze --tidy clang-tidy-$(LLVM_VERSION) \
	    --kernel-flags="$(filter-out -Werror -Wframe%,$(KERNEL_FLAGS))" --aot-flags="$(filter-out -Werror,$(AOT_FLAGS))"
format:
	clang-format-$(LLVM_VERSION) -i $(C_FILES)

# ---- make bench: figures, never tests (docs/performance.md) ------------------------------------
.PHONY: bench
bench: setup-bench waferc kernel examples
	$(Q)bench/first.py --out $(O)
.PHONY: bench-http
bench-http: setup-bench waferc kernel examples
	$(Q)bench/http.py --out $(O)
.PHONY: bench-profile
bench-profile: setup-bench waferc kernel examples
	$(Q)bench/profile.py --out $(O) $(PROFILE_FLAGS)
.PHONY: bench-aot
bench-aot: setup-bench waferc
	$(Q)bench/aot/run.py --out $(O)
.PHONY: bench-console
bench-console: setup-bench waferc kernel
	$(Q)bench/console/run.py --out $(O)
.PHONY: bench-sleep
bench-sleep: setup-bench waferc kernel
	$(Q)bench/sleep/run.py --out $(O)
.PHONY: bench-fs
bench-fs: setup-bench waferc kernel
	$(Q)bench/files/run.py --out $(O)
