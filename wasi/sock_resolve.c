/*
 * WasmEdge: sock_getaddrinfo.
 *
 * The guest hands over a list of result structures that it has linked beforehand; each has room
 * for an address and perhaps a name. The list is walked with care: at most `max` entries, and
 * never one twice in a row (one client links entries to themselves).
 */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/resolve.h"
#include "wasi/sock_address.h"

enum addrinfo_protocol { PROTOCOL_IP = 0, PROTOCOL_TCP = 1, PROTOCOL_UDP = 2 };

/* $addrinfo and $sockaddr as they lie in guest memory. */
struct addrinfo {
    uint16_t flags;
    uint8_t family;
    uint8_t socket_type;
    uint32_t protocol;
    uint32_t address_bytes;
    uint32_t address;
    uint32_t canonical_name;
    uint32_t canonical_name_bytes;
    uint32_t next;
};
_Static_assert(sizeof(struct addrinfo) == 28, "layout of $addrinfo");

struct sockaddr {
    uint32_t family; /* 8 bits and padding */
    uint32_t data_bytes;
    uint32_t data;
};
_Static_assert(sizeof(struct sockaddr) == 12, "layout of $sockaddr");

/* What address_bytes says: the sizes of sockaddr_in and sockaddr_in6, as WasmEdge reports them. */
#define SOCKADDR_IN_BYTES  16u
#define SOCKADDR_IN6_BYTES 28u
/* Port, then address. */
#define DATA_MAX_BYTES 18u

/* One call's question and where its answers go. */
struct lookup {
    struct wasi_question question;
    struct dns_result result;
    uint16_t port;
};

/* ---- The question ---------------------------------------------------------------------------- */

/* A counted string that may end in a counted NUL. */
static enum err read_text(uint32_t address, uint32_t size_bytes, char *out, size_t room_bytes,
                          size_t *length_bytes)
{
    enum err error = guest_check(guest_address(address), size_bytes);

    if (error == ERR_OK && size_bytes > room_bytes) {
        error = ERR_AI_NONAME;
    }
    if (error == ERR_OK) {
        error = guest_read(guest_address(address), out, size_bytes);
    }
    if (error == ERR_OK) {
        const char *end = size_bytes != 0 ? memchr(out, 0, size_bytes) : NULL;

        *length_bytes = end != NULL ? (size_t)(end - out) : size_bytes;
    }
    return error;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static enum err write_address(const struct addrinfo *entry, const struct ip_address *address,
                              bool is_ipv4, uint16_t port)
{
    uint8_t data[DATA_MAX_BYTES];
    uint32_t size_bytes = is_ipv4 ? 6 : DATA_MAX_BYTES;
    struct sockaddr sockaddr;
    enum err error = guest_read(guest_address(entry->address), &sockaddr, sizeof(sockaddr));

    if (error == ERR_OK && sockaddr.data_bytes < size_bytes) {
        error = ERR_AI_MEMORY;
    }
    if (error != ERR_OK) {
        return error;
    }
    data[0] = (uint8_t)(port >> 8);
    data[1] = (uint8_t)port;
    memcpy(data + 2, is_ipv4 ? ip_address_ipv4_bytes(address) : ip_address_bytes(address),
           size_bytes - 2);
    error = guest_write(guest_address(sockaddr.data), data, size_bytes);
    sockaddr.family = is_ipv4 ? WASMEDGE_FAMILY_INET4 : WASMEDGE_FAMILY_INET6;
    sockaddr.data_bytes = size_bytes;
    if (error == ERR_OK) {
        error = guest_write(guest_address(entry->address), &sockaddr, sizeof(sockaddr));
    }
    return error;
}

/* The canonical name goes to the first entry, if it fits there with its NUL. */
static enum err write_canonical_name(const struct lookup *lookup, struct addrinfo *entry)
{
    const char *name = lookup->result.canonical_name[0] != '\0' ? lookup->result.canonical_name
                                                                : lookup->question.node;
    size_t name_bytes = strnlen(name, DNS_NAME_BYTES - 1) + 1;
    enum err error;

    if ((lookup->question.flags & AI_CANONNAME_BIT) == 0 ||
        entry->canonical_name_bytes < name_bytes) {
        entry->canonical_name_bytes = 0;
        return ERR_OK;
    }
    error = guest_write(guest_address(entry->canonical_name), name, name_bytes - 1);
    if (error == ERR_OK) {
        error = guest_write_u8(
            guest_offset(guest_address(entry->canonical_name), (uint32_t)name_bytes - 1), 0);
    }
    entry->canonical_name_bytes = (uint32_t)name_bytes;
    return error;
}

/* The cursor over the guest's list. */
struct output {
    struct guest_addr next;
    uint32_t max_count;
    uint32_t count;
    bool is_full;
};

static enum err write_entry(const struct lookup *lookup, const struct ip_address *address,
                            uint8_t socket_type, struct output *output)
{
    struct guest_addr at = output->next;
    bool is_ipv4 = ip_address_is_ipv4(address) && lookup->question.family != WASMEDGE_FAMILY_INET6;
    struct addrinfo entry;
    enum err error = guest_read(at, &entry, sizeof(entry));

    if (error == ERR_OK) {
        error = write_address(&entry, address, is_ipv4, lookup->port);
    }
    if (error == ERR_OK && output->count == 0) {
        error = write_canonical_name(lookup, &entry);
    }
    if (error != ERR_OK) {
        return error;
    }
    entry.flags = lookup->question.flags;
    entry.family = is_ipv4 ? WASMEDGE_FAMILY_INET4 : WASMEDGE_FAMILY_INET6;
    entry.socket_type = socket_type;
    entry.protocol = socket_type == WASMEDGE_TYPE_STREAM ? PROTOCOL_TCP : PROTOCOL_UDP;
    entry.address_bytes = is_ipv4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES;
    output->count++;
    output->is_full =
        output->count == output->max_count || entry.next == 0 || entry.next == at.value;
    output->next = guest_address(entry.next);
    return guest_write(at, &entry, sizeof(entry));
}

/* An address whose guest buffer is too small is left out rather than failing the call. */
static enum err write_results(const struct lookup *lookup, struct output *output)
{
    for (size_t i = 0; i < lookup->result.address_count; i++) {
        const struct ip_address *address = &lookup->result.addresses[i];

        for (uint8_t type = WASMEDGE_TYPE_STREAM; type >= WASMEDGE_TYPE_DATAGRAM; type--) {
            enum err error;

            if (output->is_full) {
                return ERR_OK;
            }
            if (lookup->question.socket_type != WASMEDGE_TYPE_ANY &&
                lookup->question.socket_type != type) {
                continue;
            }
            error = write_entry(lookup, address, type, output);
            if (error != ERR_OK && error != ERR_AI_MEMORY) {
                return error;
            }
        }
    }
    return output->count != 0 ? ERR_OK : ERR_AI_MEMORY;
}

static enum err read_question(struct wasi_question *question, uint32_t hints_address)
{
    struct addrinfo hints;
    enum err error = guest_read(guest_address(hints_address), &hints, sizeof(hints));

    if (error == ERR_OK) {
        question->flags = hints.flags;
        question->family = hints.family;
        question->socket_type = hints.socket_type;
    }
    return error;
}

uint32_t wasi_edge_sock_getaddrinfo(uint32_t node, uint32_t node_bytes, uint32_t service,
                                    uint32_t service_bytes, uint32_t hints, uint32_t results,
                                    uint32_t max_count, uint32_t result_count)
{
    static struct lookup lookup; /* too large for the stack; one call at a time */
    struct output output = {.max_count = max_count};
    uint32_t first = 0;
    enum err error = read_text(node, node_bytes, lookup.question.node,
                               sizeof(lookup.question.node) - 1, &lookup.question.node_bytes);

    if (error == ERR_OK) {
        lookup.question.node[lookup.question.node_bytes] = '\0';
        error = read_text(service, service_bytes, lookup.question.service,
                          sizeof(lookup.question.service), &lookup.question.service_bytes);
        error = error == ERR_AI_NONAME ? ERR_AI_SERVICE : error;
    }
    if (error == ERR_OK) {
        error = read_question(&lookup.question, hints);
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(result_count), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = guest_read_u32(guest_address(results), &first);
    }
    if (error == ERR_OK) {
        error = max_count == 0 ? ERR_INVAL
                               : wasi_resolve(&lookup.question, &lookup.result, &lookup.port);
    }
    if (error == ERR_OK) {
        output.next = guest_address(first);
        error = write_results(&lookup, &output);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(result_count), output.count);
    }
    return wasi_errno(error);
}
