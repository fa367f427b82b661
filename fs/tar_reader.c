#include "fs/tar_reader.h"

#include "kernel/base/string.h"

/*
 * POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
 * "Basic Tar Format". Every number is checked before it is added to an offset.
 */

#define BLOCK_BYTES         512u
#define NANOSECONDS         1000000000ull
#define SECONDS_MAX         (INT64_MAX / (int64_t)NANOSECONDS)
#define EXTENSION_BYTES_MAX (1u << 20) /* of one long-name or pax header; names are far smaller */

struct tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[100];
    char magic[6];
    char version[2];
    char user_name[32];
    char group_name[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char padding[12];
};
_Static_assert(sizeof(struct tar_header) == BLOCK_BYTES, "a tar header is one block");

/* What extended headers said about the entry that follows them. */
struct tar_overrides {
    struct tar_string name;
    struct tar_string link_target;
    uint64_t size_bytes;
    uint64_t modify_time_ns;
    bool has_size;
    bool has_modify_time;
    bool is_sparse;
};

void tar_reader_init(struct tar_reader *reader, const void *archive, size_t size_bytes)
{
    *reader = (struct tar_reader){.archive = archive, .size_bytes = size_bytes};
}

static enum err damaged(struct tar_reader *reader, const char *problem)
{
    reader->problem = problem;
    return ERR_INVAL;
}

/* ---- Fields -----------------------------------------------------------------------------------
 */

/* Octal digits between optional blanks and a blank, NUL or the end; or GNU's base 256. */
static bool number_parse(const char *field, size_t size_bytes, uint64_t *out)
{
    uint64_t value = 0;
    const uint8_t *bytes = (const uint8_t *)field;
    if ((bytes[0] & 0x80) != 0) {
        /* 0x80 heads a positive number; 0xff would be a negative one. */
        value = bytes[0] & 0x7f;
        for (size_t i = 1; i < size_bytes; i++) {
            if (value >> 55 != 0) {
                return false;
            }
            value = value << 8 | bytes[i];
        }
        *out = value;
        return true;
    }
    size_t i = 0;
    while (i < size_bytes && bytes[i] == ' ') {
        i++;
    }
    for (; i < size_bytes && bytes[i] >= '0' && bytes[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(bytes[i] - '0'); /* at most 12 digits */
    }
    *out = value;
    return i == size_bytes || bytes[i] == ' ' || bytes[i] == '\0';
}

/* The sum of all bytes, eight at a time: four lanes of 16 bits hold 128 bytes each. */
static uint64_t block_sum(const void *block)
{
    const uint64_t even_bytes = 0x00ff00ff00ff00ffull;
    const uint8_t *bytes = block;
    uint64_t lanes = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        lanes += (word & even_bytes) + (word >> 8 & even_bytes);
    }
    return (lanes & 0xffff) + (lanes >> 16 & 0xffff) + (lanes >> 32 & 0xffff) + (lanes >> 48);
}

/* Some old programs summed signed characters: those above 127 count 256 less. */
static uint64_t count_high_bytes(const void *block, size_t size_bytes)
{
    const uint8_t *bytes = block;
    uint64_t count = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        count += bytes[i] >> 7;
    }
    return count;
}

/* The checksum field itself counts as blanks. */
static bool checksum_is_right(const struct tar_header *header)
{
    uint64_t stored;
    if (!number_parse(header->checksum, sizeof(header->checksum), &stored)) {
        return false;
    }
    uint64_t sum = block_sum(header);
    for (size_t i = 0; i < sizeof(header->checksum); i++) {
        sum = sum - (uint8_t)header->checksum[i] + ' ';
    }
    if (stored == sum) {
        return true;
    }
    uint64_t high = count_high_bytes(header, BLOCK_BYTES) -
                    count_high_bytes(header->checksum, sizeof(header->checksum));
    return stored == sum - 256 * high;
}

static struct tar_string field_string(const char *field, size_t size_bytes)
{
    const char *end = memchr(field, '\0', size_bytes);
    return (struct tar_string){field, end == NULL ? size_bytes : (size_t)(end - field)};
}

static bool block_is_zero(const uint8_t *block)
{
    /* A header hardly ever begins with NUL, so the sum is rarely needed. */
    return block[0] == 0 && block_sum(block) == 0;
}

/* ---- pax records ------------------------------------------------------------------------------
 */

static bool decimal_parse(const char **cursor, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    const char *start = *cursor;
    while (*cursor < end && **cursor >= '0' && **cursor <= '9') {
        if (value > (UINT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(**cursor - '0');
        (*cursor)++;
    }
    *out = value;
    return *cursor != start;
}

/* Seconds with an optional fraction; times before 1970 count as 1970. */
static bool time_parse(struct tar_string text, uint64_t *out_ns)
{
    const char *cursor = text.bytes;
    const char *end = text.bytes + text.size_bytes;
    bool negative = cursor < end && *cursor == '-';
    if (negative) {
        cursor++;
    }
    uint64_t seconds;
    if (!decimal_parse(&cursor, end, &seconds) || seconds > (uint64_t)SECONDS_MAX) {
        return false;
    }
    uint64_t ns = seconds * NANOSECONDS;
    if (cursor < end && *cursor == '.') {
        cursor++;
        for (uint64_t unit = NANOSECONDS / 10; cursor < end && *cursor >= '0' && *cursor <= '9';
             cursor++, unit /= 10) {
            ns += (uint64_t)(*cursor - '0') * unit;
        }
    }
    *out_ns = negative ? 0 : ns;
    return cursor == end;
}

static bool string_starts(struct tar_string text, const char *prefix)
{
    size_t size_bytes = strlen(prefix);
    return text.size_bytes >= size_bytes && memcmp(text.bytes, prefix, size_bytes) == 0;
}

static bool string_is(struct tar_string text, const char *other)
{
    return text.size_bytes == strlen(other) && string_starts(text, other);
}

static bool record_apply(struct tar_overrides *overrides, struct tar_string key,
                         struct tar_string value)
{
    if (string_is(key, "path")) {
        overrides->name = value;
    } else if (string_is(key, "linkpath")) {
        overrides->link_target = value;
    } else if (string_is(key, "mtime")) {
        overrides->has_modify_time = true;
        return time_parse(value, &overrides->modify_time_ns);
    } else if (string_is(key, "size")) {
        const char *cursor = value.bytes;
        overrides->has_size = true;
        return decimal_parse(&cursor, value.bytes + value.size_bytes, &overrides->size_bytes) &&
               cursor == value.bytes + value.size_bytes;
    } else if (string_starts(key, "GNU.sparse.")) {
        overrides->is_sparse = true;
    }
    return true;
}

/* Records "<length> <key>=<value>\n", where the length counts the whole record. */
static bool records_parse(struct tar_overrides *overrides, struct tar_string records)
{
    const char *cursor = records.bytes;
    const char *end = cursor + records.size_bytes;
    while (cursor < end && *cursor != '\0') {
        const char *start = cursor;
        uint64_t length;
        if (!decimal_parse(&cursor, end, &length) || cursor == end || *cursor != ' ') {
            return false;
        }
        cursor++;
        if (length > (uint64_t)(end - start) || length < (uint64_t)(cursor - start) + 2) {
            return false;
        }
        const char *last = start + length - 1;
        const char *equals = memchr(cursor, '=', (size_t)(last - cursor));
        if (*last != '\n' || equals == NULL) {
            return false;
        }
        struct tar_string key = {cursor, (size_t)(equals - cursor)};
        struct tar_string value = {equals + 1, (size_t)(last - equals - 1)};
        if (!record_apply(overrides, key, value)) {
            return false;
        }
        cursor = last + 1;
    }
    return true;
}

/* ---- Entries ----------------------------------------------------------------------------------
 */

/* Reads a header block and moves past it. ERR_NOENT at the end of the archive. */
static enum err header_read(struct tar_reader *reader, const struct tar_header **out)
{
    uint64_t rest = reader->size_bytes - reader->offset;
    if (rest < BLOCK_BYTES) {
        return ERR_NOENT;
    }
    const uint8_t *block = reader->archive + reader->offset;
    if (block_is_zero(block)) {
        return ERR_NOENT;
    }
    const struct tar_header *header = (const struct tar_header *)block;
    if (!checksum_is_right(header)) {
        return damaged(reader, "the header's checksum is wrong");
    }
    *out = header;
    reader->offset += BLOCK_BYTES;
    return ERR_OK;
}

/* Hands out the data behind a header and moves past it. */
static enum err data_take(struct tar_reader *reader, uint64_t size_bytes, const uint8_t **data)
{
    uint64_t rest = reader->size_bytes - reader->offset;
    if (size_bytes > rest) {
        return damaged(reader, "the data goes beyond the end of the archive");
    }
    *data = reader->archive + reader->offset;
    uint64_t padded = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    reader->offset += padded < rest ? padded : rest;
    return ERR_OK;
}

/* Takes the header in if it only describes the next entry; *taken tells. */
static enum err extension_read(struct tar_reader *reader, const struct tar_header *header,
                               struct tar_overrides *overrides, bool *taken)
{
    *taken =
        header->type == 'x' || header->type == 'g' || header->type == 'L' || header->type == 'K';
    if (!*taken) {
        return ERR_OK;
    }
    uint64_t size_bytes;
    const uint8_t *data;
    if (!number_parse(header->size, sizeof(header->size), &size_bytes) ||
        size_bytes > EXTENSION_BYTES_MAX) {
        return damaged(reader, "an extended header has a bad size");
    }
    enum err err = data_take(reader, size_bytes, &data);
    if (err != ERR_OK) {
        return err;
    }
    struct tar_string text = {(const char *)data, (size_t)size_bytes};
    if (header->type == 'L') {
        overrides->name = field_string(text.bytes, text.size_bytes);
    } else if (header->type == 'K') {
        overrides->link_target = field_string(text.bytes, text.size_bytes);
    } else if (header->type == 'x' && !records_parse(overrides, text)) {
        return damaged(reader, "a pax record is malformed");
    }
    return ERR_OK;
}

static enum tar_type type_of(const struct tar_header *header, struct tar_string name)
{
    switch (header->type) {
    case '\0':
    case '0':
    case '7':
        /* Before ustar a trailing slash was the mark of a directory. */
        return name.size_bytes != 0 && name.bytes[name.size_bytes - 1] == '/' ? TAR_DIRECTORY
                                                                              : TAR_REGULAR;
    case '1':
        return TAR_HARD_LINK;
    case '2':
        return TAR_SYMLINK;
    case '5':
        return TAR_DIRECTORY;
    default:
        return TAR_OTHER;
    }
}

/* The name in the header; POSIX ustar may split it at a slash. */
static struct tar_string header_name(struct tar_reader *reader, const struct tar_header *header)
{
    struct tar_string name = field_string(header->name, sizeof(header->name));
    if (memcmp(header->magic, "ustar", sizeof(header->magic)) != 0) {
        return name;
    }
    struct tar_string prefix = field_string(header->prefix, sizeof(header->prefix));
    if (prefix.size_bytes == 0) {
        return name;
    }
    _Static_assert(sizeof(header->prefix) + 1 + sizeof(header->name) <= sizeof(reader->joined_name),
                   "both halves and the slash fit");
    char *joined = reader->joined_name;
    memcpy(joined, prefix.bytes, prefix.size_bytes);
    joined[prefix.size_bytes] = '/';
    memcpy(joined + prefix.size_bytes + 1, name.bytes, name.size_bytes);
    return (struct tar_string){joined, prefix.size_bytes + 1 + name.size_bytes};
}

static enum err entry_fill(struct tar_reader *reader, const struct tar_header *header,
                           const struct tar_overrides *overrides, struct tar_entry *entry)
{
    uint64_t size_bytes;
    uint64_t seconds;
    if (!number_parse(header->size, sizeof(header->size), &size_bytes)) {
        return damaged(reader, "the size is not a number");
    }
    if (!number_parse(header->mtime, sizeof(header->mtime), &seconds) ||
        seconds > (uint64_t)SECONDS_MAX) {
        seconds = 0; /* A negative or absurd time is no reason to refuse a file. */
    }
    entry->name = overrides->name.bytes != NULL ? overrides->name : header_name(reader, header);
    entry->type = overrides->is_sparse ? TAR_OTHER : type_of(header, entry->name);
    entry->link_target = overrides->link_target.bytes != NULL
                             ? overrides->link_target
                             : field_string(header->link_name, sizeof(header->link_name));
    entry->modify_time_ns =
        overrides->has_modify_time ? overrides->modify_time_ns : seconds * NANOSECONDS;
    entry->size_bytes = overrides->has_size ? overrides->size_bytes : size_bytes;
    if (entry->type == TAR_HARD_LINK || entry->type == TAR_SYMLINK ||
        entry->type == TAR_DIRECTORY) {
        entry->size_bytes = 0; /* POSIX: no data follows, whatever the size field says. */
    }
    return data_take(reader, entry->size_bytes, &entry->data);
}

enum err tar_reader_next(struct tar_reader *reader, struct tar_entry *entry)
{
    struct tar_overrides overrides = {0};
    const uint64_t start = reader->offset;
    const struct tar_header *header = NULL;
    bool taken = true;
    enum err err = ERR_OK;
    *entry = (struct tar_entry){.header_offset = start};
    while (err == ERR_OK && taken) {
        entry->header_offset = reader->offset;
        err = header_read(reader, &header);
        if (err == ERR_OK) {
            err = extension_read(reader, header, &overrides, &taken);
        }
    }
    if (err == ERR_OK) {
        err = entry_fill(reader, header, &overrides, entry);
    }
    if (err != ERR_OK) {
        reader->offset = start;
    }
    return err;
}
