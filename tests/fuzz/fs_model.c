#include "tests/fuzz/fs_model.h"

#include <stdio.h>
#include <string.h>

void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    model->nodes[0].type = MODEL_DIRECTORY;
    model->nodes[0].parent = MODEL_NO_NODE;
}

static int find_name(const struct model *model, int directory, const char *name)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (model->names[i].used && model->names[i].directory == directory &&
            strcmp(model->names[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

int model_count_names(const struct model *model, int directory)
{
    int count = 0;
    for (int i = 0; i < MODEL_NAMES; i++) {
        count += model->names[i].used && model->names[i].directory == directory;
    }
    return count;
}

bool model_has_room(const struct model *model)
{
    int nodes = 0;
    int names = 0;
    for (int i = 0; i < MODEL_NODES; i++) {
        nodes += model->nodes[i].type == MODEL_UNUSED;
    }
    for (int i = 0; i < MODEL_NAMES; i++) {
        names += !model->names[i].used;
    }
    return nodes > 0 && names > 0;
}

bool model_resolve(const struct model *model, const char *path, enum model_follow follow,
                   struct model_place *place)
{
    char rest[MODEL_PATH_MAX];
    char copy[MODEL_PATH_MAX];
    int current = 0;
    int links = 0;
    snprintf(rest, sizeof(rest), "%s", path);
    if (rest[0] == '\0' || rest[0] == '/') {
        return false;
    }
    for (;;) {
        size_t name_bytes = strcspn(rest, "/");
        size_t slashes = strspn(rest + name_bytes, "/");
        char name[MODEL_TEXT_MAX];
        snprintf(name, sizeof(name), "%.*s", (int)name_bytes, rest);
        snprintf(copy, sizeof(copy), "%s", rest + name_bytes + slashes);
        bool last = copy[0] == '\0';
        bool slash = slashes != 0;
        bool dot_dot = strcmp(name, "..") == 0;
        if (dot_dot || strcmp(name, ".") == 0) {
            if (dot_dot && current == 0) {
                return false;
            }
            current = dot_dot ? model->nodes[current].parent : current;
            if (last) {
                *place = (struct model_place){.directory = current,
                                              .entry = -1,
                                              .node = current,
                                              .special = true,
                                              .slash = slash};
                return true;
            }
            memcpy(rest, copy, sizeof(rest));
            continue;
        }
        int entry = find_name(model, current, name);
        int node = entry < 0 ? MODEL_NO_NODE : model->names[entry].node;
        bool follows = !last || follow == MODEL_FOLLOW || (follow == MODEL_FOLLOW_SLASH && slash);
        if (node != MODEL_NO_NODE && model->nodes[node].type == MODEL_SYMLINK && follows) {
            if (++links > 40 || model->nodes[node].target[0] == '/') {
                return false;
            }
            int used = snprintf(rest, sizeof(rest), "%s%s%s", model->nodes[node].target,
                                slash ? "/" : "", copy);
            if (used >= (int)sizeof(rest)) {
                return false;
            }
            continue;
        }
        if (last) {
            *place = (struct model_place){
                .directory = current, .entry = entry, .node = node, .slash = slash};
            memcpy(place->name, name, sizeof(name));
            return true;
        }
        if (node == MODEL_NO_NODE || model->nodes[node].type != MODEL_DIRECTORY) {
            return false;
        }
        current = node;
        memcpy(rest, copy, sizeof(rest));
    }
}

bool model_path(const struct model *model, int node, char path[MODEL_PATH_MAX])
{
    char rest[MODEL_PATH_MAX];
    snprintf(path, MODEL_PATH_MAX, ".");
    while (node != 0) {
        int entry = 0;
        while (entry < MODEL_NAMES &&
               !(model->names[entry].used && model->names[entry].node == node)) {
            entry++;
        }
        if (entry == MODEL_NAMES) {
            return false;
        }
        memcpy(rest, path, sizeof(rest));
        int used = snprintf(path, MODEL_PATH_MAX, "%s/%s", model->names[entry].name,
                            strcmp(rest, ".") == 0 ? "" : rest);
        if (path[used - 1] == '/') {
            path[used - 1] = '\0';
        }
        node = model->names[entry].directory;
    }
    return true;
}

/* A node without names is free again; the fuzz target holds no file open. */
static void drop_if_unnamed(struct model *model, int node)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (model->names[i].used && model->names[i].node == node) {
            return;
        }
    }
    memset(&model->nodes[node], 0, sizeof(model->nodes[node]));
}

static void remove_entry(struct model *model, int entry)
{
    model->names[entry].used = false;
    drop_if_unnamed(model, model->names[entry].node);
}

static void add_name(struct model *model, const struct model_place *place, int node)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        if (!model->names[i].used) {
            model->names[i].used = true;
            model->names[i].directory = place->directory;
            model->names[i].node = node;
            memcpy(model->names[i].name, place->name, sizeof(place->name));
            return;
        }
    }
}

static int add_node(struct model *model, const struct model_place *place, enum model_type type)
{
    for (int i = 0; i < MODEL_NODES; i++) {
        if (model->nodes[i].type == MODEL_UNUSED) {
            model->nodes[i].type = type;
            model->nodes[i].parent = place->directory;
            add_name(model, place, i);
            return i;
        }
    }
    return MODEL_NO_NODE;
}

bool model_open(struct model *model, const char *path, bool create, bool exclusive, bool truncate,
                bool follow, int *node)
{
    struct model_place place;
    enum model_follow how = follow ? MODEL_FOLLOW : MODEL_FOLLOW_SLASH;
    how = create && exclusive ? MODEL_FOLLOW_NEVER : how;
    if (!model_resolve(model, path, how, &place)) {
        return false;
    }
    if (place.node == MODEL_NO_NODE) {
        if (!create || place.slash) {
            return false;
        }
        *node = add_node(model, &place, MODEL_FILE);
        return true;
    }
    enum model_type type = model->nodes[place.node].type;
    if ((create && exclusive) || type == MODEL_SYMLINK ||
        (type == MODEL_DIRECTORY && (create || truncate)) || (type == MODEL_FILE && place.slash)) {
        return false;
    }
    if (truncate) {
        model_set_size(model, place.node, 0);
    }
    *node = place.node;
    return true;
}

bool model_make_directory(struct model *model, const char *path)
{
    struct model_place place;
    if (!model_resolve(model, path, MODEL_FOLLOW_NEVER, &place) || place.node != MODEL_NO_NODE) {
        return false;
    }
    add_node(model, &place, MODEL_DIRECTORY);
    return true;
}

bool model_remove_directory(struct model *model, const char *path)
{
    struct model_place place;
    if (!model_resolve(model, path, MODEL_FOLLOW_NEVER, &place) || place.special ||
        place.node == MODEL_NO_NODE || model->nodes[place.node].type != MODEL_DIRECTORY ||
        model_count_names(model, place.node) != 0) {
        return false;
    }
    remove_entry(model, place.entry);
    return true;
}

bool model_unlink(struct model *model, const char *path)
{
    struct model_place place;
    if (!model_resolve(model, path, MODEL_FOLLOW_NEVER, &place) || place.special ||
        place.node == MODEL_NO_NODE || model->nodes[place.node].type == MODEL_DIRECTORY ||
        place.slash) {
        return false;
    }
    remove_entry(model, place.entry);
    return true;
}

static bool resolve_free(const struct model *model, const char *path, struct model_place *place)
{
    return model_resolve(model, path, MODEL_FOLLOW_NEVER, place) && place->node == MODEL_NO_NODE &&
           !place->slash;
}

bool model_symlink(struct model *model, const char *target, const char *path)
{
    struct model_place place;
    if (target[0] == '/' || target[0] == '\0' || !resolve_free(model, path, &place)) {
        return false;
    }
    int node = add_node(model, &place, MODEL_SYMLINK);
    snprintf(model->nodes[node].target, MODEL_TEXT_MAX, "%s", target);
    return true;
}

bool model_link(struct model *model, const char *from, const char *to)
{
    struct model_place source;
    struct model_place place;
    if (!model_resolve(model, from, MODEL_FOLLOW_SLASH, &source) || source.node == MODEL_NO_NODE ||
        model->nodes[source.node].type == MODEL_DIRECTORY || source.slash ||
        !resolve_free(model, to, &place)) {
        return false;
    }
    add_name(model, &place, source.node);
    return true;
}

static bool is_self_or_above(const struct model *model, int node, int directory)
{
    while (directory != MODEL_NO_NODE && directory != node) {
        directory = model->nodes[directory].parent;
    }
    return directory == node;
}

bool model_rename(struct model *model, const char *from, const char *to)
{
    struct model_place source;
    struct model_place target;
    if (!model_resolve(model, from, MODEL_FOLLOW_NEVER, &source) || source.special ||
        source.node == MODEL_NO_NODE || !model_resolve(model, to, MODEL_FOLLOW_NEVER, &target) ||
        target.special) {
        return false;
    }
    bool directory = model->nodes[source.node].type == MODEL_DIRECTORY;
    if (directory ? is_self_or_above(model, source.node, target.directory)
                  : source.slash || target.slash) {
        return false;
    }
    if (target.node == source.node) {
        return true;
    }
    if (target.node != MODEL_NO_NODE) {
        bool over_directory = model->nodes[target.node].type == MODEL_DIRECTORY;
        if (over_directory != directory ||
            (over_directory && model_count_names(model, target.node) != 0)) {
            return false;
        }
        remove_entry(model, target.entry);
    }
    model->names[source.entry].used = false;
    add_name(model, &target, source.node);
    if (directory) {
        model->nodes[source.node].parent = target.directory;
    }
    return true;
}

void model_write(struct model *model, int node, size_t offset, uint8_t value, size_t size_bytes)
{
    memset(model->nodes[node].data + offset, value, size_bytes);
    if (offset + size_bytes > model->nodes[node].size_bytes) {
        model->nodes[node].size_bytes = offset + size_bytes;
    }
}

void model_set_size(struct model *model, int node, size_t size_bytes)
{
    if (size_bytes < model->nodes[node].size_bytes) {
        memset(model->nodes[node].data + size_bytes, 0, model->nodes[node].size_bytes - size_bytes);
    }
    model->nodes[node].size_bytes = size_bytes;
}
