/*
 * QEMU's isa-debugcon: a port that swallows bytes and answers 0xe9 when read. Any
 * context; the write returns when the host has the bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool debugcon_is_present(uint16_t port);
void debugcon_write(uint16_t port, const void *data, size_t size_bytes);
