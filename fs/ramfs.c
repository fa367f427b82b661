#include "fs/ramfs.h"

#include "fs/ramfs_node.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/clock.h"
#include "kernel/mem.h"
#include "kernel/random.h"

#define LINKS_MAX 65000u

static const struct vfs_ops ram_ops;

static struct ram_node *ram_node_of(struct vfs_node *node)
{
    return (struct ram_node *)node;
}

/* ---- Nodes ------------------------------------------------------------------------------------
 */

/* With no name yet and one reference. NULL without memory. */
static struct ram_node *node_create(struct ram_fs *fs, enum vfs_type type)
{
    struct ram_node *node = fs_budget_heap(&fs->budget, sizeof(*node));
    if (node == NULL) {
        return NULL;
    }
    uint64_t now_ns = clock_realtime_ns();
    vfs_node_init(&node->vfs, &ram_ops, fs, type);
    node->fs = fs;
    node->inode = fs->next_inode++;
    node->access_ns = now_ns;
    node->modify_ns = now_ns;
    node->change_ns = now_ns;
    return node;
}

static void node_destroy(struct ram_node *node)
{
    struct fs_budget *budget = &node->fs->budget;
    switch (node->vfs.type) {
    case VFS_TYPE_REGULAR:
        ram_data_destroy(&node->data, budget);
        break;
    case VFS_TYPE_DIRECTORY:
        ram_names_destroy_directory(node);
        break;
    case VFS_TYPE_SYMLINK:
        fs_budget_heap_free(budget, node->link.target, node->link.target_bytes);
        break;
    case VFS_TYPE_UNKNOWN:
        break;
    }
    fs_budget_heap_free(budget, node, sizeof(*node));
}

static void ram_release(struct vfs_node *vfs)
{
    struct ram_node *node = ram_node_of(vfs);
    if (node->link_count == 0) {
        node_destroy(node);
    }
}

static void touch_modified(struct ram_node *node)
{
    if (node->fs->is_loading) {
        return;
    }
    node->modify_ns = clock_realtime_ns();
    node->change_ns = node->modify_ns;
}

static enum err ram_stat(struct vfs_node *vfs, struct vfs_stat *out)
{
    const struct ram_node *node = ram_node_of(vfs);
    *out = (struct vfs_stat){
        .device = 1,
        .inode = node->inode,
        .link_count = node->link_count,
        .access_time_ns = node->access_ns,
        .modify_time_ns = node->modify_ns,
        .change_time_ns = node->change_ns,
        .type = vfs->type,
    };
    if (vfs->type == VFS_TYPE_REGULAR) {
        out->size_bytes = node->data.size_bytes;
    } else if (vfs->type == VFS_TYPE_SYMLINK) {
        out->size_bytes = node->link.target_bytes;
    } else {
        out->size_bytes = node->directory.slot_count * sizeof(struct ram_slot);
    }
    return ERR_OK;
}

static enum err ram_set_times(struct vfs_node *vfs, uint64_t access_ns, uint64_t modify_ns)
{
    struct ram_node *node = ram_node_of(vfs);
    if (access_ns != VFS_TIME_OMIT) {
        node->access_ns = access_ns;
    }
    if (modify_ns != VFS_TIME_OMIT) {
        node->modify_ns = modify_ns;
    }
    node->change_ns = clock_realtime_ns();
    return ERR_OK;
}

static enum err ram_sync(struct vfs_node *vfs, bool data_only)
{
    (void)vfs;
    (void)data_only;
    return ERR_OK;
}

/* ---- Contents ---------------------------------------------------------------------------------
 */

static enum err ram_read_span(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                              struct vfs_span *out)
{
    struct ram_node *node = ram_node_of(vfs);
    ram_data_read_span(&node->data, offset, max_bytes, out);
    /* Like Linux's relatime: the first read after a change shows, the others cost nothing. */
    if (out->size_bytes != 0 && node->access_ns <= node->modify_ns) {
        node->access_ns = clock_realtime_ns();
    }
    return ERR_OK;
}

static enum err ram_write_reserve(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                                  struct vfs_write_span *out)
{
    struct ram_node *node = ram_node_of(vfs);
    return ram_data_reserve(&node->data, &node->fs->budget, offset, max_bytes, out);
}

static enum err ram_write_commit(struct vfs_node *vfs, uint64_t offset, size_t size_bytes)
{
    struct ram_node *node = ram_node_of(vfs);
    ram_data_commit(&node->data, offset, size_bytes);
    touch_modified(node);
    return ERR_OK;
}

static enum err ram_set_size(struct vfs_node *vfs, uint64_t size_bytes)
{
    struct ram_node *node = ram_node_of(vfs);
    ram_data_set_size(&node->data, &node->fs->budget, size_bytes);
    touch_modified(node);
    return ERR_OK;
}

static enum err ram_allocate(struct vfs_node *vfs, uint64_t offset, uint64_t size_bytes)
{
    struct ram_node *node = ram_node_of(vfs);
    enum err err = ram_data_allocate(&node->data, &node->fs->budget, offset, size_bytes);
    if (err == ERR_OK) {
        touch_modified(node);
    }
    return err;
}

static enum err ram_read_link(struct vfs_node *vfs, const char **target, size_t *target_bytes)
{
    const struct ram_node *node = ram_node_of(vfs);
    *target = node->link.target;
    *target_bytes = node->link.target_bytes;
    return ERR_OK;
}

/* ---- Directories ------------------------------------------------------------------------------
 */

static bool is_removed(const struct ram_node *directory)
{
    return directory->link_count == 0;
}

static enum err ram_lookup(struct vfs_node *vfs, struct vfs_name name, struct vfs_node **out)
{
    const struct ram_entry *entry = ram_names_find(ram_node_of(vfs), name);
    if (entry == NULL) {
        return ERR_NOENT;
    }
    vfs_node_get(&entry->node->vfs);
    *out = &entry->node->vfs;
    return ERR_OK;
}

static enum err ram_parent(struct vfs_node *vfs, struct vfs_node **out)
{
    struct ram_node *parent = ram_node_of(vfs)->directory.parent;
    if (parent == NULL) {
        return ERR_NOENT;
    }
    vfs_node_get(&parent->vfs);
    *out = &parent->vfs;
    return ERR_OK;
}

static enum err ram_read_directory(struct vfs_node *vfs, uint64_t cookie, struct vfs_dirent *out)
{
    const struct ram_node *node = ram_node_of(vfs);
    const struct ram_node *parent = node->directory.parent;
    if (cookie < 2) {
        *out = (struct vfs_dirent){
            .next_cookie = cookie + 1,
            .inode = cookie == 1 && parent != NULL ? parent->inode : node->inode,
            .name = "..",
            .name_bytes = (size_t)cookie + 1,
            .type = VFS_TYPE_DIRECTORY,
        };
        return ERR_OK;
    }
    const struct ram_entry *entry = ram_names_at(node, cookie);
    if (entry == NULL) {
        return ERR_NOENT;
    }
    *out = (struct vfs_dirent){
        .next_cookie = entry->cookie + 1,
        .inode = entry->node->inode,
        .name = entry->name,
        .name_bytes = entry->name_bytes,
        .type = entry->node->vfs.type,
    };
    return ERR_OK;
}

static enum err ram_check_empty(struct vfs_node *vfs)
{
    return ram_node_of(vfs)->directory.entry_count == 0 ? ERR_OK : ERR_NOTEMPTY;
}

/* Gives the node its first name; a directory gets its parent and its own `.` as links. */
static enum err node_enter(struct ram_node *directory, struct vfs_name name, struct ram_node *node)
{
    if (is_removed(directory)) {
        return ERR_NOENT;
    }
    bool is_directory = node->vfs.type == VFS_TYPE_DIRECTORY;
    enum err err = ram_names_add(directory, name, node);
    if (err != ERR_OK) {
        return err;
    }
    node->link_count = 1;
    if (is_directory) {
        node->link_count = 2;
        node->directory.parent = directory;
        directory->link_count++;
    }
    touch_modified(directory);
    return ERR_OK;
}

static enum err ram_create(struct vfs_node *vfs, struct vfs_name name, enum vfs_type type,
                           struct vfs_node **out)
{
    struct ram_node *directory = ram_node_of(vfs);
    struct ram_node *node = node_create(directory->fs, type);
    if (node == NULL) {
        return ERR_NOSPC;
    }
    enum err err = node_enter(directory, name, node);
    if (err == ERR_OK) {
        *out = &node->vfs;
    } else {
        vfs_node_put(&node->vfs);
    }
    return err;
}

static enum err ram_symlink(struct vfs_node *vfs, struct vfs_name name, const char *target,
                            size_t target_bytes)
{
    struct ram_node *directory = ram_node_of(vfs);
    struct ram_node *node = node_create(directory->fs, VFS_TYPE_SYMLINK);
    if (node == NULL) {
        return ERR_NOSPC;
    }
    enum err err = ERR_NOSPC;
    node->link.target = fs_budget_heap(&directory->fs->budget, target_bytes);
    if (node->link.target != NULL) {
        memcpy(node->link.target, target, target_bytes);
        node->link.target_bytes = target_bytes;
        err = node_enter(directory, name, node);
    }
    vfs_node_put(&node->vfs);
    return err;
}

static enum err ram_link(struct vfs_node *vfs, struct vfs_name name, struct vfs_node *target)
{
    struct ram_node *directory = ram_node_of(vfs);
    struct ram_node *node = ram_node_of(target);
    /* A file whose last name is gone cannot get one again. */
    if (is_removed(directory) || node->link_count == 0) {
        return ERR_NOENT;
    }
    if (node->link_count >= LINKS_MAX) {
        return ERR_MLINK;
    }
    enum err err = ram_names_add(directory, name, node);
    if (err == ERR_OK) {
        node->link_count++;
        node->change_ns = clock_realtime_ns();
        touch_modified(directory);
    }
    return err;
}

/* The node has lost a name; whoever called still holds a reference. */
static void node_unlinked(struct ram_node *directory, struct ram_node *node)
{
    if (node->vfs.type == VFS_TYPE_DIRECTORY) {
        node->link_count = 0;
        node->directory.parent = NULL;
        directory->link_count--;
    } else {
        node->link_count--;
    }
    node->change_ns = clock_realtime_ns();
}

static enum err ram_remove(const struct vfs_place *place)
{
    struct ram_node *directory = ram_node_of(place->directory);
    struct ram_entry *entry = ram_names_find(directory, place->name);
    ASSERT(entry != NULL);
    ram_names_remove(entry);
    node_unlinked(directory, ram_node_of(place->node));
    touch_modified(directory);
    return ERR_OK;
}

static enum err ram_rename(const struct vfs_place *from, const struct vfs_place *to)
{
    struct ram_node *old_directory = ram_node_of(from->directory);
    struct ram_node *new_directory = ram_node_of(to->directory);
    struct ram_node *node = ram_node_of(from->node);
    struct ram_entry *old_entry = ram_names_find(old_directory, from->name);
    ASSERT(old_entry != NULL);

    if (to->node != NULL) {
        /* The entry stays in its place, so a scan under way sees the name exactly once. */
        struct ram_entry *entry = ram_names_find(new_directory, to->name);
        ASSERT(entry != NULL);
        entry->node = node;
        node_unlinked(new_directory, ram_node_of(to->node));
    } else {
        if (is_removed(new_directory)) {
            return ERR_NOENT;
        }
        enum err err = ram_names_add(new_directory, to->name, node);
        if (err != ERR_OK) {
            return err;
        }
    }
    ram_names_remove(old_entry);
    if (node->vfs.type == VFS_TYPE_DIRECTORY) {
        old_directory->link_count--;
        new_directory->link_count++;
        node->directory.parent = new_directory;
    }
    node->change_ns = clock_realtime_ns();
    touch_modified(old_directory);
    touch_modified(new_directory);
    return ERR_OK;
}

static const struct vfs_ops ram_ops = {
    .release = ram_release,
    .stat = ram_stat,
    .set_times = ram_set_times,
    .sync = ram_sync,
    .read_span = ram_read_span,
    .write_reserve = ram_write_reserve,
    .write_commit = ram_write_commit,
    .set_size = ram_set_size,
    .allocate = ram_allocate,
    .read_link = ram_read_link,
    .lookup = ram_lookup,
    .parent = ram_parent,
    .read_directory = ram_read_directory,
    .check_empty = ram_check_empty,
    .create = ram_create,
    .symlink = ram_symlink,
    .link = ram_link,
    .remove = ram_remove,
    .rename = ram_rename,
};

/* ---- The tree as a whole ----------------------------------------------------------------------
 */

enum err ramfs_create(uint64_t limit_bytes, struct vfs_node **root)
{
    struct ram_fs *fs = heap_allocate_zeroed(1, sizeof(*fs));
    if (fs == NULL) {
        return ERR_NOMEM;
    }
    fs_budget_init(&fs->budget, limit_bytes);
    random_fill(&fs->key, sizeof(fs->key));
    fs->next_inode = 1;
    enum err err = ram_names_init(fs);
    if (err == ERR_OK) {
        fs->root = node_create(fs, VFS_TYPE_DIRECTORY);
        err = fs->root == NULL ? ERR_NOMEM : ERR_OK;
    }
    if (err != ERR_OK) {
        heap_free(fs->buckets);
        heap_free(fs);
        return err;
    }
    fs->root->link_count = 2;
    *root = &fs->root->vfs;
    return ERR_OK;
}

void ramfs_destroy(struct vfs_node *root)
{
    struct ram_fs *fs = ram_node_of(root)->fs;
    struct fs_budget *budget = &fs->budget;
    /* Entries point at their directories, so those go last, strung together by `parent`. */
    struct ram_node *directories = fs->root;
    directories->directory.parent = NULL;
    for (size_t i = 0; i < fs->bucket_count; i++) {
        struct ram_entry *entry = fs->buckets[i];
        while (entry != NULL) {
            struct ram_entry *next = entry->hash_next;
            struct ram_node *node = entry->node;
            ASSERT(node->vfs.reference_count == 0);
            if (node->vfs.type == VFS_TYPE_DIRECTORY) {
                node->directory.parent = directories;
                directories = node;
            } else if (--node->link_count == 0) {
                node_destroy(node);
            }
            fs_budget_heap_free(budget, entry, sizeof(*entry) + entry->name_bytes);
            entry = next;
        }
    }
    while (directories != NULL) {
        struct ram_node *next = directories->directory.parent;
        node_destroy(directories);
        directories = next;
    }
    fs_budget_heap_free(budget, fs->buckets, fs->bucket_count * sizeof(fs->buckets[0]));
    ASSERT(budget->used_bytes == 0);
    heap_free(fs);
}

void ramfs_set_loading(struct vfs_node *root, bool is_loading)
{
    struct ram_fs *fs = ram_node_of(root)->fs;
    fs->is_loading = is_loading;
    fs->budget.is_unreserved = is_loading;
}

void ramfs_set_lower(struct vfs_node *file, const void *data, size_t size_bytes)
{
    struct ram_node *node = ram_node_of(file);
    node->data.lower = data;
    node->data.lower_bytes = size_bytes;
    node->data.size_bytes = size_bytes;
}

uint64_t ramfs_used_bytes(const struct vfs_node *node)
{
    const struct ram_fs *fs = node->volume;
    return fs->budget.used_bytes;
}
