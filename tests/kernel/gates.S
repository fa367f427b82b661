/*
 * What programs.c needs of the processor.
 */
    .text
    .globl as_kernel
as_kernel:
    pushfq
    andl $~0x40000, (%rsp)
    popfq
    movq $stack_kernel_top - 2048, %rsp
    xorl %ebp, %ebp
    call *%rdi
    ud2

    .globl fault_three_times
fault_three_times:
    lidt no_idt(%rip)
    ud2

    .globl loop_without_interrupts
loop_without_interrupts:
    cli
1:  jmp 1b

    .section .rodata
no_idt:
    .skip 10

    .section .note.GNU-stack, "", @progbits
