#include "kernel/x86/bootinfo.h"

#include <stdbool.h>

#include "kernel/base/address.h"
#include "kernel/base/string.h"

#define LOW_MEMORY_END (1ull << 20)
/* Beyond any VMM's limit (Cloud Hypervisor: 64 KiB); an unterminated line stops here. */
#define CMDLINE_MAX_BYTES (1u << 20)
#define E820_RAM          1u
#define ADDRESS_LIMIT     (1ull << 52) /* SDM 3A §4.1.4: MAXPHYADDR */

/* Xen public/arch-x86/hvm/start_info.h. */
#define PVH_MAGIC 0x336ec578u

struct pvh_start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp;
    /* From version 1 on: */
    uint64_t memory_map;
    uint32_t memory_map_entries, reserved;
};
_Static_assert(sizeof(struct pvh_start_info) == 56, "hvm_start_info");
#define PVH_VERSION_0_BYTES 40u

struct pvh_module {
    uint64_t address, size_bytes, cmdline, reserved;
};
struct pvh_memory {
    uint64_t address, size_bytes;
    uint32_t type, reserved;
};
_Static_assert(sizeof(struct pvh_module) == 32, "hvm_modlist_entry");
_Static_assert(sizeof(struct pvh_memory) == 24, "hvm_memmap_table_entry");

/* Multiboot2 §3.6. */
enum multiboot2_tag_type {
    MULTIBOOT2_END = 0,
    MULTIBOOT2_CMDLINE = 1,
    MULTIBOOT2_MODULE = 3,
    MULTIBOOT2_MEMORY_MAP = 6,
    MULTIBOOT2_RSDP_OLD = 14,
    MULTIBOOT2_RSDP_NEW = 15,
};
struct multiboot2_tag {
    uint32_t type, size_bytes;
};
struct multiboot2_module {
    struct multiboot2_tag tag;
    uint32_t start, end; /* then a NUL-terminated string */
};
struct multiboot2_memory {
    struct multiboot2_tag tag;
    uint32_t entry_bytes, entry_version;
};
#define MULTIBOOT2_INFO_MAX_BYTES (16u << 20)

/* Linux Documentation/arch/x86/zero-page.rst. */
#define ZERO_PAGE_BYTES         4096u
#define ZERO_PAGE_RSDP          0x070u
#define ZERO_PAGE_E820_COUNT    0x1e8u
#define ZERO_PAGE_MAGIC         0x202u
#define ZERO_PAGE_RAMDISK       0x218u
#define ZERO_PAGE_RAMDISK_BYTES 0x21cu
#define ZERO_PAGE_CMDLINE       0x228u
#define ZERO_PAGE_E820          0x2d0u
#define ZERO_PAGE_E820_BYTES    20u
#define ZERO_PAGE_E820_MAX      128u

static uint32_t read32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint64_t read64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

/* Collected first, because entries may overlap in any order and RAM must lose. */
struct memory_map {
    struct ranges ram;
    struct ranges other;
    bool overflow; /* something that is not RAM found no place: the map cannot be trusted */
};

static void add_memory(struct memory_map *map, uint64_t start, uint64_t size_bytes, uint32_t type)
{
    uint64_t end;
    if (start >= ADDRESS_LIMIT || __builtin_add_overflow(start, size_bytes, &end)) {
        return;
    }
    end = end < ADDRESS_LIMIT ? end : ADDRESS_LIMIT;
    if (type == E820_RAM) {
        start = (start + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
        (void)ranges_add(&map->ram, start, end & ~(uint64_t)(PAGE_BYTES - 1));
    } else {
        end = (end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
        if (!ranges_add(&map->other, start & ~(uint64_t)(PAGE_BYTES - 1), end)) {
            map->overflow = true;
        }
    }
}

static void add_module(struct bootinfo *out, uint64_t address, uint64_t size_bytes)
{
    uint64_t end;
    if (size_bytes == 0 || address >= ADDRESS_LIMIT ||
        __builtin_add_overflow(address, size_bytes, &end) || end > ADDRESS_LIMIT ||
        out->module_count == BOOTINFO_MODULES_MAX) {
        return;
    }
    out->modules[out->module_count++] = (struct boot_module){address, size_bytes};
    (void)ranges_add(&out->reserved, address & ~(uint64_t)(PAGE_BYTES - 1),
                     (end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1));
}

/* The NUL may be missing: the length is what is readable, up to the limit. */
static void set_cmdline(struct bootinfo *out, bootinfo_map *map, uint64_t address, size_t limit)
{
    size_t length = 0;
    while (length < limit) {
        const char *byte = map(address + length, 1);
        if (byte == NULL || *byte == '\0') {
            break;
        }
        length++;
    }
    out->cmdline = address;
    out->cmdline_bytes = length;
    (void)ranges_add(&out->reserved, address & ~(uint64_t)(PAGE_BYTES - 1),
                     (address + length + PAGE_BYTES) & ~(uint64_t)(PAGE_BYTES - 1));
}

static const char *read_pvh(uint64_t address, bootinfo_map *map, struct bootinfo *out,
                            struct memory_map *memory)
{
    struct pvh_start_info info = {0};
    const void *start = map(address, PVH_VERSION_0_BYTES);
    if (start == NULL || read32(start) != PVH_MAGIC) {
        return "the PVH start information is missing or damaged";
    }
    memcpy(&info, start, PVH_VERSION_0_BYTES);
    if (info.version < 1 || (start = map(address, sizeof(info))) == NULL) {
        return "the VMM passed no memory map (PVH start information version 0); use a newer VMM";
    }
    memcpy(&info, start, sizeof(info));
    out->acpi_rsdp = info.rsdp;
    for (uint32_t i = 0; i < info.memory_map_entries && i < 4 * RANGES_MAX; i++) {
        const void *entry =
            map(info.memory_map + i * sizeof(struct pvh_memory), sizeof(struct pvh_memory));
        if (entry == NULL) {
            break;
        }
        struct pvh_memory range;
        memcpy(&range, entry, sizeof(range));
        add_memory(memory, range.address, range.size_bytes, range.type);
    }
    for (uint32_t i = 0; i < info.module_count && i < BOOTINFO_MODULES_MAX; i++) {
        const void *entry =
            map(info.modules + i * sizeof(struct pvh_module), sizeof(struct pvh_module));
        if (entry == NULL) {
            break;
        }
        struct pvh_module module;
        memcpy(&module, entry, sizeof(module));
        add_module(out, module.address, module.size_bytes);
    }
    if (info.cmdline != 0) {
        set_cmdline(out, map, info.cmdline, CMDLINE_MAX_BYTES);
    }
    return NULL;
}

static void read_multiboot2_memory(const uint8_t *tag, uint32_t size_bytes,
                                   struct memory_map *memory)
{
    struct multiboot2_memory header;
    if (size_bytes < sizeof(header)) {
        return;
    }
    memcpy(&header, tag, sizeof(header));
    if (header.entry_bytes < 20) {
        return;
    }
    for (uint32_t at = sizeof(header); size_bytes - at >= header.entry_bytes;
         at += header.entry_bytes) {
        add_memory(memory, read64(tag + at), read64(tag + at + 8), read32(tag + at + 16));
    }
}

static void read_multiboot2_tag(const uint8_t *bytes, uint64_t address, bootinfo_map *map,
                                struct bootinfo *out, struct memory_map *memory)
{
    struct multiboot2_tag tag;
    memcpy(&tag, bytes, sizeof(tag));
    switch (tag.type) {
    case MULTIBOOT2_CMDLINE:
        set_cmdline(out, map, address + sizeof(tag), tag.size_bytes - sizeof(tag));
        break;
    case MULTIBOOT2_MODULE:
        if (tag.size_bytes >= sizeof(struct multiboot2_module)) {
            uint32_t start = read32(bytes + 8);
            uint32_t end = read32(bytes + 12);
            add_module(out, start, end > start ? end - start : 0);
        }
        break;
    case MULTIBOOT2_MEMORY_MAP:
        read_multiboot2_memory(bytes, tag.size_bytes, memory);
        break;
    case MULTIBOOT2_RSDP_OLD:
    case MULTIBOOT2_RSDP_NEW:
        /* The tag carries a copy of the structure itself. */
        out->acpi_rsdp = address + sizeof(tag);
        break;
    default:
        break;
    }
}

static const char *read_multiboot2(uint64_t address, bootinfo_map *map, struct bootinfo *out,
                                   struct memory_map *memory)
{
    const void *start = map(address, 8);
    uint32_t total = start != NULL ? read32(start) : 0;
    const uint8_t *info =
        total >= 8 && total <= MULTIBOOT2_INFO_MAX_BYTES ? map(address, total) : NULL;
    if (info == NULL) {
        return "the Multiboot2 information is missing or damaged";
    }
    for (uint32_t at = 8; total - at >= sizeof(struct multiboot2_tag);) {
        uint32_t type = read32(info + at);
        uint32_t size = read32(info + at + 4);
        if (type == MULTIBOOT2_END || size < sizeof(struct multiboot2_tag) || size > total - at) {
            break;
        }
        read_multiboot2_tag(info + at, address + at, map, out, memory);
        /* Tags are padded to eight bytes; the last may lack its padding. */
        uint32_t step = (size + 7) & ~7u;
        if (step > total - at) {
            break;
        }
        at += step;
    }
    (void)ranges_add(&out->reserved, address & ~(uint64_t)(PAGE_BYTES - 1),
                     (address + total + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1));
    return NULL;
}

static const char *read_linux64(uint64_t address, bootinfo_map *map, struct bootinfo *out,
                                struct memory_map *memory)
{
    const uint8_t *page = map(address, ZERO_PAGE_BYTES);
    if (page == NULL || memcmp(page + ZERO_PAGE_MAGIC, "HdrS", 4) != 0) {
        return "the Linux boot parameters are missing or damaged";
    }
    uint32_t count = page[ZERO_PAGE_E820_COUNT];
    for (uint32_t i = 0; i < count && i < ZERO_PAGE_E820_MAX; i++) {
        const uint8_t *entry = page + ZERO_PAGE_E820 + i * ZERO_PAGE_E820_BYTES;
        add_memory(memory, read64(entry), read64(entry + 8), read32(entry + 16));
    }
    out->acpi_rsdp = read64(page + ZERO_PAGE_RSDP);
    add_module(out, read32(page + ZERO_PAGE_RAMDISK), read32(page + ZERO_PAGE_RAMDISK_BYTES));
    uint32_t cmdline = read32(page + ZERO_PAGE_CMDLINE);
    if (cmdline != 0) {
        set_cmdline(out, map, cmdline, CMDLINE_MAX_BYTES);
    }
    return NULL;
}

const char *bootinfo_read(uint32_t protocol, uint64_t address, bootinfo_map *map,
                          struct bootinfo *out)
{
    static struct memory_map memory;
    memset(&memory, 0, sizeof(memory));
    memset(out, 0, sizeof(*out));
    const char *problem = "started by a boot loader that speaks neither PVH nor Multiboot2";
    if (protocol == BOOT_PVH) {
        problem = read_pvh(address, map, out, &memory);
    } else if (protocol == BOOT_MULTIBOOT2) {
        problem = read_multiboot2(address, map, out, &memory);
    } else if (protocol == BOOT_LINUX64) {
        problem = read_linux64(address, map, out, &memory);
    }
    if (problem != NULL) {
        return problem;
    }
    if (memory.overflow) {
        return "the boot loader's memory map has too many entries";
    }
    out->ram = memory.ram;
    for (size_t i = 0; i < memory.other.count; i++) {
        (void)ranges_remove(&out->ram, memory.other.list[i].start, memory.other.list[i].end);
    }
    /* Firmware, video memory and option ROMs live here; 1 MiB is not worth the risk. */
    (void)ranges_remove(&out->ram, 0, LOW_MEMORY_END);
    if (out->ram.count == 0) {
        return "the boot loader's memory map names no usable memory above 1 MiB";
    }
    return NULL;
}
