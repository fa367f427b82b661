#include "aot/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void diag_init(struct diag *diag, const char *file)
{
    memset(diag, 0, sizeof(*diag));
    diag->file = file;
    diag->function = DIAG_NO_FUNCTION;
}

/* snprintf's result counts what did not fit: clamp it to what is in the buffer. */
static size_t written(int result, size_t left_bytes)
{
    if (result < 0) {
        return 0;
    }
    return (size_t)result < left_bytes ? (size_t)result : left_bytes - 1;
}

void diag_fail(struct diag *diag, uint64_t offset, const char *format, ...)
{
    char *text = diag->message;
    size_t left = sizeof(diag->message);
    size_t used = written(snprintf(text, left / 2, "%s: ", diag->file), left / 2);

    if (offset != DIAG_NO_OFFSET) {
        used += written(
            snprintf(text + used, left - used, "offset 0x%llx: ", (unsigned long long)offset),
            left - used);
    }
    if (diag->function != DIAG_NO_FUNCTION) {
        char name[256] = "";
        if (diag->function_name != NULL) {
            diag->function_name(diag->function_name_context, diag->function, name, sizeof(name));
        }
        used += written(
            snprintf(text + used, left - used,
                     name[0] != 0 ? "function %u (%s): " : "function %u%s: ", diag->function, name),
            left - used);
    }
    va_list arguments;
    va_start(arguments, format);
    used += written(vsnprintf(text + used, left - used, format, arguments), left - used);
    va_end(arguments);

    if (diag->escape != NULL) {
        longjmp(*diag->escape, 1);
    }
    fprintf(stderr, "%s\n", text);
    exit(1);
}
