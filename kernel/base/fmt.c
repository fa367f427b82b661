#include "kernel/base/fmt.h"

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/string.h"

struct output {
    char *at;
    size_t size_bytes;
    size_t length;
};

struct spec {
    bool left;
    bool zeros;
    int width;
    int precision; /* negative: none */
};

static void put(struct output *out, char character)
{
    if (out->length + 1 < out->size_bytes) {
        out->at[out->length] = character;
    }
    out->length++;
}

static void put_field(struct output *out, const struct spec *spec, const char *text, size_t length)
{
    size_t width = spec->width > 0 ? (size_t)spec->width : 0;
    for (size_t i = length; !spec->left && i < width; i++) {
        put(out, ' ');
    }
    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
    for (size_t i = length; spec->left && i < width; i++) {
        put(out, ' ');
    }
}

/* `prefix` is "", "-" or "0x"; it stands before the zeros that fill. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
                       bool upper, const char *prefix)
{
    char text[96];
    char *end = text + sizeof(text);
    char *at = end;
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    while (value != 0) {
        /* cppcheck takes the base, 8, 10 or 16, for the value. */
        *--at = digits[value % base]; /* cppcheck-suppress zerodivcond */
        value /= base;
    }
    size_t prefix_length = strlen(prefix);
    size_t wanted = spec->precision >= 0 ? (size_t)spec->precision : 1;
    if (spec->precision < 0 && spec->zeros && !spec->left && (size_t)spec->width > prefix_length) {
        wanted = (size_t)spec->width - prefix_length;
    }
    wanted = wanted < 64 ? wanted : 64;
    while ((size_t)(end - at) < wanted) {
        *--at = '0';
    }
    for (size_t i = prefix_length; i-- > 0;) {
        *--at = prefix[i];
    }
    put_field(out, spec, at, (size_t)(end - at));
}

static int read_count(const char **format, va_list *arguments)
{
    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    int value = 0;
    while (**format >= '0' && **format <= '9') {
        value = value < 10000 ? value * 10 + (**format - '0') : value;
        (*format)++;
    }
    return value;
}

static struct spec read_spec(const char **format, va_list *arguments)
{
    struct spec spec = {.precision = -1};
    for (;; (*format)++) {
        if (**format == '-') {
            spec.left = true;
        } else if (**format == '0') {
            spec.zeros = true;
        } else {
            break;
        }
    }
    spec.width = read_count(format, arguments);
    if (spec.width < 0) {
        spec.left = true;
        spec.width = spec.width > -10000 ? -spec.width : 10000;
    }
    if (**format == '.') {
        (*format)++;
        spec.precision = read_count(format, arguments);
    }
    return spec;
}

/* 64 for the lengths l ll z j t, 32 without, 16 and 8 for h and hh. */
static unsigned read_length(const char **format)
{
    unsigned bits = 32;
    for (;; (*format)++) {
        switch (**format) {
        case 'h':
            bits /= 2;
            break;
        case 'l':
        case 'z':
        case 'j':
        case 't':
            bits = 64;
            break;
        default:
            return bits;
        }
    }
}

static uint64_t truncate_to(uint64_t value, unsigned bits)
{
    return bits >= 64 ? value : value & ((1ull << bits) - 1);
}

static void put_signed(struct output *out, const struct spec *spec, uint64_t value, unsigned bits)
{
    value = truncate_to(value, bits);
    bool negative = (value >> (bits - 1) & 1) != 0;
    uint64_t magnitude = negative ? truncate_to(0 - value, bits) : value;
    put_number(out, spec, magnitude, 10, false, negative ? "-" : "");
}

static void put_conversion(struct output *out, const struct spec *spec, unsigned bits,
                           char conversion, va_list *arguments)
{
    switch (conversion) {
    case 'c': {
        char character = (char)va_arg(*arguments, int);
        put_field(out, spec, &character, 1);
        break;
    }
    case 's': {
        const char *text = va_arg(*arguments, const char *);
        text = text != NULL ? text : "(null)";
        size_t limit = spec->precision >= 0 ? (size_t)spec->precision : SIZE_MAX;
        put_field(out, spec, text, strnlen(text, limit));
        break;
    }
    case 'p': {
        uint64_t value = (uint64_t)(uintptr_t)va_arg(*arguments, void *);
        put_number(out, spec, value, 16, false, "0x");
        break;
    }
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X': {
        uint64_t value = bits == 64 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
        if (conversion == 'd' || conversion == 'i') {
            put_signed(out, spec, value, bits);
        } else {
            put_number(out, spec, truncate_to(value, bits), conversion == 'u' ? 10 : 16,
                       conversion == 'X', "");
        }
        break;
    }
    default:
        put(out, conversion);
        break;
    }
}

size_t fmt_format_list(char *buffer, size_t size_bytes, const char *format, va_list arguments)
{
    struct output out = {buffer, size_bytes, 0};
    va_list list;
    va_copy(list, arguments);
    while (*format != '\0') {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format++;
        struct spec spec = read_spec(&format, &list);
        unsigned bits = read_length(&format);
        if (*format == '\0') {
            break;
        }
        put_conversion(&out, &spec, bits, *format++, &list);
    }
    va_end(list);
    if (size_bytes != 0) {
        buffer[out.length < size_bytes ? out.length : size_bytes - 1] = '\0';
    }
    return out.length;
}

size_t fmt_format(char *out, size_t size_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = fmt_format_list(out, size_bytes, format, arguments);
    va_end(arguments);
    return length;
}
