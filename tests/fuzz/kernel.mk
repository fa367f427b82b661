# Fuzz targets of kernel/: what the boot loader and the firmware hand over.
FUZZ_TARGETS += fuzz_bootinfo fuzz_cmdline fuzz_acpi
fuzz_bootinfo_SRCS := tests/fuzz/fuzz_bootinfo.c kernel/x86/bootinfo.c kernel/base/ranges.c
fuzz_cmdline_SRCS := tests/fuzz/fuzz_cmdline.c kernel/cmdline.c tests/unit/fake_kernel_heap.c
fuzz_acpi_SRCS := tests/fuzz/fuzz_acpi.c kernel/x86/acpi.c
