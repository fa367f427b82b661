#include "net/loopback.h"

#include "kernel/base/string.h"
#include "net/ip_state.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

void loopback_transmit(struct net_stack *stack, struct net_packet *packet)
{
    struct ip_state *ip = stack->ip;
    uint32_t length = ip_packet_payload_bytes(packet);
    struct net_buffer *buffer = NULL;

    if (ip->loopback_count < LOOPBACK_PACKETS_MAX) {
        buffer = net_buffer_allocate(stack, length);
    }
    if (buffer == NULL) {
        IP_COUNT(stack, dropped_memory);
        packet->done(packet);
        return;
    }
    memcpy(buffer->data, packet->header + packet->header_start, packet->header_length_bytes);
    buffer->length_bytes = packet->header_length_bytes;
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        const struct net_fragment *fragment = &packet->fragments[i];
        memcpy(buffer->data + buffer->length_bytes, fragment->data, fragment->length_bytes);
        buffer->length_bytes += fragment->length_bytes;
    }
    buffer->total_bytes = length;
    /* It never left memory: neither checksum nor segmentation has anything to do. */
    buffer->checksum_valid = true;
    buffer->gso = packet->gso;
    buffer->gso_size_bytes = packet->gso_size_bytes;
    packet->done(packet);

    if (ip->loopback_last == NULL) {
        ip->loopback_first = buffer;
    } else {
        ip->loopback_last->next_packet = buffer;
    }
    ip->loopback_last = buffer;
    ip->loopback_count++;
}

static struct net_buffer *loopback_pop(struct ip_state *ip)
{
    struct net_buffer *buffer = ip->loopback_first;
    if (buffer == NULL) {
        return NULL;
    }
    ip->loopback_first = buffer->next_packet;
    if (ip->loopback_first == NULL) {
        ip->loopback_last = NULL;
    }
    ip->loopback_count--;
    buffer->next_packet = NULL;
    return buffer;
}

bool loopback_poll(struct net_stack *stack)
{
    struct ip_state *ip = stack->ip;
    /* Answers queue up behind and wait for the next poll, or two sockets could starve the rest. */
    uint32_t count = ip->loopback_count;

    for (uint32_t i = 0; i < count; i++) {
        struct net_buffer *buffer = loopback_pop(ip);
        if (buffer == NULL) {
            break;
        }
        if (buffer->data[0] >> 4 == 4) {
            ipv4_input(stack, buffer, 0, IP_ARRIVAL_LOOPBACK);
        } else {
            ipv6_input(stack, buffer, 0, IP_ARRIVAL_LOOPBACK);
        }
    }
    return count > 0;
}

void loopback_destroy(struct net_stack *stack)
{
    struct net_buffer *buffer;
    while ((buffer = loopback_pop(stack->ip)) != NULL) {
        net_buffer_free(stack, buffer);
    }
}
