# Links one bootable image; scripts/wafer calls this, and so may you:
#
#   make -f image.mk WAFER=. LIBKERNEL=build/libkernel.a APP_O=app.o IMAGE=app.elf app.elf [app.iso]
#
#   WAFER      where linker/ and scripts/ are
#   LIBKERNEL  the kernel as an archive
#   APP_O      what waferc made, one or more objects
#   IMAGE      the ELF to make, NAME.elf; NAME.iso boots it through GRUB (BIOS)
#   TAR        optional: file system image to link in
#   OBSERVE    optional: the observing part as an archive (trace/): trace= and stats= then work
#   CMDLINE    optional: a file whose text becomes the built-in command line
#
# The image is linked twice: the first pass fixes the addresses of all functions, the second
# adds the table of their names, which lies behind the code and so moves none of them.
WAFER ?= .
LLVM_VERSION ?= 19
CC = clang-$(LLVM_VERSION)
LD = ld
NM = nm
PYTHON ?= python3
WORK = $(IMAGE).parts
ISO = $(patsubst %.elf,%.iso,$(IMAGE))
SCRIPT = $(WAFER)/linker/kernel.ld

LINK = $(LD) -nostdlib -static --build-id=none -z max-page-size=4096 -z noexecstack \
    --gc-sections --no-warn-rwx-segments -T $(SCRIPT)
WRAP = $(if $(OBSERVE),$(addprefix --wrap=,$(shell cat $(WAFER)/trace/wrap.list)))
INPUTS = $(WRAP) $(APP_O) $(WORK)/parts.o --whole-archive $(LIBKERNEL) $(OBSERVE) --no-whole-archive

.DELETE_ON_ERROR:
.PHONY: clean-parts

# The tar and the command line as sections; absent ones leave the weak symbols undefined.
define PARTS_NONE
.section .note.GNU-stack, "", @progbits
endef
define PARTS_CMDLINE
.section .wafer.cmdline, "a"
.globl wafer_cmdline_start, wafer_cmdline_end
wafer_cmdline_start: .incbin "$(CMDLINE)"
wafer_cmdline_end:
endef
define PARTS_TAR
.section .wafer.tar, "a"
.balign 4096
.globl wafer_tar_start, wafer_tar_end
wafer_tar_start: .incbin "$(TAR)"
wafer_tar_end:
endef
export PARTS_NONE PARTS_CMDLINE PARTS_TAR

$(WORK)/parts.o: $(TAR) $(CMDLINE)
	@mkdir -p $(WORK)
	@printf '%s\n' "$$PARTS_NONE" $(if $(CMDLINE),"$$PARTS_CMDLINE") $(if $(TAR),"$$PARTS_TAR") > $(WORK)/parts.S
	@$(CC) -c -o $@ $(WORK)/parts.S

$(IMAGE): $(APP_O) $(LIBKERNEL) $(OBSERVE) $(WORK)/parts.o $(SCRIPT) $(WAFER)/scripts/mksymbols.py
	@$(LINK) -o $(WORK)/first.elf $(INPUTS)
	@$(NM) -n $(WORK)/first.elf | $(PYTHON) $(WAFER)/scripts/mksymbols.py > $(WORK)/symbols.S
	@$(CC) -c -o $(WORK)/symbols.o $(WORK)/symbols.S
	@$(LINK) -o $@ $(INPUTS) $(WORK)/symbols.o
	@rm -rf $(WORK)

define GRUB_CONFIG
set timeout=0
set default=0
menuentry "Wafer" {
    multiboot2 /boot/image.elf
    boot
}
endef
export GRUB_CONFIG

$(ISO): $(IMAGE)
	@command -v grub-mkrescue >/dev/null || { \
	    echo "wafer: grub-mkrescue is missing: apt-get install grub-common grub-pc-bin xorriso mtools" >&2; exit 1; }
	@rm -rf $(ISO).parts && mkdir -p $(ISO).parts/boot/grub
	@$(OBJCOPY) --strip-debug $(IMAGE) $(ISO).parts/boot/image.elf
	@printf '%s\n' "$$GRUB_CONFIG" > $(ISO).parts/boot/grub/grub.cfg
	@grub-mkrescue -d /usr/lib/grub/i386-pc --fonts= --locales= --themes= \
	    --install-modules="multiboot2 normal iso9660 biosdisk" -o $@ $(ISO).parts > $(ISO).log 2>&1 || { cat $(ISO).log >&2; exit 1; }
	@rm -rf $(ISO).parts $(ISO).log

OBJCOPY ?= objcopy
