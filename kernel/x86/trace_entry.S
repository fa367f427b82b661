/*
 * The import thunks of an observed image (trace/): they take the place of those in
 * wasm_entry.S, which are weak, and go the same way through import_common; but what it calls
 * is trace_entry, which reports each call before and after. R10 says which one it is.
 *
 * trace_entry has the callee's view of import_common's stack: six arguments in registers,
 * four above the return address, all of which it hands on.
 */
#define ARGUMENTS   0
#define INDEX      80
#define FRAME      96

    .cfi_sections .eh_frame
    .text
    .balign 16
    .type trace_entry, @function
trace_entry:
    .cfi_startproc
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    subq $FRAME, %rsp
    movq %rdi, ARGUMENTS+0(%rsp)
    movq %rsi, ARGUMENTS+8(%rsp)
    movq %rdx, ARGUMENTS+16(%rsp)
    movq %rcx, ARGUMENTS+24(%rsp)
    movq %r8, ARGUMENTS+32(%rsp)
    movq %r9, ARGUMENTS+40(%rsp)
    .irp slot, 0, 1, 2, 3
    movq 16+8*\slot(%rbp), %rax
    movq %rax, ARGUMENTS+48+8*\slot(%rsp)
    .endr
    movq %r10, INDEX(%rsp)
    movl %r10d, %edi
    movq %rsp, %rsi
    call trace_call_begin
    movq %rsp, %rax
    .irp slot, 3, 2, 1, 0
    pushq ARGUMENTS+48+8*\slot(%rax)
    .endr
    movq ARGUMENTS+0(%rax), %rdi
    movq ARGUMENTS+8(%rax), %rsi
    movq ARGUMENTS+16(%rax), %rdx
    movq ARGUMENTS+24(%rax), %rcx
    movq ARGUMENTS+32(%rax), %r8
    movq ARGUMENTS+40(%rax), %r9
    movq INDEX(%rax), %r10
    call *trace_functions(,%r10,8)
    addq $32, %rsp
    movq INDEX(%rsp), %rdi
    movq %rax, INDEX(%rsp)
    movq %rax, %rsi
    call trace_call_end
    movq INDEX(%rsp), %rax
    leave
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_endproc
    .size trace_entry, . - trace_entry

    .set index, 0
.macro THUNK symbol, function
    .section ".text.thunk.\symbol", "ax", @progbits
    .balign 16
    .globl "\symbol"
    .type "\symbol", @function
"\symbol":
    movl $index, %r10d
    movq $trace_entry, %r11
    jmp import_common
    .size "\symbol", . - "\symbol"
    .section .rodata.trace_functions, "a", @progbits
    .quad \function
    .set index, index + 1
.endm

    .section .rodata.trace_functions, "a", @progbits
    .balign 8
trace_functions:
#define IMPORT(module, field, signature, function)                                                 \
    THUNK wasm_import__##module##__##field##__##signature, function
#include "wasi/imports.def"

    .section .note.GNU-stack, "", @progbits
