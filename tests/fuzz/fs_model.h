/*
 * A small, slow, obviously right file system to compare fs/ with: everything in one array,
 * names searched one by one, whole files as flat bytes, links followed by replacing text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NODES    48
#define MODEL_NAMES    96
#define MODEL_FILE_MAX (5 * 4096)
#define MODEL_TEXT_MAX 32
#define MODEL_PATH_MAX 4096
#define MODEL_NO_NODE  (-1)

enum model_type { MODEL_UNUSED, MODEL_FILE, MODEL_DIRECTORY, MODEL_SYMLINK };

struct model {
    struct {
        enum model_type type;
        int parent; /* of directories */
        size_t size_bytes;
        uint8_t data[MODEL_FILE_MAX];
        char target[MODEL_TEXT_MAX];
    } nodes[MODEL_NODES];
    struct {
        bool used;
        int directory;
        int node;
        char name[MODEL_TEXT_MAX];
    } names[MODEL_NAMES];
};

/* Node 0 is the root. */
void model_init(struct model *model);

struct model_place {
    int directory;
    int entry;    /* index in names, or -1 where the name is free */
    int node;     /* MODEL_NO_NODE where the name is free */
    bool special; /* `.` or `..` at the end */
    bool slash;
    char name[MODEL_TEXT_MAX];
};

enum model_follow { MODEL_FOLLOW, MODEL_FOLLOW_SLASH, MODEL_FOLLOW_NEVER };
bool model_resolve(const struct model *model, const char *path, enum model_follow follow,
                   struct model_place *place);

/* A path of the node's that follows no link; false if it has no name. */
bool model_path(const struct model *model, int node, char path[MODEL_PATH_MAX]);

bool model_has_room(const struct model *model);
int model_count_names(const struct model *model, int directory);

/* Each tells whether the operation succeeds, and does it then. */
bool model_open(struct model *model, const char *path, bool create, bool exclusive, bool truncate,
                bool follow, int *node);
bool model_make_directory(struct model *model, const char *path);
bool model_remove_directory(struct model *model, const char *path);
bool model_unlink(struct model *model, const char *path);
bool model_symlink(struct model *model, const char *target, const char *path);
bool model_link(struct model *model, const char *from, const char *to);
bool model_rename(struct model *model, const char *from, const char *to);
void model_write(struct model *model, int node, size_t offset, uint8_t value, size_t size_bytes);
void model_set_size(struct model *model, int node, size_t size_bytes);
