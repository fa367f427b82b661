# Sources of fs/, relative to the project's root; one file a line.
FS_SRCS := \
    fs/budget.c \
    fs/ext/ext_bitmap.c \
    fs/ext/ext_cache.c \
    fs/ext/ext_dir.c \
    fs/ext/ext_file.c \
    fs/ext/ext_journal.c \
    fs/ext/ext_map.c \
    fs/ext/ext_mount.c \
    fs/ext/ext_names.c \
    fs/ext/ext_node.c \
    fs/ext/ext_ops.c \
    fs/ext/ext_recover.c \
    fs/ext/ext_volume.c \
    fs/fs.c \
    fs/p9/p9_client.c \
    fs/p9/p9_errno.c \
    fs/p9/p9_file.c \
    fs/p9/p9_list.c \
    fs/p9/p9_mount.c \
    fs/p9/p9_names.c \
    fs/p9/p9_node.c \
    fs/path.c \
    fs/ramfs.c \
    fs/ramfs_data.c \
    fs/ramfs_names.c \
    fs/siphash.c \
    fs/tar_reader.c \
    fs/tarfs.c \
    fs/vfs.c \
    fs/vfs_names.c \
    fs/volumes.c
