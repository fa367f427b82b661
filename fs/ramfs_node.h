/*
 * The nodes of the RAM file system, shared by its three files only: ramfs.c (operations),
 * ramfs_names.c (directories), ramfs_data.c (contents).
 */
#pragma once

#include "fs/budget.h"
#include "fs/ramfs_data.h"
#include "fs/siphash.h"
#include "fs/vfs_ops.h"

/* A name in a directory. */
struct ram_entry {
    struct ram_entry *hash_next;
    struct ram_node *directory;
    struct ram_node *node;
    uint64_t cookie; /* its place in the directory's order; never used again there */
    uint64_t hash;
    uint8_t name_bytes;
    char name[];
};

/* A directory's order: sorted by cookie because new entries go to the end. */
struct ram_slot {
    uint64_t cookie;
    struct ram_entry *entry; /* NULL once removed */
};

struct ram_directory {
    struct ram_node *parent; /* NULL for the root and for a removed directory */
    struct ram_slot *slots;
    uint32_t slot_count;
    uint32_t slot_capacity;
    uint32_t entry_count;
    uint64_t next_cookie;
};

struct ram_link {
    char *target;
    size_t target_bytes;
};

struct ram_node {
    struct vfs_node vfs; /* first: a struct vfs_node * of ours is a struct ram_node * */
    struct ram_fs *fs;
    uint64_t inode;
    uint64_t access_ns;
    uint64_t modify_ns;
    uint64_t change_ns;
    uint32_t link_count; /* 0: no name is left */
    union {
        struct ram_data data;
        struct ram_directory directory;
        struct ram_link link;
    };
};

struct ram_fs {
    struct fs_budget budget;
    struct siphash_key key;
    struct ram_entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t entry_count;
    uint64_t next_inode;
    bool is_loading; /* changes leave modification times alone */
    struct ram_node *root;
};

enum err ram_names_init(struct ram_fs *fs) WARN_UNUSED;

/* NULL where the name is free. */
struct ram_entry *ram_names_find(const struct ram_node *directory, struct vfs_name name);
/* The name must be free. Touches no link count. ERR_NOSPC changes nothing. */
enum err ram_names_add(struct ram_node *directory, struct vfs_name name,
                       struct ram_node *node) WARN_UNUSED;
void ram_names_remove(struct ram_entry *entry);
/* The first entry whose cookie is at least `cookie`, or NULL. */
struct ram_entry *ram_names_at(const struct ram_node *directory, uint64_t cookie);
/* Frees the order list of an empty directory. */
void ram_names_destroy_directory(struct ram_node *directory);
