/*
 * The border between compiled code and the kernel.
 *
 * Compiled code runs in ring 0 on its own stack with EFLAGS.AC set, so that it may
 * touch linear memory (SMAP, SDM 3A §4.6.1). The kernel runs on its own stack with AC
 * clear. wasm_enter goes in; every import and every wasm_rt_* service comes back
 * through import_common. Which side the machine is on shows in RSP alone: on the Wasm
 * stack, no kernel code is active. The unwind information is for debuggers alone: as "signal
 * frames", because a change of stacks would end their walk otherwise. The kernel's own backtraces
 * follow RBP.
 */
    .cfi_sections .eh_frame
    .text

/* void wasm_enter(void (*function)(void), void *stack_top) */
    .balign 16
    .globl wasm_enter
    .type wasm_enter, @function
wasm_enter:
    .cfi_startproc
    .cfi_signal_frame
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    /* Frame pointer and return address are seen by the backtrace through RBP. */
    pushq %rdi
    movq %rsp, wasm_kernel_stack(%rip)
    movq %rdi, %rax
    /* import_common copies stack arguments whether there are any or not: leave room. */
    leaq -64(%rsi), %rsp
    xorl %edi, %edi
    xorl %esi, %esi
    xorl %edx, %edx
    xorl %ecx, %ecx
    xorl %ebx, %ebx
661: .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 661b - .
    .long 0xcb
    .popsection
    .globl wasm_enter_return
    call *%rax
wasm_enter_return:
661: .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 661b - .
    .long 0xca
    .popsection
    movq wasm_kernel_stack(%rip), %rsp
    popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size wasm_enter, . - wasm_enter

/*
 * R11 holds the kernel function; six arguments are in registers, up to four more on
 * the Wasm stack above the return address. RAX or nothing comes back. The callee keeps
 * RBP, which is all that is needed to go home; vector registers are the caller's to save.
 */
    .balign 16
    .globl import_common
    .type import_common, @function
import_common:
    .cfi_startproc
    .cfi_signal_frame
661: .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 661b - .
    .long 0xca
    .popsection
    cld
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    movq wasm_kernel_stack(%rip), %rsp
    pushq 40(%rbp)
    pushq 32(%rbp)
    pushq 24(%rbp)
    pushq 16(%rbp)
    call *%r11
    cmpb $0, wasm_return_pending(%rip)
    jne 2f
1:  movq %rbp, %rsp
    .cfi_remember_state
    popq %rbp
    .cfi_def_cfa %rsp, 8
661: .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 661b - .
    .long 0xcb
    .popsection
    ret
    .cfi_restore_state
2:  /* An interrupt left work behind while the kernel was active. RSP is aligned. */
    pushq %rax
    pushq %rdx
    call wasm_runtime_return_work
    popq %rdx
    popq %rax
    jmp 1b
    .cfi_endproc
    .size import_common, . - import_common

/*
 * A section each, so that the linker drops what the module does not import; weak, so that
 * trace_entry.S replaces them in an observed image.
 */
.macro THUNK symbol, function
    .section ".text.thunk.\symbol", "ax", @progbits
    .balign 16
    .weak "\symbol"
    .type "\symbol", @function
"\symbol":
    movq $\function, %r11
    jmp import_common
    .size "\symbol", . - "\symbol"
.endm

    THUNK wasm_rt_memory_grow, wasm_runtime_memory_grow
    THUNK wasm_rt_table_grow, wasm_runtime_table_grow
    THUNK wasm_rt_exception_refill, wasm_runtime_exception_refill

#define IMPORT(module, field, signature, function)                                                 \
    THUNK wasm_import__##module##__##field##__##signature, function
#include "wasi/imports.def"

    .section .bss.wasm_kernel_stack, "aw", @nobits
    .balign 8
    .globl wasm_kernel_stack
wasm_kernel_stack:
    .skip 8
    .globl wasm_return_pending
wasm_return_pending:
    .skip 1

    .section .note.GNU-stack, "", @progbits
