#include "tests/unit/tar_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 512u

static uint8_t *grow(struct tar_builder *builder, size_t more_bytes)
{
    size_t old_bytes = builder->size_bytes;
    builder->size_bytes += more_bytes;
    builder->bytes = realloc(builder->bytes, builder->size_bytes);
    memset(builder->bytes + old_bytes, 0, more_bytes);
    return builder->bytes + old_bytes;
}

static void put(uint8_t *header, size_t offset, size_t limit, const char *text)
{
    if (text != NULL) {
        size_t size_bytes = strlen(text);
        memcpy(header + offset, text, size_bytes < limit ? size_bytes : limit);
    }
}

static void put_octal(uint8_t *header, size_t offset, size_t digits, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%0*llo", (int)digits, (unsigned long long)value);
    memcpy(header + offset, text, digits);
}

void tar_fix_checksum(struct tar_builder *builder)
{
    uint8_t *header = builder->bytes + builder->last_header;
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        sum += header[i];
    }
    put_octal(header, 148, 6, sum);
    header[154] = 0;
}

void tar_add(struct tar_builder *builder, const struct tar_fields *fields)
{
    builder->last_header = builder->size_bytes;
    uint8_t *header = grow(builder, BLOCK_BYTES);
    put(header, 0, 100, fields->name);
    put_octal(header, 100, 7, 0644);
    put_octal(header, 124, 11, fields->data_bytes);
    put_octal(header, 136, 11, fields->modify_seconds);
    header[156] = (uint8_t)fields->type;
    put(header, 157, 100, fields->link_name);
    memcpy(header + 257, fields->magic != NULL ? fields->magic : "ustar\00000", 8);
    put(header, 345, 155, fields->prefix);
    tar_fix_checksum(builder);
    if (fields->data_bytes != 0) {
        tar_add_blocks(builder, fields->data, fields->data_bytes);
    }
}

void tar_add_file(struct tar_builder *builder, const char *name, const char *text)
{
    tar_add(builder, &(struct tar_fields){.name = name,
                                          .type = '0',
                                          .data = text,
                                          .data_bytes = strlen(text),
                                          .modify_seconds = 7});
}

void tar_add_directory(struct tar_builder *builder, const char *name)
{
    tar_add(builder, &(struct tar_fields){.name = name, .type = '5', .modify_seconds = 8});
}

void tar_add_symlink(struct tar_builder *builder, const char *name, const char *target)
{
    tar_add(builder, &(struct tar_fields){.name = name, .type = '2', .link_name = target});
}

void tar_add_hard_link(struct tar_builder *builder, const char *name, const char *target)
{
    tar_add(builder, &(struct tar_fields){.name = name, .type = '1', .link_name = target});
}

void tar_add_pax(struct tar_builder *builder, const char *key, const char *value)
{
    size_t body = strlen(key) + strlen(value) + 3; /* blank, '=' and newline */
    size_t total = body + 1;
    char digits[32];
    /* The length counts its own digits. */
    while ((size_t)snprintf(digits, sizeof(digits), "%zu", total) + body != total) {
        total++;
    }
    char *record = malloc(total + 1);
    snprintf(record, total + 1, "%zu %s=%s\n", total, key, value);
    tar_add(builder, &(struct tar_fields){
                         .name = "PaxHeaders/x", .type = 'x', .data = record, .data_bytes = total});
    free(record);
}

void tar_add_blocks(struct tar_builder *builder, const void *data, size_t size_bytes)
{
    size_t padded = (size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    memcpy(grow(builder, padded), data, size_bytes);
}

void tar_add_end(struct tar_builder *builder)
{
    grow(builder, 2 * BLOCK_BYTES);
}

void tar_builder_free(struct tar_builder *builder)
{
    free(builder->bytes);
    *builder = (struct tar_builder){0};
}
