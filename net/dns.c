#include "net/dns.h"

#include "kernel/base/string.h"
#include "net/dns_state.h"
#include "net/socket_protocol.h"
#include "net/ip_text.h"

#define DNS_TIMEOUT_FIRST_NS (1ull * NS_PER_S)
#define DNS_TIMEOUT_NS       (3ull * NS_PER_S)

static void query_take_datagrams(struct net_socket *socket);

static void query_end(struct dns_query *query, enum err status)
{
    query->status = status;
    net_timer_cancel(&query->stack->timers, &query->timer);
    if (query->udp != NULL) {
        net_socket_close(query->udp);
    }
    query->udp = NULL;
    if (query->tcp_data != NULL) {
        dns_tcp_stop(query);
    }
}

/* Ends the query when no lookup is open any more. Addresses of one family are enough. */
static void query_end_if_done(struct dns_query *query)
{
    enum err status = ERR_AI_NONAME;

    for (unsigned i = 0; i < 2; i++) {
        const struct dns_lookup *lookup = &query->lookups[i];
        if (lookup->state == LOOKUP_WAITING || lookup->state == LOOKUP_TRUNCATED) {
            return;
        }
        if (lookup->state == LOOKUP_DONE && lookup->outcome != ERR_OK &&
            lookup->outcome != ERR_AI_NONAME) {
            status = lookup->outcome;
        }
    }
    query_end(query, query->result.address_count > 0 ? ERR_OK : status);
}

static void lookup_send(struct dns_query *query, struct dns_lookup *lookup)
{
    struct net_span span;
    uint8_t message[DNS_QUERY_BYTES_MAX];

    /* A new number each time: an off-path forger has to guess it and the port (RFC 5452). */
    lookup->id = (uint16_t)net_random32(query->stack);
    size_t length = dns_message_build(lookup->id, lookup->name, lookup->type, message);
    /* When it cannot be sent now, the time-out sends it again. */
    if (query->udp == NULL || net_socket_send_reserve(query->udp, length, &span) != ERR_OK) {
        return;
    }
    memcpy(span.data, message, length);
    (void)!net_socket_send_commit(query->udp, length, NULL);
}

/* A socket of its own for each attempt: a new random port, and errors of this server only. */
static void query_open_socket(struct dns_query *query)
{
    struct net_stack *stack = query->stack;
    struct net_endpoint server = {.address = stack->ip->netif.dns_servers[query->server],
                                  .port = DNS_PORT};
    enum net_family family =
        ip_address_is_ipv4(&server.address) ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6;

    if (query->udp != NULL) {
        net_socket_close(query->udp);
    }
    if (net_socket_open(stack, family, NET_SOCKET_DATAGRAM, &query->udp) != ERR_OK) {
        query->udp = NULL;
        return;
    }
    net_socket_set_user(query->udp, query);
    net_socket_set_notify(query->udp, query_take_datagrams);
    if (net_socket_connect(query->udp, &server) != ERR_OK) {
        net_socket_close(query->udp);
        query->udp = NULL;
    }
}

/* Asks the next server everything that is still open; gives up after enough attempts. */
static void query_attempt(struct dns_query *query, enum err failure)
{
    struct net_stack *stack = query->stack;
    uint32_t server_count = stack->ip->netif.dns_server_count;
    bool give_up = query->attempts >= DNS_ATTEMPTS || server_count == 0;

    for (unsigned i = 0; i < 2 && give_up; i++) {
        struct dns_lookup *lookup = &query->lookups[i];
        if (lookup->state == LOOKUP_WAITING || lookup->state == LOOKUP_TRUNCATED) {
            lookup->state = LOOKUP_DONE;
            lookup->outcome = failure;
        }
    }
    if (give_up) {
        query_end_if_done(query);
        return;
    }
    query->server = query->attempts % server_count;
    query->attempts++;
    query_open_socket(query);
    for (unsigned i = 0; i < 2; i++) {
        if (query->lookups[i].state == LOOKUP_WAITING) {
            lookup_send(query, &query->lookups[i]);
        }
    }
    net_timer_set(&stack->timers, &query->timer,
                  stack->now_ns + (query->attempts == 1 ? DNS_TIMEOUT_FIRST_NS : DNS_TIMEOUT_NS));
}

/* What an answer means for its lookup. */
static void lookup_take_answer(struct dns_query *query, struct dns_lookup *lookup,
                               enum dns_answer answer)
{
    switch (answer) {
    case DNS_ANSWER_FOREIGN:
        return;
    case DNS_ANSWER_TRUNCATED:
        lookup->state = LOOKUP_TRUNCATED;
        /* From the timer, not from within the transport that brought the answer. */
        net_timer_set(&query->stack->timers, &query->timer, query->stack->now_ns);
        return;
    case DNS_ANSWER_ALIAS:
        if (lookup->alias_count++ < DNS_ALIASES_MAX) {
            memcpy(lookup->name, query->result.canonical_name, sizeof(lookup->name));
            lookup->state = LOOKUP_WAITING;
            lookup_send(query, lookup);
            return;
        }
        lookup->outcome = ERR_AI_FAIL;
        break;
    case DNS_ANSWER_FOUND:
        lookup->outcome = ERR_OK;
        break;
    case DNS_ANSWER_NONE:
        lookup->outcome = ERR_AI_NONAME;
        break;
    case DNS_ANSWER_FAILURE:
        query_attempt(query, ERR_AI_FAIL);
        return;
    }
    lookup->state = LOOKUP_DONE;
}

static void query_take_message(struct dns_query *query, const uint8_t *data, size_t length)
{
    for (unsigned i = 0; i < 2 && query->status == ERR_INPROGRESS; i++) {
        struct dns_lookup *lookup = &query->lookups[i];
        if (lookup->state != LOOKUP_WAITING) {
            continue;
        }
        enum dns_answer answer =
            dns_message_parse(data, length, lookup->id, lookup->name, lookup->type, &query->result);
        if (answer != DNS_ANSWER_FOREIGN) {
            lookup_take_answer(query, lookup, answer);
            return;
        }
    }
    IP_COUNT(query->stack, dropped_dns);
}

/* The UDP socket's notification: called by udp.c with nothing of its own half done. */
static void query_take_datagrams(struct net_socket *socket)
{
    struct dns_query *query = net_socket_user(socket);
    struct net_const_span span;

    while (query->udp == socket) {
        enum err error = net_socket_receive_peek(socket, 0, &span);
        if (error == ERR_AGAIN) {
            break;
        }
        if (error != ERR_OK) {
            /* Nobody listens there: the next server, without waiting, but not from in here. */
            net_timer_set(&query->stack->timers, &query->timer, query->stack->now_ns);
            return;
        }
        query_take_message(query, span.data, span.length_bytes);
        if (query->udp == socket) {
            net_socket_receive_consume(socket, span.length_bytes);
        }
        if (query->status == ERR_INPROGRESS) {
            query_end_if_done(query);
        }
    }
}

static struct dns_lookup *query_find_truncated(struct dns_query *query)
{
    for (unsigned i = 0; i < 2; i++) {
        if (query->lookups[i].state == LOOKUP_TRUNCATED) {
            return &query->lookups[i];
        }
    }
    return NULL;
}

static void query_advance_tcp(struct dns_query *query)
{
    struct dns_lookup *lookup = query->tcp_lookup;
    size_t length = 0;

    switch (dns_tcp_advance(query, &length)) {
    case DNS_TCP_WAITING:
        net_timer_set(&query->stack->timers, &query->timer, query->tcp_deadline_ns);
        return;
    case DNS_TCP_COMPLETE: {
        enum dns_answer answer = dns_message_parse(query->tcp_data + 2, length, lookup->id,
                                                   lookup->name, lookup->type, &query->result);
        lookup->state = LOOKUP_DONE;
        lookup->outcome = ERR_AI_FAIL;
        if (answer == DNS_ANSWER_FOUND || answer == DNS_ANSWER_NONE || answer == DNS_ANSWER_ALIAS) {
            lookup_take_answer(query, lookup, answer);
        }
        break;
    }
    case DNS_TCP_FAILED:
        lookup->state = LOOKUP_DONE;
        lookup->outcome = ERR_AI_AGAIN;
        break;
    }
    dns_tcp_stop(query);
    net_timer_set(&query->stack->timers, &query->timer, query->stack->now_ns + DNS_TIMEOUT_NS);
}

static void query_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct dns_query *query = (struct dns_query *)timer;
    struct dns_lookup *truncated = query_find_truncated(query);
    (void)stack;

    if (query->tcp != NULL) {
        query_advance_tcp(query);
    } else if (truncated != NULL) {
        if (dns_tcp_start(query, truncated)) {
            net_timer_set(&query->stack->timers, timer, query->tcp_deadline_ns);
        } else {
            truncated->state = LOOKUP_DONE;
            truncated->outcome = ERR_AI_MEMORY;
            net_timer_set(&query->stack->timers, timer, query->stack->now_ns);
        }
    } else {
        query_attempt(query, ERR_AI_AGAIN);
    }
    query_end_if_done(query);
}

/* Names and numbers that need no server (RFC 6761 §6.3 for localhost). */
static bool query_answer_locally(struct dns_query *query, const char *text, size_t length,
                                 const char *name, uint32_t families)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const struct dns_state *dns = query->stack->dns;
    struct dns_result *result = &query->result;
    struct ip_address address;

    if (ip_address_parse(text, length, &address)) {
        bool wanted =
            (families & (ip_address_is_ipv4(&address) ? DNS_IPV4_BIT : DNS_IPV6_BIT)) != 0;
        if (wanted) {
            result->addresses[result->address_count++] = address;
        }
        query->status = wanted ? ERR_OK : ERR_AI_NONAME;
        return true;
    }
    size_t name_length = strlen(name);
    memcpy(result->canonical_name, name, name_length + 1);
    if (dns->hosts != NULL &&
        dns_hosts_find(dns->hosts, dns->hosts_bytes, name, families, result)) {
        query->status = ERR_OK;
        return true;
    }
    if (strcmp(name, "localhost") != 0 &&
        (name_length < 10 || strcmp(name + name_length - 10, ".localhost") != 0)) {
        return false;
    }
    if ((families & DNS_IPV4_BIT) != 0) {
        result->addresses[result->address_count++] = ip_address_from_ipv4(loopback);
    }
    if ((families & DNS_IPV6_BIT) != 0) {
        result->addresses[result->address_count++] = (struct ip_address){{0, 1ull << 56}};
    }
    query->status = ERR_OK;
    return true;
}

static void query_start_lookups(struct dns_query *query, const char *name, uint32_t families)
{
    static const uint16_t types[2] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    for (unsigned i = 0; i < 2; i++) {
        if ((families & (1u << i)) == 0) {
            continue;
        }
        query->lookups[i].state = LOOKUP_WAITING;
        query->lookups[i].type = types[i];
        memcpy(query->lookups[i].name, name, strlen(name) + 1);
    }
    query_attempt(query, ERR_AI_AGAIN);
}

enum err dns_query_start(struct net_stack *stack, const char *name, size_t name_length,
                         uint32_t families, struct dns_query **out)
{
    struct dns_state *dns = stack->dns;
    char normalized[DNS_NAME_BYTES] = "";
    struct ip_address address;
    uint32_t slot = 0;

    net_stack_tick(stack);
    families &= DNS_IPV4_BIT | DNS_IPV6_BIT;
    if (families == 0 || (!ip_address_parse(name, name_length, &address) &&
                          !dns_name_normalize(name, name_length, normalized))) {
        return ERR_AI_NONAME;
    }
    while (slot < DNS_QUERIES_MAX && dns->queries[slot] != NULL) {
        slot++;
    }
    struct dns_query *query = slot < DNS_QUERIES_MAX ? net_allocate(stack, sizeof(*query)) : NULL;
    if (query == NULL) {
        return ERR_AI_MEMORY;
    }
    query->stack = stack;
    query->status = ERR_INPROGRESS;
    query->timer.fire = query_fire;
    if (!query_answer_locally(query, name, name_length, normalized, families)) {
        if (stack->ip->netif.dns_server_count == 0) {
            net_release(stack, query, sizeof(*query));
            return ERR_AI_AGAIN;
        }
        query_start_lookups(query, normalized, families);
    }
    dns->queries[slot] = query;
    *out = query;
    return ERR_OK;
}

enum err dns_query_result(const struct dns_query *query, struct dns_result *out)
{
    if (query->status == ERR_OK) {
        *out = query->result;
    }
    return query->status;
}

static void query_release(struct net_stack *stack, struct dns_query *query)
{
    for (uint32_t i = 0; i < DNS_QUERIES_MAX; i++) {
        if (stack->dns->queries[i] == query) {
            stack->dns->queries[i] = NULL;
        }
    }
    query_end(query, query->status);
    net_release(stack, query, sizeof(*query));
}

void dns_query_close(struct net_stack *stack, struct dns_query *query)
{
    net_stack_tick(stack);
    query_release(stack, query);
}

void dns_set_hosts(struct net_stack *stack, const char *text, size_t length_bytes)
{
    stack->dns->hosts = text;
    stack->dns->hosts_bytes = length_bytes;
}

enum err dns_init(struct net_stack *stack)
{
    stack->dns = net_allocate(stack, sizeof(*stack->dns));
    return stack->dns != NULL ? ERR_OK : ERR_NOMEM;
}

void dns_destroy(struct net_stack *stack)
{
    if (stack->dns == NULL) {
        return;
    }
    for (uint32_t i = 0; i < DNS_QUERIES_MAX; i++) {
        struct dns_query *query = stack->dns->queries[i];
        if (query == NULL) {
            continue;
        }
        query->tcp = NULL; /* TCP, destroyed before, has freed it. */
        query_release(stack, query);
    }
    net_release(stack, stack->dns, sizeof(*stack->dns));
    stack->dns = NULL;
}
