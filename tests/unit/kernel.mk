# Unit tests of kernel/ that need no machine.
UNIT_TESTS += test_fmt test_ranges test_cmdline test_bootinfo test_pages test_heap test_chacha20 \
    test_memory_functions test_random test_guest_pages test_exception_pool \
    test_timesource test_apic_timer

test_exception_pool_SRCS := tests/unit/test_exception_pool.c kernel/base/exception_pool.c
test_fmt_SRCS := tests/unit/test_fmt.c kernel/base/fmt.c
test_ranges_SRCS := tests/unit/test_ranges.c kernel/base/ranges.c
test_cmdline_SRCS := tests/unit/test_cmdline.c kernel/cmdline.c tests/unit/fake_kernel_heap.c
test_bootinfo_SRCS := tests/unit/test_bootinfo.c kernel/x86/bootinfo.c kernel/base/ranges.c
test_pages_SRCS := tests/unit/test_pages.c kernel/pages.c kernel/base/ranges.c tests/unit/fake_assert.c
test_heap_SRCS := tests/unit/test_heap.c kernel/heap.c tests/unit/fake_assert.c
test_chacha20_SRCS := tests/unit/test_chacha20.c kernel/base/chacha20.c
test_random_SRCS := tests/unit/test_random.c kernel/random.c kernel/base/chacha20.c \
    tests/unit/fake_assert.c
test_guest_pages_SRCS := tests/unit/test_guest_pages.c kernel/guest_pages.c kernel/base/fmt.c
# The assembly under other names, beside the C library's functions.
test_memory_functions_SRCS := tests/unit/test_memory_functions.c kernel/x86/memory.S
test_memory_functions_FLAGS := -Dmemcpy=wafer_memcpy -Dmemmove=wafer_memmove \
    -Dmemset=wafer_memset -Dmemcmp=wafer_memcmp
# tests/unit/fake_x86 stands in for the instructions, tests/unit/fake_processor.c for what they reach.
test_timesource_FLAGS := -iquote tests/unit/fake_x86
test_timesource_SRCS := tests/unit/test_timesource.c tests/unit/fake_processor.c kernel/clock.c \
    kernel/x86/timesource.c
test_apic_timer_FLAGS := -iquote tests/unit/fake_x86
test_apic_timer_SRCS := tests/unit/test_apic_timer.c tests/unit/fake_processor.c kernel/x86/apic.c \
    kernel/x86/timesource.c
