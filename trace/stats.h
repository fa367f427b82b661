/*
 * What an observed image counts. One struct, so that each file adds to it where the thing
 * happens; reported once, at the end. Normal kernel context, and the network poll that
 * interrupts Wasm code.
 */
#pragma once

#include <stdint.h>

struct stats {
    uint64_t packets_in;
    uint64_t packets_out;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t disk_reads;
    uint64_t disk_writes;
    uint64_t disk_flushes;
    uint64_t disk_read_bytes;
    uint64_t disk_written_bytes;
    /* What leaves the virtual machine. */
    uint64_t kicks;
    uint64_t timer_sets;
    uint64_t halts;
    uint64_t uart_bytes;
    uint64_t console_writes;
    uint64_t console_bytes;
    uint64_t halted_ns;
    /* All in use, guest memory that was promised included; and the kernel's alone. */
    uint64_t pages_peak;
    uint64_t pages_kernel_peak;
    uint64_t pages_promised;
    uint64_t memory_grows;
};
extern struct stats stats;

/* The line `wafer: stats {...}`. */
void stats_report(uint32_t exit_code);

/* calls.c: each function that was called. */
void trace_calls_report(void (*call)(const char *name, uint64_t count, uint64_t error_count,
                                     uint64_t ns));
