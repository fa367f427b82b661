/*
 * Short forms for tests that work on a whole tree: NUL-terminated paths, one global root.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fs/vfs.h"

extern struct vfs_node *root;

enum err t_open(const char *path, uint32_t flags, struct vfs_node **out);
enum err t_open_status(const char *path, uint32_t flags); /* and closes again */
enum err t_mkdir(const char *path);
enum err t_rmdir(const char *path);
enum err t_unlink(const char *path);
enum err t_rename(const char *from, const char *to);
enum err t_link(const char *from, const char *to);
enum err t_symlink(const char *target, const char *path);
void t_write_file(const char *path, const char *text); /* creates or replaces */
void t_assert_file(const char *path, const char *text);
void t_assert_data(struct vfs_node *file, uint64_t offset, const void *data, size_t size_bytes);
void t_assert_size(struct vfs_node *file, uint64_t size_bytes);
struct vfs_stat t_stat(const char *path); /* follows no link */
/* The names of a directory in order, blank-separated, without `.` and `..`. */
const char *t_list(const char *path);
