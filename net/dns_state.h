/*
 * The resolver's own state, for the files dns*.c only. Queries belong to the resolver until
 * dns_query_close. Context as net.h says.
 */
#pragma once

#include "net/dns_message.h"
#include "net/ip_state.h"
#include "net/socket.h"
#include "net/stack.h"

#define DNS_PORT              53u
#define DNS_ATTEMPTS          4u
#define DNS_ALIASES_MAX       8u
#define DNS_TCP_MESSAGE_BYTES 65535u

enum dns_lookup_state { LOOKUP_UNUSED, LOOKUP_WAITING, LOOKUP_TRUNCATED, LOOKUP_DONE };

/* The question for one type of address. */
struct dns_lookup {
    enum dns_lookup_state state;
    enum err outcome; /* when done */
    uint16_t id;
    uint16_t type;
    uint8_t alias_count;
    char name[DNS_NAME_BYTES]; /* asked for now: the end of the CNAMEs so far */
};

struct dns_query {
    struct net_timer timer; /* first: the timer leads back here */
    struct net_stack *stack;
    struct net_socket *udp;
    /* The lookup that goes over TCP because its answer did not fit a datagram. */
    struct net_socket *tcp;
    struct dns_lookup *tcp_lookup;
    uint8_t *tcp_data; /* DNS_TCP_MESSAGE_BYTES while tcp is open */
    size_t tcp_received_bytes;
    bool tcp_sent;
    uint64_t tcp_deadline_ns;
    uint32_t attempts;
    uint32_t server;
    enum err status; /* ERR_INPROGRESS until finished */
    struct dns_lookup lookups[2];
    struct dns_result result;
};

struct dns_state {
    uint32_t query_count;
    const char *hosts;
    size_t hosts_bytes;
    struct dns_query *queries[DNS_QUERIES_MAX];
};

/* dns_hosts.c: looks a normalized name up in the hosts text; true: *result has addresses. */
bool dns_hosts_find(const char *hosts, size_t length, const char *name, uint32_t families,
                    struct dns_result *result);

/* dns_tcp.c (RFC 7766): starts the transfer for a truncated lookup; false: cannot. */
bool dns_tcp_start(struct dns_query *query, struct dns_lookup *lookup);
enum dns_tcp_progress { DNS_TCP_WAITING, DNS_TCP_COMPLETE, DNS_TCP_FAILED };
/* Moves it on; COMPLETE: the message is in tcp_data, *length long. */
enum dns_tcp_progress dns_tcp_advance(struct dns_query *query, size_t *length);
void dns_tcp_stop(struct dns_query *query);
