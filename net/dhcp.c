#include "net/dhcp.h"

#include "kernel/base/string.h"
#include "net/checksum.h"
#include "net/dhcp_message.h"
#include "net/ip_state.h"

#define DHCP_SERVER_PORT 67u
#define DHCP_CLIENT_PORT 68u
/*
 * RFC 2131 §4.1 suggests 4 s for the first retransmission; a server on the same host answers in
 * microseconds, and a lost first frame should not cost a boot that much.
 */
#define DHCP_RETRY_FIRST_MS     1000u
#define DHCP_RETRY_MAX_MS       64000u
#define DHCP_REQUESTS_MAX       4u
#define DHCP_RENEW_RETRY_MIN_S  60u
#define DHCP_LEASE_MIN_S        10u
#define DHCP_LEASE_FOREVER      0xffffffffu
#define DHCP_DECLINE_DELAY_NS   (10ull * NS_PER_S) /* RFC 2131 §3.1 step 5 */
#define DHCP_CONFLICT_WINDOW_NS (10ull * NS_PER_S)

/* RFC 2131 §4.4, figure 5. */
enum dhcp_client_state {
    CLIENT_IDLE, /* the configuration is static */
    CLIENT_SELECTING,
    CLIENT_REQUESTING,
    CLIENT_BOUND,
    CLIENT_RENEWING,
    CLIENT_REBINDING,
};

struct dhcp_state {
    struct net_timer timer; /* first: the timer leads back here */
    enum dhcp_client_state state;
    uint32_t transaction;
    uint32_t retry_ms;
    uint32_t requests_sent;
    uint64_t started_ns;
    uint64_t asked_ns; /* when the last request left: the lease runs from here */
    uint64_t bound_ns;
    uint64_t renew_ns;
    uint64_t rebind_ns;
    uint64_t expires_ns;
    uint8_t address[4];
    uint8_t server[4];
};

static const uint8_t no_address[4];

bool dhcp_is_waiting(const struct net_stack *stack)
{
    return stack->dhcp != NULL && stack->dhcp->state != CLIENT_IDLE;
}

/* Before there is an address: 0.0.0.0 to everyone (RFC 2131 §4.1). */
static struct ip_route broadcast_route(const struct net_stack *stack)
{
    static const uint8_t everyone[4] = {255, 255, 255, 255};
    struct ip_route route = {
        .source = ip_address_from_ipv4(no_address),
        .destination = ip_address_from_ipv4(everyone),
        .generation = stack->route_generation,
        .mtu_bytes = stack->ip->netif.mtu_bytes,
        .is_ipv4 = true,
        .link_valid = true,
        .neighbour = NEIGHBOUR_NONE,
    };
    memset(route.link_destination, 0xff, sizeof(route.link_destination));
    return route;
}

static void dhcp_transmit(struct net_stack *stack, struct ip_route *route,
                          const struct dhcp_request *request)
{
    struct net_buffer *buffer = net_buffer_allocate(stack, DHCP_MESSAGE_BYTES_MAX);
    struct net_packet *packet = buffer != NULL ? ip_packet_for_chain(stack, buffer) : NULL;
    if (packet == NULL) {
        if (buffer != NULL) {
            net_buffer_free(stack, buffer);
        }
        IP_COUNT(stack, dropped_memory);
        return;
    }
    uint32_t length = (uint32_t)dhcp_message_build(request, buffer->data);
    buffer->length_bytes = length;
    buffer->total_bytes = length;
    packet->fragments[0] = (struct net_fragment){.data = buffer->data, .length_bytes = length};
    packet->fragment_count = 1;

    struct udp_header *header = (struct udp_header *)(packet->header + packet->header_start);
    uint32_t total = (uint32_t)sizeof(*header) + length;
    packet->header_length_bytes = sizeof(*header);
    header->source_port = be16_make(DHCP_CLIENT_PORT);
    header->destination_port = be16_make(DHCP_SERVER_PORT);
    header->length = be16_make((uint16_t)total);
    header->checksum = be16_from_sum(
        checksum_fold(ip_pseudo_sum(&route->source, &route->destination, IP_UDP, total)));
    packet->checksum_partial = true;
    packet->checksum_offset = offsetof(struct udp_header, checksum);
    ip_transmit(stack, route, packet, IP_UDP, IP_ECN_NOT);
}

/* RFC 2131 §4.3.6, table 4: what a message carries in each state. */
static void dhcp_send(struct net_stack *stack, enum dhcp_type type)
{
    struct dhcp_state *dhcp = stack->dhcp;
    uint64_t seconds = (stack->now_ns - dhcp->started_ns) / NS_PER_S;
    struct dhcp_request request = {
        .type = type,
        .transaction = dhcp->transaction,
        .seconds = seconds > 0xffff ? 0xffff : (uint16_t)seconds,
        .hostname = stack->config.hostname,
    };
    struct ip_route route = broadcast_route(stack);

    memcpy(request.hardware, stack->device->address, sizeof(request.hardware));
    if (dhcp->state == CLIENT_REQUESTING || type == DHCP_DECLINE) {
        memcpy(request.requested, dhcp->address, 4);
        memcpy(request.server, dhcp->server, 4);
    } else if (dhcp->state == CLIENT_RENEWING || dhcp->state == CLIENT_REBINDING) {
        memcpy(request.client_address, dhcp->address, 4);
        route.source = ip_address_from_ipv4(dhcp->address);
    }
    if (dhcp->state == CLIENT_RENEWING) {
        struct ip_address server = ip_address_from_ipv4(dhcp->server);
        if (ip_route(stack, &route.source, &server, &route) != ERR_OK) {
            return;
        }
    }
    dhcp->asked_ns = stack->now_ns;
    dhcp_transmit(stack, &route, &request);
}

/* Doubles the interval and spreads it by a quarter either way (RFC 2131 §4.1). */
static void dhcp_retry_later(struct net_stack *stack)
{
    struct dhcp_state *dhcp = stack->dhcp;
    uint32_t ms =
        dhcp->retry_ms - dhcp->retry_ms / 4 + net_random32(stack) % (dhcp->retry_ms / 2 + 1);

    net_timer_set(&stack->timers, &dhcp->timer, stack->now_ns + ms * NS_PER_MS);
    dhcp->retry_ms =
        dhcp->retry_ms * 2 < DHCP_RETRY_MAX_MS ? dhcp->retry_ms * 2 : DHCP_RETRY_MAX_MS;
}

static void dhcp_discover(struct net_stack *stack)
{
    dhcp_send(stack, DHCP_DISCOVER);
    dhcp_retry_later(stack);
}

static void dhcp_restart(struct net_stack *stack, uint64_t delay_ns)
{
    struct dhcp_state *dhcp = stack->dhcp;

    dhcp->state = CLIENT_SELECTING;
    dhcp->transaction = net_random32(stack);
    dhcp->retry_ms = DHCP_RETRY_FIRST_MS;
    dhcp->requests_sent = 0;
    dhcp->started_ns = stack->now_ns;
    if (delay_ns == 0) {
        dhcp_discover(stack);
    } else {
        net_timer_set(&stack->timers, &dhcp->timer, stack->now_ns + delay_ns);
    }
}

static void dhcp_unbind(struct net_stack *stack, uint64_t delay_ns)
{
    netif_set_ipv4(stack, no_address, 0, no_address);
    netif_clear_dns_servers(stack);
    dhcp_restart(stack, delay_ns);
}

static void dhcp_send_request(struct net_stack *stack)
{
    struct dhcp_state *dhcp = stack->dhcp;
    if (dhcp->requests_sent >= DHCP_REQUESTS_MAX) {
        dhcp_restart(stack, 0);
        return;
    }
    dhcp->requests_sent++;
    dhcp_send(stack, DHCP_REQUEST);
    dhcp_retry_later(stack);
}

/* RFC 2131 §4.4.5: half of what is left until the next stage, but not below a minute. */
static void dhcp_ask_again(struct net_stack *stack, uint64_t stage_end_ns)
{
    uint64_t left = stage_end_ns - stack->now_ns;
    uint64_t wait = left / 2;

    if (wait < DHCP_RENEW_RETRY_MIN_S * NS_PER_S) {
        wait = left < DHCP_RENEW_RETRY_MIN_S * NS_PER_S ? left : DHCP_RENEW_RETRY_MIN_S * NS_PER_S;
    }
    dhcp_send(stack, DHCP_REQUEST);
    net_timer_set(&stack->timers, &stack->dhcp->timer, stack->now_ns + wait);
}

static void dhcp_fire(struct net_stack *stack, struct net_timer *timer)
{
    struct dhcp_state *dhcp = (struct dhcp_state *)timer;

    switch (dhcp->state) {
    case CLIENT_IDLE:
        return;
    case CLIENT_SELECTING:
        dhcp_discover(stack);
        return;
    case CLIENT_REQUESTING:
        dhcp_send_request(stack);
        return;
    case CLIENT_BOUND:
    case CLIENT_RENEWING:
    case CLIENT_REBINDING:
        break;
    }
    if (stack->now_ns >= dhcp->expires_ns) {
        dhcp_unbind(stack, 0);
        return;
    }
    if (dhcp->state == CLIENT_BOUND) {
        dhcp->transaction = net_random32(stack);
    }
    dhcp->state = stack->now_ns >= dhcp->rebind_ns ? CLIENT_REBINDING : CLIENT_RENEWING;
    dhcp_ask_again(stack, dhcp->state == CLIENT_RENEWING ? dhcp->rebind_ns : dhcp->expires_ns);
}

/* RFC 2131 §4.4.1: the first offer that can be used is taken. */
static void dhcp_take_offer(struct net_stack *stack, const struct dhcp_reply *reply)
{
    struct dhcp_state *dhcp = stack->dhcp;

    if (memcmp(reply->server, no_address, 4) == 0) {
        return;
    }
    memcpy(dhcp->address, reply->address, 4);
    memcpy(dhcp->server, reply->server, 4);
    dhcp->state = CLIENT_REQUESTING;
    dhcp->retry_ms = DHCP_RETRY_FIRST_MS;
    dhcp->requests_sent = 0;
    dhcp_send_request(stack);
}

static void dhcp_set_times(struct net_stack *stack, const struct dhcp_reply *reply)
{
    struct dhcp_state *dhcp = stack->dhcp;
    uint32_t lease = reply->lease_s < DHCP_LEASE_MIN_S ? DHCP_LEASE_MIN_S : reply->lease_s;
    uint32_t renew = reply->renew_s;
    uint32_t rebind = reply->rebind_s;

    if (lease == DHCP_LEASE_FOREVER) {
        dhcp->expires_ns = UINT64_MAX;
        net_timer_cancel(&stack->timers, &dhcp->timer);
        return;
    }
    /* RFC 2131 §4.4.5: a half and seven eighths, unless the server names an order that works. */
    if (renew == 0 || rebind == 0 || renew >= rebind || rebind >= lease) {
        renew = lease / 2;
        rebind = lease - lease / 8;
    }
    dhcp->renew_ns = dhcp->asked_ns + renew * NS_PER_S;
    dhcp->rebind_ns = dhcp->asked_ns + rebind * NS_PER_S;
    dhcp->expires_ns = dhcp->asked_ns + lease * NS_PER_S;
    net_timer_set(&stack->timers, &dhcp->timer, dhcp->renew_ns);
}

static void dhcp_bind(struct net_stack *stack, const struct dhcp_reply *reply)
{
    struct dhcp_state *dhcp = stack->dhcp;

    memcpy(dhcp->address, reply->address, 4);
    if (memcmp(reply->server, no_address, 4) != 0) {
        memcpy(dhcp->server, reply->server, 4);
    }
    dhcp->state = CLIENT_BOUND;
    dhcp->bound_ns = stack->now_ns;
    dhcp_set_times(stack, reply);
    if (reply->mtu_bytes != 0) {
        netif_set_mtu(stack, reply->mtu_bytes);
    }
    netif_clear_dns_servers(stack);
    for (uint8_t i = 0; i < reply->dns_count; i++) {
        struct ip_address server = ip_address_from_ipv4(reply->dns[i]);
        netif_add_dns_server(stack, &server);
    }
    netif_set_ipv4(stack, reply->address, reply->prefix_length, reply->router);
}

static void dhcp_take_answer(struct net_stack *stack, const struct dhcp_reply *reply)
{
    struct dhcp_state *dhcp = stack->dhcp;
    bool from_chosen = memcmp(reply->server, dhcp->server, 4) == 0;

    /* While rebinding, any server may answer. */
    if (!from_chosen && dhcp->state != CLIENT_REBINDING) {
        return;
    }
    if (reply->type == DHCP_NAK) {
        /* A pause, or a server that always refuses would be asked without end. */
        dhcp_unbind(stack, NS_PER_S);
    } else if (reply->type == DHCP_ACK && reply->lease_s != 0) {
        dhcp_bind(stack, reply);
    }
}

void dhcp_input(struct net_stack *stack, const struct net_buffer *chain,
                const struct ip_received *ip)
{
    struct dhcp_state *dhcp = stack->dhcp;
    uint32_t offset = ip->payload_offset + (uint32_t)sizeof(struct udp_header);
    struct dhcp_reply reply;

    if (!ip_chain_has(chain, ip->payload_offset, ip->payload_bytes) || dhcp->state == CLIENT_IDLE ||
        dhcp->state == CLIENT_BOUND) {
        IP_COUNT(stack, dropped_dhcp);
        return;
    }
    const struct udp_header *udp = (const struct udp_header *)(chain->data + ip->payload_offset);
    size_t length = be16_get(udp->length) - sizeof(*udp);
    if (be16_get(udp->source_port) != DHCP_SERVER_PORT ||
        !dhcp_message_parse(chain->data + offset, length, dhcp->transaction, stack->device->address,
                            &reply)) {
        IP_COUNT(stack, dropped_dhcp);
        return;
    }
    if (dhcp->state == CLIENT_SELECTING) {
        if (reply.type == DHCP_OFFER) {
            dhcp_take_offer(stack, &reply);
        }
        return;
    }
    dhcp_take_answer(stack, &reply);
}

bool dhcp_conflict(struct net_stack *stack)
{
    struct dhcp_state *dhcp = stack->dhcp;

    if (dhcp == NULL || dhcp->state != CLIENT_BOUND ||
        stack->now_ns - dhcp->bound_ns > DHCP_CONFLICT_WINDOW_NS) {
        return false;
    }
    dhcp_send(stack, DHCP_DECLINE);
    dhcp_unbind(stack, DHCP_DECLINE_DELAY_NS);
    return true;
}

enum err dhcp_init(struct net_stack *stack)
{
    if (!stack->config.dhcp || stack->device == NULL) {
        return ERR_OK;
    }
    stack->dhcp = net_allocate(stack, sizeof(*stack->dhcp));
    if (stack->dhcp == NULL) {
        return ERR_NOMEM;
    }
    stack->dhcp->timer.fire = dhcp_fire;
    return ERR_OK;
}

void dhcp_start(struct net_stack *stack)
{
    if (stack->dhcp != NULL) {
        dhcp_restart(stack, 0);
    }
}

void dhcp_destroy(struct net_stack *stack)
{
    if (stack->dhcp == NULL) {
        return;
    }
    net_timer_cancel(&stack->timers, &stack->dhcp->timer);
    net_release(stack, stack->dhcp, sizeof(*stack->dhcp));
    stack->dhcp = NULL;
}
