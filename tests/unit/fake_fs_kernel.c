#include "tests/unit/fake_fs_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"
#include "tests/unit/fail_nth.h"

#define TOTAL_PAGES (1u << 20)

uint64_t fake_now_ns;
size_t fake_allocations_left;
size_t fake_free_pages;
size_t fake_live_pages;
unsigned fake_warning_count;
unsigned fake_error_count;

void fake_reset(void)
{
    fake_now_ns = 1000;
    fake_allocations_left = SIZE_MAX;
    fake_free_pages = TOTAL_PAGES;
    fake_live_pages = 0;
    fake_warning_count = 0;
    fake_error_count = 0;
}

static int allocation_fails(void)
{
    if (fake_allocations_left == SIZE_MAX) {
        return fail_nth_now();
    }
    if (fake_allocations_left == 0) {
        return 1;
    }
    fake_allocations_left--;
    return 0;
}

void *heap_allocate(size_t size_bytes)
{
    return size_bytes == 0 || allocation_fails() ? NULL : malloc(size_bytes);
}

void *heap_allocate_zeroed(size_t count, size_t size_bytes)
{
    return count * size_bytes == 0 || allocation_fails() ? NULL : calloc(count, size_bytes);
}

void *heap_resize(void *block, size_t size_bytes)
{
    return allocation_fails() ? NULL : realloc(block, size_bytes);
}

void heap_free(void *block)
{
    free(block);
}

struct phys_addr virt_to_phys(const void *pointer)
{
    return (struct phys_addr){(uint64_t)(uintptr_t)pointer - DIRECT_MAP_BASE};
}

enum err pages_allocate(size_t count, struct phys_addr *out)
{
    void *pages = allocation_fails() ? NULL : aligned_alloc(PAGE_BYTES, count * PAGE_BYTES);
    if (pages == NULL) {
        return ERR_NOMEM;
    }
    memset(pages, 0xa5, count * PAGE_BYTES); /* The contract: not cleared. */
    fake_live_pages += count;
    *out = virt_to_phys(pages);
    return ERR_OK;
}

void pages_free(struct phys_addr address, size_t count)
{
    fake_live_pages -= count;
    free(phys_to_virt(address));
}

size_t pages_free_count(void)
{
    return fake_free_pages;
}

size_t pages_total_count(void)
{
    return TOTAL_PAGES;
}

uint64_t clock_realtime_ns(void)
{
    return fake_now_ns++;
}

uint64_t clock_monotonic_ns(void)
{
    return fake_now_ns++;
}

void random_fill(void *data, size_t size_bytes)
{
    memset(data, 0x5a, size_bytes);
}

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
    fake_warning_count += level == LOG_WARNING;
    fake_error_count += level == LOG_ERROR;
    if (getenv("FAKE_LOG") != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fprintf(stderr, "%s: ", tag);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
        va_end(arguments);
    }
}

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: ASSERT(%s)\n", file, line, condition);
    abort();
}
