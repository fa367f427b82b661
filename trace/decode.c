/* preview 1 witx for every number and layout here; snapshot 0 where a kind says so. */
#include "trace/decode.h"

#include "kernel/base/string.h"
#include "net/ip_text.h"
#include "trace/names.h"
#include "wasi/guest_memory.h"
#include "wasi/sock_address.h"
#include "wasi/types.h"
#include "wasi/wamr_address.h"

#define DATA_SHOWN_BYTES 32u
#define PATH_SHOWN_BYTES 120u
#define POLLED_SHOWN     6u
/* Subscriptions looked through for the one that an event answers. */
#define POLLED_SEARCHED 64u

struct item {
    const char *name;
    size_t name_bytes;
    char kind;
    bool is_result;
    const uint64_t *arguments; /* its own */
};

/* ---- Walking over a format ---------------------------------------------------------------------
 */

static size_t arguments_of(char kind)
{
    switch (kind) {
    case 'p':
    case 'w':
    case 'r':
    case 'b':
    case 'Q':
    case 'A':
        return 2;
    case 'S':
    case 'Z':
        return 3;
    default:
        return 1;
    }
}

/* Takes the next item off *format and its arguments off *arguments. */
static bool next_item(const char **format, const uint64_t **arguments, struct item *out)
{
    const char *at = *format;

    while (*at == ' ') {
        at++;
    }
    if (*at == '\0') {
        return false;
    }
    out->is_result = *at == '>';
    at += out->is_result ? 1 : 0;
    out->name = at;
    while (*at != ':') {
        at++;
    }
    out->name_bytes = (size_t)(at - out->name);
    out->kind = at[1];
    out->arguments = *arguments;
    *arguments += arguments_of(out->kind);
    *format = at + 2;
    return true;
}

static void add_name(struct trace_text *text, const struct item *item)
{
    if (item->name_bytes != 0) {
        trace_text_add(text, "%.*s=", (int)item->name_bytes, item->name);
    }
}

/* ---- What the guest's memory holds -------------------------------------------------------------
 */

static void add_memory_text(struct trace_text *text, uint32_t address, uint64_t size_bytes,
                            size_t shown_max)
{
    char bytes[PATH_SHOWN_BYTES];
    size_t shown = size_bytes < shown_max ? (size_t)size_bytes : shown_max;

    if (guest_read(guest_address(address), bytes, shown) != ERR_OK) {
        trace_text_add(text, "0x%x+%llu outside memory", address, (unsigned long long)size_bytes);
        return;
    }
    trace_text_quote(text, bytes, shown, shown < size_bytes);
}

static void add_terminated(struct trace_text *text, uint32_t address)
{
    char bytes[PATH_SHOWN_BYTES];
    size_t length = 0;

    if (address == 0) {
        trace_text_add(text, "NULL");
        return;
    }
    while (length < sizeof(bytes) &&
           guest_read(guest_address(address + (uint32_t)length), &bytes[length], 1) == ERR_OK &&
           bytes[length] != '\0') {
        length++;
    }
    trace_text_quote(text, bytes, length, length == sizeof(bytes));
}

static void add_vector(struct trace_text *text, const uint64_t *arguments, bool with_data,
                       uint64_t data_bytes)
{
    struct guest_vector vector;
    char bytes[DATA_SHOWN_BYTES];

    if (guest_vector_load(guest_address((uint32_t)arguments[0]), (uint32_t)arguments[1], &vector) !=
        ERR_OK) {
        trace_text_add(text, "0x%x[%u] not a vector", (uint32_t)arguments[0],
                       (uint32_t)arguments[1]);
        return;
    }
    if (!with_data) {
        trace_text_add(text, "[%u] %u bytes", vector.entry_count, vector.total_bytes);
        return;
    }
    if (data_bytes == UINT64_MAX) {
        trace_text_add(text, "[%u] %u bytes ", vector.entry_count, vector.total_bytes);
        data_bytes = vector.total_bytes;
    }
    size_t shown = data_bytes < sizeof(bytes) ? (size_t)data_bytes : sizeof(bytes);
    shown = guest_vector_read(&vector, bytes, shown);
    trace_text_quote(text, bytes, shown, shown < data_bytes);
}

static uint64_t get_bytes(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;

    for (size_t i = count; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* A little-endian number of `count` bytes; false outside memory. */
static bool read_number(uint64_t address, size_t count, uint64_t *out)
{
    uint8_t bytes[8];

    if (guest_read(guest_address((uint32_t)address), bytes, count) != ERR_OK) {
        return false;
    }
    *out = get_bytes(bytes, count);
    return true;
}

static void add_number_at(struct trace_text *text, uint64_t address, size_t count)
{
    uint64_t value;

    if (read_number(address, count, &value)) {
        trace_text_add(text, "%llu", (unsigned long long)value);
    } else {
        trace_text_add(text, "?");
    }
}

static void add_endpoint(struct trace_text *text, const struct net_endpoint *endpoint,
                         bool with_port)
{
    char address[IP_TEXT_BYTES] = "*";

    if (!ip_address_is_any(&endpoint->address)) {
        (void)ip_address_format(&endpoint->address, address);
    }
    if (!with_port) {
        trace_text_add(text, "%s", address);
    } else if (strchr(address, ':') == NULL) {
        trace_text_add(text, "%s:%u", address, endpoint->port);
    } else {
        trace_text_add(text, "[%s]:%u", address, endpoint->port);
    }
}

static void add_edge_address(struct trace_text *text, uint64_t address, uint64_t port,
                             bool with_port)
{
    struct net_endpoint endpoint;

    if (wasi_address_read(guest_address((uint32_t)address), (uint32_t)port, &endpoint) == ERR_OK) {
        add_endpoint(text, &endpoint, with_port);
    } else {
        trace_text_add(text, "0x%x not an address", (uint32_t)address);
    }
}

static void add_wamr_address(struct trace_text *text, uint64_t address)
{
    struct net_endpoint endpoint;

    if (wasi_wamr_address_read(guest_address((uint32_t)address), &endpoint) == ERR_OK) {
        add_endpoint(text, &endpoint, true);
    } else {
        trace_text_add(text, "0x%x not an address", (uint32_t)address);
    }
}

/* ---- poll_oneoff -------------------------------------------------------------------------------
 */

/* Offsets that differ between the snapshots: the clock's own identifier goes first in 0. */
struct subscription {
    uint64_t userdata;
    uint8_t type;
    uint32_t subject; /* descriptor, or clock */
    uint64_t timeout_ns;
    bool is_absolute;
};

static bool read_subscription(const struct item *item, uint32_t index, struct subscription *out)
{
    uint8_t raw[WASI_SUBSCRIPTION0_BYTES];
    bool is_snapshot0 = item->kind == 'Z';
    uint32_t stride = is_snapshot0 ? WASI_SUBSCRIPTION0_BYTES : WASI_SUBSCRIPTION_BYTES;
    uint32_t address = (uint32_t)item->arguments[0] + index * stride;

    if (guest_read(guest_address(address), raw, stride) != ERR_OK) {
        return false;
    }
    bool is_clock = raw[8] == WASI_EVENT_CLOCK;
    size_t shift = is_clock && is_snapshot0 ? 8 : 0;
    out->userdata = get_bytes(raw, 8);
    out->type = raw[8];
    out->subject = (uint32_t)get_bytes(raw + 16 + shift, 4);
    out->timeout_ns = get_bytes(raw + 24 + shift, 8);
    out->is_absolute = (raw[40 + shift] & WASI_SUBSCRIPTION_ABSTIME_BIT) != 0;
    return true;
}

static void add_subscriptions(struct trace_text *text, const struct item *item)
{
    uint32_t count = (uint32_t)item->arguments[2];
    struct subscription subscription;

    trace_text_add(text, "[%u]", count);
    for (uint32_t i = 0; i < count && i < POLLED_SHOWN; i++) {
        trace_text_add(text, i == 0 ? " " : ", ");
        if (!read_subscription(item, i, &subscription)) {
            trace_text_add(text, "outside memory");
            return;
        }
        trace_text_event(text, subscription.type);
        if (subscription.type != WASI_EVENT_CLOCK) {
            trace_text_add(text, " %u", subscription.subject);
            continue;
        }
        trace_text_add(text, " ");
        trace_text_clock(text, subscription.subject);
        trace_text_add(text, subscription.is_absolute ? " %llu ns" : " +%llu ns",
                       (unsigned long long)subscription.timeout_ns);
    }
    trace_text_add(text, count > POLLED_SHOWN ? ", ..." : "");
}

/* The descriptor that an event is about: found by what the guest wrote into both. */
static void add_event_subject(struct trace_text *text, const struct item *item, uint64_t userdata,
                              uint8_t type)
{
    struct subscription subscription;

    for (uint32_t i = 0; i < (uint32_t)item->arguments[2] && i < POLLED_SEARCHED; i++) {
        if (!read_subscription(item, i, &subscription)) {
            return;
        }
        if (subscription.userdata == userdata && subscription.type == type) {
            trace_text_add(text, " %u", subscription.subject);
            return;
        }
    }
}

static void add_events(struct trace_text *text, const struct item *item, uint64_t count)
{
    uint8_t raw[WASI_EVENT_BYTES];

    for (uint32_t i = 0; i < count && i < POLLED_SHOWN; i++) {
        uint32_t address = (uint32_t)item->arguments[1] + i * WASI_EVENT_BYTES;
        if (guest_read(guest_address(address), raw, sizeof(raw)) != ERR_OK) {
            return;
        }
        uint64_t error = get_bytes(raw + 8, 2);
        trace_text_add(text, i == 0 ? ": " : ", ");
        trace_text_event(text, raw[10]);
        if (raw[10] != WASI_EVENT_CLOCK) {
            add_event_subject(text, item, get_bytes(raw, 8), raw[10]);
        }
        if (error != 0) {
            const char *name = trace_errno_name((uint32_t)error);
            trace_text_add(text, " %s", name != NULL ? name : "?");
        }
    }
    trace_text_add(text, count > POLLED_SHOWN ? ", ..." : "");
}

/* ---- Arguments ---------------------------------------------------------------------------------
 */

static void add_argument(struct trace_text *text, const struct item *item)
{
    const uint64_t *a = item->arguments;

    switch (item->kind) {
    case 'f':
        trace_text_add(text, "%d", (int)(uint32_t)a[0]);
        return;
    case 'u':
        trace_text_add(text, "%llu", (unsigned long long)a[0]);
        return;
    case 'j':
        trace_text_add(text, "%lld", (long long)a[0]);
        return;
    case 't':
        trace_text_add(text, "%llu ns", (unsigned long long)a[0]);
        return;
    case 'p':
        add_memory_text(text, (uint32_t)a[0], (uint32_t)a[1], PATH_SHOWN_BYTES);
        return;
    case 'z':
        add_terminated(text, (uint32_t)a[0]);
        return;
    case 'w':
        add_vector(text, a, true, UINT64_MAX);
        return;
    case 'r':
        add_vector(text, a, false, 0);
        return;
    case 'b':
    case 'Q':
        trace_text_add(text, "0x%x+%u", (uint32_t)a[0], (uint32_t)a[1]);
        return;
    case 'c':
        trace_text_clock(text, (uint32_t)a[0]);
        return;
    case 'W':
    case 'V':
        trace_text_whence(text, (uint32_t)a[0], item->kind == 'V');
        return;
    case 'A':
        add_edge_address(text, a[0], a[1], true);
        return;
    case 'M':
        add_wamr_address(text, a[0]);
        return;
    case 'S':
    case 'Z':
        add_subscriptions(text, item);
        return;
    case 'o':
    case 'd':
    case 'l':
    case 'i':
    case 'h':
    case 'T':
        trace_text_flags(text, item->kind, (uint32_t)a[0]);
        return;
    default:
        trace_text_add(text, "0x%llx", (unsigned long long)a[0]);
    }
}

void trace_decode_call(struct trace_text *text, const char *name, const char *format,
                       const uint64_t *arguments)
{
    const char *separator = "";
    struct item item;

    trace_text_add(text, "%s(", name);
    while (next_item(&format, &arguments, &item)) {
        if (item.is_result) {
            continue;
        }
        trace_text_add(text, "%s", separator);
        separator = ", ";
        add_name(text, &item);
        add_argument(text, &item);
    }
    trace_text_add(text, ")");
}

/* ---- Results -----------------------------------------------------------------------------------
 */

static void add_stat(struct trace_text *text, uint64_t address, bool is_snapshot0)
{
    uint8_t raw[WASI_FILESTAT_BYTES];
    size_t size = is_snapshot0 ? WASI_FILESTAT0_BYTES : WASI_FILESTAT_BYTES;

    if (guest_read(guest_address((uint32_t)address), raw, size) != ERR_OK) {
        trace_text_add(text, "?");
        return;
    }
    trace_text_add(text, "{");
    trace_text_filetype(text, raw[16]);
    trace_text_add(text, ", %llu bytes, inode %llu}",
                   (unsigned long long)get_bytes(raw + (is_snapshot0 ? 24 : 32), 8),
                   (unsigned long long)get_bytes(raw + 8, 8));
}

static void add_fdstat(struct trace_text *text, uint64_t address)
{
    uint8_t raw[WASI_FDSTAT_BYTES];

    if (guest_read(guest_address((uint32_t)address), raw, sizeof(raw)) != ERR_OK) {
        trace_text_add(text, "?");
        return;
    }
    trace_text_add(text, "{");
    trace_text_filetype(text, raw[0]);
    trace_text_add(text, ", flags=");
    trace_text_flags(text, 'd', get_bytes(raw + 2, 2));
    trace_text_add(text, ", rights=0x%llx}", (unsigned long long)get_bytes(raw + 8, 8));
}

static void add_prestat(struct trace_text *text, uint64_t address)
{
    uint8_t raw[WASI_PRESTAT_BYTES];

    if (guest_read(guest_address((uint32_t)address), raw, sizeof(raw)) != ERR_OK) {
        trace_text_add(text, "?");
        return;
    }
    trace_text_add(text, "{%s, name of %llu bytes}",
                   raw[0] == WASI_PREOPEN_DIRECTORY ? "directory" : "socket",
                   (unsigned long long)get_bytes(raw + 4, 4));
}

static void add_result(struct trace_text *text, const struct item *item)
{
    switch (item->kind) {
    case '1':
    case '2':
    case '4':
    case '8':
        add_number_at(text, item->arguments[0], (size_t)(item->kind - '0'));
        return;
    case 'F':
        add_number_at(text, item->arguments[0], 4);
        return;
    case 's':
    case 'n':
        add_stat(text, item->arguments[0], item->kind == 'n');
        return;
    case 'D':
        add_fdstat(text, item->arguments[0]);
        return;
    case 'e':
        add_prestat(text, item->arguments[0]);
        return;
    case 'a':
        add_edge_address(text, item->arguments[0], 0, false);
        return;
    default:
        add_wamr_address(text, item->arguments[0]);
    }
}

/* What a call put into the room that it was given: as much as its next result counts. */
static uint64_t filled_bytes(const char *format, const uint64_t *arguments, uint64_t room_bytes)
{
    struct item item;
    uint64_t value;

    while (next_item(&format, &arguments, &item)) {
        if (item.is_result && item.kind == '4' && read_number(item.arguments[0], 4, &value)) {
            return value;
        }
    }
    return room_bytes;
}

void trace_decode_result(struct trace_text *text, const char *format, const uint64_t *arguments,
                         uint32_t result)
{
    const char *separator = " ";
    struct item item;

    trace_text_add(text, " = %u", result);
    if (result != 0) {
        const char *name = trace_errno_name(result);
        trace_text_add(text, " %s", name != NULL ? name : "?");
        return;
    }
    while (next_item(&format, &arguments, &item)) {
        bool is_room = item.kind == 'r' || item.kind == 'Q';
        bool is_polled = item.kind == 'S' || item.kind == 'Z';
        if (!item.is_result && !is_room && !is_polled) {
            continue;
        }
        trace_text_add(text, "%s", separator);
        separator = ", ";
        add_name(text, &item);
        if (is_polled) {
            uint64_t count = filled_bytes(format, arguments, 0);
            trace_text_add(text, "%llu events", (unsigned long long)count);
            add_events(text, &item, count);
            return;
        }
        if (!is_room) {
            add_result(text, &item);
        } else if (item.kind == 'r') {
            add_vector(text, item.arguments, true, filled_bytes(format, arguments, 0));
        } else {
            uint64_t filled = filled_bytes(format, arguments, item.arguments[1]);
            add_memory_text(text, (uint32_t)item.arguments[0], filled, PATH_SHOWN_BYTES);
        }
    }
}
