/*
 * A mounted ext2 or ext3 volume: what the files of fs/ext share. Inside fs/ext only.
 *
 * Crash safety. All changes of metadata since the last commit form one transaction, which
 * lives in memory only. ext_commit() writes the changed file data to their places, then logs
 * the transaction in the journal, and only after its commit record is on stable storage writes
 * the metadata to their places. Whenever the machine dies, the disk after replay is what it
 * was at some commit, with the files that were synced whole. Three rules keep that true:
 *  - Commits happen between operations only (ext_begin, sync), so each operation is atomic.
 *  - A block freed in this transaction is not given out again before the commit: its old
 *    contents may still be needed (`frozen` remembers what must not be used yet).
 *  - A freed metadata block is revoked in the journal, or a replay could write an old logged
 *    copy over the file data that live there now.
 * Whatever fails half way marks the volume failed: nothing is written any more, and the disk
 * stays at the last commit. A volume without a journal (ext2) is written in the same order,
 * but a crash in the middle of a commit needs e2fsck.
 *
 * Normal kernel context; operations do not nest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/ext/ext_cache.h"
#include "fs/ext/ext_format.h"
#include "fs/siphash.h"
#include "fs/vfs_ops.h"

struct ext_node;

struct ext_journal {
    uint32_t *map; /* where each block of the journal file lies; NULL: no journal */
    uint32_t blocks_count;
    uint32_t first;    /* the log is the ring of blocks from here to blocks_count */
    uint32_t head;     /* the next one to write */
    uint32_t used;     /* blocks of the ring that a replay would read */
    uint32_t sequence; /* of the running transaction */
    bool is_started;   /* the journal's superblock says that there is something to replay */
    uint32_t *revoked; /* metadata blocks freed in the running transaction */
    size_t revoked_count;
    size_t revoked_capacity;
};

#define EXT_NODE_BUCKETS 1024u

struct ext_volume {
    struct blockdev *disk;
    struct ext_cache cache;
    struct ext_journal journal;
    uint32_t block_bytes;
    uint32_t device; /* for stat */
    uint32_t group_count;
    uint32_t inode_bytes;
    bool read_only;
    bool failed;
    struct ext_block *super_block;   /* pinned */
    struct ext_super *super;         /* inside it */
    struct ext_block **group_blocks; /* pinned: the group descriptors */
    size_t group_block_count;
    uint8_t **frozen; /* by group: the block bitmap at the last commit, if bits were freed */
    size_t frozen_count;
    uint64_t changed_ns; /* when the running transaction began (monotonic); 0: it is empty */
    struct siphash_key key;
    struct ext_node *nodes[EXT_NODE_BUCKETS]; /* in memory, by inode number */
    struct ext_node *root;
    struct ext_node *idle_newest; /* nodes that nobody refers to, kept for the next look-up */
    struct ext_node *idle_oldest;
    size_t idle_count;
    size_t idle_slots; /* of their tables of names */
    uint8_t *scratch;  /* a page that vfs_write_reserve hands out */
};

/* ---- ext_volume.c: transactions ---------------------------------------------------------------
 */

/*
 * Heads every operation that changes something: commits first when the transaction is old or
 * large. ERR_ROFS, or ERR_IO on a failed volume.
 */
enum err ext_begin(struct ext_volume *volume) WARN_UNUSED;
/* Everything so far is on stable storage afterwards. Between operations only. */
enum err ext_commit(struct ext_volume *volume) WARN_UNUSED;
/*
 * After ERR_NOSPC that changed nothing: whether another try may succeed, because a commit now
 * has released what this transaction freed.
 */
bool ext_commit_for_space(struct ext_volume *volume);
/* The volume cannot go on. Logs the reason once. */
void ext_volume_stop(struct ext_volume *volume, const char *reason);
/* The same, with the error for the caller to return. */
static inline enum err ext_fail(struct ext_volume *volume, const char *reason)
{
    ext_volume_stop(volume, reason);
    return ERR_IO;
}

/* Pins a metadata block, checking its number first. */
enum err ext_metadata_get(struct ext_volume *volume, uint32_t number, enum ext_get how,
                          struct ext_block **out) WARN_UNUSED;
void ext_metadata_changed(struct ext_volume *volume, struct ext_block *block);
bool ext_block_is_valid(const struct ext_volume *volume, uint32_t number);

static inline struct ext_group *ext_group_of(struct ext_volume *volume, uint32_t group)
{
    uint32_t per_block = volume->block_bytes / (uint32_t)sizeof(struct ext_group);
    struct ext_group *groups = (void *)volume->group_blocks[group / per_block]->bytes;
    return &groups[group % per_block];
}
void ext_group_changed(struct ext_volume *volume, uint32_t group);

/* ---- ext_journal.c, ext_recover.c -------------------------------------------------------------
 */

/* Reads the journal's superblock. ERR_NOTSUP with features that only e2fsck understands. */
enum err ext_journal_open(struct ext_volume *volume) WARN_UNUSED;
/* Writes the changed metadata to the log; durable, with all data before it, when it returns. */
enum err ext_journal_log(struct ext_volume *volume) WARN_UNUSED;
/* Marks the log empty, once everything is in its place. */
enum err ext_journal_close(struct ext_volume *volume) WARN_UNUSED;
/* Notes a freed metadata block. */
enum err ext_journal_revoke(struct ext_volume *volume, uint32_t number) WARN_UNUSED;
uint32_t ext_journal_capacity(const struct ext_volume *volume);
/* Writes an unreplayed log's blocks to their places, then marks it empty. */
enum err ext_journal_replay(struct ext_volume *volume) WARN_UNUSED;
/* The journal's superblock, which stays ext_journal's business otherwise. */
enum err ext_journal_write_super(struct ext_volume *volume, uint32_t start,
                                 uint32_t sequence) WARN_UNUSED;
void ext_journal_destroy(struct ext_volume *volume);

/* ---- ext_bitmap.c: what is free ---------------------------------------------------------------
 */

/* Near `goal` if possible. The block's old contents mean nothing. */
enum err ext_block_allocate(struct ext_volume *volume, uint32_t goal, uint32_t *number) WARN_UNUSED;
enum err ext_block_free(struct ext_volume *volume, uint32_t number, bool is_metadata) WARN_UNUSED;
enum err ext_inode_allocate(struct ext_volume *volume, uint32_t near_inode, bool is_directory,
                            uint32_t *number) WARN_UNUSED;
enum err ext_inode_free(struct ext_volume *volume, uint32_t number, bool is_directory) WARN_UNUSED;
/* After a commit: what was freed may be used again. */
void ext_frozen_release(struct ext_volume *volume);
