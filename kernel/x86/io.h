/*
 * Access to I/O ports and to device memory.
 *
 * A struct mmio comes from mmio_map (kernel/x86/paging.h) and is valid for ever.
 * Every access is one instruction of exactly that width, in program order with other
 * volatile accesses. Any context.
 */
#pragma once

#include <stdint.h>

static inline void io_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void io_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void io_write32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline uint8_t io_read8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
static inline uint16_t io_read16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
static inline uint32_t io_read32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}
/* `count` bytes to one port: the fast way through a debug console or UART. */
static inline void io_write8_many(uint16_t port, const void *data, uint64_t count)
{
    __asm__ volatile("rep outsb" : "+S"(data), "+c"(count) : "d"(port) : "memory");
}

/* A window of device registers: uncached, never RAM. */
struct mmio {
    volatile uint8_t *base;
};

static inline uint8_t mmio_read8(struct mmio window, uint64_t offset)
{
    return *(volatile uint8_t *)(window.base + offset);
}
static inline uint16_t mmio_read16(struct mmio window, uint64_t offset)
{
    return *(volatile uint16_t *)(window.base + offset);
}
static inline uint32_t mmio_read32(struct mmio window, uint64_t offset)
{
    return *(volatile uint32_t *)(window.base + offset);
}
static inline void mmio_write8(struct mmio window, uint64_t offset, uint8_t value)
{
    *(volatile uint8_t *)(window.base + offset) = value;
}
static inline void mmio_write16(struct mmio window, uint64_t offset, uint16_t value)
{
    *(volatile uint16_t *)(window.base + offset) = value;
}
static inline void mmio_write32(struct mmio window, uint64_t offset, uint32_t value)
{
    *(volatile uint32_t *)(window.base + offset) = value;
}
/* 64-bit registers of virtio are written as two halves, low first (virtio 1.2 §4.1.3.1). */
static inline void mmio_write64_halves(struct mmio window, uint64_t offset, uint64_t value)
{
    mmio_write32(window, offset, (uint32_t)value);
    mmio_write32(window, offset + 4, (uint32_t)(value >> 32));
}
