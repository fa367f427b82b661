#include "fs/p9/p9.h"
#include "fs/p9/p9_node.h"
#include "kernel/base/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/random.h"

/* WASI has no modes; the same as on a volume. */
#define MODE_FILE      0644u
#define MODE_DIRECTORY 0755u

static enum err p9_lookup(struct vfs_node *vfs, struct vfs_name name, struct vfs_node **out)
{
    struct p9_node *directory = p9_node_of(vfs);
    struct p9_node *node;
    struct p9_qid qid;
    uint32_t fid;
    enum err err = p9_walk(p9_client_of(directory), directory->fid, name, &fid, &qid);

    if (err == ERR_OK) {
        err = p9_node_create(directory->mount, directory, fid, qid, &node);
    }
    if (err == ERR_OK) {
        *out = &node->vfs;
    }
    return err;
}

static enum err p9_parent(struct vfs_node *vfs, struct vfs_node **out)
{
    struct p9_node *parent = p9_node_of(vfs)->parent;

    if (parent == NULL) {
        return ERR_NOENT;
    }
    vfs_node_get(&parent->vfs);
    *out = &parent->vfs;
    return ERR_OK;
}

/* The server says so when it removes or replaces the directory, without a race. */
static enum err p9_check_empty(struct vfs_node *vfs)
{
    (void)vfs;
    return ERR_OK;
}

static enum err p9_read_link(struct vfs_node *vfs, const char **target, size_t *target_bytes)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);

    if (node->link_text == NULL) {
        p9_begin(client, P9_TREADLINK, node->fid);
        enum err err = p9_call(client);
        if (err != ERR_OK) {
            return err;
        }
        struct vfs_name text = p9_get_string(client);
        err = p9_check(client);
        if (err != ERR_OK) {
            return err;
        }
        if (text.size_bytes == 0 || text.size_bytes > VFS_PATH_MAX) {
            return ERR_IO;
        }
        node->link_text = heap_allocate(text.size_bytes);
        if (node->link_text == NULL) {
            return ERR_NOMEM;
        }
        memcpy(node->link_text, text.bytes, text.size_bytes);
        node->link_bytes = text.size_bytes;
    }
    *target = node->link_text;
    *target_bytes = node->link_bytes;
    return ERR_OK;
}

/* ---- Making -----------------------------------------------------------------------------------
 */

/* A new file is open already, for whoever makes it means to write. */
static enum err create_file(struct p9_node *directory, struct vfs_name name, struct p9_node **out)
{
    struct p9_client *client = p9_client_of(directory);
    uint32_t fid;
    enum err err = p9_walk(client, directory->fid, (struct vfs_name){0}, &fid, NULL);

    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TLCREATE, fid);
    p9_put_name(client, name);
    p9_put(client, P9_OPEN_READ_WRITE | P9_OPEN_CREATE_BIT | P9_OPEN_EXCLUSIVE_BIT, 4);
    p9_put(client, MODE_FILE, 4);
    p9_put(client, P9_NO_ID, 4);
    err = p9_call(client);
    struct p9_qid qid = {0};
    if (err == ERR_OK) {
        qid = p9_get_qid(client);
        err = p9_check(client);
    }
    if (err != ERR_OK) {
        p9_clunk(client, fid);
        return err;
    }
    qid.type = 0; /* asked for a regular file, we treat it as one */
    err = p9_node_create(directory->mount, directory, fid, qid, out);
    if (err == ERR_OK) {
        (*out)->read_fid = fid;
        (*out)->write_fid = fid;
        p9_node_enter_open(*out);
    }
    return err;
}

static enum err p9_create(struct vfs_node *vfs, struct vfs_name name, enum vfs_type type,
                          struct vfs_node **out)
{
    struct p9_node *directory = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(directory);
    struct p9_node *node;

    if (type == VFS_TYPE_REGULAR) {
        enum err err = create_file(directory, name, &node);
        if (err == ERR_OK) {
            *out = &node->vfs;
        }
        return err;
    }
    p9_begin(client, P9_TMKDIR, directory->fid);
    p9_put_name(client, name);
    p9_put(client, MODE_DIRECTORY, 4);
    p9_put(client, P9_NO_ID, 4);
    enum err err = p9_call(client);
    return err == ERR_OK ? p9_lookup(vfs, name, out) : err;
}

static enum err p9_symlink(struct vfs_node *vfs, struct vfs_name name, const char *target,
                           size_t target_bytes)
{
    struct p9_node *directory = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(directory);

    p9_begin(client, P9_TSYMLINK, directory->fid);
    p9_put_name(client, name);
    p9_put_string(client, target, target_bytes);
    p9_put(client, P9_NO_ID, 4);
    return p9_call(client);
}

static enum err p9_link(struct vfs_node *vfs, struct vfs_name name, struct vfs_node *target)
{
    struct p9_node *directory = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(directory);

    p9_begin(client, P9_TLINK, directory->fid);
    p9_put(client, p9_node_of(target)->fid, 4);
    p9_put_name(client, name);
    return p9_call(client);
}

/* ---- Removing ---------------------------------------------------------------------------------
 */

static enum err p9_remove(const struct vfs_place *place)
{
    struct p9_node *directory = p9_node_of(place->directory);
    bool is_directory = place->node->type == VFS_TYPE_DIRECTORY;

    if (!is_directory) {
        p9_node_keep(p9_node_of(place->node));
    }
    return p9_unlink(p9_client_of(directory), directory->fid, place->name, is_directory);
}

static enum err p9_rename(const struct vfs_place *from, const struct vfs_place *to)
{
    struct p9_node *old_directory = p9_node_of(from->directory);
    struct p9_client *client = p9_client_of(old_directory);

    if (to->node != NULL && p9_node_of(to->node)->inode != p9_node_of(from->node)->inode) {
        p9_node_keep(p9_node_of(to->node));
    }
    p9_begin(client, P9_TRENAMEAT, old_directory->fid);
    p9_put_name(client, from->name);
    p9_put(client, p9_node_of(to->directory)->fid, 4);
    p9_put_name(client, to->name);
    return p9_call(client);
}

const struct vfs_ops p9_ops = {
    .release = p9_node_release,
    .open = p9_file_open,
    .stat = p9_stat,
    .set_times = p9_set_times,
    .sync = p9_sync,
    .read_span = p9_read_span,
    .write_reserve = p9_write_reserve,
    .write_commit = p9_write_commit,
    .set_size = p9_set_size,
    .allocate = p9_allocate,
    .read_link = p9_read_link,
    .lookup = p9_lookup,
    .parent = p9_parent,
    .read_directory = p9_read_directory,
    .check_empty = p9_check_empty,
    .create = p9_create,
    .symlink = p9_symlink,
    .link = p9_link,
    .remove = p9_remove,
    .rename = p9_rename,
};
