#include "kernel/symbols.h"

#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/x86/layout.h"

#define WASM_PREFIX "wasm."

/*
 * As scripts/mksymbols.py writes it: the functions' offsets from image_text_start, sorted;
 * for each group of SYMBOLS_PER_GROUP the offset of its first name; then all names, each
 * ended by a NUL.
 */
#define SYMBOLS_PER_GROUP 32u

struct symbol_table {
    uint32_t count;
    uint32_t group_count;
    uint32_t offsets[];
};

extern const struct symbol_table wafer_symbols __attribute__((weak));

static const char *name_at(const struct symbol_table *table, uint32_t index)
{
    const uint32_t *groups = &table->offsets[table->count];
    const char *name = (const char *)&groups[table->group_count];
    name += groups[index / SYMBOLS_PER_GROUP];
    for (uint32_t skip = index % SYMBOLS_PER_GROUP; skip != 0; skip--) {
        name += strlen(name) + 1;
    }
    return name;
}

bool symbols_find(uint64_t address, const char **out_name, uint64_t *out_offset)
{
    uint64_t start = (uint64_t)(uintptr_t)image_text_start;
    const struct symbol_table *table = &wafer_symbols;
    if (table == NULL || address < start || address >= (uint64_t)(uintptr_t)image_text_end) {
        return false;
    }
    uint32_t low = 0;
    uint32_t high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (start + table->offsets[middle] <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return false;
    }
    *out_name = name_at(table, low - 1);
    *out_offset = address - start - table->offsets[low - 1];
    return true;
}

void symbols_describe(uint64_t address, char *out, size_t size_bytes)
{
    const char *name;
    uint64_t offset;
    if (!symbols_find(address, &name, &offset)) {
        fmt_format(out, size_bytes, "0x%llx", (unsigned long long)address);
        return;
    }
    if (strncmp(name, WASM_PREFIX, strlen(WASM_PREFIX)) != 0) {
        fmt_format(out, size_bytes, "%s+0x%llx", name, (unsigned long long)offset);
        return;
    }
    const char *index = name + strlen(WASM_PREFIX);
    size_t digits = 0;
    while (index[digits] >= '0' && index[digits] <= '9') {
        digits++;
    }
    const char *function = index[digits] == '.' ? index + digits + 1 : "";
    fmt_format(out, size_bytes, "%s (wasm function %.*s)+0x%llx",
               *function != '\0' ? function : "?", (int)digits, index, (unsigned long long)offset);
}
