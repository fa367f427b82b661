#include "tests/unit/net_harness.h"

#include "net/socket_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fail_nth.h"

const uint8_t harness_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
const uint8_t harness_peer[6] = {0x52, 0x54, 0x00, 0xaa, 0xbb, 0xcc};

static struct harness *current; /* the fake TCP has no other way to it */

static void die(const char *what)
{
    fprintf(stderr, "harness: %s\n", what);
    abort();
}

/* ---- Hooks and device ----------------------------------------------------------------------- */

static uint64_t hook_now(void *context)
{
    return ((struct harness *)context)->now_ns;
}

static void hook_random(void *context, void *data, size_t size)
{
    struct harness *harness = context;
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        harness->random_state = harness->random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)(harness->random_state >> 56);
    }
}

static void *hook_allocate(void *context, size_t size)
{
    void *block = fail_nth_now() ? NULL : aligned_alloc(16, (size + 15) & ~(size_t)15);
    if (block != NULL) {
        ((struct harness *)context)->allocation_count++;
    }
    return block;
}

static void hook_free(void *context, void *block)
{
    if (block != NULL) {
        ((struct harness *)context)->allocation_count--;
    }
    free(block);
}

static void hook_wake(void *context, struct net_socket *socket)
{
    (void)socket;
    ((struct harness *)context)->wake_count++;
}

static enum err device_transmit(struct netdev *device, struct net_packet *packet)
{
    struct harness *harness = device->driver;
    struct harness_frame *frame = &harness->frames[harness->frame_count % HARNESS_FRAMES_MAX];
    size_t at = packet->header_length_bytes;

    if (harness->ring_full) {
        return ERR_AGAIN;
    }
    if (packet->header_start < NET_DRIVER_HEADROOM ||
        packet->header_start + at > NET_HEADER_BYTES || at < 14) {
        die("header out of bounds");
    }
    memcpy(frame->data, packet->header + packet->header_start, at);
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        if (at + packet->fragments[i].length_bytes > HARNESS_FRAME_BYTES) {
            die("frame beyond the MTU");
        }
        memcpy(frame->data + at, packet->fragments[i].data, packet->fragments[i].length_bytes);
        at += packet->fragments[i].length_bytes;
    }
    if (at > device->mtu_bytes + 14u) {
        die("frame beyond the MTU");
    }
    frame->length = at;
    harness->frame_count++;
    if (packet->checksum_partial && (device->features & NETDEV_TX_CHECKSUM_BIT) == 0) {
        die("partial checksum without the feature");
    }
    if (harness->hold_packets) {
        packet->next = harness->held;
        harness->held = packet;
    } else {
        packet->done(packet);
    }
    return ERR_OK;
}

static void device_flush(struct netdev *device)
{
    (void)device;
}

static size_t device_poll(struct netdev *device, size_t budget)
{
    (void)device;
    (void)budget;
    return 0;
}

static void device_receive_free(struct netdev *device, struct net_buffer *chain)
{
    struct harness *harness = device->driver;
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        harness->buffer_count--;
        free(chain->data);
        free(chain);
        chain = next;
    }
}

static bool device_arm(struct netdev *device)
{
    (void)device;
    return false;
}

static const struct netdev_ops device_ops = {
    .transmit = device_transmit,
    .flush = device_flush,
    .poll = device_poll,
    .receive_free = device_receive_free,
    .arm = device_arm,
};

struct harness *harness_create(bool dhcp, uint32_t features)
{
    static struct harness only;
    struct harness *harness = &only;
    struct net_hooks hooks = {.context = harness,
                              .now_ns = hook_now,
                              .random = hook_random,
                              .allocate = hook_allocate,
                              .free = hook_free,
                              .wake = hook_wake};
    struct net_config config = {.dhcp = dhcp,
                                .address = {10, 0, 0, 2},
                                .prefix_length = 24,
                                .gateway = {10, 0, 0, 1},
                                .dns = {10, 0, 0, 1},
                                .hostname = "wafer",
                                .memory_limit_bytes = 8u << 20};

    memset(harness, 0, offsetof(struct harness, tcp_data));
    current = harness;
    harness->now_ns = 1000000000;
    harness->random_state = 42;
    harness->device = (struct netdev){
        .ops = &device_ops, .driver = harness, .mtu_bytes = 1500, .features = features};
    memcpy(harness->device.address, harness_mac, 6);
    if (net_stack_create(&hooks, &harness->device, &config, &harness->stack) != ERR_OK) {
        die("no stack");
    }
    return harness;
}

void harness_destroy(struct harness *harness)
{
    harness_complete(harness);
    harness->hold_packets = false;
    net_stack_destroy(harness->stack);
    if (harness->allocation_count != 0) {
        die("memory leaked");
    }
    if (harness->buffer_count != 0) {
        die("receive buffer leaked");
    }
    current = NULL;
}

void harness_complete(struct harness *harness)
{
    while (harness->held != NULL) {
        struct net_packet *packet = harness->held;
        harness->held = packet->next;
        packet->done(packet);
    }
}

void harness_run(struct harness *harness, uint64_t duration_ns)
{
    uint64_t end_ns = harness->now_ns + duration_ns;
    for (;;) {
        uint64_t deadline_ns = UINT64_MAX;
        while (net_stack_poll(harness->stack, &deadline_ns)) {
            deadline_ns = UINT64_MAX;
        }
        if (harness->now_ns == end_ns) {
            return;
        }
        if (deadline_ns <= harness->now_ns) {
            deadline_ns = harness->now_ns + 1000000;
        }
        harness->now_ns = deadline_ns < end_ns ? deadline_ns : end_ns;
    }
}

void harness_receive(struct harness *harness, const void *frame, size_t length, size_t part_bytes)
{
    const uint8_t *data = frame;
    struct net_buffer *first = NULL;
    struct net_buffer **link = &first;
    size_t at = 0;

    do {
        size_t take = part_bytes == 0 || length - at < part_bytes ? length - at : part_bytes;
        struct net_buffer *part = calloc(1, sizeof(*part));
        uint8_t *copy = malloc(take > 0 ? take : 1); /* exact, so that ASan sees overruns */
        if (part == NULL || copy == NULL) {
            die("no memory");
        }
        memcpy(copy, data + at, take);
        part->data = copy;
        part->length_bytes = (uint32_t)take;
        part->capacity_bytes = (uint32_t)take;
        harness->buffer_count++;
        *link = part;
        link = &part->next_part;
        at += take;
    } while (at < length);
    first->total_bytes = (uint32_t)length;
    net_stack_tick(harness->stack);
    harness->device.receive(harness->device.stack, first);
    harness_run(harness, 0);
}

void harness_clear(struct harness *harness)
{
    harness->frame_count = 0;
}

/* ---- The fake TCP --------------------------------------------------------------------------- */

static enum err refuse_open(struct net_stack *stack, struct net_socket **out)
{
    (void)stack;
    (void)out;
    return ERR_NOTSUP;
}

const struct socket_protocol tcp_socket_protocol = {.open = refuse_open};

enum err tcp_init(struct net_stack *stack)
{
    (void)stack;
    return ERR_OK;
}

void tcp_destroy(struct net_stack *stack)
{
    (void)stack;
}

bool tcp_poll(struct net_stack *stack)
{
    (void)stack;
    return false;
}

void tcp_input(struct net_stack *stack, struct net_buffer *chain, const struct ip_received *ip)
{
    current->tcp_input_count++;
    current->tcp_received = *ip;
    ip_chain_copy(chain, ip->payload_offset, current->tcp_data, ip->payload_bytes);
    net_buffer_free(stack, chain);
}

void tcp_error(struct net_stack *stack, const struct ip_error *error)
{
    (void)stack;
    current->tcp_error_count++;
    current->tcp_error = *error;
}

/* ---- Frames ------------------------------------------------------------------------------------
 */

static uint8_t *put_ethernet(uint8_t *out, const uint8_t destination[6], uint16_t type)
{
    struct ethernet_header *header = (struct ethernet_header *)out;
    memcpy(header->destination, destination, 6);
    memcpy(header->source, harness_peer, 6);
    header->type = be16_make(type);
    return out + sizeof(*header);
}

size_t frame_arp(uint8_t *out, uint16_t operation, const uint8_t sender_hardware[6],
                 const uint8_t sender[4], const uint8_t target_hardware[6], const uint8_t target[4])
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct arp_packet *arp = (struct arp_packet *)put_ethernet(
        out, operation == ARP_REPLY ? harness_mac : broadcast, ETHERTYPE_ARP);
    arp->hardware_type = be16_make(ARP_HARDWARE_ETHERNET);
    arp->protocol_type = be16_make(ETHERTYPE_IPV4);
    arp->hardware_length = 6;
    arp->protocol_length = 4;
    arp->operation = be16_make(operation);
    memcpy(arp->sender_hardware, sender_hardware, 6);
    memcpy(arp->sender_protocol, sender, 4);
    memcpy(arp->target_hardware, target_hardware, 6);
    memcpy(arp->target_protocol, target, 4);
    return sizeof(struct ethernet_header) + sizeof(*arp);
}

size_t frame_ipv4(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                  uint8_t protocol, uint16_t fragment, const void *payload, size_t length)
{
    struct ipv4_header *header =
        (struct ipv4_header *)put_ethernet(out, harness_mac, ETHERTYPE_IPV4);
    memset(header, 0, sizeof(*header));
    header->version_length = 0x45;
    header->total_length = be16_make((uint16_t)(sizeof(*header) + length));
    header->identification = be16_make(0x1234);
    header->fragment = be16_make(fragment);
    header->time_to_live = 64;
    header->protocol = protocol;
    memcpy(header->source, source, 4);
    memcpy(header->destination, destination, 4);
    header->checksum = be16_from_sum(checksum_finish(checksum_add(0, header, sizeof(*header))));
    if (length > 0) {
        memcpy(header + 1, payload, length);
    }
    return sizeof(struct ethernet_header) + sizeof(*header) + length;
}

size_t frame_ipv6(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                  uint8_t next_header, uint8_t hop_limit, const void *payload, size_t length)
{
    uint8_t group[6] = {0x33,           0x33, destination[12], destination[13], destination[14],
                        destination[15]};
    struct ipv6_header *header = (struct ipv6_header *)put_ethernet(
        out, destination[0] == 0xff ? group : harness_mac, ETHERTYPE_IPV6);
    header->version_class_flow = be32_make(6u << 28);
    header->payload_length = be16_make((uint16_t)length);
    header->next_header = next_header;
    header->hop_limit = hop_limit;
    memcpy(header->source, source, 16);
    memcpy(header->destination, destination, 16);
    if (length > 0) {
        memcpy(header + 1, payload, length);
    }
    return sizeof(struct ethernet_header) + sizeof(*header) + length;
}

size_t payload_udp(uint8_t *out, const uint8_t source[4], const uint8_t destination[4],
                   uint16_t source_port, uint16_t destination_port, const void *data, size_t length)
{
    struct udp_header *header = (struct udp_header *)out;
    struct ip_address from = ip_address_from_ipv4(source);
    struct ip_address to = ip_address_from_ipv4(destination);
    size_t total = sizeof(*header) + length;

    header->source_port = be16_make(source_port);
    header->destination_port = be16_make(destination_port);
    header->length = be16_make((uint16_t)total);
    header->checksum = be16_make(0);
    if (length > 0) {
        memcpy(header + 1, data, length);
    }
    uint32_t sum = ip_pseudo_sum(&from, &to, IP_UDP, (uint32_t)total);
    header->checksum = be16_from_sum(checksum_finish(checksum_add(sum, out, total)));
    return total;
}

size_t payload_icmp(uint8_t *out, uint8_t type, uint8_t code, uint32_t rest, const void *data,
                    size_t length)
{
    struct icmp_header *header = (struct icmp_header *)out;
    *header = (struct icmp_header){.type = type, .code = code, .rest = be32_make(rest)};
    if (length > 0) {
        memcpy(header + 1, data, length);
    }
    header->checksum =
        be16_from_sum(checksum_finish(checksum_add(0, out, sizeof(*header) + length)));
    return sizeof(*header) + length;
}

size_t payload_icmpv6(uint8_t *out, const uint8_t source[16], const uint8_t destination[16],
                      uint8_t type, uint8_t code, uint32_t rest, const void *data, size_t length)
{
    struct icmp_header *header = (struct icmp_header *)out;
    struct ip_address from = ip_address_from_ipv6(source);
    struct ip_address to = ip_address_from_ipv6(destination);
    size_t total = sizeof(*header) + length;

    *header = (struct icmp_header){.type = type, .code = code, .rest = be32_make(rest)};
    if (length > 0) {
        memcpy(header + 1, data, length);
    }
    uint32_t sum = ip_pseudo_sum(&from, &to, IP_ICMPV6, (uint32_t)total);
    header->checksum = be16_from_sum(checksum_finish(checksum_add(sum, out, total)));
    return total;
}

static const void *sent_payload(const struct harness *harness, size_t index, uint16_t type,
                                size_t least)
{
    if (index >= harness->frame_count) {
        return NULL;
    }
    const struct harness_frame *frame = &harness->frames[index % HARNESS_FRAMES_MAX];
    const struct ethernet_header *header = (const struct ethernet_header *)frame->data;
    if (frame->length < sizeof(*header) + least || be16_get(header->type) != type) {
        return NULL;
    }
    return header + 1;
}

const struct arp_packet *sent_arp(const struct harness *harness, size_t index)
{
    return sent_payload(harness, index, ETHERTYPE_ARP, sizeof(struct arp_packet));
}

const struct ipv4_header *sent_ipv4(const struct harness *harness, size_t index)
{
    return sent_payload(harness, index, ETHERTYPE_IPV4, sizeof(struct ipv4_header));
}

const struct ipv6_header *sent_ipv6(const struct harness *harness, size_t index)
{
    return sent_payload(harness, index, ETHERTYPE_IPV6, sizeof(struct ipv6_header));
}
