/*
 * Keyed hashing for the network: a strong one for numbers that a stranger must not guess, a
 * fast one for tables that a stranger must not be able to unbalance, and a table that grows
 * a little with each insertion, so that no packet pays for the whole move.
 *
 * The table links nodes that their owners embed and keep; it owns only its buckets, taken from
 * net_allocate. Context as net.h says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/inline.h"

struct net_stack;

/* SipHash-2-4 (Aumasson, Bernstein 2012) of whole 64-bit words. */
uint64_t hash_sip(const uint64_t key[2], const uint64_t *words, size_t word_count);

/*
 * A multiply-mix hash of two addresses and two ports. The key makes collisions
 * unpredictable; the result is never shown to the network.
 */
ALWAYS_INLINE uint64_t hash_mix(uint64_t left, uint64_t right)
{
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

ALWAYS_INLINE uint32_t hash_tuple(const uint64_t key[3], const uint64_t local[2],
                                  const uint64_t remote[2], uint32_t ports)
{
    uint64_t a = hash_mix(local[0] ^ remote[0] ^ key[0], (local[1] + ports) ^ key[1]);
    uint64_t b = hash_mix(a ^ remote[1], ports ^ key[2]);

    return (uint32_t)(b ^ b >> 32);
}

struct net_hash_node {
    struct net_hash_node *next;
    uint32_t hash;
};

struct net_hash {
    struct net_hash_node **buckets;
    struct net_hash_node **old_buckets; /* being emptied; NULL: no move under way */
    size_t bucket_count;                /* a power of two */
    size_t old_bucket_count;
    size_t moved_count; /* old buckets below this are empty */
    size_t count;
};

enum err net_hash_init(struct net_stack *stack, struct net_hash *table,
                       size_t bucket_count) WARN_UNUSED;
void net_hash_destroy(struct net_stack *stack, struct net_hash *table);
/* Never fails: when there is no memory to grow, chains get longer. */
void net_hash_insert(struct net_stack *stack, struct net_hash *table, struct net_hash_node *node,
                     uint32_t hash);
void net_hash_remove(struct net_hash *table, struct net_hash_node *node);

/* The bucket that holds all nodes of this hash (among others). */
static inline struct net_hash_node **net_hash_bucket(const struct net_hash *table, uint32_t hash)
{
    if (__builtin_expect(table->old_buckets != NULL, 0)) {
        size_t old_index = hash & (table->old_bucket_count - 1);
        if (old_index >= table->moved_count) {
            return &table->old_buckets[old_index];
        }
    }
    return &table->buckets[hash & (table->bucket_count - 1)];
}

/* Walks the nodes of exactly this hash. */
static inline struct net_hash_node *net_hash_match(struct net_hash_node *node, uint32_t hash)
{
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}
