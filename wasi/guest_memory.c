#include "wasi/guest_memory.h"

#include "kernel/base/string.h"
#include "kernel/x86/x86.h"

static const struct wasm_memory *attached;
static struct guest_iovec entries[GUEST_IOVEC_MAX];

void guest_memory_attach(const struct wasm_memory *memory)
{
    attached = memory;
}

enum err guest_check(struct guest_addr address, uint64_t size_bytes)
{
    uint64_t memory_bytes = attached != NULL ? attached->size_bytes : 0;

    if (address.value > memory_bytes || size_bytes > memory_bytes - address.value) {
        return ERR_FAULT;
    }
    return ERR_OK;
}

/* The only place where a guest address becomes a pointer. The range has been checked. */
static void *pointer_to(struct guest_addr address)
{
    return (void *)((uintptr_t)attached->base + address.value);
}

static void copy_from(struct guest_addr from, void *to, size_t size_bytes)
{
    const void *source = pointer_to(from);

    x86_guest_access_begin();
    memcpy(to, source, size_bytes);
    x86_guest_access_end();
}

static void copy_to(struct guest_addr to, const void *from, size_t size_bytes)
{
    void *target = pointer_to(to);

    x86_guest_access_begin();
    memcpy(target, from, size_bytes);
    x86_guest_access_end();
}

enum err guest_read(struct guest_addr from, void *to, size_t size_bytes)
{
    enum err error = guest_check(from, size_bytes);

    if (error == ERR_OK && size_bytes != 0) {
        copy_from(from, to, size_bytes);
    }
    return error;
}

enum err guest_write(struct guest_addr to, const void *from, size_t size_bytes)
{
    enum err error = guest_check(to, size_bytes);

    if (error == ERR_OK && size_bytes != 0) {
        copy_to(to, from, size_bytes);
    }
    return error;
}

enum err guest_read_u32(struct guest_addr from, uint32_t *out)
{
    return guest_read(from, out, sizeof(*out));
}

enum err guest_write_u8(struct guest_addr to, uint8_t value)
{
    return guest_write(to, &value, sizeof(value));
}

enum err guest_write_u16(struct guest_addr to, uint16_t value)
{
    return guest_write(to, &value, sizeof(value));
}

enum err guest_write_u32(struct guest_addr to, uint32_t value)
{
    return guest_write(to, &value, sizeof(value));
}

enum err guest_write_u64(struct guest_addr to, uint64_t value)
{
    return guest_write(to, &value, sizeof(value));
}

_Static_assert(sizeof(struct guest_iovec) == 8, "entries are read as they lie in guest memory");

enum err guest_vector_load(struct guest_addr iovecs, uint32_t count, struct guest_vector *out)
{
    enum err error = guest_check(iovecs, (uint64_t)count * sizeof(struct guest_iovec));
    uint64_t total_bytes = 0;

    if (error != ERR_OK) {
        return error;
    }
    if (count > GUEST_IOVEC_MAX) {
        return ERR_INVAL;
    }
    error = guest_read(iovecs, entries, count * sizeof(entries[0]));
    for (uint32_t i = 0; i < count && error == ERR_OK; i++) {
        error = guest_check(entries[i].address, entries[i].length_bytes);
        total_bytes += entries[i].length_bytes;
    }
    if (error == ERR_OK && total_bytes > UINT32_MAX) {
        error = ERR_INVAL;
    }
    *out = (struct guest_vector){
        .entries = entries,
        .entry_count = error == ERR_OK ? count : 0,
        .total_bytes = error == ERR_OK ? (uint32_t)total_bytes : 0,
    };
    return error;
}

uint32_t guest_vector_left(const struct guest_vector *vector)
{
    uint32_t left_bytes = 0;

    for (uint32_t i = vector->entry_index; i < vector->entry_count; i++) {
        left_bytes += vector->entries[i].length_bytes;
    }
    return left_bytes - vector->entry_offset;
}

/* The next contiguous piece, at most max_bytes, and moves the position behind it; 0 at the end. */
static size_t next_piece(struct guest_vector *vector, size_t max_bytes, struct guest_addr *out)
{
    while (vector->entry_index < vector->entry_count) {
        const struct guest_iovec *entry = &vector->entries[vector->entry_index];
        size_t left_bytes = entry->length_bytes - vector->entry_offset;

        if (left_bytes == 0) {
            vector->entry_index++;
            vector->entry_offset = 0;
            continue;
        }
        if (left_bytes > max_bytes) {
            left_bytes = max_bytes;
        }
        *out = guest_offset(entry->address, vector->entry_offset);
        vector->entry_offset += (uint32_t)left_bytes;
        return left_bytes;
    }
    return 0;
}

size_t guest_vector_read(struct guest_vector *vector, void *to, size_t size_bytes)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        struct guest_addr from;
        size_t piece_bytes = next_piece(vector, size_bytes - done_bytes, &from);

        if (piece_bytes == 0) {
            break;
        }
        copy_from(from, (uint8_t *)to + done_bytes, piece_bytes);
        done_bytes += piece_bytes;
    }
    return done_bytes;
}

size_t guest_vector_write(struct guest_vector *vector, const void *from, size_t size_bytes)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        struct guest_addr to;
        size_t piece_bytes = next_piece(vector, size_bytes - done_bytes, &to);

        if (piece_bytes == 0) {
            break;
        }
        copy_to(to, (const uint8_t *)from + done_bytes, piece_bytes);
        done_bytes += piece_bytes;
    }
    return done_bytes;
}
