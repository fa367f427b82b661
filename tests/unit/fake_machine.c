#include "tests/unit/fake_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/clock.h"
#include "kernel/irq.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"

struct fake_machine fake_machine;

#define BLOCKS_MAX 65536u
static void *blocks[BLOCKS_MAX];
static size_t block_count;

static void *track(void *block)
{
    if (block == NULL || block_count == BLOCKS_MAX) {
        abort();
    }
    blocks[block_count++] = block;
    return block;
}

static void release(void *block)
{
    for (size_t i = block_count; i-- > 0;) {
        if (blocks[i] == block) {
            blocks[i] = blocks[--block_count];
            free(block);
            return;
        }
    }
    abort();
}

void fake_machine_reset(void)
{
    for (size_t i = 0; i < block_count; i++) {
        free(blocks[i]);
    }
    block_count = 0;
    fake_machine = (struct fake_machine){
        .pages_limit = SIZE_MAX,
        .pages_total = 65536,
        .clock_step_ns = 1000,
    };
}

struct phys_addr virt_to_phys(const void *pointer)
{
    return (struct phys_addr){(uint64_t)(uintptr_t)pointer - DIRECT_MAP_BASE};
}

enum err pages_allocate(size_t count, struct phys_addr *out)
{
    if (count > fake_machine.pages_limit - fake_machine.pages_in_use) {
        return ERR_NOMEM;
    }
    fake_machine.pages_in_use += count;
    void *memory = track(aligned_alloc(PAGE_BYTES, count * PAGE_BYTES));
    memset(memory, 0xa5, count * PAGE_BYTES);
    *out = virt_to_phys(memory);
    return ERR_OK;
}

size_t pages_total_count(void)
{
    return fake_machine.pages_total;
}

size_t pages_free_count(void)
{
    return fake_machine.pages_total - fake_machine.pages_in_use;
}

void pages_free(struct phys_addr address, size_t count)
{
    fake_machine.pages_in_use -= count;
    release(phys_to_virt(address));
}

void *heap_allocate(size_t size_bytes)
{
    fake_machine.heap_blocks++;
    return track(malloc(size_bytes));
}

void *heap_allocate_zeroed(size_t count, size_t size_bytes)
{
    fake_machine.heap_blocks++;
    return track(calloc(count, size_bytes));
}

void heap_free(void *block)
{
    fake_machine.heap_blocks--;
    release(block);
}

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(fake_machine.last_log, sizeof(fake_machine.last_log), "%s: ", tag);

    va_start(arguments, format);
    vsnprintf(fake_machine.last_log + used, sizeof(fake_machine.last_log) - (size_t)used, format,
              arguments);
    va_end(arguments);
    fake_machine.log_errors += level == LOG_ERROR;
    fake_machine.log_warnings += level == LOG_WARNING;
}

uint64_t clock_monotonic_ns(void)
{
    fake_machine.now_ns += fake_machine.clock_step_ns;
    return fake_machine.now_ns;
}

void random_fill(void *data, size_t size_bytes)
{
    memset(data, 0x5f, size_bytes);
}

void random_seed(const void *data, size_t size_bytes)
{
    (void)data;
    fake_machine.seeded_bytes += (unsigned)size_bytes;
}

enum err irq_attach_line(uint8_t line, irq_handler *handler, void *context)
{
    (void)line;
    (void)handler;
    (void)context;
    fake_machine.line_handlers++;
    return ERR_OK;
}

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
