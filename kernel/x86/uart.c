#include "kernel/x86/uart.h"

#include "kernel/x86/io.h"
#include "kernel/x86/x86.h"

/* National Semiconductor PC16550D, register summary. */
#define PORT                0x3f8u
#define REG_DATA            (PORT + 0)
#define REG_INTERRUPTS      (PORT + 1)
#define REG_FIFO            (PORT + 2)
#define REG_LINE            (PORT + 3)
#define REG_MODEM           (PORT + 4)
#define REG_STATUS          (PORT + 5)
#define REG_SCRATCH         (PORT + 7)
#define STATUS_RECEIVED_BIT 0x01u
#define STATUS_EMPTY_BIT    0x20u
#define LINE_8N1            0x03u
#define LINE_DIVISOR_BIT    0x80u
#define FIFO_ON_CLEARED     0x07u
#define MODEM_DTR_RTS_OUT2  0x0bu
#define FIFO_BYTES          16u
/* At 115200 baud a full FIFO drains in 1.4 ms; a slow host may take far longer. */
#define SPIN_MAX 50000000u

static bool present;

bool uart_initialize(void)
{
    io_write8(REG_SCRATCH, 0x5a);
    present = io_read8(REG_SCRATCH) == 0x5a;
    if (!present) {
        return false;
    }
    io_write8(REG_INTERRUPTS, 0);
    io_write8(REG_LINE, LINE_DIVISOR_BIT | LINE_8N1);
    io_write8(REG_DATA, 1); /* 115200 baud */
    io_write8(REG_INTERRUPTS, 0);
    io_write8(REG_LINE, LINE_8N1);
    io_write8(REG_FIFO, FIFO_ON_CLEARED);
    io_write8(REG_MODEM, MODEM_DTR_RTS_OUT2);
    return true;
}

bool uart_is_present(void)
{
    return present;
}

void uart_write(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    while (present && size_bytes != 0) {
        uint32_t spins = 0;
        while ((io_read8(REG_STATUS) & STATUS_EMPTY_BIT) == 0) {
            if (++spins == SPIN_MAX) {
                return;
            }
            x86_pause();
        }
        size_t part = size_bytes < FIFO_BYTES ? size_bytes : FIFO_BYTES;
        io_write8_many(REG_DATA, bytes, part);
        bytes += part;
        size_bytes -= part;
    }
}

bool uart_input_ready(void)
{
    return present && (io_read8(REG_STATUS) & STATUS_RECEIVED_BIT) != 0;
}

size_t uart_read(void *data, size_t size_bytes)
{
    uint8_t *bytes = data;
    size_t count = 0;
    while (count < size_bytes && uart_input_ready()) {
        bytes[count++] = io_read8(REG_DATA);
    }
    return count;
}

void uart_enable_input_interrupt(bool enabled)
{
    if (present) {
        io_write8(REG_INTERRUPTS, enabled ? STATUS_RECEIVED_BIT : 0);
    }
}
