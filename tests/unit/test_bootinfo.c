#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/x86/bootinfo.h"

/* Physical memory of the test: 64 KiB at 0x10000, nothing elsewhere. */
#define BASE 0x10000u
#define SIZE 0x10000u
static uint8_t memory[SIZE];
static uint64_t readable_bytes = SIZE;

static const void *map(uint64_t address, uint64_t size_bytes)
{
    if (address < BASE || size_bytes > SIZE || address - BASE + size_bytes > readable_bytes) {
        return NULL;
    }
    return memory + (address - BASE);
}

static void put32(uint32_t at, uint32_t value)
{
    memcpy(memory + (at - BASE), &value, 4);
}

static void put64(uint32_t at, uint64_t value)
{
    memcpy(memory + (at - BASE), &value, 8);
}

#define INFO    0x10000u
#define MODULES 0x11000u
#define LINE    0x12000u
#define MAP     0x13000u

static void put_memory(unsigned index, uint64_t start, uint64_t size, uint32_t type)
{
    put64(MAP + index * 24, start);
    put64(MAP + index * 24 + 8, size);
    put32(MAP + index * 24 + 16, type);
}

static void make_pvh(unsigned memory_count, unsigned module_count)
{
    memset(memory, 0, sizeof(memory));
    put32(INFO, 0x336ec578);
    put32(INFO + 4, 1);
    put32(INFO + 12, module_count);
    put64(INFO + 16, MODULES);
    put64(INFO + 24, LINE);
    put64(INFO + 32, 0xe0000);
    put64(INFO + 40, MAP);
    put32(INFO + 48, memory_count);
    memcpy(memory + (LINE - BASE), "log=info", 9);
}

static void test_pvh_with_everything(void **state)
{
    (void)state;
    static struct bootinfo info;
    make_pvh(3, 1);
    put_memory(0, 0x100000, 0x3f00000, 1);
    put_memory(1, 0, 0x9fc00, 1);
    put_memory(2, 0x2000000, 0x1000, 2);
    put64(MODULES, 0x3000123);
    put64(MODULES + 8, 5000);
    assert_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
    assert_int_equal(info.ram.count, 2);
    assert_int_equal(info.ram.list[0].start, 0x100000);
    assert_int_equal(info.ram.list[0].end, 0x2000000);
    assert_int_equal(info.ram.list[1].start, 0x2001000);
    assert_int_equal(info.ram.list[1].end, 0x4000000);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.modules[0].address, 0x3000123);
    assert_int_equal(info.modules[0].size_bytes, 5000);
    assert_int_equal(info.cmdline, LINE);
    assert_int_equal(info.cmdline_bytes, 8);
    assert_int_equal(info.acpi_rsdp, 0xe0000);
    assert_int_equal(info.reserved.count, 2);
    assert_int_equal(info.reserved.list[1].start, 0x3000000);
    assert_int_equal(info.reserved.list[1].end, 0x3002000);
}

static void test_pvh_damage_is_refused(void **state)
{
    (void)state;
    static struct bootinfo info;
    make_pvh(1, 0);
    put_memory(0, 0x100000, 0x1000000, 1);
    assert_non_null(bootinfo_read(BOOT_PVH, 0x5, map, &info));
    assert_non_null(bootinfo_read(BOOT_PVH, BASE + SIZE - 8, map, &info));
    assert_non_null(bootinfo_read(0, INFO, map, &info));
    put32(INFO + 4, 0);
    assert_non_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
    put32(INFO + 4, 1);
    put32(INFO, 1);
    assert_non_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
    make_pvh(0, 0);
    assert_non_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
}

static void test_pvh_hostile_numbers(void **state)
{
    (void)state;
    static struct bootinfo info;
    make_pvh(4, 3);
    put_memory(0, 0x100001, 0x1000000, 1);     /* ends are rounded inwards */
    put_memory(1, UINT64_MAX - 4096, 8192, 1); /* wraps */
    put_memory(2, 1ull << 60, 4096, 1);        /* beyond any processor */
    put_memory(3, 0x800800, 1, 2);             /* takes its whole page */
    put64(MODULES, UINT64_MAX - 10);
    put64(MODULES + 8, 100);
    put64(MODULES + 32 + 8, 0);
    put64(MODULES + 64, 1ull << 53);
    put64(MODULES + 72, 1);
    /* More entries than there is memory: those that can be read count. */
    put32(INFO + 48, UINT32_MAX);
    readable_bytes = MAP - BASE + 4 * 24;
    assert_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
    readable_bytes = SIZE;
    assert_int_equal(info.ram.count, 2);
    assert_int_equal(info.ram.list[0].start, 0x101000);
    assert_int_equal(info.ram.list[0].end, 0x800000);
    assert_int_equal(info.ram.list[1].start, 0x801000);
    assert_int_equal(info.ram.list[1].end, 0x1100000);
    assert_int_equal(info.module_count, 0);
}

static void test_unterminated_command_line(void **state)
{
    (void)state;
    static struct bootinfo info;
    make_pvh(1, 0);
    put_memory(0, 0x100000, 0x1000000, 1);
    put64(INFO + 24, 0x14000);
    memset(memory + 0x4000, 'a', SIZE - 0x4000);
    assert_null(bootinfo_read(BOOT_PVH, INFO, map, &info));
    assert_int_equal(info.cmdline_bytes, SIZE - 0x4000);
}

static uint32_t add_tag(uint32_t at, uint32_t type, const void *body, uint32_t size)
{
    put32(at, type);
    put32(at + 4, size + 8);
    if (size != 0) {
        memcpy(memory + (at + 8 - BASE), body, size);
    }
    return (at + 8 + size + 7) & ~7u;
}

static void test_multiboot2(void **state)
{
    (void)state;
    static struct bootinfo info;
    memset(memory, 0, sizeof(memory));
    uint32_t at = INFO + 8;
    at = add_tag(at, 1, "dir=/ x", 8);
    const uint32_t module[] = {0x300000, 0x300100, 'm'};
    at = add_tag(at, 3, module, 9);
    uint32_t map_tag[2 + 12] = {24, 0};
    map_tag[2] = 0x100000;
    map_tag[4] = 0x1000000;
    map_tag[6] = 1;
    map_tag[8] = 0x180000;
    map_tag[10] = 0x1000;
    map_tag[12] = 3;
    at = add_tag(at, 6, map_tag, sizeof(map_tag));
    at = add_tag(at, 14, "RSD PTR .............", 20);
    at = add_tag(at, 0, NULL, 0);
    put32(INFO, at - INFO);
    assert_null(bootinfo_read(BOOT_MULTIBOOT2, INFO, map, &info));
    assert_int_equal(info.cmdline_bytes, 7);
    assert_int_equal(info.module_count, 1);
    assert_int_equal(info.modules[0].size_bytes, 0x100);
    assert_int_equal(info.ram.count, 2);
    assert_int_equal(info.ram.list[0].end, 0x180000);
    assert_true(info.acpi_rsdp != 0);
}

static void test_random_bytes(void **state)
{
    (void)state;
    static struct bootinfo info;
    srand(5);
    for (unsigned round = 0; round < 3000; round++) {
        for (size_t i = 0; i < 0x400; i++) {
            memory[i] = rand() % 4 == 0 ? (uint8_t)rand() : (uint8_t)(rand() % 24);
        }
        put32(INFO, round % 2 == 0 ? 0x400 : 0x336ec578);
        if (round % 3 == 0) {
            memcpy(memory + 0x202, "HdrS", 4);
        }
        (void)bootinfo_read(1 + round % 3, INFO, map, &info);
        assert_true(info.ram.count <= RANGES_MAX && info.module_count <= BOOTINFO_MODULES_MAX);
        for (size_t i = 0; i < info.ram.count; i++) {
            assert_true(info.ram.list[i].start >= 0x100000 && info.ram.list[i].end <= 1ull << 52);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pvh_with_everything),
        cmocka_unit_test(test_pvh_damage_is_refused),
        cmocka_unit_test(test_pvh_hostile_numbers),
        cmocka_unit_test(test_unterminated_command_line),
        cmocka_unit_test(test_multiboot2),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
