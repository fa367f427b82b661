#include "fs/ext/ext_volume.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

/*
 * Replaying the journal after a crash, in three passes over the log as Linux's
 * fs/jbd2/recovery.c makes them: find the last transaction with a commit record, collect
 * what was revoked, then write the blocks to their places. Everything in the log is
 * untrusted: numbers are checked, and no pass takes more steps than the ring has blocks.
 */

enum pass { PASS_SCAN, PASS_REVOKE, PASS_REPLAY };

/* A block and the newest transaction that revoked it. */
struct revocation {
    uint32_t block;
    uint32_t sequence;
};

struct recovery {
    struct ext_volume *volume;
    enum pass pass;
    uint32_t at;           /* index in the journal */
    uint32_t steps;        /* blocks of the ring visited in this pass */
    uint32_t sequence;     /* expected */
    uint32_t end_sequence; /* the first transaction that is not complete */
    uint8_t *block;        /* a page: the journal block being looked at */
    uint8_t *data;         /* a page: the block being replayed */
    struct revocation *revocations;
    size_t revocation_count;
    size_t revocation_capacity;
    uint32_t replayed_count;
};

static void ring_step(struct recovery *recovery)
{
    const struct ext_journal *journal = &recovery->volume->journal;
    recovery->at++;
    recovery->steps++;
    if (recovery->at == journal->blocks_count) {
        recovery->at = journal->first;
    }
}

static bool ring_is_exhausted(const struct recovery *recovery)
{
    const struct ext_journal *journal = &recovery->volume->journal;
    return recovery->steps >= journal->blocks_count - journal->first;
}

static enum err ring_read(const struct recovery *recovery, uint8_t *out)
{
    struct ext_volume *volume = recovery->volume;
    return ext_disk_read(&volume->cache, volume->journal.map[recovery->at], 1, out);
}

/* Whether `left` is the same transaction or a later one; the numbers wrap around. */
static bool sequence_reaches(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) >= 0;
}

/* Open addressing; a hostile journal may revoke millions of blocks. Block 0 marks a free slot. */
static struct revocation *revocation_slot(struct revocation *table, size_t capacity, uint32_t block)
{
    size_t slot = block * 0x9e3779b1u;
    while (table[slot & (capacity - 1)].block != 0 && table[slot & (capacity - 1)].block != block) {
        slot++;
    }
    return &table[slot & (capacity - 1)];
}

static bool is_revoked(const struct recovery *recovery, uint32_t block)
{
    if (recovery->revocation_count == 0) {
        return false;
    }
    const struct revocation *revocation =
        revocation_slot(recovery->revocations, recovery->revocation_capacity, block);
    return revocation->block == block && block != 0 &&
           sequence_reaches(revocation->sequence, recovery->sequence);
}

static enum err revocations_grow(struct recovery *recovery)
{
    size_t old_capacity = recovery->revocation_capacity;
    size_t capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
    struct revocation *table = heap_allocate_zeroed(capacity, sizeof(table[0]));
    if (table == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < old_capacity; i++) {
        const struct revocation *old = &recovery->revocations[i];
        if (old->block != 0) {
            *revocation_slot(table, capacity, old->block) = *old;
        }
    }
    heap_free(recovery->revocations);
    recovery->revocations = table;
    recovery->revocation_capacity = capacity;
    return ERR_OK;
}

static enum err revocation_add(struct recovery *recovery, uint32_t block)
{
    if (block == 0) {
        return ERR_OK;
    }
    if (2 * recovery->revocation_count >= recovery->revocation_capacity) {
        enum err err = revocations_grow(recovery);
        if (err != ERR_OK) {
            return err;
        }
    }
    struct revocation *slot =
        revocation_slot(recovery->revocations, recovery->revocation_capacity, block);
    recovery->revocation_count += slot->block == 0;
    /* The pass goes forward in time, so the latest one wins. */
    *slot = (struct revocation){block, recovery->sequence};
    return ERR_OK;
}

static enum err revocations_read(struct recovery *recovery)
{
    const struct ext_journal_revoke *revoke = (const void *)recovery->block;
    uint32_t used_bytes = ext_be32(revoke->used_bytes);
    if (used_bytes < sizeof(*revoke) || used_bytes > recovery->volume->block_bytes) {
        return ERR_INVAL;
    }
    size_t count = (used_bytes - sizeof(*revoke)) / sizeof(uint32_t);
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        uint32_t number;
        memcpy(&number, recovery->block + sizeof(*revoke) + i * sizeof(number), sizeof(number));
        err = revocation_add(recovery, ext_be32(number));
    }
    return err;
}

/* Writes the journal block at the current place to where its tag says. */
static enum err block_replay(struct recovery *recovery, const struct ext_journal_tag *tag)
{
    struct ext_volume *volume = recovery->volume;
    uint32_t number = ext_be32(tag->block);
    if (is_revoked(recovery, number)) {
        return ERR_OK;
    }
    /* With 4 KiB blocks the superblock is in block 0, which is no file's block. */
    if (number >= volume->super->blocks_count || number < volume->super->first_data_block) {
        return ERR_INVAL;
    }
    enum err err = ring_read(recovery, recovery->data);
    if (err != ERR_OK) {
        return err;
    }
    if ((ext_be16(tag->flags) & EXT_TAG_ESCAPED) != 0) {
        uint32_t magic = ext_be32(EXT_JOURNAL_MAGIC);
        memcpy(recovery->data, &magic, sizeof(magic));
    }
    recovery->replayed_count++;
    return ext_disk_write(&volume->cache, number, 1, recovery->data);
}

static enum err descriptor_walk(struct recovery *recovery)
{
    uint32_t block_bytes = recovery->volume->block_bytes;
    uint32_t offset = sizeof(struct ext_journal_header);
    bool last = false;
    while (!last && offset + sizeof(struct ext_journal_tag) <= block_bytes) {
        struct ext_journal_tag tag;
        memcpy(&tag, recovery->block + offset, sizeof(tag));
        uint32_t flags = ext_be16(tag.flags);
        offset += (uint32_t)sizeof(tag);
        offset += (flags & EXT_TAG_SAME_UUID) != 0 ? 0 : EXT_TAG_UUID_BYTES;
        last = (flags & EXT_TAG_LAST) != 0;
        if (ring_is_exhausted(recovery)) {
            return ERR_OK;
        }
        if (recovery->pass == PASS_REPLAY) {
            enum err err = block_replay(recovery, &tag);
            if (err != ERR_OK) {
                return err;
            }
        }
        ring_step(recovery);
    }
    return ERR_OK;
}

static enum err pass_run(struct recovery *recovery, enum pass pass, uint32_t start,
                         uint32_t sequence)
{
    recovery->pass = pass;
    recovery->at = start;
    recovery->steps = 0;
    recovery->sequence = sequence;
    while (!ring_is_exhausted(recovery) &&
           (pass == PASS_SCAN || recovery->sequence != recovery->end_sequence)) {
        enum err err = ring_read(recovery, recovery->block);
        if (err != ERR_OK) {
            return err;
        }
        const struct ext_journal_header *header = (const void *)recovery->block;
        if (ext_be32(header->magic) != EXT_JOURNAL_MAGIC ||
            ext_be32(header->sequence) != recovery->sequence) {
            break;
        }
        ring_step(recovery);
        uint32_t type = ext_be32(header->type);
        if (type == EXT_JOURNAL_DESCRIPTOR) {
            err = descriptor_walk(recovery);
        } else if (type == EXT_JOURNAL_COMMIT) {
            recovery->sequence++;
        } else if (type == EXT_JOURNAL_REVOKE) {
            err = pass == PASS_REVOKE ? revocations_read(recovery) : ERR_OK;
        } else {
            break;
        }
        if (err != ERR_OK) {
            return err;
        }
    }
    if (pass == PASS_SCAN) {
        recovery->end_sequence = recovery->sequence;
    }
    return ERR_OK;
}

static enum err recovery_run(struct recovery *recovery, uint32_t start)
{
    struct ext_volume *volume = recovery->volume;
    struct ext_journal *journal = &volume->journal;
    uint32_t sequence = journal->sequence;
    enum err err = pass_run(recovery, PASS_SCAN, start, sequence);
    if (err == ERR_OK) {
        err = pass_run(recovery, PASS_REVOKE, start, sequence);
    }
    if (err == ERR_OK) {
        err = pass_run(recovery, PASS_REPLAY, start, sequence);
    }
    /* Pairs with the superblock's write: an empty journal means that all is in its place. */
    if (err == ERR_OK) {
        err = ext_disk_flush(&volume->cache);
    }
    if (err == ERR_OK) {
        /* One more, so that no block of the old log can pass for the next transaction. */
        journal->sequence = recovery->end_sequence + 1;
        err = ext_journal_write_super(volume, 0, journal->sequence);
    }
    if (err == ERR_OK) {
        err = ext_disk_flush(&volume->cache);
    }
    if (err == ERR_OK) {
        journal->is_started = false;
        log_info("ext", "replayed %u blocks of %u transactions", recovery->replayed_count,
                 recovery->end_sequence - sequence);
    }
    return err;
}

enum err ext_journal_replay(struct ext_volume *volume)
{
    struct ext_cache *cache = &volume->cache;
    enum err err = ext_disk_read(cache, volume->journal.map[0], 1, cache->staging);
    if (err != ERR_OK) {
        return err;
    }
    const void *staging = cache->staging;
    const struct ext_journal_super *super = staging;
    uint32_t start = ext_be32(super->start);
    if (start < volume->journal.first || start >= volume->journal.blocks_count) {
        return ERR_INVAL;
    }
    struct recovery recovery = {.volume = volume};
    recovery.block = heap_allocate(volume->block_bytes);
    recovery.data = heap_allocate(volume->block_bytes);
    err = ERR_NOMEM;
    if (recovery.block != NULL && recovery.data != NULL) {
        err = recovery_run(&recovery, start);
    }
    heap_free(recovery.block);
    heap_free(recovery.data);
    heap_free(recovery.revocations);
    return err;
}
