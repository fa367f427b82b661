# Sources of fs/, relative to the project's root; one file a line.
FS_SRCS := \
    fs/budget.c \
    fs/fs.c \
    fs/path.c \
    fs/ramfs.c \
    fs/ramfs_data.c \
    fs/ramfs_names.c \
    fs/siphash.c \
    fs/tar_reader.c \
    fs/tarfs.c \
    fs/vfs.c \
    fs/vfs_names.c
