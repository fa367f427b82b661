/* The bytes of one run as a source of decisions. Behind the last byte everything is zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fuzz_input {
    const uint8_t *next;
    size_t bytes;
};

/* The next bytes (at most 4 of them count) as a big-endian number. */
static inline uint32_t fuzz_take(struct fuzz_input *input, unsigned bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0 && input->bytes > 0) {
        value = value << 8 | *input->next++;
        input->bytes--;
    }
    return value;
}
