/*
 * What kernel/main.c tells kernel/poweroff.h once the ACPI tables have been read.
 */
#pragma once

#include "kernel/x86/power.h"

/* Lives for ever; NULL: no ACPI. */
void poweroff_set_acpi(const struct power_acpi *registers);
