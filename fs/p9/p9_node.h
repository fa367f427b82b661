/*
 * Files of a mount as the VFS holds them. Inside fs/p9 only; normal kernel context.
 *
 * Each look-up makes a node of its own with a fid of its own: two nodes for one file know nothing
 * of each other, because what they would share lies with the server. A fid of QEMU's is a
 * path, not an inode; it follows renames by us, not those of others on the host.
 *
 * The one exception are open files whose name we remove: on its path alone such a server can no
 * longer stat or truncate them. They get a second, hidden name in the mount's root first, where
 * the node's fid then points, until the node is released (p9_node_keep).
 */
#pragma once

#include "fs/p9/p9_client.h"

#define P9_BUCKETS           256u
#define P9_HIDDEN_NAME_BYTES 32u

/* A batch of directory entries, as the server sent it. */
struct p9_listing {
    uint8_t *bytes;
    uint32_t size_bytes;
    uint32_t position; /* of the entry that stands at `offset` of the directory */
    uint64_t first_offset;
    uint64_t offset;
};

struct p9_mount {
    struct p9_client client;
    uint32_t device;
    struct p9_node *root;
    uint64_t key; /* in hidden names: tells ours from those of other machines */
    uint32_t hidden_count;
    struct p9_node *open_files[P9_BUCKETS];
};

struct p9_node {
    struct vfs_node vfs; /* first: a struct vfs_node * of ours is a struct p9_node * */
    struct p9_mount *mount;
    struct p9_node *parent;    /* of directories but the root: one reference */
    struct p9_node *open_next; /* in open_files, while `is_open` */
    bool is_open;
    uint32_t hidden_number; /* of the hidden name; 0: none */
    uint64_t inode;
    uint32_t fid;       /* for everything but data */
    uint32_t read_fid;  /* open for reading, may be `fid` or write_fid; or P9_NO_FID */
    uint32_t write_fid; /* the same for writing */
    char *link_text;    /* of symbolic links, once read; not NUL-terminated */
    size_t link_bytes;
    struct p9_listing listing; /* of directories */
};

static inline struct p9_node *p9_node_of(struct vfs_node *node)
{
    return (struct p9_node *)node;
}

static inline struct p9_client *p9_client_of(struct p9_node *node)
{
    return &node->mount->client;
}

/* ---- p9_node.c --------------------------------------------------------------------------------
 */

/* Takes over the fid, also on failure. `directory`: where it was found; NULL for the root. */
enum err p9_node_create(struct p9_mount *mount, struct p9_node *directory, uint32_t fid,
                        struct p9_qid qid, struct p9_node **out) WARN_UNUSED;
/* The operation `release` of struct vfs_ops. */
void p9_node_release(struct vfs_node *vfs);
/* Sees to it that read_fid or write_fid is there. */
enum err p9_node_open(struct p9_node *node, bool for_writing) WARN_UNUSED;
/* Enters a file that has an open fid among the open ones. */
void p9_node_enter_open(struct p9_node *node);
/* The name `node` stands for is about to go: other nodes that have the file open keep it. */
void p9_node_keep(struct p9_node *node);
/* How many hidden names a file has. */
uint32_t p9_node_hidden_links(const struct p9_node *node);
bool p9_name_is_hidden(const struct p9_mount *mount, struct vfs_name name);
void p9_hidden_remove(struct p9_node *node);

/* ---- p9_file.c --------------------------------------------------------------------------------
 */

enum err p9_file_open(struct vfs_node *vfs, bool for_writing) WARN_UNUSED;
enum err p9_stat(struct vfs_node *vfs, struct vfs_stat *out) WARN_UNUSED;
enum err p9_set_times(struct vfs_node *vfs, uint64_t access_ns, uint64_t modify_ns) WARN_UNUSED;
enum err p9_sync(struct vfs_node *vfs, bool data_only) WARN_UNUSED;
enum err p9_read_span(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                      struct vfs_span *out) WARN_UNUSED;
enum err p9_write_reserve(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                          struct vfs_write_span *out) WARN_UNUSED;
enum err p9_write_commit(struct vfs_node *vfs, uint64_t offset, size_t size_bytes) WARN_UNUSED;
enum err p9_set_size(struct vfs_node *vfs, uint64_t size_bytes) WARN_UNUSED;
enum err p9_allocate(struct vfs_node *vfs, uint64_t offset, uint64_t size_bytes) WARN_UNUSED;

/* ---- p9_list.c --------------------------------------------------------------------------------
 */

enum err p9_read_directory(struct vfs_node *vfs, uint64_t cookie,
                           struct vfs_dirent *out) WARN_UNUSED;

/* ---- p9_names.c -------------------------------------------------------------------------------
 */

extern const struct vfs_ops p9_ops;
