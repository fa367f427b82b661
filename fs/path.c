#include "fs/path.h"

#include "kernel/base/string.h"
#include "kernel/mem.h"

/*
 * POSIX.1-2017 §4.13, pathname resolution, with the sandbox rule of WASI preview 1 on top: the
 * walk counts how deep it stands below the root it was given, and a `..` at depth 0 fails
 * instead of staying there. Nothing runs between two steps that could move a directory, so
 * the count and the parent links of the directories cannot disagree.
 *
 * Symbolic links do not recurse: each one followed adds a text to a bounded list, and a text
 * that is used up hands back to the one in which the link stood.
 */

struct path_text {
    const char *bytes;
    size_t size_bytes;
    size_t position;
    bool slash_after;        /* slashes followed the component that was a link */
    struct path_text *outer; /* the text that continues when this one ends */
};

struct path_links {
    unsigned count;
    struct {
        struct vfs_node *node;
        struct path_text text;
    } list[VFS_LINK_MAX];
};

struct walk {
    struct path *path;
    struct path_text first;
    struct path_text *text;
    struct vfs_node *current; /* a directory, one reference */
    size_t depth;
    enum path_follow follow;
};

static void text_skip_slashes(struct path_text *text)
{
    while (text->position < text->size_bytes && text->bytes[text->position] == '/') {
        text->position++;
        text->slash_after = true;
    }
}

/* The next component of the innermost text that has one; false at the end of the path. */
static bool walk_next(struct walk *walk, struct vfs_name *name)
{
    while (walk->text->position == walk->text->size_bytes) {
        if (walk->text->outer == NULL) {
            return false;
        }
        walk->text = walk->text->outer;
    }
    struct path_text *text = walk->text;
    const char *start = text->bytes + text->position;
    size_t rest = text->size_bytes - text->position;
    const char *slash = memchr(start, '/', rest);
    name->bytes = start;
    name->size_bytes = slash == NULL ? rest : (size_t)(slash - start);
    text->position += name->size_bytes;
    text->slash_after = false;
    text_skip_slashes(text);
    return true;
}

/* Nothing but slashes remains; tells whether there were any. */
static bool walk_at_end(const struct walk *walk, bool *slash)
{
    bool seen = false;
    for (const struct path_text *text = walk->text; text != NULL; text = text->outer) {
        if (text->position != text->size_bytes) {
            return false;
        }
        seen = seen || text->slash_after;
    }
    *slash = seen;
    return true;
}

static enum err text_check(const char *bytes, size_t size_bytes)
{
    if (size_bytes == 0) {
        return ERR_NOENT;
    }
    if (size_bytes > VFS_PATH_MAX) {
        return ERR_NAMETOOLONG;
    }
    if (memchr(bytes, '\0', size_bytes) != NULL) {
        return ERR_ILSEQ;
    }
    return bytes[0] == '/' ? ERR_NOTCAPABLE : ERR_OK;
}

/* Takes over the reference to `link`. */
static enum err walk_follow(struct walk *walk, struct vfs_node *link)
{
    const char *target;
    size_t target_bytes;
    struct path_links *links = walk->path->links;
    if (links == NULL) {
        links = heap_allocate_zeroed(1, sizeof(*links));
        walk->path->links = links;
    }
    enum err err = links == NULL ? ERR_NOMEM : ERR_OK;
    if (err == ERR_OK && links->count == VFS_LINK_MAX) {
        err = ERR_LOOP;
    }
    if (err == ERR_OK) {
        err = link->ops->read_link(link, &target, &target_bytes);
    }
    if (err == ERR_OK) {
        err = text_check(target, target_bytes);
    }
    if (err != ERR_OK) {
        vfs_node_put(link);
        return err;
    }
    struct path_text *text = &links->list[links->count].text;
    *text = (struct path_text){
        .bytes = target,
        .size_bytes = target_bytes,
        .outer = walk->text,
    };
    links->list[links->count++].node = link;
    walk->text = text;
    return ERR_OK;
}

static void walk_move(struct walk *walk, struct vfs_node *directory)
{
    vfs_node_put(walk->current);
    walk->current = directory;
}

/* `.` and `..`. */
static enum err walk_dots(struct walk *walk, bool up)
{
    if (!up) {
        return ERR_OK;
    }
    if (walk->depth == 0) {
        return ERR_NOTCAPABLE;
    }
    struct vfs_node *parent;
    enum err err = walk->current->ops->parent(walk->current, &parent);
    if (err == ERR_OK) {
        walk->depth--;
        walk_move(walk, parent);
    }
    return err;
}

static void walk_finish(struct walk *walk, enum path_last last, struct vfs_name name,
                        struct vfs_node *node)
{
    struct path *path = walk->path;
    path->last = last;
    path->place.directory = walk->current;
    path->place.name = name;
    path->place.node = node;
    walk->current = NULL;
}

/* A component that is a name. Sets *done when it was the last one of the path. */
static enum err walk_name(struct walk *walk, struct vfs_name name, bool *done)
{
    if (name.size_bytes > VFS_NAME_MAX) {
        return ERR_NAMETOOLONG;
    }
    bool slash = false;
    bool last = walk_at_end(walk, &slash);
    struct vfs_node *node = NULL;
    enum err err = walk->current->ops->lookup(walk->current, name, &node);
    if (err == ERR_NOENT && last) {
        walk->path->trailing_slash = slash;
        walk_finish(walk, PATH_LAST_NAME, name, NULL);
        *done = true;
        return ERR_OK;
    }
    if (err != ERR_OK) {
        return err;
    }
    bool follow =
        !last || walk->follow == PATH_FOLLOW || (walk->follow == PATH_FOLLOW_SLASH && slash);
    if (node->type == VFS_TYPE_SYMLINK && follow) {
        return walk_follow(walk, node);
    }
    if (last) {
        walk->path->trailing_slash = slash;
        walk_finish(walk, PATH_LAST_NAME, name, node);
        *done = true;
        return ERR_OK;
    }
    if (node->type != VFS_TYPE_DIRECTORY) {
        vfs_node_put(node);
        return ERR_NOTDIR;
    }
    walk->depth++;
    walk_move(walk, node);
    return ERR_OK;
}

static enum err walk_run(struct walk *walk)
{
    struct vfs_name name;
    bool done = false;
    while (!done && walk_next(walk, &name)) {
        bool dot = name.size_bytes == 1 && name.bytes[0] == '.';
        bool dot_dot = name.size_bytes == 2 && name.bytes[0] == '.' && name.bytes[1] == '.';
        enum err err = dot || dot_dot ? walk_dots(walk, dot_dot) : walk_name(walk, name, &done);
        if (err != ERR_OK) {
            return err;
        }
        bool slash = false;
        if ((dot || dot_dot) && walk_at_end(walk, &slash)) {
            walk->path->trailing_slash = slash;
            vfs_node_get(walk->current);
            walk_finish(walk, dot ? PATH_LAST_DOT : PATH_LAST_DOT_DOT, name, walk->current);
            done = true;
        }
    }
    return ERR_OK;
}

enum err path_resolve(struct vfs_node *root, const char *text, size_t size_bytes,
                      enum path_follow follow, struct path *out)
{
    *out = (struct path){.last = PATH_LAST_NAME};
    if (root->type != VFS_TYPE_DIRECTORY) {
        return ERR_NOTDIR;
    }
    enum err err = text_check(text, size_bytes);
    if (err != ERR_OK) {
        return err;
    }
    struct walk walk = {
        .path = out,
        .first = {.bytes = text, .size_bytes = size_bytes},
        .current = root,
        .follow = follow,
    };
    walk.text = &walk.first;
    vfs_node_get(root);
    err = walk_run(&walk);
    if (err != ERR_OK) {
        vfs_node_put(walk.current);
        path_end(out);
    }
    return err;
}

void path_end(struct path *path)
{
    vfs_node_put(path->place.node);
    vfs_node_put(path->place.directory);
    path->place.node = NULL;
    path->place.directory = NULL;
    if (path->links != NULL) {
        for (unsigned i = 0; i < path->links->count; i++) {
            vfs_node_put(path->links->list[i].node);
        }
        heap_free(path->links);
        path->links = NULL;
    }
}
