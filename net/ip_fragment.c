#include "net/ip_state.h"

#include "kernel/base/string.h"
#include "net/ipv4.h"
#include "net/ipv6.h"

struct fragmentation {
    const struct net_packet *packet;
    struct ip_route *route;
    uint8_t protocol;
    uint8_t ecn;
    uint32_t identification;
};

/* Copies payload bytes [offset, offset + length) of a packet without IP header. */
static void packet_copy(const struct net_packet *packet, uint32_t offset, uint8_t *out,
                        uint32_t length)
{
    const uint8_t *data = packet->header + packet->header_start;
    uint32_t part = packet->header_length_bytes;

    for (unsigned i = 0; length > 0; i++) {
        if (offset < part) {
            uint32_t take = part - offset < length ? part - offset : length;
            memcpy(out, data + offset, take);
            out += take;
            length -= take;
            offset = 0;
        } else {
            offset -= part;
        }
        if (i == packet->fragment_count) {
            break;
        }
        data = packet->fragments[i].data;
        part = packet->fragments[i].length_bytes;
    }
}

static struct net_packet *piece_make(struct net_stack *stack, const struct fragmentation *job,
                                     uint32_t offset, uint32_t length)
{
    struct net_buffer *buffer = net_buffer_allocate(stack, length);
    if (buffer == NULL) {
        return NULL;
    }
    buffer->length_bytes = length;
    buffer->total_bytes = length;
    packet_copy(job->packet, offset, buffer->data, length);

    struct net_packet *piece = ip_packet_for_chain(stack, buffer);
    if (piece == NULL) {
        net_buffer_free(stack, buffer);
        return NULL;
    }
    piece->fragments[0] = (struct net_fragment){.data = buffer->data, .length_bytes = length};
    piece->fragment_count = 1;
    return piece;
}

/* RFC 791 §3.2 and RFC 8200 §4.5: headers of the piece that starts at `offset`. */
static void piece_push_headers(const struct fragmentation *job, struct net_packet *piece,
                               uint32_t offset, uint32_t length, bool more)
{
    if (job->route->is_ipv4) {
        struct ipv4_header *header =
            ipv4_push_header(piece, job->route, job->protocol, job->ecn, length);
        ipv4_set_fragment(header, (uint16_t)job->identification,
                          (uint16_t)(offset / 8 | (more ? IPV4_FRAGMENT_MORE_BIT : 0u)));
        return;
    }
    struct ipv6_fragment *fragment = (struct ipv6_fragment *)(piece->header + piece->header_start);
    fragment->next_header = job->protocol;
    fragment->reserved = 0;
    fragment->offset_more = be16_make((uint16_t)(offset | more));
    fragment->identification = be32_make(job->identification);
    piece->header_length_bytes = sizeof(*fragment);
    ipv6_push_header(piece, job->route, IPV6_NEXT_FRAGMENT, job->ecn,
                     length + (uint32_t)sizeof(*fragment));
}

void ip_fragment_transmit(struct net_stack *stack, struct ip_route *route,
                          struct net_packet *packet, uint8_t protocol, uint8_t ecn)
{
    struct fragmentation job = {
        .packet = packet,
        .route = route,
        .protocol = protocol,
        .ecn = ecn,
        .identification = net_random32(stack), /* unpredictable: RFC 7739 */
    };
    uint32_t overhead = route->is_ipv4 ? sizeof(struct ipv4_header)
                                       : sizeof(struct ipv6_header) + sizeof(struct ipv6_fragment);
    uint32_t room = (route->mtu_bytes - overhead) & ~7u;
    uint32_t total = ip_packet_payload_bytes(packet);

    for (uint32_t offset = 0; offset < total; offset += room) {
        bool more = total - offset > room;
        uint32_t length = more ? room : total - offset;
        struct net_packet *piece = piece_make(stack, &job, offset, length);
        /* Without one piece the others are worth nothing. */
        if (piece == NULL) {
            IP_COUNT(stack, dropped_memory);
            break;
        }
        piece_push_headers(&job, piece, offset, length, more);
        ip_transmit_routed(stack, route, piece);
    }
    packet->done(packet);
}
