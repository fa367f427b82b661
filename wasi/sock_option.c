#include "wasi/sock_option.h"

#include "kernel/base/string.h"
#include "wasi/errno.h"
#include "wasi/sock_address.h"

/* WasmEdge's only level; the TCP and IPv6 ones are Linux's, which one client uses. */
#define LEVEL_SOCKET 0u
#define LEVEL_TCP    6u
#define LEVEL_IPV6   41u

enum socket_option {
    OPTION_REUSEADDR = 0,
    OPTION_TYPE = 1,
    OPTION_ERROR = 2,
    OPTION_BROADCAST = 4,
    OPTION_SNDBUF = 5,
    OPTION_RCVBUF = 6,
    OPTION_KEEPALIVE = 7,
    OPTION_LINGER = 9,
    OPTION_RCVLOWAT = 10,
    OPTION_RCVTIMEO = 11,
    OPTION_SNDTIMEO = 12,
    OPTION_ACCEPTCONN = 13,
};

struct option_row {
    uint8_t level;
    uint8_t name;
    uint8_t option; /* enum net_socket_option */
};

/* Options whose value is one integer, the same here and in the network. */
static const struct option_row rows[] = {
    {LEVEL_SOCKET, OPTION_REUSEADDR, NET_OPTION_REUSE_ADDRESS},
    {LEVEL_SOCKET, OPTION_BROADCAST, NET_OPTION_BROADCAST},
    {LEVEL_SOCKET, OPTION_SNDBUF, NET_OPTION_SEND_BUFFER},
    {LEVEL_SOCKET, OPTION_RCVBUF, NET_OPTION_RECEIVE_BUFFER},
    {LEVEL_SOCKET, OPTION_KEEPALIVE, NET_OPTION_KEEP_ALIVE},
    {LEVEL_SOCKET, OPTION_RCVLOWAT, NET_OPTION_RECEIVE_LOW},
    {LEVEL_SOCKET, OPTION_ACCEPTCONN, NET_OPTION_ACCEPTING},
    {LEVEL_TCP, 1, NET_OPTION_NO_DELAY},
    {LEVEL_TCP, 2, NET_OPTION_SEGMENT_BYTES},
    {LEVEL_TCP, 4, NET_OPTION_KEEP_IDLE},
    {LEVEL_TCP, 5, NET_OPTION_KEEP_INTERVAL},
    {LEVEL_TCP, 6, NET_OPTION_KEEP_COUNT},
    {LEVEL_TCP, 18, NET_OPTION_USER_TIMEOUT},
    {LEVEL_IPV6, 26, NET_OPTION_IPV6_ONLY},
};

static const struct option_row *find_row(uint32_t level, uint32_t name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].level == level && rows[i].name == name) {
            return &rows[i];
        }
    }
    return NULL;
}

#define NS_PER_SECOND      1000000000ull
#define NS_PER_MICROSECOND 1000ull
#define MICROSECONDS       1000000

/* struct timeval of wasi-libc: two 64-bit numbers. */
struct time_value {
    int64_t seconds;
    int64_t microseconds;
};
_Static_assert(sizeof(struct time_value) == WASI_OPTION_VALUE_BYTES, "the largest value");

struct linger_value {
    int32_t is_on;
    int32_t seconds;
};

static uint64_t *timeout_of(struct wasi_descriptor *descriptor, uint32_t name)
{
    return name == OPTION_RCVTIMEO ? &descriptor->socket.receive_timeout_ns
                                   : &descriptor->socket.send_timeout_ns;
}

static uint32_t put_integer(uint8_t *value, int64_t number)
{
    int32_t clamped = number > INT32_MAX ? INT32_MAX : (int32_t)number;

    memcpy(value, &clamped, sizeof(clamped));
    return sizeof(clamped);
}

static enum err get_linger(const struct wasi_descriptor *descriptor, uint8_t *value,
                           uint32_t *size_bytes)
{
    struct linger_value linger;
    int64_t seconds;
    enum err error = net_socket_get_option(descriptor->socket.socket, NET_OPTION_LINGER, &seconds);

    if (error == ERR_OK) {
        linger.is_on = seconds >= 0;
        linger.seconds = seconds >= 0 ? (int32_t)seconds : 0;
        memcpy(value, &linger, sizeof(linger));
        *size_bytes = sizeof(linger);
    }
    return error;
}

/* SO_TYPE and SO_ERROR speak WASI's numbers, not the network's. */
static enum err get_translated(struct wasi_descriptor *descriptor, uint32_t name, int64_t *number)
{
    enum err error;

    if (name == OPTION_TYPE) {
        *number = net_socket_type(descriptor->socket.socket) == NET_SOCKET_STREAM
                      ? WASMEDGE_TYPE_STREAM
                      : WASMEDGE_TYPE_DATAGRAM;
        return ERR_OK;
    }
    if (descriptor->socket.deferred_error != ERR_OK) {
        *number = (int64_t)wasi_errno((enum err)descriptor->socket.deferred_error);
        descriptor->socket.deferred_error = ERR_OK;
        return ERR_OK;
    }
    error = net_socket_get_option(descriptor->socket.socket, NET_OPTION_ERROR, number);
    *number = (int64_t)wasi_errno((enum err) * number);
    return error;
}

enum err wasi_option_get(struct wasi_descriptor *descriptor, uint32_t level, uint32_t name,
                         uint8_t value[WASI_OPTION_VALUE_BYTES], uint32_t *size_bytes)
{
    const struct option_row *row = find_row(level, name);
    int64_t number = 0;
    enum err error;

    if (row != NULL) {
        error = net_socket_get_option(descriptor->socket.socket,
                                      (enum net_socket_option)row->option, &number);
        *size_bytes = put_integer(value, number);
        return error;
    }
    if (level != LEVEL_SOCKET) {
        return ERR_NOPROTOOPT;
    }
    if (name == OPTION_TYPE || name == OPTION_ERROR) {
        error = get_translated(descriptor, name, &number);
        *size_bytes = put_integer(value, number);
        return error;
    }
    if (name == OPTION_LINGER) {
        return get_linger(descriptor, value, size_bytes);
    }
    if (name == OPTION_RCVTIMEO || name == OPTION_SNDTIMEO) {
        uint64_t timeout_ns = *timeout_of(descriptor, name);
        struct time_value time = {
            .seconds = (int64_t)(timeout_ns / NS_PER_SECOND),
            .microseconds = (int64_t)(timeout_ns % NS_PER_SECOND / NS_PER_MICROSECOND),
        };

        memcpy(value, &time, sizeof(time));
        *size_bytes = sizeof(time);
        return ERR_OK;
    }
    return ERR_NOPROTOOPT;
}

/* Clients pass integers of one, two, four and eight bytes. */
static enum err get_integer(const uint8_t *value, uint32_t size_bytes, int64_t *out)
{
    int32_t number = 0;

    switch (size_bytes) {
    case 1:
        *out = value[0];
        return ERR_OK;
    case 2:
        *out = value[0] | value[1] << 8;
        return ERR_OK;
    case 4:
        memcpy(&number, value, sizeof(number));
        *out = number;
        return ERR_OK;
    case 8:
        memcpy(out, value, sizeof(*out));
        return ERR_OK;
    default:
        return ERR_INVAL;
    }
}

static enum err set_timeout(struct wasi_descriptor *descriptor, uint32_t name, const uint8_t *value,
                            uint32_t size_bytes)
{
    struct time_value time;

    if (size_bytes != sizeof(time)) {
        return ERR_INVAL;
    }
    memcpy(&time, value, sizeof(time));
    if (time.seconds < 0 || time.microseconds < 0 || time.microseconds >= MICROSECONDS) {
        return ERR_INVAL;
    }
    /* A time-out that 64 bits of nanoseconds do not hold is none. */
    if ((uint64_t)time.seconds >= UINT64_MAX / NS_PER_SECOND) {
        *timeout_of(descriptor, name) = 0;
        return ERR_OK;
    }
    *timeout_of(descriptor, name) =
        (uint64_t)time.seconds * NS_PER_SECOND + (uint64_t)time.microseconds * NS_PER_MICROSECOND;
    return ERR_OK;
}

enum err wasi_option_set(struct wasi_descriptor *descriptor, uint32_t level, uint32_t name,
                         const uint8_t *value, uint32_t size_bytes)
{
    const struct option_row *row = find_row(level, name);
    int64_t number;
    enum err error;

    if (row != NULL) {
        error = get_integer(value, size_bytes, &number);
        if (error == ERR_OK) {
            error = net_socket_set_option(descriptor->socket.socket,
                                          (enum net_socket_option)row->option, number);
        }
        return error;
    }
    if (level != LEVEL_SOCKET) {
        return ERR_NOPROTOOPT;
    }
    if (name == OPTION_LINGER) {
        struct linger_value linger;

        if (size_bytes != sizeof(linger)) {
            return ERR_INVAL;
        }
        memcpy(&linger, value, sizeof(linger));
        return net_socket_set_option(descriptor->socket.socket, NET_OPTION_LINGER,
                                     linger.is_on != 0 ? linger.seconds : -1);
    }
    if (name == OPTION_RCVTIMEO || name == OPTION_SNDTIMEO) {
        return set_timeout(descriptor, name, value, size_bytes);
    }
    return ERR_NOPROTOOPT;
}
