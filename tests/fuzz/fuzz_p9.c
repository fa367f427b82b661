/*
 * A server that answers what the input says: sound replies with bytes of the input written over
 * them, errors, silence. Whatever it answers, file operations end with an error or a result, no
 * byte outside a message is touched and nothing is lost.
 *
 * Input: operations of 2 bytes (what, on which path); each reply takes a byte that says how it
 * lies, and what that takes.
 */
#include <stdlib.h>
#include <string.h>

#include "fs/p9/p9.h"
#include "fs/p9/p9_node.h"
#include "kernel/base/assert.h"
#include "kernel/mem.h"
#include "tests/unit/fake_fs_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static const uint8_t *input;
static size_t rest;
static uint8_t file_type; /* of the qids of walks: the input's choice */

static unsigned take(void)
{
    if (rest == 0) {
        return 0;
    }
    rest--;
    return *input++;
}

struct reply {
    uint8_t *bytes;
    uint32_t at;
    uint32_t size_bytes;
};

static void put(struct reply *reply, uint64_t value, uint32_t bytes)
{
    ASSERT(reply->at + bytes <= reply->size_bytes);
    memcpy(reply->bytes + reply->at, &value, bytes);
    reply->at += bytes;
}

static void put_qid(struct reply *reply, uint8_t type)
{
    put(reply, type, 1);
    put(reply, 0, 4);
    put(reply, take() % 4, 8);
}

static void put_text(struct reply *reply, const char *text)
{
    put(reply, strlen(text), 2);
    while (*text != '\0') {
        put(reply, (uint8_t)*text++, 1);
    }
}

static void put_entries(struct reply *reply, uint64_t offset)
{
    static const char *const names[] = {".", "..", "a", "b", "a-name"};
    uint32_t start = reply->at;
    put(reply, 0, 4);
    for (uint64_t i = offset; i < 5; i++) {
        put_qid(reply, 0);
        put(reply, i + 1, 8);
        put(reply, take(), 1);
        put_text(reply, names[i]);
    }
    uint32_t bytes = reply->at - start - 4;
    memcpy(reply->bytes + start, &bytes, 4);
}

/* What an honest server could say. */
static void answer(struct reply *reply, const uint8_t *request)
{
    uint64_t offset;
    uint32_t count;
    memcpy(&offset, request + 11, 8); /* of the requests that have both */
    memcpy(&count, request + 19, 4);
    switch (request[4]) {
    case P9_TVERSION:
        put(reply, take() % 2 != 0 ? 8216 : 1u << 20, 4);
        put_text(reply, "9P2000.L");
        break;
    case P9_TATTACH:
        put_qid(reply, P9_QID_DIRECTORY_BIT);
        break;
    case P9_TWALK:
        put(reply, request[15], 2);
        if (request[15] != 0) {
            static const uint8_t types[] = {P9_QID_DIRECTORY_BIT, 0, P9_QID_SYMLINK_BIT, 0};
            file_type = types[take() % 4];
            put_qid(reply, file_type);
        }
        break;
    case P9_TGETATTR:
        put(reply, 0x7ff, 8);
        put_qid(reply, file_type);
        put(reply, take() % 8 != 0 ? 0100644 : 0010644, 4);
        for (unsigned i = 0; i < 17; i++) {
            put(reply, i == 1 ? 1 : i == 3 ? 100 : 0, 8);
        }
        put(reply, 0, 4);
        break;
    case P9_TREAD:
        count = count < 100 ? count : 100;
        put(reply, count, 4);
        reply->at += count;
        break;
    case P9_TWRITE:
        put(reply, count > 1 && take() % 2 != 0 ? count / 2 : count, 4);
        break;
    case P9_TREADDIR:
        put_entries(reply, offset);
        break;
    case P9_TREADLINK:
        put_text(reply, take() % 2 != 0 ? "a/../b" : "../b");
        break;
    default: /* a qid and more, or nothing: what is too much is ignored */
        put_qid(reply, 0);
        put(reply, 0, 4);
    }
}

static enum err exchange(struct p9_channel *channel, const void *request, uint32_t request_bytes,
                         void *reply_bytes, uint32_t reply_bytes_max, uint32_t *size_bytes)
{
    struct reply reply = {reply_bytes, P9_HEADER_BYTES, reply_bytes_max};
    const uint8_t *bytes = request;
    static uint8_t head[64];
    (void)channel;
    ASSERT(request_bytes >= P9_HEADER_BYTES && memcmp(request, &request_bytes, 4) == 0);
    memcpy(head, request, request_bytes < sizeof(head) ? request_bytes : sizeof(head));
    unsigned how = take();
    if (how == 0xff) {
        return ERR_IO;
    }
    bool is_error = how >= 0xe0;
    if (is_error) {
        put(&reply, how == 0xfe ? 0x80000000 : take(), 4);
    } else {
        answer(&reply, head);
    }
    *size_bytes = reply.at;
    reply.at = 0;
    put(&reply, *size_bytes, 4);
    put(&reply, is_error ? P9_RLERROR : bytes[4] + 1u, 1);
    memcpy(reply.bytes + 5, bytes + 5, 2);
    for (unsigned patches = how >= 0xc0 ? how % 4 + 1 : 0; patches > 0; patches--) {
        unsigned where = take();
        reply.bytes[where < reply_bytes_max ? where : 0] = (uint8_t)take();
    }
    if (how >= 0xb8 && how < 0xc0) {
        *size_bytes = take();
    }
    return ERR_OK;
}

static void open_and_use(struct vfs_node *root, const char *path, unsigned choice)
{
    struct vfs_node *file;
    struct vfs_stat stat;
    struct vfs_span span;
    size_t written;
    if (vfs_open(root, path, strlen(path), choice % 64, &file) != ERR_OK) {
        return;
    }
    (void)!vfs_stat(file, &stat);
    if (vfs_read_span(file, take(), 1 + take() * 64u, &span) == ERR_OK) {
        unsigned sum = 0;
        for (size_t i = 0; i < span.size_bytes; i++) {
            sum += ((const uint8_t *)span.data)[i];
        }
        ASSERT(sum <= span.size_bytes * 255);
    }
    if ((choice & VFS_OPEN_WRITE) != 0) {
        (void)!vfs_write(file, take(), "some bytes", 10, &written);
        (void)!vfs_set_size(file, take());
        (void)!vfs_set_times(file, VFS_TIME_NOW, VFS_TIME_OMIT);
    }
    if (take() % 2 != 0) {
        (void)!vfs_unlink(root, path, strlen(path));
        (void)!vfs_stat(file, &stat);
    }
    (void)!vfs_sync(file, true);
    vfs_node_put(file);
}

static void list(struct vfs_node *root, const char *path)
{
    struct vfs_node *directory;
    struct vfs_dirent entry;
    uint64_t cookie = 0;
    if (vfs_open(root, path, strlen(path), VFS_OPEN_DIRECTORY, &directory) != ERR_OK) {
        return;
    }
    for (unsigned i = 0; i < 40 && vfs_read_directory(directory, cookie, &entry) == ERR_OK; i++) {
        ASSERT(entry.name_bytes != 0 && entry.name_bytes <= VFS_NAME_MAX);
        ASSERT(memchr(entry.name, '/', entry.name_bytes) == NULL);
        cookie = entry.next_cookie;
    }
    (void)!vfs_read_directory(directory, take(), &entry);
    vfs_node_put(directory);
}

static void run(struct vfs_node *root)
{
    static const char *const paths[] = {"a", "b", "a/b", "a/../b", ".", "a/a/a", "..", "c/"};
    for (unsigned steps = 0; steps < 40 && rest != 0; steps++) {
        unsigned what = take();
        const char *path = paths[take() % 8];
        const char *other = paths[what / 16 % 8];
        struct vfs_path from = {root, path, strlen(path)};
        struct vfs_path to = {root, other, strlen(other)};
        switch (what % 8) {
        case 0:
        case 1:
            open_and_use(root, path, take());
            break;
        case 2:
            list(root, path);
            break;
        case 3:
            (void)!vfs_make_directory(root, path, strlen(path));
            break;
        case 4:
            (void)!vfs_rename(&from, &to);
            break;
        case 5:
            (void)!vfs_link(&from, true, &to);
            break;
        case 6:
            (void)!vfs_symlink("target", 6, root, path, strlen(path));
            break;
        default:
            (void)!vfs_remove_directory(root, path, strlen(path));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct p9_channel channel = {.exchange = exchange, .tag = "fuzz"};
    struct vfs_node *root;
    input = data;
    rest = size_bytes;
    fake_reset();
    if (p9_mount(&channel, 1, &root) == ERR_OK) {
        struct p9_mount *mount = p9_node_of(root)->mount;
        run(root);
        p9_unmount(root);
        ASSERT(root->reference_count == 1);
        vfs_node_put(root);
        /* Every fid came back. */
        ASSERT(mount->client.free_count == mount->client.next_fid);
        p9_client_destroy(&mount->client);
        heap_free(mount);
    }
    ASSERT(fake_live_pages == 0 && fake_error_count <= 2);
    return 0;
}
