/*
 * 9P2000.L messages: built, exchanged, taken apart with every length checked. Inside fs/p9 only.
 *
 * The protocol is 9P2000 (Plan 9 manual, section 5) as Linux and QEMU extended it
 * (diod's protocol.md): little-endian integers, strings of a 2-byte length and no NUL; a
 * message is size[4] type[1] tag[2] and what belongs to its type.
 *
 * A request is p9_begin, p9_put..., p9_call; then p9_get... and p9_check, which says whether
 * the reply held all that. One request at a time. Normal kernel context; p9_call waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/p9_channel.h"
#include "fs/vfs_ops.h"
#include "kernel/base/err.h"

/* Requests; the reply's type is one more. */
enum p9_type {
    P9_RLERROR = 7,
    P9_TLOPEN = 12,
    P9_TLCREATE = 14,
    P9_TSYMLINK = 16,
    P9_TREADLINK = 22,
    P9_TGETATTR = 24,
    P9_TSETATTR = 26,
    P9_TREADDIR = 40,
    P9_TFSYNC = 50,
    P9_TLINK = 70,
    P9_TMKDIR = 72,
    P9_TRENAMEAT = 74,
    P9_TUNLINKAT = 76,
    P9_TVERSION = 100,
    P9_TATTACH = 104,
    P9_TWALK = 110,
    P9_TREAD = 116,
    P9_TWRITE = 118,
    P9_TCLUNK = 120,
};

#define P9_NO_FID UINT32_MAX
#define P9_NO_ID  UINT32_MAX /* as user or group: leave it to the server */

/* Open flags of 9P2000.L: those of Linux on x86. */
enum p9_open_bits {
    P9_OPEN_READ = 0,
    P9_OPEN_WRITE = 1,
    P9_OPEN_READ_WRITE = 2,
    P9_OPEN_CREATE_BIT = 0100,
    P9_OPEN_EXCLUSIVE_BIT = 0200,
    P9_OPEN_NONBLOCK_BIT = 04000,
    P9_OPEN_DIRECTORY_BIT = 0200000,
};

enum p9_qid_type {
    P9_QID_SYMLINK_BIT = 0x02,
    P9_QID_DIRECTORY_BIT = 0x80,
};

struct p9_qid {
    uint8_t type;
    uint64_t path; /* the inode */
};

#define P9_HEADER_BYTES       7u
#define P9_READ_HEADER_BYTES  11u /* Rread, Rreaddir: header, count[4] */
#define P9_WRITE_HEADER_BYTES 23u /* Twrite: header, fid[4] offset[8] count[4] */
#define P9_IO_HEADER_BYTES    24u /* what the protocol sets aside for either */

/*
 * File data lies at this offset of a buffer, on a page boundary, whatever stands before it, so
 * that it goes between the host's file and linear memory with one copy on our side.
 */
#define P9_DATA_OFFSET    4096u
#define P9_DATA_BYTES_MAX 262144u
#define P9_BUFFER_BYTES   (P9_DATA_OFFSET + P9_DATA_BYTES_MAX)
/* Names and link targets must fit. */
#define P9_DATA_BYTES_MIN 8192u

/* A message under construction or being read. */
struct p9_message {
    uint8_t *bytes;
    uint32_t size_bytes; /* read: the message's; built: the room there is */
    uint32_t at;
    bool is_short; /* something did not fit, or was not there */
};

struct p9_client {
    struct p9_channel *channel;
    uint8_t *buffers; /* the request's, then the reply's */
    uint32_t data_bytes_max;
    struct p9_message out;
    struct p9_message in;
    bool is_failed;
    uint32_t *free_fids;
    uint32_t free_count;
    uint32_t capacity; /* of free_fids; at least next_fid */
    uint32_t next_fid;
};

/* Agrees on version and message size. On failure nothing is left to destroy. */
enum err p9_client_start(struct p9_client *client, struct p9_channel *channel) WARN_UNUSED;
void p9_client_destroy(struct p9_client *client);
/* Gives the server up, says why the first time, and answers ERR_IO. */
enum err p9_fail(struct p9_client *client, const char *reason);

static inline uint8_t *p9_request_data(const struct p9_client *client)
{
    return client->buffers + P9_DATA_OFFSET;
}

static inline const uint8_t *p9_reply_data(const struct p9_client *client)
{
    return client->buffers + P9_BUFFER_BYTES + P9_DATA_OFFSET;
}

/* ---- Messages ---------------------------------------------------------------------------------
 */

void p9_begin(struct p9_client *client, enum p9_type type, uint32_t fid);
/* As p9_begin, for a Twrite whose data lies at `data` in the request buffer. */
void p9_begin_write(struct p9_client *client, uint8_t *data, uint32_t fid);
void p9_put(struct p9_client *client, uint64_t value, uint32_t bytes);
void p9_put_string(struct p9_client *client, const char *text, size_t size_bytes);
void p9_put_name(struct p9_client *client, struct vfs_name name);
/* The server's own error, translated, or ERR_IO when there is no sane answer. */
enum err p9_call(struct p9_client *client) WARN_UNUSED;
uint64_t p9_get(struct p9_client *client, uint32_t bytes);
struct p9_qid p9_get_qid(struct p9_client *client);
/* A string in the reply buffer, valid until the next request. */
struct vfs_name p9_get_string(struct p9_client *client);
enum err p9_check(struct p9_client *client) WARN_UNUSED;

/* ---- Requests that several files need ---------------------------------------------------------
 */

/* ERR_NOMEM; a fid that the server never came to know goes back with p9_fid_return. */
enum err p9_fid_take(struct p9_client *client, uint32_t *fid) WARN_UNUSED;
void p9_fid_return(struct p9_client *client, uint32_t fid);
/* A new fid for `name` in the directory, or for the same file as `fid` (name.size_bytes 0). */
enum err p9_walk(struct p9_client *client, uint32_t fid, struct vfs_name name, uint32_t *new_fid,
                 struct p9_qid *qid) WARN_UNUSED;
void p9_clunk(struct p9_client *client, uint32_t fid);
/* *inode: of the file that was opened, which need not be the one that was walked to. */
enum err p9_open(struct p9_client *client, uint32_t fid, uint32_t flags,
                 uint64_t *inode) WARN_UNUSED;
enum err p9_unlink(struct p9_client *client, uint32_t directory, struct vfs_name name,
                   bool is_directory) WARN_UNUSED;
