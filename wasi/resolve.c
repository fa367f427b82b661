/* The stub resolver behind sock_getaddrinfo and sock_addr_resolve. */
#include "wasi/resolve.h"

#include "kernel/base/string.h"
#include "kernel/wait.h"
#include "wasi/instance.h"
#include "wasi/sock.h"
#include "wasi/sock_address.h"

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

static enum err find_port(const struct wasi_question *question, uint16_t *out)
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
        *out = (uint16_t)port;
        return port <= UINT16_MAX ? ERR_OK : ERR_AI_SERVICE;
    }
    if ((question->flags & AI_NUMERICSERV_BIT) != 0) {
        return ERR_AI_NONAME;
    }
    for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        if (strlen(services[i].name) == question->service_bytes &&
            memcmp(services[i].name, question->service, question->service_bytes) == 0) {
            *out = services[i].port;
            return ERR_OK;
        }
    }
    return ERR_AI_SERVICE;
}

static enum err check_hints(const struct wasi_question *question)
{
    if ((question->flags & ~AI_FLAGS_ALL) != 0) {
        return ERR_AI_BADFLAGS;
    }
    if (question->family > WASMEDGE_FAMILY_INET6) {
        return ERR_AI_FAMILY;
    }
    if (question->socket_type > WASMEDGE_TYPE_STREAM) {
        return ERR_AI_SOCKTYPE;
    }
    return ERR_OK;
}

static uint32_t wanted_families(const struct wasi_question *question)
{
    switch (question->family) {
    case WASMEDGE_FAMILY_INET4:
        return DNS_IPV4_BIT;
    case WASMEDGE_FAMILY_INET6:
        return (question->flags & AI_V4MAPPED_BIT) != 0 ? DNS_IPV4_BIT | DNS_IPV6_BIT
                                                        : DNS_IPV6_BIT;
    default:
        return DNS_IPV4_BIT | DNS_IPV6_BIT;
    }
}

/* Without a name: this machine, to connect to, or any address of it to listen on. */
static void own_addresses(const struct wasi_question *question, struct dns_result *result)
{
    static const uint8_t any4[4] = {0, 0, 0, 0};
    static const uint8_t loopback4[4] = {127, 0, 0, 1};
    bool is_passive = (question->flags & AI_PASSIVE_BIT) != 0;
    uint8_t address6[16] = {0};

    result->address_count = 0;
    result->canonical_name[0] = '\0';
    if (question->family != WASMEDGE_FAMILY_INET6) {
        result->addresses[result->address_count++] =
            ip_address_from_ipv4(is_passive ? any4 : loopback4);
    }
    if (question->family != WASMEDGE_FAMILY_INET4) {
        address6[15] = is_passive ? 0 : 1;
        result->addresses[result->address_count++] = ip_address_from_ipv6(address6);
    }
}

/* Asks until the resolver has an answer. */
static enum err ask(const struct wasi_question *question, struct dns_result *result)
{
    struct net_stack *network = wasi_instance.config->network;
    struct dns_query *query;
    enum err error = dns_query_start(network, question->node, question->node_bytes,
                                     wanted_families(question), &query);

    if (error != ERR_OK) {
        return error;
    }
    error = dns_query_result(query, result);
    if ((question->flags & AI_NUMERICHOST_BIT) != 0 && error == ERR_INPROGRESS) {
        error = ERR_AI_NONAME; /* numbers need no server */
    }
    while (error == ERR_INPROGRESS) {
        wait_once(WAIT_FOREVER);
        error = dns_query_result(query, result);
    }
    dns_query_close(network, query);
    return error;
}

/* AI_V4MAPPED without AI_ALL: mapped addresses only when there are no others. */
static void drop_unwanted(const struct wasi_question *question, struct dns_result *result)
{
    size_t kept_count = 0;

    if (question->family != WASMEDGE_FAMILY_INET6 || (question->flags & AI_ALL_BIT) != 0) {
        return;
    }
    for (size_t i = 0; i < result->address_count; i++) {
        if (!ip_address_is_ipv4(&result->addresses[i])) {
            result->addresses[kept_count++] = result->addresses[i];
        }
    }
    if (kept_count != 0) {
        result->address_count = kept_count;
    }
}

enum err wasi_resolve(const struct wasi_question *question, struct dns_result *result,
                      uint16_t *port)
{
    enum err error = check_hints(question);

    if (error == ERR_OK) {
        error = find_port(question, port);
    }
    if (error != ERR_OK) {
        return error;
    }
    if (question->node_bytes == 0) {
        own_addresses(question, result);
        return question->service_bytes != 0 ? ERR_OK : ERR_AI_NONAME;
    }
    if (wasi_instance.config->network == NULL) {
        return ERR_AI_AGAIN;
    }
    error = ask(question, result);
    if (error == ERR_AI_AGAIN && wasi_socket_wait_address()) {
        error = ask(question, result);
    }
    if (error == ERR_OK) {
        drop_unwanted(question, result);
    }
    return error;
}
