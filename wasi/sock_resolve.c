/*
 * WasmEdge: sock_getaddrinfo.
 *
 * The guest hands over a list of result structures that it has linked beforehand; each has room
 * for an address and perhaps a name. The list is walked with care: at most `max` entries, and
 * never one twice in a row (one client links entries to themselves).
 */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "kernel/wait.h"
#include "net/dns.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"
#include "wasi/sock.h"
#include "wasi/sock_address.h"

enum addrinfo_flags {
    AI_PASSIVE_BIT = 1u << 0,
    AI_CANONNAME_BIT = 1u << 1,
    AI_NUMERICHOST_BIT = 1u << 2,
    AI_NUMERICSERV_BIT = 1u << 3,
    AI_V4MAPPED_BIT = 1u << 4,
    AI_ALL_BIT = 1u << 5,
};
#define AI_FLAGS_ALL 0x7fu

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

#define SERVICE_BYTES 32u

struct question {
    char node[DNS_NAME_BYTES];
    size_t node_bytes; /* 0: no name was given */
    char service[SERVICE_BYTES];
    size_t service_bytes;
    struct addrinfo hints;
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

struct service {
    const char *name;
    uint16_t port;
};

/* The services of /etc/services that clients name rather than number. */
static const struct service services[] = {
    {"http", 80},   {"https", 443},  {"domain", 53},       {"ftp", 21},   {"ssh", 22},
    {"telnet", 23}, {"smtp", 25},    {"ntp", 123},         {"imap", 143}, {"pop3", 110},
    {"ldap", 389},  {"mysql", 3306}, {"postgresql", 5432},
};

static enum err find_port(struct question *question)
{
    uint32_t port = 0;
    size_t i;

    for (i = 0; i < question->service_bytes; i++) {
        char c = question->service[i];

        if (c < '0' || c > '9' || port > UINT16_MAX) {
            break;
        }
        port = port * 10 + (uint32_t)(c - '0');
    }
    if (i == question->service_bytes) {
        question->port = (uint16_t)port;
        return port <= UINT16_MAX ? ERR_OK : ERR_AI_SERVICE;
    }
    if ((question->hints.flags & AI_NUMERICSERV_BIT) != 0) {
        return ERR_AI_NONAME;
    }
    for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (strlen(services[i].name) == question->service_bytes &&
            memcmp(services[i].name, question->service, question->service_bytes) == 0) {
            question->port = services[i].port;
            return ERR_OK;
        }
    }
    return ERR_AI_SERVICE;
}

static enum err check_hints(const struct addrinfo *hints)
{
    if ((hints->flags & ~AI_FLAGS_ALL) != 0) {
        return ERR_AI_BADFLAGS;
    }
    if (hints->family > WASMEDGE_FAMILY_INET6) {
        return ERR_AI_FAMILY;
    }
    if (hints->socket_type > WASMEDGE_TYPE_STREAM) {
        return ERR_AI_SOCKTYPE;
    }
    return ERR_OK;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static uint32_t wanted_families(const struct addrinfo *hints)
{
    switch (hints->family) {
    case WASMEDGE_FAMILY_INET4:
        return DNS_IPV4_BIT;
    case WASMEDGE_FAMILY_INET6:
        return (hints->flags & AI_V4MAPPED_BIT) != 0 ? DNS_IPV4_BIT | DNS_IPV6_BIT : DNS_IPV6_BIT;
    default:
        return DNS_IPV4_BIT | DNS_IPV6_BIT;
    }
}

/* Without a name: this machine, to connect to, or any address of it to listen on. */
static void own_addresses(const struct addrinfo *hints, struct dns_result *result)
{
    static const uint8_t any4[4] = {0, 0, 0, 0};
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    bool is_passive = (hints->flags & AI_PASSIVE_BIT) != 0;
    uint8_t address6[16] = {0};

    result->address_count = 0;
    result->canonical_name[0] = '\0';
    if (hints->family != WASMEDGE_FAMILY_INET6) {
        result->addresses[result->address_count++] =
            ip_address_from_ipv4(is_passive ? any4 : loopback4);
    }
    if (hints->family != WASMEDGE_FAMILY_INET4) {
        address6[15] = is_passive ? 0 : 1;
        result->addresses[result->address_count++] = ip_address_from_ipv6(address6);
    }
}

/* Asks until the resolver has an answer. */
static enum err ask(const struct question *question, struct dns_result *result)
{
    struct net_stack *network = wasi_instance.config->network;
    struct dns_query *query;
    enum err error = dns_query_start(network, question->node, question->node_bytes,
                                     wanted_families(&question->hints), &query);

    if (error != ERR_OK) {
        return error;
    }
    error = dns_query_result(query, result);
    if ((question->hints.flags & AI_NUMERICHOST_BIT) != 0 && error == ERR_INPROGRESS) {
        error = ERR_AI_NONAME; /* numbers need no server */
    }
    while (error == ERR_INPROGRESS) {
        wait_once(WAIT_FOREVER);
        error = dns_query_result(query, result);
    }
    dns_query_close(network, query);
    return error;
}

static enum err resolve(const struct question *question, struct dns_result *result)
{
    enum err error;

    if (question->node_bytes == 0) {
        own_addresses(&question->hints, result);
        return question->service_bytes != 0 ? ERR_OK : ERR_AI_NONAME;
    }
    if (wasi_instance.config->network == NULL) {
        return ERR_AI_AGAIN;
    }
    error = ask(question, result);
    if (error == ERR_AI_AGAIN && wasi_socket_wait_address()) {
        error = ask(question, result);
    }
    return error;
}

/* AI_V4MAPPED without AI_ALL: mapped addresses only when there are no others. */
static bool is_unwanted(const struct question *question, const struct dns_result *result,
                        const struct ip_address *address)
{
    if (question->hints.family != WASMEDGE_FAMILY_INET6 || !ip_address_is_ipv4(address) ||
        (question->hints.flags & AI_ALL_BIT) != 0) {
        return false;
    }
    for (size_t i = 0; i < result->address_count; i++) {
        if (!ip_address_is_ipv4(&result->addresses[i])) {
            return true;
        }
    }
    return false;
}

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
static enum err write_canonical_name(const struct question *question,
                                     const struct dns_result *result, struct addrinfo *entry)
{
    const char *name = result->canonical_name[0] != '\0' ? result->canonical_name : question->node;
    size_t name_bytes = strnlen(name, DNS_NAME_BYTES - 1) + 1;
    enum err error;

    if ((question->hints.flags & AI_CANONNAME_BIT) == 0 ||
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

static enum err write_entry(const struct question *question, const struct dns_result *result,
                            const struct ip_address *address, uint8_t socket_type,
                            struct output *output)
{
    struct guest_addr at = output->next;
    bool is_ipv4 = ip_address_is_ipv4(address) && question->hints.family != WASMEDGE_FAMILY_INET6;
    struct addrinfo entry;
    enum err error = guest_read(at, &entry, sizeof(entry));

    if (error == ERR_OK) {
        error = write_address(&entry, address, is_ipv4, question->port);
    }
    if (error == ERR_OK && output->count == 0) {
        error = write_canonical_name(question, result, &entry);
    }
    if (error != ERR_OK) {
        return error;
    }
    entry.flags = question->hints.flags;
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
static enum err write_results(const struct question *question, const struct dns_result *result,
                              struct output *output)
{
    for (size_t i = 0; i < result->address_count; i++) {
        const struct ip_address *address = &result->addresses[i];

        if (is_unwanted(question, result, address)) {
            continue;
        }
        for (uint8_t type = WASMEDGE_TYPE_STREAM; type >= WASMEDGE_TYPE_DATAGRAM; type--) {
            enum err error;

            if (output->is_full) {
                return ERR_OK;
            }
            if (question->hints.socket_type != WASMEDGE_TYPE_ANY &&
                question->hints.socket_type != type) {
                continue;
            }
            error = write_entry(question, result, address, type, output);
            if (error != ERR_OK && error != ERR_AI_MEMORY) {
                return error;
            }
        }
    }
    return output->count != 0 ? ERR_OK : ERR_AI_MEMORY;
}

uint32_t wasi_edge_sock_getaddrinfo(uint32_t node, uint32_t node_bytes, uint32_t service,
                                    uint32_t service_bytes, uint32_t hints, uint32_t results,
                                    uint32_t max_count, uint32_t result_count)
{
    /* Too large for the stack's frame limit; one call at a time. */
    static struct question question;
    static struct dns_result result;
    struct output output = {.max_count = max_count, .is_full = max_count == 0};
    uint32_t first = 0;
    enum err error =
        read_text(node, node_bytes, question.node, sizeof(question.node) - 1, &question.node_bytes);

    question.node[sizeof(question.node) - 1] = '\0';
    if (error == ERR_OK) {
        error = read_text(service, service_bytes, question.service, sizeof(question.service),
                          &question.service_bytes);
        error = error == ERR_AI_NONAME ? ERR_AI_SERVICE : error;
    }
    if (error == ERR_OK) {
        error = guest_read(guest_address(hints), &question.hints, sizeof(question.hints));
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(result_count), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = guest_read_u32(guest_address(results), &first);
    }
    if (error == ERR_OK) {
        error = max_count == 0 ? ERR_INVAL : check_hints(&question.hints);
    }
    if (error == ERR_OK) {
        error = find_port(&question);
    }
    if (error == ERR_OK) {
        error = resolve(&question, &result);
    }
    if (error == ERR_OK) {
        output.next = guest_address(first);
        error = write_results(&question, &result, &output);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(result_count), output.count);
    }
    return wasi_errno(error);
}
