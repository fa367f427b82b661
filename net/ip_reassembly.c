#include "net/ip_reassembly.h"

#include "kernel/base/string.h"
#include "net/ip_state.h"

#define REASSEMBLY_TIME_NS     (30ull * NS_PER_S) /* RFC 1122 §3.3.2: 60 at most is of use */
#define REASSEMBLY_BYTES_LIMIT 65535u

static uint32_t piece_offset(const struct net_buffer *piece)
{
    return piece->gso_size_bytes * 8u;
}

static void datagram_release(struct net_stack *stack, struct reassembly_datagram *datagram)
{
    struct net_buffer *piece = datagram->fragments;
    while (piece != NULL) {
        struct net_buffer *next = piece->next_packet;
        net_buffer_free(stack, piece);
        piece = next;
    }
    stack->ip->reassembly.held_bytes -= datagram->held_bytes;
    datagram->fragments = NULL;
    datagram->fragment_count = 0;
    datagram->held_bytes = 0;
}

static void datagram_end(struct net_stack *stack, struct reassembly_datagram *datagram)
{
    datagram_release(stack, datagram);
    net_timer_cancel(&stack->timers, &datagram->timer);
}

static void datagram_expire(struct net_stack *stack, struct net_timer *timer)
{
    IP_COUNT(stack, dropped_fragment);
    datagram_release(stack, (struct reassembly_datagram *)timer);
}

static bool datagram_matches(const struct reassembly_datagram *datagram,
                             const struct ip_fragment_info *fragment)
{
    const struct ip_fragment_info *key = &datagram->key;
    return net_timer_is_set(&datagram->timer) && key->identification == fragment->identification &&
           ip_address_is_equal(&key->ip.source, &fragment->ip.source) &&
           ip_address_is_equal(&key->ip.destination, &fragment->ip.destination) &&
           /* RFC 8200 §4.5 leaves the protocol out of IPv6's key. */
           (!fragment->ip.is_ipv4 || key->ip.protocol == fragment->ip.protocol);
}

/* Finds or starts the datagram of a fragment; the oldest gives way when all are taken. */
static struct reassembly_datagram *datagram_of(struct net_stack *stack,
                                               const struct ip_fragment_info *fragment)
{
    struct ip_reassembly *reassembly = &stack->ip->reassembly;
    struct reassembly_datagram *unused = NULL;

    for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS_MAX; i++) {
        struct reassembly_datagram *datagram = &reassembly->datagrams[i];
        if (datagram_matches(datagram, fragment)) {
            return datagram;
        }
        if (!net_timer_is_set(&datagram->timer)) {
            unused = datagram;
        }
    }
    if (unused == NULL) {
        unused = &reassembly->datagrams[reassembly->next_victim++ % REASSEMBLY_DATAGRAMS_MAX];
        IP_COUNT(stack, dropped_fragment);
        datagram_end(stack, unused);
    }
    memset(unused, 0, sizeof(*unused));
    unused->key = *fragment;
    unused->timer.fire = datagram_expire;
    net_timer_set(&stack->timers, &unused->timer, stack->now_ns + REASSEMBLY_TIME_NS);
    return unused;
}

enum placement { PLACEMENT_INSERT, PLACEMENT_DUPLICATE, PLACEMENT_OVERLAP };

/* Where the fragment goes in the sorted list, and whether it may. */
static enum placement fragment_place(struct reassembly_datagram *datagram,
                                     const struct ip_fragment_info *fragment,
                                     struct net_buffer ***link)
{
    uint32_t begin = fragment->offset_bytes;
    uint32_t end = begin + fragment->ip.payload_bytes;
    struct net_buffer **at = &datagram->fragments;

    while (*at != NULL && piece_offset(*at) + (*at)->length_bytes <= begin) {
        at = &(*at)->next_packet;
    }
    *link = at;
    if (*at == NULL || piece_offset(*at) >= end) {
        return PLACEMENT_INSERT;
    }
    return piece_offset(*at) == begin && (*at)->length_bytes == fragment->ip.payload_bytes
               ? PLACEMENT_DUPLICATE
               : PLACEMENT_OVERLAP;
}

/* The rules about ends: only the last fragment's length is free, and nothing lies behind it. */
static bool fragment_end_is_valid(const struct reassembly_datagram *datagram,
                                  const struct ip_fragment_info *fragment)
{
    uint32_t end = fragment->offset_bytes + fragment->ip.payload_bytes;
    if (fragment->ip.payload_bytes == 0 || end > REASSEMBLY_BYTES_LIMIT - fragment->header_bytes) {
        return false;
    }
    if (fragment->more) {
        return fragment->ip.payload_bytes % 8 == 0 &&
               (datagram->total_bytes == 0 || end <= datagram->total_bytes);
    }
    if (datagram->total_bytes != 0 && datagram->total_bytes != end) {
        return false;
    }
    for (const struct net_buffer *piece = datagram->fragments; piece != NULL;
         piece = piece->next_packet) {
        if (piece_offset(piece) + piece->length_bytes > end) {
            return false;
        }
    }
    return true;
}

static bool fragment_add(struct net_stack *stack, struct reassembly_datagram *datagram,
                         const struct net_buffer *chain, const struct ip_fragment_info *fragment)
{
    struct ip_reassembly *reassembly = &stack->ip->reassembly;
    uint32_t length = fragment->ip.payload_bytes;
    struct net_buffer **link;

    if (!fragment_end_is_valid(datagram, fragment)) {
        return false;
    }
    enum placement placement = fragment_place(datagram, fragment, &link);
    if (placement == PLACEMENT_DUPLICATE) {
        return true;
    }
    if (placement == PLACEMENT_OVERLAP || datagram->fragment_count == REASSEMBLY_FRAGMENTS_MAX ||
        reassembly->held_bytes + length > REASSEMBLY_BYTES_MAX) {
        return false;
    }
    struct net_buffer *piece = net_buffer_allocate(stack, length);
    if (piece == NULL) {
        return false;
    }
    piece->length_bytes = ip_chain_copy(chain, fragment->ip.payload_offset, piece->data, length);
    piece->gso_size_bytes = (uint16_t)(fragment->offset_bytes / 8);
    piece->next_packet = *link;
    *link = piece;
    datagram->fragment_count++;
    datagram->held_bytes += length;
    reassembly->held_bytes += length;
    if (!fragment->more) {
        datagram->total_bytes = fragment->offset_bytes + length;
    }
    if (fragment->ip.ecn == IP_ECN_CE) {
        datagram->congested = true;
    }
    if (fragment->offset_bytes == 0) {
        datagram->have_header = true;
        datagram->key.ip = fragment->ip;
        datagram->header_bytes = (uint8_t)fragment->header_bytes;
        memcpy(datagram->header, chain->data + fragment->ip.header_offset, fragment->header_bytes);
    }
    return true;
}

/* Joins the pieces behind the first one's header when every byte is there. */
static struct net_buffer *datagram_join(struct net_stack *stack,
                                        struct reassembly_datagram *datagram,
                                        struct ip_received *whole)
{
    /* Pieces never overlap, so that as many bytes as the total are all of them. */
    if (datagram->total_bytes == 0 || datagram->held_bytes != datagram->total_bytes ||
        !datagram->have_header) {
        return NULL;
    }
    struct net_buffer *joined =
        net_buffer_allocate(stack, datagram->header_bytes + datagram->total_bytes);
    if (joined == NULL) {
        IP_COUNT(stack, dropped_memory);
        datagram_end(stack, datagram);
        return NULL;
    }
    memcpy(joined->data, datagram->header, datagram->header_bytes);
    joined->length_bytes = datagram->header_bytes;
    for (const struct net_buffer *piece = datagram->fragments; piece != NULL;
         piece = piece->next_packet) {
        memcpy(joined->data + joined->length_bytes, piece->data, piece->length_bytes);
        joined->length_bytes += piece->length_bytes;
    }
    joined->total_bytes = joined->length_bytes;
    *whole = datagram->key.ip;
    whole->header_offset = 0;
    whole->payload_offset = datagram->header_bytes;
    whole->payload_bytes = datagram->total_bytes;
    whole->checksum_valid = false; /* The device could not have verified it. */
    if (datagram->congested) {     /* RFC 3168 §5.3. */
        whole->ecn = IP_ECN_CE;
    }
    stack->ip->statistics.reassembled++;
    datagram_end(stack, datagram);
    return joined;
}

struct net_buffer *ip_reassemble(struct net_stack *stack, struct net_buffer *chain,
                                 const struct ip_fragment_info *fragment, struct ip_received *whole)
{
    struct net_buffer *joined = NULL;

    if (fragment->header_bytes > REASSEMBLY_HEADER_MAX) {
        IP_COUNT(stack, dropped_fragment);
    } else {
        struct reassembly_datagram *datagram = datagram_of(stack, fragment);
        if (datagram->condemned || !fragment_add(stack, datagram, chain, fragment)) {
            /* The entry stays until its time is up, to swallow what is still to come. */
            IP_COUNT(stack, dropped_fragment);
            datagram_release(stack, datagram);
            datagram->condemned = true;
        } else {
            joined = datagram_join(stack, datagram, whole);
        }
    }
    net_buffer_free(stack, chain);
    return joined;
}

void ip_reassembly_destroy(struct net_stack *stack)
{
    for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS_MAX; i++) {
        datagram_end(stack, &stack->ip->reassembly.datagrams[i]);
    }
}
