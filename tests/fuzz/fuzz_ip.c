/*
 * Everything that a hostile link can do to the internet layer: the input is a list of commands
 * that receive frames, raw or with correct headers and checksums around hostile contents, let
 * time pass, and use UDP sockets and the resolver in between. The harness checks that no frame
 * is beyond the MTU and that nothing leaks; the sanitizers check the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "net/dns.h"
#include "net/socket.h"
#include "tests/unit/net_harness.h"

struct input {
    const uint8_t *data;
    size_t length;
};

static const uint8_t own[4] = {10, 0, 0, 2};
static const uint8_t peer[4] = {10, 0, 0, 1};
static const uint8_t own6[16] = {0xfe, 0x80, 0, 0,    0,    0,    0,    0,
                                 0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34, 0x56};
static const uint8_t peer6[16] = {0xfe, 0x80, [15] = 1};

static uint8_t take8(struct input *input)
{
    if (input->length == 0) {
        return 0;
    }
    input->length--;
    return *input->data++;
}

static uint16_t take16(struct input *input)
{
    uint8_t high = take8(input);
    return (uint16_t)(high << 8 | take8(input));
}

/* Up to `limit` bytes, as many as a length in front says. */
static size_t take_bytes(struct input *input, uint8_t *out, size_t limit)
{
    size_t length = take16(input) % (limit + 1);
    if (length > input->length) {
        length = input->length;
    }
    if (length > 0) {
        memcpy(out, input->data, length);
    }
    input->data += length;
    input->length -= length;
    return length;
}

static void receive_ipv4(struct harness *harness, struct input *input, size_t part)
{
    uint8_t payload[1480];
    uint8_t frame[1600];
    static const uint8_t protocols[4] = {IP_ICMP, IP_UDP, IP_TCP, 99};
    uint8_t protocol = protocols[take8(input) % 4];
    uint16_t fragment = take16(input) & 0x20ff;
    uint8_t kind = take8(input);
    size_t length = take_bytes(input, payload, sizeof(payload));

    if ((kind & 1) != 0) {
        fragment = 0;
    }
    if (protocol == IP_ICMP && length >= 8 && (kind & 2) == 0) {
        memset(payload + 2, 0, 2);
        uint16_t sum = checksum_finish(checksum_add(0, payload, length));
        memcpy(payload + 2, &sum, 2);
    }
    if (protocol == IP_UDP && length >= 8 && (kind & 2) == 0) {
        memset(payload + 6, 0, 2);
    }
    length = frame_ipv4(frame, peer, own, protocol, fragment, payload, length);
    harness_receive(harness, frame, length, part);
}

static void receive_ipv6(struct harness *harness, struct input *input, size_t part)
{
    static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    static const uint8_t next[8] = {IP_ICMPV6, 0, 43, 44, 60, IP_UDP, 59, IP_ICMPV6};
    uint8_t payload[1460];
    uint8_t frame[1600];
    uint8_t kind = take8(input);
    uint8_t protocol = next[kind % 8];
    const uint8_t *destination = (kind & 8) != 0 ? all_nodes : own6;
    size_t length = take_bytes(input, payload, sizeof(payload));

    if (protocol == IP_ICMPV6 && length >= 8) {
        struct ip_address from = ip_address_from_ipv6(peer6);
        struct ip_address to = ip_address_from_ipv6(destination);
        memset(payload + 2, 0, 2);
        uint32_t sum = ip_pseudo_sum(&from, &to, IP_ICMPV6, (uint32_t)length);
        uint16_t folded = checksum_finish(checksum_add(sum, payload, length));
        memcpy(payload + 2, &folded, 2);
    }
    length = frame_ipv6(frame, peer6, destination, protocol, (kind & 16) != 0 ? 1 : 255, payload,
                        length);
    harness_receive(harness, frame, length, part);
}

/* The last UDP datagram that the stack sent to a port: its source port and data. */
static const uint8_t *last_sent(const struct harness *harness, uint16_t port, uint16_t *source_port,
                                size_t *length)
{
    for (size_t i = harness->frame_count; i-- > 0;) {
        const struct ipv4_header *ip = sent_ipv4(harness, i);
        if (ip == NULL || ip->protocol != IP_UDP) {
            continue;
        }
        const struct udp_header *udp = (const struct udp_header *)(ip + 1);
        if (be16_get(udp->destination_port) != port) {
            continue;
        }
        *source_port = be16_get(udp->source_port);
        *length = be16_get(udp->length) - sizeof(*udp);
        return (const uint8_t *)(udp + 1);
    }
    return NULL;
}

static void receive_dhcp(struct harness *harness, struct input *input, size_t part)
{
    uint8_t message[1400];
    uint8_t payload[1500];
    uint8_t frame[1600];
    uint16_t port;
    size_t asked;
    const uint8_t *question = last_sent(harness, 67, &port, &asked);
    size_t length = 240 + take_bytes(input, message + 240, 400);

    if (question == NULL || asked < 240) {
        return;
    }
    memcpy(message, question, 240);
    message[0] = 2;
    memcpy(message + 16, own, 4);
    length = payload_udp(payload, peer, own, 67, 68, message, length);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, length), part);
}

static void receive_dns(struct harness *harness, struct input *input, size_t part)
{
    uint8_t message[1400];
    uint8_t payload[1500];
    uint8_t frame[1600];
    uint16_t port;
    size_t length;
    const uint8_t *question = last_sent(harness, 53, &port, &length);

    if (question == NULL || length > 600) {
        return;
    }
    memcpy(message, question, length);
    message[2] = 0x81;
    message[3] = take8(input) & 0x03;
    message[2] |= (uint8_t)(take8(input) & 2);
    message[7] = take8(input);
    length += take_bytes(input, message + length, 700);
    length = payload_udp(payload, peer, own, 53, port, message, length);
    harness_receive(harness, frame, frame_ipv4(frame, peer, own, IP_UDP, 0, payload, length), part);
}

static void receive_raw(struct harness *harness, struct input *input, size_t part)
{
    uint8_t frame[1600];
    size_t length = take_bytes(input, frame, sizeof(frame));
    if (length >= 6 && (frame[0] & 1) == 0) {
        memcpy(frame, harness_mac, 6);
    }
    if (length >= 34 && frame[12] == 8 && frame[13] == 0) {
        size_t header = (frame[14] & 15u) * 4u;
        if (header >= 20 && header + 14 <= length) {
            memset(frame + 24, 0, 2);
            uint16_t sum = checksum_finish(checksum_add(0, frame + 14, header));
            memcpy(frame + 24, &sum, 2);
        }
    }
    harness_receive(harness, frame, length, part);
}

static void receive_arp(struct harness *harness, struct input *input, size_t part)
{
    uint8_t frame[64];
    uint8_t address[4] = {10, 0, 0, take8(input)};
    uint8_t mac[6] = {2, 0, 0, 0, 0, take8(input)};
    uint8_t kind = take8(input);
    harness_receive(harness, frame,
                    frame_arp(frame, (kind & 1) != 0 ? ARP_REPLY : ARP_REQUEST, mac, address,
                              harness_mac, (kind & 2) != 0 ? own : address),
                    part);
}

struct user {
    struct net_socket *socket;
    struct dns_query *query;
};

static void use_socket(struct harness *harness, struct input *input, struct user *user)
{
    struct net_endpoint local = {.port = 53};
    struct net_endpoint remote = {.address = ip_address_from_ipv4(peer), .port = take16(input)};
    struct net_span span;
    struct net_const_span received;
    size_t length = take16(input);

    if (user->socket == NULL) {
        if (net_socket_open(harness->stack, NET_FAMILY_IPV6, NET_SOCKET_DATAGRAM, &user->socket) !=
            ERR_OK) {
            user->socket = NULL;
            return;
        }
        (void)!net_socket_bind(user->socket, &local);
    }
    if ((length & 1) != 0) {
        remote.address = ip_address_from_ipv6(peer6);
    }
    if (net_socket_send_reserve(user->socket, length, &span) == ERR_OK) {
        memset(span.data, 0x5a, span.length_bytes);
        (void)!net_socket_send_commit(user->socket, length, &remote);
    }
    while (net_socket_receive_peek(user->socket, 0, &received) == ERR_OK &&
           net_socket_readable_bytes(user->socket) > 0) {
        net_socket_receive_consume(user->socket, received.length_bytes);
    }
}

static void use_resolver(struct harness *harness, struct input *input, struct user *user)
{
    struct dns_result result;
    char name[64];
    size_t length = take_bytes(input, (uint8_t *)name, sizeof(name));

    if (user->query != NULL) {
        (void)!dns_query_result(user->query, &result);
        dns_query_close(harness->stack, user->query);
        user->query = NULL;
    }
    if (dns_query_start(harness->stack, length > 0 ? name : "a.example", length > 0 ? length : 9, 3,
                        &user->query) != ERR_OK) {
        user->query = NULL;
    }
}

static void use_hosts(struct harness *harness, struct input *input)
{
    static char text[512];
    size_t length = take_bytes(input, (uint8_t *)text, sizeof(text));

    dns_set_hosts(harness->stack, text, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .length = size};
    struct user user = {0};
    uint8_t flags = take8(&input);
    static const size_t parts[4] = {0, 0, 100, 61};
    struct harness *harness =
        harness_create((flags & 1) != 0, (flags & 2) != 0 ? NETDEV_TX_CHECKSUM_BIT : 0);

    if ((flags & 4) != 0) {
        harness_run(harness, 2000000000);
    }
    for (unsigned count = 0; input.length > 0 && count < 200; count++) {
        uint8_t command = take8(&input);
        size_t part = parts[command >> 6];
        harness->ring_full = (command & 0x20) != 0 && (flags & 8) != 0;
        switch (command & 15) {
        case 0:
            receive_raw(harness, &input, part);
            break;
        case 1:
        case 2:
            receive_ipv4(harness, &input, part);
            break;
        case 3:
        case 4:
            receive_ipv6(harness, &input, part);
            break;
        case 5:
            receive_dhcp(harness, &input, part);
            break;
        case 6:
            receive_dns(harness, &input, part);
            break;
        case 7:
            receive_arp(harness, &input, part);
            break;
        case 8:
            /* A full ring is retried so often that time would pass too slowly. */
            harness->ring_full = false;
            harness_run(harness, take16(&input) * 10000000ull);
            break;
        case 9:
            use_socket(harness, &input, &user);
            break;
        case 10:
            use_resolver(harness, &input, &user);
            break;
        case 11:
            harness->hold_packets = !harness->hold_packets;
            break;
        case 12:
            use_hosts(harness, &input);
            break;
        default:
            harness_run(harness, 1000000);
            break;
        }
    }
    harness->ring_full = false;
    if (user.query != NULL && (flags & 16) != 0) {
        dns_query_close(harness->stack, user.query);
    }
    if (user.socket != NULL) {
        net_socket_close(user.socket);
    }
    harness_destroy(harness);
    return 0;
}
