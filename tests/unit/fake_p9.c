#define _GNU_SOURCE
#include "tests/unit/fake_p9.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/p9/p9_client.h"

/* The reply that is being built, and the request that is being read. */
static struct {
    uint8_t *bytes;
    uint32_t at;
    uint32_t size_bytes;
} out, in;

static void check(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "fake_p9: the client broke the protocol: %s\n", what);
        abort();
    }
}

static void put(uint64_t value, uint32_t bytes)
{
    check(out.at + bytes <= out.size_bytes, "no room for the reply");
    memcpy(out.bytes + out.at, &value, bytes);
    out.at += bytes;
}

static uint64_t get(uint32_t bytes)
{
    uint64_t value = 0;
    check(in.at + bytes <= in.size_bytes, "a short request");
    memcpy(&value, in.bytes + in.at, bytes);
    in.at += bytes;
    return value;
}

static const char *get_string(void)
{
    static char texts[4][8192];
    static unsigned next;
    char *text = texts[next++ % 4];
    uint32_t bytes = (uint32_t)get(2);
    check(bytes < sizeof(texts[0]) && in.at + bytes <= in.size_bytes, "a string too long");
    memcpy(text, in.bytes + in.at, bytes);
    text[bytes] = '\0';
    check(strlen(text) == bytes, "a NUL in a string");
    in.at += bytes;
    return text;
}

static const char *get_name(void)
{
    const char *name = get_string();
    check(name[0] != '\0' && strlen(name) <= 255 && strchr(name, '/') == NULL &&
              strcmp(name, ".") != 0 && strcmp(name, "..") != 0,
          "a bad name");
    return name;
}

static uint32_t get_fid(const struct fake_p9 *fake)
{
    uint32_t fid = (uint32_t)get(4);
    check(fid < FAKE_P9_FIDS && fake->fids[fid].is_used, "an unknown fid");
    return fid;
}

static void join(char *path, size_t size_bytes, const char *directory, const char *name)
{
    check((size_t)snprintf(path, size_bytes, "%s/%s", directory, name) < size_bytes, "a long path");
}

static int put_qid(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno;
    }
    put(S_ISDIR(status.st_mode)   ? P9_QID_DIRECTORY_BIT
        : S_ISLNK(status.st_mode) ? P9_QID_SYMLINK_BIT
                                  : 0,
        1);
    put(0, 4);
    put(status.st_ino, 8);
    return 0;
}

static void fid_use(struct fake_p9 *fake, uint32_t fid, const char *path)
{
    check(fid < FAKE_P9_FIDS && !fake->fids[fid].is_used, "a fid in use");
    fake->fids[fid].is_used = true;
    fake->fids[fid].file = -1;
    snprintf(fake->fids[fid].path, sizeof(fake->fids[fid].path), "%s", path);
}

static void fid_drop(struct fake_p9 *fake, uint32_t fid)
{
    fake->fids[fid].is_used = false;
    if (fake->fids[fid].file >= 0) {
        close(fake->fids[fid].file);
    }
}

/* ---- Requests: an errno, or 0 and the reply in `out` ------------------------------------------
 */

/* A new session: the fids of the one before are gone. */
static int serve_version(struct fake_p9 *fake)
{
    for (uint32_t i = 0; i < FAKE_P9_FIDS; i++) {
        if (fake->fids[i].is_used) {
            fid_drop(fake, i);
        }
    }
    uint32_t wanted = (uint32_t)get(4);
    const char *version = get_string();
    put(wanted < fake->message_bytes_max ? wanted : fake->message_bytes_max, 4);
    put(strlen(version), 2);
    check(strcmp(version, "9P2000.L") == 0, "another version");
    memcpy(out.bytes + out.at, version, strlen(version));
    out.at += (uint32_t)strlen(version);
    return 0;
}

static int serve_attach(struct fake_p9 *fake)
{
    uint32_t fid = (uint32_t)get(4);
    check(get(4) == P9_NO_FID, "authentication");
    fid_use(fake, fid, fake->folder);
    return put_qid(fake->folder);
}

static int serve_walk(struct fake_p9 *fake)
{
    uint32_t from = get_fid(fake);
    uint32_t to = (uint32_t)get(4);
    uint32_t count = (uint32_t)get(2);
    char path[1024];
    check(count <= 1, "several names");
    snprintf(path, sizeof(path), "%s", fake->fids[from].path);
    if (count == 1) {
        join(path, sizeof(path), fake->fids[from].path, get_name());
    }
    put(count, 2);
    int error = count == 1 ? put_qid(path) : 0;
    if (error == 0) {
        fid_use(fake, to, path);
    }
    return error;
}

static int serve_open(struct fake_p9 *fake)
{
    uint32_t fid = get_fid(fake);
    int flags = (int)get(4);
    check(fake->fids[fid].file < 0, "opened twice");
    if (fake->refuses_read_write && (flags & O_ACCMODE) == O_RDWR) {
        return EACCES;
    }
    fake->fids[fid].file = open(fake->fids[fid].path, flags | O_NOFOLLOW);
    if (fake->fids[fid].file < 0) {
        return errno;
    }
    int error = put_qid(fake->fids[fid].path);
    put(0, 4);
    return error;
}

static int serve_create(struct fake_p9 *fake)
{
    uint32_t fid = get_fid(fake);
    const char *name = get_name();
    int flags = (int)get(4);
    char path[1024];
    check(fake->fids[fid].file < 0, "opened twice");
    join(path, sizeof(path), fake->fids[fid].path, name);
    if (fake->is_faster) {
        close(open(path, O_CREAT | O_WRONLY, 0644));
    }
    int file = open(path, flags | O_NOFOLLOW, (mode_t)get(4));
    if (file < 0) {
        return errno;
    }
    snprintf(fake->fids[fid].path, sizeof(fake->fids[fid].path), "%s", path);
    fake->fids[fid].file = file;
    int error = put_qid(path);
    put(0, 4);
    return error;
}

static int serve_getattr(struct fake_p9 *fake)
{
    const char *path = fake->fids[get_fid(fake)].path;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno;
    }
    put(get(8), 8);
    put_qid(path);
    put(status.st_mode, 4);
    put(status.st_uid, 4);
    put(status.st_gid, 4);
    put(status.st_nlink, 8);
    put(status.st_rdev, 8);
    put((uint64_t)status.st_size, 8);
    put((uint64_t)status.st_blksize, 8);
    put((uint64_t)status.st_blocks, 8);
    const struct timespec times[3] = {status.st_atim, status.st_mtim, status.st_ctim};
    for (unsigned i = 0; i < 3; i++) {
        put((uint64_t)times[i].tv_sec, 8);
        put((uint64_t)times[i].tv_nsec, 8);
    }
    for (unsigned i = 0; i < 4; i++) {
        put(0, 8);
    }
    return 0;
}

static int serve_setattr(struct fake_p9 *fake)
{
    const char *path = fake->fids[get_fid(fake)].path;
    uint32_t valid = (uint32_t)get(4);
    struct timespec times[2];
    (void)get(8);
    (void)get(4);
    uint64_t size_bytes = get(8);
    for (unsigned i = 0; i < 2; i++) {
        times[i].tv_sec = (time_t)get(8);
        times[i].tv_nsec = (long)get(8);
        if ((valid & (0x80u << i)) == 0) {
            times[i].tv_nsec = UTIME_OMIT;
        }
    }
    if ((valid & 8) != 0 && truncate(path, (off_t)size_bytes) != 0) {
        return errno;
    }
    return (valid & 0x30) != 0 && utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0 ? errno
                                                                                             : 0;
}

static uint32_t clip(const struct fake_p9 *fake, uint64_t bytes)
{
    return (uint32_t)(bytes < fake->io_bytes_max ? bytes : fake->io_bytes_max);
}

static int serve_read(struct fake_p9 *fake)
{
    uint32_t fid = get_fid(fake);
    uint64_t offset = get(8);
    uint32_t count = clip(fake, get(4));
    check(out.at + 4 + count <= out.size_bytes, "a read beyond the reply");
    ssize_t bytes = pread(fake->fids[fid].file, out.bytes + out.at + 4, count, (off_t)offset);
    if (bytes < 0) {
        return errno;
    }
    put((uint64_t)bytes, 4);
    out.at += (uint32_t)bytes;
    return 0;
}

static int serve_write(struct fake_p9 *fake)
{
    uint32_t fid = get_fid(fake);
    uint64_t offset = get(8);
    uint32_t count = (uint32_t)get(4);
    check(in.at + count == in.size_bytes, "a write of another size");
    ssize_t bytes =
        pwrite(fake->fids[fid].file, in.bytes + in.at, clip(fake, count), (off_t)offset);
    if (bytes < 0) {
        return errno;
    }
    put((uint64_t)bytes, 4);
    return 0;
}

static int serve_readdir(struct fake_p9 *fake)
{
    uint32_t fid = get_fid(fake);
    uint64_t offset = get(8);
    uint32_t count = clip(fake, get(4));
    uint32_t start = out.at + 4;
    check(fake->fids[fid].file >= 0, "listing a closed directory");
    DIR *directory = opendir(fake->fids[fid].path);
    if (directory == NULL) {
        return errno;
    }
    if (offset != 0) {
        seekdir(directory, (long)offset);
    }
    out.at = start;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        uint32_t name_bytes = (uint32_t)strlen(entry->d_name);
        if (out.at + 24 + name_bytes > start + count) {
            break;
        }
        put(0, 5);
        put(entry->d_ino, 8);
        put((uint64_t)entry->d_off, 8);
        put(entry->d_type, 1);
        put(name_bytes, 2);
        memcpy(out.bytes + out.at, entry->d_name, name_bytes);
        out.at += name_bytes;
    }
    closedir(directory);
    uint32_t bytes = out.at - start;
    memcpy(out.bytes + start - 4, &bytes, 4);
    return 0;
}

static int serve_readlink(struct fake_p9 *fake)
{
    char target[4096];
    ssize_t bytes = readlink(fake->fids[get_fid(fake)].path, target, sizeof(target));
    if (bytes < 0) {
        return errno;
    }
    put((uint64_t)bytes, 2);
    memcpy(out.bytes + out.at, target, (size_t)bytes);
    out.at += (uint32_t)bytes;
    return 0;
}

static int serve_name(struct fake_p9 *fake, uint8_t type)
{
    char path[1024];
    const char *directory = fake->fids[get_fid(fake)].path;
    const char *source = type == P9_TLINK ? fake->fids[get_fid(fake)].path : NULL;
    join(path, sizeof(path), directory, get_name());
    int status = 0;
    if (type == P9_TLINK) {
        status = link(source, path);
    } else if (type == P9_TUNLINKAT) {
        status = (get(4) & 0x200) != 0 ? rmdir(path) : unlink(path);
    } else if (type == P9_TSYMLINK) {
        status = symlink(get_string(), path);
    } else {
        status = mkdir(path, (mode_t)get(4));
    }
    if (status != 0) {
        return errno;
    }
    return type == P9_TSYMLINK || type == P9_TMKDIR ? put_qid(path) : 0;
}

static int serve_rename(struct fake_p9 *fake)
{
    char from[1024];
    char to[1024];
    const char *old_directory = fake->fids[get_fid(fake)].path;
    join(from, sizeof(from), old_directory, get_name());
    const char *new_directory = fake->fids[get_fid(fake)].path;
    join(to, sizeof(to), new_directory, get_name());
    if (rename(from, to) != 0) {
        return errno;
    }
    size_t bytes = strlen(from);
    for (uint32_t i = 0; i < FAKE_P9_FIDS; i++) {
        char *path = fake->fids[i].path;
        if (fake->fids[i].is_used && strncmp(path, from, bytes) == 0 &&
            (path[bytes] == '/' || path[bytes] == '\0')) {
            char moved[2048];
            snprintf(moved, sizeof(moved), "%s%s", to, path + bytes);
            snprintf(path, sizeof(fake->fids[i].path), "%.1000s", moved);
        }
    }
    return 0;
}

static int serve(struct fake_p9 *fake, uint8_t type)
{
    switch (type) {
    case P9_TVERSION:
        return serve_version(fake);
    case P9_TATTACH:
        return serve_attach(fake);
    case P9_TWALK:
        return serve_walk(fake);
    case P9_TLOPEN:
        return serve_open(fake);
    case P9_TLCREATE:
        return serve_create(fake);
    case P9_TGETATTR:
        return serve_getattr(fake);
    case P9_TSETATTR:
        return serve_setattr(fake);
    case P9_TREAD:
        return serve_read(fake);
    case P9_TWRITE:
        return serve_write(fake);
    case P9_TREADDIR:
        return serve_readdir(fake);
    case P9_TREADLINK:
        return serve_readlink(fake);
    case P9_TRENAMEAT:
        return serve_rename(fake);
    case P9_TFSYNC:
        return fsync(fake->fids[get_fid(fake)].file) != 0 ? errno : 0;
    case P9_TCLUNK:
        fid_drop(fake, get_fid(fake));
        return 0;
    default:
        check(type == P9_TLINK || type == P9_TUNLINKAT || type == P9_TSYMLINK || type == P9_TMKDIR,
              "an unknown request");
        return serve_name(fake, type);
    }
}

static enum err exchange(struct p9_channel *channel, const void *request, uint32_t request_bytes,
                         void *reply, uint32_t reply_bytes_max, uint32_t *reply_bytes)
{
    struct fake_p9 *fake = channel->driver;
    in.bytes = (uint8_t *)(uintptr_t)request;
    in.size_bytes = request_bytes;
    in.at = 0;
    check(get(4) == request_bytes, "a size that is not the message's");
    uint8_t type = (uint8_t)get(1);
    uint16_t tag = (uint16_t)get(2);
    fake->requests[type]++;
    if (fake->is_silent) {
        return ERR_IO;
    }
    out.bytes = reply;
    out.size_bytes = reply_bytes_max;
    out.at = P9_HEADER_BYTES;
    int error = type == fake->fail_type ? (int)fake->fail_errno : serve(fake, type);
    if (error != 0) {
        out.at = P9_HEADER_BYTES;
        put((uint64_t)error, 4);
    }
    uint32_t size_bytes = out.at;
    out.at = 0;
    put(size_bytes, 4);
    put(error != 0 ? P9_RLERROR : type + 1u, 1);
    put(tag, 2);
    if (fake->lie != NULL && (fake->lie_type == 0 || fake->lie_type == type)) {
        fake->lie(reply, &size_bytes);
    }
    *reply_bytes = size_bytes;
    return ERR_OK;
}

void fake_p9_start(struct fake_p9 *fake)
{
    const char *temporary = getenv("TMPDIR");
    *fake = (struct fake_p9){
        .channel = {.exchange = exchange, .driver = fake, .tag = "fake"},
        .message_bytes_max = 1u << 20,
        .io_bytes_max = UINT32_MAX,
    };
    snprintf(fake->folder, sizeof(fake->folder), "%.40s/wafer-p9-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    if (mkdtemp(fake->folder) == NULL) {
        perror(fake->folder);
        abort();
    }
}

void fake_p9_stop(struct fake_p9 *fake)
{
    char command[128];
    for (uint32_t i = 0; i < FAKE_P9_FIDS; i++) {
        if (fake->fids[i].is_used) {
            fid_drop(fake, i);
        }
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", fake->folder);
    if (system(command) != 0) {
        abort();
    }
}

unsigned fake_p9_fids_in_use(const struct fake_p9 *fake)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < FAKE_P9_FIDS; i++) {
        count += fake->fids[i].is_used;
    }
    return count;
}
