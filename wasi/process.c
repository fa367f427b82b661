/* WASI preview 1: args, environ, proc, sched, random. */
#include "wasi/calls.h"

#include "kernel/base/string.h"
#include "kernel/poweroff.h"
#include "kernel/random.h"
#include "kernel/wait.h"
#include "wasi/errno.h"
#include "wasi/guest_memory.h"
#include "wasi/instance.h"

/* Random bytes cross in pieces of this size. */
#define RANDOM_PIECE_BYTES 512u

/*
 * The two halves of args_get/environ_get: an array of pointers, and the strings with their NULs
 * one after the other. Both ranges are checked first, so that an error leaves no half result.
 */
static enum err write_strings(const char *const *strings, size_t count, struct guest_addr pointers,
                              struct guest_addr buffer)
{
    uint64_t total_bytes = 0;
    enum err error;

    for (size_t i = 0; i < count; i++) {
        total_bytes += strlen(strings[i]) + 1;
    }
    error = guest_check(pointers, (uint64_t)count * sizeof(uint32_t));
    if (error == ERR_OK) {
        error = guest_check(buffer, total_bytes);
    }
    for (size_t i = 0; i < count && error == ERR_OK; i++) {
        size_t size_bytes = strlen(strings[i]) + 1;

        error =
            guest_write_u32(guest_offset(pointers, (uint32_t)(i * sizeof(uint32_t))), buffer.value);
        if (error == ERR_OK) {
            error = guest_write(buffer, strings[i], size_bytes);
        }
        buffer = guest_offset(buffer, (uint32_t)size_bytes);
    }
    return error;
}

static enum err write_sizes(const char *const *strings, size_t count, struct guest_addr out_count,
                            struct guest_addr out_bytes)
{
    uint64_t total_bytes = 0;
    enum err error;

    for (size_t i = 0; i < count; i++) {
        total_bytes += strlen(strings[i]) + 1;
    }
    if (count > UINT32_MAX || total_bytes > UINT32_MAX) {
        return ERR_OVERFLOW;
    }
    error = guest_write_u32(out_count, (uint32_t)count);
    if (error == ERR_OK) {
        error = guest_write_u32(out_bytes, (uint32_t)total_bytes);
    }
    return error;
}

uint32_t wasi_args_get(uint32_t argv, uint32_t argv_buf)
{
    const struct wasi_config *config = wasi_instance.config;

    return wasi_errno(write_strings(config->arguments, config->argument_count, guest_address(argv),
                                    guest_address(argv_buf)));
}

uint32_t wasi_args_sizes_get(uint32_t argc, uint32_t argv_buf_size)
{
    const struct wasi_config *config = wasi_instance.config;

    return wasi_errno(write_sizes(config->arguments, config->argument_count, guest_address(argc),
                                  guest_address(argv_buf_size)));
}

uint32_t wasi_environ_get(uint32_t environ, uint32_t environ_buf)
{
    const struct wasi_config *config = wasi_instance.config;

    return wasi_errno(write_strings(config->environment, config->environment_count,
                                    guest_address(environ), guest_address(environ_buf)));
}

uint32_t wasi_environ_sizes_get(uint32_t count, uint32_t buf_size)
{
    const struct wasi_config *config = wasi_instance.config;

    return wasi_errno(write_sizes(config->environment, config->environment_count,
                                  guest_address(count), guest_address(buf_size)));
}

_Noreturn void wasi_proc_exit(uint32_t code)
{
    wasi_instance_end();
    machine_exit(code);
}

/* Preview 1 $signal: none is 0, sys is the last. */
#define SIGNAL_COUNT 31u
#define SIGNAL_CHLD  16u
#define SIGNAL_CONT  17u
#define SIGNAL_URG   22u
#define SIGNAL_WINCH 27u
/* What a shell reports for a process that a signal ended. */
#define SIGNAL_EXIT_CODE_BASE 128u

/* There are no handlers, so a signal has its default effect: nothing, or the end. */
uint32_t wasi_proc_raise(uint32_t signal)
{
    if (signal >= SIGNAL_COUNT) {
        return wasi_errno(ERR_INVAL);
    }
    if (signal == 0 || signal == SIGNAL_CHLD || signal == SIGNAL_CONT || signal == SIGNAL_URG ||
        signal == SIGNAL_WINCH) {
        return 0;
    }
    wasi_proc_exit(SIGNAL_EXIT_CODE_BASE + signal);
}

uint32_t wasi_sched_yield(void)
{
    (void)wait_poll();
    return 0;
}

uint32_t wasi_random_get(uint32_t buf, uint32_t size_bytes)
{
    uint8_t piece[RANDOM_PIECE_BYTES];
    struct guest_addr to = guest_address(buf);
    enum err error = guest_check(to, size_bytes);

    while (error == ERR_OK && size_bytes != 0) {
        uint32_t piece_bytes = size_bytes < sizeof(piece) ? size_bytes : (uint32_t)sizeof(piece);

        random_fill(piece, piece_bytes);
        error = guest_write(to, piece, piece_bytes);
        to = guest_offset(to, piece_bytes);
        size_bytes -= piece_bytes;
    }
    return wasi_errno(error);
}
