/*
 * Files as the rest of Wafer sees them: reference-counted nodes, paths resolved
 * strictly below a directory node, and file data handed over as spans of kernel
 * memory, so that one copy lies between a file and linear memory or a socket.
 *
 * Ownership: a `struct vfs_node *` that a function stores through its last parameter
 * carries one reference, which the caller returns with vfs_node_put(). Paths and
 * names are byte counts plus a pointer to kernel memory, not NUL-terminated, and
 * stay the caller's. A file lives on while it is referenced, even when its last
 * name is gone. File offsets, append mode, access rights: the caller's business.
 *
 * Capabilities: every path is resolved relative to a directory node and can reach
 * nothing outside it. A `..` that would leave it, an absolute path and a symbolic
 * link with such a target answer ERR_NOTCAPABLE; an embedded NUL ERR_ILSEQ; an
 * empty path ERR_NOENT; a component over VFS_NAME_MAX or a path over VFS_PATH_MAX
 * ERR_NAMETOOLONG; more than VFS_LINK_MAX symbolic links on the way ERR_LOOP.
 *
 * Context: normal kernel context only; never reentered. Node-based file systems may
 * wait for a disk (kernel/wait.h), the RAM file system never does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"

#define VFS_NAME_MAX 255u
#define VFS_PATH_MAX 4096u
#define VFS_LINK_MAX 40u
/* The largest file size and offset: larger ones answer ERR_FBIG. */
#define VFS_SIZE_MAX INT64_MAX

struct vfs_node;

/* The numbers are those of WASI's filetype. */
enum vfs_type {
    VFS_TYPE_UNKNOWN = 0,
    VFS_TYPE_DIRECTORY = 3,
    VFS_TYPE_REGULAR = 4,
    VFS_TYPE_SYMLINK = 7,
};

struct vfs_stat {
    uint64_t device;
    uint64_t inode;
    uint64_t link_count;
    uint64_t size_bytes;
    uint64_t access_time_ns; /* Unix time */
    uint64_t modify_time_ns;
    uint64_t change_time_ns;
    enum vfs_type type;
};

enum vfs_open_flags {
    VFS_OPEN_CREATE = 1u << 0,    /* make a regular file where nothing has the name */
    VFS_OPEN_DIRECTORY = 1u << 1, /* ERR_NOTDIR unless it is a directory */
    VFS_OPEN_EXCLUSIVE = 1u << 2, /* with CREATE: ERR_EXIST if the name is taken */
    VFS_OPEN_TRUNCATE = 1u << 3,  /* cut a regular file to size 0 */
    VFS_OPEN_FOLLOW = 1u << 4,    /* follow a symbolic link in the last component */
    VFS_OPEN_WRITE = 1u << 5,     /* the caller means to write: ERR_ISDIR on directories */
};

/* ---- Nodes --------------------------------------------------------------------------------- */

void vfs_node_get(struct vfs_node *node);
/* NULL is allowed. */
void vfs_node_put(struct vfs_node *node);
enum vfs_type vfs_node_type(const struct vfs_node *node);

enum err vfs_stat(struct vfs_node *node, struct vfs_stat *out) WARN_UNUSED;

#define VFS_TIME_OMIT UINT64_MAX /* leave this one alone */
#define VFS_TIME_NOW  (UINT64_MAX - 1u)
enum err vfs_set_times(struct vfs_node *node, uint64_t access_time_ns,
                       uint64_t modify_time_ns) WARN_UNUSED;

/*
 * Opens the file at `path` for data or directory access. flags: enum vfs_open_flags.
 * A symbolic link in the last component without FOLLOW is ERR_LOOP; CREATE together
 * with DIRECTORY is ERR_INVAL.
 */
enum err vfs_open(struct vfs_node *directory, const char *path, size_t path_bytes, uint32_t flags,
                  struct vfs_node **out) WARN_UNUSED;
/*
 * The node at `path`, whatever its type, to stat it, set its times or read the link.
 * `follow` decides about a symbolic link in the last component.
 */
enum err vfs_lookup(struct vfs_node *directory, const char *path, size_t path_bytes, bool follow,
                    struct vfs_node **out) WARN_UNUSED;

/* ---- File data ----------------------------------------------------------------------------- */

/* Bytes of a file in kernel memory. */
struct vfs_span {
    const void *data;
    size_t size_bytes; /* 0 at or beyond the end of the file */
    /*
     * The bytes will never move, change or be freed (an unmodified file of the tar image,
     * a hole), so a network card may read them later. Otherwise the span is valid until
     * the next vfs_* call.
     */
    bool permanent;
};

struct vfs_write_span {
    void *data;
    size_t size_bytes;
};

/*
 * The longest contiguous piece at `offset`, at most max_bytes; loop until the request is
 * filled or a span is empty. ERR_ISDIR on directories, ERR_INVAL on symbolic links.
 */
enum err vfs_read_span(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                       struct vfs_span *out) WARN_UNUSED;

/*
 * Writing in place, without a bounce buffer: reserve hands out memory for the bytes at
 * `offset` (at least 1, at most max_bytes of them; max_bytes must not be 0), the caller fills
 * a prefix and commits exactly that many bytes, which moves the end of the file if need be.
 * Nothing may come between the two but filling; a reserve that is not committed must leave
 * the memory alone. ERR_NOSPC when memory or disk is full, ERR_FBIG beyond VFS_SIZE_MAX.
 */
enum err vfs_write_reserve(struct vfs_node *file, uint64_t offset, size_t max_bytes,
                           struct vfs_write_span *out) WARN_UNUSED;
enum err vfs_write_commit(struct vfs_node *file, uint64_t offset, size_t size_bytes) WARN_UNUSED;
/*
 * The same from a kernel buffer. Stores how much was written; an error comes back only
 * when that is nothing. Writing 0 bytes changes nothing.
 */
enum err vfs_write(struct vfs_node *file, uint64_t offset, const void *data, size_t size_bytes,
                   size_t *written_bytes) WARN_UNUSED;

/* Cuts, or extends with zeros (sparse). */
enum err vfs_set_size(struct vfs_node *file, uint64_t size_bytes) WARN_UNUSED;
/*
 * posix_fallocate: later writes to the range cannot fail for want of space; the file grows
 * to offset + size_bytes if it is shorter. ERR_NOSPC leaves size and contents as they were.
 */
enum err vfs_allocate(struct vfs_node *file, uint64_t offset, uint64_t size_bytes) WARN_UNUSED;
/* Durable when it returns, on file systems that have a disk; data_only may skip times. */
enum err vfs_sync(struct vfs_node *node, bool data_only) WARN_UNUSED;

/* ---- Directories --------------------------------------------------------------------------- */

struct vfs_dirent {
    uint64_t next_cookie;
    uint64_t inode;
    const char *name; /* valid until the next vfs_* call */
    size_t name_bytes;
    enum vfs_type type;
};

/*
 * The first entry at or after `cookie`: 0 for the first one (`.`, then `..`), or the
 * next_cookie of any entry ever returned for this directory, however much was added or
 * removed since. ERR_NOENT at the end, ERR_NOTDIR on anything but a directory. An entry
 * that exists throughout a whole scan is returned exactly once.
 */
enum err vfs_read_directory(struct vfs_node *directory, uint64_t cookie,
                            struct vfs_dirent *out) WARN_UNUSED;

enum err vfs_make_directory(struct vfs_node *directory, const char *path,
                            size_t path_bytes) WARN_UNUSED;
/* ERR_NOTEMPTY, ERR_NOTDIR, ERR_INVAL for `.`, ERR_NOTEMPTY for a last component `..`. */
enum err vfs_remove_directory(struct vfs_node *directory, const char *path,
                              size_t path_bytes) WARN_UNUSED;
/* ERR_ISDIR on directories; ERR_NOTDIR for a trailing slash after anything else. */
enum err vfs_unlink(struct vfs_node *directory, const char *path, size_t path_bytes) WARN_UNUSED;

/* A path below a directory; the argument pairs of rename and link. */
struct vfs_path {
    struct vfs_node *directory;
    const char *path;
    size_t path_bytes;
};

/* POSIX rename(): replaces atomically; ERR_XDEV between file systems. */
enum err vfs_rename(const struct vfs_path *from, const struct vfs_path *to) WARN_UNUSED;
/* `follow`: of a symbolic link in the last component of `from`. ERR_PERM on directories. */
enum err vfs_link(const struct vfs_path *from, bool follow, const struct vfs_path *to) WARN_UNUSED;
/* The target is stored as given; an absolute one is ERR_NOTCAPABLE, an empty one ERR_NOENT. */
enum err vfs_symlink(const char *target, size_t target_bytes, struct vfs_node *directory,
                     const char *path, size_t path_bytes) WARN_UNUSED;
/* ERR_INVAL unless `node` is a symbolic link. The text is valid while the node is held. */
enum err vfs_read_link(struct vfs_node *node, const char **target,
                       size_t *target_bytes) WARN_UNUSED;
