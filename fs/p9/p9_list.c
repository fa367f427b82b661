#include "fs/p9/p9_node.h"
#include "kernel/base/string.h"
#include "kernel/mem.h"

#define BATCH_BYTES 16384u

/*
 * A cookie is the server's offset, which only the server understands, moved up by two: 0 and 1
 * stand for `.` and `..`, which come from here.
 */
#define COOKIE_FIRST 2u

/* A server that sends only what is left out does not keep us for ever. */
#define STEPS_MAX 100000u

#define ENTRY_HEAD_BYTES 24u /* qid[13] offset[8] type[1] name[s] without its bytes */

struct entry {
    uint64_t inode;
    uint64_t next_offset;
    uint8_t type; /* DT_* of Linux's readdir */
    struct vfs_name name;
    uint32_t size_bytes; /* of the entry itself */
};

static void listing_drop(struct p9_listing *listing)
{
    heap_free(listing->bytes);
    *listing = (struct p9_listing){0};
}

/* The entry at a position of the batch; false when it is not whole or no name. */
static bool entry_read(const struct p9_listing *listing, uint32_t position, struct entry *out)
{
    const uint8_t *at = listing->bytes + position;
    uint32_t left_bytes = listing->size_bytes - position;
    uint16_t name_bytes;

    if (left_bytes < ENTRY_HEAD_BYTES) {
        return false;
    }
    memcpy(&out->inode, at + 5, 8);
    memcpy(&out->next_offset, at + 13, 8);
    out->type = at[21];
    memcpy(&name_bytes, at + 22, 2);
    out->name = (struct vfs_name){(const char *)at + ENTRY_HEAD_BYTES, name_bytes};
    out->size_bytes = ENTRY_HEAD_BYTES + name_bytes;
    return name_bytes != 0 && name_bytes <= VFS_NAME_MAX && out->size_bytes <= left_bytes &&
           out->next_offset <= UINT64_MAX - COOKIE_FIRST &&
           memchr(out->name.bytes, '/', name_bytes) == NULL &&
           memchr(out->name.bytes, '\0', name_bytes) == NULL;
}

/* The next batch, from an offset on; an empty one at the end of the directory. */
static enum err fetch(struct p9_node *node, uint64_t offset)
{
    struct p9_client *client = p9_client_of(node);
    struct p9_listing *listing = &node->listing;
    enum err err = p9_node_open(node, false);

    listing_drop(listing);
    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TREADDIR, node->read_fid);
    p9_put(client, offset, 8);
    p9_put(client, BATCH_BYTES < client->data_bytes_max ? BATCH_BYTES : client->data_bytes_max, 4);
    err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t count = (uint32_t)p9_get(client, 4);
    if (client->in.is_short || count > client->in.size_bytes - P9_READ_HEADER_BYTES) {
        return p9_fail(client, "a count in an answer is wrong");
    }
    if (count == 0) {
        return ERR_OK;
    }
    listing->bytes = heap_allocate(count);
    if (listing->bytes == NULL) {
        return ERR_NOMEM;
    }
    memcpy(listing->bytes, p9_reply_data(client), count);
    listing->size_bytes = count;
    listing->first_offset = offset;
    listing->offset = offset;
    return ERR_OK;
}

/* Whether the batch has the entry at an offset; it is the next one then. */
static bool seek(struct p9_listing *listing, uint64_t offset)
{
    struct entry entry;

    if (listing->offset != offset) {
        listing->position = 0;
        listing->offset = listing->first_offset;
    }
    while (listing->offset != offset && listing->position < listing->size_bytes &&
           entry_read(listing, listing->position, &entry)) {
        listing->position += entry.size_bytes;
        listing->offset = entry.next_offset;
    }
    return listing->offset == offset && listing->position < listing->size_bytes;
}

static bool is_left_out(const struct p9_node *node, struct vfs_name name)
{
    if (name.size_bytes <= 2 && memcmp(name.bytes, "..", name.size_bytes) == 0) {
        return true;
    }
    return node->parent == NULL && p9_name_is_hidden(node->mount, name);
}

static enum vfs_type entry_type(uint8_t type)
{
    switch (type) {
    case 4:
        return VFS_TYPE_DIRECTORY;
    case 8:
        return VFS_TYPE_REGULAR;
    case 10:
        return VFS_TYPE_SYMLINK;
    default:
        return VFS_TYPE_UNKNOWN;
    }
}

static enum err read_entry(struct p9_node *node, uint64_t offset, struct entry *entry)
{
    struct p9_listing *listing = &node->listing;

    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        if (!seek(listing, offset)) {
            enum err err = fetch(node, offset);
            if (err != ERR_OK) {
                return err;
            }
            if (listing->size_bytes == 0) {
                return ERR_NOENT;
            }
        }
        if (!entry_read(listing, listing->position, entry)) {
            return p9_fail(p9_client_of(node), "a directory entry is damaged");
        }
        listing->position += entry->size_bytes;
        listing->offset = entry->next_offset;
        offset = entry->next_offset;
        if (!is_left_out(node, entry->name)) {
            return ERR_OK;
        }
    }
    return p9_fail(p9_client_of(node), "a directory has no end");
}

enum err p9_read_directory(struct vfs_node *vfs, uint64_t cookie, struct vfs_dirent *out)
{
    struct p9_node *node = p9_node_of(vfs);
    struct entry entry = {0};

    if (cookie < COOKIE_FIRST) {
        /* A scan from the start shows the directory as it is now. */
        listing_drop(&node->listing);
        *out = (struct vfs_dirent){
            .next_cookie = cookie + 1,
            .inode = cookie == 1 && node->parent != NULL ? node->parent->inode : node->inode,
            .name = "..",
            .name_bytes = (size_t)cookie + 1,
            .type = VFS_TYPE_DIRECTORY,
        };
        return ERR_OK;
    }
    enum err err = read_entry(node, cookie - COOKIE_FIRST, &entry);
    if (err == ERR_OK) {
        *out = (struct vfs_dirent){
            .next_cookie = entry.next_offset + COOKIE_FIRST,
            .inode = entry.inode,
            .name = entry.name.bytes,
            .name_bytes = entry.name.size_bytes,
            .type = entry_type(entry.type),
        };
    }
    return err;
}
