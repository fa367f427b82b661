#include "kernel/x86/debugcon.h"

#include "kernel/x86/io.h"

#define READBACK 0xe9u /* QEMU hw/char/debugcon.c, property "readback" */

bool debugcon_is_present(uint16_t port)
{
    return io_read8(port) == READBACK;
}

void debugcon_write(uint16_t port, const void *data, size_t size_bytes)
{
    io_write8_many(port, data, size_bytes);
}
