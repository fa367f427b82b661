/* WAMR: sock_addr_resolve. */
#include "wasi/sock_wamr.h"

#include "kernel/base/string.h"
#include "wasi/errno.h"
#include "wasi/resolve.h"
#include "wasi/sock_address.h"
#include "wasi/wamr_address.h"

/* $addr_info_hints: type, family, and whether they count. */
struct hints {
    uint32_t type;
    uint32_t family;
    uint8_t is_enabled;
};
_Static_assert(sizeof(struct hints) == 12, "layout of $addr_info_hints");

/* $addr_info: an $addr and a $sock_type. */
#define RESULT_BYTES (WAMR_ADDRESS_BYTES + 4u)

/* A NUL-terminated string of the guest's, cut off at the end of memory or of the room. */
static enum err read_string(uint32_t address, char *out, size_t room_bytes, size_t *length_bytes)
{
    for (size_t i = 0; i < room_bytes; i++) {
        uint32_t at;
        enum err error = __builtin_add_overflow(address, (uint32_t)i, &at)
                             ? ERR_FAULT
                             : guest_read(guest_address(at), &out[i], 1);

        if (error != ERR_OK) {
            return error;
        }
        if (out[i] == '\0') {
            *length_bytes = i;
            return ERR_OK;
        }
    }
    return ERR_AI_NONAME;
}

static enum err read_hints(uint32_t address, struct wasi_question *question)
{
    struct hints hints;
    enum err error = guest_read(guest_address(address), &hints, sizeof(hints));

    question->flags = 0;
    question->family = WASMEDGE_FAMILY_UNSPEC;
    question->socket_type = WASMEDGE_TYPE_ANY;
    if (error == ERR_OK && hints.is_enabled != 0) {
        question->family = hints.family == 0   ? WASMEDGE_FAMILY_INET4
                           : hints.family == 1 ? WASMEDGE_FAMILY_INET6
                                               : WASMEDGE_FAMILY_UNSPEC;
        question->socket_type =
            hints.type == WAMR_SOCKET_DATAGRAM ? WASMEDGE_TYPE_DATAGRAM : WASMEDGE_TYPE_STREAM;
    }
    return error;
}

static enum err write_result(struct guest_addr at, const struct ip_address *address, uint16_t port,
                             uint8_t socket_type)
{
    struct net_endpoint endpoint = {.address = *address, .port = port};
    enum err error = wasi_wamr_address_write(
        at, &endpoint, ip_address_is_ipv4(address) ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6);

    if (error == ERR_OK) {
        error = guest_write_u32(guest_offset(at, WAMR_ADDRESS_BYTES),
                                socket_type == WASMEDGE_TYPE_DATAGRAM ? WAMR_SOCKET_DATAGRAM
                                                                      : WAMR_SOCKET_STREAM);
    }
    return error;
}

/* As much as fits is written; the count says how much there is. */
uint32_t wasi_wamr_sock_addr_resolve(uint32_t host, uint32_t service, uint32_t hints,
                                     uint32_t results, uint32_t result_room, uint32_t total)
{
    static struct wasi_question question; /* too large for the stack; one call at a time */
    static struct dns_result result;
    uint16_t port;
    enum err error = read_string(host, question.node, sizeof(question.node), &question.node_bytes);

    if (error == ERR_OK) {
        error = read_string(service, question.service, sizeof(question.service),
                            &question.service_bytes);
    }
    if (error == ERR_OK) {
        error = read_hints(hints, &question);
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(results), (uint64_t)result_room * RESULT_BYTES);
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(total), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = wasi_resolve(&question, &result, &port);
    }
    for (uint32_t i = 0; error == ERR_OK && i < result.address_count && i < result_room; i++) {
        error = write_result(guest_offset(guest_address(results), i * RESULT_BYTES),
                             &result.addresses[i], port, question.socket_type);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(total), (uint32_t)result.address_count);
    }
    return wasi_errno(error);
}
