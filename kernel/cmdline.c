#include "kernel/cmdline.h"

#include "kernel/base/string.h"
#include "kernel/mem.h"

/* Words and NULs never need more bytes than the line, plus one NUL. */
struct splitter {
    const char *at;
    const char *end;
    char *out;
};

static bool is_space(char character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
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

/* `in` stands behind a backslash; false for an escape that does not exist. */
static bool read_escape(struct splitter *in)
{
    char character = in->at < in->end ? *in->at++ : '\0';
    if (character == '"' || character == '\\') {
        *in->out++ = character;
    } else if (character == 'n') {
        *in->out++ = '\n';
    } else if (character == 'x' && in->end - in->at >= 2) {
        int high = hex_digit(in->at[0]);
        int low = hex_digit(in->at[1]);
        in->at += 2;
        if (high < 0 || low < 0 || (high | low) == 0) {
            return false;
        }
        *in->out++ = (char)(high << 4 | low);
    } else {
        return false;
    }
    return true;
}

/* One word, NUL-terminated at in->out. */
static bool read_word(struct splitter *in, bool *out_quoted)
{
    bool quoted = false;
    *out_quoted = false;
    while (in->at < in->end && (quoted || !is_space(*in->at))) {
        char character = *in->at++;
        if (character == '"') {
            quoted = !quoted;
            *out_quoted = true;
        } else if (quoted && character == '\\') {
            if (!read_escape(in)) {
                return false;
            }
        } else {
            *in->out++ = character;
        }
    }
    *in->out++ = '\0';
    return !quoted;
}

static size_t count_words(const char *text, size_t size_bytes)
{
    /* An upper bound: quoted spaces count too. */
    size_t count = 1;
    for (size_t i = 0; i < size_bytes; i++) {
        count += is_space(text[i]) ? 1 : 0;
    }
    return count;
}

/*
 * VMMs append the devices they have to the end of the line, be it behind the application's
 * arguments (QEMU's microvm with acpi=off, Firecracker). Moves these words before the
 * divider, in order; returns their number.
 */
static size_t take_back_devices(const char **words, size_t count, size_t divider)
{
    static const char key[] = "virtio_mmio.device=";
    size_t moved = 0;

    while (divider + moved < count && strncmp(words[count - 1], key, sizeof(key) - 1) == 0) {
        const char *device = words[count - 1];
        memmove(words + divider + 1, words + divider, (count - 1 - divider) * sizeof(*words));
        words[divider] = device;
        moved++;
    }
    return moved;
}

enum err cmdline_parse(const char *text, size_t size_bytes, struct cmdline *out)
{
    size_t word_max = count_words(text, size_bytes);
    const char **words;
    size_t table_bytes, total;
    if (__builtin_mul_overflow(word_max, sizeof(*words), &table_bytes) ||
        __builtin_add_overflow(table_bytes, size_bytes + 1, &total)) {
        return ERR_NOMEM;
    }
    words = heap_allocate(total);
    if (words == NULL) {
        return ERR_NOMEM;
    }
    struct splitter in = {text, text + size_bytes, (char *)(words + word_max)};
    size_t count = 0;
    size_t divider = SIZE_MAX;
    for (;;) {
        while (in.at < in.end && is_space(*in.at)) {
            in.at++;
        }
        if (in.at == in.end) {
            break;
        }
        const char *word = in.out;
        bool quoted;
        if (!read_word(&in, &quoted)) {
            heap_free(words);
            return ERR_INVAL;
        }
        if (divider == SIZE_MAX && !quoted && strcmp(word, "--") == 0) {
            divider = count;
        } else {
            words[count++] = word;
        }
    }
    divider = divider < count ? divider : count;
    divider += take_back_devices(words, count, divider);
    out->tokens = words;
    out->token_count = divider;
    out->arguments = words + out->token_count;
    out->argument_count = count - out->token_count;
    return ERR_OK;
}

const char *cmdline_next(const struct cmdline *line, const char *key, size_t *position)
{
    size_t length = strlen(key);
    bool prefix = length != 0 && key[length - 1] == '.';
    while (*position < line->token_count) {
        const char *token = line->tokens[(*position)++];
        if (strncmp(token, key, length) != 0) {
            continue;
        }
        if (prefix) {
            return token + length;
        }
        if (token[length] == '=') {
            return token + length + 1;
        }
    }
    return NULL;
}

const char *cmdline_value(const struct cmdline *line, const char *key)
{
    const char *value = NULL;
    const char *found;
    for (size_t at = 0; (found = cmdline_next(line, key, &at)) != NULL;) {
        value = found;
    }
    return value;
}

enum err parse_number(const char **text, uint64_t limit, uint64_t *out)
{
    const char *at = *text;
    unsigned base = 10;
    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        base = 16;
        at += 2;
    }
    uint64_t value = 0;
    const char *first = at;
    for (;; at++) {
        int digit = hex_digit(*at);
        if (digit < 0 || (unsigned)digit >= base) {
            break;
        }
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (unsigned)digit, &value) || value > limit) {
            return ERR_RANGE;
        }
    }
    if (at == first) {
        return ERR_INVAL;
    }
    *text = at;
    *out = value;
    return ERR_OK;
}

static enum err parse_quad(const char **text, uint8_t out[4])
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t value;
        if (i != 0 && *(*text)++ != '.') {
            return ERR_INVAL;
        }
        if (parse_number(text, 255, &value) != ERR_OK) {
            return ERR_INVAL;
        }
        out[i] = (uint8_t)value;
    }
    return ERR_OK;
}

enum err parse_ipv4(const char *text, uint8_t out_address[4], uint8_t *out_prefix)
{
    uint64_t prefix = 32;
    if (parse_quad(&text, out_address) != ERR_OK) {
        return ERR_INVAL;
    }
    if (*text == '/') {
        text++;
        if (parse_number(&text, 32, &prefix) != ERR_OK) {
            return ERR_INVAL;
        }
    }
    *out_prefix = (uint8_t)prefix;
    return *text == '\0' ? ERR_OK : ERR_INVAL;
}

enum err parse_endpoint(const char *text, uint8_t out_address[4], uint16_t *out_port)
{
    memset(out_address, 0, 4);
    if (strchr(text, ':') != NULL) {
        if (parse_quad(&text, out_address) != ERR_OK || *text != ':') {
            return ERR_INVAL;
        }
        text++;
    }
    uint64_t port;
    if (parse_number(&text, UINT16_MAX, &port) != ERR_OK || port == 0 || *text != '\0') {
        return ERR_INVAL;
    }
    *out_port = (uint16_t)port;
    return ERR_OK;
}
