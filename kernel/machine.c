#include "kernel/machine.h"

#include "kernel/guest_pages.h"
#include "kernel/pages.h"
#include "kernel/panic.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"

/* What the boot page tables reach (boot.S). */
#define BOOT_MAP_BYTES (4ull << 30)
/* A machine smaller than this is refused in words before an allocation fails. */
#define RAM_MIN_BYTES (2ull << 20)

static struct bootinfo bootinfo;

static const void *boot_map(uint64_t address, uint64_t size_bytes)
{
    if (size_bytes > BOOT_MAP_BYTES || address > BOOT_MAP_BYTES - size_bytes) {
        return NULL;
    }
    return phys_to_virt((struct phys_addr){address});
}

static uint64_t image_physical(const char *symbol)
{
    return (uint64_t)(uintptr_t)symbol - KERNEL_IMAGE_BASE;
}

struct phys_addr virt_to_phys(const void *pointer)
{
    uint64_t address = (uint64_t)(uintptr_t)pointer;
    return (struct phys_addr){address >= KERNEL_IMAGE_BASE ? address - KERNEL_IMAGE_BASE
                                                           : address - DIRECT_MAP_BASE};
}

const struct bootinfo *machine_read_bootinfo(uint32_t protocol, uint64_t address)
{
    const char *problem = bootinfo_read(protocol, address, boot_map, &bootinfo);
    if (problem != NULL) {
        panic("%s", problem);
    }
    return &bootinfo;
}

/* The allocator's metadata goes to the lowest free place that the boot tables reach. */
static void *place_metadata(struct ranges *usable, size_t bytes)
{
    uint64_t need = (bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    for (size_t i = 0; i < usable->count; i++) {
        uint64_t start = usable->list[i].start;
        if (usable->list[i].end - start >= need && start + need <= BOOT_MAP_BYTES) {
            (void)ranges_remove(usable, start, start + need);
            return phys_to_virt((struct phys_addr){start});
        }
    }
    panic("no room for the page allocator's tables: give the machine more memory");
}

void machine_start_memory(const struct bootinfo *info)
{
    static struct ranges ranges;
    ranges = info->ram;
    for (size_t i = 0; i < info->reserved.count; i++) {
        (void)ranges_remove(&ranges, info->reserved.list[i].start, info->reserved.list[i].end);
    }
    (void)ranges_remove(&ranges, image_physical(image_start), image_physical(image_end));
    if (ranges_total(&ranges) < RAM_MIN_BYTES) {
        panic("only %llu KiB of memory are free beside the image and its files; give the "
              "machine more",
              (unsigned long long)(ranges_total(&ranges) >> 10));
    }
    pages_initialize(&ranges, place_metadata(&ranges, pages_metadata_bytes(&ranges)));

    /* Mapped for good: all RAM and what the loader placed, but never a second view of code. */
    ranges = info->ram;
    for (size_t i = 0; i < info->reserved.count; i++) {
        (void)ranges_add(&ranges, info->reserved.list[i].start, info->reserved.list[i].end);
    }
    (void)ranges_remove(&ranges, image_physical(image_start), image_physical(image_end));
    if (paging_initialize(&ranges, guest_pages_table_page) != ERR_OK) {
        panic("no memory for page tables: give the machine more memory");
    }
    cpu_protect();
}

const char *machine_cmdline(const struct bootinfo *info, size_t *out_bytes)
{
    *out_bytes = info->cmdline_bytes;
    return phys_to_virt((struct phys_addr){info->cmdline});
}

const void *machine_module(const struct bootinfo *info, size_t index, size_t *out_bytes)
{
    if (index >= info->module_count) {
        return NULL;
    }
    *out_bytes = (size_t)info->modules[index].size_bytes;
    return phys_to_virt((struct phys_addr){info->modules[index].address});
}
