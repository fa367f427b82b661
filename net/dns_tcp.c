#include "net/dns_state.h"
#include "net/socket_protocol.h"

#include "kernel/base/string.h"

#define DNS_TCP_TIMEOUT_NS (5ull * NS_PER_S)
#define DNS_TCP_PREFIX     2u /* RFC 1035 §4.2.2: the message's length comes first */

/* Not handled here and now: a transport calls this from the middle of its own work. */
static void tcp_notify(struct net_socket *socket)
{
    struct dns_query *query = net_socket_user(socket);
    net_timer_set(&query->stack->timers, &query->timer, query->stack->now_ns);
}

bool dns_tcp_start(struct dns_query *query, struct dns_lookup *lookup)
{
    struct net_stack *stack = query->stack;
    struct net_endpoint server = {.address = stack->ip->netif.dns_servers[query->server],
                                  .port = DNS_PORT};
    enum net_family family =
        ip_address_is_ipv4(&server.address) ? NET_FAMILY_IPV4 : NET_FAMILY_IPV6;

    query->tcp_data = net_allocate(stack, DNS_TCP_MESSAGE_BYTES);
    if (query->tcp_data == NULL) {
        return false;
    }
    query->tcp_lookup = lookup;
    query->tcp_received_bytes = 0;
    query->tcp_sent = false;
    query->tcp_deadline_ns = stack->now_ns + DNS_TCP_TIMEOUT_NS;
    if (net_socket_open(stack, family, NET_SOCKET_STREAM, &query->tcp) != ERR_OK) {
        query->tcp = NULL;
        dns_tcp_stop(query);
        return false;
    }
    net_socket_set_user(query->tcp, query);
    net_socket_set_notify(query->tcp, tcp_notify);
    enum err error = net_socket_connect(query->tcp, &server);
    if (error != ERR_INPROGRESS && error != ERR_OK) {
        dns_tcp_stop(query);
        return false;
    }
    return true;
}

static bool tcp_send_question(struct dns_query *query)
{
    uint8_t message[DNS_TCP_PREFIX + DNS_QUERY_BYTES_MAX];
    struct dns_lookup *lookup = query->tcp_lookup;
    size_t length =
        dns_message_build(lookup->id, lookup->name, lookup->type, message + DNS_TCP_PREFIX);
    struct net_span span;

    message[0] = (uint8_t)(length >> 8);
    message[1] = (uint8_t)length;
    length += DNS_TCP_PREFIX;
    /* A fresh connection's buffer holds such a small message whole, or something is wrong. */
    if (net_socket_send_reserve(query->tcp, length, &span) != ERR_OK ||
        span.length_bytes < length) {
        return false;
    }
    memcpy(span.data, message, length);
    return net_socket_send_commit(query->tcp, length, NULL) == ERR_OK;
}

/* The bytes of the answer that have come, with its length in front. */
static enum dns_tcp_progress tcp_read_answer(struct dns_query *query, size_t *length)
{
    for (;;) {
        struct net_const_span span;
        enum err error = net_socket_receive_peek(query->tcp, 0, &span);
        if (error == ERR_AGAIN) {
            return DNS_TCP_WAITING;
        }
        size_t room = DNS_TCP_MESSAGE_BYTES - query->tcp_received_bytes;
        size_t take = span.length_bytes < room ? span.length_bytes : room;
        if (error != ERR_OK || take == 0) {
            return DNS_TCP_FAILED;
        }
        memcpy(query->tcp_data + query->tcp_received_bytes, span.data, take);
        query->tcp_received_bytes += take;
        net_socket_receive_consume(query->tcp, take);
        if (query->tcp_received_bytes < DNS_TCP_PREFIX) {
            continue;
        }
        size_t announced = (size_t)query->tcp_data[0] << 8 | query->tcp_data[1];
        if (query->tcp_received_bytes - DNS_TCP_PREFIX >= announced) {
            *length = announced;
            return DNS_TCP_COMPLETE;
        }
    }
}

enum dns_tcp_progress dns_tcp_advance(struct dns_query *query, size_t *length)
{
    uint32_t events = net_socket_events(query->tcp);

    if (query->stack->now_ns >= query->tcp_deadline_ns ||
        (events & (NET_EVENT_ERROR_BIT | NET_EVENT_HANGUP_BIT)) == NET_EVENT_ERROR_BIT) {
        return DNS_TCP_FAILED;
    }
    if (!query->tcp_sent) {
        if ((events & NET_EVENT_WRITABLE_BIT) == 0) {
            return DNS_TCP_WAITING;
        }
        if (!tcp_send_question(query)) {
            return DNS_TCP_FAILED;
        }
        query->tcp_sent = true;
    }
    return tcp_read_answer(query, length);
}

void dns_tcp_stop(struct dns_query *query)
{
    if (query->tcp != NULL) {
        net_socket_close(query->tcp);
    }
    query->tcp = NULL;
    query->tcp_lookup = NULL;
    net_release(query->stack, query->tcp_data, DNS_TCP_MESSAGE_BYTES);
    query->tcp_data = NULL;
}
