/*
 * Path resolution that cannot leave a directory. Inside fs/ only; normal kernel context.
 */
#pragma once

#include "fs/vfs_ops.h"

enum path_last {
    PATH_LAST_NAME,
    PATH_LAST_DOT,
    PATH_LAST_DOT_DOT,
};

enum path_follow {
    PATH_FOLLOW,       /* a symbolic link in the last component is followed */
    PATH_FOLLOW_SLASH, /* only if a slash comes after it */
    PATH_FOLLOW_NEVER,
};

struct path_links;

/*
 * Where a path led. `place.directory` is set even when the node does not exist;
 * with a last component `.` or `..` place.directory is the node itself. All of it is valid
 * until path_end().
 */
struct path {
    struct vfs_place place;
    enum path_last last;
    bool trailing_slash;
    struct path_links *links; /* symbolic links on the way, held because names point into them */
};

/* ERR_OK with place.node NULL when only the last component does not exist. */
enum err path_resolve(struct vfs_node *root, const char *text, size_t size_bytes,
                      enum path_follow follow, struct path *out) WARN_UNUSED;
void path_end(struct path *path);
