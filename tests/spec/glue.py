"""The assembly that joins the modules of one .wast file to the test program."""

# An import stands for its thunk's number in %r11, then asks spec_enter for the function.
# All registers that may hold arguments survive; so do results on the way back.
COMMON = """
    .text
spec_thunk:
    push %rbp
    mov %rsp, %rbp
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    push %r9
    sub $128, %rsp
    movups %xmm0, 0(%rsp)
    movups %xmm1, 16(%rsp)
    movups %xmm2, 32(%rsp)
    movups %xmm3, 48(%rsp)
    movups %xmm4, 64(%rsp)
    movups %xmm5, 80(%rsp)
    movups %xmm6, 96(%rsp)
    movups %xmm7, 112(%rsp)
    mov %r11d, %edi
    lea 8(%rbp), %rsi
    call spec_enter
    mov %rax, %r11
    movups 0(%rsp), %xmm0
    movups 16(%rsp), %xmm1
    movups 32(%rsp), %xmm2
    movups 48(%rsp), %xmm3
    movups 64(%rsp), %xmm4
    movups 80(%rsp), %xmm5
    movups 96(%rsp), %xmm6
    movups 112(%rsp), %xmm7
    add $128, %rsp
    pop %r9
    pop %r8
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rbp
    jmp *%r11
    .globl spec_leave_stub
spec_leave_stub:
    sub $8, %rsp
    push %rbp
    mov %rsp, %rbp
    push %rax
    push %rdx
    sub $32, %rsp
    movups %xmm0, 0(%rsp)
    movups %xmm1, 16(%rsp)
    call spec_leave
    mov %rax, 8(%rbp)
    movups 0(%rsp), %xmm0
    movups 16(%rsp), %xmm1
    add $32, %rsp
    pop %rdx
    pop %rax
    pop %rbp
    ret
"""


def hex_name(name):
    return name.encode().hex() or "-"


def symbols(instances):
    """A linker script: imported storage is the storage of its owner."""
    return "".join(f'"{old}" = "{new}";\n' for instance in instances
                   for old, new in instance.renames.items())


def assembly(instances):
    lines = [COMMON]
    records = []
    for instance in instances:
        for symbol, exporter, name in instance.functions:
            lines.append(f'    .globl "{symbol}"\n"{symbol}":\n'
                         f"    mov ${len(records)}, %r11d\n    jmp spec_thunk")
            records.append((instance.index, exporter, name))
    lines.append("    .section .rodata\n    .globl spec_modules, spec_module_count\n"
                 "    .balign 8\nspec_modules:")
    lines += [f'    .quad "{instance.prefix}wasm_module"' for instance in instances]
    lines.append(f"spec_module_count:\n    .long {len(instances)}")
    for number, (_, _, name) in enumerate(records):
        lines.append(f'.Lname{number}:\n    .asciz "{hex_name(name)}"')
    lines.append("    .data\n    .balign 8\n    .globl spec_imports\nspec_imports:")
    for number, (importer, exporter, _) in enumerate(records):
        lines.append(f"    .long {importer}, {exporter}\n    .quad .Lname{number}, 0")
    lines.append('    .section .note.GNU-stack,"",@progbits\n')
    return "\n".join(lines)
