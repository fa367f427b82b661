#include "tests/unit/fake_wasi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "kernel/clock.h"
#include "kernel/console.h"
#include "kernel/guest_pages.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/panic.h"
#include "kernel/poweroff.h"
#include "kernel/random.h"
#include "kernel/wait.h"
#include "kernel/wasm_runtime.h"
#include "kernel/x86/paging.h"
#include "tests/unit/fail_nth.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"
#include "wasi/poll_set.h"

struct fake_kernel fake_kernel;

static uint8_t memory_bytes[FAKE_MEMORY_BYTES];
struct wasm_memory fake_memory = {.base = memory_bytes, .size_bytes = FAKE_MEMORY_BYTES};
const struct wasm_module fake_module = {.abi_version = WASM_ABI_VERSION, .memory = &fake_memory};

/* ---- mem.h ----------------------------------------------------------------------------------- */

static bool allocation_fails(void)
{
    if (fake_kernel.heap_failures != 0) {
        fake_kernel.heap_failures--;
        return true;
    }
    return fail_nth_now();
}

void *heap_allocate(size_t size_bytes)
{
    if (size_bytes == 0 || allocation_fails()) {
        return NULL;
    }
    fake_kernel.allocations++;
    return malloc(size_bytes);
}

void *heap_allocate_zeroed(size_t count, size_t size_bytes)
{
    if (count == 0 || size_bytes == 0 || allocation_fails()) {
        return NULL;
    }
    fake_kernel.allocations++;
    return calloc(count, size_bytes);
}

void *heap_resize(void *block, size_t size_bytes)
{
    if (block == NULL) {
        return heap_allocate(size_bytes);
    }
    return allocation_fails() ? NULL : realloc(block, size_bytes);
}

void heap_free(void *block)
{
    if (block != NULL) {
        fake_kernel.allocations--;
        free(block);
    }
}

enum err pages_allocate(size_t count, struct phys_addr *out)
{
    void *pages;

    if (fail_nth_now() || posix_memalign(&pages, PAGE_BYTES, count * PAGE_BYTES) != 0) {
        return ERR_NOMEM;
    }
    fake_kernel.pages += count;
    *out = virt_to_phys(pages);
    return ERR_OK;
}

void pages_free(struct phys_addr address, size_t count)
{
    fake_kernel.pages -= count;
    free(phys_to_virt(address));
}

struct phys_addr virt_to_phys(const void *pointer)
{
    return (struct phys_addr){(uintptr_t)pointer - DIRECT_MAP_BASE};
}

size_t pages_free_count(void)
{
    return 1u << 20;
}

size_t pages_total_count(void)
{
    return 1u << 20;
}

/* ---- clock.h, wait.h, random.h ----------------------------------------------------------------
 */

uint64_t clock_monotonic_ns(void)
{
    return fake_kernel.now_ns;
}

uint64_t clock_realtime_ns(void)
{
    return fake_kernel.now_ns + fake_kernel.realtime_offset_ns;
}

uint64_t clock_resolution_ns(void)
{
    return 1;
}

uint64_t clock_cpu_ns(void)
{
    return fake_kernel.now_ns / 2;
}

bool wait_poll(void)
{
    return fake_kernel.on_wait != NULL && fake_kernel.on_wait();
}

void wait_once(uint64_t deadline_ns)
{
    fake_kernel.wait_count++;
    fake_kernel.last_deadline_ns = deadline_ns;
    if (wait_poll()) {
        return;
    }
    if (deadline_ns == WAIT_FOREVER) {
        fprintf(stderr, "the guest would sleep for ever\n");
        abort();
    }
    if (fake_kernel.now_ns < deadline_ns) {
        fake_kernel.now_ns = deadline_ns;
    }
}

void random_fill(void *data, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        ((uint8_t *)data)[i] = (uint8_t)(i * 7 + 13);
    }
}

/* ---- console.h, log.h, panic.h, poweroff.h ----------------------------------------------------
 */

void console_write(enum console_stream stream, const void *data, size_t size_bytes)
{
    size_t *used_bytes = &fake_kernel.output_bytes[stream];

    if (size_bytes > FAKE_OUTPUT_BYTES - *used_bytes) {
        size_bytes = FAKE_OUTPUT_BYTES - *used_bytes;
    }
    memcpy(fake_kernel.output[stream] + *used_bytes, data, size_bytes);
    *used_bytes += size_bytes;
}

enum err console_read(void *data, size_t size_bytes, size_t *out_bytes)
{
    size_t left_bytes = fake_kernel.input != NULL ? strlen(fake_kernel.input) : 0;

    *out_bytes = left_bytes < size_bytes ? left_bytes : size_bytes;
    if (left_bytes == 0) {
        return fake_kernel.input_ended ? ERR_OK : ERR_AGAIN;
    }
    memcpy(data, fake_kernel.input, *out_bytes);
    fake_kernel.input += *out_bytes;
    return ERR_OK;
}

bool console_input_ready(void)
{
    return fake_kernel.input_ended || (fake_kernel.input != NULL && *fake_kernel.input != '\0');
}

bool console_is_terminal(int descriptor)
{
    return fake_kernel.is_terminal[descriptor];
}

void log_write(enum log_level level, const char *tag, const char *format, ...)
{
    va_list arguments;

    if (level > LOG_WARNING) {
        return;
    }
    va_start(arguments, format);
    fprintf(stderr, "%s: ", tag);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

_Noreturn void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}

_Noreturn void machine_exit(uint32_t code)
{
    fake_kernel.exit_code = code;
    longjmp(fake_kernel.exit_jump, 1);
}

void wasm_call(void (*function)(void))
{
    function();
}

/* ---- Dirty bits: by comparing with what was there the last time --------------------------------
 */

static uint8_t memory_seen[FAKE_MEMORY_BYTES];

void guest_pages_watch(uint64_t address, uint64_t size_bytes)
{
    (void)address;
    (void)size_bytes;
}

uint64_t paging_take_written(uint64_t start, uint64_t end)
{
    uint64_t base = (uintptr_t)memory_bytes;

    for (uint64_t at = start & ~(uint64_t)(PAGE_BYTES - 1); at < end && !fake_kernel.writes_hidden;
         at += PAGE_BYTES) {
        uint64_t from = at > base ? at - base : 0;
        uint64_t to = at + PAGE_BYTES - base;

        to = to < FAKE_MEMORY_BYTES ? to : FAKE_MEMORY_BYTES;
        if (memcmp(memory_seen + from, memory_bytes + from, to - from) != 0) {
            memcpy(memory_seen + from, memory_bytes + from, to - from);
            return at;
        }
    }
    return end;
}

/* ---- The instance and its memory --------------------------------------------------------------
 */

void fake_begin(struct wasi_config *config)
{
    memset(&fake_kernel, 0, sizeof(fake_kernel));
    fake_kernel.now_ns = 1000000000;
    fake_kernel.realtime_offset_ns = 1700000000ull * 1000000000ull;
    memset(memory_bytes, 0, sizeof(memory_bytes));
    if (config->module == NULL) {
        config->module = &fake_module;
    }
    if (wasi_instance_begin(config) != ERR_OK) {
        panic("the instance cannot begin\n");
    }
}

void fake_end(void)
{
    wasi_instance_end();
    heap_free(wasi_poll_set.entries);
    heap_free(wasi_poll_set.keys);
    wasi_poll_set = (struct poll_set){.others_first = WASI_POLL_NONE};
    if (fake_kernel.allocations != 0 && !fake_kernel.allocations_ignored) {
        panic("%zu heap blocks are left\n", fake_kernel.allocations);
    }
}

uint8_t *guest_at(uint32_t address)
{
    return memory_bytes + address;
}

void guest_put_u32(uint32_t address, uint32_t value)
{
    memcpy(guest_at(address), &value, sizeof(value));
}

void guest_put_u64(uint32_t address, uint64_t value)
{
    memcpy(guest_at(address), &value, sizeof(value));
}

uint16_t guest_get_u16(uint32_t address)
{
    uint16_t value;

    memcpy(&value, guest_at(address), sizeof(value));
    return value;
}

uint32_t guest_get_u32(uint32_t address)
{
    uint32_t value;

    memcpy(&value, guest_at(address), sizeof(value));
    return value;
}

uint64_t guest_get_u64(uint32_t address)
{
    uint64_t value;

    memcpy(&value, guest_at(address), sizeof(value));
    return value;
}

void guest_put_iovec(uint32_t at, uint32_t address, uint32_t size_bytes)
{
    guest_put_u32(at, address);
    guest_put_u32(at + 4, size_bytes);
}

uint32_t guest_put_text(uint32_t address, const char *text)
{
    memcpy(guest_at(address), text, strlen(text));
    return (uint32_t)strlen(text);
}
