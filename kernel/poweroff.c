#include "kernel/poweroff.h"

#include <stddef.h>

#include "kernel/base/fmt.h"
#include "kernel/console.h"
#include "kernel/poweroff_boot.h"
#include "kernel/x86/power.h"

static const struct power_acpi *acpi;
static void (*on_exit)(void);

void poweroff_set_farewell(void (*farewell)(void))
{
    on_exit = farewell;
}

void poweroff_set_acpi(const struct power_acpi *registers)
{
    acpi = registers;
}

_Noreturn void machine_exit(uint32_t code)
{
    void (*farewell)(void) = on_exit;
    on_exit = NULL; /* once, whatever goes wrong in it */
    if (farewell != NULL && code != EXIT_CODE_PANIC) {
        farewell();
    }
    char line[48];
    size_t length = fmt_format(line, sizeof(line), "wafer: exit code %u\n", code);
    console_write(CONSOLE_LOG, line, length);
    power_debug_exit(code);
    power_off(acpi);
}
