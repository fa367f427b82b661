/* The boot loader's structures: byte 0 chooses the protocol, the rest is physical memory. */
#include <stdlib.h>
#include <string.h>

#include "kernel/x86/bootinfo.h"

#define BASE 0x8000u

static const uint8_t *memory;
static size_t memory_bytes;

/* Each answer is a block of its own, so that ASan sees every byte read beyond it. */
static void *blocks[4096];
static size_t block_count;

static const void *map(uint64_t address, uint64_t size_bytes)
{
    if (address < BASE || size_bytes > memory_bytes || address - BASE > memory_bytes - size_bytes ||
        block_count == 4096) {
        return NULL;
    }
    void *block = malloc(size_bytes != 0 ? size_bytes : 1);
    memcpy(block, memory + (address - BASE), size_bytes);
    blocks[block_count++] = block;
    return block;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct bootinfo info;
    if (size_bytes == 0) {
        return 0;
    }
    memory = data + 1;
    memory_bytes = size_bytes - 1;
    const char *problem = bootinfo_read(data[0] % 4, BASE, map, &info);
    for (size_t i = 0; problem == NULL && i < info.ram.count; i++) {
        if (info.ram.list[i].start % 4096 != 0 || info.ram.list[i].end % 4096 != 0 ||
            info.ram.list[i].start < 1u << 20 || info.ram.list[i].start >= info.ram.list[i].end ||
            (i != 0 && info.ram.list[i - 1].end >= info.ram.list[i].start)) {
            abort();
        }
    }
    while (block_count != 0) {
        free(blocks[--block_count]);
    }
    return 0;
}
