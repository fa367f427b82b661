/*
 * Files of a mounted volume in memory: inodes, the blocks they map, directories. Inside
 * fs/ext only; normal kernel context.
 *
 * There is one struct ext_node for an inode at most, as long as somebody refers to it and a while
 * longer, so that a directory keeps its table of names between two look-ups. Its `inode` is
 * the truth; ext_node_store() copies it into the inode table's block, and every
 * operation that changes it does so before it ends.
 */
#pragma once

#include "fs/ext/ext_volume.h"

/* Where the names of a directory are; see ext_names.c. */
struct ext_name_slot {
    uint32_t hash;
    uint32_t place; /* the entry's offset / 4, plus 1; 0: free; UINT32_MAX: removed */
};

struct ext_names {
    struct ext_name_slot *slots; /* NULL until the first look-up */
    uint32_t capacity;           /* a power of two */
    uint32_t used_count;         /* removed ones included */
};

struct ext_node {
    struct vfs_node vfs; /* first: a struct vfs_node * of ours is a struct ext_node * */
    struct ext_volume *volume;
    struct ext_node *hash_next;
    struct ext_node *idle_newer; /* while nobody refers to it */
    struct ext_node *idle_older;
    struct ext_node *parent; /* of directories but the root: one reference */
    uint32_t number;
    bool is_orphan;      /* in the list that starts in the superblock */
    uint32_t next_index; /* the block a sequential reader wants next */
    uint32_t last_index; /* the block mapped last, and where: the goal for its neighbour */
    uint32_t last_block;
    uint32_t insert_index;     /* directories: no block before this one has room */
    uint32_t changed_sequence; /* the transaction that last changed more than times */
    char *link_text;           /* of symbolic links, once read */
    struct ext_names names;
    struct ext_inode inode;
};

static inline struct ext_node *ext_node_of(struct vfs_node *node)
{
    return (struct ext_node *)node;
}

uint64_t ext_node_size(const struct ext_node *node);
void ext_node_set_size(struct ext_node *node, uint64_t size_bytes);

/* ---- ext_node.c -------------------------------------------------------------------------------
 */

extern const struct vfs_ops ext_ops;

/* The node of an inode, one reference. ERR_IO when the inode is not in use. */
enum err ext_node_get(struct ext_volume *volume, uint32_t number,
                      struct ext_node **out) WARN_UNUSED;
/* A new inode with no name and no blocks, stored; one reference, whose return frees it. */
enum err ext_node_create(struct ext_node *directory, uint16_t mode,
                         struct ext_node **out) WARN_UNUSED;
enum err ext_node_store(struct ext_node *node) WARN_UNUSED;
/* The operation `release` of struct vfs_ops. */
void ext_node_release(struct vfs_node *node);
/* Forgets the nodes that nobody refers to. */
void ext_nodes_drop_idle(struct ext_volume *volume);
/* The last name is gone while the file is open: a crash must free it. */
enum err ext_orphan_add(struct ext_node *node) WARN_UNUSED;
/* At mount: frees what a crash left. */
enum err ext_orphans_free(struct ext_volume *volume) WARN_UNUSED;

enum ext_times { EXT_TIME_ACCESS = 1, EXT_TIME_MODIFY = 2, EXT_TIME_CHANGE = 4 };
void ext_node_set_time(struct ext_node *node, unsigned which, uint64_t time_ns);
uint64_t ext_node_time(const struct ext_node *node, enum ext_times which);

/* ---- ext_map.c --------------------------------------------------------------------------------
 */

/* The disk block of a file's block; 0 for a hole. */
enum err ext_map_find(struct ext_node *node, uint32_t index, uint32_t *block) WARN_UNUSED;
/* The same, allocating it. The inode changes but is not stored. */
enum err ext_map_make(struct ext_node *node, uint32_t index, bool is_metadata, uint32_t *block,
                      bool *is_new) WARN_UNUSED;
/* Frees all blocks from `first` on. */
enum err ext_map_cut(struct ext_node *node, uint32_t first, bool is_metadata) WARN_UNUSED;
uint64_t ext_map_size_max(const struct ext_volume *volume);

/* ---- ext_dir.c --------------------------------------------------------------------------------
 */

struct ext_place {
    uint32_t offset; /* of the entry in the directory */
    uint32_t inode;
};

enum err ext_dir_find(struct ext_node *directory, struct vfs_name name,
                      struct ext_place *out) WARN_UNUSED;
/* The name is free. ERR_NOSPC changes no name. */
enum err ext_dir_add(struct ext_node *directory, struct vfs_name name,
                     const struct ext_node *node) WARN_UNUSED;
enum err ext_dir_remove(struct ext_node *directory, struct vfs_name name,
                        uint32_t offset) WARN_UNUSED;
/* Lets an entry, `..` included, stand for another inode. */
enum err ext_dir_replace(struct ext_node *directory, uint32_t offset,
                         const struct ext_node *node) WARN_UNUSED;
/* `..` is the second entry. */
#define EXT_DOT_DOT_OFFSET 12u
enum err ext_dir_init(struct ext_node *directory, const struct ext_node *parent) WARN_UNUSED;
enum err ext_dir_read(struct ext_node *directory, uint64_t cookie,
                      struct vfs_dirent *out) WARN_UNUSED;
enum err ext_dir_check_empty(struct ext_node *directory) WARN_UNUSED;
/* The entry at an offset of a pinned directory block, checked; NULL if it is damaged. */
struct ext_entry *ext_entry_at(const struct ext_volume *volume, uint8_t *block, uint32_t offset);
enum err ext_dir_block(struct ext_node *directory, uint32_t index,
                       struct ext_block **out) WARN_UNUSED;

/* ---- ext_names.c: finding names without reading the whole directory ----------------------------
 */

/* ERR_NOENT, or the entry's place. Builds the table at the first call. */
enum err ext_names_find(struct ext_node *directory, struct vfs_name name,
                        struct ext_place *out) WARN_UNUSED;
void ext_names_add(struct ext_node *directory, struct vfs_name name, uint32_t offset);
void ext_names_remove(struct ext_node *directory, struct vfs_name name, uint32_t offset);
void ext_names_destroy(struct ext_node *directory);
