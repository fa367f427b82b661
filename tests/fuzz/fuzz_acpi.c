/*
 * ACPI tables. Physical memory from BASE on is the input; checksums are repaired by
 * what the input names, or the fuzzer would never get past them.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/x86/acpi.h"
#include "kernel/x86/paging.h"

#define BASE 0xe0000u

static uint8_t *memory;
static size_t memory_bytes;

enum err mmio_map(struct phys_addr address, uint64_t size_bytes, struct mmio *out)
{
    if (address.value < BASE || size_bytes > memory_bytes ||
        address.value - BASE > memory_bytes - size_bytes) {
        return ERR_INVAL;
    }
    out->base = memory + (address.value - BASE);
    return ERR_OK;
}

static void repair(size_t at, size_t length, size_t checksum_at)
{
    if (at > memory_bytes || length > memory_bytes - at || checksum_at >= length) {
        return;
    }
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + (i == checksum_at ? 0 : memory[at + i]));
    }
    memory[at + checksum_at] = (uint8_t)-sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    memory = malloc(size_bytes != 0 ? size_bytes : 1);
    memcpy(memory, data, size_bytes);
    memory_bytes = size_bytes;
    repair(0, 20, 8);
    /* Tables at multiples of 64 whose length field fits. */
    for (size_t at = 64; at + 36 <= size_bytes; at += 64) {
        uint32_t length;
        memcpy(&length, memory + at + 4, 4);
        if (length >= 36) {
            repair(at, length, 9);
        }
    }
    (void)acpi_find_poweroff(BASE);
    free(memory);
    return 0;
}
