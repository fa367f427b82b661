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

-include $(KERNEL_OBJS:.o=.d) $(AOT_OBJS:.o=.d)
