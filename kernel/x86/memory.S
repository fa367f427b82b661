/*
 * memcpy, memmove, memset and memcmp, for the kernel and for compiled Wasm code alike.
 *
 * Blocks of 32 bytes or more are copied with AVX where there is any (decision 24): whoever calls
 * a function expects vector registers to change. Interrupts do not, and save none: while one
 * is served, whatever it interrupted and whatever it runs, memory_vectors is 0
 * (kernel/x86/idt.c), and then these functions use general registers only: rep movsq/stosq for
 * large blocks. There the last eight bytes are read before the first store and written last, so
 * that one overlapping store replaces a loop over the odd bytes, and so that copying down over
 * an overlap is right.
 */
#define REP_THRESHOLD_BYTES 256

    .data
    .globl memory_vectors
    .type memory_vectors, @object
memory_vectors:
    .byte 0
    .size memory_vectors, 1

    .text
    .balign 16
    .globl memcpy
    .type memcpy, @function
memcpy:
    movq %rdi, %rax
copy_up:
    cmpq $16, %rdx
    jb copy_small
    cmpb $0, memory_vectors(%rip)
    jne copy_vectors
copy_general:
    movq -8(%rsi,%rdx), %r8
    movq -16(%rsi,%rdx), %r9
    cmpq $REP_THRESHOLD_BYTES, %rdx
    jae 2f
    /* From here on both pointers are the ends, and RDX is 32 less what is left. */
    addq %rdx, %rsi
    addq %rdx, %rdi
    negq %rdx
    addq $32, %rdx
    jg 3f
1:  movq -32(%rsi,%rdx), %rcx
    movq -24(%rsi,%rdx), %r11
    movq %rcx, -32(%rdi,%rdx)
    movq %r11, -24(%rdi,%rdx)
    movq -16(%rsi,%rdx), %rcx
    movq -8(%rsi,%rdx), %r11
    movq %rcx, -16(%rdi,%rdx)
    movq %r11, -8(%rdi,%rdx)
    addq $32, %rdx
    jle 1b
3:  cmpq $16, %rdx
    jge 4f
    movq -32(%rsi,%rdx), %rcx
    movq -24(%rsi,%rdx), %r11
    movq %rcx, -32(%rdi,%rdx)
    movq %r11, -24(%rdi,%rdx)
4:  movq %r9, -16(%rdi)
    movq %r8, -8(%rdi)
    ret
2:  leaq -8(%rdi,%rdx), %r10
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movq %r8, (%r10)
    ret
copy_small:
    cmpq $8, %rdx
    jae 4f
    cmpq $4, %rdx
    jae 5f
    testq %rdx, %rdx
    jz 6f
    movzbl (%rsi), %ecx
    movzbl -1(%rsi,%rdx), %r8d
    cmpq $2, %rdx
    jbe 7f
    movzbl 1(%rsi), %r9d
    movb %r9b, 1(%rdi)
7:  movb %cl, (%rdi)
    movb %r8b, -1(%rdi,%rdx)
6:  ret
4:  movq (%rsi), %rcx
    movq -8(%rsi,%rdx), %r8
    movq %rcx, (%rdi)
    movq %r8, -8(%rdi,%rdx)
    ret
5:  movl (%rsi), %ecx
    movl -4(%rsi,%rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi,%rdx)
    ret
/*
 * Up to 128 bytes are read before any is written. Beyond, the last 128 bytes are, and the loop
 * runs over the 128-byte blocks before them, the last of which may overlap them; a block is read
 * as a whole before it is written, so that copying down over an overlap is right here, too.
 */
copy_vectors:
    cmpq $32, %rdx
    jb copy_general
    cmpq $128, %rdx
    ja 5f
    vmovdqu (%rsi), %ymm0
    vmovdqu -32(%rsi,%rdx), %ymm1
    cmpq $64, %rdx
    jbe 4f
    vmovdqu 32(%rsi), %ymm2
    vmovdqu -64(%rsi,%rdx), %ymm3
    vmovdqu %ymm2, 32(%rdi)
    vmovdqu %ymm3, -64(%rdi,%rdx)
4:  vmovdqu %ymm0, (%rdi)
    vmovdqu %ymm1, -32(%rdi,%rdx)
    vzeroupper
    ret
5:  leaq -128(%rdi,%rdx), %r10
    vmovdqu -128(%rsi,%rdx), %ymm0
    vmovdqu -96(%rsi,%rdx), %ymm1
    vmovdqu -64(%rsi,%rdx), %ymm2
    vmovdqu -32(%rsi,%rdx), %ymm3
    decq %rdx
    andq $-128, %rdx
    addq %rdx, %rsi
    addq %rdx, %rdi
    negq %rdx
1:  vmovdqu (%rsi,%rdx), %ymm4
    vmovdqu 32(%rsi,%rdx), %ymm5
    vmovdqu 64(%rsi,%rdx), %ymm6
    vmovdqu 96(%rsi,%rdx), %ymm7
    vmovdqu %ymm4, (%rdi,%rdx)
    vmovdqu %ymm5, 32(%rdi,%rdx)
    vmovdqu %ymm6, 64(%rdi,%rdx)
    vmovdqu %ymm7, 96(%rdi,%rdx)
    subq $-128, %rdx
    jnz 1b
    vmovdqu %ymm0, (%r10)
    vmovdqu %ymm1, 32(%r10)
    vmovdqu %ymm2, 64(%r10)
    vmovdqu %ymm3, 96(%r10)
    vzeroupper
    ret
    .size memcpy, . - memcpy

    .balign 16
    .globl memmove
    .type memmove, @function
memmove:
    movq %rdi, %rax
    movq %rdi, %rcx
    subq %rsi, %rcx
    /* Unsigned: true for a target below the source or beyond its end. */
    cmpq %rdx, %rcx
    jae copy_up
    cmpq $16, %rdx
    jb copy_small
    /* Down from the end; the first 16 bytes are read now and written last. */
    movq (%rsi), %r8
    movq 8(%rsi), %r9
1:  cmpq $16, %rdx
    jbe 2f
    movq -8(%rsi,%rdx), %rcx
    movq -16(%rsi,%rdx), %r11
    movq %rcx, -8(%rdi,%rdx)
    movq %r11, -16(%rdi,%rdx)
    subq $16, %rdx
    jmp 1b
2:  movq %r8, (%rdi)
    movq %r9, 8(%rdi)
    ret
    .size memmove, . - memmove

    .balign 16
    .globl memset
    .type memset, @function
memset:
    movq %rdi, %r8
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %rcx
    imulq %rcx, %rax
    cmpq $16, %rdx
    jb 4f
    leaq -16(%rdi,%rdx), %r10
    cmpq $REP_THRESHOLD_BYTES, %rdx
    jae 2f
1:  cmpq %r10, %rdi
    jae 3f
    movq %rax, (%rdi)
    movq %rax, 8(%rdi)
    addq $16, %rdi
    jmp 1b
2:  movq %rdx, %rcx
    shrq $3, %rcx
    rep stosq
3:  movq %rax, (%r10)
    movq %rax, 8(%r10)
    movq %r8, %rax
    ret
4:  cmpq $8, %rdx
    jae 5f
    cmpq $4, %rdx
    jae 6f
    testq %rdx, %rdx
    jz 7f
    movb %al, (%rdi)
    movb %al, -1(%rdi,%rdx)
    shrq $1, %rdx
    movb %al, (%rdi,%rdx)
7:  movq %r8, %rax
    ret
5:  movq %rax, (%rdi)
    movq %rax, -8(%rdi,%rdx)
    movq %r8, %rax
    ret
6:  movl %eax, (%rdi)
    movl %eax, -4(%rdi,%rdx)
    movq %r8, %rax
    ret
    .size memset, . - memset

    .balign 16
    .globl memcmp
    .type memcmp, @function
memcmp:
1:  cmpq $8, %rdx
    jb 2f
    movq (%rdi), %rax
    movq (%rsi), %rcx
    addq $8, %rdi
    addq $8, %rsi
    subq $8, %rdx
    cmpq %rcx, %rax
    je 1b
    /* The first differing byte decides: compare as big-endian numbers. */
    bswapq %rax
    bswapq %rcx
    cmpq %rcx, %rax
    sbbl %eax, %eax
    orl $1, %eax
    ret
2:  testq %rdx, %rdx
    jz 3f
    movzbl (%rdi), %eax
    movzbl (%rsi), %ecx
    incq %rdi
    incq %rsi
    decq %rdx
    subl %ecx, %eax
    jz 2b
    ret
3:  xorl %eax, %eax
    ret
    .size memcmp, . - memcmp

    .section .note.GNU-stack, "", @progbits
