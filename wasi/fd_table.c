#include "wasi/fd_table.h"

#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

#define WORD_BITS 64u
/* Capacity grows from this by this factor: 64, 256, ... FD_TABLE_MAX. */
#define FIRST_CAPACITY 64u
#define GROWTH_FACTOR  4u

/* Words of the bit map at `level` for `capacity` entries. */
static size_t level_words(uint32_t capacity, uint32_t level)
{
    size_t words = capacity;

    for (uint32_t i = 0; i <= level; i++) {
        words = (words + WORD_BITS - 1) / WORD_BITS;
    }
    return words;
}

static enum err grow_block(void *block_pointer, size_t old_bytes, size_t new_bytes)
{
    void *old_block;
    uint8_t *block;

    memcpy(&old_block, block_pointer, sizeof(old_block));
    block = heap_resize(old_block, new_bytes);
    if (block == NULL) {
        return ERR_NOMEM;
    }
    memset(block + old_bytes, 0, new_bytes - old_bytes);
    memcpy(block_pointer, &block, sizeof(block));
    return ERR_OK;
}

static enum err grow(struct fd_table *table)
{
    uint32_t old_capacity = table->capacity;
    uint32_t capacity = old_capacity == 0 ? FIRST_CAPACITY : old_capacity * GROWTH_FACTOR;
    enum err error;

    if (capacity > FD_TABLE_MAX) {
        return ERR_MFILE;
    }
    /* A block that has grown already when a later one cannot is no harm: it grows from its
     * recorded size again, and what lies behind that is cleared again. */
    error = grow_block(&table->entries, old_capacity * sizeof(void *), capacity * sizeof(void *));
    for (uint32_t level = 0; level < FD_TABLE_LEVELS && error == ERR_OK; level++) {
        size_t old_words = old_capacity == 0 ? 0 : level_words(old_capacity, level);

        error = grow_block(&table->taken[level], old_words * sizeof(uint64_t),
                           level_words(capacity, level) * sizeof(uint64_t));
    }
    if (error == ERR_OK) {
        table->capacity = capacity;
    }
    return error;
}

static void mark_taken(struct fd_table *table, uint32_t number)
{
    uint32_t bit = number;

    for (uint32_t level = 0; level < FD_TABLE_LEVELS; level++) {
        uint64_t *word = &table->taken[level][bit / WORD_BITS];

        *word |= 1ull << (bit % WORD_BITS);
        if (*word != UINT64_MAX) {
            return;
        }
        bit /= WORD_BITS;
    }
}

static void mark_free(struct fd_table *table, uint32_t number)
{
    uint32_t bit = number;

    for (uint32_t level = 0; level < FD_TABLE_LEVELS; level++) {
        table->taken[level][bit / WORD_BITS] &= ~(1ull << (bit % WORD_BITS));
        bit /= WORD_BITS;
    }
}

/* The lowest clear bit, from the top level down; FD_TABLE_MAX or more when there is none. */
static uint32_t lowest_free(const struct fd_table *table)
{
    uint32_t word = 0;

    for (uint32_t level = FD_TABLE_LEVELS; level-- > 0;) {
        if (table->taken[level][word] == UINT64_MAX) {
            return FD_TABLE_MAX;
        }
        word = word * WORD_BITS + (uint32_t)__builtin_ctzll(~table->taken[level][word]);
    }
    return word;
}

enum err fd_table_insert(struct fd_table *table, void *pointer, uint32_t *out_number)
{
    uint32_t number;

    ASSERT(pointer != NULL);
    if (table->count == table->capacity) {
        enum err error = grow(table);

        if (error != ERR_OK) {
            return error;
        }
    }
    number = lowest_free(table);
    ASSERT(number < table->capacity);
    table->entries[number] = pointer;
    table->count++;
    mark_taken(table, number);
    *out_number = number;
    return ERR_OK;
}

void fd_table_replace(struct fd_table *table, uint32_t number, void *pointer)
{
    ASSERT(fd_table_get(table, number) != NULL);
    ASSERT(pointer != NULL);
    table->entries[number] = pointer;
}

void fd_table_remove(struct fd_table *table, uint32_t number)
{
    ASSERT(fd_table_get(table, number) != NULL);
    table->entries[number] = NULL;
    table->count--;
    mark_free(table, number);
}

void fd_table_destroy(struct fd_table *table)
{
    heap_free(table->entries);
    for (uint32_t level = 0; level < FD_TABLE_LEVELS; level++) {
        heap_free(table->taken[level]);
    }
    *table = (struct fd_table){0};
}
