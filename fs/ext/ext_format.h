/*
 * The on-disk format of ext2 and ext3, as Linux and e2fsprogs define it ("The Second
 * Extended File System", D. Poirier; kernel documentation, filesystems/ext4, for the journal).
 *
 * Everything but the journal is little-endian, which is what this machine is; the journal is
 * big-endian and read through ext_be32(). Pure data.
 */
#pragma once

#include <stdint.h>

#define EXT_SUPER_OFFSET    1024u
#define EXT_SUPER_MAGIC     0xef53u
#define EXT_ROOT_INODE      2u
#define EXT_DIRECT_BLOCKS   12u
#define EXT_BLOCK_SLOTS     15u /* direct, then single, double and triple indirect */
#define EXT_LINKS_MAX       32000u
#define EXT_FAST_LINK_BYTES 60u
#define EXT_INODE_BYTES_MIN 128u

struct ext_super {
    uint32_t inodes_count;
    uint32_t blocks_count;
    uint32_t reserved_blocks_count;
    uint32_t free_blocks_count;
    uint32_t free_inodes_count;
    uint32_t first_data_block;
    uint32_t log_block_size; /* block size is 1024 << this */
    uint32_t log_cluster_size;
    uint32_t blocks_per_group;
    uint32_t clusters_per_group;
    uint32_t inodes_per_group;
    uint32_t mount_time;
    uint32_t write_time;
    uint16_t mount_count;
    uint16_t mount_count_max;
    uint16_t magic;
    uint16_t state;
    uint16_t errors;
    uint16_t minor_revision;
    uint32_t last_check;
    uint32_t check_interval;
    uint32_t creator_os;
    uint32_t revision;
    uint16_t reserved_uid;
    uint16_t reserved_gid;
    /* Revision 1. */
    uint32_t first_inode;
    uint16_t inode_bytes;
    uint16_t block_group;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
    uint8_t uuid[16];
    char volume_name[16];
    char last_mounted[64];
    uint32_t algorithm_bitmap;
    uint8_t preallocate_blocks;
    uint8_t preallocate_directory_blocks;
    uint16_t reserved_gdt_blocks;
    uint8_t journal_uuid[16];
    uint32_t journal_inode;
    uint32_t journal_device;
    uint32_t last_orphan;
    uint8_t unused[788];
};
_Static_assert(sizeof(struct ext_super) == 1024, "superblock");

enum ext_state {
    EXT_STATE_VALID_BIT = 1u << 0,
    EXT_STATE_ERROR_BIT = 1u << 1,
};

#define EXT_COMPAT_HAS_JOURNAL 0x0004u

#define EXT_INCOMPAT_FILETYPE 0x0002u
#define EXT_INCOMPAT_RECOVER  0x0004u

#define EXT_RO_COMPAT_SPARSE_SUPER 0x0001u
#define EXT_RO_COMPAT_LARGE_FILE   0x0002u

struct ext_group {
    uint32_t block_bitmap;
    uint32_t inode_bitmap;
    uint32_t inode_table;
    uint16_t free_blocks_count;
    uint16_t free_inodes_count;
    uint16_t used_directories_count;
    uint16_t padding;
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct ext_group) == 32, "group descriptor");

struct ext_inode {
    uint16_t mode;
    uint16_t uid;
    uint32_t size_low;
    uint32_t access_time;
    uint32_t change_time;
    uint32_t modify_time;
    uint32_t deletion_time; /* of an orphan: the number of the next orphan */
    uint16_t gid;
    uint16_t links_count;
    uint32_t sectors; /* of 512 bytes, indirect blocks included */
    uint32_t flags;
    uint32_t version;
    uint32_t block[EXT_BLOCK_SLOTS];
    uint32_t generation;
    uint32_t attribute_block;
    uint32_t size_high; /* of regular files */
    uint32_t fragment;
    uint8_t os_specific[12];
    /* The fields below lie behind the first 128 bytes; extra_bytes says how many are in use. */
    uint16_t extra_bytes;
    uint16_t checksum_high;
    uint32_t change_time_extra; /* two bits of seconds below 30 of nanoseconds */
    uint32_t modify_time_extra;
    uint32_t access_time_extra;
    uint32_t create_time;
    uint32_t create_time_extra;
    uint32_t version_high;
    uint32_t project;
};
_Static_assert(sizeof(struct ext_inode) == 160, "inode with the usual extra fields");
#define EXT_INODE_EXTRA_BYTES 32u

#define EXT_MODE_TYPE_MASK 0xf000u
#define EXT_MODE_REGULAR   0x8000u
#define EXT_MODE_DIRECTORY 0x4000u
#define EXT_MODE_SYMLINK   0xa000u

#define EXT_FLAG_INDEX   0x00001000u /* a hashed directory: ours to ignore, and to clear */
#define EXT_FLAG_EXTENTS 0x00080000u

/* Followed by the name; record_bytes leads to the next entry and never across a block. */
struct ext_entry {
    uint32_t inode; /* 0: unused */
    uint16_t record_bytes;
    uint8_t name_bytes;
    uint8_t type;
};
_Static_assert(sizeof(struct ext_entry) == 8, "directory entry");

enum ext_entry_type {
    EXT_ENTRY_UNKNOWN = 0,
    EXT_ENTRY_REGULAR = 1,
    EXT_ENTRY_DIRECTORY = 2,
    EXT_ENTRY_SYMLINK = 7,
};

/* The head of a block of extended attributes, which several inodes may share. */
struct ext_attribute_header {
    uint32_t magic;
    uint32_t reference_count;
};
#define EXT_ATTRIBUTE_MAGIC 0xea020000u

/* ---- The journal: every field is big-endian ------------------------------------------------- */

#define EXT_JOURNAL_MAGIC 0xc03b3998u

enum ext_journal_block {
    EXT_JOURNAL_DESCRIPTOR = 1,
    EXT_JOURNAL_COMMIT = 2,
    EXT_JOURNAL_SUPER_V1 = 3,
    EXT_JOURNAL_SUPER_V2 = 4,
    EXT_JOURNAL_REVOKE = 5,
};

struct ext_journal_header {
    uint32_t magic;
    uint32_t type;
    uint32_t sequence;
};

struct ext_journal_super {
    struct ext_journal_header header;
    uint32_t block_bytes;
    uint32_t blocks_count;
    uint32_t first;    /* the first block of the log proper */
    uint32_t sequence; /* of the first transaction to replay */
    uint32_t start;    /* its block; 0: nothing to replay */
    uint32_t error;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
};
#define EXT_JOURNAL_INCOMPAT_REVOKE 0x0001u

/* A tag of a descriptor block; 16 bytes of UUID follow unless SAME_UUID is set. */
struct ext_journal_tag {
    uint32_t block;
    uint16_t checksum;
    uint16_t flags;
};
#define EXT_TAG_ESCAPED    0x0001u /* the block began with the magic, which is zeroed in the log */
#define EXT_TAG_SAME_UUID  0x0002u
#define EXT_TAG_LAST       0x0008u
#define EXT_TAG_UUID_BYTES 16u

struct ext_journal_revoke {
    struct ext_journal_header header;
    uint32_t used_bytes; /* of the block, this head included; block numbers follow */
};

static inline uint32_t ext_be32(uint32_t value)
{
    return __builtin_bswap32(value);
}

static inline uint16_t ext_be16(uint16_t value)
{
    return __builtin_bswap16(value);
}
