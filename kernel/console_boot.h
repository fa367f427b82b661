/*
 * What kernel/main.c does with the console (kernel/console.h) at boot: finds the
 * devices that need no driver, and says which streams are terminals. Once, at boot.
 */
#pragma once

void console_initialize(void);
/* Input on COM1 ends a halt from now on; needs interrupts and the heap. */
void console_start_input(void);
/* The value of tty= on the command line, such as "0,1,2"; NULL: none. */
void console_set_terminals(const char *list);
