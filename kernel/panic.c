#include "kernel/panic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/backtrace.h"
#include "kernel/base/assert.h"
#include "kernel/base/fmt.h"
#include "kernel/console.h"
#include "kernel/poweroff.h"

/* -fstack-protector-strong: the value that functions put below their return address. */
uintptr_t __stack_chk_guard = 0x5afe57ac6d00;
void __stack_chk_fail(void);

static bool panicking;

static void print_and_exit(const char *text, size_t length, uint64_t rbp)
{
    console_write(CONSOLE_LOG, "wafer: panic: ", 14);
    console_write(CONSOLE_LOG, text, length);
    console_write(CONSOLE_LOG, "\n", 1);
    /* A panic while printing the backtrace must still end the machine. */
    if (!panicking) {
        panicking = true;
        const uint64_t *frame = (const uint64_t *)(uintptr_t)rbp;
        backtrace_print(frame[1] - 1, frame[0], false);
    }
    machine_exit(EXIT_CODE_PANIC);
}

_Noreturn void panic(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    size_t length = fmt_format_list(line, sizeof(line), format, arguments);
    va_end(arguments);
    print_and_exit(line, length < sizeof(line) ? length : sizeof(line) - 1,
                   (uint64_t)(uintptr_t)__builtin_frame_address(0));
    __builtin_unreachable();
}

_Noreturn void assert_failed(const char *condition, const char *file, int line)
{
    panic("assertion failed: %s (%s:%d)", condition, file, line);
}

_Noreturn void __stack_chk_fail(void)
{
    panic("a stack buffer of the kernel overflowed");
}
