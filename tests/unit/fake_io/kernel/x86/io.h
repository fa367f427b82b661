/*
 * Stands in for kernel/x86/io.h in host tests (through -iquote): the same functions, but
 * the test plays the machine behind them (tests/unit/fake_pci.h).
 */
#pragma once

#include <stdint.h>

struct mmio {
    volatile uint8_t *base;
};

void io_write16(uint16_t port, uint16_t value);
void io_write32(uint16_t port, uint32_t value);
uint32_t io_read32(uint16_t port);

uint8_t mmio_read8(struct mmio window, uint64_t offset);
uint16_t mmio_read16(struct mmio window, uint64_t offset);
uint32_t mmio_read32(struct mmio window, uint64_t offset);
void mmio_write8(struct mmio window, uint64_t offset, uint8_t value);
void mmio_write16(struct mmio window, uint64_t offset, uint16_t value);
void mmio_write32(struct mmio window, uint64_t offset, uint32_t value);

static inline void mmio_write64_halves(struct mmio window, uint64_t offset, uint64_t value)
{
    mmio_write32(window, offset, (uint32_t)value);
    mmio_write32(window, offset + 4, (uint32_t)(value >> 32));
}
