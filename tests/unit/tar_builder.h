/*
 * Builds small tar archives for tests. The builder owns its buffer until
 * tar_builder_free().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tar_builder {
    uint8_t *bytes;
    size_t size_bytes;
    size_t last_header; /* offset of the latest header, for tests that damage it */
};

/* The fields of one entry; `magic` NULL means POSIX ustar. */
struct tar_fields {
    const char *name;
    const char *prefix;
    const char *link_name;
    const char *magic;
    const char *data;
    size_t data_bytes;
    uint64_t modify_seconds;
    char type;
};

void tar_add(struct tar_builder *builder, const struct tar_fields *fields);
void tar_add_file(struct tar_builder *builder, const char *name, const char *text);
void tar_add_directory(struct tar_builder *builder, const char *name);
void tar_add_symlink(struct tar_builder *builder, const char *name, const char *target);
void tar_add_hard_link(struct tar_builder *builder, const char *name, const char *target);
/* A pax header with one record, computing the record's length. */
void tar_add_pax(struct tar_builder *builder, const char *key, const char *value);
void tar_add_blocks(struct tar_builder *builder, const void *data, size_t size_bytes);
void tar_add_end(struct tar_builder *builder);
/* Recomputes the checksum of the header at last_header. */
void tar_fix_checksum(struct tar_builder *builder);
void tar_builder_free(struct tar_builder *builder);
