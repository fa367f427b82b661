#include "aot/reader.h"

#include <string.h>

_Noreturn void reader_end_error(const struct reader *reader)
{
    diag_fail(reader->diag, reader_offset(reader), "%s", reader->end_message);
}

/*
 * Wasm core §5.2.2. At most ceil(bits / 7) bytes; the unused bits of the last one repeat
 * the sign of signed numbers and are zero in unsigned ones.
 */
static uint64_t read_leb(struct reader *reader, unsigned bits, bool is_signed)
{
    uint32_t start = reader_offset(reader);
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = reader_u8(reader);
        unsigned room = bits - shift;
        if (room < 7) {
            if ((byte & 0x80) != 0) {
                diag_fail(reader->diag, start, "integer representation too long");
            }
            uint8_t unused = (uint8_t)(0x7f & ~((1u << (is_signed ? room - 1 : room)) - 1));
            uint8_t top = byte & unused;
            if (top != 0 && !(is_signed && top == unused)) {
                diag_fail(reader->diag, start, "integer too large");
            }
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            if (is_signed && shift + 7 < 64 && (byte & 0x40) != 0) {
                value |= UINT64_MAX << (shift + 7);
            }
            return value;
        }
    }
}

uint32_t reader_leb_u32_slow(struct reader *reader)
{
    return (uint32_t)read_leb(reader, 32, false);
}

uint64_t reader_leb_u64(struct reader *reader)
{
    return read_leb(reader, 64, false);
}

int32_t reader_leb_s32(struct reader *reader)
{
    return (int32_t)read_leb(reader, 32, true);
}

int64_t reader_leb_s33(struct reader *reader)
{
    return (int64_t)read_leb(reader, 33, true);
}

int64_t reader_leb_s64(struct reader *reader)
{
    return (int64_t)read_leb(reader, 64, true);
}

const uint8_t *reader_bytes(struct reader *reader, size_t count)
{
    if (reader_left(reader) < count) {
        reader_end_error(reader);
    }
    const uint8_t *bytes = reader->next;
    reader->next += count;
    return bytes;
}

uint32_t reader_fixed_u32(struct reader *reader)
{
    uint32_t value;
    memcpy(&value, reader_bytes(reader, sizeof(value)), sizeof(value));
    return value;
}

uint64_t reader_fixed_u64(struct reader *reader)
{
    uint64_t value;
    memcpy(&value, reader_bytes(reader, sizeof(value)), sizeof(value));
    return value;
}

bool utf8_is_valid(const uint8_t *bytes, size_t count)
{
    const uint8_t *end = bytes + count;
    while (bytes != end) {
        uint8_t lead = *bytes++;
        if (lead < 0x80) {
            continue;
        }
        /* The second byte's range depends on the lead byte: it excludes overlong forms,
         * surrogates and what lies beyond U+10FFFF. */
        uint8_t low = 0x80;
        uint8_t high = 0xbf;
        unsigned more;
        if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            more = 2;
            low = lead == 0xe0 ? 0xa0 : low;
            high = lead == 0xed ? 0x9f : high;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            low = lead == 0xf0 ? 0x90 : low;
            high = lead == 0xf4 ? 0x8f : high;
        } else {
            return false;
        }
        for (; more != 0; more--) {
            if (bytes == end || *bytes < low || *bytes > high) {
                return false;
            }
            bytes++;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}
