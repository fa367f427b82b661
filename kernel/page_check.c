#include "kernel/page_check.h"

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/fmt.h"
#include "kernel/base/wasm_abi.h"
#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"

static bool enabled;

struct walk {
    uint64_t mapping_count;
    uint64_t user_bytes;
};

static uint64_t address_of(const char *symbol)
{
    return (uint64_t)(uintptr_t)symbol;
}

static bool overlaps(uint64_t start, uint64_t bytes, uint64_t other_start, uint64_t other_end)
{
    return start < other_end && other_start < start + bytes;
}

static const char *find_fault(uint64_t address, const struct paging_entry *entry)
{
    bool writable = (entry->flags & PAGE_WRITABLE_BIT) != 0;
    bool executable = (entry->flags & PAGE_EXECUTABLE_BIT) != 0;
    bool user = (entry->flags & PAGE_USER_BIT) != 0;
    uint64_t text_start = address_of(image_text_start);
    uint64_t text_end = address_of(image_text_end);
    if (writable && executable) {
        return "writable and executable";
    }
    if (executable && (address < text_start || address + entry->page_bytes > text_end)) {
        return "executable outside of the text";
    }
    if (user && executable) {
        return "executable guest memory";
    }
    if (user && address >= WASM_MEMORY_RESERVED_BYTES &&
        (address < WASM_MEMORY_AREA_BASE || address >= KERNEL_IMAGE_BASE)) {
        return "user-accessible outside of guest memory";
    }
    if (!user && address < DIRECT_MAP_BASE) {
        return "kernel memory in the lower half";
    }
    if (writable && overlaps(entry->address.value, entry->page_bytes,
                             address_of(image_start) - KERNEL_IMAGE_BASE,
                             address_of(image_rodata_end) - KERNEL_IMAGE_BASE)) {
        return "a writable alias of code or constants";
    }
    return NULL;
}

static void check_mapping(void *context, uint64_t address, const struct paging_entry *entry)
{
    struct walk *walk = context;
    const char *fault = find_fault(address, entry);
    if (fault != NULL) {
        panic("page check: 0x%llx is %s", (unsigned long long)address, fault);
    }
    walk->mapping_count++;
    walk->user_bytes += (entry->flags & PAGE_USER_BIT) != 0 ? entry->page_bytes : 0;
}

static void check_guards(void)
{
    static const char *const guards[] = {
        stack_kernel_guard,        stack_double_fault_guard, stack_nmi_guard,
        stack_machine_check_guard, stack_exception_guard,    stack_interrupt_guard,
    };
    struct paging_entry entry;
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
        if (paging_lookup(address_of(guards[i]), &entry)) {
            panic("page check: the guard at 0x%llx is mapped",
                  (unsigned long long)address_of(guards[i]));
        }
    }
}

void page_check_enable(bool enable)
{
    enabled = enable;
}

void page_check_run(const char *occasion)
{
    if (!enabled) {
        return;
    }
    struct walk walk = {0};
    paging_visit(check_mapping, &walk);
    check_guards();
    char line[128];
    size_t length = fmt_format(line, sizeof(line),
                               "wafer: page check after %s: %llu mappings sound, %llu KiB of "
                               "guest memory, smap %s\n",
                               occasion, (unsigned long long)walk.mapping_count,
                               (unsigned long long)walk.user_bytes >> 10,
                               cpu_has(CPU_HAS_SMAP_BIT) ? "on" : "off");
    console_write(CONSOLE_LOG, line, length < sizeof(line) ? length : sizeof(line) - 1);
}
