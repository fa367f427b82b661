/* Atomic instructions of the threads proposal. */
#include "aot/codegen.h"

bool emit_atomic(struct fn *fn)
{
    (void)fn;
    return false;
}
