#include "fs/p9/p9_node.h"

#include "kernel/base/fmt.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

/* ---- Open files, by inode ---------------------------------------------------------------------
 */

static struct p9_node **bucket_of(const struct p9_node *node)
{
    return &node->mount->open_files[(node->inode * 0x9e3779b97f4a7c15ull) >> 56];
}
_Static_assert(P9_BUCKETS == 1u << (64 - 56), "the hash covers the buckets");

void p9_node_enter_open(struct p9_node *node)
{
    if (node->vfs.type == VFS_TYPE_REGULAR && !node->is_open) {
        struct p9_node **bucket = bucket_of(node);
        node->open_next = *bucket;
        node->is_open = true;
        *bucket = node;
    }
}

static void open_leave(struct p9_node *node)
{
    if (node->is_open) {
        struct p9_node **at = bucket_of(node);
        while (*at != node) {
            at = &(*at)->open_next;
        }
        *at = node->open_next;
    }
}

/* ---- Hidden names -----------------------------------------------------------------------------
 */

struct hidden_name {
    char text[P9_HIDDEN_NAME_BYTES + 1];
    struct vfs_name name;
};

#define HIDDEN_PREFIX_BYTES 24u /* .wafer-, 16 digits, - */

static void hidden_name(const struct p9_mount *mount, uint32_t number, struct hidden_name *out)
{
    fmt_format(out->text, sizeof(out->text), ".wafer-%016llx-%08x", (unsigned long long)mount->key,
               number);
    out->name = (struct vfs_name){out->text, P9_HIDDEN_NAME_BYTES};
}

bool p9_name_is_hidden(const struct p9_mount *mount, struct vfs_name name)
{
    struct hidden_name ours;

    if (name.size_bytes != P9_HIDDEN_NAME_BYTES) {
        return false;
    }
    hidden_name(mount, 0, &ours);
    return memcmp(name.bytes, ours.text, HIDDEN_PREFIX_BYTES) == 0;
}

void p9_hidden_remove(struct p9_node *node)
{
    struct hidden_name hidden;

    if (node->hidden_number != 0) {
        hidden_name(node->mount, node->hidden_number, &hidden);
        (void)!p9_unlink(p9_client_of(node), node->mount->root->fid, hidden.name, false);
    }
}

static void fid_replace(struct p9_node *node, uint32_t fid)
{
    if (node->fid != node->read_fid && node->fid != node->write_fid) {
        p9_clunk(p9_client_of(node), node->fid);
    }
    node->fid = fid;
}

/*
 * Where the host refuses the link (another file system, no links), the name goes all the same:
 * reading and writing still work then, the rest answers ERR_NOENT.
 */
static void hide(struct p9_node *node)
{
    struct p9_mount *mount = node->mount;
    struct p9_client *client = &mount->client;
    struct hidden_name hidden;
    struct p9_qid qid;
    uint32_t fid;

    hidden_name(mount, ++mount->hidden_count, &hidden);
    p9_begin(client, P9_TLINK, mount->root->fid);
    p9_put(client, node->fid, 4);
    p9_put_name(client, hidden.name);
    if (p9_call(client) != ERR_OK) {
        return;
    }
    node->hidden_number = mount->hidden_count;
    if (p9_walk(client, mount->root->fid, hidden.name, &fid, &qid) != ERR_OK) {
        return;
    }
    if (qid.path == node->inode) {
        fid_replace(node, fid);
    } else {
        /* Another file has taken the name since we opened ours: it keeps its own. */
        p9_clunk(client, fid);
        p9_hidden_remove(node);
        node->hidden_number = 0;
    }
}

void p9_node_keep(struct p9_node *node)
{
    for (struct p9_node *other = *bucket_of(node); other != NULL; other = other->open_next) {
        if (other != node && other->inode == node->inode && other->hidden_number == 0) {
            hide(other);
        }
    }
}

uint32_t p9_node_hidden_links(const struct p9_node *node)
{
    uint32_t count = 0;

    for (const struct p9_node *other = *bucket_of(node); other != NULL; other = other->open_next) {
        count += other->inode == node->inode && other->hidden_number != 0;
    }
    return count;
}

/* ---- Nodes ------------------------------------------------------------------------------------
 */

enum err p9_node_create(struct p9_mount *mount, struct p9_node *directory, uint32_t fid,
                        struct p9_qid qid, struct p9_node **out)
{
    struct p9_node *node = heap_allocate_zeroed(1, sizeof(*node));
    enum vfs_type type = VFS_TYPE_REGULAR; /* until stat or open knows better */

    if (node == NULL) {
        p9_clunk(&mount->client, fid);
        return ERR_NOMEM;
    }
    if ((qid.type & P9_QID_DIRECTORY_BIT) != 0) {
        type = VFS_TYPE_DIRECTORY;
        node->parent = directory;
        if (directory != NULL) {
            vfs_node_get(&directory->vfs);
        }
    } else if ((qid.type & P9_QID_SYMLINK_BIT) != 0) {
        type = VFS_TYPE_SYMLINK;
    }
    vfs_node_init(&node->vfs, &p9_ops, mount, type);
    node->mount = mount;
    node->inode = qid.path;
    node->fid = fid;
    node->read_fid = P9_NO_FID;
    node->write_fid = P9_NO_FID;
    *out = node;
    return ERR_OK;
}

static void node_destroy(struct p9_node *node)
{
    struct p9_client *client = p9_client_of(node);

    open_leave(node);
    p9_hidden_remove(node);
    p9_clunk(client, node->fid);
    if (node->read_fid != P9_NO_FID && node->read_fid != node->fid) {
        p9_clunk(client, node->read_fid);
    }
    if (node->write_fid != P9_NO_FID && node->write_fid != node->fid &&
        node->write_fid != node->read_fid) {
        p9_clunk(client, node->write_fid);
    }
    heap_free(node->link_text);
    heap_free(node->listing.bytes);
    heap_free(node);
}

/* A directory gives its parent back, and so on: a loop, because paths are long. */
void p9_node_release(struct vfs_node *vfs)
{
    struct p9_node *node = p9_node_of(vfs);

    while (node != NULL) {
        struct p9_node *parent = node->parent;
        node_destroy(node);
        node = parent != NULL && --parent->vfs.reference_count == 0 ? parent : NULL;
    }
}

/* A directory's fid must stay closed, because names are walked from it. */
static enum err fid_open(struct p9_node *node, uint32_t flags, uint32_t *out)
{
    struct p9_client *client = p9_client_of(node);
    uint32_t fid = node->fid;
    bool is_used =
        node->vfs.type == VFS_TYPE_DIRECTORY || fid == node->read_fid || fid == node->write_fid;
    enum err err = ERR_OK;
    uint64_t inode;

    if (is_used) {
        err = p9_walk(client, node->fid, (struct vfs_name){0}, &fid, NULL);
    }
    if (err != ERR_OK) {
        return err;
    }
    err = p9_open(client, fid, flags | P9_OPEN_NONBLOCK_BIT, &inode);
    if (err == ERR_OK) {
        *out = fid;
        if (!node->is_open) {
            node->inode = inode;
        }
    } else if (is_used) {
        p9_clunk(client, fid);
    }
    return err;
}

enum err p9_node_open(struct p9_node *node, bool for_writing)
{
    uint32_t *wanted = for_writing ? &node->write_fid : &node->read_fid;
    enum err err;

    if (*wanted != P9_NO_FID) {
        return ERR_OK;
    }
    if (!for_writing) {
        bool is_directory = node->vfs.type == VFS_TYPE_DIRECTORY;
        err = fid_open(node, is_directory ? P9_OPEN_DIRECTORY_BIT : P9_OPEN_READ, wanted);
    } else {
        err = fid_open(node, P9_OPEN_READ_WRITE, wanted);
        if (err == ERR_OK && node->read_fid == P9_NO_FID) {
            node->read_fid = *wanted;
        } else if (err == ERR_ACCES) {
            err = fid_open(node, P9_OPEN_WRITE, wanted);
        }
    }
    if (err == ERR_OK) {
        p9_node_enter_open(node);
    }
    return err;
}
