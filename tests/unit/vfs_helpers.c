#include "tests/unit/vfs_helpers.h"

struct vfs_node *root;

enum err t_open(const char *path, uint32_t flags, struct vfs_node **out)
{
    return vfs_open(root, path, strlen(path), flags, out);
}

enum err t_open_status(const char *path, uint32_t flags)
{
    struct vfs_node *node = NULL;
    enum err err = t_open(path, flags, &node);
    vfs_node_put(node);
    return err;
}

enum err t_mkdir(const char *path)
{
    return vfs_make_directory(root, path, strlen(path));
}

enum err t_rmdir(const char *path)
{
    return vfs_remove_directory(root, path, strlen(path));
}

enum err t_unlink(const char *path)
{
    return vfs_unlink(root, path, strlen(path));
}

enum err t_rename(const char *from, const char *to)
{
    return vfs_rename(&(struct vfs_path){root, from, strlen(from)},
                      &(struct vfs_path){root, to, strlen(to)});
}

enum err t_link(const char *from, const char *to)
{
    return vfs_link(&(struct vfs_path){root, from, strlen(from)}, false,
                    &(struct vfs_path){root, to, strlen(to)});
}

enum err t_symlink(const char *target, const char *path)
{
    return vfs_symlink(target, strlen(target), root, path, strlen(path));
}

void t_write_file(const char *path, const char *text)
{
    struct vfs_node *file;
    size_t written;
    assert_int_equal(t_open(path, VFS_OPEN_CREATE | VFS_OPEN_TRUNCATE, &file), ERR_OK);
    assert_int_equal(vfs_write(file, 0, text, strlen(text), &written), ERR_OK);
    assert_int_equal(written, strlen(text));
    vfs_node_put(file);
}

void t_assert_data(struct vfs_node *file, uint64_t offset, const void *data, size_t size_bytes)
{
    size_t done = 0;
    while (done < size_bytes) {
        struct vfs_span span;
        assert_int_equal(vfs_read_span(file, offset + done, size_bytes - done, &span), ERR_OK);
        assert_true(span.size_bytes > 0);
        assert_true(span.size_bytes <= size_bytes - done);
        if (memcmp(span.data, (const uint8_t *)data + done, span.size_bytes) != 0) {
            print_message("between %zu and %zu:\n", (size_t)offset + done,
                          (size_t)offset + done + span.size_bytes);
        }
        assert_memory_equal(span.data, (const uint8_t *)data + done, span.size_bytes);
        done += span.size_bytes;
    }
}

void t_assert_size(struct vfs_node *file, uint64_t size_bytes)
{
    struct vfs_stat stat;
    struct vfs_span span;
    assert_int_equal(vfs_stat(file, &stat), ERR_OK);
    assert_int_equal(stat.size_bytes, size_bytes);
    assert_int_equal(vfs_read_span(file, size_bytes, 1, &span), ERR_OK);
    assert_int_equal(span.size_bytes, 0);
}

void t_assert_file(const char *path, const char *text)
{
    struct vfs_node *file;
    assert_int_equal(t_open(path, VFS_OPEN_FOLLOW, &file), ERR_OK);
    t_assert_size(file, strlen(text));
    t_assert_data(file, 0, text, strlen(text));
    vfs_node_put(file);
}

struct vfs_stat t_stat(const char *path)
{
    struct vfs_node *node;
    struct vfs_stat stat;
    assert_int_equal(vfs_lookup(root, path, strlen(path), false, &node), ERR_OK);
    assert_int_equal(vfs_stat(node, &stat), ERR_OK);
    vfs_node_put(node);
    return stat;
}

const char *t_list(const char *path)
{
    static char names[4096];
    struct vfs_node *directory;
    struct vfs_dirent entry;
    size_t used = 0;
    assert_int_equal(t_open(path, VFS_OPEN_DIRECTORY, &directory), ERR_OK);
    names[0] = '\0';
    for (uint64_t cookie = 0; vfs_read_directory(directory, cookie, &entry) == ERR_OK;
         cookie = entry.next_cookie) {
        if ((entry.name_bytes == 1 && entry.name[0] == '.') ||
            (entry.name_bytes == 2 && memcmp(entry.name, "..", 2) == 0)) {
            continue;
        }
        assert_true(used + entry.name_bytes + 2 < sizeof(names));
        if (used != 0) {
            names[used++] = ' ';
        }
        memcpy(names + used, entry.name, entry.name_bytes);
        used += entry.name_bytes;
        names[used] = '\0';
    }
    vfs_node_put(directory);
    return names;
}
