#include "net/checksum.h"

static uint64_t load64(const uint8_t *bytes)
{
    uint64_t value;
    __builtin_memcpy(&value, bytes, sizeof(value));
    return value;
}

/* One's complement addition: the carry out of bit 63 comes back in at bit 0. */
static uint64_t add64(uint64_t sum, uint64_t value)
{
    uint64_t carry;
    carry = __builtin_add_overflow(sum, value, &sum);
    return sum + carry;
}

static uint32_t reduce(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    return (uint32_t)sum;
}

/* RFC 1071 §2(C): wider words give the same sum after folding. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length_bytes)
{
    const uint8_t *bytes = data;
    uint64_t even = sum;
    uint64_t odd = 0;

    while (length_bytes >= 32) {
        /* Two chains, so that the carries of one do not wait for the other. */
        even = add64(even, load64(bytes));
        odd = add64(odd, load64(bytes + 8));
        even = add64(even, load64(bytes + 16));
        odd = add64(odd, load64(bytes + 24));
        bytes += 32;
        length_bytes -= 32;
    }
    while (length_bytes >= 8) {
        even = add64(even, load64(bytes));
        bytes += 8;
        length_bytes -= 8;
    }
    if ((length_bytes & 4) != 0) {
        uint32_t word;
        __builtin_memcpy(&word, bytes, sizeof(word));
        odd = add64(odd, word);
        bytes += 4;
    }
    if ((length_bytes & 2) != 0) {
        uint16_t half;
        __builtin_memcpy(&half, bytes, sizeof(half));
        odd = add64(odd, half);
        bytes += 2;
    }
    if ((length_bytes & 1) != 0) {
        odd = add64(odd, *bytes);
    }
    return reduce(add64(even, odd));
}

/* RFC 1071 §2(B): a sum over data shifted by one byte is the byte-swapped sum. */
uint32_t checksum_add_at(uint32_t sum, const void *data, size_t length_bytes, int odd)
{
    if (!odd) {
        return checksum_add(sum, data, length_bytes);
    }
    uint16_t part = checksum_fold(checksum_add(0, data, length_bytes));
    uint64_t total = (uint64_t)sum + (uint16_t)(part << 8 | part >> 8);
    return reduce(total);
}
