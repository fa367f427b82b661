/*
 * The 256 interrupt entries.
 *
 * Every vector runs on a stack of its own (idt.c), because the interrupted code may
 * stand on the guest's stack with no room left, or inside the SMAP window: the first
 * thing done is to close it, iretq opens it again with the saved flags. The processor
 * pushed SS, RSP, RFLAGS, CS, RIP and, for some vectors, an error code; the rest of
 * struct interrupt_frame is pushed here. No vector registers are saved: no
 * interrupt uses any (decision 24).
 */
    .text

    .altmacro
/* Vectors with an error code: SDM 3A table 6-1. */
.macro ENTRY_STUB vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30)
    .else
    pushq $0
    .endif
    pushq $\vector
    jmp interrupt_common
.endm

    .balign 16
    .globl interrupt_entries
interrupt_entries:
    .set vector_number, 0
    .rept 256
    ENTRY_STUB %vector_number
    .set vector_number, vector_number + 1
    .endr

interrupt_common:
661: .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .long 661b - .
    .long 0xca
    .popsection
    cld
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    /* 22 slots below a 16-byte aligned top: RSP is aligned for the call. */
    call interrupt_dispatch
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
