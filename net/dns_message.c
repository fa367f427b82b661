#include "net/dns_message.h"

#include "kernel/base/string.h"
#include "net/wire.h"

#define DNS_CLASS_INTERNET   1u
#define DNS_FLAG_RESPONSE    0x8000u
#define DNS_FLAG_OPCODE_MASK 0x7800u
#define DNS_FLAG_TRUNCATED   0x0200u
#define DNS_FLAG_RECURSE     0x0100u
#define DNS_FLAG_RCODE_MASK  0x000fu
#define DNS_RCODE_NAME_ERROR 3u
#define DNS_LABEL_BYTES_MAX  63u
#define DNS_POINTER_MASK     0xc0u
/* Each must point backwards, so that this bounds the work, not the correctness. */
#define DNS_POINTERS_MAX 32u
#define DNS_CNAMES_MAX   8u

/* A message being read. Reading past the end sets `failed` and gives zeros. */
struct dns_reader {
    const uint8_t *data;
    size_t length;
    size_t at;
    bool failed;
};

static char lower(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character + 32) : character;
}

static bool is_name_character(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') ||
           character == '-' || character == '_';
}

bool dns_name_normalize(const char *name, size_t length, char out[DNS_NAME_BYTES])
{
    size_t label = 0;

    if (length > 0 && name[length - 1] == '.') {
        length--;
    }
    if (length == 0 || length > DNS_NAME_BYTES - 3) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char character = lower(name[i]);
        if (character == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if (!is_name_character(character) || ++label > DNS_LABEL_BYTES_MAX) {
            return false;
        }
        out[i] = character;
    }
    out[length] = '\0';
    return label > 0;
}

size_t dns_message_build(uint16_t id, const char *name, uint16_t type, uint8_t *out)
{
    struct dns_header header = {
        .id = be16_make(id),
        .flags = be16_make(DNS_FLAG_RECURSE),
        .question_count = be16_make(1),
    };
    memcpy(out, &header, sizeof(header));
    uint8_t *at = out + sizeof(header);
    for (;;) {
        const char *dot = strchr(name, '.');
        size_t label = dot != NULL ? (size_t)(dot - name) : strlen(name);
        *at++ = (uint8_t)label;
        memcpy(at, name, label);
        at += label;
        if (dot == NULL) {
            break;
        }
        name = dot + 1;
    }
    *at++ = 0;
    struct be16 fields[2] = {be16_make(type), be16_make(DNS_CLASS_INTERNET)};
    memcpy(at, fields, sizeof(fields));
    return (size_t)(at - out) + sizeof(fields);
}

static const uint8_t *read_bytes(struct dns_reader *reader, size_t count)
{
    static const uint8_t zeros[16];
    if (count > reader->length - reader->at) {
        reader->failed = true;
        return zeros;
    }
    const uint8_t *bytes = reader->data + reader->at;
    reader->at += count;
    return bytes;
}

static uint16_t read16(struct dns_reader *reader)
{
    const uint8_t *bytes = read_bytes(reader, 2);
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* One label of a name at *at, appended to the text; false: malformed. */
static bool read_label(const struct dns_reader *reader, size_t at, size_t label, char *out,
                       size_t *used)
{
    if (label > reader->length - at - 1 || *used + label + 2 > DNS_NAME_BYTES) {
        return false;
    }
    if (*used > 0) {
        out[(*used)++] = '.';
    }
    for (size_t i = 0; i < label; i++) {
        char character = lower((char)reader->data[at + 1 + i]);
        /* A dot or NUL inside a label would change what the text says. */
        if (character == '.' || character == '\0') {
            return false;
        }
        out[(*used)++] = character;
    }
    return true;
}

/* RFC 1035 §4.1.4: a name that may be compressed. Reads over it; out gets its text. */
static void read_name(struct dns_reader *reader, char out[DNS_NAME_BYTES])
{
    size_t at = reader->at;
    size_t used = 0;
    unsigned pointers = 0;

    out[0] = '\0';
    for (;;) {
        if (at >= reader->length) {
            goto malformed;
        }
        uint8_t label = reader->data[at];
        if ((label & DNS_POINTER_MASK) == DNS_POINTER_MASK) {
            if (reader->length - at < 2) {
                goto malformed;
            }
            size_t target = (size_t)(label & ~DNS_POINTER_MASK) << 8 | reader->data[at + 1];
            if (pointers == 0) {
                reader->at = at + 2;
            }
            if (target >= at || ++pointers > DNS_POINTERS_MAX) {
                goto malformed;
            }
            at = target;
            continue;
        }
        if ((label & DNS_POINTER_MASK) != 0) {
            goto malformed;
        }
        if (label == 0) {
            break;
        }
        if (!read_label(reader, at, label, out, &used)) {
            goto malformed;
        }
        at += 1u + label;
    }
    out[used] = '\0';
    if (pointers == 0) {
        reader->at = at + 1;
    }
    return;

malformed:
    reader->failed = true;
    out[0] = '\0';
}

struct dns_record {
    char name[DNS_NAME_BYTES];
    uint16_t type;
    uint16_t class;
    uint16_t length;
    size_t data_at;
};

static bool read_record(struct dns_reader *reader, struct dns_record *record)
{
    read_name(reader, record->name);
    record->type = read16(reader);
    record->class = read16(reader);
    (void)read_bytes(reader, 4); /* time to live: nothing is cached */
    record->length = read16(reader);
    record->data_at = reader->at;
    (void)read_bytes(reader, record->length);
    return !reader->failed;
}

/* Whether the message repeats our question, letter for letter but for case. */
static bool question_matches(struct dns_reader *reader, const char *name, uint16_t type)
{
    char asked[DNS_NAME_BYTES];
    read_name(reader, asked);
    uint16_t asked_type = read16(reader);
    uint16_t asked_class = read16(reader);
    return !reader->failed && asked_type == type && asked_class == DNS_CLASS_INTERNET &&
           strcmp(asked, name) == 0;
}

/* The CNAME of `name` among the answers; false: none. */
static bool find_alias(struct dns_reader reader, unsigned count, const char *name,
                       char out[DNS_NAME_BYTES])
{
    struct dns_record record;
    for (unsigned i = 0; i < count && read_record(&reader, &record); i++) {
        if (record.type != DNS_TYPE_CNAME || record.class != DNS_CLASS_INTERNET ||
            strcmp(record.name, name) != 0) {
            continue;
        }
        struct dns_reader target = reader;
        target.at = record.data_at;
        read_name(&target, out);
        return !target.failed && out[0] != '\0';
    }
    return false;
}

static void add_address(struct dns_result *result, const struct ip_address *address)
{
    for (size_t i = 0; i < result->address_count; i++) {
        if (ip_address_is_equal(&result->addresses[i], address)) {
            return;
        }
    }
    if (result->address_count < DNS_ADDRESSES_MAX) {
        result->addresses[result->address_count++] = *address;
    }
}

static bool find_addresses(struct dns_reader reader, unsigned count, const char *name,
                           uint16_t type, struct dns_result *result)
{
    struct dns_record record;
    bool any = false;
    for (unsigned i = 0; i < count && read_record(&reader, &record); i++) {
        if (record.type != type || record.class != DNS_CLASS_INTERNET ||
            record.length != (type == DNS_TYPE_A ? 4 : 16) || strcmp(record.name, name) != 0) {
            continue;
        }
        const uint8_t *data = reader.data + record.data_at;
        struct ip_address address =
            type == DNS_TYPE_A ? ip_address_from_ipv4(data) : ip_address_from_ipv6(data);
        add_address(result, &address);
        any = true;
    }
    return any;
}

enum dns_answer dns_message_parse(const uint8_t *data, size_t length, uint16_t id, const char *name,
                                  uint16_t type, struct dns_result *result)
{
    struct dns_reader reader = {.data = data, .length = length};
    uint16_t got_id = read16(&reader);
    uint16_t flags = read16(&reader);
    uint16_t question_count = read16(&reader);
    uint16_t answer_count = read16(&reader);
    (void)read_bytes(&reader, 4);

    if (reader.failed || got_id != id || (flags & DNS_FLAG_RESPONSE) == 0 ||
        (flags & DNS_FLAG_OPCODE_MASK) != 0 || question_count != 1 ||
        !question_matches(&reader, name, type)) {
        return DNS_ANSWER_FOREIGN;
    }
    if ((flags & DNS_FLAG_RCODE_MASK) == DNS_RCODE_NAME_ERROR) {
        return DNS_ANSWER_NONE;
    }
    if ((flags & DNS_FLAG_RCODE_MASK) != 0) {
        return DNS_ANSWER_FAILURE;
    }
    if ((flags & DNS_FLAG_TRUNCATED) != 0) {
        return DNS_ANSWER_TRUNCATED;
    }

    char target[DNS_NAME_BYTES];
    memcpy(result->canonical_name, name, strlen(name) + 1);
    for (unsigned i = 0; i < DNS_CNAMES_MAX; i++) {
        if (find_addresses(reader, answer_count, result->canonical_name, type, result)) {
            return DNS_ANSWER_FOUND;
        }
        if (!find_alias(reader, answer_count, result->canonical_name, target)) {
            break;
        }
        memcpy(result->canonical_name, target, strlen(target) + 1);
    }
    return strcmp(result->canonical_name, name) == 0 ? DNS_ANSWER_NONE : DNS_ANSWER_ALIAS;
}
