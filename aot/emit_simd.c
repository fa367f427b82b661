/* Vector instructions. */
#include "aot/codegen.h"

bool emit_simd(struct fn *fn)
{
    (void)fn;
    return false;
}
bool emit_simd_memory(struct fn *fn)
{
    (void)fn;
    return false;
}
