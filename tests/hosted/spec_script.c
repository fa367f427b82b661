#include "tests/hosted/spec_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* External references are numbers to the scripts; as pointers they must not be null. */
#define EXTERN_BASE 0x10000u

static uint64_t hex(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 16);
    if (end == text) {
        fprintf(stderr, "script: %s is not a number\n", text);
        exit(72);
    }
    return value;
}

static void hex_bytes(const char *text, uint8_t bytes[16])
{
    for (size_t i = 0; i < 16; i++) {
        char digits[3] = {text[2 * i], text[2 * i] == 0 ? (char)0 : text[2 * i + 1], 0};
        bytes[i] = (uint8_t)hex(digits);
        if (digits[1] == 0) {
            return;
        }
    }
}

union wasm_value script_argument(const char *text)
{
    union wasm_value value;
    memset(&value, 0, sizeof(value));
    switch (text[0]) {
    case 'i':
    case 'f':
        value.i32 = (uint32_t)hex(text + 1);
        break;
    case 'I':
    case 'F':
        value.i64 = hex(text + 1);
        break;
    case 'e':
        value.i64 = EXTERN_BASE + hex(text + 1);
        break;
    case 'x':
        hex_bytes(text + 1, value.v128);
        break;
    case 'n':
        break;
    default:
        fprintf(stderr, "script: %s is not an argument\n", text);
        exit(72);
    }
    return value;
}

/* Wasm core §4.3.3: a canonical NaN has only the top bit of its payload set; an arithmetic
 * one has it set among others. */
static bool float_matches(const char *pattern, uint64_t bits, unsigned bytes)
{
    uint64_t sign = bytes == 4 ? 1ull << 31 : 1ull << 63;
    uint64_t quiet = bytes == 4 ? 0x7fc00000ull : 0x7ff8000000000000ull;
    if (pattern[0] == 'C') {
        return (bits & ~sign) == quiet;
    }
    if (pattern[0] == 'A') {
        return (bits & quiet) == quiet;
    }
    if (pattern[0] == 'N') {
        uint64_t infinity = bytes == 4 ? 0x7f800000ull : 0x7ff0000000000000ull;
        return (bits & ~sign) > infinity;
    }
    return hex(pattern) == bits;
}

static bool lanes_match(const char *pattern, const uint8_t *lanes)
{
    unsigned bytes = (unsigned)(pattern[0] - '0');
    const char *lane = pattern + 2;
    for (unsigned at = 0; at < 16; at += bytes) {
        uint64_t bits = 0;
        memcpy(&bits, lanes + at, bytes);
        if (!float_matches(lane, bits, bytes)) {
            return false;
        }
        lane = strchr(lane, ',');
        if (lane == NULL) {
            return at + bytes == 16;
        }
        lane++;
    }
    return true;
}

static bool one_matches(const char *pattern, const union wasm_value *value)
{
    uint8_t bytes[16] = {0};
    switch (pattern[0]) {
    case 'i':
        return value->i32 == (uint32_t)hex(pattern + 1);
    case 'I':
        return value->i64 == hex(pattern + 1);
    case 'f':
        return float_matches(pattern + 1, value->i32, 4);
    case 'F':
        return float_matches(pattern + 1, value->i64, 8);
    case 'x':
        hex_bytes(pattern + 1, bytes);
        return memcmp(bytes, value->v128, sizeof(bytes)) == 0;
    case 'V':
        return lanes_match(pattern + 1, value->v128);
    case 'e':
        return value->i64 == EXTERN_BASE + hex(pattern + 1);
    case 'n':
        return value->ref == NULL;
    case 'r':
        return value->ref != NULL;
    default:
        return false;
    }
}

bool script_matches(char *pattern, const union wasm_value *value)
{
    char *rest = NULL;
    for (char *one = strtok_r(pattern, "|", &rest); one != NULL; one = strtok_r(NULL, "|", &rest)) {
        if (one_matches(one, value)) {
            return true;
        }
    }
    return false;
}
