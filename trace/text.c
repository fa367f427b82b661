#include "trace/text.h"

#include <stdarg.h>

#include "kernel/base/fmt.h"

#define PIECE_BYTES 128u

void trace_text_clear(struct trace_text *text)
{
    text->used_bytes = 0;
}

void trace_text_add(struct trace_text *text, const char *format, ...)
{
    char piece[PIECE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    size_t length = fmt_format_list(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    length = length < sizeof(piece) ? length : sizeof(piece) - 1;
    for (size_t i = 0; i < length && text->used_bytes < sizeof(text->bytes); i++) {
        text->bytes[text->used_bytes++] = piece[i];
    }
}

static void add_escaped(struct trace_text *text, uint8_t byte)
{
    switch (byte) {
    case '\n':
        trace_text_add(text, "\\n");
        return;
    case '\r':
        trace_text_add(text, "\\r");
        return;
    case '\t':
        trace_text_add(text, "\\t");
        return;
    case '"':
    case '\\':
        trace_text_add(text, "\\%c", byte);
        return;
    default:
        trace_text_add(text, byte >= 0x20 && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
}

void trace_text_quote(struct trace_text *text, const void *data, size_t size_bytes, bool is_cut)
{
    const uint8_t *bytes = data;

    trace_text_add(text, "\"");
    for (size_t i = 0; i < size_bytes; i++) {
        add_escaped(text, bytes[i]);
    }
    trace_text_add(text, is_cut ? "\"..." : "\"");
}

void trace_text_bits(struct trace_text *text, uint64_t value, const char *const *names,
                     size_t name_count)
{
    const char *separator = "";

    if (value == 0) {
        trace_text_add(text, "0");
        return;
    }
    for (size_t bit = 0; bit < name_count; bit++) {
        if ((value >> bit & 1) != 0) {
            trace_text_add(text, "%s%s", separator, names[bit]);
            separator = "|";
            value &= ~(1ull << bit);
        }
    }
    if (value != 0) {
        trace_text_add(text, "%s0x%llx", separator, (unsigned long long)value);
    }
}
