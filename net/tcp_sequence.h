/*
 * Sequence number arithmetic modulo 2^32 (RFC 9293 §3.4). Pure functions; any context.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_before(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) < 0;
}

static inline bool seq_after(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) > 0;
}

static inline bool seq_before_or_at(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) <= 0;
}

static inline uint32_t seq_later(uint32_t left, uint32_t right)
{
    return seq_after(left, right) ? left : right;
}

static inline uint32_t seq_earlier(uint32_t left, uint32_t right)
{
    return seq_before(left, right) ? left : right;
}
