/*
 * The numbers and layouts of WASI preview 1 (wasi_snapshot_preview1.witx), and those of
 * snapshot 0 where it differs. Structures are described by offsets into bytes because
 * they live in guest memory, without alignment.
 *
 * Pure constants; hosted builds included.
 */
#pragma once

#include <stdint.h>

/* Errno numbers that code outside errno.c needs by name. */
enum wasi_errno {
    WASI_ESUCCESS = 0,
    WASI_EAGAIN = 6,
    WASI_EBADF = 8,
    WASI_EFAULT = 21,
    WASI_EINVAL = 28,
    WASI_ENOTSUP = 58,
};

#define WASI_RIGHT(name, bit) WASI_RIGHT_##name##_BIT = 1u << (bit)
enum wasi_rights {
    WASI_RIGHT(FD_DATASYNC, 0),
    WASI_RIGHT(FD_READ, 1),
    WASI_RIGHT(FD_SEEK, 2),
    WASI_RIGHT(FD_FDSTAT_SET_FLAGS, 3),
    WASI_RIGHT(FD_SYNC, 4),
    WASI_RIGHT(FD_TELL, 5),
    WASI_RIGHT(FD_WRITE, 6),
    WASI_RIGHT(FD_ADVISE, 7),
    WASI_RIGHT(FD_ALLOCATE, 8),
    WASI_RIGHT(PATH_CREATE_DIRECTORY, 9),
    WASI_RIGHT(PATH_CREATE_FILE, 10),
    WASI_RIGHT(PATH_LINK_SOURCE, 11),
    WASI_RIGHT(PATH_LINK_TARGET, 12),
    WASI_RIGHT(PATH_OPEN, 13),
    WASI_RIGHT(FD_READDIR, 14),
    WASI_RIGHT(PATH_READLINK, 15),
    WASI_RIGHT(PATH_RENAME_SOURCE, 16),
    WASI_RIGHT(PATH_RENAME_TARGET, 17),
    WASI_RIGHT(PATH_FILESTAT_GET, 18),
    WASI_RIGHT(PATH_FILESTAT_SET_SIZE, 19),
    WASI_RIGHT(PATH_FILESTAT_SET_TIMES, 20),
    WASI_RIGHT(FD_FILESTAT_GET, 21),
    WASI_RIGHT(FD_FILESTAT_SET_SIZE, 22),
    WASI_RIGHT(FD_FILESTAT_SET_TIMES, 23),
    WASI_RIGHT(PATH_SYMLINK, 24),
    WASI_RIGHT(PATH_REMOVE_DIRECTORY, 25),
    WASI_RIGHT(PATH_UNLINK_FILE, 26),
    WASI_RIGHT(POLL_FD_READWRITE, 27),
    WASI_RIGHT(SOCK_SHUTDOWN, 28),
    WASI_RIGHT(SOCK_ACCEPT, 29),
};
#define WASI_RIGHTS_ALL ((1u << 30) - 1u)

/* What a descriptor of each kind can have; other rights do not apply to it. */
#define WASI_RIGHTS_FILE                                                                           \
    (WASI_RIGHT_FD_DATASYNC_BIT | WASI_RIGHT_FD_READ_BIT | WASI_RIGHT_FD_SEEK_BIT |                \
     WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT | WASI_RIGHT_FD_SYNC_BIT | WASI_RIGHT_FD_TELL_BIT |        \
     WASI_RIGHT_FD_WRITE_BIT | WASI_RIGHT_FD_ADVISE_BIT | WASI_RIGHT_FD_ALLOCATE_BIT |             \
     WASI_RIGHT_FD_FILESTAT_GET_BIT | WASI_RIGHT_FD_FILESTAT_SET_SIZE_BIT |                        \
     WASI_RIGHT_FD_FILESTAT_SET_TIMES_BIT | WASI_RIGHT_POLL_FD_READWRITE_BIT)
#define WASI_RIGHTS_DIRECTORY                                                                      \
    (WASI_RIGHT_FD_DATASYNC_BIT | WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT | WASI_RIGHT_FD_SYNC_BIT |    \
     WASI_RIGHT_FD_ADVISE_BIT | WASI_RIGHT_PATH_CREATE_DIRECTORY_BIT |                             \
     WASI_RIGHT_PATH_CREATE_FILE_BIT | WASI_RIGHT_PATH_LINK_SOURCE_BIT |                           \
     WASI_RIGHT_PATH_LINK_TARGET_BIT | WASI_RIGHT_PATH_OPEN_BIT | WASI_RIGHT_FD_READDIR_BIT |      \
     WASI_RIGHT_PATH_READLINK_BIT | WASI_RIGHT_PATH_RENAME_SOURCE_BIT |                            \
     WASI_RIGHT_PATH_RENAME_TARGET_BIT | WASI_RIGHT_PATH_FILESTAT_GET_BIT |                        \
     WASI_RIGHT_PATH_FILESTAT_SET_SIZE_BIT | WASI_RIGHT_PATH_FILESTAT_SET_TIMES_BIT |              \
     WASI_RIGHT_FD_FILESTAT_GET_BIT | WASI_RIGHT_FD_FILESTAT_SET_TIMES_BIT |                       \
     WASI_RIGHT_PATH_SYMLINK_BIT | WASI_RIGHT_PATH_REMOVE_DIRECTORY_BIT |                          \
     WASI_RIGHT_PATH_UNLINK_FILE_BIT | WASI_RIGHT_POLL_FD_READWRITE_BIT)
#define WASI_RIGHTS_CONSOLE_INPUT                                                                  \
    (WASI_RIGHT_FD_READ_BIT | WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT |                                 \
     WASI_RIGHT_FD_FILESTAT_GET_BIT | WASI_RIGHT_POLL_FD_READWRITE_BIT)
#define WASI_RIGHTS_CONSOLE_OUTPUT                                                                 \
    (WASI_RIGHT_FD_WRITE_BIT | WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT |                                \
     WASI_RIGHT_FD_FILESTAT_GET_BIT | WASI_RIGHT_POLL_FD_READWRITE_BIT | WASI_RIGHT_FD_SYNC_BIT |  \
     WASI_RIGHT_FD_DATASYNC_BIT)
#define WASI_RIGHTS_SOCKET                                                                         \
    (WASI_RIGHT_FD_READ_BIT | WASI_RIGHT_FD_WRITE_BIT | WASI_RIGHT_FD_FDSTAT_SET_FLAGS_BIT |       \
     WASI_RIGHT_FD_FILESTAT_GET_BIT | WASI_RIGHT_POLL_FD_READWRITE_BIT |                           \
     WASI_RIGHT_SOCK_SHUTDOWN_BIT | WASI_RIGHT_SOCK_ACCEPT_BIT)

enum wasi_filetype {
    WASI_FILETYPE_UNKNOWN = 0,
    WASI_FILETYPE_BLOCK_DEVICE = 1,
    WASI_FILETYPE_CHARACTER_DEVICE = 2,
    WASI_FILETYPE_DIRECTORY = 3,
    WASI_FILETYPE_REGULAR_FILE = 4,
    WASI_FILETYPE_SOCKET_DGRAM = 5,
    WASI_FILETYPE_SOCKET_STREAM = 6,
    WASI_FILETYPE_SYMBOLIC_LINK = 7,
};

enum wasi_fdflags {
    WASI_FDFLAG_APPEND_BIT = 1u << 0,
    WASI_FDFLAG_DSYNC_BIT = 1u << 1,
    WASI_FDFLAG_NONBLOCK_BIT = 1u << 2,
    WASI_FDFLAG_RSYNC_BIT = 1u << 3,
    WASI_FDFLAG_SYNC_BIT = 1u << 4,
};
#define WASI_FDFLAGS_ALL 0x1fu

enum wasi_oflags {
    WASI_OFLAG_CREAT_BIT = 1u << 0,
    WASI_OFLAG_DIRECTORY_BIT = 1u << 1,
    WASI_OFLAG_EXCL_BIT = 1u << 2,
    WASI_OFLAG_TRUNC_BIT = 1u << 3,
};
#define WASI_OFLAGS_ALL 0xfu

#define WASI_LOOKUP_SYMLINK_FOLLOW_BIT 1u

enum wasi_fstflags {
    WASI_FST_ATIM_BIT = 1u << 0,
    WASI_FST_ATIM_NOW_BIT = 1u << 1,
    WASI_FST_MTIM_BIT = 1u << 2,
    WASI_FST_MTIM_NOW_BIT = 1u << 3,
};
#define WASI_FSTFLAGS_ALL 0xfu

enum wasi_whence { WASI_WHENCE_SET = 0, WASI_WHENCE_CUR = 1, WASI_WHENCE_END = 2 };

enum wasi_clock {
    WASI_CLOCK_REALTIME = 0,
    WASI_CLOCK_MONOTONIC = 1,
    WASI_CLOCK_PROCESS_CPUTIME = 2,
    WASI_CLOCK_THREAD_CPUTIME = 3,
};

enum wasi_prestat_tag {
    WASI_PREOPEN_DIRECTORY = 0,
    WASI_PREOPEN_SOCKET = 1, /* ours: see wasi.h */
};

enum wasi_eventtype {
    WASI_EVENT_CLOCK = 0,
    WASI_EVENT_FD_READ = 1,
    WASI_EVENT_FD_WRITE = 2,
};
#define WASI_SUBSCRIPTION_ABSTIME_BIT 1u
#define WASI_EVENT_HANGUP_BIT         1u

enum wasi_riflags { WASI_RECV_PEEK_BIT = 1u << 0, WASI_RECV_WAITALL_BIT = 1u << 1 };
#define WASI_RIFLAGS_ALL             0x3u
#define WASI_RECV_DATA_TRUNCATED_BIT 1u
enum wasi_sdflags { WASI_SHUT_RD_BIT = 1u << 0, WASI_SHUT_WR_BIT = 1u << 1 };

/* Sizes and member offsets. */
#define WASI_IOVEC_BYTES         8u
#define WASI_DIRENT_BYTES        24u
#define WASI_FDSTAT_BYTES        24u
#define WASI_FILESTAT_BYTES      64u
#define WASI_FILESTAT0_BYTES     56u /* snapshot 0 */
#define WASI_PRESTAT_BYTES       8u
#define WASI_SUBSCRIPTION_BYTES  48u
#define WASI_SUBSCRIPTION0_BYTES 56u /* snapshot 0 */
#define WASI_EVENT_BYTES         32u
