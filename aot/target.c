#include "aot/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void target_fail(const char *what, const char *why)
{
    fprintf(stderr, "waferc: %s: %s\n", what, why);
    exit(1);
}

static void llvm_failed(const char *reason)
{
    target_fail("LLVM gave up", reason);
}

/*
 * LLVM turns conditional moves in loops into branches when it takes the condition for
 * predictable. Whoever produced the module has already chosen between branches and
 * select; undoing that made the slowest of our kernels four times slower and none faster.
 * How large a loop may become by unrolling is by default the size of old processors' loop buffers
 * (50 operations), of which sums and extensions of addresses, nearly free, take half.
 */
static const char *const llvm_options[] = {"waferc", "-x86-cmov-converter=0",
                                           "-instcombine-code-sinking=0",
                                           "-unroll-partial-threshold=100"};

void target_initialize(void)
{
    LLVMInstallFatalErrorHandler(llvm_failed);
    LLVMParseCommandLineOptions(sizeof(llvm_options) / sizeof(llvm_options[0]), llvm_options, "");
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
}

static LLVMCodeGenOptLevel codegen_level(unsigned optimization)
{
    switch (optimization) {
    case 0:
        return LLVMCodeGenLevelNone;
    case 1:
        return LLVMCodeGenLevelLess;
    case 2:
        return LLVMCodeGenLevelDefault;
    default:
        return LLVMCodeGenLevelAggressive;
    }
}

static const char *cpu_name(enum cpu_level cpu)
{
    switch (cpu) {
    case CPU_X86_64_V3:
        return "x86-64-v3";
    case CPU_X86_64_V4:
        return "x86-64-v4";
    case CPU_X86_64_V2:
    case CPU_NATIVE:
        break;
    }
    return "x86-64-v2";
}

static bool has_features(const char *all, const char *const *wanted)
{
    for (; *wanted != NULL; wanted++) {
        if (strstr(all, *wanted) == NULL) {
            return false;
        }
    }
    return true;
}

unsigned target_cpu_level(const struct options *options)
{
    static const char *const level_3[] = {"+avx2", "+bmi",   "+bmi2",  "+f16c",
                                          "+fma",  "+lzcnt", "+movbe", NULL};
    static const char *const level_4[] = {"+avx512f",  "+avx512bw", "+avx512cd",
                                          "+avx512dq", "+avx512vl", NULL};

    if (options->cpu != CPU_NATIVE) {
        return (unsigned)options->cpu;
    }
    char *features = LLVMGetHostCPUFeatures();
    unsigned level = CPU_X86_64_V2;
    if (has_features(features, level_3)) {
        level = has_features(features, level_4) ? CPU_X86_64_V4 : CPU_X86_64_V3;
    }
    LLVMDisposeMessage(features);
    return level;
}

void target_create(struct target *out, const struct options *options)
{
    LLVMTargetRef target;
    char *error = NULL;
    char *host_name = NULL;
    char *host_features = NULL;

    if (LLVMGetTargetFromTriple(TARGET_TRIPLE, &target, &error)) {
        target_fail("LLVM knows no x86-64", error);
    }
    LLVMTargetMachineOptionsRef settings = LLVMCreateTargetMachineOptions();
    if (options->cpu == CPU_NATIVE) {
        host_name = LLVMGetHostCPUName();
        host_features = LLVMGetHostCPUFeatures();
        LLVMTargetMachineOptionsSetCPU(settings, host_name);
        LLVMTargetMachineOptionsSetFeatures(settings, host_features);
    } else {
        LLVMTargetMachineOptionsSetCPU(settings, cpu_name(options->cpu));
    }
    LLVMTargetMachineOptionsSetCodeGenOptLevel(settings, codegen_level(options->optimization));
    /*
     * The image lies in the last 2 GiB of the address space, linear memory at zero. -O0 is
     * for quick compilation, and the quick instruction selector knows no code model of kernels:
     * position-independent code means the same there, as long as nothing names linear
     * memory's own address in an instruction.
     */
    bool is_quick = options->optimization == 0;
    LLVMTargetMachineOptionsSetRelocMode(settings, is_quick ? LLVMRelocPIC : LLVMRelocStatic);
    LLVMTargetMachineOptionsSetCodeModel(settings,
                                         is_quick ? LLVMCodeModelSmall : LLVMCodeModelKernel);
    out->machine = LLVMCreateTargetMachineWithOptions(target, TARGET_TRIPLE, settings);
    LLVMDisposeTargetMachineOptions(settings);
    if (host_name != NULL) {
        LLVMDisposeMessage(host_name);
        LLVMDisposeMessage(host_features);
    }
    out->layout = LLVMCreateTargetDataLayout(out->machine);
    out->layout_text = LLVMCopyStringRepOfTargetData(out->layout);
    out->optimization = options->optimization;
}

void target_destroy(struct target *target)
{
    LLVMDisposeMessage(target->layout_text);
    LLVMDisposeTargetData(target->layout);
    LLVMDisposeTargetMachine(target->machine);
}

static void run_passes(const struct target *target, LLVMModuleRef module, const char *passes)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();

    LLVMPassBuilderOptionsSetLoopInterleaving(options, target->optimization >= 2);
    LLVMPassBuilderOptionsSetLoopVectorization(options, target->optimization >= 2);
    LLVMPassBuilderOptionsSetSLPVectorization(options, target->optimization >= 2);
    LLVMErrorRef error = LLVMRunPasses(module, passes, target->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (error != NULL) {
        target_fail("LLVM's pass manager", LLVMGetErrorMessage(error));
    }
}

void target_promote_locals(const struct target *target, LLVMModuleRef module)
{
    run_passes(target, module, "function(mem2reg)");
}

#define INSTCOMBINE "instcombine<no-verify-fixpoint>,"

/*
 * Three parts, for aot/keep_loads.c has something to do in between. At -O2 and -O3 together they
 * are default<O2> and default<O3> of LLVM 19; the first ends where the vectorisers' part begins.
 * -O1 is for quick turns (docs/decisions/0020): toolchains have optimised the module
 * already, and what is left for loads, addresses and loops needs no pass more than twice.
 */
#define SIMPLIFY_O1                                                                                \
    "cgscc(inline,function-attrs,function<eager-inv;no-rerun>(sroa,early-cse<memssa>,"             \
    "simplifycfg," INSTCOMBINE "loop-mssa(loop-rotate,licm),loop(loop-idiom,indvars,loop-"         \
    "deletion),early-cse,sccp," INSTCOMBINE "adce,simplifycfg)),globaldce"
#define UNROLL_O1 "function<eager-inv>(loop(loop-idiom),loop-unroll<O1>)"
#define FINISH_O1                                                                                  \
    "function<eager-inv>(" INSTCOMBINE                                                             \
    "loop(loop-deletion),loop-mssa(licm),simplifycfg<switch-range-to-icmp>),globaldce,constmerge"

void target_simplify(const struct target *target, LLVMModuleRef module)
{
    static const char *const pipelines[] = {NULL, SIMPLIFY_O1, "thinlto-pre-link<O2>",
                                            "thinlto-pre-link<O3>"};

    run_passes(target, module, pipelines[target->optimization]);
}

/* The parts of the vectorisers' half: loops, with and without vectors, then blocks. Loops that
 * do nothing but load are not deleted while loads have no marks; FINISH does that. */
#define LOOPS_BEGIN                                                                                \
    "require<globals-aa>,function<eager-inv>(loop(loop-idiom),"                                    \
    "float2int,lower-constant-intrinsics,loop(loop-rotate),"                                       \
    "loop-distribute,inject-tli-mappings,"
#define LOOPS_END                                                                                  \
    "infer-alignment,loop-load-elim," INSTCOMBINE                                                  \
    "simplifycfg<forward-switch-cond;switch-range-to-icmp;switch-to-lookup;no-keep-loops;"         \
    "hoist-common-insts;sink-common-insts>,"
#define VECTORS     "loop-vectorize,"
#define VECTORS_END "slp-vectorizer,"
#define BLOCKS_END  "vector-combine," INSTCOMBINE

void target_vectorize(const struct target *target, LLVMModuleRef module)
{
    static const char *const pipelines[] = {
        NULL,
        UNROLL_O1,
        LOOPS_BEGIN VECTORS LOOPS_END VECTORS_END BLOCKS_END "loop-unroll<O2>,sroa<preserve-cfg>)",
        LOOPS_BEGIN VECTORS LOOPS_END VECTORS_END BLOCKS_END "loop-unroll<O3>,sroa<preserve-cfg>)",
    };

    run_passes(target, module, pipelines[target->optimization]);
}

#define FINISH                                                                                     \
    "function<eager-inv>(infer-alignment," INSTCOMBINE                                             \
    "loop(loop-deletion),loop-mssa(licm),instsimplify,div-rem-pairs,tailcallelim,"                 \
    "simplifycfg<switch-range-to-icmp;speculate-unpredictables>),globaldce,constmerge"

void target_finish(const struct target *target, LLVMModuleRef module)
{
    run_passes(target, module, target->optimization == 1 ? FINISH_O1 : FINISH);
}

LLVMMemoryBufferRef target_emit(const struct target *target, LLVMModuleRef module,
                                enum emit_kind kind)
{
    LLVMMemoryBufferRef out = NULL;
    char *error = NULL;

    if (kind == EMIT_LLVM) {
        char *text = LLVMPrintModuleToString(module);
        out = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "module");
        LLVMDisposeMessage(text);
        return out;
    }
    if (LLVMTargetMachineEmitToMemoryBuffer(
            target->machine, module, kind == EMIT_ASSEMBLY ? LLVMAssemblyFile : LLVMObjectFile,
            &error, &out)) {
        target_fail("LLVM could not emit the object", error);
    }
    return out;
}
