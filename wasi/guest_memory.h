/*
 * Linear memory 0 as the kernel sees it: checked copies, and nothing else.
 *
 * guest_memory.c is the only file that turns a guest address into a pointer. Every call
 * checks its range against the size that the memory has at that moment (guests grow it) and
 * answers ERR_FAULT when any byte lies outside; then nothing was copied. The SMAP window
 * is open only during the copy itself. Guest addresses have a type of their own so
 * that they cannot be mixed up with lengths or descriptors. Alignment is never required:
 * all accesses are byte copies.
 *
 * The guest does not run while the kernel does, so data changes under the kernel's hands
 * only through its own stores: read structures and vectors completely before writing
 * results, because the guest may let them overlap.
 *
 * Owns nothing. Normal kernel context. Builds on the host, where the memory's `base` points
 * to an ordinary buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/err.h"
#include "kernel/base/wasm_abi.h"

struct guest_addr {
    uint32_t value;
};

struct guest_iovec {
    struct guest_addr address;
    uint32_t length_bytes;
};

/* POSIX's IOV_MAX, and wasi-libc's. */
#define GUEST_IOVEC_MAX 1024u

/* A vector that was read and checked: every range lies in memory, the sum fits 32 bits. */
struct guest_vector {
    const struct guest_iovec *entries;
    uint32_t entry_count;
    uint32_t total_bytes;
    /* Position of guest_vector_read and _write. */
    uint32_t entry_index;
    uint32_t entry_offset;
};

static inline struct guest_addr guest_address(uint32_t value)
{
    return (struct guest_addr){value};
}

/* A member of a structure; the sum may wrap, but only for a structure that was not checked. */
static inline struct guest_addr guest_offset(struct guest_addr base, uint32_t offset_bytes)
{
    return (struct guest_addr){base.value + offset_bytes};
}

/* The memory that all further calls mean; NULL: every access of a byte or more is a fault. */
void guest_memory_attach(const struct wasm_memory *memory);
/* Never NULL. For guest_check alone. */
extern const struct wasm_memory *guest_memory_attached;

static inline WARN_UNUSED enum err guest_check(struct guest_addr address, uint64_t size_bytes)
{
    uint64_t memory_bytes = guest_memory_attached->size_bytes;

    if (address.value > memory_bytes || size_bytes > memory_bytes - address.value) {
        return ERR_FAULT;
    }
    return ERR_OK;
}

enum err guest_read(struct guest_addr from, void *to, size_t size_bytes) WARN_UNUSED;
enum err guest_write(struct guest_addr to, const void *from, size_t size_bytes) WARN_UNUSED;
enum err guest_read_u32(struct guest_addr from, uint32_t *out) WARN_UNUSED;
enum err guest_write_u8(struct guest_addr to, uint8_t value) WARN_UNUSED;
enum err guest_write_u16(struct guest_addr to, uint16_t value) WARN_UNUSED;
enum err guest_write_u32(struct guest_addr to, uint32_t value) WARN_UNUSED;
enum err guest_write_u64(struct guest_addr to, uint64_t value) WARN_UNUSED;

/* Both results of a receive, in this order, or neither. */
enum err guest_write_receipt(struct guest_addr size, uint32_t size_value, struct guest_addr flags,
                             uint16_t flags_value) WARN_UNUSED;

/*
 * Reads `count` iovecs into kernel memory and checks all of them. ERR_INVAL when there are
 * more than GUEST_IOVEC_MAX or the lengths add up to more than 32 bits hold. The entries are
 * kept in one static array: the vector is valid until the next call.
 */
enum err guest_vector_load(struct guest_addr iovecs, uint32_t count,
                           struct guest_vector *out) WARN_UNUSED;
/* Bytes left between the position and the end. */
uint32_t guest_vector_left(const struct guest_vector *vector);
/*
 * How many records at the start of a list, `stride_bytes` apart, still have the keys of the
 * array: bytes 0 to 7 are `first`, and `second` is byte 8 shifted left by 32 plus the word at
 * byte 16. The caller has checked the list.
 */
struct guest_key {
    uint64_t first;
    uint64_t second;
};
uint32_t guest_match_keys(struct guest_addr list, uint32_t stride_bytes,
                          const struct guest_key *keys, uint32_t count);

/*
 * Which parts of a checked range the guest has written to: guest_watch prepares it, once, and
 * guest_take_written moves *offset to the next part from there on that may have changed since it
 * was last taken, and returns where that ends; *offset is size_bytes when there is none. Pages
 * are 4 KiB, so neighbours show too.
 */
void guest_watch(struct guest_addr from, uint32_t size_bytes);
uint32_t guest_take_written(struct guest_addr from, uint32_t size_bytes, uint32_t *offset);

/* Gathers up to size_bytes from the position on; returns how many. */
size_t guest_vector_read(struct guest_vector *vector, void *to, size_t size_bytes);
/* Scatters up to size_bytes from the position on; returns how many. */
size_t guest_vector_write(struct guest_vector *vector, const void *from, size_t size_bytes);
