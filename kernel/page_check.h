/*
 * A walk over the live page tables that proves what SECURITY.md promises of them: no
 * page is writable and executable, code and constants have no writable alias, guest
 * pages are never executable, stacks have unmapped guards. Off unless the command
 * line has check=pages. Normal kernel context.
 */
#pragma once

#include <stdbool.h>

void page_check_enable(bool enabled);
/* Logs the result under the name of the occasion; panics on the first bad mapping. */
void page_check_run(const char *occasion);
