/* Pages: the most that was ever in use, and the guest's memory as it grows. */
#include "kernel/x86/wasm_entry.h"
#include "trace/stats.h"
#include "trace/trace.h"
#include "trace/wrap.h"

static void note_use(void)
{
    uint64_t used = pages_total_count() - pages_free_count();

    stats.pages_peak = used > stats.pages_peak ? used : stats.pages_peak;
    used -= stats.pages_promised;
    stats.pages_kernel_peak = used > stats.pages_kernel_peak ? used : stats.pages_kernel_peak;
}

enum err __wrap_pages_allocate(size_t count, struct phys_addr *out)
{
    enum err error = __real_pages_allocate(count, out);

    note_use();
    return error;
}

enum err __wrap_pages_allocate_large(struct phys_addr *out)
{
    enum err error = __real_pages_allocate_large(out);

    note_use();
    return error;
}

enum err __wrap_pages_allocate_aligned(size_t count, size_t align, struct phys_addr *out)
{
    enum err error = __real_pages_allocate_aligned(count, align, out);

    note_use();
    return error;
}

enum err __wrap_pages_reserve(size_t count)
{
    enum err error = __real_pages_reserve(count);

    if (error == ERR_OK) {
        stats.pages_promised += count;
        note_use();
    }
    return error;
}

uint64_t __wrap_wasm_runtime_memory_grow(struct wasm_memory *memory, uint64_t delta_pages)
{
    uint64_t old_pages = __real_wasm_runtime_memory_grow(memory, delta_pages);

    stats.memory_grows++;
    if (trace_is_on(TRACE_MEMORY)) {
        static struct trace_text text;
        trace_text_clear(&text);
        trace_text_add(&text, "memory.grow(%llu pages) = ", (unsigned long long)delta_pages);
        if (old_pages == UINT64_MAX) {
            trace_text_add(&text, "-1: the maximum or the machine does not allow it");
        } else {
            trace_text_add(&text, "%llu, now %llu KiB", (unsigned long long)old_pages,
                           (unsigned long long)(memory->size_bytes >> 10));
        }
        trace_line(TRACE_MEMORY, &text);
    }
    return old_pages;
}
