/* WASI preview 1: path_open and the calls that create, remove and move names. */
#include "wasi/calls.h"

#include "wasi/descriptor.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/path.h"
#include "wasi/types.h"

/* Two calls take two paths each; nothing takes more. */
static char path_texts[2][VFS_PATH_MAX];

enum err wasi_path_read(struct guest_addr path, uint32_t path_bytes, unsigned slot,
                        const char **out)
{
    if (path_bytes > VFS_PATH_MAX) {
        /* A wrong pointer matters more than the length. */
        return guest_check(path, path_bytes) == ERR_OK ? ERR_NAMETOOLONG : ERR_FAULT;
    }
    *out = path_texts[slot];
    return guest_read(path, path_texts[slot], path_bytes);
}

enum err wasi_path_prepare(uint32_t fd, uint32_t rights, struct guest_addr path,
                           uint32_t path_bytes, unsigned slot, struct vfs_path *out)
{
    struct wasi_descriptor *descriptor;
    enum err error = wasi_descriptor_get_directory(fd, rights, &descriptor);

    if (error == ERR_OK) {
        out->directory = descriptor->directory.node;
        out->path_bytes = path_bytes;
        error = wasi_path_read(path, path_bytes, slot, &out->path);
    }
    return error;
}

enum err wasi_path_check_lookup(uint32_t lookup)
{
    return (lookup & ~WASI_LOOKUP_SYMLINK_FOLLOW_BIT) != 0 ? ERR_INVAL : ERR_OK;
}

/* What path_open was asked for. */
struct open_request {
    uint32_t lookup;
    uint32_t oflags;
    uint32_t fdflags;
    uint64_t rights_base;
    uint64_t rights_inheriting;
};

static uint32_t rights_to_open(const struct open_request *request)
{
    uint32_t rights = WASI_RIGHT_PATH_OPEN_BIT;

    if ((request->oflags & WASI_OFLAG_CREAT_BIT) != 0) {
        rights |= WASI_RIGHT_PATH_CREATE_FILE_BIT;
    }
    if ((request->oflags & WASI_OFLAG_TRUNC_BIT) != 0) {
        rights |= WASI_RIGHT_PATH_FILESTAT_SET_SIZE_BIT;
    }
    return rights;
}

/* A request to write says that a file is meant, whatever the other flags say. */
static uint32_t vfs_flags(const struct open_request *request)
{
    uint32_t flags = 0;

    if ((request->lookup & WASI_LOOKUP_SYMLINK_FOLLOW_BIT) != 0) {
        flags |= VFS_OPEN_FOLLOW;
    }
    if ((request->oflags & WASI_OFLAG_CREAT_BIT) != 0) {
        flags |= VFS_OPEN_CREATE;
    }
    if ((request->oflags & WASI_OFLAG_DIRECTORY_BIT) != 0) {
        flags |= VFS_OPEN_DIRECTORY;
    }
    if ((request->rights_base & WASI_RIGHT_FD_WRITE_BIT) != 0) {
        flags |= VFS_OPEN_WRITE;
    }
    if ((request->oflags & WASI_OFLAG_EXCL_BIT) != 0) {
        flags |= VFS_OPEN_EXCLUSIVE;
    }
    if ((request->oflags & WASI_OFLAG_TRUNC_BIT) != 0) {
        flags |= VFS_OPEN_TRUNCATE;
    }
    return flags;
}

static enum err check_request(const struct wasi_descriptor *directory,
                              const struct open_request *request)
{
    uint64_t wanted = (request->rights_base | request->rights_inheriting) & WASI_RIGHTS_ALL;

    if ((request->oflags & ~WASI_OFLAGS_ALL) != 0 || (request->fdflags & ~WASI_FDFLAGS_ALL) != 0) {
        return ERR_INVAL;
    }
    return (wanted & ~(uint64_t)directory->rights_inheriting) != 0 ? ERR_NOTCAPABLE : ERR_OK;
}

/* The descriptor comes first: without one, nothing must be created or truncated. */
static enum err open_node(struct vfs_node *directory, const char *path, uint32_t path_bytes,
                          const struct open_request *request, uint32_t *out_number)
{
    struct wasi_descriptor *descriptor;
    struct vfs_node *node;
    enum err error = wasi_descriptor_reserve(&descriptor);

    if (error != ERR_OK) {
        return error;
    }
    error = vfs_open(directory, path, path_bytes, vfs_flags(request), &node);
    if (error != ERR_OK) {
        wasi_descriptor_close(descriptor);
        return error;
    }
    bool is_directory = vfs_node_type(node) == VFS_TYPE_DIRECTORY;
    wasi_descriptor_fill(descriptor, is_directory ? WASI_KIND_DIRECTORY : WASI_KIND_FILE,
                         (uint32_t)request->rights_base, (uint32_t)request->rights_inheriting);
    descriptor->flags = (uint16_t)request->fdflags;
    if (is_directory) {
        descriptor->directory.node = node;
    } else {
        descriptor->file.node = node;
    }
    *out_number = descriptor->number;
    return ERR_OK;
}

uint32_t wasi_path_open(uint32_t fd, uint32_t lookup, uint32_t path, uint32_t path_bytes,
                        uint32_t oflags, uint64_t base, uint64_t inheriting, uint32_t fdflags,
                        uint32_t out)
{
    struct open_request request = {lookup, oflags, fdflags, base, inheriting};
    struct wasi_descriptor *directory;
    const char *text;
    uint32_t number;
    enum err error = wasi_descriptor_get_directory(fd, rights_to_open(&request), &directory);

    if (error == ERR_OK) {
        error = check_request(directory, &request);
    }
    if (error == ERR_OK) {
        error = wasi_path_check_lookup(lookup);
    }
    if (error == ERR_OK) {
        error = guest_check(guest_address(out), sizeof(uint32_t));
    }
    if (error == ERR_OK) {
        error = wasi_path_read(guest_address(path), path_bytes, 0, &text);
    }
    if (error == ERR_OK) {
        error = open_node(directory->directory.node, text, path_bytes, &request, &number);
    }
    if (error == ERR_OK) {
        error = guest_write_u32(guest_address(out), number);
    }
    return wasi_errno(error);
}

uint32_t wasi_path_create_directory(uint32_t fd, uint32_t path, uint32_t path_bytes)
{
    struct vfs_path at;
    enum err error = wasi_path_prepare(fd, WASI_RIGHT_PATH_CREATE_DIRECTORY_BIT,
                                       guest_address(path), path_bytes, 0, &at);

    if (error == ERR_OK) {
        error = vfs_make_directory(at.directory, at.path, at.path_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_path_remove_directory(uint32_t fd, uint32_t path, uint32_t path_bytes)
{
    struct vfs_path at;
    enum err error = wasi_path_prepare(fd, WASI_RIGHT_PATH_REMOVE_DIRECTORY_BIT,
                                       guest_address(path), path_bytes, 0, &at);

    if (error == ERR_OK) {
        error = vfs_remove_directory(at.directory, at.path, at.path_bytes);
    }
    return wasi_errno(error);
}

uint32_t wasi_path_unlink_file(uint32_t fd, uint32_t path, uint32_t path_bytes)
{
    struct vfs_path at;
    enum err error = wasi_path_prepare(fd, WASI_RIGHT_PATH_UNLINK_FILE_BIT, guest_address(path),
                                       path_bytes, 0, &at);

    if (error == ERR_OK) {
        error = vfs_unlink(at.directory, at.path, at.path_bytes);
    }
    return wasi_errno(error);
}

/*
 * A name that moves or is added must not let its file be opened with more rights than where it
 * came from allowed.
 */
static enum err check_no_gain(uint32_t old_fd, uint32_t new_fd)
{
    struct wasi_descriptor *from;
    struct wasi_descriptor *to;
    enum err error = wasi_descriptor_get(old_fd, 0, &from);

    if (error == ERR_OK) {
        error = wasi_descriptor_get(new_fd, 0, &to);
    }
    if (error == ERR_OK && (to->rights_inheriting & ~from->rights_inheriting) != 0) {
        error = ERR_NOTCAPABLE;
    }
    return error;
}

uint32_t wasi_path_link(uint32_t old_fd, uint32_t lookup, uint32_t old_path,
                        uint32_t old_path_bytes, uint32_t new_fd, uint32_t new_path,
                        uint32_t new_path_bytes)
{
    struct vfs_path from;
    struct vfs_path to;
    enum err error = wasi_path_prepare(old_fd, WASI_RIGHT_PATH_LINK_SOURCE_BIT,
                                       guest_address(old_path), old_path_bytes, 0, &from);

    if (error == ERR_OK) {
        error = wasi_path_prepare(new_fd, WASI_RIGHT_PATH_LINK_TARGET_BIT, guest_address(new_path),
                                  new_path_bytes, 1, &to);
    }
    if (error == ERR_OK) {
        error = wasi_path_check_lookup(lookup);
    }
    if (error == ERR_OK) {
        error = check_no_gain(old_fd, new_fd);
    }
    if (error == ERR_OK) {
        error = vfs_link(&from, (lookup & WASI_LOOKUP_SYMLINK_FOLLOW_BIT) != 0, &to);
    }
    return wasi_errno(error);
}

uint32_t wasi_path_rename(uint32_t old_fd, uint32_t old_path, uint32_t old_path_bytes,
                          uint32_t new_fd, uint32_t new_path, uint32_t new_path_bytes)
{
    struct vfs_path from;
    struct vfs_path to;
    enum err error = wasi_path_prepare(old_fd, WASI_RIGHT_PATH_RENAME_SOURCE_BIT,
                                       guest_address(old_path), old_path_bytes, 0, &from);

    if (error == ERR_OK) {
        error = wasi_path_prepare(new_fd, WASI_RIGHT_PATH_RENAME_TARGET_BIT,
                                  guest_address(new_path), new_path_bytes, 1, &to);
    }
    if (error == ERR_OK) {
        error = check_no_gain(old_fd, new_fd);
    }
    if (error == ERR_OK) {
        error = vfs_rename(&from, &to);
    }
    return wasi_errno(error);
}

uint32_t wasi_path_symlink(uint32_t target, uint32_t target_bytes, uint32_t fd, uint32_t path,
                           uint32_t path_bytes)
{
    struct vfs_path at;
    const char *text;
    enum err error =
        wasi_path_prepare(fd, WASI_RIGHT_PATH_SYMLINK_BIT, guest_address(path), path_bytes, 0, &at);

    if (error == ERR_OK) {
        error = wasi_path_read(guest_address(target), target_bytes, 1, &text);
    }
    if (error == ERR_OK) {
        error = vfs_symlink(text, target_bytes, at.directory, at.path, at.path_bytes);
    }
    return wasi_errno(error);
}
