#include "fs/ext/ext.h"

#include "fs/ext/ext_node.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"

#define BLOCK_BYTES_MIN 1024u

/* Features that change nothing for somebody who only reads. */
#define RO_COMPAT_KNOWN (EXT_RO_COMPAT_SPARSE_SUPER | EXT_RO_COMPAT_LARGE_FILE)
#define INCOMPAT_KNOWN  (EXT_INCOMPAT_FILETYPE | EXT_INCOMPAT_RECOVER)

static enum err refuse(enum err err, const char *reason)
{
    log_error("ext", "the disk cannot be mounted: %s", reason);
    return err;
}

/* ---- The superblock ---------------------------------------------------------------------------
 */

/* Everything later arithmetic relies on. */
static enum err super_check(const struct ext_super *super, const struct blockdev *disk)
{
    if (super->magic != EXT_SUPER_MAGIC) {
        return refuse(ERR_INVAL, "there is no ext2 or ext3 file system on it; make one with "
                                 "`mke2fs -t ext3 -b 4096 FILE`");
    }
    if ((super->feature_incompat & ~INCOMPAT_KNOWN) != 0) {
        return refuse(ERR_NOTSUP, "it uses features of ext4; make it with "
                                  "`mke2fs -t ext3 -b 4096 FILE`");
    }
    if (super->revision == 0 || super->log_block_size > 2) {
        return refuse(ERR_NOTSUP, "its revision or block size is not supported");
    }
    uint32_t block_bytes = BLOCK_BYTES_MIN << super->log_block_size;
    uint64_t disk_blocks = disk->sector_count / (block_bytes / BLOCKDEV_SECTOR_BYTES);
    bool sound =
        super->first_data_block == (super->log_block_size == 0 ? 1u : 0u) &&
        super->blocks_count > super->first_data_block + 4 && super->blocks_count <= disk_blocks &&
        super->blocks_per_group >= 8 && super->blocks_per_group <= block_bytes * 8 &&
        super->blocks_per_group % 8 == 0 && super->inodes_per_group >= 8 &&
        super->inodes_per_group <= block_bytes * 8 && super->inode_bytes >= EXT_INODE_BYTES_MIN &&
        super->inode_bytes <= block_bytes && (super->inode_bytes & (super->inode_bytes - 1)) == 0 &&
        super->first_inode > EXT_ROOT_INODE && super->first_inode < super->inodes_per_group;
    uint64_t groups = 0;
    if (sound) {
        uint64_t data_blocks = super->blocks_count - super->first_data_block;
        groups = (data_blocks + super->blocks_per_group - 1) / super->blocks_per_group;
    }
    if (!sound || groups * super->inodes_per_group != super->inodes_count) {
        return refuse(ERR_INVAL, "its superblock is damaged; run e2fsck");
    }
    return ERR_OK;
}

static enum err super_load(struct ext_volume *volume)
{
    struct blockdev *disk = volume->disk;
    struct ext_super *super = heap_allocate(sizeof(*super));
    if (super == NULL) {
        return ERR_NOMEM;
    }
    enum err err = ERR_INVAL;
    if (disk->sector_count >= 8) {
        err = disk->ops->read(disk, EXT_SUPER_OFFSET / BLOCKDEV_SECTOR_BYTES, super,
                              sizeof(*super) / BLOCKDEV_SECTOR_BYTES);
    }
    if (err == ERR_OK) {
        err = super_check(super, disk);
    }
    if (err == ERR_OK) {
        volume->block_bytes = BLOCK_BYTES_MIN << super->log_block_size;
        volume->inode_bytes = super->inode_bytes;
        volume->group_count = super->inodes_count / super->inodes_per_group;
        volume->read_only = disk->read_only || (super->feature_ro_compat & ~RO_COMPAT_KNOWN) != 0;
    }
    heap_free(super);
    return err;
}

/* Pins the superblock's block. Reading it again after a replay brings what that changed. */
static enum err super_pin(struct ext_volume *volume)
{
    uint32_t number = EXT_SUPER_OFFSET / volume->block_bytes;
    enum err err = ext_cache_get(&volume->cache, number, EXT_GET_READ, &volume->super_block);
    if (err == ERR_OK) {
        uint32_t offset = EXT_SUPER_OFFSET % volume->block_bytes;
        void *super = volume->super_block->bytes + offset;
        volume->super = super;
    }
    return err;
}

/* The superblock by itself, past the journal: only its flags about the journal go this way. */
static enum err super_write(struct ext_volume *volume)
{
    enum err err =
        ext_disk_write(&volume->cache, volume->super_block->number, 1, volume->super_block->bytes);
    return err == ERR_OK ? ext_disk_flush(&volume->cache) : err;
}

/* ---- Group descriptors ------------------------------------------------------------------------
 */

static bool group_is_sound(const struct ext_volume *volume, const struct ext_group *group)
{
    uint32_t table_blocks =
        (volume->super->inodes_per_group * volume->inode_bytes + volume->block_bytes - 1) /
        volume->block_bytes;
    return ext_block_is_valid(volume, group->block_bitmap) &&
           ext_block_is_valid(volume, group->inode_bitmap) &&
           ext_block_is_valid(volume, group->inode_table) &&
           table_blocks < volume->super->blocks_count - group->inode_table;
}

static enum err groups_load(struct ext_volume *volume)
{
    uint32_t per_block = volume->block_bytes / (uint32_t)sizeof(struct ext_group);
    size_t count = (volume->group_count + per_block - 1) / per_block;
    if (count > volume->cache.block_count_max / 4) {
        return refuse(ERR_NOTSUP, "it is too large for this machine's memory");
    }
    volume->group_blocks = heap_allocate_zeroed(count, sizeof(struct ext_block *));
    volume->frozen = heap_allocate_zeroed(volume->group_count, sizeof(uint8_t *));
    if (volume->group_blocks == NULL || volume->frozen == NULL) {
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t number = volume->super->first_data_block + 1 + (uint32_t)i;
        enum err err = ext_metadata_get(volume, number, EXT_GET_READ, &volume->group_blocks[i]);
        if (err != ERR_OK) {
            return err;
        }
        volume->group_block_count++;
    }
    for (uint32_t group = 0; group < volume->group_count; group++) {
        if (!group_is_sound(volume, ext_group_of(volume, group))) {
            return refuse(ERR_INVAL, "a group descriptor is damaged; run e2fsck");
        }
    }
    return ERR_OK;
}

static void groups_unpin(struct ext_volume *volume)
{
    for (size_t i = 0; i < volume->group_block_count; i++) {
        ext_cache_put(volume->group_blocks[i]);
    }
    heap_free(volume->group_blocks);
    heap_free(volume->frozen);
    volume->group_blocks = NULL;
    volume->frozen = NULL;
    volume->group_block_count = 0;
}

/* ---- The journal ------------------------------------------------------------------------------
 */

/* Where the blocks of the journal file are. */
static enum err journal_map(struct ext_volume *volume)
{
    struct ext_node *node;
    enum err err = ext_node_get(volume, volume->super->journal_inode, &node);
    if (err != ERR_OK) {
        return err;
    }
    uint64_t count = ext_node_size(node) / volume->block_bytes;
    uint32_t *map = NULL;
    if (node->vfs.type != VFS_TYPE_REGULAR || count < 32 || count > volume->super->blocks_count) {
        err = refuse(ERR_INVAL, "its journal is damaged; run e2fsck");
    } else {
        map = heap_allocate((size_t)count * sizeof(map[0]));
        err = map == NULL ? ERR_NOMEM : ERR_OK;
    }
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        err = ext_map_find(node, i, &map[i]);
        if (err == ERR_OK && map[i] == 0) {
            err = refuse(ERR_INVAL, "its journal has a hole; run e2fsck");
        }
    }
    vfs_node_put(&node->vfs);
    if (err != ERR_OK) {
        heap_free(map);
        return err;
    }
    volume->journal.map = map;
    volume->journal.blocks_count = (uint32_t)count;
    return ext_journal_open(volume);
}

/* Brings the disk to the state of its last commit. */
static enum err journal_start(struct ext_volume *volume)
{
    bool needs_replay = (volume->super->feature_incompat & EXT_INCOMPAT_RECOVER) != 0;
    if ((volume->super->feature_compat & EXT_COMPAT_HAS_JOURNAL) == 0) {
        if (!volume->read_only) {
            log_warning("ext", "the disk has no journal: after a crash it needs e2fsck");
        }
        return needs_replay ? refuse(ERR_INVAL, "it lost its journal; run e2fsck") : ERR_OK;
    }
    if (volume->super->journal_inode == 0) {
        return refuse(ERR_NOTSUP, "its journal is on another disk");
    }
    enum err err = journal_map(volume);
    if (err != ERR_OK || !volume->journal.is_started) {
        return err;
    }
    if (volume->disk->read_only) {
        return refuse(ERR_ROFS, "its journal must be replayed, and the disk is read-only");
    }
    return ext_journal_replay(volume);
}

/* ---- Mounting ---------------------------------------------------------------------------------
 */

static void volume_destroy(struct ext_volume *volume)
{
    ext_nodes_drop_idle(volume);
    ext_journal_destroy(volume);
    if (volume->frozen != NULL) {
        ext_frozen_release(volume);
    }
    groups_unpin(volume);
    ext_cache_put(volume->super_block);
    if (volume->cache.buckets != NULL) {
        ext_cache_destroy(&volume->cache);
    }
    if (volume->scratch != NULL) {
        pages_free(virt_to_phys(volume->scratch), 1);
    }
    heap_free(volume);
}

/* Superblock, descriptors and journal, from the disk. */
static enum err volume_read(struct ext_volume *volume)
{
    enum err err = ext_cache_init(&volume->cache, volume->disk, volume->block_bytes);
    if (err == ERR_OK) {
        err = super_pin(volume);
    }
    return err == ERR_OK ? groups_load(volume) : err;
}

/* After a replay nothing that was read before it counts. */
static enum err volume_read_again(struct ext_volume *volume)
{
    ext_nodes_drop_idle(volume);
    groups_unpin(volume);
    ext_cache_put(volume->super_block);
    volume->super_block = NULL;
    ext_cache_destroy(&volume->cache);
    uint32_t block_bytes = volume->block_bytes;
    enum err err = super_load(volume);
    if (err == ERR_OK && volume->block_bytes != block_bytes) {
        err = refuse(ERR_INVAL, "its journal is damaged; run e2fsck");
    }
    return err == ERR_OK ? volume_read(volume) : err;
}

static enum err volume_open(struct ext_volume *volume)
{
    struct phys_addr scratch;
    enum err err = super_load(volume);
    if (err == ERR_OK) {
        err = pages_allocate(1, &scratch);
    }
    if (err != ERR_OK) {
        return err;
    }
    volume->scratch = phys_to_virt(scratch);
    err = volume_read(volume);
    if (err == ERR_OK) {
        bool dirty = (volume->super->feature_incompat & EXT_INCOMPAT_RECOVER) != 0;
        err = journal_start(volume);
        if (err == ERR_OK && dirty) {
            err = volume_read_again(volume);
        }
    }
    if (err == ERR_OK && (volume->super->state & EXT_STATE_ERROR_BIT) != 0) {
        log_warning("ext", "the disk is marked as damaged; run e2fsck");
    }
    return err;
}

/* Says on the disk that it is in use, and cleans up after a crash. */
static enum err volume_start_writing(struct ext_volume *volume)
{
    struct ext_super *super = volume->super;
    if (volume->journal.map != NULL) {
        super->feature_incompat |= EXT_INCOMPAT_RECOVER;
    } else {
        if ((super->state & EXT_STATE_VALID_BIT) == 0) {
            log_warning("ext", "the disk was not unmounted; run e2fsck");
        }
        super->state &= (uint16_t)~EXT_STATE_VALID_BIT;
    }
    super->mount_count++;
    super->mount_time = (uint32_t)(clock_realtime_ns() / 1000000000u);
    enum err err = super_write(volume);
    return err == ERR_OK ? ext_orphans_free(volume) : err;
}

enum err ext_mount(struct blockdev *disk, uint32_t device, struct vfs_node **root)
{
    struct ext_volume *volume = heap_allocate_zeroed(1, sizeof(*volume));
    if (volume == NULL) {
        return ERR_NOMEM;
    }
    volume->disk = disk;
    volume->device = device;
    random_fill(&volume->key, sizeof(volume->key));
    enum err err = volume_open(volume);
    if (err == ERR_OK) {
        err = ext_node_get(volume, EXT_ROOT_INODE, &volume->root);
    }
    if (err == ERR_OK && volume->root->vfs.type != VFS_TYPE_DIRECTORY) {
        vfs_node_put(&volume->root->vfs);
        err = refuse(ERR_INVAL, "its root is not a directory; run e2fsck");
    }
    if (err == ERR_OK && !volume->read_only) {
        err = volume_start_writing(volume);
        if (err != ERR_OK) {
            volume->failed = true;
            vfs_node_put(&volume->root->vfs);
        }
    }
    if (err != ERR_OK) {
        volume_destroy(volume);
        return err;
    }
    *root = &volume->root->vfs;
    return ERR_OK;
}

enum err ext_sync_volume(struct vfs_node *root)
{
    return ext_commit(ext_node_of(root)->volume);
}

uint64_t ext_changed_since_ns(struct vfs_node *root)
{
    const struct ext_volume *volume = ext_node_of(root)->volume;
    bool waiting = volume->changed_ns != 0 && !volume->failed && !volume->read_only;
    return waiting ? volume->changed_ns : UINT64_MAX;
}

enum err ext_unmount(struct vfs_node *root)
{
    struct ext_volume *volume = ext_node_of(root)->volume;
    if (volume->read_only) {
        return ERR_OK;
    }
    enum err err = ext_commit(volume);
    if (err == ERR_OK && volume->journal.map != NULL) {
        err = ext_journal_close(volume);
        volume->super->feature_incompat &= ~EXT_INCOMPAT_RECOVER;
    }
    if (err == ERR_OK) {
        if ((volume->super->state & EXT_STATE_ERROR_BIT) == 0) {
            volume->super->state |= EXT_STATE_VALID_BIT;
        }
        /* Pairs with the journal's superblock: the flag may go only once the log is empty. */
        err = ext_disk_flush(&volume->cache);
    }
    if (err == ERR_OK) {
        err = super_write(volume);
    }
    volume->read_only = true;
    return err;
}

void ext_destroy(struct vfs_node *root)
{
    struct ext_volume *volume = ext_node_of(root)->volume;
    ext_nodes_drop_idle(volume); /* They hold the root, too. */
    ASSERT(root->reference_count == 1);
    volume->failed = true; /* Nothing may be written any more. */
    vfs_node_put(root);
    volume_destroy(volume);
}
