#include "net/tcp.h"

/* Whole allocations: a response of a page or less, a bulk write, a full TSO packet. */
#define BLOCK_SMALL_BYTES  2048u
#define BLOCK_MEDIUM_BYTES 16384u
#define BLOCK_LARGE_BYTES  65536u
#define BLOCK_SPARES_MAX   128u /* of the small size */
/* Of the memory limit, for spare blocks of the large size: a page allocation each otherwise. */
#define LARGE_SHARE 32u

static void drop_spares(struct net_stack *stack, struct tcp_spare_blocks *spares)
{
    while (spares->first != NULL) {
        struct tcp_block *block = spares->first;
        spares->first = block->next;
        net_release(stack, block, sizeof(*block) + block->capacity_bytes);
    }
    spares->count = 0;
}

ALWAYS_INLINE void push_spare(struct tcp_spare_blocks *spares, struct tcp_block *block)
{
    block->next = spares->first;
    spares->first = block;
    spares->count++;
}

ALWAYS_INLINE struct tcp_block *pop_spare(struct tcp_spare_blocks *spares)
{
    struct tcp_block *block = spares->first;

    if (block != NULL) {
        spares->first = block->next;
        spares->count--;
    }
    return block;
}

bool tcp_block_keep_spare(struct net_stack *stack, struct tcp_block *block)
{
    struct tcp_spare_blocks *spares = &stack->tcp->small_blocks;

    if (block->capacity_bytes != BLOCK_SMALL_BYTES - sizeof(*block) ||
        spares->count >= BLOCK_SPARES_MAX) {
        return false;
    }
    push_spare(spares, block);
    return true;
}

/* Of the large ones as many as fit a small part of the memory, and none when it is scarce. */
static bool keep_large(struct net_stack *stack, struct tcp_block *block)
{
    struct tcp_spare_blocks *spares = &stack->tcp->large_blocks;

    if (net_pressure(stack) != NET_PRESSURE_RELAXED) {
        drop_spares(stack, spares);
        return false;
    }
    if (block->capacity_bytes != BLOCK_LARGE_BYTES - sizeof(*block) ||
        spares->count >= stack->config.memory_limit_bytes / LARGE_SHARE / BLOCK_LARGE_BYTES) {
        return false;
    }
    push_spare(spares, block);
    return true;
}

static void block_free(struct tcp_block *block)
{
    struct net_stack *stack = block->stack;

    if (stack->tcp == NULL || !(tcp_block_keep_spare(stack, block) || keep_large(stack, block))) {
        net_release(stack, block, sizeof(*block) + block->capacity_bytes);
    }
}

void tcp_block_unref(struct tcp_block *block)
{
    block->references--;
    if (block->references == 0) {
        block_free(block);
    }
}

void tcp_send_destroy_spares(struct net_stack *stack)
{
    drop_spares(stack, &stack->tcp->small_blocks);
    drop_spares(stack, &stack->tcp->large_blocks);
}

static struct tcp_block *block_allocate(struct net_stack *stack, size_t want_bytes)
{
    struct tcp_block *block = NULL;
    size_t size = BLOCK_SMALL_BYTES;

    if (net_pressure(stack) == NET_PRESSURE_RELAXED && want_bytes > size - sizeof(*block)) {
        size = want_bytes > BLOCK_MEDIUM_BYTES ? BLOCK_LARGE_BYTES : BLOCK_MEDIUM_BYTES;
    }
    if (size == BLOCK_SMALL_BYTES) {
        block = pop_spare(&stack->tcp->small_blocks);
    } else if (size == BLOCK_LARGE_BYTES) {
        block = pop_spare(&stack->tcp->large_blocks);
    }
    if (block == NULL) {
        block = net_allocate_raw(stack, size);
        if (block == NULL) {
            return NULL;
        }
        block->stack = stack;
        block->capacity_bytes = (uint32_t)(size - sizeof(*block));
    }
    block->next = NULL;
    block->references = 1;
    block->used_bytes = 0;
    return block;
}

struct tcp_block *tcp_block_take_spare(struct net_stack *stack, size_t want_bytes)
{
    struct tcp_spare_blocks *spares = &stack->tcp->small_blocks;
    struct tcp_block *block = spares->first;

    if (block == NULL || want_bytes > block->capacity_bytes) {
        return NULL;
    }
    block = pop_spare(spares);
    block->next = NULL;
    block->references = 1;
    block->used_bytes = 0;
    return block;
}

uint32_t tcp_send_room(const struct tcp_socket *sock)
{
    uint32_t queued = tcp_send_queued(sock);

    return queued < sock->send_limit_bytes ? sock->send_limit_bytes - queued : 0;
}

/* A connection with data on its way can wait; one with none keeps a minimum. */
bool tcp_send_may_queue(const struct tcp_socket *sock)
{
    switch (tcp_share(sock)) {
    case TCP_SHARE_FREE:
        return true;
    case TCP_SHARE_FLOOR:
        return tcp_send_queued(sock) < TCP_BUFFER_FLOOR;
    case TCP_SHARE_CRAWL:
        return tcp_send_queued(sock) == 0;
    case TCP_SHARE_NONE:
        break;
    }
    return false;
}

/*
 * Room behind the last block is used up first when it is a fair piece; otherwise a new
 * block is begun, so that large writes do not end up in crumbs (a packet has only so many
 * fragments).
 */
enum err tcp_send_reserve(struct tcp_socket *sock, size_t want_bytes, struct net_span *out)
{
    struct net_stack *stack = tcp_stack(sock);
    uint32_t room = tcp_send_room(sock);
    struct tcp_block *block = sock->block_last;
    uint32_t left = block == NULL ? 0 : block->capacity_bytes - block->used_bytes;

    if (room == 0) {
        return ERR_AGAIN;
    }
    if (want_bytes > room) {
        want_bytes = room;
    }
    if (left == 0 || (left < want_bytes && left < 256 && block->used_bytes != 0)) {
        block = tcp_send_may_queue(sock) ? block_allocate(stack, want_bytes) : NULL;
        if (block == NULL) {
            sock->starved = true;
            tcp_timer_set(sock, TCP_TIMER_STARVED, stack->now_ns + TCP_STARVED_NS);
            return ERR_AGAIN;
        }
        block->sequence = sock->send_end;
        if (sock->block_last != NULL) {
            sock->block_last->next = block;
        } else {
            sock->block_first = block;
        }
        sock->block_last = block;
        left = block->capacity_bytes;
    }
    out->data = block->data + block->used_bytes;
    out->length_bytes = want_bytes < left ? want_bytes : left;
    return ERR_OK;
}

void tcp_send_commit(struct tcp_socket *sock, uint32_t length_bytes)
{
    struct tcp_block *block = sock->block_last;

    if (block == NULL || length_bytes > block->capacity_bytes - block->used_bytes) {
        return; /* not what was reserved */
    }
    block->used_bytes += length_bytes;
    sock->send_end += length_bytes;
}

static void drop_first(struct tcp_socket *sock)
{
    struct tcp_block *block = sock->block_first;

    sock->block_first = block->next;
    if (sock->block_first == NULL) {
        sock->block_last = NULL;
    }
    if (sock->block_next == block) {
        sock->block_next = NULL;
    }
    /* `next` stays: packets that hold this block find the following ones through it. */
    tcp_block_unref(block);
}

void tcp_send_release(struct tcp_socket *sock, uint32_t acknowledged)
{
    while (sock->block_first != NULL) {
        struct tcp_block *block = sock->block_first;

        if (seq_after(block->sequence + block->used_bytes, acknowledged)) {
            break;
        }
        drop_first(sock);
    }
}

void tcp_send_clear(struct tcp_socket *sock)
{
    while (sock->block_first != NULL) {
        drop_first(sock);
    }
}

static struct tcp_block *block_at(struct tcp_socket *sock, uint32_t start)
{
    struct tcp_block *block = sock->block_next;

    if (block == NULL || seq_before(start, block->sequence)) {
        block = sock->block_first;
    }
    while (block != NULL && seq_before_or_at(block->sequence + block->used_bytes, start)) {
        block = block->next;
    }
    return block;
}

uint32_t tcp_send_attach(struct tcp_socket *sock, struct net_packet *packet, uint32_t start,
                         uint32_t length)
{
    struct tcp_block *block = block_at(sock, start);
    uint32_t attached = 0;

    packet->owner = block;
    while (attached < length && block != NULL && packet->fragment_count < NET_FRAGMENTS_MAX) {
        uint32_t offset = start + attached - block->sequence;
        uint32_t take = block->used_bytes - offset;

        if (take > length - attached) {
            take = length - attached;
        }
        packet->fragments[packet->fragment_count++] =
            (struct net_fragment){.data = block->data + offset, .length_bytes = take};
        block->references++;
        attached += take;
        if (start + attached == sock->send_next + length) {
            sock->block_next = block; /* the next new data begins here or behind */
        }
        block = block->next;
    }
    return attached;
}
