#include "fs/ext/ext_volume.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

/*
 * Writing the journal. Kernel documentation, filesystems/ext4, "Journal (jbd2)": a ring of
 * blocks in which each transaction is
 *
 *     descriptor, block, block, ... [descriptor, block, ...] [revoke ...] commit
 *
 * Metadata are written to their places at the end of each commit, so at any time a replay
 * needs nothing older than the last transaction. The tail moves only when the ring is full,
 * because moving it costs a flush: until then a replay repeats writes that were done already,
 * in the same order, which changes nothing.
 */

static uint32_t ring_size(const struct ext_journal *journal)
{
    return journal->blocks_count - journal->first;
}

uint32_t ext_journal_capacity(const struct ext_volume *volume)
{
    return ring_size(&volume->journal);
}

static uint32_t tags_per_descriptor(const struct ext_volume *volume)
{
    size_t room = volume->block_bytes - sizeof(struct ext_journal_header) - EXT_TAG_UUID_BYTES;
    return (uint32_t)(room / sizeof(struct ext_journal_tag));
}

static uint32_t revokes_per_block(const struct ext_volume *volume)
{
    return (uint32_t)((volume->block_bytes - sizeof(struct ext_journal_revoke)) / sizeof(uint32_t));
}

enum err ext_journal_write_super(struct ext_volume *volume, uint32_t start, uint32_t sequence)
{
    struct ext_cache *cache = &volume->cache;
    enum err err = ext_disk_read(cache, volume->journal.map[0], 1, cache->staging);
    if (err == ERR_OK) {
        struct ext_journal_super *super = (void *)cache->staging;
        super->start = ext_be32(start);
        super->sequence = ext_be32(sequence);
        super->feature_incompat |= ext_be32(EXT_JOURNAL_INCOMPAT_REVOKE);
        err = ext_disk_write(cache, volume->journal.map[0], 1, cache->staging);
    }
    return err;
}

enum err ext_journal_open(struct ext_volume *volume)
{
    struct ext_journal *journal = &volume->journal;
    struct ext_cache *cache = &volume->cache;
    const struct ext_journal_super *super = (const void *)cache->staging;
    enum err err = ext_disk_read(cache, journal->map[0], 1, cache->staging);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t blocks_count = ext_be32(super->blocks_count);
    uint32_t first = ext_be32(super->first);
    if (ext_be32(super->header.magic) != EXT_JOURNAL_MAGIC ||
        ext_be32(super->header.type) != EXT_JOURNAL_SUPER_V2 ||
        ext_be32(super->block_bytes) != volume->block_bytes ||
        blocks_count > journal->blocks_count || first == 0 || first >= blocks_count ||
        blocks_count - first < 16) {
        log_error("ext", "the journal is damaged; run e2fsck");
        return ERR_INVAL;
    }
    if ((ext_be32(super->feature_incompat) & ~EXT_JOURNAL_INCOMPAT_REVOKE) != 0) {
        log_error("ext", "the journal has features that only e2fsck replays; run it");
        return ERR_NOTSUP;
    }
    journal->blocks_count = blocks_count;
    journal->first = first;
    journal->head = first;
    journal->used = 0;
    journal->sequence = ext_be32(super->sequence);
    journal->is_started = super->start != 0;
    return ERR_OK;
}

enum err ext_journal_revoke(struct ext_volume *volume, uint32_t number)
{
    struct ext_journal *journal = &volume->journal;
    if (journal->map == NULL) {
        return ERR_OK;
    }
    if (journal->revoked_count == journal->revoked_capacity) {
        size_t capacity = journal->revoked_capacity == 0 ? 64 : 2 * journal->revoked_capacity;
        uint32_t *revoked = heap_resize(journal->revoked, capacity * sizeof(revoked[0]));
        if (revoked == NULL) {
            return ext_fail(volume, "no memory for the journal");
        }
        journal->revoked = revoked;
        journal->revoked_capacity = capacity;
    }
    journal->revoked[journal->revoked_count++] = number;
    return ERR_OK;
}

/* ---- Blocks of the log, gathered into transfers ------------------------------------------------
 */

struct log_writer {
    struct ext_volume *volume;
    uint32_t start; /* the place on the disk of the first staged block */
    uint32_t count; /* staged blocks */
    enum err err;   /* the first one that happened */
};

static void writer_flush(struct log_writer *writer)
{
    struct ext_cache *cache = &writer->volume->cache;
    if (writer->count != 0 && writer->err == ERR_OK) {
        writer->err = ext_disk_write(cache, writer->start, writer->count, cache->staging);
    }
    writer->count = 0;
}

/* Memory for the next block of the ring, to be filled before the next call. */
static void *writer_next(struct log_writer *writer)
{
    struct ext_journal *journal = &writer->volume->journal;
    struct ext_cache *cache = &writer->volume->cache;
    uint32_t place = journal->map[journal->head];
    if (writer->count == ext_cache_staging_blocks(cache) ||
        place != writer->start + writer->count) {
        writer_flush(writer);
    }
    if (writer->count == 0) {
        writer->start = place;
    }
    journal->used++;
    journal->head++;
    if (journal->head == journal->blocks_count) {
        journal->head = journal->first;
    }
    return cache->staging + (size_t)writer->count++ * cache->block_bytes;
}

static void header_fill(const struct ext_volume *volume, void *block, enum ext_journal_block type)
{
    struct ext_journal_header *header = block;
    memset(block, 0, volume->block_bytes);
    header->magic = ext_be32(EXT_JOURNAL_MAGIC);
    header->type = ext_be32((uint32_t)type);
    header->sequence = ext_be32(volume->journal.sequence);
}

static bool needs_escape(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    return word == ext_be32(EXT_JOURNAL_MAGIC);
}

/* A descriptor for the blocks list[0..count), then the blocks. */
static void log_blocks(struct log_writer *writer, struct ext_block *const *list, size_t count)
{
    struct ext_volume *volume = writer->volume;
    uint8_t *descriptor = writer_next(writer);
    header_fill(volume, descriptor, EXT_JOURNAL_DESCRIPTOR);
    uint8_t *cursor = descriptor + sizeof(struct ext_journal_header);
    for (size_t i = 0; i < count; i++) {
        uint32_t flags = (i != 0 ? EXT_TAG_SAME_UUID : 0) | (i + 1 == count ? EXT_TAG_LAST : 0) |
                         (needs_escape(list[i]->bytes) ? EXT_TAG_ESCAPED : 0);
        struct ext_journal_tag tag = {
            .block = ext_be32(list[i]->number),
            .flags = ext_be16((uint16_t)flags),
        };
        memcpy(cursor, &tag, sizeof(tag));
        cursor += sizeof(tag);
        if (i == 0) {
            cursor += EXT_TAG_UUID_BYTES; /* zero; nobody compares it */
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t *copy = writer_next(writer);
        memcpy(copy, list[i]->bytes, volume->block_bytes);
        if (needs_escape(copy)) {
            memset(copy, 0, sizeof(uint32_t));
        }
    }
}

static void log_revokes(struct log_writer *writer)
{
    struct ext_volume *volume = writer->volume;
    struct ext_journal *journal = &volume->journal;
    size_t per_block = revokes_per_block(volume);
    for (size_t done = 0; done < journal->revoked_count;) {
        size_t count = journal->revoked_count - done;
        count = count < per_block ? count : per_block;
        struct ext_journal_revoke *block = writer_next(writer);
        header_fill(volume, block, EXT_JOURNAL_REVOKE);
        size_t used_bytes = sizeof(*block) + count * sizeof(uint32_t);
        block->used_bytes = ext_be32((uint32_t)used_bytes);
        uint32_t *numbers = (uint32_t *)(block + 1);
        for (size_t i = 0; i < count; i++) {
            numbers[i] = ext_be32(journal->revoked[done + i]);
        }
        done += count;
    }
}

/* Makes room in the ring: what is in it must first be safe in its places. */
static enum err ring_restart(struct ext_volume *volume)
{
    struct ext_journal *journal = &volume->journal;
    enum err err = ext_disk_flush(&volume->cache);
    if (err == ERR_OK) {
        err = ext_journal_write_super(volume, journal->head, journal->sequence);
    }
    /* Pairs with the log's first write: the old tail must be gone before its blocks change. */
    if (err == ERR_OK) {
        err = ext_disk_flush(&volume->cache);
    }
    if (err == ERR_OK) {
        journal->is_started = true;
        journal->used = 0;
    }
    return err;
}

enum err ext_journal_log(struct ext_volume *volume)
{
    struct ext_journal *journal = &volume->journal;
    struct ext_cache *cache = &volume->cache;
    size_t per_descriptor = tags_per_descriptor(volume);
    size_t per_revoke = revokes_per_block(volume);
    size_t needed = cache->metadata_count +
                    (cache->metadata_count + per_descriptor - 1) / per_descriptor +
                    (journal->revoked_count + per_revoke - 1) / per_revoke + 1;
    if (needed >= ring_size(journal)) {
        return ext_fail(volume, "the journal is too small for one operation");
    }
    enum err err = ERR_OK;
    if (!journal->is_started || needed >= ring_size(journal) - journal->used) {
        err = ring_restart(volume);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct log_writer writer = {.volume = volume};
    size_t count = ext_cache_collect(cache, EXT_DIRTY_METADATA);
    for (size_t done = 0; done < count; done += per_descriptor) {
        size_t rest = count - done;
        log_blocks(&writer, cache->list + done, rest < per_descriptor ? rest : per_descriptor);
    }
    log_revokes(&writer);
    writer_flush(&writer);
    /* Pairs with the commit record: it must not be there before what it vouches for. */
    if (writer.err == ERR_OK) {
        writer.err = ext_disk_flush(cache);
    }
    header_fill(volume, writer_next(&writer), EXT_JOURNAL_COMMIT);
    writer_flush(&writer);
    if (writer.err == ERR_OK) {
        writer.err = ext_disk_flush(cache);
    }
    journal->sequence++;
    journal->revoked_count = 0;
    return writer.err;
}

enum err ext_journal_close(struct ext_volume *volume)
{
    enum err err = ext_disk_flush(&volume->cache);
    if (err == ERR_OK) {
        err = ext_journal_write_super(volume, 0, volume->journal.sequence);
    }
    if (err == ERR_OK) {
        volume->journal.is_started = false;
    }
    return err;
}

void ext_journal_destroy(struct ext_volume *volume)
{
    heap_free(volume->journal.map);
    heap_free(volume->journal.revoked);
    volume->journal = (struct ext_journal){0};
}
