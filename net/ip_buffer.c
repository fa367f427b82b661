#include "net/ip_state.h"

#include "kernel/base/string.h"
#include "net/checksum.h"

/* A receive buffer in the stack's own memory. `buffer.owner` points to the stack to tell. */
struct own_buffer {
    struct net_buffer buffer;
    size_t allocated_bytes;
    _Alignas(16) uint8_t data[];
};

struct chain_packet {
    struct net_packet packet; /* first: `done` gets this */
    struct net_stack *stack;
    struct net_buffer *chain;
};

struct net_buffer *net_buffer_allocate(struct net_stack *stack, uint32_t capacity_bytes)
{
    size_t size = sizeof(struct own_buffer) + capacity_bytes;
    struct own_buffer *own = net_allocate_raw(stack, size);
    if (own == NULL) {
        return NULL;
    }
    memset(own, 0, sizeof(*own));
    own->allocated_bytes = size;
    own->buffer.data = own->data;
    own->buffer.capacity_bytes = capacity_bytes;
    own->buffer.owner = stack;
    return &own->buffer;
}

void net_buffer_free(struct net_stack *stack, struct net_buffer *chain)
{
    if (chain->owner != stack) {
        stack->device->ops->receive_free(stack->device, chain);
        return;
    }
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        struct own_buffer *own = (struct own_buffer *)chain;
        net_release(stack, own, own->allocated_bytes);
        chain = next;
    }
}

static void chain_packet_done(struct net_packet *packet)
{
    struct chain_packet *own = (struct chain_packet *)packet;
    struct net_stack *stack = own->stack;
    net_buffer_free(stack, own->chain);
    net_release(stack, own, sizeof(*own));
}

struct net_packet *ip_packet_for_chain(struct net_stack *stack, struct net_buffer *chain)
{
    struct chain_packet *own = net_allocate(stack, sizeof(*own));
    if (own == NULL) {
        return NULL;
    }
    own->stack = stack;
    own->chain = chain;
    own->packet.done = chain_packet_done;
    own->packet.owner = stack;
    own->packet.header_start = IP_TRANSPORT_START;
    return &own->packet;
}

/* Skips whole parts; on return *offset lies inside the part that comes back, or it is NULL. */
static const struct net_buffer *chain_seek(const struct net_buffer *part, uint32_t *offset)
{
    while (part != NULL && *offset >= part->length_bytes) {
        *offset -= part->length_bytes;
        part = part->next_part;
    }
    return part;
}

uint32_t ip_chain_copy(const struct net_buffer *chain, uint32_t offset, void *out, uint32_t length)
{
    uint32_t copied = 0;
    while (copied < length && (chain = chain_seek(chain, &offset)) != NULL) {
        uint32_t take = chain->length_bytes - offset;
        if (take > length - copied) {
            take = length - copied;
        }
        memcpy((uint8_t *)out + copied, chain->data + offset, take);
        offset += take;
        copied += take;
    }
    return copied;
}

struct net_packet *ip_packet_copy_chain(struct net_stack *stack, const struct net_buffer *chain,
                                        uint32_t offset, uint32_t length)
{
    struct net_buffer *copy = net_buffer_allocate(stack, length);
    if (copy == NULL) {
        return NULL;
    }
    struct net_packet *packet = NULL;
    copy->length_bytes = ip_chain_copy(chain, offset, copy->data, length);
    copy->total_bytes = copy->length_bytes;
    if (copy->length_bytes == length) {
        packet = ip_packet_for_chain(stack, copy);
    }
    if (packet == NULL) {
        net_buffer_free(stack, copy);
        return NULL;
    }
    if (length > 0) {
        packet->fragments[0] = (struct net_fragment){.data = copy->data, .length_bytes = length};
        packet->fragment_count = 1;
    }
    return packet;
}

uint16_t ip_checksum_chain(const struct net_buffer *chain, uint32_t offset, uint32_t length,
                           uint32_t sum)
{
    uint32_t done = 0;
    while (done < length && (chain = chain_seek(chain, &offset)) != NULL) {
        uint32_t take = chain->length_bytes - offset;
        if (take > length - done) {
            take = length - done;
        }
        sum = checksum_add_at(sum, chain->data + offset, take, done & 1);
        offset += take;
        done += take;
    }
    return checksum_fold(sum);
}

/* RFC 9293 §3.1 and RFC 8200 §8.1: the IPv6 form adds only zero bytes to the IPv4 one. */
uint32_t ip_pseudo_sum(const struct ip_address *source, const struct ip_address *destination,
                       enum ip_protocol protocol, uint32_t length)
{
    uint64_t sum = (uint64_t)__builtin_bswap32(length) + ((uint32_t)protocol << 24);
    if (ip_address_is_ipv4(source)) {
        sum += source->word[1] >> 32;
        sum += destination->word[1] >> 32;
    } else {
        for (int i = 0; i < 2; i++) {
            sum += (uint32_t)source->word[i] + (source->word[i] >> 32);
            sum += (uint32_t)destination->word[i] + (destination->word[i] >> 32);
        }
    }
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    return (uint32_t)sum;
}

uint32_t ip_packet_payload_bytes(const struct net_packet *packet)
{
    uint32_t length = packet->header_length_bytes;
    for (unsigned i = 0; i < packet->fragment_count; i++) {
        length += packet->fragments[i].length_bytes;
    }
    return length;
}

/*
 * The checksum field already holds the pseudo-header's sum, so that summing everything from
 * checksum_start on gives the sum of pseudo-header and data (virtio 1.2 §5.1.6.2).
 */
void ip_checksum_packet(struct net_packet *packet)
{
    uint8_t *start = packet->header + packet->header_start + packet->checksum_start;
    uint32_t length = (uint32_t)packet->header_length_bytes - packet->checksum_start;
    uint32_t sum = checksum_add(0, start, length);

    for (unsigned i = 0; i < packet->fragment_count; i++) {
        const struct net_fragment *fragment = &packet->fragments[i];
        sum = checksum_add_at(sum, fragment->data, fragment->length_bytes, length & 1);
        length += fragment->length_bytes;
    }
    uint16_t result = checksum_finish(sum);
    /* A UDP checksum of zero would mean "none" (RFC 768); 0xffff is the same number. */
    if (result == 0) {
        result = 0xffff;
    }
    memcpy(start + packet->checksum_offset, &result, sizeof(result));
    packet->checksum_partial = false;
}
