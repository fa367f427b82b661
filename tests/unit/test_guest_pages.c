#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/console.h"
#include "kernel/guest_pages.h"
#include "kernel/pages.h"
#include "kernel/panic.h"
#include "kernel/x86/idt.h"
#include "kernel/x86/paging.h"

/* A machine of 64 MiB whose physical memory is a host buffer, and a recording MMU. */
#define MACHINE_PAGES 16384u
#define VIRTUAL_PAGES 16384u

static uint8_t *machine;
static size_t next_page, reserved, large_left;
static uint8_t mapped[VIRTUAL_PAGES]; /* 1: by a small page, 2: by a large one */
static bool table_present[VIRTUAL_PAGES / 512];

enum err pages_reserve(size_t count)
{
    if (next_page + reserved + count > MACHINE_PAGES) {
        return ERR_NOMEM;
    }
    reserved += count;
    return ERR_OK;
}

static enum err take(size_t count, struct phys_addr *out)
{
    if (reserved < count) {
        return ERR_NOMEM;
    }
    reserved -= count;
    out->value = (uintptr_t)machine + next_page * PAGE_BYTES - DIRECT_MAP_BASE;
    next_page += count;
    return ERR_OK;
}

enum err pages_take_reserved(struct phys_addr *out)
{
    return take(1, out);
}

enum err pages_take_reserved_large(struct phys_addr *out)
{
    if (large_left == 0) {
        return ERR_NOMEM;
    }
    large_left--;
    return take(512, out);
}

enum err pages_allocate(size_t count, struct phys_addr *out)
{
    (void)count;
    (void)out;
    return ERR_NOMEM;
}

bool paging_has_table(uint64_t address)
{
    return table_present[address / LARGE_PAGE_BYTES];
}

enum err paging_map(uint64_t address, struct phys_addr page, uint64_t size, unsigned flags)
{
    assert_int_equal(flags, PAGE_WRITABLE_BIT | PAGE_USER_BIT);
    const uint8_t *bytes = phys_to_virt(page);
    for (uint64_t i = 0; i < size; i++) {
        assert_int_equal(bytes[i], 0);
    }
    struct phys_addr table;
    if (size == PAGE_BYTES && !table_present[address / LARGE_PAGE_BYTES]) {
        assert_int_equal(guest_pages_table_page(&table), ERR_OK);
        table_present[address / LARGE_PAGE_BYTES] = true;
    }
    for (uint64_t at = address; at < address + size; at += PAGE_BYTES) {
        assert_int_equal(mapped[at / PAGE_BYTES], 0);
        mapped[at / PAGE_BYTES] = size == PAGE_BYTES ? 1 : 2;
    }
    return ERR_OK;
}

/* Asks for a table as the real one does. */
enum err paging_cut(uint64_t address, uint64_t size)
{
    for (uint64_t chunk = address / LARGE_PAGE_BYTES; chunk * LARGE_PAGE_BYTES < address + size;
         chunk++) {
        struct phys_addr table;
        if (mapped[chunk * 512] != 2) {
            continue;
        }
        if (guest_pages_table_page(&table) != ERR_OK) {
            return ERR_NOMEM;
        }
        table_present[chunk] = true;
        memset(mapped + chunk * 512, 1, 512);
    }
    return ERR_OK;
}

void console_write(enum console_stream stream, const void *data, size_t size_bytes)
{
    (void)stream;
    (void)data;
    (void)size_bytes;
}

_Noreturn void panic(const char *format, ...)
{
    fputs(format, stderr);
    abort();
}

static struct guest_region region = {
    .start = 0, .window_bytes = 1ull << 32, .flags = PAGE_WRITABLE_BIT | PAGE_USER_BIT};

static void test_the_size_is_exact(void **state)
{
    (void)state;
    machine = aligned_alloc(PAGE_BYTES, (size_t)MACHINE_PAGES * PAGE_BYTES);
    memset(machine, 0xee, (size_t)MACHINE_PAGES * PAGE_BYTES);
    large_left = 100;
    assert_int_equal(guest_pages_register(&region), ERR_OK);
    assert_false(guest_pages_populate(0, PAGE_FAULT_WRITE_BIT));
    assert_int_equal(guest_pages_set_size(&region, 3 * 65536), ERR_OK);
    assert_true(guest_pages_populate(3 * 65536 - 1, 0));
    assert_false(guest_pages_populate(3 * 65536, 0));
    assert_int_equal(mapped[47], 1);
    assert_int_equal(mapped[48], 0);
    assert_int_equal(mapped[31], 0);
    /* A fault on a page that is there, or an instruction fetch, is not ours to repair. */
    assert_false(guest_pages_populate(0, PAGE_FAULT_PRESENT_BIT));
    assert_false(guest_pages_populate(0, PAGE_FAULT_FETCH_BIT));
    assert_true(guest_pages_in_window(3ull << 30));
    assert_false(guest_pages_in_window((1ull << 32) + PAGE_BYTES));
    assert_int_equal(guest_pages_set_size(&region, 65536), ERR_INVAL);
}

static void test_whole_chunks_get_large_pages(void **state)
{
    (void)state;
    assert_int_equal(guest_pages_set_size(&region, 5 * 1024 * 1024), ERR_OK);
    assert_true(guest_pages_populate(0x1ff000, PAGE_FAULT_WRITE_BIT));
    assert_int_equal(mapped[0x1ff], 1); /* the chunk already has small pages */
    assert_true(guest_pages_populate(0x212345, PAGE_FAULT_WRITE_BIT));
    assert_int_equal(mapped[0x200], 2);
    assert_int_equal(mapped[0x3ff], 2);
    assert_true(guest_pages_populate(0x400000, PAGE_FAULT_WRITE_BIT));
    assert_int_equal(mapped[0x400], 1); /* the size ends inside this chunk */
}

/* The table was promised with the memory: nothing else is left to take it from here. */
static void test_watched_memory_has_small_pages(void **state)
{
    (void)state;
    guest_pages_watch(0x2ff000, PAGE_BYTES);
    assert_int_equal(mapped[0x200], 1);
    assert_int_equal(mapped[0x3ff], 1);
    assert_int_equal(guest_pages_table_page(&(struct phys_addr){0}), ERR_NOMEM);
}

static void test_a_promise_is_always_kept(void **state)
{
    (void)state;
    large_left = 0; /* fragmented: only small pages, so every table is needed too */
    uint64_t size = region.size_bytes;
    while (guest_pages_set_size(&region, size + 65536) == ERR_OK) {
        size += 65536;
    }
    assert_true(size < (uint64_t)VIRTUAL_PAGES * PAGE_BYTES * 2);
    assert_int_equal(region.size_bytes, size);
    for (uint64_t at = 0; at < size && at < (uint64_t)VIRTUAL_PAGES * PAGE_BYTES;
         at += PAGE_BYTES) {
        if (mapped[at / PAGE_BYTES] == 0) {
            assert_true(guest_pages_populate(at, 0));
        }
    }
    free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_size_is_exact),
        cmocka_unit_test(test_whole_chunks_get_large_pages),
        cmocka_unit_test(test_watched_memory_has_small_pages),
        cmocka_unit_test(test_a_promise_is_always_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
