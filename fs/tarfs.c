#include "fs/tarfs.h"

#include "fs/ramfs.h"
#include "fs/tar_reader.h"
#include "fs/vfs_ops.h"
#include "kernel/base/assert.h"
#include "kernel/base/string.h"
#include "kernel/log.h"

/* A hostile image must not flood the log. */
#define WARNINGS_MAX 8u

struct load {
    struct vfs_node *root;
    unsigned skipped_count;
};

static void entry_skipped(struct load *load, const struct tar_entry *entry, const char *why)
{
    if (load->skipped_count++ < WARNINGS_MAX) {
        size_t shown = entry->name.size_bytes < 80 ? entry->name.size_bytes : 80;
        log_warning("tar", "skipped '%.*s' at offset %llu: %s", (int)shown, entry->name.bytes,
                    (unsigned long long)entry->header_offset, why);
    }
}

/* The next component of a slash-separated name that is not empty or `.`. */
static bool component_next(struct tar_string *rest, struct vfs_name *out)
{
    while (rest->size_bytes != 0) {
        const char *slash = memchr(rest->bytes, '/', rest->size_bytes);
        size_t size_bytes = slash == NULL ? rest->size_bytes : (size_t)(slash - rest->bytes);
        *out = (struct vfs_name){rest->bytes, size_bytes};
        size_t step = slash == NULL ? size_bytes : size_bytes + 1;
        rest->bytes += step;
        rest->size_bytes -= step;
        if (size_bytes != 0 && !(size_bytes == 1 && out->bytes[0] == '.')) {
            return true;
        }
    }
    return false;
}

static const char *component_problem(struct vfs_name name)
{
    if (name.size_bytes == 2 && name.bytes[0] == '.' && name.bytes[1] == '.') {
        return "a name must not contain '..'";
    }
    if (name.size_bytes > VFS_NAME_MAX) {
        return "a name is longer than 255 bytes";
    }
    return memchr(name.bytes, '\0', name.size_bytes) != NULL ? "a name contains NUL" : NULL;
}

/*
 * Finds the place a name stands for, without following links. Directories on the way are made
 * when `make` is set. The place's directory and node carry references; *why is set when the
 * name is refused. A name of no components is the root: place.node with an empty name.
 */
static enum err place_find(struct vfs_node *root, struct tar_string name, bool make,
                           struct vfs_place *place, const char **why)
{
    struct vfs_name component;
    enum err err = ERR_OK;
    ASSERT(root != NULL);
    *place = (struct vfs_place){.node = root};
    vfs_node_get(root);
    while (err == ERR_OK && component_next(&name, &component)) {
        *why = component_problem(component);
        if (*why == NULL && place->node == NULL) {
            if (make) {
                struct vfs_node *parent = place->directory;
                err = parent->ops->create(parent, place->name, VFS_TYPE_DIRECTORY, &place->node);
            } else {
                *why = "what it links to is not there";
            }
        }
        if (err == ERR_OK && *why == NULL && place->node->type != VFS_TYPE_DIRECTORY) {
            *why = "a part of its path is not a directory";
        }
        if (err != ERR_OK || *why != NULL) {
            break;
        }
        vfs_node_put(place->directory);
        place->directory = place->node;
        place->node = NULL;
        place->name = component;
        err = place->directory->ops->lookup(place->directory, component, &place->node);
        err = err == ERR_NOENT ? ERR_OK : err;
    }
    if (err != ERR_OK || *why != NULL) {
        vfs_node_put(place->node);
        vfs_node_put(place->directory);
    }
    return err;
}

static void place_end(struct vfs_place *place)
{
    vfs_node_put(place->node);
    vfs_node_put(place->directory);
}

/* Clears the way for an entry that replaces whatever has its name. */
static enum err place_clear(struct vfs_place *place, const char **why)
{
    struct vfs_node *node = place->node;
    if (node == NULL) {
        return ERR_OK;
    }
    if (node->type == VFS_TYPE_DIRECTORY && node->ops->check_empty(node) != ERR_OK) {
        *why = "a directory with contents has its name";
        return ERR_OK;
    }
    enum err err = node->ops->remove(place);
    if (err == ERR_OK) {
        vfs_node_put(node);
        place->node = NULL;
    }
    return err;
}

static enum err hard_link_make(struct load *load, const struct tar_entry *entry,
                               struct vfs_place *place, const char **why)
{
    struct vfs_place target;
    enum err err = place_find(load->root, entry->link_target, false, &target, why);
    if (err != ERR_OK || *why != NULL) {
        return err;
    }
    if (target.node == NULL) {
        *why = "what it links to is not there";
    } else if (target.node->type == VFS_TYPE_DIRECTORY) {
        *why = "it is a hard link to a directory";
    } else if (target.node != place->node) {
        err = place_clear(place, why);
        if (err == ERR_OK && *why == NULL) {
            err = place->directory->ops->link(place->directory, place->name, target.node);
        }
    }
    place_end(&target);
    return err == ERR_MLINK ? ERR_NOSPC : err;
}

static enum err directory_make(const struct tar_entry *entry, struct vfs_place *place,
                               const char **why)
{
    struct vfs_node *node = place->node;
    enum err err = ERR_OK;
    if (node == NULL || node->type != VFS_TYPE_DIRECTORY) {
        err = place_clear(place, why);
        if (err == ERR_OK && *why == NULL) {
            err = place->directory->ops->create(place->directory, place->name, VFS_TYPE_DIRECTORY,
                                                &place->node);
        }
    }
    if (err == ERR_OK && *why == NULL) {
        err = vfs_set_times(place->node, entry->modify_time_ns, entry->modify_time_ns);
    }
    return err;
}

static enum err file_make(const struct tar_entry *entry, struct vfs_place *place, const char **why)
{
    enum err err = place_clear(place, why);
    if (err != ERR_OK || *why != NULL) {
        return err;
    }
    err = place->directory->ops->create(place->directory, place->name, VFS_TYPE_REGULAR,
                                        &place->node);
    if (err == ERR_OK) {
        ramfs_set_lower(place->node, entry->data, (size_t)entry->size_bytes);
        err = vfs_set_times(place->node, entry->modify_time_ns, entry->modify_time_ns);
    }
    return err;
}

/*
 * The target is kept as it is, even an absolute one: following decides what may be reached.
 */
static enum err symlink_make(const struct tar_entry *entry, struct vfs_place *place,
                             const char **why)
{
    struct tar_string target = entry->link_target;
    if (target.size_bytes == 0 || target.size_bytes > VFS_PATH_MAX ||
        memchr(target.bytes, '\0', target.size_bytes) != NULL) {
        *why = "its link target is empty, too long or contains NUL";
        return ERR_OK;
    }
    enum err err = place_clear(place, why);
    if (err != ERR_OK || *why != NULL) {
        return err;
    }
    struct vfs_node *directory = place->directory;
    err = directory->ops->symlink(directory, place->name, target.bytes, target.size_bytes);
    if (err == ERR_OK) {
        err = directory->ops->lookup(directory, place->name, &place->node);
    }
    if (err == ERR_OK) {
        err = vfs_set_times(place->node, entry->modify_time_ns, entry->modify_time_ns);
    }
    return err;
}

static enum err entry_make(struct load *load, const struct tar_entry *entry,
                           struct vfs_place *place, const char **why)
{
    if (place->directory == NULL) {
        /* The root, `./` in many archives: there is nothing to make. */
        return vfs_set_times(place->node, entry->modify_time_ns, entry->modify_time_ns);
    }
    switch (entry->type) {
    case TAR_REGULAR:
        return file_make(entry, place, why);
    case TAR_DIRECTORY:
        return directory_make(entry, place, why);
    case TAR_SYMLINK:
        return symlink_make(entry, place, why);
    case TAR_HARD_LINK:
        return hard_link_make(load, entry, place, why);
    case TAR_OTHER:
        break;
    }
    return ERR_OK;
}

static enum err entry_load(struct load *load, const struct tar_entry *entry)
{
    const char *why = NULL;
    struct vfs_place place;
    enum err err = ERR_OK;
    if (entry->name.size_bytes == 0 || entry->name.size_bytes > VFS_PATH_MAX) {
        why = "its name is empty or too long";
    } else if (entry->type == TAR_OTHER) {
        why = "only files, directories and links are supported";
    } else {
        err = place_find(load->root, entry->name, true, &place, &why);
        if (err == ERR_OK && why == NULL) {
            err = entry_make(load, entry, &place, &why);
            place_end(&place);
        }
    }
    if (why != NULL) {
        entry_skipped(load, entry, why);
    }
    return err;
}

static enum err archive_load(struct vfs_node *root, const void *tar, size_t size_bytes)
{
    struct load load = {.root = root};
    struct tar_reader reader;
    struct tar_entry entry;
    tar_reader_init(&reader, tar, size_bytes);
    enum err err = tar_reader_next(&reader, &entry);
    while (err == ERR_OK) {
        err = entry_load(&load, &entry);
        if (err != ERR_OK) {
            log_error("tar", "the file system image does not fit into memory (entry at %llu)",
                      (unsigned long long)entry.header_offset);
            return err;
        }
        err = tar_reader_next(&reader, &entry);
    }
    if (load.skipped_count > WARNINGS_MAX) {
        log_warning("tar", "skipped %u more entries", load.skipped_count - WARNINGS_MAX);
    }
    if (err == ERR_INVAL) {
        log_error("tar", "the file system image is damaged at offset %llu: %s",
                  (unsigned long long)entry.header_offset, reader.problem);
        return err;
    }
    return err == ERR_NOENT ? ERR_OK : err;
}

enum err tarfs_load(struct vfs_node *root, const void *tar, size_t size_bytes)
{
    ramfs_set_loading(root, true);
    enum err err = archive_load(root, tar, size_bytes);
    ramfs_set_loading(root, false);
    return err;
}
