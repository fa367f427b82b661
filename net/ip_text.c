#include "net/ip_text.h"

#include "kernel/base/string.h"

/* Exactly four decimal numbers without leading zeros, which others read as octal. */
static bool parse_ipv4(const char *text, size_t length, uint8_t out[4])
{
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t digits = 0;
        if (i > 0 && (at == length || text[at++] != '.')) {
            return false;
        }
        while (at < length && text[at] >= '0' && text[at] <= '9' && digits < 4) {
            value = value * 10 + (unsigned)(text[at++] - '0');
            digits++;
        }
        if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && text[at - digits] == '0')) {
            return false;
        }
        out[i] = (uint8_t)value;
    }
    return at == length;
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    return character >= 'A' && character <= 'F' ? character - 'A' + 10 : -1;
}

/* One group of up to four hexadecimal digits; the number of digits. */
static size_t parse_group(const char *text, size_t length, unsigned *value)
{
    size_t digits = 0;
    *value = 0;
    while (digits < length && digits < 5 && hex_digit(text[digits]) >= 0) {
        *value = *value << 4 | (unsigned)hex_digit(text[digits++]);
    }
    return digits;
}

/* RFC 4291 §2.2: groups, at most one "::", perhaps an IPv4 address at the end. */
static bool parse_ipv6(const char *text, size_t length, uint8_t out[16])
{
    size_t at = 0;
    size_t used = 0;       /* bytes written */
    size_t gap = SIZE_MAX; /* where the zeros of "::" go */

    memset(out, 0, 16);
    if (length >= 2 && text[0] == ':' && text[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < length) {
        unsigned value;
        size_t digits = parse_group(text + at, length - at, &value);
        if (at + digits < length && text[at + digits] == '.') {
            if (used > 12 || !parse_ipv4(text + at, length - at, out + used)) {
                return false;
            }
            used += 4;
            break;
        }
        if (digits == 0 || digits > 4 || used > 14) {
            return false;
        }
        out[used++] = (uint8_t)(value >> 8);
        out[used++] = (uint8_t)value;
        at += digits;
        if (at == length) {
            break;
        }
        if (text[at++] != ':' || at == length) {
            return false;
        }
        if (text[at] == ':') {
            if (gap != SIZE_MAX) {
                return false;
            }
            gap = used;
            at++;
        }
    }
    if (gap == SIZE_MAX) {
        return used == 16;
    }
    if (used > 14) {
        return false;
    }
    memmove(out + 16 - (used - gap), out + gap, used - gap);
    memset(out + gap, 0, 16 - used);
    return true;
}

bool ip_address_parse(const char *text, size_t length, struct ip_address *out)
{
    uint8_t bytes[16];
    if (parse_ipv4(text, length, bytes)) {
        *out = ip_address_from_ipv4(bytes);
        return true;
    }
    if (!parse_ipv6(text, length, bytes)) {
        return false;
    }
    *out = ip_address_from_ipv6(bytes);
    return true;
}

static size_t format_number(unsigned value, unsigned base, char *out)
{
    char digits[10];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

/* RFC 5952 §4.2: the longest run of zero groups, the first of equals, at least two. */
static void find_zero_run(const uint8_t *bytes, unsigned *start, unsigned *count)
{
    *start = 8;
    *count = 1;
    for (unsigned i = 0; i < 8; i++) {
        unsigned run = 0;
        while (i + run < 8 && bytes[2 * (i + run)] == 0 && bytes[2 * (i + run) + 1] == 0) {
            run++;
        }
        if (run > *count) {
            *start = i;
            *count = run;
        }
        i += run;
    }
}

size_t ip_address_format(const struct ip_address *address, char *out)
{
    const uint8_t *bytes = ip_address_bytes(address);
    size_t at = 0;

    if (ip_address_is_ipv4(address)) {
        for (unsigned i = 12; i < 16; i++) {
            at += format_number(bytes[i], 10, out + at);
            out[at++] = i < 15 ? '.' : '\0';
        }
        return at - 1;
    }
    unsigned start;
    unsigned count;
    find_zero_run(bytes, &start, &count);
    for (unsigned i = 0; i < 8; i++) {
        if (i == start) {
            out[at++] = ':';
            if (i == 0) {
                out[at++] = ':';
            }
            i += count - 1;
            continue;
        }
        at += format_number((unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1], 16, out + at);
        if (i < 7) {
            out[at++] = ':';
        }
    }
    out[at] = '\0';
    return at;
}
