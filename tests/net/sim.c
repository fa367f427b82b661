#include "tests/net/sim.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "net/ip_state.h"

#define HOLD_MAX 64u /* packets a card keeps before it is full */

uint64_t sim_random(struct sim *sim)
{
    /* SplitMix64 (Steele, Lea, Flood 2014). */
    uint64_t z = (sim->random_state += 0x9e3779b97f4a7c15ull);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return bound == 0 ? 0 : sim_random(sim) % bound;
}

bool sim_chance(struct sim *sim, uint32_t ppm)
{
    return ppm != 0 && sim_below(sim, 1000000) < ppm;
}

void sim_fail(struct sim *sim, const char *reason)
{
    if (!sim->broken) {
        sim->broken = true;
        sim->reason = reason;
    }
}

struct ip_address sim_address(unsigned host)
{
    uint8_t bytes[4] = {10, 0, 0, (uint8_t)(host + 1)};
    return ip_address_from_ipv4(bytes);
}

struct ip_address sim_address_ipv6(const struct sim *sim, unsigned host)
{
    return sim->host[host].stack->ip->netif.ipv6[0].address;
}

/* ---- Hooks -------------------------------------------------------------------------------------
 */

static uint64_t hook_now(void *context)
{
    return ((struct sim_host *)context)->sim->now_ns;
}

static void hook_random(void *context, void *data, size_t size)
{
    uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)sim_random(((struct sim_host *)context)->sim);
    }
}

struct block {
    size_t size;
    size_t padding;
};

static void *hook_allocate(void *context, size_t size)
{
    struct sim_host *host = context;
    struct block *block;

    host->allocations_asked++;
    if (host->fail_first != 0 && host->allocations_asked >= host->fail_first &&
        host->allocations_asked - host->fail_first < host->fail_count) {
        return NULL;
    }
    if (sim_chance(host->sim, (uint32_t)host->allocations_fail_ppm)) {
        return NULL;
    }
    block = malloc(sizeof(*block) + size);
    memset(block + 1, 0xa5, size);
    block->size = size;
    host->allocated_bytes += size;
    host->allocated_count++;
    return block + 1;
}

static void hook_free(void *context, void *data)
{
    struct sim_host *host = context;
    struct block *block = (struct block *)data - 1;

    host->allocated_bytes -= block->size;
    host->allocated_count--;
    memset(data, 0x5a, block->size);
    free(block);
}

static void hook_wake(void *context, struct net_socket *socket)
{
    struct sim_host *host = context;
    bool *flag = net_socket_user(socket);

    host->woken++;
    if (flag != NULL) {
        *flag = true;
    }
}

/* ---- The card ------------------------------------------------------------------------------- */

static void finish_held(struct sim_host *host)
{
    while (host->held != NULL) {
        struct net_packet *packet = host->held;
        host->held = packet->next;
        host->held_count--;
        packet->done(packet);
    }
}

static enum err card_transmit(struct netdev *device, struct net_packet *packet)
{
    struct sim_host *host = device->driver;

    if (host->held_count >= HOLD_MAX) {
        return ERR_AGAIN;
    }
    sim_link_send(host, packet);
    packet->next = host->held;
    host->held = packet;
    host->held_count++;
    return ERR_OK;
}

static void card_flush(struct netdev *device)
{
    ((struct sim_host *)device->driver)->flushes++;
}

struct card_buffer {
    struct net_buffer buffer;
    struct sim_host *host;
    uint8_t data[];
};

static struct net_buffer *make_chain(struct sim_host *host, const struct sim_frame *frame)
{
    struct net_buffer *first = NULL;
    struct net_buffer **link = &first;

    for (uint32_t at = 0; at < frame->length; at += host->part_bytes) {
        uint32_t take =
            frame->length - at < host->part_bytes ? frame->length - at : host->part_bytes;
        struct card_buffer *own = calloc(1, sizeof(*own) + take);
        own->host = host;
        memcpy(own->data, frame->data + at, take);
        own->buffer.data = own->data;
        own->buffer.length_bytes = take;
        own->buffer.capacity_bytes = host->part_bytes;
        own->buffer.owner = own;
        *link = &own->buffer;
        link = &own->buffer.next_part;
        host->buffers_out++;
    }
    first->total_bytes = frame->length;
    first->checksum_valid = frame->checksum_valid;
    first->gso = frame->gso;
    first->gso_size_bytes = frame->gso_size;
    return first;
}

void sim_inject(struct sim_host *host, const uint8_t *data, uint32_t length)
{
    struct sim_frame *frame = calloc(1, sizeof(*frame) + length);

    memcpy(frame->data, data, length);
    frame->length = length;
    net_stack_tick(host->stack);
    host->device.receive(host->device.stack, make_chain(host, frame));
    free(frame);
}

static size_t card_poll(struct netdev *device, size_t budget)
{
    struct sim_host *host = device->driver;
    size_t count = 0;

    finish_held(host);
    sim_link_deliver(host);
    while (host->received != NULL && count < budget) {
        struct sim_frame *frame = host->received;
        if (device->receive_pool_bytes != 0 &&
            host->buffers_out * host->part_bytes >= device->receive_pool_bytes) {
            break; /* nowhere to put it */
        }
        host->received = frame->next;
        if (host->received == NULL) {
            host->received_last = NULL;
        }
        device->receive(device->stack, make_chain(host, frame));
        free(frame);
        count++;
    }
    return count;
}

static void card_free(struct netdev *device, struct net_buffer *chain)
{
    (void)device;
    while (chain != NULL) {
        struct net_buffer *next = chain->next_part;
        struct card_buffer *own = chain->owner;
        own->host->buffers_out--;
        free(own);
        chain = next;
    }
}

static bool card_arm(struct netdev *device)
{
    return ((struct sim_host *)device->driver)->received != NULL;
}

static const struct netdev_ops card_ops = {
    .transmit = card_transmit,
    .flush = card_flush,
    .poll = card_poll,
    .receive_free = card_free,
    .arm = card_arm,
};

/* ---- The whole ------------------------------------------------------------------------------ */

void sim_create(struct sim *sim, const struct sim_config *config)
{
    memset(sim, 0, sizeof(*sim));
    sim->random_state = config->seed * 0x2545f4914f6cdd1dull + 1;
    sim->now_ns = SIM_S + sim_below(sim, SIM_S);
    for (unsigned i = 0; i < 2; i++) {
        struct sim_host *host = &sim->host[i];
        struct net_hooks hooks = {.context = host,
                                  .now_ns = hook_now,
                                  .random = hook_random,
                                  .allocate = hook_allocate,
                                  .free = hook_free,
                                  .wake = hook_wake};
        struct net_config net = {.dhcp = config->dhcp[i],
                                 .address = {10, 0, 0, (uint8_t)(i + 1)},
                                 .prefix_length = 24,
                                 .memory_limit_bytes = config->memory_limit_bytes};
        host->sim = sim;
        host->link = config->link[i];
        host->part_bytes = config->part_bytes != 0 ? config->part_bytes : 2048;
        host->device.ops = &card_ops;
        host->device.driver = host;
        host->device.mtu_bytes = config->mtu_bytes;
        host->device.features = config->features[i];
        host->device.receive_pool_bytes = config->receive_pool_bytes;
        memcpy(host->device.address, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
        host->fail_first = config->fail_first[i];
        host->fail_count = config->fail_count[i];
        enum err err;
        do {
            size_t before = host->allocated_count;
            err = net_stack_create(&hooks, &host->device, &net, &host->stack);
            if (err != ERR_OK && host->allocated_count != before) {
                sim_fail(sim, "a stack that was not made keeps memory");
            }
        } while (err != ERR_OK && host->fail_first != 0);
        if (err != ERR_OK) {
            sim_fail(sim, "net_stack_create");
        }
    }
}

void sim_destroy(struct sim *sim)
{
    for (unsigned i = 0; i < 2; i++) {
        struct sim_host *host = &sim->host[i];
        finish_held(host);
        net_stack_destroy(host->stack);
        finish_held(host);
        sim_link_clear(host);
        if (host->allocated_bytes != 0 || host->allocated_count != 0) {
            sim_fail(sim, "memory was not given back");
        }
        if (host->buffers_out != 0) {
            sim_fail(sim, "receive buffers were not given back");
        }
    }
}

void sim_step(struct sim *sim, uint64_t limit_ns)
{
    uint64_t next_ns = limit_ns;

    sim->events++;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_host *host = &sim->host[i];
        unsigned rounds = 0;
        uint64_t deadline_ns = UINT64_MAX;

        while (net_stack_poll(host->stack, &deadline_ns)) {
            deadline_ns = UINT64_MAX;
            if (++rounds > 1000) {
                sim_fail(sim, "the stack is never quiet");
                return;
            }
        }
        if (deadline_ns <= sim->now_ns) {
            sim_fail(sim, "a deadline that has passed");
        }
        next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct sim_frame *frame = sim->host[i].wire;
        if (frame != NULL && frame->arrival_ns < next_ns) {
            next_ns = frame->arrival_ns;
        }
        if (sim->host[i].held != NULL && next_ns > sim->now_ns + SIM_MS) {
            next_ns = sim->now_ns + SIM_MS; /* packets come back even on a silent wire */
        }
    }
    sim->now_ns = next_ns > sim->now_ns ? next_ns : sim->now_ns;
}
