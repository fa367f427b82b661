/*
 * The kernel around the WASI layer, faked for hosted tests: a heap, pages, a clock that
 * stands still until someone waits, consoles that are buffers, and machine_exit as a jump.
 * Waiting forces time forward to the deadline after running one queued step.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/wasm_abi.h"
#include "wasi/wasi.h"

#define FAKE_MEMORY_BYTES (8u * WASM_PAGE_BYTES)
#define FAKE_OUTPUT_BYTES (1u << 18)

struct fake_kernel {
    uint64_t now_ns;
    uint64_t realtime_offset_ns;
    size_t allocations;       /* live heap blocks */
    size_t pages;             /* live pages */
    size_t heap_failures;     /* the next so many allocations fail */
    bool allocations_ignored; /* fake_end does not look for leaks */
    uint8_t output[3][FAKE_OUTPUT_BYTES];
    size_t output_bytes[3]; /* by enum console_stream */
    const char *input;      /* what console_read still delivers; NULL: nothing yet */
    bool input_ended;
    bool is_terminal[3];
    uint64_t wait_count;
    uint64_t last_deadline_ns;
    /* Runs inside wait_once and wait_poll; returns whether anything happened. */
    bool (*on_wait)(void);
    bool writes_hidden; /* paging_take_written finds nothing */
    jmp_buf exit_jump;
    uint32_t exit_code;
};

extern struct fake_kernel fake_kernel;

/* A guest memory of FAKE_MEMORY_BYTES, attached, filled with zeros. */
extern struct wasm_memory fake_memory;
extern const struct wasm_module fake_module;

/* Zeroes everything and begins an instance. `config->module` is set here. */
void fake_begin(struct wasi_config *config);
/* Ends it and checks that no heap block is left. */
void fake_end(void);

/* Reading and writing the guest's memory from the test's side. */
uint8_t *guest_at(uint32_t address);
void guest_put_u32(uint32_t address, uint32_t value);
void guest_put_u64(uint32_t address, uint64_t value);
uint16_t guest_get_u16(uint32_t address);
uint32_t guest_get_u32(uint32_t address);
uint64_t guest_get_u64(uint32_t address);
/* Puts an iovec array of one entry at `at`. */
void guest_put_iovec(uint32_t at, uint32_t address, uint32_t size_bytes);
/* Puts text and returns its length. */
uint32_t guest_put_text(uint32_t address, const char *text);
