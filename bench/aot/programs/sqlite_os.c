/*
 * What SQLite needs of a system for databases in memory (SQLITE_OS_OTHER): no files, a
 * clock, and numbers that are the same in every run.
 */
#include <string.h>
#include <time.h>

#include "sqlite3.h"

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs, (void)name, (void)flags, (void)out_flags;
    file->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs, (void)name, (void)sync;
    return SQLITE_IOERR_DELETE;
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *exists)
{
    (void)vfs, (void)name, (void)flags;
    *exists = 0;
    return SQLITE_OK;
}

static int full_pathname(sqlite3_vfs *vfs, const char *name, int size_bytes, char *out)
{
    (void)vfs;
    sqlite3_snprintf(size_bytes, out, "%s", name);
    return SQLITE_OK;
}

static int randomness(sqlite3_vfs *vfs, int size_bytes, char *out)
{
    (void)vfs;
    memset(out, 42, (size_t)size_bytes);
    return size_bytes;
}

static int sleep_us(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

/* Milliseconds of the Julian calendar. */
static int current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    struct timespec now;

    (void)vfs;
    clock_gettime(CLOCK_REALTIME, &now);
    *out = 210866760000000 + (sqlite3_int64)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return SQLITE_OK;
}

static int current_time(sqlite3_vfs *vfs, double *days)
{
    sqlite3_int64 now;

    current_time_ms(vfs, &now);
    *days = (double)now / 86400000.0;
    return SQLITE_OK;
}

static int last_error(sqlite3_vfs *vfs, int size_bytes, char *out)
{
    (void)vfs, (void)size_bytes, (void)out;
    return 0;
}

int sqlite3_os_init(void)
{
    static sqlite3_vfs vfs = {.iVersion = 2,
                              .szOsFile = sizeof(sqlite3_file),
                              .mxPathname = 512,
                              .zName = "memory",
                              .xOpen = open_file,
                              .xDelete = delete_file,
                              .xAccess = access_file,
                              .xFullPathname = full_pathname,
                              .xRandomness = randomness,
                              .xSleep = sleep_us,
                              .xCurrentTime = current_time,
                              .xGetLastError = last_error,
                              .xCurrentTimeInt64 = current_time_ms};

    return sqlite3_vfs_register(&vfs, 1);
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}
