#include "tests/fuzz/fs_steps.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/base/assert.h"
#include "tests/fuzz/fs_model.h"

static struct model model;
static struct vfs_node *root;

struct input {
    const uint8_t *bytes;
    size_t rest;
};

static unsigned take(struct input *input)
{
    if (input->rest == 0) {
        return 0;
    }
    input->rest--;
    return *input->bytes++;
}

/* One to four components from a small alphabet, so that paths meet often. */
static const char *take_path(struct input *input, char path[MODEL_TEXT_MAX])
{
    static const char *const parts[] = {"a", "b", "c", "d", "a", "b", ".", ".."};
    unsigned choice = take(input);
    unsigned count = 1 + choice % 4;
    path[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        strcat(path, parts[take(input) % 8]);
        if (i + 1 < count || (choice & 0x10) != 0) {
            strcat(path, (choice & 0x20) != 0 ? "//" : "/");
        }
    }
    return path;
}

static void compare_file(struct vfs_node *file, int node)
{
    struct vfs_stat stat;
    size_t done = 0;
    ASSERT(vfs_stat(file, &stat) == ERR_OK);
    ASSERT(stat.size_bytes == model.nodes[node].size_bytes);
    while (done < stat.size_bytes) {
        struct vfs_span span;
        ASSERT(vfs_read_span(file, done, SIZE_MAX, &span) == ERR_OK);
        ASSERT(span.size_bytes != 0);
        ASSERT(memcmp(span.data, model.nodes[node].data + done, span.size_bytes) == 0);
        done += span.size_bytes;
    }
}

static void compare_directory(struct vfs_node *directory, int node)
{
    struct vfs_dirent entry;
    int count = 0;
    for (uint64_t cookie = 0; vfs_read_directory(directory, cookie, &entry) == ERR_OK;
         cookie = entry.next_cookie) {
        if (entry.name[0] == '.') {
            continue;
        }
        bool found = false;
        for (int i = 0; i < MODEL_NAMES; i++) {
            found = found || (model.names[i].used && model.names[i].directory == node &&
                              strlen(model.names[i].name) == entry.name_bytes &&
                              memcmp(model.names[i].name, entry.name, entry.name_bytes) == 0);
        }
        ASSERT(found);
        count++;
    }
    ASSERT(count == model_count_names(&model, node));
}

static void do_open(struct input *input, const char *path)
{
    unsigned bits = take(input);
    bool create = (bits & 1) != 0 && model_has_room(&model);
    bool exclusive = (bits & 2) != 0;
    bool truncate = (bits & 4) != 0;
    bool follow = (bits & 8) != 0;
    uint32_t flags = (create ? VFS_OPEN_CREATE : 0u) | (exclusive ? VFS_OPEN_EXCLUSIVE : 0u) |
                     (truncate ? VFS_OPEN_TRUNCATE : 0u) | (follow ? VFS_OPEN_FOLLOW : 0u);
    struct vfs_node *file;
    int node;
    enum err err = vfs_open(root, path, strlen(path), flags, &file);
    bool expected = model_open(&model, path, create, exclusive, truncate, follow, &node);
    ASSERT((err == ERR_OK) == expected);
    if (err != ERR_OK) {
        return;
    }
    if (model.nodes[node].type == MODEL_DIRECTORY) {
        compare_directory(file, node);
    } else {
        static uint8_t bytes[MODEL_FILE_MAX];
        size_t offset = (take(input) * 256 + take(input)) % (MODEL_FILE_MAX - 1);
        size_t size_bytes = (take(input) * 64 + take(input)) % (MODEL_FILE_MAX - offset);
        uint8_t value = (uint8_t)take(input);
        size_t written;
        compare_file(file, node);
        if ((bits & 0x10) != 0) {
            ASSERT(vfs_set_size(file, offset) == ERR_OK);
            model_set_size(&model, node, offset);
        } else {
            memset(bytes, value, size_bytes);
            ASSERT(vfs_write(file, offset, bytes, size_bytes, &written) == ERR_OK);
            ASSERT(written == size_bytes);
            if (size_bytes != 0) {
                model_write(&model, node, offset, value, size_bytes);
            }
        }
        compare_file(file, node);
    }
    vfs_node_put(file);
}

static void do_step(struct input *input)
{
    char path[MODEL_TEXT_MAX];
    char other[MODEL_TEXT_MAX];
    unsigned operation = take(input) % 8;
    size_t path_bytes = strlen(take_path(input, path));
    bool room = model_has_room(&model);
    enum err err = ERR_OK;
    bool expected = true;
    if (operation >= 4 && operation <= 6) {
        take_path(input, other);
        if (operation != 6 && !room) {
            return;
        }
    }
    struct vfs_path from = {root, path, path_bytes};
    struct vfs_path to = {root, other, operation >= 4 && operation <= 6 ? strlen(other) : 0};
    switch (operation) {
    case 0:
        if (room) {
            err = vfs_make_directory(root, path, path_bytes);
            expected = model_make_directory(&model, path);
        }
        break;
    case 1:
        err = vfs_remove_directory(root, path, path_bytes);
        expected = model_remove_directory(&model, path);
        break;
    case 2:
        err = vfs_unlink(root, path, path_bytes);
        expected = model_unlink(&model, path);
        break;
    case 4:
        err = vfs_symlink(path, path_bytes, root, other, to.path_bytes);
        expected = model_symlink(&model, path, other);
        break;
    case 5:
        err = vfs_link(&from, false, &to);
        expected = model_link(&model, path, other);
        break;
    case 6:
        if (room) {
            err = vfs_rename(&from, &to);
            expected = model_rename(&model, path, other);
        }
        break;
    default:
        do_open(input, path);
        break;
    }
    ASSERT((err == ERR_OK) == expected);
}

void fs_steps_start(void)
{
    model_init(&model);
}

void fs_steps_run(struct vfs_node *tree, const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, size_bytes};
    root = tree;
    while (input.rest != 0) {
        do_step(&input);
    }
}

void fs_steps_compare(struct vfs_node *tree)
{
    /* Each directory of the model by its path, which the walk puts together upwards. */
    for (int node = 0; node < MODEL_NODES; node++) {
        char path[MODEL_PATH_MAX] = ".";
        struct vfs_node *found;
        if (model.nodes[node].type == MODEL_UNUSED || !model_path(&model, node, path)) {
            continue;
        }
        ASSERT(vfs_lookup(tree, path, strlen(path), false, &found) == ERR_OK);
        if (model.nodes[node].type == MODEL_DIRECTORY) {
            compare_directory(found, node);
        } else if (model.nodes[node].type == MODEL_FILE) {
            compare_file(found, node);
        } else {
            const char *target;
            size_t target_bytes;
            ASSERT(vfs_read_link(found, &target, &target_bytes) == ERR_OK);
            ASSERT(target_bytes == strlen(model.nodes[node].target));
            ASSERT(memcmp(target, model.nodes[node].target, target_bytes) == 0);
        }
        vfs_node_put(found);
    }
}
