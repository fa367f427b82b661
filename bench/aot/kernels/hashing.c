/* An open-addressing hash table: inserts, hits and misses. */
#include "kernel.h"

enum { SLOTS = 1 << 20, KEYS = 700000 };
static uint64_t keys[SLOTS];
static uint32_t values[SLOTS];

static uint32_t slot_of(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdull;
    key ^= key >> 33;
    return (uint32_t)key & (SLOTS - 1);
}

double run(void)
{
    for (int i = 0; i < SLOTS; i++) {
        keys[i] = 0;
    }
    for (uint64_t key = 1; key <= KEYS; key++) {
        uint32_t slot = slot_of(key * 3);
        while (keys[slot]) {
            slot = (slot + 1) & (SLOTS - 1);
        }
        keys[slot] = key * 3;
        values[slot] = (uint32_t)key;
    }
    uint32_t hits = 0;
    for (int round = 0; round < 3; round++) {
        for (uint64_t key = 1; key <= 2 * KEYS; key++) {
            for (uint32_t slot = slot_of(key); keys[slot]; slot = (slot + 1) & (SLOTS - 1)) {
                if (keys[slot] == key) {
                    hits += values[slot] & 3;
                    break;
                }
            }
        }
    }
    return hits;
}
