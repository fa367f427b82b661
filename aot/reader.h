/*
 * A bounded cursor over a part of the module's bytes: every read checks its
 * bounds, every LEB128 number its length and range (Wasm core §5.2).
 *
 * The reader borrows the bytes. Errors go to diag_fail and do not return.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aot/diag.h"

struct reader {
    const uint8_t *start; /* of the file: offsets in messages count from here */
    const uint8_t *next;
    const uint8_t *end;
    struct diag *diag;
    /* Said when the bytes end early: "unexpected end", or a section's own words. */
    const char *end_message;
};

static inline uint32_t reader_offset(const struct reader *reader)
{
    return (uint32_t)(reader->next - reader->start);
}

static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

_Noreturn void reader_end_error(const struct reader *reader);

static inline uint8_t reader_u8(struct reader *reader)
{
    if (__builtin_expect(reader->next == reader->end, 0)) {
        reader_end_error(reader);
    }
    return *reader->next++;
}

uint32_t reader_leb_u32_slow(struct reader *reader);

static inline uint32_t reader_leb_u32(struct reader *reader)
{
    if (__builtin_expect(reader->next != reader->end && *reader->next < 0x80, 1)) {
        return *reader->next++;
    }
    return reader_leb_u32_slow(reader);
}

uint64_t reader_leb_u64(struct reader *reader);
int32_t reader_leb_s32(struct reader *reader);
int64_t reader_leb_s33(struct reader *reader);
int64_t reader_leb_s64(struct reader *reader);
uint32_t reader_fixed_u32(struct reader *reader);
uint64_t reader_fixed_u64(struct reader *reader);

/* The next `count` bytes, borrowed. */
const uint8_t *reader_bytes(struct reader *reader, size_t count);

/* True when the bytes are well-formed UTF-8 (Unicode 15 table 3-7). */
bool utf8_is_valid(const uint8_t *bytes, size_t count);
