/*
 * The entries of the image and the way to 64-bit mode.
 *
 * Machine state on entry
 *   pvh_entry         32-bit protected mode, paging off, flat segments, interrupts off,
 *                     EBX = physical address of hvm_start_info, no stack
 *                     (Xen docs/misc/pvh)
 *   multiboot2_entry  the same with EAX = 0x36d76289 and EBX = multiboot information
 *                     (Multiboot2 §3.3, I386)
 *   linux64_entry     64-bit mode, identity-mapped low memory, interrupts off, RSI =
 *                     boot_params (Linux Documentation/arch/x86/boot.rst, 64-bit protocol)
 *
 * All build the same first page tables in .bss: physical 0..4 GiB, writable and
 * executable, at 0 (for the jump only), at the direct map and, the first 1 GiB, at the
 * kernel image. paging_initialize replaces them with the real ones.
 */
#define KERNEL_IMAGE_BASE 0xffffffffc0000000
#define PHYSICAL(symbol)  ((symbol) - KERNEL_IMAGE_BASE)

#define CR0_PE_MP_ET_NE_WP_PG 0x80010033
#define CR4_PAE               0x20
#define EFER_MSR              0xc0000080
#define EFER_LME_NXE          0x900

#define ENTRY_PRESENT_WRITABLE       0x03
#define ENTRY_PRESENT_WRITABLE_LARGE 0x83

#define BOOT_PVH        1
#define BOOT_MULTIBOOT2 2
#define BOOT_LINUX64    3

    /* Xen ELF note 18, XEN_ELFNOTE_PHYS32_ENTRY: 32-bit descriptor, 4-byte alignment. */
    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_entry

    /* Multiboot2 §3.1: magic, architecture i386, length, checksum; then tags. */
    .section .multiboot2, "a"
    .balign 8
multiboot2_header:
    .long 0xe85250d6, 0, multiboot2_end - multiboot2_header
    .long -(0xe85250d6 + 0 + (multiboot2_end - multiboot2_header))
    /* Information request (tag 1): command line, modules, memory map; RSDP if there. */
    .balign 8
    .short 1, 0
    .long 8 + 4 * 3, 1, 3, 6
    /* Entry address (tag 3). */
    .balign 8
    .short 3, 0
    .long 12, multiboot2_entry
    /* Page-aligned modules (tag 6). */
    .balign 8
    .short 6, 0
    .long 8
    .balign 8
    .short 0, 0
    .long 8
multiboot2_end:

/*
 * Fills the boot tables; ESP is valid, ESI and EDI are kept. The text is the same in
 * 32-bit and 64-bit mode; addresses are below 4 GiB in both.
 */
.macro BUILD_BOOT_TABLES
    movl $PHYSICAL(boot_pd), %ebx
    movl $ENTRY_PRESENT_WRITABLE_LARGE, %eax
    movl $2048, %ecx
1:  movl %eax, (%ebx)
    movl $0, 4(%ebx)
    addl $8, %ebx
    addl $0x200000, %eax
    decl %ecx
    jnz 1b
    movl $PHYSICAL(boot_pdpt), %ebx
    movl $(PHYSICAL(boot_pd) + ENTRY_PRESENT_WRITABLE), %eax
    movl $4, %ecx
1:  movl %eax, (%ebx)
    addl $8, %ebx
    addl $0x1000, %eax
    decl %ecx
    jnz 1b
    movl $PHYSICAL(boot_pdpt_image), %ebx
    movl $(PHYSICAL(boot_pd) + ENTRY_PRESENT_WRITABLE), 511*8(%ebx)
    movl $PHYSICAL(boot_pml4), %ebx
    movl $(PHYSICAL(boot_pdpt) + ENTRY_PRESENT_WRITABLE), (%ebx)
    movl $(PHYSICAL(boot_pdpt) + ENTRY_PRESENT_WRITABLE), 256*8(%ebx)
    movl $(PHYSICAL(boot_pdpt_image) + ENTRY_PRESENT_WRITABLE), 511*8(%ebx)
.endm

    /* Linked at its physical address (linker/kernel.ld). */
    .section .boot, "ax"
    .code32
    .globl pvh_entry
pvh_entry:
    movl %ebx, %esi
    movl $BOOT_PVH, %edi
    jmp start32

    .globl multiboot2_entry
multiboot2_entry:
    movl %ebx, %esi
    movl $BOOT_MULTIBOOT2, %edi
    cmpl $0x36d76289, %eax
    je start32
    /* Started by something else: leave the kind unknown, bootinfo refuses it. */
    xorl %edi, %edi

start32:
    cli
    cld
    movl $PHYSICAL(stack_kernel_top), %esp
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz no_long_mode
    BUILD_BOOT_TABLES
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $EFER_MSR, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_PE_MP_ET_NE_WP_PG, %eax
    movl %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $0x08, $start64

/* The only place that speaks without a driver: COM1 as firmware left it. */
no_long_mode:
    movl $PHYSICAL(no_long_mode_text), %esi
1:  lodsb
    testb %al, %al
    jz 2f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
2:  movl $125, %eax
    movw $0x501, %dx
    outl %eax, %dx
3:  cli
    hlt
    jmp 3b

    .code64
    .globl linux64_entry
linux64_entry:
    cli
    cld
    movl $PHYSICAL(stack_kernel_top), %esp
    movl $BOOT_LINUX64, %edi
    BUILD_BOOT_TABLES
    movl $EFER_MSR, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $PHYSICAL(boot_pml4), %eax
    movq %rax, %cr3
    movl $CR0_PE_MP_ET_NE_WP_PG, %eax
    movq %rax, %cr0

start64:
    movabsq $start64_high, %rax
    jmp *%rax

    .text
start64_high:
    lgdt boot_gdt_pointer_high(%rip)
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    leaq stack_kernel_top(%rip), %rsp
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
1:  /* kernel_main(kind, physical address); a zero frame pointer ends backtraces. */
    xorl %ebp, %ebp
    movl %edi, %edi
    movl %esi, %esi
    call kernel_main
    ud2

    .section .rodata.boot, "a"
no_long_mode_text:
    .asciz "wafer: this processor has no 64-bit mode; use an x86-64 CPU model\r\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 64-bit code, ring 0, accessed */
boot_gdt_end:
boot_gdt_pointer:
    .short boot_gdt_end - boot_gdt - 1
    .long PHYSICAL(boot_gdt)
boot_gdt_pointer_high:
    .short boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pdpt_image:
    .skip 4096
boot_pd:
    .skip 4 * 4096

/*
 * Stacks of the kernel, each above a page that paging_initialize leaves unmapped. The
 * names are declared in kernel/x86/layout.h.
 */
.macro STACK name, size
    .balign 4096
    .globl stack_\name\()_guard
stack_\name\()_guard:
    .skip 4096
    .skip \size
    .globl stack_\name\()_top
stack_\name\()_top:
.endm

    .section .stacks, "aw", @nobits
    STACK kernel, 65536
    STACK double_fault, 8192
    STACK nmi, 8192
    STACK machine_check, 8192
    STACK exception, 16384
    STACK interrupt, 32768
    .balign 4096

    .section .note.GNU-stack, "", @progbits
