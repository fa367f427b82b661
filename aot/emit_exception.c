/* Exceptions (Wasm core §4.4.8): modules that use them. */
#include "aot/codegen.h"

void emit_exception_check(struct fn *fn)
{
    (void)fn;
}

void emit_uncaught_check(struct fn *fn)
{
    (void)fn;
}

bool emit_exception(struct fn *fn)
{
    (void)fn;
    return false;
}
