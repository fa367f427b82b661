#include "tests/fuzz/wasi_invariants.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_wasi.h"
#include "wasi/descriptor.h"
#include "wasi/instance.h"
#include "wasi/types.h"

#define NODES_MAX  4096u
#define NAME_BYTES 255u

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool within(uint64_t bits, uint64_t allowed)
{
    return (bits & ~allowed) == 0;
}

static void check_descriptor(const struct wasi_descriptor *descriptor)
{
    HOLDS(within(descriptor->rights_inheriting, WASI_RIGHTS_ALL));
    HOLDS(within(descriptor->flags, WASI_FDFLAGS_ALL));
    switch ((enum wasi_kind)descriptor->kind) {
    case WASI_KIND_CONSOLE:
        HOLDS(descriptor->console <= 2);
        return;
    case WASI_KIND_FILE:
        HOLDS(descriptor->file.node != NULL);
        HOLDS(vfs_node_type(descriptor->file.node) == VFS_TYPE_REGULAR);
        HOLDS(within(descriptor->rights_base, WASI_RIGHTS_FILE));
        return;
    case WASI_KIND_DIRECTORY:
        HOLDS(descriptor->directory.node != NULL);
        HOLDS(vfs_node_type(descriptor->directory.node) == VFS_TYPE_DIRECTORY);
        HOLDS(within(descriptor->rights_base, WASI_RIGHTS_DIRECTORY));
        return;
    case WASI_KIND_SOCKET:
        HOLDS(descriptor->socket.socket != NULL);
        HOLDS(net_socket_user(descriptor->socket.socket) == descriptor);
        HOLDS(within(descriptor->rights_base, WASI_RIGHTS_SOCKET));
        return;
    }
    HOLDS(descriptor->kind <= WASI_KIND_SOCKET);
}

void check_descriptors(void)
{
    const struct fd_table *table = &wasi_instance.descriptors;
    uint32_t count = 0;

    for (uint32_t number = 0; number < table->capacity; number++) {
        const struct wasi_descriptor *descriptor = fd_table_get(table, number);
        HOLDS((descriptor != NULL) == (table->taken[0][number / 64] >> (number % 64) & 1));
        if (descriptor != NULL) {
            count++;
            HOLDS(descriptor->number == number);
            check_descriptor(descriptor);
        }
    }
    HOLDS(count == table->count);
}

/* ---- The tree ----------------------------------------------------------------------------------
 */

static struct {
    uint64_t inode;
    uint64_t link_count;   /* as the node says */
    uint64_t names;        /* as found */
    struct vfs_node *node; /* of a directory that is still to be entered: one reference */
    bool is_directory;
} nodes[NODES_MAX];
static size_t node_count;

static void visit(struct vfs_node *node, enum vfs_type type)
{
    struct vfs_stat stat;

    HOLDS(vfs_node_type(node) == type);
    HOLDS(vfs_stat(node, &stat) == ERR_OK);
    HOLDS(stat.type == type);
    for (size_t i = 0; i < node_count; i++) {
        if (nodes[i].inode == stat.inode) {
            HOLDS(!nodes[i].is_directory); /* two names for one directory, or a circle */
            nodes[i].names++;
            vfs_node_put(node);
            return;
        }
    }
    HOLDS(node_count < NODES_MAX);
    bool is_directory = type == VFS_TYPE_DIRECTORY;
    nodes[node_count].inode = stat.inode;
    nodes[node_count].link_count = stat.link_count;
    nodes[node_count].names = 1;
    nodes[node_count].is_directory = is_directory;
    nodes[node_count].node = is_directory ? node : NULL;
    node_count++;
    if (!is_directory) {
        vfs_node_put(node);
    }
}

static void enter(struct vfs_node *directory)
{
    struct vfs_dirent entry;
    uint64_t cookie = 0;

    while (vfs_read_directory(directory, cookie, &entry) == ERR_OK) {
        char name[NAME_BYTES + 1];
        struct vfs_node *node;
        enum vfs_type type = entry.type;
        size_t length = entry.name_bytes;
        HOLDS(length > 0 && length <= NAME_BYTES);
        HOLDS(memchr(entry.name, '/', length) == NULL && memchr(entry.name, 0, length) == NULL);
        memcpy(name, entry.name, length);
        name[length] = '\0';
        cookie = entry.next_cookie;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            continue;
        }
        HOLDS(vfs_lookup(directory, name, length, false, &node) == ERR_OK);
        visit(node, type);
    }
}

void check_tree(struct vfs_node *root)
{
    node_count = 0;
    vfs_node_get(root);
    visit(root, VFS_TYPE_DIRECTORY);
    for (size_t i = 0; i < node_count; i++) {
        if (nodes[i].node != NULL) {
            enter(nodes[i].node);
            vfs_node_put(nodes[i].node);
        }
    }
    for (size_t i = 0; i < node_count; i++) {
        HOLDS(nodes[i].is_directory || nodes[i].link_count == nodes[i].names);
    }
}

void check_memory(void)
{
    HOLDS(fake_kernel.allocations == 0);
    HOLDS(fake_kernel.pages == 0);
}
