/* Included before each program's files: what POSIX has and wasi-libc has not. See missing.c. */
#pragma once
#include <fcntl.h>
#include <sys/types.h>

#define L_tmpnam 20

/* One process has every file to itself: each lock is granted. */
#define F_GETLK 1000
#define F_SETLK 1001
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
int posix_fcntl(int fd, int command, ...);
#define fcntl posix_fcntl

/* There are no users and no modes. */
int chmod(const char *path, mode_t mode);
int fchmod(int fd, mode_t mode);
int fchown(int fd, uid_t user, gid_t group);
uid_t getuid(void);
uid_t geteuid(void);
