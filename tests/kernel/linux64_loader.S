/*
 * Starts an image by the 64-bit Linux boot protocol, as Firecracker before 1.12 does:
 * itself a PVH kernel, it goes to 64-bit mode with low memory identity-mapped, builds
 * boot_params from what it was handed and jumps to the image's e_entry (-DENTRY=).
 * run.py has QEMU load the image beside it. With -DMAP_ENTRIES= it claims so many entries of the
 * memory map, whatever there are.
 */
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long start

    .text
    .code32
    .globl start
start:
    movl %ebx, %ebp
    /* One level-2 table for the first GiB. */
    movl $tables, %edi
    xorl %eax, %eax
    movl $3 * 1024, %ecx
    rep stosl
    movl $tables + 0x1003, tables
    movl $tables + 0x2003, tables + 0x1000
    movl $0x83, %eax
    movl $tables + 0x2000, %edi
    movl $512, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b
    /* boot_params: magic, command line, E820 entries (Linux zero-page.rst). */
    movl $zero_page, %edi
    xorl %eax, %eax
    movl $1024, %ecx
    rep stosl
    movl $0x53726448, zero_page + 0x202
    movl 24(%ebp), %eax
    movl %eax, zero_page + 0x228
    movl 48(%ebp), %ecx
    movb %cl, zero_page + 0x1e8
#ifdef MAP_ENTRIES
    movb $MAP_ENTRIES, zero_page + 0x1e8
#endif
    movl 40(%ebp), %esi
    movl $zero_page + 0x2d0, %edi
2:  movl $5, %edx
3:  lodsl
    stosl
    decl %edx
    jnz 3b
    addl $4, %esi
    loop 2b
    /* Long mode. */
    movl $tables, %eax
    movl %eax, %cr3
    movl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80000001, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $start64

    .code64
start64:
    movl $zero_page, %esi
    movl $ENTRY, %eax
    jmp *%rax

    .balign 8
gdt:
    .quad 0, 0x00af9b000000ffff
gdt_pointer:
    .short 15
    .long gdt

    .bss
    .balign 4096
tables:
    .skip 3 * 4096
zero_page:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
