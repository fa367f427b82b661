#include "fs/ext/ext_node.h"

#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"
#include "kernel/random.h"

#define NANOSECONDS 1000000000ull

/* How much is kept of what nobody refers to: nodes, and slots of their tables of names. */
#define IDLE_NODES_MAX 1024u
#define IDLE_SLOTS_MAX (1u << 20)

/* ---- Fields of the inode ----------------------------------------------------------------------
 */

uint64_t ext_node_size(const struct ext_node *node)
{
    uint64_t size_bytes = node->inode.size_low;
    if (node->vfs.type == VFS_TYPE_REGULAR) {
        size_bytes |= (uint64_t)node->inode.size_high << 32;
    }
    return size_bytes;
}

void ext_node_set_size(struct ext_node *node, uint64_t size_bytes)
{
    struct ext_volume *volume = node->volume;
    node->inode.size_low = (uint32_t)size_bytes;
    if (node->vfs.type == VFS_TYPE_REGULAR) {
        node->inode.size_high = (uint32_t)(size_bytes >> 32);
        if (size_bytes > INT32_MAX &&
            (volume->super->feature_ro_compat & EXT_RO_COMPAT_LARGE_FILE) == 0) {
            volume->super->feature_ro_compat |= EXT_RO_COMPAT_LARGE_FILE;
            ext_metadata_changed(volume, volume->super_block);
        }
    }
}

static bool has_extra_times(const struct ext_node *node)
{
    return node->volume->inode_bytes >= sizeof(struct ext_inode) &&
           node->inode.extra_bytes >= EXT_INODE_EXTRA_BYTES;
}

/* Seconds since 1970 in 34 bits, nanoseconds in 30; without the extra field only until 2038. */
static void time_encode(bool has_extra, uint64_t time_ns, uint32_t *seconds, uint32_t *extra)
{
    uint64_t full = time_ns / NANOSECONDS;
    if (!has_extra) {
        *seconds = full > INT32_MAX ? INT32_MAX : (uint32_t)full;
        return;
    }
    /* The 32 bits are signed, and the two extra ones count how often they went around. */
    uint64_t epoch = (full + (1ull << 31)) >> 32;
    *seconds = (uint32_t)full;
    *extra = (uint32_t)(time_ns % NANOSECONDS) << 2 | (uint32_t)(epoch & 3);
}

static uint64_t time_decode(bool has_extra, uint32_t seconds, uint32_t extra)
{
    int64_t full = (int32_t)seconds;
    uint64_t ns = 0;
    if (has_extra) {
        full += (int64_t)(extra & 3) << 32;
        ns = extra >> 2 < NANOSECONDS ? extra >> 2 : 0;
    }
    return full < 0 ? 0 : (uint64_t)full * NANOSECONDS + ns;
}

void ext_node_set_time(struct ext_node *node, unsigned which, uint64_t time_ns)
{
    struct ext_inode *inode = &node->inode;
    bool extra = has_extra_times(node);
    if ((which & EXT_TIME_ACCESS) != 0) {
        time_encode(extra, time_ns, &inode->access_time, &inode->access_time_extra);
    }
    if ((which & EXT_TIME_MODIFY) != 0) {
        time_encode(extra, time_ns, &inode->modify_time, &inode->modify_time_extra);
    }
    if ((which & EXT_TIME_CHANGE) != 0) {
        time_encode(extra, time_ns, &inode->change_time, &inode->change_time_extra);
    }
}

uint64_t ext_node_time(const struct ext_node *node, enum ext_times which)
{
    const struct ext_inode *inode = &node->inode;
    bool extra = has_extra_times(node);
    switch (which) {
    case EXT_TIME_ACCESS:
        return time_decode(extra, inode->access_time, inode->access_time_extra);
    case EXT_TIME_MODIFY:
        return time_decode(extra, inode->modify_time, inode->modify_time_extra);
    case EXT_TIME_CHANGE:
        break;
    }
    return time_decode(extra, inode->change_time, inode->change_time_extra);
}

static enum vfs_type type_of_mode(uint16_t mode)
{
    switch (mode & EXT_MODE_TYPE_MASK) {
    case EXT_MODE_REGULAR:
        return VFS_TYPE_REGULAR;
    case EXT_MODE_DIRECTORY:
        return VFS_TYPE_DIRECTORY;
    case EXT_MODE_SYMLINK:
        return VFS_TYPE_SYMLINK;
    default:
        return VFS_TYPE_UNKNOWN;
    }
}

/* ---- The inode table --------------------------------------------------------------------------
 */

/* Pins the block of the inode table that holds an inode. */
static enum err table_get(struct ext_volume *volume, uint32_t number, struct ext_block **block,
                          uint8_t **inode)
{
    uint32_t index = (number - 1) % volume->super->inodes_per_group;
    uint32_t per_block = volume->block_bytes / volume->inode_bytes;
    const struct ext_group *group =
        ext_group_of(volume, (number - 1) / volume->super->inodes_per_group);
    enum err err =
        ext_metadata_get(volume, group->inode_table + index / per_block, EXT_GET_READ, block);
    if (err == ERR_OK) {
        *inode = (*block)->bytes + (size_t)(index % per_block) * volume->inode_bytes;
    }
    return err;
}

/* How much of struct ext_inode this volume's inodes have. */
static size_t inode_used_bytes(const struct ext_volume *volume)
{
    return volume->inode_bytes < sizeof(struct ext_inode) ? EXT_INODE_BYTES_MIN
                                                          : sizeof(struct ext_inode);
}

enum err ext_node_store(struct ext_node *node)
{
    struct ext_block *block;
    uint8_t *bytes;
    enum err err = table_get(node->volume, node->number, &block, &bytes);
    if (err != ERR_OK) {
        return ext_fail(node->volume, "an inode could not be stored");
    }
    memcpy(bytes, &node->inode, inode_used_bytes(node->volume));
    ext_metadata_changed(node->volume, block);
    ext_cache_put(block);
    return ERR_OK;
}

static void idle_remove(struct ext_node *node);

/* ---- Nodes in memory --------------------------------------------------------------------------
 */

static struct ext_node **bucket_of(struct ext_volume *volume, uint32_t number)
{
    return &volume->nodes[number % EXT_NODE_BUCKETS];
}

static struct ext_node *node_find(struct ext_volume *volume, uint32_t number)
{
    struct ext_node *node = *bucket_of(volume, number);
    while (node != NULL && node->number != number) {
        node = node->hash_next;
    }
    return node;
}

static struct ext_node *node_allocate(struct ext_volume *volume, uint32_t number)
{
    struct ext_node *node = heap_allocate_zeroed(1, sizeof(*node));
    if (node != NULL) {
        node->volume = volume;
        node->number = number;
    }
    return node;
}

static void node_enter(struct ext_node *node)
{
    struct ext_node **bucket = bucket_of(node->volume, node->number);
    vfs_node_init(&node->vfs, &ext_ops, node->volume, type_of_mode(node->inode.mode));
    node->hash_next = *bucket;
    *bucket = node;
}

static enum err inode_check(struct ext_volume *volume, const struct ext_node *node)
{
    const struct ext_inode *inode = &node->inode;
    if (inode->mode == 0 || (inode->links_count == 0 && !node->is_orphan)) {
        return ext_fail(volume, "a name leads to a deleted inode; run e2fsck");
    }
    uint64_t size_bytes = inode->size_low;
    if ((inode->mode & EXT_MODE_TYPE_MASK) == EXT_MODE_DIRECTORY &&
        (size_bytes % volume->block_bytes != 0 ||
         size_bytes / volume->block_bytes > volume->super->blocks_count)) {
        return ext_fail(volume, "a directory has an impossible size; run e2fsck");
    }
    return (inode->flags & EXT_FLAG_EXTENTS) != 0 ? ERR_NOTSUP : ERR_OK;
}

static enum err node_load(struct ext_volume *volume, uint32_t number, bool is_orphan,
                          struct ext_node **out)
{
    struct ext_block *block;
    uint8_t *bytes;
    if (number == 0 || number > volume->super->inodes_count ||
        (number < volume->super->first_inode && number != EXT_ROOT_INODE &&
         number != volume->super->journal_inode)) {
        return ext_fail(volume, "an inode number is out of range; run e2fsck");
    }
    struct ext_node *node = node_allocate(volume, number);
    if (node == NULL) {
        return ERR_NOMEM;
    }
    enum err err = table_get(volume, number, &block, &bytes);
    if (err == ERR_OK) {
        memcpy(&node->inode, bytes, inode_used_bytes(volume));
        ext_cache_put(block);
        node->is_orphan = is_orphan;
        err = inode_check(volume, node);
    }
    if (err != ERR_OK) {
        heap_free(node);
        return err;
    }
    node_enter(node);
    *out = node;
    return ERR_OK;
}

enum err ext_node_get(struct ext_volume *volume, uint32_t number, struct ext_node **out)
{
    struct ext_node *node = node_find(volume, number);
    if (node == NULL) {
        return node_load(volume, number, false, out);
    }
    if (node->vfs.reference_count == 0) {
        idle_remove(node);
    }
    vfs_node_get(&node->vfs);
    *out = node;
    return ERR_OK;
}

enum err ext_node_create(struct ext_node *directory, uint16_t mode, struct ext_node **out)
{
    struct ext_volume *volume = directory->volume;
    bool is_directory = (mode & EXT_MODE_TYPE_MASK) == EXT_MODE_DIRECTORY;
    uint32_t number;
    struct ext_node *node = node_allocate(volume, 0);
    if (node == NULL) {
        return ERR_NOMEM;
    }
    enum err err = ext_inode_allocate(volume, directory->number, is_directory, &number);
    if (err != ERR_OK) {
        heap_free(node);
        return err;
    }
    node->number = number;
    node->inode.mode = mode;
    if (volume->inode_bytes >= sizeof(struct ext_inode)) {
        node->inode.extra_bytes = EXT_INODE_EXTRA_BYTES;
    }
    random_fill(&node->inode.generation, sizeof(node->inode.generation));
    node_enter(node);
    uint64_t now_ns = clock_realtime_ns();
    ext_node_set_time(node, EXT_TIME_ACCESS | EXT_TIME_MODIFY | EXT_TIME_CHANGE, now_ns);
    time_encode(has_extra_times(node), now_ns, &node->inode.create_time,
                &node->inode.create_time_extra);
    if (volume->inode_bytes > sizeof(struct ext_inode)) {
        /* What a deleted inode left behind the fields, attributes say, must not come back. */
        struct ext_block *block;
        uint8_t *bytes;
        err = table_get(volume, number, &block, &bytes);
        if (err == ERR_OK) {
            memset(bytes, 0, volume->inode_bytes);
            ext_cache_put(block);
        }
    }
    if (err == ERR_OK) {
        err = ext_node_store(node);
    }
    if (err != ERR_OK) {
        vfs_node_put(&node->vfs);
        return ext_fail(volume, "an inode could not be stored");
    }
    *out = node;
    return ERR_OK;
}

/* ---- Orphans: files without a name that are still open -----------------------------------------
 */

enum err ext_orphan_add(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    node->inode.deletion_time = volume->super->last_orphan;
    volume->super->last_orphan = node->number;
    node->is_orphan = true;
    ext_metadata_changed(volume, volume->super_block);
    return ext_node_store(node);
}

/* Every orphan of this mount is a node in memory, so the list is walked there. */
static enum err orphan_remove(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    uint32_t next = node->inode.deletion_time;
    node->is_orphan = false;
    if (volume->super->last_orphan == node->number) {
        volume->super->last_orphan = next;
        ext_metadata_changed(volume, volume->super_block);
        return ERR_OK;
    }
    struct ext_node *before = node_find(volume, volume->super->last_orphan);
    while (before != NULL && before->is_orphan && before->inode.deletion_time != node->number) {
        before = node_find(volume, before->inode.deletion_time);
    }
    if (before == NULL || !before->is_orphan) {
        return ext_fail(volume, "the list of orphans is broken");
    }
    before->inode.deletion_time = next;
    return ext_node_store(before);
}

/* Extended attributes that Linux gave the file; the block may be shared. */
static enum err attributes_free(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    struct ext_block *block;
    uint32_t number = node->inode.attribute_block;
    if (number == 0) {
        return ERR_OK;
    }
    enum err err = ext_metadata_get(volume, number, EXT_GET_READ, &block);
    if (err != ERR_OK) {
        return err;
    }
    struct ext_attribute_header *header = (void *)block->bytes;
    bool shared = header->magic == EXT_ATTRIBUTE_MAGIC && header->reference_count > 1;
    if (shared) {
        header->reference_count--;
        ext_metadata_changed(volume, block);
    }
    ext_cache_put(block);
    node->inode.attribute_block = 0;
    return shared ? ERR_OK : ext_block_free(volume, number, true);
}

static bool has_blocks(const struct ext_node *node)
{
    if (node->vfs.type == VFS_TYPE_SYMLINK) {
        return ext_node_size(node) >= EXT_FAST_LINK_BYTES;
    }
    return node->vfs.type == VFS_TYPE_REGULAR || node->vfs.type == VFS_TYPE_DIRECTORY;
}

/*
 * Frees the inode and all it holds. Part of the operation that let go of it: no commit may come
 * in between, so this does not begin one of its own.
 */
static enum err node_delete(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    bool is_directory = node->vfs.type == VFS_TYPE_DIRECTORY;
    enum err err = volume->failed ? ERR_IO : ERR_OK;
    if (err == ERR_OK && node->is_orphan) {
        err = orphan_remove(node);
    }
    if (err == ERR_OK && has_blocks(node)) {
        err = ext_map_cut(node, 0, node->vfs.type != VFS_TYPE_REGULAR);
    }
    if (err == ERR_OK) {
        err = attributes_free(node);
    }
    if (err == ERR_OK) {
        /* A small number, from a clock that was never set, would pass for the next orphan's. */
        uint32_t now = (uint32_t)(clock_realtime_ns() / NANOSECONDS);
        uint32_t least = volume->super->inodes_count + 1;
        node->inode.deletion_time = now > least ? now : least;
        ext_node_set_size(node, 0);
        err = ext_node_store(node);
    }
    return err == ERR_OK ? ext_inode_free(volume, node->number, is_directory) : err;
}

/* ---- Nodes that nobody refers to ---------------------------------------------------------------
 */

static void idle_add(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    node->idle_newer = NULL;
    node->idle_older = volume->idle_newest;
    *(volume->idle_newest != NULL ? &volume->idle_newest->idle_newer : &volume->idle_oldest) = node;
    volume->idle_newest = node;
    volume->idle_count++;
    volume->idle_slots += node->names.capacity;
}

static void idle_remove(struct ext_node *node)
{
    struct ext_volume *volume = node->volume;
    *(node->idle_newer != NULL ? &node->idle_newer->idle_older : &volume->idle_newest) =
        node->idle_older;
    *(node->idle_older != NULL ? &node->idle_older->idle_newer : &volume->idle_oldest) =
        node->idle_newer;
    volume->idle_count--;
    volume->idle_slots -= node->names.capacity;
}

/* A directory gives its parent's reference back; the parent may be idle then. */
static void node_free(struct ext_node *node)
{
    struct ext_node *parent = node->parent;
    struct ext_node **link = bucket_of(node->volume, node->number);
    while (*link != node) {
        link = &(*link)->hash_next;
    }
    *link = node->hash_next;
    ext_names_destroy(node);
    heap_free(node->link_text);
    heap_free(node);
    if (parent != NULL && --parent->vfs.reference_count == 0) {
        idle_add(parent);
    }
}

static void idle_trim(struct ext_volume *volume, size_t count_max, size_t slots_max)
{
    while (volume->idle_oldest != NULL &&
           (volume->idle_count > count_max || volume->idle_slots > slots_max)) {
        struct ext_node *node = volume->idle_oldest;
        idle_remove(node);
        node_free(node);
    }
}

void ext_nodes_drop_idle(struct ext_volume *volume)
{
    idle_trim(volume, 0, 0);
}

void ext_node_release(struct vfs_node *vfs)
{
    struct ext_node *node = ext_node_of(vfs);
    struct ext_volume *volume = node->volume;
    if (node->inode.links_count == 0) {
        if (node_delete(node) != ERR_OK) {
            (void)ext_fail(volume, "a deleted file could not be freed");
        }
        node_free(node);
    } else {
        idle_add(node);
    }
    idle_trim(volume, IDLE_NODES_MAX, IDLE_SLOTS_MAX);
}

enum err ext_orphans_free(struct ext_volume *volume)
{
    uint32_t limit = volume->super->inodes_count;
    while (volume->super->last_orphan != 0 && limit-- != 0) {
        struct ext_node *node;
        enum err err = node_load(volume, volume->super->last_orphan, true, &node);
        if (err != ERR_OK) {
            return err;
        }
        if (node->inode.links_count != 0) {
            /* Linux lists files that it was truncating, too. */
            err = orphan_remove(node);
            node->inode.deletion_time = 0;
            if (err == ERR_OK && has_blocks(node)) {
                uint64_t blocks =
                    (ext_node_size(node) + volume->block_bytes - 1) / volume->block_bytes;
                err =
                    ext_map_cut(node, (uint32_t)(blocks < UINT32_MAX ? blocks : UINT32_MAX), false);
            }
            err = err == ERR_OK ? ext_node_store(node) : err;
        }
        vfs_node_put(&node->vfs);
        if (err != ERR_OK || volume->failed) {
            return ERR_IO;
        }
    }
    return ERR_OK;
}
