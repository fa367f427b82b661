#include "net/stack.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "net/ip.h"

/* Frames taken from the device before what they caused is sent: one kick answers them all. */
#define RECEIVE_BUDGET 256u
/* Rounds over loopback and device before the application gets its turn. */
#define POLL_ROUNDS       8u
#define PACKET_SPARES_MAX 256u
#define BLOCKED_RETRY_NS  100000u

void *net_allocate_raw(struct net_stack *stack, size_t size_bytes)
{
    void *block;

    if (stack->memory_used_bytes > stack->config.memory_limit_bytes ||
        size_bytes > stack->config.memory_limit_bytes - stack->memory_used_bytes) {
        return NULL;
    }
    block = stack->hooks.allocate(stack->hooks.context, size_bytes);
    if (block != NULL) {
        stack->memory_used_bytes += size_bytes;
    }
    return block;
}

void *net_allocate(struct net_stack *stack, size_t size_bytes)
{
    void *block = net_allocate_raw(stack, size_bytes);

    if (block != NULL) {
        memset(block, 0, size_bytes);
    }
    return block;
}

void net_release(struct net_stack *stack, void *block, size_t size_bytes)
{
    if (block != NULL) {
        stack->memory_used_bytes -= size_bytes;
        stack->hooks.free(stack->hooks.context, block);
    }
}

void net_charge(struct net_stack *stack, size_t size_bytes)
{
    stack->memory_used_bytes += size_bytes;
}

void net_uncharge(struct net_stack *stack, size_t size_bytes)
{
    stack->memory_used_bytes -= size_bytes;
}

static void packet_done(struct net_packet *packet)
{
    net_packet_release(packet->owner, packet);
}

static RARE_CALL struct net_packet *packet_allocate_new(struct net_stack *stack)
{
    return net_allocate_raw(stack, sizeof(struct net_packet));
}

struct net_packet *net_packet_allocate(struct net_stack *stack)
{
    struct net_packet *packet = stack->packet_spares;

    if (packet != NULL) {
        stack->packet_spares = packet->next;
        stack->packet_spare_count--;
    } else {
        packet = packet_allocate_new(stack);
        if (packet == NULL) {
            return NULL;
        }
    }
    packet->next = NULL;
    packet->done = packet_done;
    packet->owner = stack;
    packet->header_start = IP_TRANSPORT_START;
    packet->header_length_bytes = 0;
    packet->fragment_count = 0;
    packet->gso = NET_GSO_NONE;
    packet->gso_size_bytes = 0;
    packet->checksum_partial = false;
    packet->checksum_start = 0;
    packet->checksum_offset = 0;
    return packet;
}

void net_packet_release(struct net_stack *stack, struct net_packet *packet)
{
    if (stack->packet_spare_count >= PACKET_SPARES_MAX) {
        net_release(stack, packet, sizeof(*packet));
        return;
    }
    packet->next = stack->packet_spares;
    stack->packet_spares = packet;
    stack->packet_spare_count++;
}

static void release_spares(struct net_stack *stack)
{
    while (stack->packet_spares != NULL) {
        struct net_packet *packet = stack->packet_spares;
        stack->packet_spares = packet->next;
        net_release(stack, packet, sizeof(*packet));
    }
    stack->packet_spare_count = 0;
}

enum err net_stack_create(const struct net_hooks *hooks, struct netdev *device,
                          const struct net_config *config, struct net_stack **out)
{
    struct net_stack *stack = hooks->allocate(hooks->context, sizeof(*stack));
    enum err err;

    if (stack == NULL) {
        return ERR_NOMEM;
    }
    memset(stack, 0, sizeof(*stack));
    stack->hooks = *hooks;
    stack->config = *config;
    stack->device = device;
    stack->route_generation = 1;
    net_timers_init(&stack->timers, net_stack_tick(stack));
    err = udp_init(stack);
    if (err == ERR_OK) {
        err = dns_init(stack);
    }
    if (err == ERR_OK) {
        err = dhcp_init(stack);
    }
    if (err == ERR_OK) {
        err = tcp_init(stack);
    }
    if (err == ERR_OK) {
        err = ip_init(stack);
    }
    if (err != ERR_OK) {
        net_stack_destroy(stack);
        return err;
    }
    dhcp_start(stack);
    *out = stack;
    return ERR_OK;
}

/* The device must have given every packet back: its driver is stopped before the stack. */
void net_stack_destroy(struct net_stack *stack)
{
    net_stack_tick(stack);
    tcp_destroy(stack);
    dhcp_destroy(stack);
    dns_destroy(stack);
    ip_destroy(stack);
    udp_destroy(stack);
    release_spares(stack);
    stack->hooks.free(stack->hooks.context, stack);
}

bool net_stack_is_configured(const struct net_stack *stack)
{
    return ip_is_configured(stack);
}

static void flush(struct net_stack *stack)
{
    if (stack->device_dirty) {
        stack->device_dirty = false;
        stack->device->ops->flush(stack->device);
    }
}

/*
 * Input first, a whole batch of it; then what the batch and the application caused; at last
 * one flush. Loopback packets sent in one round arrive in the next.
 */
bool net_stack_poll(struct net_stack *stack, uint64_t *next_deadline_ns)
{
    uint64_t now_ns = net_stack_tick(stack);
    uint64_t timer_ns;
    bool any = false;

    for (unsigned round = 0; round < POLL_ROUNDS; round++) {
        bool progress = false;

        if (stack->device != NULL) {
            progress = stack->device->ops->poll(stack->device, RECEIVE_BUDGET) > 0;
        }
        progress |= net_timers_run(stack, &stack->timers, now_ns);
        progress |= ip_poll(stack);
        progress |= tcp_poll(stack);
        any |= progress;
        if (!progress) {
            break;
        }
        if (stack->transmit_blocked) {
            flush(stack); /* a full ring drains only when the device knows of it */
        }
    }
    flush(stack);
    if (stack->transmit_blocked && now_ns + BLOCKED_RETRY_NS < *next_deadline_ns) {
        *next_deadline_ns = now_ns + BLOCKED_RETRY_NS; /* transmission raises no interrupt */
    }
    timer_ns = net_timers_next_ns(&stack->timers);
    if (timer_ns < *next_deadline_ns) {
        *next_deadline_ns = timer_ns;
    }
    return any;
}
