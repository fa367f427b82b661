#include "fs/p9/p9_node.h"
#include "kernel/base/string.h"

#define NS_PER_S 1000000000ull

#define GETATTR_BASIC 0x7ffull

enum setattr_bits {
    SETATTR_SIZE_BIT = 0x8,
    SETATTR_ATIME_BIT = 0x10,
    SETATTR_MTIME_BIT = 0x20,
    SETATTR_ATIME_SET_BIT = 0x80,
    SETATTR_MTIME_SET_BIT = 0x100,
};

/* Of a Linux st_mode. */
#define MODE_TYPE_MASK 0170000u
#define MODE_DIRECTORY 0040000u
#define MODE_REGULAR   0100000u
#define MODE_SYMLINK   0120000u

/* ---- Attributes -------------------------------------------------------------------------------
 */

/* WASI's time is unsigned: what lies before 1970 is 0, what lies too late the largest. */
static uint64_t time_get(struct p9_client *client)
{
    int64_t seconds = (int64_t)p9_get(client, 8);
    uint64_t nanoseconds = p9_get(client, 8);
    uint64_t time_ns;

    if (seconds < 0) {
        return 0;
    }
    if (__builtin_mul_overflow((uint64_t)seconds, NS_PER_S, &time_ns) ||
        __builtin_add_overflow(time_ns, nanoseconds, &time_ns)) {
        return UINT64_MAX;
    }
    return time_ns;
}

static enum vfs_type mode_type(uint32_t mode)
{
    switch (mode & MODE_TYPE_MASK) {
    case MODE_DIRECTORY:
        return VFS_TYPE_DIRECTORY;
    case MODE_REGULAR:
        return VFS_TYPE_REGULAR;
    case MODE_SYMLINK:
        return VFS_TYPE_SYMLINK;
    default:
        return VFS_TYPE_UNKNOWN;
    }
}

enum err p9_stat(struct vfs_node *vfs, struct vfs_stat *out)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);

    p9_begin(client, P9_TGETATTR, node->fid);
    p9_put(client, GETATTR_BASIC, 8);
    enum err err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    (void)p9_get(client, 8); /* what is valid: all that Linux's stat has */
    *out = (struct vfs_stat){
        .device = node->mount->device,
        .inode = p9_get_qid(client).path,
    };
    out->type = mode_type((uint32_t)p9_get(client, 4));
    (void)p9_get(client, 8); /* user, group */
    out->link_count = p9_get(client, 8);
    (void)p9_get(client, 8); /* rdev */
    out->size_bytes = p9_get(client, 8);
    (void)p9_get(client, 8); /* block size */
    (void)p9_get(client, 8); /* blocks */
    out->access_time_ns = time_get(client);
    out->modify_time_ns = time_get(client);
    out->change_time_ns = time_get(client);
    uint32_t hidden = p9_node_hidden_links(node);
    out->link_count -= hidden < out->link_count ? hidden : out->link_count;
    err = p9_check(client);
    /* The fid is a path, under which the host may have put another file than the open one. */
    return err == ERR_OK && node->is_open && out->inode != node->inode ? ERR_NOENT : err;
}

struct setattr {
    uint32_t valid;
    uint64_t size_bytes;
    uint64_t access_ns;
    uint64_t modify_ns;
};

static enum err set_attributes(struct vfs_node *vfs, const struct setattr *set)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);
    struct vfs_stat stat;
    enum err err = node->is_open ? p9_stat(vfs, &stat) : ERR_OK;

    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TSETATTR, node->fid);
    p9_put(client, set->valid, 4);
    p9_put(client, 0, 4); /* mode */
    p9_put(client, P9_NO_ID, 4);
    p9_put(client, P9_NO_ID, 4);
    p9_put(client, set->size_bytes, 8);
    p9_put(client, set->access_ns / NS_PER_S, 8);
    p9_put(client, set->access_ns % NS_PER_S, 8);
    p9_put(client, set->modify_ns / NS_PER_S, 8);
    p9_put(client, set->modify_ns % NS_PER_S, 8);
    return p9_call(client);
}

enum err p9_set_times(struct vfs_node *vfs, uint64_t access_ns, uint64_t modify_ns)
{
    struct setattr set = {.access_ns = access_ns, .modify_ns = modify_ns};

    if (access_ns != VFS_TIME_OMIT) {
        set.valid |= SETATTR_ATIME_BIT | SETATTR_ATIME_SET_BIT;
    }
    if (modify_ns != VFS_TIME_OMIT) {
        set.valid |= SETATTR_MTIME_BIT | SETATTR_MTIME_SET_BIT;
    }
    return set.valid == 0 ? ERR_OK : set_attributes(vfs, &set);
}

enum err p9_set_size(struct vfs_node *vfs, uint64_t size_bytes)
{
    struct setattr set = {.valid = SETATTR_SIZE_BIT, .size_bytes = size_bytes};

    return set_attributes(vfs, &set);
}

/* No request promises space: the file grows, but a host that is full shows in a later write. */
enum err p9_allocate(struct vfs_node *vfs, uint64_t offset, uint64_t size_bytes)
{
    struct vfs_stat stat;
    enum err err = p9_stat(vfs, &stat);

    return err == ERR_OK && stat.size_bytes < offset + size_bytes
               ? p9_set_size(vfs, offset + size_bytes)
               : err;
}

/* ---- Data -------------------------------------------------------------------------------------
 */

/*
 * Whoever opens a file learns here and not at the first read that it may not. Devices, pipes and
 * sockets have no place in a machine of their own.
 */
enum err p9_file_open(struct vfs_node *vfs, bool for_writing)
{
    struct vfs_stat stat;
    enum err err = p9_stat(vfs, &stat);

    if (err == ERR_OK && stat.type != VFS_TYPE_REGULAR) {
        err = ERR_NOTSUP;
    }
    return err == ERR_OK ? p9_node_open(p9_node_of(vfs), for_writing) : err;
}

enum err p9_read_span(struct vfs_node *vfs, uint64_t offset, size_t max_bytes, struct vfs_span *out)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);
    uint32_t most_bytes = client->data_bytes_max;
    enum err err = p9_node_open(node, false);

    if (err != ERR_OK) {
        return err;
    }
    most_bytes = max_bytes < most_bytes ? (uint32_t)max_bytes : most_bytes;
    p9_begin(client, P9_TREAD, node->read_fid);
    p9_put(client, offset, 8);
    p9_put(client, most_bytes, 4);
    err = p9_call(client);
    if (err != ERR_OK) {
        return err;
    }
    uint32_t count = (uint32_t)p9_get(client, 4);
    if (client->in.is_short || count > most_bytes ||
        count > client->in.size_bytes - P9_READ_HEADER_BYTES) {
        return p9_fail(client, "a count in an answer is wrong");
    }
    *out = (struct vfs_span){.data = p9_reply_data(client), .size_bytes = count};
    return ERR_OK;
}

enum err p9_write_reserve(struct vfs_node *vfs, uint64_t offset, size_t max_bytes,
                          struct vfs_write_span *out)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);
    enum err err = p9_node_open(node, true);

    (void)offset;
    if (err == ERR_OK) {
        size_t most_bytes = client->data_bytes_max;
        *out = (struct vfs_write_span){p9_request_data(client),
                                       max_bytes < most_bytes ? max_bytes : most_bytes};
    }
    return err;
}

/* The header of what follows a short write overwrites data that the server has already. */
enum err p9_write_commit(struct vfs_node *vfs, uint64_t offset, size_t size_bytes)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);
    uint32_t left_bytes = (uint32_t)size_bytes;
    uint8_t *data = p9_request_data(client);

    while (left_bytes != 0) {
        p9_begin_write(client, data, node->write_fid);
        p9_put(client, offset, 8);
        p9_put(client, left_bytes, 4);
        client->out.at += left_bytes;
        enum err err = p9_call(client);
        if (err != ERR_OK) {
            return err;
        }
        uint32_t count = (uint32_t)p9_get(client, 4);
        if (client->in.is_short || count > left_bytes || count == 0) {
            return p9_fail(client, "a count in an answer is wrong");
        }
        data += count;
        offset += count;
        left_bytes -= count;
    }
    return ERR_OK;
}

enum err p9_sync(struct vfs_node *vfs, bool data_only)
{
    struct p9_node *node = p9_node_of(vfs);
    struct p9_client *client = p9_client_of(node);
    enum err err = ERR_OK;

    if (node->write_fid == P9_NO_FID) {
        err = p9_node_open(node, false);
    }
    if (err != ERR_OK) {
        return err;
    }
    p9_begin(client, P9_TFSYNC, node->write_fid != P9_NO_FID ? node->write_fid : node->read_fid);
    p9_put(client, data_only, 4);
    return p9_call(client);
}
