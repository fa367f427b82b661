/*
 * LLVM's side of the compiler: target machine, optimisation pipeline, emission.
 *
 * One struct target a thread. LLVM failures print one sentence and exit with status 1:
 * they are our bugs or a full disk, never the module's fault.
 */
#pragma once

#include <llvm-c/TargetMachine.h>

#include "aot/options.h"

#define TARGET_TRIPLE "x86_64-unknown-none-elf"

struct target {
    LLVMTargetMachineRef machine;
    LLVMTargetDataRef layout;
    char *layout_text;
    unsigned optimization;
};

/* Once, before any thread starts. */
void target_initialize(void);

void target_create(struct target *out, const struct options *options);
void target_destroy(struct target *target);

/* The level of x86-64 that code for these options needs: 2, 3 or 4. */
unsigned target_cpu_level(const struct options *options);

/* The part of the pipeline that emission relies on: locals become SSA values. */
void target_promote_locals(const struct target *target, LLVMModuleRef module);
/* From -O1, one after another. */
void target_simplify(const struct target *target, LLVMModuleRef module);
void target_vectorize(const struct target *target, LLVMModuleRef module);
void target_finish(const struct target *target, LLVMModuleRef module);
LLVMMemoryBufferRef target_emit(const struct target *target, LLVMModuleRef module,
                                enum emit_kind kind);
