#include "net/hash.h"

#include "kernel/base/sip_round.h"
#include "net/stack.h"

/* Old buckets moved with each insertion: with growth by two, the move ends well before the next. */
#define MOVES_AN_INSERTION 4u

uint64_t hash_sip(const uint64_t key[2], const uint64_t *words, size_t word_count)
{
    uint64_t v[4];

    sip_begin(v, key);
    for (size_t i = 0; i <= word_count; i++) {
        uint64_t word = i < word_count ? words[i] : (uint64_t)(word_count * 8) << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

enum err net_hash_init(struct net_stack *stack, struct net_hash *table, size_t bucket_count)
{
    *table = (struct net_hash){.bucket_count = bucket_count};
    table->buckets = net_allocate(stack, bucket_count * sizeof(*table->buckets));
    return table->buckets == NULL ? ERR_NOMEM : ERR_OK;
}

static void release_old(struct net_stack *stack, struct net_hash *table)
{
    net_release(stack, table->old_buckets, table->old_bucket_count * sizeof(*table->buckets));
    table->old_buckets = NULL;
}

void net_hash_destroy(struct net_stack *stack, struct net_hash *table)
{
    if (table->old_buckets != NULL) {
        release_old(stack, table);
    }
    if (table->buckets != NULL) {
        net_release(stack, table->buckets, table->bucket_count * sizeof(*table->buckets));
        table->buckets = NULL;
    }
}

static void move_some(struct net_stack *stack, struct net_hash *table)
{
    for (unsigned i = 0; i < MOVES_AN_INSERTION; i++) {
        struct net_hash_node *node = table->old_buckets[table->moved_count];

        while (node != NULL) {
            struct net_hash_node *next = node->next;
            struct net_hash_node **bucket = &table->buckets[node->hash & (table->bucket_count - 1)];
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
        table->moved_count++;
        if (table->moved_count == table->old_bucket_count) {
            release_old(stack, table);
            return;
        }
    }
}

static void start_growing(struct net_stack *stack, struct net_hash *table)
{
    struct net_hash_node **bigger =
        net_allocate(stack, 2 * table->bucket_count * sizeof(*table->buckets));

    if (bigger == NULL) {
        return;
    }
    table->old_buckets = table->buckets;
    table->old_bucket_count = table->bucket_count;
    table->moved_count = 0;
    table->buckets = bigger;
    table->bucket_count *= 2;
}

void net_hash_insert(struct net_stack *stack, struct net_hash *table, struct net_hash_node *node,
                     uint32_t hash)
{
    struct net_hash_node **bucket;

    if (table->old_buckets != NULL) {
        move_some(stack, table);
    } else if (table->count >= table->bucket_count) {
        start_growing(stack, table);
    }
    bucket = net_hash_bucket(table, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void net_hash_remove(struct net_hash *table, struct net_hash_node *node)
{
    struct net_hash_node **link = net_hash_bucket(table, node->hash);

    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->count--;
}
