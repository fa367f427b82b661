#include "tests/unit/tcp_harness.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/checksum.h"
#include "net/wire.h"
#include "tests/unit/fail_nth.h"

static const uint8_t stack_mac[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};

/* ---- Hooks and card ----------------------------------------------------------------------------
 */

static uint64_t hook_now(void *context)
{
    return ((struct tcp_harness *)context)->now_ns;
}

static void hook_random(void *context, void *data, size_t size)
{
    struct tcp_harness *h = context;
    for (size_t i = 0; i < size; i++) {
        h->random_state = h->random_state * 6364136223846793005ull + 1442695040888963407ull;
        ((uint8_t *)data)[i] = (uint8_t)(h->random_state >> 56);
    }
}

static void *hook_allocate(void *context, size_t size)
{
    if (fail_nth_now()) {
        return NULL;
    }
    size_t *block = malloc(size + 16);
    ((struct tcp_harness *)context)->allocated_bytes += size;
    *block = size;
    memset(block + 2, 0xa5, size);
    return block + 2;
}

static void hook_free(void *context, void *data)
{
    size_t *block = (size_t *)data - 2;
    ((struct tcp_harness *)context)->allocated_bytes -= *block;
    free(block);
}

static void hook_wake(void *context, struct net_socket *socket)
{
    (void)socket;
    ((struct tcp_harness *)context)->wake_count++;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void parse_options(const uint8_t *at, size_t length, struct seg *out)
{
    while (length > 0 && at[0] != 0) {
        size_t size = at[0] == 1 ? 1 : at[1];
        assert_true(size >= 1 && size <= length);
        switch (at[0]) {
        case 2:
            out->mss = (uint16_t)(at[2] * 256 + at[3]);
            break;
        case 3:
            out->shift = (uint8_t)(at[2] + 1);
            break;
        case 4:
            out->sack_ok = true;
            break;
        case 5:
            out->sack_count = (uint8_t)((size - 2) / 8);
            for (unsigned i = 0; i < out->sack_count * 2u; i++) {
                out->sack[i] = get32(at + 2 + 4 * i);
            }
            break;
        case 8:
            out->timestamps = true;
            out->value = get32(at + 2);
            out->echo = get32(at + 6);
            break;
        default:
            break;
        }
        at += size;
        length -= size;
    }
}

static void record_sent(struct tcp_harness *h, const uint8_t *frame, size_t length)
{
    struct seg *out;
    const struct tcp_header *tcp;
    size_t header;

    if (frame[12] == 0x08 && frame[13] == 0x06) {
        h->arp_asked = true;
        h->arp_host = frame[41];
    }
    if (length < 54 || frame[12] != 0x08 || frame[13] != 0x00 || frame[23] != 6) {
        return;
    }
    assert_true(h->sent_count < SENT_MAX);
    out = &h->sent[h->sent_count++];
    tcp = (const struct tcp_header *)(frame + 34);
    header = (size_t)(tcp->data_offset >> 4) * 4;
    *out = (struct seg){.flags = tcp->flags,
                        .seq = be32_get(tcp->sequence),
                        .ack = be32_get(tcp->acknowledgement),
                        .window = be16_get(tcp->window),
                        .source_port = be16_get(tcp->source_port),
                        .destination_port = be16_get(tcp->destination_port),
                        .length = (uint32_t)(length - 34 - header),
                        .ect = (frame[15] & 3) == 2,
                        .time_ns = h->now_ns,
                        .first_byte = length > 34 + header ? frame[34 + header] : 0};
    parse_options(frame + 54, header - 20, out);
}

static void complete(struct tcp_harness *h)
{
    while (h->held != NULL) {
        struct net_packet *packet = h->held;
        h->held = packet->next;
        packet->done(packet);
    }
}

static enum err card_transmit(struct netdev *device, struct net_packet *packet)
{
    struct tcp_harness *h = device->driver;
    uint8_t frame[65536 + 128];
    size_t length = packet->header_length_bytes;

    memcpy(frame, packet->header + packet->header_start, length);
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        memcpy(frame + length, packet->fragments[i].data, packet->fragments[i].length_bytes);
        length += packet->fragments[i].length_bytes;
    }
    record_sent(h, frame, length);
    if (h->ends) {
        packet->done(packet);
        return ERR_OK;
    }
    packet->next = h->held;
    h->held = packet;
    return ERR_OK;
}

static void card_flush(struct netdev *device)
{
    (void)device;
}

static void card_free(struct netdev *device, struct net_buffer *chain)
{
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        ((struct tcp_harness *)device->driver)->buffer_count--;
        free(chain->owner);
        free(chain);
        chain = next;
    }
}

static void receive(struct tcp_harness *h, const uint8_t *frame, size_t length);
static void send_arp(struct tcp_harness *h);

static size_t card_poll(struct netdev *device, size_t budget)
{
    struct tcp_harness *h = device->driver;
    bool asked = h->arp_asked && !h->arp_silent;

    (void)budget;
    complete(h);
    h->arp_asked = false;
    if (asked) {
        send_arp(h);
    }
    return asked;
}

static const struct netdev_ops card_ops = {
    .transmit = card_transmit, .flush = card_flush, .poll = card_poll, .receive_free = card_free};

static void receive(struct tcp_harness *h, const uint8_t *frame, size_t length)
{
    struct net_buffer *buffer = calloc(1, sizeof(*buffer));

    buffer->owner = malloc(length);
    memcpy(buffer->owner, frame, length);
    buffer->data = buffer->owner;
    buffer->length_bytes = (uint32_t)length;
    buffer->total_bytes = (uint32_t)length;
    buffer->capacity_bytes = 2048;
    h->buffer_count++;
    h->stack->now_ns = h->now_ns;
    h->device.receive(h->device.stack, buffer);
}

static void send_arp(struct tcp_harness *h)
{
    uint8_t frame[42] = {0};
    struct arp_packet *arp = (struct arp_packet *)(frame + 14);

    memcpy(frame, stack_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[12] = 0x08;
    frame[13] = 0x06;
    arp->hardware_type = be16_make(1);
    arp->protocol_type = be16_make(0x0800);
    arp->hardware_length = 6;
    arp->protocol_length = 4;
    arp->operation = be16_make(ARP_REPLY);
    memcpy(arp->target_hardware, stack_mac, 6);
    memcpy(arp->sender_hardware, peer_mac, 6);
    memcpy(arp->sender_protocol, (uint8_t[4]){10, 0, 0, h->arp_host}, 4);
    memcpy(arp->target_protocol, (uint8_t[4]){10, 0, 0, 2}, 4);
    receive(h, frame, sizeof(frame));
}

int tcp_setup(void **state)
{
    struct tcp_harness *h = calloc(1, sizeof(*h));
    struct net_hooks hooks = {.context = h,
                              .now_ns = hook_now,
                              .random = hook_random,
                              .allocate = hook_allocate,
                              .free = hook_free,
                              .wake = hook_wake};
    struct net_config config = {
        .address = {10, 0, 0, 2}, .prefix_length = 24, .memory_limit_bytes = 64u << 20};

    h->now_ns = 1000 * SECOND;
    h->device.ops = &card_ops;
    h->device.driver = h;
    h->device.mtu_bytes = 1500;
    memcpy(h->device.address, stack_mac, 6);
    assert_int_equal(net_stack_create(&hooks, &h->device, &config, &h->stack), ERR_OK);
    tcp_poll_now(h);
    send_arp(h);
    tcp_poll_now(h);
    *state = h;
    return 0;
}

int tcp_teardown(void **state)
{
    struct tcp_harness *h = *state;

    complete(h);
    h->ends = true;
    net_stack_destroy(h->stack);
    assert_int_equal(h->allocated_bytes, 0);
    assert_int_equal(h->buffer_count, 0);
    free(h);
    return 0;
}

/* ---- The peer ------------------------------------------------------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static size_t write_options(uint8_t *at, const struct seg *segment)
{
    uint8_t *start = at;

    if (segment->mss != 0) {
        put32(at, 0x02040000u | segment->mss);
        at += 4;
    }
    if (segment->sack_ok) {
        put32(at, 0x01010402u);
        at += 4;
    }
    if (segment->timestamps) {
        put32(at, 0x0101080au);
        put32(at + 4, segment->value);
        put32(at + 8, segment->echo);
        at += 12;
    }
    if (segment->shift != 0) {
        put32(at, 0x01030300u | (segment->shift - 1u));
        at += 4;
    }
    if (segment->sack_count != 0) {
        put32(at, 0x01010500u | (2 + 8u * segment->sack_count));
        at += 4;
        for (unsigned i = 0; i < segment->sack_count * 2u; i++) {
            put32(at, segment->sack[i]);
            at += 4;
        }
    }
    return (size_t)(at - start);
}

void tcp_inject(struct tcp_harness *h, const struct seg *segment)
{
    static uint8_t frame[66000];
    struct ipv4_header *ip = (struct ipv4_header *)(frame + 14);
    struct tcp_header *tcp = (struct tcp_header *)(frame + 34);
    uint8_t host = h->host != 0 ? h->host : 1;
    uint8_t pseudo[12] = {10, 0, 0, host, 10, 0, 0, 2, 0, 6, 0, 0};
    size_t header;
    size_t length;

    memset(frame, 0, 128);
    memcpy(frame, stack_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[12] = 0x08;
    header = 20 + write_options(frame + 54, segment);
    length = 34 + header + segment->length;
    for (uint32_t i = 0; i < segment->length; i++) {
        frame[34 + header + i] = (uint8_t)(segment->seq + i);
    }
    ip->version_length = 0x45;
    ip->traffic_class = segment->ect ? 3 : 0; /* CE */
    ip->total_length = be16_make((uint16_t)(length - 14));
    ip->time_to_live = 64;
    ip->protocol = 6;
    memcpy(ip->source, (uint8_t[4]){10, 0, 0, host}, 4);
    memcpy(ip->destination, (uint8_t[4]){10, 0, 0, 2}, 4);
    ip->checksum = be16_from_sum(checksum_finish(checksum_add(0, ip, 20)));
    tcp->source_port = be16_make(segment->source_port);
    tcp->destination_port = be16_make(segment->destination_port);
    tcp->sequence = be32_make(segment->seq);
    tcp->acknowledgement = be32_make(segment->ack);
    tcp->data_offset = (uint8_t)(header << 2);
    tcp->flags = segment->flags;
    tcp->window = be16_make(segment->window);
    put16(pseudo + 10, (uint32_t)(length - 34));
    tcp->checksum =
        be16_from_sum(checksum_finish(checksum_add(checksum_add(0, pseudo, 12), tcp, length - 34)));
    receive(h, frame, length);
    tcp_poll_now(h);
}

void tcp_poll_now(struct tcp_harness *h)
{
    uint64_t deadline_ns = UINT64_MAX;

    while (net_stack_poll(h->stack, &deadline_ns)) {
        deadline_ns = UINT64_MAX;
    }
    assert_true(deadline_ns > h->now_ns);
}

void tcp_advance(struct tcp_harness *h, uint64_t duration_ns)
{
    uint64_t end_ns = h->now_ns + duration_ns;

    while (h->now_ns < end_ns) {
        uint64_t deadline_ns = end_ns;
        net_stack_poll(h->stack, &deadline_ns);
        h->now_ns = deadline_ns < end_ns ? deadline_ns : end_ns;
        tcp_poll_now(h);
    }
}

struct seg *tcp_next(struct tcp_harness *h)
{
    assert_true(h->looked_at < h->sent_count);
    return &h->sent[h->looked_at++];
}

void tcp_nothing_sent(struct tcp_harness *h)
{
    assert_int_equal(h->sent_count - h->looked_at, 0);
}

struct net_socket *tcp_listener(struct tcp_harness *h, uint16_t port, uint32_t backlog)
{
    struct net_socket *socket = NULL;
    struct net_endpoint local = {.port = port};

    assert_int_equal(net_socket_open(h->stack, NET_FAMILY_IPV4, NET_SOCKET_STREAM, &socket),
                     ERR_OK);
    assert_int_equal(net_socket_bind(socket, &local), ERR_OK);
    assert_int_equal(net_socket_listen(socket, backlog), ERR_OK);
    return socket;
}

void peer_send_at(struct peer *peer, uint8_t flags, uint32_t seq, uint32_t length)
{
    struct seg segment = {.flags = flags,
                          .seq = seq,
                          .ack = (flags & TCP_ACK_BIT) ? peer->ack : 0,
                          .length = length,
                          .window = peer->window,
                          .source_port = peer->port,
                          .destination_port = peer->stack_port,
                          .timestamps = peer->timestamps,
                          .value = peer->value,
                          .echo = peer->echo};
    tcp_inject(peer->h, &segment);
}

void peer_send(struct peer *peer, uint8_t flags, uint32_t length)
{
    uint32_t seq = peer->seq;

    peer->seq += length + ((flags & TCP_SYN_BIT) != 0) + ((flags & TCP_FIN_BIT) != 0);
    peer_send_at(peer, flags, seq, length);
}

void peer_connect(struct peer *peer, struct tcp_harness *h, struct net_socket *listener,
                  uint16_t port, unsigned options)
{
    struct seg syn = {.flags = TCP_SYN_BIT,
                      .seq = 1000,
                      .window = 65535,
                      .source_port = port,
                      .destination_port = 80,
                      .mss = 1460,
                      .sack_ok = (options & WITH_SACK) != 0,
                      .shift = (options & WITH_SCALING) ? 8 : 0,
                      .timestamps = (options & WITH_TIMESTAMPS) != 0,
                      .value = 5000};
    struct seg *answer;

    if (options & WITH_ECN) {
        syn.flags |= TCP_ECE_BIT | TCP_CWR_BIT;
    }
    tcp_inject(h, &syn);
    answer = tcp_next(h);
    assert_int_equal(answer->flags & (TCP_SYN_BIT | TCP_ACK_BIT), TCP_SYN_BIT | TCP_ACK_BIT);
    assert_int_equal(answer->ack, 1001);
    *peer = (struct peer){.h = h,
                          .port = port,
                          .stack_port = 80,
                          .seq = 1001,
                          .ack = answer->seq + 1,
                          .timestamps = answer->timestamps,
                          .value = 5001,
                          .echo = answer->value,
                          .window = (options & WITH_SCALING) ? 2048 : 65535};
    tcp_advance(h, 20 * MS); /* the round-trip time that the stack measures */
    peer_send(peer, TCP_ACK_BIT, 0);
    tcp_nothing_sent(h);
    assert_int_equal(net_socket_accept(listener, &peer->socket), ERR_OK);
}

void socket_write(struct net_socket *socket, size_t length)
{
    while (length > 0) {
        struct net_span span;
        assert_int_equal(net_socket_send_reserve(socket, length, &span), ERR_OK);
        memset(span.data, 'x', span.length_bytes);
        assert_int_equal(net_socket_send_commit(socket, span.length_bytes, NULL), ERR_OK);
        length -= span.length_bytes;
    }
}

size_t socket_read(struct net_socket *socket)
{
    struct net_const_span span;
    size_t total = 0;

    while (net_socket_receive_peek(socket, 0, &span) == ERR_OK && span.length_bytes > 0) {
        total += span.length_bytes;
        net_socket_receive_consume(socket, span.length_bytes);
    }
    return total;
}
