/*
 * TCP under a hostile peer and an odd application: the input is a stream of events, each a
 * segment near the connection's numbers, a call of the socket interface, or time passing.
 * After each, the invariants of tests/net/sim_check.h hold; at the end all memory comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "net/checksum.h"
#include "net/tcp.h"
#include "net/wire.h"
#include "tests/net/sim.h"
#include "tests/net/sim_check.h"

#define SOCKETS 4u

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0) {
        return 0;
    }
    in->size--;
    return *in->data++;
}

static uint32_t take32(struct input *in)
{
    uint32_t value = take(in);
    value = value << 8 | take(in);
    value = value << 8 | take(in);
    return value << 8 | take(in);
}

static struct sim sim;
static struct net_socket *sockets[SOCKETS];

/* The segment goes to the connection of one of our sockets, or to the listener. */
static const struct tcp_socket *target(unsigned which)
{
    const struct tcp_socket *sock = sim.host[1].stack->tcp->all;

    for (which %= 8; which > 0 && sock != NULL && sock->all_next != NULL; which--) {
        sock = sock->all_next;
    }
    return sock;
}

/* A number that means something, a little off, or anything. */
static uint32_t near_number(struct input *in, const uint32_t *numbers, size_t count)
{
    uint8_t how = take(in);

    if (how >= 250) {
        return take32(in);
    }
    return numbers[(how & 15) % count] + (uint32_t)((int8_t)take(in) * (how & 16 ? 1460 : 1));
}

static size_t put_options(struct input *in, uint8_t *at, const struct tcp_socket *sock,
                          const uint32_t *numbers)
{
    uint8_t which = take(in);
    size_t length = 0;

    if (which & 1) {
        memcpy(at + length, (uint8_t[4]){2, 4, take(in), take(in)}, 4);
        length += 4;
    }
    if (which & 2) {
        memcpy(at + length, (uint8_t[4]){1, 3, 3, take(in)}, 4);
        length += 4;
    }
    if (which & 4) {
        memcpy(at + length, (uint8_t[4]){1, 1, 4, 2}, 4);
        length += 4;
    }
    if (which & 8) {
        uint32_t value = (sock != NULL ? sock->peer_timestamp : 0) + (uint32_t)(int8_t)take(in);
        uint32_t echo = (uint32_t)(sim.now_ns / SIM_MS) +
                        (sock != NULL ? sock->timestamp_offset : 0) - take(in);
        struct be32 fields[2] = {be32_make(value), be32_make(echo)};
        memcpy(at + length, (uint8_t[4]){1, 1, 8, 10}, 4);
        memcpy(at + length + 4, fields, 8);
        length += 12;
    }
    if ((which & 16) && length <= 20) {
        struct be32 fields[4];
        for (unsigned i = 0; i < 4; i++) {
            fields[i] = be32_make(near_number(in, numbers, 6));
        }
        memcpy(at + length, (uint8_t[4]){1, 1, 5, 18}, 4);
        memcpy(at + length + 4, fields, 16);
        length += 20;
    }
    if ((which & 32) && length <= 36) { /* rubbish */
        for (unsigned i = 0; i < 4; i++) {
            at[length++] = take(in);
        }
    }
    return length;
}

struct numbers {
    uint16_t local;
    uint16_t remote;
    uint32_t sequence;
    uint32_t acknowledgement;
    uint8_t flags;
    uint16_t window;
    uint32_t length;
    bool congested; /* CE in the IP header */
};

/* The options stand behind the header already. */
static uint8_t frame[4096];

static void send_frame(const struct numbers *n, size_t option_bytes)
{
    struct ipv4_header *ip = (struct ipv4_header *)(frame + 14);
    struct tcp_header *tcp = (struct tcp_header *)(frame + 34);
    size_t header = 20 + option_bytes;
    uint8_t pseudo[12] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 0};

    memset(frame, 0, 54);
    memcpy(frame, sim.host[1].device.address, 6);
    memcpy(frame + 6, sim.host[0].device.address, 6);
    frame[12] = 0x08;
    tcp->source_port = be16_make(n->remote);
    tcp->destination_port = be16_make(n->local);
    tcp->sequence = be32_make(n->sequence);
    tcp->acknowledgement = be32_make(n->acknowledgement);
    tcp->data_offset = (uint8_t)(header << 2);
    tcp->flags = n->flags;
    tcp->window = be16_make(n->window);
    ip->version_length = 0x45;
    ip->traffic_class = n->congested ? IP_ECN_CE : 0;
    ip->total_length = be16_make((uint16_t)(20 + header + n->length));
    ip->time_to_live = 64;
    ip->protocol = 6;
    memcpy(ip->source, pseudo, 4);
    memcpy(ip->destination, pseudo + 4, 4);
    ip->checksum = be16_from_sum(checksum_finish(checksum_add(0, ip, 20)));
    pseudo[10] = (uint8_t)((header + n->length) >> 8);
    pseudo[11] = (uint8_t)(header + n->length);
    tcp->checksum = be16_from_sum(
        checksum_finish(checksum_add(checksum_add(0, pseudo, 12), tcp, header + n->length)));
    sim_inject(&sim.host[1], frame, (uint32_t)(34 + header + n->length));
}

/* The last step of a handshake that nothing is remembered of, right or nearly so. */
static void inject_cookie(struct input *in)
{
    struct net_stack *stack = sim.host[1].stack;
    uint8_t options = take(in);
    struct numbers n = {.local = 80,
                        .remote = (uint16_t)(5000 + (take(in) & 3)),
                        .sequence = take32(in),
                        .flags = TCP_ACK_BIT,
                        .window = 60000};
    struct tcp_request request = {.entry = {.local = sim_address(1),
                                            .remote = sim_address(0),
                                            .local_port = n.local,
                                            .remote_port = n.remote},
                                  .initial_receive = n.sequence - 1,
                                  .options = {.peer_mss = (uint16_t)(options * 8),
                                              .timestamps = (options & 1) != 0,
                                              .sack = (options & 2) != 0,
                                              .window_scaling = (options & 4) != 0,
                                              .send_shift = options >> 4}};
    uint32_t timestamp;

    stack->tcp->cookie_ns = sim.now_ns;
    request.timestamp_offset = tcp_timestamp_offset(stack, &request.entry);
    tcp_cookie_make(stack, &request, &timestamp);
    n.acknowledgement = request.initial_send + 1 + (options & 8 ? take(in) : 0);
    struct be32 fields[2] = {be32_make(7), be32_make(timestamp)};
    memcpy(frame + 54, (uint8_t[4]){1, 1, 8, 10}, 4);
    memcpy(frame + 58, fields, 8);
    n.length = take(in);
    send_frame(&n, options & 1 ? 12 : 0);
}

static void inject(struct input *in, bool congested)
{
    const struct tcp_socket *sock = target(take(in));
    uint32_t una = sock != NULL ? sock->send_una : 0;
    uint32_t next = sock != NULL ? sock->send_next : 0;
    uint32_t expected = sock != NULL ? sock->receive_next : 0;
    uint32_t edge = sock != NULL ? sock->receive_edge : 0;
    uint32_t sequences[6] = {expected, expected, edge, expected + 3000, una, next};
    uint32_t acks[6] = {next, una, (una + next) / 2, next, una, expected};
    struct numbers n = {.flags = take(in), .length = take(in), .local = 80, .congested = congested};
    size_t option_bytes;

    n.length = (n.flags & 0xc0) == 0xc0 ? n.length * 8 : n.length;
    n.remote = (uint16_t)(5000 + (take(in) & 3));
    if (sock != NULL && sock->in_table) {
        n.local = sock->entry.local_port;
        n.remote = sock->entry.remote_port;
    }
    option_bytes = put_options(in, frame + 54, sock, acks);
    n.sequence = near_number(in, sequences, 6);
    n.acknowledgement = near_number(in, acks, 6);
    n.window = (uint16_t)(take(in) << 8 | 0xff);
    send_frame(&n, option_bytes);
}

/* A listener and one accepted connection, so that inputs reach the deeper states. */
static void begin_connected(uint8_t options)
{
    struct net_stack *stack = sim.host[1].stack;
    struct net_endpoint local = {.port = 80};
    struct numbers n = {
        .local = 80, .remote = 5000, .sequence = 1000, .flags = TCP_SYN_BIT, .window = 60000};
    struct ip_address here = sim_address(1);
    struct ip_address there = sim_address(0);
    const struct tcp_request *request;
    size_t bytes = 0;

    if (net_socket_open(stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &sockets[0]) != ERR_OK ||
        net_socket_bind(sockets[0], &local) != ERR_OK ||
        net_socket_listen(sockets[0], 4) != ERR_OK) {
        abort();
    }
    if (options & 4) {
        n.flags |= TCP_ECE_BIT | TCP_CWR_BIT;
    }
    if (options & 1) {
        memcpy(frame + 54, (uint8_t[8]){2, 4, 5, 180, 1, 1, 4, 2}, 8);
        bytes = 8;
    }
    if (options & 2) {
        memcpy(frame + 54 + bytes, (uint8_t[12]){1, 1, 8, 10, 0, 0, 0, 1}, 12);
        bytes += 12;
    }
    send_frame(&n, bytes);
    request = (const struct tcp_request *)tcp_find(stack, &here, 80, &there, 5000);
    n.sequence = 1001;
    n.acknowledgement = request->initial_send + 1;
    n.flags = TCP_ACK_BIT;
    send_frame(&n, 0);
    if (net_socket_accept(sockets[0], &sockets[1]) != ERR_OK) {
        abort();
    }
}

static void call(struct input *in)
{
    struct net_socket **slot = &sockets[take(in) % SOCKETS];
    struct net_stack *stack = sim.host[1].stack;
    uint8_t what = take(in);
    uint32_t argument = take(in);
    struct net_endpoint remote = {.address = sim_address(0), .port = (uint16_t)(5000 + argument)};
    struct net_endpoint local = {.port = 80};
    struct net_span span;
    struct net_const_span received;
    enum err err = ERR_OK;

    if (*slot == NULL) {
        if (net_socket_open(stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, slot) != ERR_OK) {
            *slot = NULL;
            return;
        }
    }
    switch (what % 12) {
    case 0:
        err = net_socket_bind(*slot, &local);
        err = net_socket_listen(*slot, argument);
        break;
    case 1:
        err = net_socket_connect(*slot, &remote);
        break;
    case 2: {
        struct net_socket **to = &sockets[argument % SOCKETS];
        if (*to == NULL && net_socket_accept(*slot, to) != ERR_OK) {
            *to = NULL;
        }
        break;
    }
    case 3:
    case 4:
    case 5:
        if (net_socket_send_reserve(*slot, argument * 100 + 1, &span) == ERR_OK) {
            memset(span.data, 'f', span.length_bytes);
            err = net_socket_send_commit(*slot, span.length_bytes, NULL);
        }
        break;
    case 6:
    case 7:
        if (net_socket_receive_peek(*slot, argument & 1 ? argument : 0, &received) == ERR_OK) {
            volatile uint8_t sum = 0;
            for (size_t i = 0; i < received.length_bytes; i++) {
                sum = (uint8_t)(sum + received.data[i]);
            }
            net_socket_receive_consume(*slot, argument * 10);
        }
        break;
    case 8:
        err = net_socket_shutdown(*slot, argument & 3);
        break;
    case 9: {
        int64_t value;
        err = net_socket_set_option(*slot, (enum net_socket_option)(argument % 18),
                                    (int8_t)take(in) * 100);
        err = net_socket_get_option(*slot, (enum net_socket_option)(argument % 18), &value);
        break;
    }
    case 10:
        net_socket_close(*slot);
        *slot = NULL;
        break;
    default: {
        struct ip_error error = {.report = (enum ip_report)(argument & 3),
                                 .source = sim_address(1),
                                 .destination = sim_address(0),
                                 .source_port = 80,
                                 .destination_port = 5000,
                                 .mtu_bytes = (uint16_t)(take(in) * 8)};
        const struct tcp_socket *sock = target(argument);
        if (sock != NULL && sock->in_table) {
            error.source_port = sock->entry.local_port;
            error.destination_port = sock->entry.remote_port;
            error.sequence = sock->send_una;
        }
        tcp_error(stack, &error);
        break;
    }
    }
    (void)err;
    if (*slot != NULL) {
        (void)net_socket_events(*slot);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct sim_config config = {.seed = 1,
                                .mtu_bytes = 1500,
                                .memory_limit_bytes = 1u << 20,
                                .link = {{.delay_ns = 1000}, {.loss_ppm = 1000000}}};

    uint8_t first = take(&in);

    config.features[1] = first & (NETDEV_TX_CHECKSUM_BIT | NETDEV_TX_TSO4_BIT);
    if (config.features[1] & NETDEV_TX_TSO4_BIT) {
        config.features[1] |= NETDEV_TX_CHECKSUM_BIT;
    }
    sim_create(&sim, &config);
    memset(sockets, 0, sizeof(sockets));
    if (first & 0x80) {
        begin_connected(first >> 4 & 7);
    }
    while (in.size > 0 && !sim.broken) {
        uint8_t event = take(&in);
        switch (event & 7) {
        case 0:
        case 1:
        case 2:
        case 3:
            if ((event & 0x60) == 0x60) {
                inject_cookie(&in);
            } else {
                inject(&in, (event & 0x40) != 0);
            }
            break;
        case 4:
        case 5:
            call(&in);
            break;
        case 6: {
            uint64_t until_ns = sim.now_ns + ((uint64_t)take(&in) << (10 + (event >> 3)));
            for (unsigned i = 0; i < 100 && sim.now_ns < until_ns && !sim.broken; i++) {
                sim_step(&sim, until_ns);
                sim_check_tcp(&sim);
            }
            break;
        }
        default:
            sim.host[1].allocations_fail_ppm = (event & 8) ? 300000 : 0;
            break;
        }
        if (event & 128) {
            uint64_t deadline_ns = UINT64_MAX;
            net_stack_poll(sim.host[1].stack, &deadline_ns);
        }
        sim_check_tcp(&sim);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (sockets[i] != NULL) {
            net_socket_close(sockets[i]);
        }
    }
    sim_destroy(&sim);
    if (sim.broken) {
        __builtin_trap();
    }
    return 0;
}
