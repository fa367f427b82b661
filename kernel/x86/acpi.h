/*
 * The few facts that Wafer takes from ACPI: how to power off. Tables are input: each
 * length and checksum is checked, and what does not fit means "no ACPI". Once, at boot,
 * after paging.
 */
#pragma once

#include <stdint.h>

#include "kernel/x86/power.h"

/* `rsdp` from the boot loader, or 0: the BIOS area is searched. NULL: no power-off by ACPI. */
const struct power_acpi *acpi_find_poweroff(uint64_t rsdp);
