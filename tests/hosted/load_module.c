#include "tests/hosted/load_module.h"

#include <setjmp.h>

struct module *load_module(struct arena *arena, struct diag *diag, const uint8_t *data, size_t size,
                           uint32_t features)
{
    jmp_buf escape;
    struct module *volatile module = NULL;

    diag->escape = &escape;
    if (setjmp(escape) == 0) {
        struct module *decoded = module_decode(arena, diag, data, size, features);
        module_validate(decoded);
        module = decoded;
    }
    diag->escape = NULL;
    return module;
}
