#include "kernel/x86/paging.h"

#include "kernel/base/string.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/x86.h"

/* SDM 3A tables 4-15 to 4-20. */
#define ENTRY_PRESENT_BIT    (1ull << 0)
#define ENTRY_WRITABLE_BIT   (1ull << 1)
#define ENTRY_USER_BIT       (1ull << 2)
#define ENTRY_UNCACHED_MASK  (3ull << 3) /* PWT and PCD: strong uncacheable by default PAT */
#define ENTRY_DIRTY_BIT      (1ull << 6)
#define ENTRY_LARGE_BIT      (1ull << 7)
#define ENTRY_NO_EXECUTE_BIT (1ull << 63)
#define ENTRY_ADDRESS_MASK   0x000ffffffffff000ull
#define ENTRIES_PER_TABLE    512u

#define LEVEL_4K   0u
#define LEVEL_2M   1u
#define LEVEL_1G   2u
#define LEVEL_ROOT 3u

#define MMIO_WINDOWS_MAX 64u

static uint64_t *root;
static paging_page_source *page_source;

static struct {
    uint64_t next;
    size_t count;
    struct {
        uint64_t start, end, virtual_address;
    } windows[MMIO_WINDOWS_MAX];
} mmio_area = {.next = MMIO_AREA_BASE};

static uint64_t level_bytes(unsigned level)
{
    return (uint64_t)PAGE_BYTES << (9 * level);
}

static size_t index_at(uint64_t virtual_address, unsigned level)
{
    return virtual_address >> (12 + 9 * level) & (ENTRIES_PER_TABLE - 1);
}

static uint64_t *table_of(uint64_t entry)
{
    return phys_to_virt((struct phys_addr){entry & ENTRY_ADDRESS_MASK});
}

static enum err new_table(struct phys_addr *out)
{
    enum err error = page_source(out);
    if (error == ERR_OK) {
        memset(phys_to_virt(*out), 0, PAGE_BYTES);
    }
    return error;
}

/*
 * Upper levels allow everything that a leaf below may want; the leaf alone decides
 * (SDM 3A §4.6: the most restrictive level counts).
 */
static enum err walk_to(uint64_t virtual_address, unsigned level, uint64_t **out)
{
    uint64_t *table = root;
    for (unsigned at = LEVEL_ROOT; at > level; at--) {
        uint64_t *entry = &table[index_at(virtual_address, at)];
        if ((*entry & ENTRY_PRESENT_BIT) == 0) {
            struct phys_addr page;
            enum err error = new_table(&page);
            if (error != ERR_OK) {
                return error;
            }
            *entry = page.value | ENTRY_PRESENT_BIT | ENTRY_WRITABLE_BIT | ENTRY_USER_BIT;
        } else if ((*entry & ENTRY_LARGE_BIT) != 0) {
            return ERR_EXIST;
        }
        table = table_of(*entry);
    }
    *out = &table[index_at(virtual_address, level)];
    return ERR_OK;
}

static uint64_t entry_bits(unsigned flags)
{
    uint64_t bits = ENTRY_PRESENT_BIT;
    bits |= (flags & PAGE_WRITABLE_BIT) != 0 ? ENTRY_WRITABLE_BIT : 0;
    bits |= (flags & PAGE_USER_BIT) != 0 ? ENTRY_USER_BIT : 0;
    bits |= (flags & PAGE_UNCACHED_BIT) != 0 ? ENTRY_UNCACHED_MASK : 0;
    bits |=
        (flags & PAGE_EXECUTABLE_BIT) == 0 && cpu_has(CPU_HAS_NX_BIT) ? ENTRY_NO_EXECUTE_BIT : 0;
    return bits;
}

static unsigned largest_level(uint64_t virtual_address, uint64_t address, uint64_t size_bytes)
{
    unsigned level = cpu_has(CPU_HAS_GIB_PAGES_BIT) ? LEVEL_1G : LEVEL_2M;
    while (level > LEVEL_4K && (((virtual_address | address) & (level_bytes(level) - 1)) != 0 ||
                                size_bytes < level_bytes(level))) {
        level--;
    }
    return level;
}

enum err paging_map(uint64_t virtual_address, struct phys_addr address, uint64_t size_bytes,
                    unsigned flags)
{
    uint64_t bits = entry_bits(flags);
    while (size_bytes != 0) {
        unsigned level = largest_level(virtual_address, address.value, size_bytes);
        uint64_t *entry;
        enum err error = walk_to(virtual_address, level, &entry);
        if (error != ERR_OK) {
            return error;
        }
        if ((*entry & ENTRY_PRESENT_BIT) != 0) {
            return ERR_EXIST;
        }
        /* SDM 3A §4.10.2.3: a translation that was not present is never cached. */
        *entry = address.value | bits | (level != LEVEL_4K ? ENTRY_LARGE_BIT : 0);
        virtual_address += level_bytes(level);
        address.value += level_bytes(level);
        size_bytes -= level_bytes(level);
    }
    return ERR_OK;
}

static enum err map_image(const char *start, const char *end, unsigned flags)
{
    uint64_t virtual_address = (uint64_t)(uintptr_t)start;
    return paging_map(virtual_address, (struct phys_addr){virtual_address - KERNEL_IMAGE_BASE},
                      (uint64_t)(end - start), flags);
}

/* Data, without the page below each stack; boot.S lays the stacks out in this order. */
static enum err map_image_data(void)
{
    const char *const guards[] = {
        stack_kernel_guard,        stack_double_fault_guard, stack_nmi_guard,
        stack_machine_check_guard, stack_exception_guard,    stack_interrupt_guard,
    };
    const char *start = image_data_start;
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
        enum err error = map_image(start, guards[i], PAGE_WRITABLE_BIT);
        if (error != ERR_OK) {
            return error;
        }
        start = guards[i] + PAGE_BYTES;
    }
    return map_image(start, image_data_end, PAGE_WRITABLE_BIT);
}

enum err paging_initialize(const struct ranges *ram, paging_page_source *source)
{
    page_source = source;
    struct phys_addr page;
    enum err error = new_table(&page);
    if (error != ERR_OK) {
        return error;
    }
    root = phys_to_virt(page);
    for (size_t i = 0; i < ram->count && error == ERR_OK; i++) {
        uint64_t start = ram->list[i].start;
        error = paging_map(DIRECT_MAP_BASE + start, (struct phys_addr){start},
                           ram->list[i].end - start, PAGE_WRITABLE_BIT);
    }
    if (error == ERR_OK) {
        error = map_image(image_text_start, image_text_end, PAGE_EXECUTABLE_BIT);
    }
    if (error == ERR_OK) {
        error = map_image(image_rodata_start, image_rodata_end, 0);
    }
    if (error == ERR_OK) {
        error = map_image_data();
    }
    if (error == ERR_OK) {
        x86_write_cr3(page.value);
    }
    return error;
}

enum err mmio_map(struct phys_addr address, uint64_t size_bytes, struct mmio *out)
{
    uint64_t end;
    uint64_t limit = 1ull << cpu_info.physical_address_bits;
    if (size_bytes == 0 || __builtin_add_overflow(address.value, size_bytes, &end) || end > limit) {
        return ERR_INVAL;
    }
    for (size_t i = 0; i < mmio_area.count; i++) {
        if (address.value >= mmio_area.windows[i].start && end <= mmio_area.windows[i].end) {
            out->base = (volatile uint8_t *)(uintptr_t)(mmio_area.windows[i].virtual_address +
                                                        address.value - mmio_area.windows[i].start);
            return ERR_OK;
        }
    }
    uint64_t start = address.value & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t bytes = (end - start + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    uint64_t virtual_address = mmio_area.next;
    enum err error = paging_map(virtual_address, (struct phys_addr){start}, bytes,
                                PAGE_WRITABLE_BIT | PAGE_UNCACHED_BIT);
    if (error != ERR_OK) {
        return error;
    }
    /* A hole after each window, so that running off one end faults. */
    mmio_area.next += bytes + PAGE_BYTES;
    if (mmio_area.count < MMIO_WINDOWS_MAX) {
        mmio_area.windows[mmio_area.count].start = start;
        mmio_area.windows[mmio_area.count].end = start + bytes;
        mmio_area.windows[mmio_area.count].virtual_address = virtual_address;
        mmio_area.count++;
    }
    out->base = (volatile uint8_t *)(uintptr_t)(virtual_address + address.value - start);
    return ERR_OK;
}

static void decode(uint64_t entry, unsigned level, struct paging_entry *out)
{
    out->page_bytes = level_bytes(level);
    out->address.value = entry & ENTRY_ADDRESS_MASK & ~(level_bytes(level) - 1);
    out->flags = ((entry & ENTRY_WRITABLE_BIT) != 0 ? (unsigned)PAGE_WRITABLE_BIT : 0) |
                 ((entry & ENTRY_USER_BIT) != 0 ? (unsigned)PAGE_USER_BIT : 0) |
                 ((entry & ENTRY_UNCACHED_MASK) != 0 ? (unsigned)PAGE_UNCACHED_BIT : 0) |
                 ((entry & ENTRY_NO_EXECUTE_BIT) == 0 ? (unsigned)PAGE_EXECUTABLE_BIT : 0);
}

bool paging_lookup(uint64_t virtual_address, struct paging_entry *out)
{
    const uint64_t *table = root;
    for (unsigned level = LEVEL_ROOT; table != NULL; level--) {
        uint64_t entry = table[index_at(virtual_address, level)];
        if ((entry & ENTRY_PRESENT_BIT) == 0) {
            return false;
        }
        if (level == LEVEL_4K || (entry & ENTRY_LARGE_BIT) != 0) {
            decode(entry, level, out);
            return true;
        }
        table = table_of(entry);
    }
    return false;
}

/* The entries of the 4 KiB pages around the address; NULL where there is no such table. */
static uint64_t *small_table(uint64_t virtual_address)
{
    uint64_t *table = root;
    for (unsigned level = LEVEL_ROOT; level > LEVEL_4K; level--) {
        uint64_t entry = table[index_at(virtual_address, level)];
        if ((entry & ENTRY_PRESENT_BIT) == 0 || (entry & ENTRY_LARGE_BIT) != 0) {
            return NULL;
        }
        table = table_of(entry);
    }
    return table;
}

bool paging_has_table(uint64_t virtual_address)
{
    return small_table(virtual_address) != NULL;
}

enum err paging_cut(uint64_t virtual_address, uint64_t size_bytes)
{
    uint64_t end = virtual_address + size_bytes;
    uint64_t at = virtual_address & ~(level_bytes(LEVEL_2M) - 1);
    for (; at < end; at += level_bytes(LEVEL_2M)) {
        uint64_t *entry;
        struct phys_addr page = {0};
        enum err error = walk_to(at, LEVEL_2M, &entry);
        if (error == ERR_OK && (*entry & (ENTRY_PRESENT_BIT | ENTRY_LARGE_BIT)) ==
                                   (ENTRY_PRESENT_BIT | ENTRY_LARGE_BIT)) {
            error = page_source(&page);
        } else if (error == ERR_OK) {
            continue;
        }
        if (error != ERR_OK) {
            return error;
        }
        uint64_t *table = phys_to_virt(page);
        uint64_t first = *entry & ~(uint64_t)ENTRY_LARGE_BIT;
        for (size_t i = 0; i < ENTRIES_PER_TABLE; i++) {
            table[i] = first + i * PAGE_BYTES;
        }
        *entry = page.value | ENTRY_PRESENT_BIT | ENTRY_WRITABLE_BIT | ENTRY_USER_BIT;
        /* SDM 3A §4.10.4.2: the translation is the same, but no entry may stay 2 MiB large. */
        x86_write_cr3(x86_read_cr3());
    }
    return ERR_OK;
}

uint64_t paging_take_written(uint64_t start, uint64_t end)
{
    uint64_t *table = NULL;
    for (uint64_t at = start & ~(uint64_t)(PAGE_BYTES - 1); at < end; at += PAGE_BYTES) {
        size_t index = index_at(at, LEVEL_4K);
        if (table == NULL || index == 0) {
            table = small_table(at);
        }
        if (table == NULL || (table[index] & ENTRY_PRESENT_BIT) == 0) {
            return at;
        }
        if ((table[index] & ENTRY_DIRTY_BIT) != 0) {
            table[index] &= ~(uint64_t)ENTRY_DIRTY_BIT;
            x86_invlpg(at);
            return at;
        }
    }
    return end;
}

/* SDM 3A §4.5: bit 47 is copied into the upper bits. */
static uint64_t canonical(uint64_t address)
{
    return (address & 1ull << 47) != 0 ? address | 0xffff000000000000ull : address;
}

void paging_visit(paging_visitor *visitor, void *context)
{
    const uint64_t *tables[LEVEL_ROOT + 1] = {[LEVEL_ROOT] = root};
    unsigned level = LEVEL_ROOT;
    /* One counter walks the whole tree: its nine-bit digits are the indices. */
    uint64_t at = 0;
    while (at < 1ull << 48) {
        uint64_t entry = tables[level][index_at(at, level)];
        bool leaf = level == LEVEL_4K || (entry & ENTRY_LARGE_BIT) != 0;
        if ((entry & ENTRY_PRESENT_BIT) != 0 && !leaf) {
            level--;
            tables[level] = table_of(entry);
            continue;
        }
        if ((entry & ENTRY_PRESENT_BIT) != 0) {
            struct paging_entry decoded;
            decode(entry, level, &decoded);
            visitor(context, canonical(at), &decoded);
        }
        at += level_bytes(level);
        while (level < LEVEL_ROOT && index_at(at, level) == 0) {
            level++;
        }
    }
}
