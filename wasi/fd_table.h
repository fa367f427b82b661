/*
 * Numbers to pointers: the descriptor table. Look-up, insertion at the lowest free number
 * and removal take constant time at any size: a tree of bit maps, 64 ways a level, says where
 * the lowest free number is.
 *
 * Knows nothing about what the pointers mean and owns only its arrays, which grow as
 * numbers are taken. Normal kernel context; a struct of zeros is an empty table.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define FD_TABLE_LEVELS 3u
/* 64 to the power of the levels. */
#define FD_TABLE_MAX 262144u

struct fd_table {
    void **entries;
    uint32_t capacity; /* 0, or 64 times a power of four */
    uint32_t count;
    /*
     * Level 0 has one bit an entry, set when the entry is taken; each further level one bit
     * a word of the level below, set when that word is full.
     */
    uint64_t *taken[FD_TABLE_LEVELS];
};

/* Stores `pointer` (not NULL) at the lowest free number. ERR_MFILE, ERR_NOMEM. */
enum err fd_table_insert(struct fd_table *table, void *pointer, uint32_t *out_number) WARN_UNUSED;

/* NULL when the number is free. */
static inline void *fd_table_get(const struct fd_table *table, uint32_t number)
{
    return number < table->capacity ? table->entries[number] : NULL;
}

/* Puts another pointer at a number that is taken. */
void fd_table_replace(struct fd_table *table, uint32_t number, void *pointer);
/* Frees a number that is taken. */
void fd_table_remove(struct fd_table *table, uint32_t number);
void fd_table_destroy(struct fd_table *table);
