/*
 * Symbols that the linker script and boot.S define. Only their addresses mean
 * anything. Any context.
 */
#pragma once

#include <stdint.h>

extern const char image_start[], image_text_start[], image_text_end[];
extern const char image_rodata_start[], image_rodata_end[];
extern const char image_data_start[], image_data_end[], image_end[];

/* Each stack grows down from its top to the unmapped page at its guard. */
extern const char stack_kernel_guard[], stack_kernel_top[];
extern const char stack_double_fault_guard[], stack_double_fault_top[];
extern const char stack_nmi_guard[], stack_nmi_top[];
extern const char stack_machine_check_guard[], stack_machine_check_top[];
extern const char stack_exception_guard[], stack_exception_top[];
extern const char stack_interrupt_guard[], stack_interrupt_top[];
