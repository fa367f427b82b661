#include "net/ip_neighbour.h"

#include "kernel/base/string.h"
#include "net/arp.h"
#include "net/ethernet.h"
#include "net/ip_state.h"
#include "net/ndp.h"

/* RFC 4861 §10. */
#define NEIGHBOUR_REACHABLE_MS     30000u
#define NEIGHBOUR_RETRANSMIT_MS    1000u
#define NEIGHBOUR_DELAY_MS         5000u
#define NEIGHBOUR_MULTICAST_PROBES 3u
#define NEIGHBOUR_UNICAST_PROBES   3u

static uint32_t neighbour_bucket(const struct ip_neighbours *neighbours,
                                 const struct ip_address *address)
{
    uint64_t mixed =
        (address->word[0] ^ address->word[1] ^ neighbours->hash_key) * 0x9e3779b97f4a7c15ull;
    return (uint32_t)(mixed >> 56);
}
_Static_assert(NEIGHBOUR_HASH_BUCKETS == 256, "the hash gives 8 bits");

void neighbours_init(struct net_stack *stack)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    neighbours->hash_key = net_random32(stack);
    neighbours->reachable_ms = NEIGHBOUR_REACHABLE_MS;
    neighbours->retransmit_ms = NEIGHBOUR_RETRANSMIT_MS;
    memset(neighbours->bucket, 0xff, sizeof(neighbours->bucket));
}

struct neighbour *neighbour_find(struct ip_neighbours *neighbours, const struct ip_address *address)
{
    uint16_t index = neighbours->bucket[neighbour_bucket(neighbours, address)];
    while (index != NEIGHBOUR_NONE) {
        struct neighbour *entry = &neighbours->entries[index];
        if (ip_address_is_equal(&entry->address, address)) {
            return entry;
        }
        index = entry->hash_next;
    }
    return NULL;
}

static struct net_packet *pending_pop(struct net_stack *stack, struct neighbour *entry)
{
    struct net_packet *packet = entry->pending_first;
    if (packet == NULL) {
        return NULL;
    }
    entry->pending_first = packet->next;
    if (entry->pending_first == NULL) {
        entry->pending_last = NULL;
    }
    entry->pending_count--;
    stack->ip->neighbours.pending_count--;
    packet->next = NULL;
    return packet;
}

/*
 * RFC 4861 §7.2.2: when an address's queue overflows, the new packet replaces its oldest. All
 * queues together are bounded, too, or packets from made-up neighbours could hold any amount.
 */
static void pending_push(struct net_stack *stack, struct neighbour *entry,
                         struct net_packet *packet)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    if (entry->pending_count >= NEIGHBOUR_PENDING_MAX ||
        neighbours->pending_count >= NEIGHBOURS_PENDING_MAX) {
        struct net_packet *oldest = pending_pop(stack, entry);
        IP_COUNT(stack, dropped_unroutable);
        if (oldest == NULL) {
            packet->done(packet);
            return;
        }
        oldest->done(oldest);
    }
    packet->next = NULL;
    if (entry->pending_last == NULL) {
        entry->pending_first = packet;
    } else {
        entry->pending_last->next = packet;
    }
    entry->pending_last = packet;
    entry->pending_count++;
    neighbours->pending_count++;
}

/* Tells the transport that a packet that waited in vain will never arrive (RFC 4861 §7.2.2). */
static void report_no_neighbour(struct net_stack *stack, const struct net_packet *packet)
{
    const uint8_t *frame = packet->header + packet->header_start;
    struct ip_error error = {.report = IP_REPORT_NO_NEIGHBOUR};
    const uint8_t *ports;
    uint8_t protocol;

    frame += sizeof(struct ethernet_header);
    if (frame[0] >> 4 == 4) {
        const struct ipv4_header *header = (const struct ipv4_header *)frame;
        if ((be16_get(header->fragment) & IPV4_FRAGMENT_OFFSET_MASK) != 0) {
            return;
        }
        error.source = ip_address_from_ipv4(header->source);
        error.destination = ip_address_from_ipv4(header->destination);
        protocol = header->protocol;
        ports = frame + sizeof(*header);
    } else {
        const struct ipv6_header *header = (const struct ipv6_header *)frame;
        error.source = ip_address_from_ipv6(header->source);
        error.destination = ip_address_from_ipv6(header->destination);
        protocol = header->next_header;
        ports = frame + sizeof(*header);
    }
    /* Transport headers always stand in packet->header, behind the ones just read. */
    const struct udp_header *first = (const struct udp_header *)ports;
    error.source_port = be16_get(first->source_port);
    error.destination_port = be16_get(first->destination_port);
    if (protocol == IP_TCP) {
        error.sequence = be32_get(((const struct tcp_header *)ports)->sequence);
        tcp_error(stack, &error);
    } else if (protocol == IP_UDP) {
        udp_error(stack, &error);
    }
}

static void pending_fail(struct net_stack *stack, struct neighbour *entry, bool report)
{
    /* Taken off first: a report may make a transport send to the same address again. */
    struct ip_packet_queue failed = {0};
    struct net_packet *packet;
    while ((packet = pending_pop(stack, entry)) != NULL) {
        ip_queue_push(&failed, packet);
    }
    while ((packet = ip_queue_pop(&failed)) != NULL) {
        IP_COUNT(stack, dropped_unroutable);
        if (report) {
            report_no_neighbour(stack, packet);
        }
        packet->done(packet);
    }
}

static void neighbour_release(struct net_stack *stack, struct neighbour *entry)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    uint16_t *link = &neighbours->bucket[neighbour_bucket(neighbours, &entry->address)];
    while (&neighbours->entries[*link] != entry) {
        link = &neighbours->entries[*link].hash_next;
    }
    *link = entry->hash_next;

    net_timer_cancel(&stack->timers, &entry->timer);
    entry->state = NEIGHBOUR_FREE;
    /* Routes hold the index and the link address of reachable entries. */
    stack->route_generation++;
}

static void neighbour_remove(struct net_stack *stack, struct neighbour *entry, bool report)
{
    neighbour_release(stack, entry);
    pending_fail(stack, entry, report);
}

static uint64_t neighbour_reachable_ns(struct net_stack *stack)
{
    /* RFC 4861 §6.3.2: uniformly between half and one and a half times the base. */
    uint64_t base = stack->ip->neighbours.reachable_ms;
    return (base / 2 + net_random32(stack) % (base + 1)) * NS_PER_MS;
}

static void neighbour_ask(struct net_stack *stack, const struct neighbour *entry)
{
    const uint8_t *link = entry->state == NEIGHBOUR_PROBE ? entry->link : NULL;
    if (ip_address_is_ipv4(&entry->address)) {
        arp_request(stack, netif_ipv4_from_bytes(ip_address_ipv4_bytes(&entry->address)), link);
    } else {
        ndp_solicit(stack, &entry->address, link);
    }
}

/* RFC 4861 §7.3.3: what happens when an entry's time is up. */
static void neighbour_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct neighbour *entry = (struct neighbour *)timer;
    uint64_t retransmit_ns = stack->ip->neighbours.retransmit_ms * NS_PER_MS;

    switch (entry->state) {
    case NEIGHBOUR_INCOMPLETE:
        if (entry->probes_sent >= NEIGHBOUR_MULTICAST_PROBES) {
            neighbour_remove(stack, entry, true);
            return;
        }
        break;
    case NEIGHBOUR_REACHABLE: {
        /* Confirmed by a transport in the meantime? Then the time starts over. */
        uint64_t until_ns = entry->confirmed_ns + neighbour_reachable_ns(stack);
        if (until_ns > stack->now_ns) {
            net_timer_set(&stack->timers, timer, until_ns);
            return;
        }
        entry->state = NEIGHBOUR_STALE;
        stack->route_generation++;
        return;
    }
    case NEIGHBOUR_DELAY:
        entry->state = NEIGHBOUR_PROBE;
        entry->probes_sent = 0;
        break;
    case NEIGHBOUR_PROBE:
        if (entry->probes_sent >= NEIGHBOUR_UNICAST_PROBES) {
            neighbour_remove(stack, entry, true);
            return;
        }
        break;
    case NEIGHBOUR_FREE:
    case NEIGHBOUR_STALE:
        return;
    }
    entry->probes_sent++;
    net_timer_set(&stack->timers, timer, stack->now_ns + retransmit_ns);
    neighbour_ask(stack, entry);
}

/*
 * The entry that costs least to lose: a stale one before a reachable one before one that packets
 * wait for, the longest unused first. Its packets are dropped.
 */
static struct neighbour *neighbour_evict(struct net_stack *stack)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    struct neighbour *victim = NULL;
    uint32_t victim_rank = 0;

    for (uint32_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct neighbour *entry = &neighbours->entries[i];
        uint32_t rank = 0;
        if (entry->state == NEIGHBOUR_FREE) {
            return entry;
        }
        if (entry->state == NEIGHBOUR_STALE) {
            rank = 3;
        } else if (entry->state == NEIGHBOUR_INCOMPLETE) {
            rank = 1;
        } else {
            rank = 2;
        }
        if (victim == NULL || rank > victim_rank ||
            (rank == victim_rank && entry->used_ns < victim->used_ns)) {
            victim = entry;
            victim_rank = rank;
        }
    }
    neighbour_remove(stack, victim, false);
    return victim;
}

static struct neighbour *neighbour_create(struct net_stack *stack, const struct ip_address *address)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    struct neighbour *entry = neighbour_evict(stack);
    uint32_t bucket = neighbour_bucket(neighbours, address);

    memset(entry, 0, sizeof(*entry));
    entry->timer.fire = neighbour_fire;
    entry->address = *address;
    entry->used_ns = stack->now_ns;
    entry->hash_next = neighbours->bucket[bucket];
    neighbours->bucket[bucket] = (uint16_t)(entry - neighbours->entries);
    return entry;
}

static void neighbour_confirm(struct net_stack *stack, struct neighbour *entry)
{
    entry->state = NEIGHBOUR_REACHABLE;
    entry->confirmed_ns = stack->now_ns;
    net_timer_set(&stack->timers, &entry->timer, stack->now_ns + neighbour_reachable_ns(stack));
}

void neighbour_learn(struct net_stack *stack, const struct ip_address *address,
                     const uint8_t link[ETHERNET_ADDRESS_BYTES], enum neighbour_news news,
                     bool create)
{
    struct neighbour *entry = neighbour_find(&stack->ip->neighbours, address);
    if (entry == NULL) {
        if (!create) {
            return;
        }
        entry = neighbour_create(stack, address);
        entry->state = NEIGHBOUR_INCOMPLETE;
    }

    bool was_incomplete = entry->state == NEIGHBOUR_INCOMPLETE;
    bool changed = was_incomplete || memcmp(entry->link, link, ETHERNET_ADDRESS_BYTES) != 0;
    if (!changed && news != NEIGHBOUR_NEWS_CONFIRMED) {
        return;
    }
    memcpy(entry->link, link, ETHERNET_ADDRESS_BYTES);
    if (changed) {
        stack->route_generation++;
    }
    if (news == NEIGHBOUR_NEWS_CONFIRMED) {
        neighbour_confirm(stack, entry);
    } else {
        entry->state = NEIGHBOUR_STALE;
        net_timer_cancel(&stack->timers, &entry->timer);
    }

    struct net_packet *packet;
    while (was_incomplete && (packet = pending_pop(stack, entry)) != NULL) {
        ethernet_set_destination(packet, entry->link);
        ethernet_transmit(stack, packet);
    }
}

void neighbour_transmit(struct net_stack *stack, struct ip_route *route, struct net_packet *packet)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    struct neighbour *entry = neighbour_find(neighbours, &route->next_hop);

    if (entry == NULL) {
        entry = neighbour_create(stack, &route->next_hop);
        entry->state = NEIGHBOUR_INCOMPLETE;
        pending_push(stack, entry, packet);
        neighbour_fire(stack, &entry->timer);
        return;
    }
    entry->used_ns = stack->now_ns;
    if (entry->state == NEIGHBOUR_INCOMPLETE) {
        pending_push(stack, entry, packet);
        return;
    }
    if (entry->state == NEIGHBOUR_STALE) {
        entry->state = NEIGHBOUR_DELAY;
        net_timer_set(&stack->timers, &entry->timer,
                      stack->now_ns + NEIGHBOUR_DELAY_MS * NS_PER_MS);
    }
    route->neighbour = (uint16_t)(entry - neighbours->entries);
    if (entry->state == NEIGHBOUR_REACHABLE && route->generation == stack->route_generation) {
        memcpy(route->link_destination, entry->link, ETHERNET_ADDRESS_BYTES);
        route->link_valid = true;
    }
    ethernet_set_destination(packet, entry->link);
    ethernet_transmit(stack, packet);
}

void ip_route_confirm(struct net_stack *stack, struct ip_route *route)
{
    if (route->neighbour >= NEIGHBOURS_MAX) {
        return;
    }
    /* The entry may have been given to another address since the route was used. */
    struct neighbour *entry = &stack->ip->neighbours.entries[route->neighbour];
    if (!ip_address_is_equal(&entry->address, &route->next_hop)) {
        return;
    }
    if (entry->state == NEIGHBOUR_REACHABLE) {
        entry->confirmed_ns = stack->now_ns;
    } else if (entry->state > NEIGHBOUR_REACHABLE) {
        neighbour_confirm(stack, entry);
    }
}

void neighbours_flush(struct net_stack *stack, bool ipv4)
{
    struct ip_neighbours *neighbours = &stack->ip->neighbours;
    for (uint32_t i = 0; i < NEIGHBOURS_MAX; i++) {
        struct neighbour *entry = &neighbours->entries[i];
        if (entry->state != NEIGHBOUR_FREE && ip_address_is_ipv4(&entry->address) == ipv4) {
            neighbour_remove(stack, entry, false);
        }
    }
}

void neighbours_destroy(struct net_stack *stack)
{
    neighbours_flush(stack, true);
    neighbours_flush(stack, false);
}
