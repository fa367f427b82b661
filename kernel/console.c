#include "kernel/console.h"

#include <stdint.h>

#include "kernel/base/assert.h"
#include "kernel/console_boot.h"
#include "kernel/irq.h"
#include "kernel/x86/debugcon.h"
#include "kernel/x86/uart.h"

#define BACKENDS_MAX    4u
#define PORT_STDOUT     0xe9u
#define PORT_STDERR     0xeau
#define DESCRIPTORS_MAX 3

static struct {
    size_t backend_count;
    const struct console_backend *backends[BACKENDS_MAX];
    bool has_stdout_port;
    bool has_stderr_port;
    uint32_t terminals;
} console;

void console_initialize(void)
{
    uart_initialize();
    console.has_stdout_port = debugcon_is_present(PORT_STDOUT);
    console.has_stderr_port = debugcon_is_present(PORT_STDERR);
}

/*
 * The interrupt only ends a halt. It stays off until the input has been taken, so that a
 * line that is level-triggered cannot keep interrupting.
 */
static void on_uart_input(void *context)
{
    (void)context;
    uart_enable_input_interrupt(false);
}

void console_start_input(void)
{
    if (uart_is_present() && irq_attach_line(UART_IRQ_LINE, on_uart_input, NULL) == ERR_OK) {
        uart_enable_input_interrupt(true);
    }
}

void console_set_terminals(const char *list)
{
    for (; list != NULL && *list != '\0'; list++) {
        if (*list >= '0' && *list < '0' + DESCRIPTORS_MAX) {
            console.terminals |= 1u << (*list - '0');
        }
    }
}

void console_register(const struct console_backend *backend)
{
    ASSERT(console.backend_count < BACKENDS_MAX);
    console.backends[console.backend_count++] = backend;
}

void console_write(enum console_stream stream, const void *data, size_t size_bytes)
{
    for (size_t i = console.backend_count; i-- > 0;) {
        const struct console_backend *backend = console.backends[i];
        if (backend->write != NULL && backend->write(backend->context, stream, data, size_bytes)) {
            return;
        }
    }
    if (stream == CONSOLE_STDOUT && console.has_stdout_port) {
        debugcon_write(PORT_STDOUT, data, size_bytes);
    } else if (stream == CONSOLE_STDERR && console.has_stderr_port) {
        debugcon_write(PORT_STDERR, data, size_bytes);
    } else {
        uart_write(data, size_bytes);
    }
}

/* The newest device with an input is the input. */
static const struct console_backend *input_backend(void)
{
    for (size_t i = console.backend_count; i-- > 0;) {
        if (console.backends[i]->read != NULL) {
            return console.backends[i];
        }
    }
    return NULL;
}

enum err console_read(void *data, size_t size_bytes, size_t *out_bytes)
{
    const struct console_backend *backend = input_backend();
    if (backend != NULL) {
        return backend->read(backend->context, data, size_bytes, out_bytes);
    }
    *out_bytes = uart_read(data, size_bytes);
    if (!uart_input_ready()) {
        uart_enable_input_interrupt(true);
    }
    return *out_bytes == 0 && size_bytes != 0 ? ERR_AGAIN : ERR_OK;
}

bool console_input_ready(void)
{
    const struct console_backend *backend = input_backend();
    if (backend != NULL) {
        return backend->input_ready == NULL || backend->input_ready(backend->context);
    }
    if (uart_input_ready()) {
        return true;
    }
    uart_enable_input_interrupt(true);
    return false;
}

bool console_is_terminal(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS_MAX &&
           (console.terminals >> descriptor & 1) != 0;
}
