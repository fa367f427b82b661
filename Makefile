# Wafer: one WebAssembly module in, one bootable x86-64 machine image out.
#
#   make run                              the example file server on http://127.0.0.1:8080/
#   make APP=server.wasm run              your own module
#   make APP=server.wasm image            build/<name>/<name>.elf and <name>.iso
#   make test                             every test; ends with "N passed, N failed, N skipped"
#
# Knobs: APP DIR ARGS ENV PORTS MEM ACCEL (scripts/wafer --help explains them),
#        O=build folder, V=1 shows commands, UBSAN=1 instruments the kernel.

O ?= build
LLVM_VERSION := 19
CC := clang-$(LLVM_VERSION)
LD := ld
AR := ar
OBJCOPY := objcopy
Q := $(if $(V),,@)

include aot/sources.mk kernel/sources.mk drivers/sources.mk net/sources.mk fs/sources.mk wasi/sources.mk

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wconversion -Wcast-qual -Wvla -Wundef -Wswitch-enum \
            -Wstrict-prototypes -Wmissing-prototypes

# ---- The kernel: freestanding, no vector registers, top 2 GiB ----------------------------------
KERNEL_FLAGS := -std=gnu17 -O2 -g -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic \
    -mcmodel=kernel -fno-omit-frame-pointer -fno-common -fno-strict-aliasing \
    -fstack-protector-strong -mstack-protector-guard=global -ftrivial-auto-var-init=zero \
    -ffunction-sections -fdata-sections \
    -ffile-prefix-map=$(CURDIR)=. -I. $(WARNINGS) -Wframe-larger-than=1024
KERNEL_ALL_SRCS := $(KERNEL_SRCS) $(DRIVERS_SRCS) $(NET_SRCS) $(FS_SRCS) $(WASI_SRCS)
KERNEL_OBJS := $(patsubst %,$(O)/obj/%.o,$(KERNEL_ALL_SRCS))

.PHONY: kernel waferc
kernel: $(O)/libkernel.a
$(O)/libkernel.a: $(KERNEL_OBJS)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(O)/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<
$(O)/obj/%.S.o: %.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

# ---- waferc: hosted, LLVM 19 through its C API --------------------------------------------------
LLVM_CONFIG := llvm-config-$(LLVM_VERSION)
AOT_FLAGS = -std=gnu17 -O2 -g -I. $(WARNINGS) -isystem $(shell $(LLVM_CONFIG) --includedir)
AOT_OBJS := $(patsubst %,$(O)/host/%.o,$(AOT_SRCS))
waferc: $(O)/waferc
$(O)/waferc: $(AOT_OBJS)
	$(Q)$(CC) -o $@ $^ $(shell $(LLVM_CONFIG) --ldflags) -lLLVM-$(LLVM_VERSION) -lpthread
$(O)/host/%.c.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(AOT_FLAGS) -MMD -MP -c -o $@ $<

# ---- Tests ----------------------------------------------------------------------------------------
# Each area declares its tests: UNIT_TESTS += test_x, test_x_SRCS := the real module and its fakes.
UNIT_TESTS :=
FUZZ_TARGETS :=
include $(sort $(wildcard tests/unit/*.mk tests/net/*.mk tests/fuzz/*.mk))

HOST_TEST_FLAGS := -std=gnu17 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer -I. $(WARNINGS)
# Optional per test: <name>_FLAGS, <name>_LIBS.
define HOST_TEST_RULE
$(O)/unit/$(1): $$($(1)_SRCS)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOST_TEST_FLAGS) $$($(1)_FLAGS) -MMD -MP -MF $$@.d -o $$@ $$($(1)_SRCS) $$($(1)_LIBS) -lcmocka
-include $(O)/unit/$(1).d
endef
define FUZZ_RULE
$(O)/fuzz/$(1): $$($(1)_SRCS)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HOST_TEST_FLAGS) $$($(1)_FLAGS) -fsanitize=fuzzer -o $$@ $$($(1)_SRCS) $$($(1)_LIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call HOST_TEST_RULE,$(t))))
$(foreach t,$(FUZZ_TARGETS),$(eval $(call FUZZ_RULE,$(t))))

.PHONY: test-unit-build fuzz-build test-unit
test-unit-build: $(addprefix $(O)/unit/,$(UNIT_TESTS))
fuzz-build: $(addprefix $(O)/fuzz/,$(FUZZ_TARGETS))
SUITE_UNIT := for t in $(UNIT_TESTS); do CMOCKA_MESSAGE_OUTPUT=TAP $(O)/unit/$$t || echo "not ok - $$t ended with an error"; done
test-unit: test-unit-build
	$(Q)tests/run.py --logs $(O)/test-logs 'unit=$(value SUITE_UNIT)'

-include $(KERNEL_OBJS:.o=.d) $(AOT_OBJS:.o=.d)

# ---- Examples: built from source with Debian's compilers ----------------------------------------
WASM_CC := clang-$(LLVM_VERSION) --target=wasm32-wasi
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
