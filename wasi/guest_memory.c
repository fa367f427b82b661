#include "wasi/guest_memory.h"

#include "kernel/base/inline.h"
#include "kernel/base/string.h"
#include "kernel/x86/x86.h"

static const struct wasm_memory no_memory;
const struct wasm_memory *guest_memory_attached = &no_memory;
static struct guest_iovec entries[GUEST_IOVEC_MAX];

void guest_memory_attach(const struct wasm_memory *memory)
{
    guest_memory_attached = memory != NULL ? memory : &no_memory;
}

/* The only place where a guest address becomes a pointer. The range has been checked. */
static void *pointer_to(struct guest_addr address)
{
    return (void *)((uintptr_t)guest_memory_attached->base + address.value);
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

/*
 * Numbers cross by single moves: constant-size copies that the compiler expands in place, not
 * calls of memcpy.
 */
#define STORE(address, value)                                                                      \
    do {                                                                                           \
        enum err check_error = guest_check(address, sizeof(value));                                \
        void *target;                                                                              \
        if (check_error != ERR_OK) {                                                               \
            return check_error;                                                                    \
        }                                                                                          \
        target = pointer_to(address);                                                              \
        x86_guest_access_begin();                                                                  \
        __builtin_memcpy(target, &(value), sizeof(value));                                         \
        x86_guest_access_end();                                                                    \
        return ERR_OK;                                                                             \
    } while (0)

enum err guest_write_u8(struct guest_addr to, uint8_t value)
{
    STORE(to, value);
}

enum err guest_write_u16(struct guest_addr to, uint16_t value)
{
    STORE(to, value);
}

enum err guest_write_u32(struct guest_addr to, uint32_t value)
{
    STORE(to, value);
}

enum err guest_write_u64(struct guest_addr to, uint64_t value)
{
    STORE(to, value);
}

enum err guest_write_receipt(struct guest_addr size, uint32_t size_value, struct guest_addr flags,
                             uint16_t flags_value)
{
    void *size_target = pointer_to(size);
    void *flags_target = pointer_to(flags);

    if (guest_check(size, sizeof(size_value)) != ERR_OK ||
        guest_check(flags, sizeof(flags_value)) != ERR_OK) {
        return ERR_FAULT;
    }
    x86_guest_access_begin();
    __builtin_memcpy(size_target, &size_value, sizeof(size_value));
    __builtin_memcpy(flags_target, &flags_value, sizeof(flags_value));
    x86_guest_access_end();
    return ERR_OK;
}

enum err guest_read_u32(struct guest_addr from, uint32_t *out)
{
    enum err error = guest_check(from, sizeof(*out));
    const void *source;

    if (error != ERR_OK) {
        return error;
    }
    source = pointer_to(from);
    x86_guest_access_begin();
    __builtin_memcpy(out, source, sizeof(*out));
    x86_guest_access_end();
    return ERR_OK;
}

/* Nonzero when the record's keys are others. */
ALWAYS_INLINE uint64_t key_difference(const uint8_t *record, const struct guest_key *key)
{
    uint64_t first;
    uint32_t word;

    __builtin_memcpy(&first, record, sizeof(first));
    __builtin_memcpy(&word, record + 16, sizeof(word));
    return (first ^ key->first) | (((uint64_t)record[8] << 32 | word) ^ key->second);
}

/* Four at a time without a branch in between: nearly always all of a list are unchanged. */
uint32_t guest_match_keys(struct guest_addr list, uint32_t stride_bytes,
                          const struct guest_key *keys, uint32_t count)
{
    const uint8_t *record = pointer_to(list);
    const size_t stride = stride_bytes;
    uint32_t i = 0;

    x86_guest_access_begin();
    for (; count - i >= 4; i += 4, record += 4 * stride) {
        if ((key_difference(record, keys + i) | key_difference(record + stride, keys + i + 1) |
             key_difference(record + 2 * stride, keys + i + 2) |
             key_difference(record + 3 * stride, keys + i + 3)) != 0) {
            break;
        }
    }
    for (; i < count && key_difference(record, keys + i) == 0; i++) {
        record += stride;
    }
    x86_guest_access_end();
    return i;
}

_Static_assert(sizeof(struct guest_iovec) == 8, "entries are read as they lie in guest memory");

/*
 * Copies and checks the entries one move each; most vectors have one or two. Ranges are added
 * up in 64 bits, where neither an end nor the sum can wrap.
 */
enum err guest_vector_load(struct guest_addr iovecs, uint32_t count, struct guest_vector *out)
{
    uint64_t memory_bytes = guest_memory_attached->size_bytes;
    const uint8_t *source = pointer_to(iovecs);
    uint64_t sum_bytes = 0;
    bool is_inside = true;

    if (iovecs.value + (uint64_t)count * sizeof(struct guest_iovec) > memory_bytes) {
        return ERR_FAULT;
    }
    if (count > GUEST_IOVEC_MAX) {
        return ERR_INVAL;
    }
    x86_guest_access_begin();
    SHORT_LOOP
    for (uint32_t i = 0; i < count && is_inside; i++) {
        uint64_t raw;

        __builtin_memcpy(&raw, source + i * sizeof(raw), sizeof(raw));
        entries[i] = (struct guest_iovec){{(uint32_t)raw}, (uint32_t)(raw >> 32)};
        sum_bytes += raw >> 32;
        is_inside = (uint32_t)raw + (raw >> 32) <= memory_bytes;
    }
    x86_guest_access_end();
    if (!is_inside) {
        return ERR_FAULT;
    }
    if (sum_bytes > UINT32_MAX) {
        return ERR_INVAL;
    }
    *out = (struct guest_vector){
        .entries = entries, .entry_count = count, .total_bytes = (uint32_t)sum_bytes};
    return ERR_OK;
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
ALWAYS_INLINE size_t next_piece(struct guest_vector *vector, size_t max_bytes,
                                struct guest_addr *out)
{
    while (max_bytes != 0 && vector->entry_index < vector->entry_count) {
        const struct guest_iovec *entry = &vector->entries[vector->entry_index];
        size_t left_bytes = entry->length_bytes - vector->entry_offset;

        *out = guest_offset(entry->address, vector->entry_offset);
        if (left_bytes > max_bytes) {
            vector->entry_offset += (uint32_t)max_bytes;
            return max_bytes;
        }
        vector->entry_index++;
        vector->entry_offset = 0;
        if (left_bytes != 0) {
            return left_bytes;
        }
    }
    return 0;
}

size_t guest_vector_read(struct guest_vector *vector, void *to, size_t size_bytes)
{
    uint8_t *at = to;
    struct guest_addr from;
    size_t piece_bytes;

    while ((piece_bytes = next_piece(vector, size_bytes, &from)) != 0) {
        copy_from(from, at, piece_bytes);
        at += piece_bytes;
        size_bytes -= piece_bytes;
    }
    return (size_t)(at - (uint8_t *)to);
}

size_t guest_vector_write(struct guest_vector *vector, const void *from, size_t size_bytes)
{
    const uint8_t *at = from;
    struct guest_addr to;
    size_t piece_bytes;

    if (vector->entry_count == 1 && size_bytes < vector->total_bytes && vector->entry_offset == 0) {
        vector->entry_offset = (uint32_t)size_bytes;
        copy_to(vector->entries[0].address, from, size_bytes);
        return size_bytes;
    }

    while ((piece_bytes = next_piece(vector, size_bytes, &to)) != 0) {
        copy_to(to, at, piece_bytes);
        at += piece_bytes;
        size_bytes -= piece_bytes;
    }
    return (size_t)(at - (const uint8_t *)from);
}
