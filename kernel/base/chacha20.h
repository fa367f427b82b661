/*
 * The ChaCha20 block function (RFC 8439 §2.3). Pure; any context.
 */
#pragma once

#include <stdint.h>

#define CHACHA20_BLOCK_BYTES 64u

/* One key-stream block for key (256 bits), counter and nonce (96 bits). */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                    uint8_t out[CHACHA20_BLOCK_BYTES]);
