#!/usr/bin/env python3
"""Turns `nm -n` of a linked image into the symbol table that kernel/symbols.c reads.

Standard input: nm's lines. Standard output: assembly for the section .wafer.symbols: the
number of functions and of groups of GROUP functions, the functions' offsets in the text,
sorted, the offset of each group's first name, then the NUL-terminated names.
"""
import sys

NAME_MAX = 200
GROUP = 32
HIDDEN = ("image_", "stack_", "smap_", "$")


def read_functions(lines):
    """(address, name) of code symbols, one for each address, and where text starts."""
    start = end = None
    functions = {}
    for line in lines:
        words = line.split(None, 2)
        if len(words) != 3:
            continue
        address, kind, name = int(words[0], 16), words[1], words[2].rstrip("\n")
        if name == "image_text_start":
            start = address
        elif name == "image_text_end":
            end = address
        elif kind in "tTwW" and not name.startswith(HIDDEN):
            functions.setdefault(address, name)
    if start is None or end is None:
        sys.exit("mksymbols: the image has no image_text_start and image_text_end")
    return start, sorted((a, n) for a, n in functions.items() if start <= a < end)


def main():
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    start, functions = read_functions(sys.stdin)
    names = bytearray()
    groups = []
    for number, (_, name) in enumerate(functions):
        if number % GROUP == 0:
            groups.append(len(names))
        names += name.encode()[:NAME_MAX] + b"\0"
    out = ['.section .note.GNU-stack, "", @progbits', '.section .wafer.symbols, "a"',
           ".balign 8", ".globl wafer_symbols", "wafer_symbols:",
           f".long {len(functions)}, {len(groups)}"]
    out += [f".long {address - start:#x}" for address, _ in functions]
    out += [f".long {offset}" for offset in groups]
    for at in range(0, len(names), 64):
        out.append(".byte " + ",".join(str(byte) for byte in names[at:at + 64]))
    print("\n".join(out))


if __name__ == "__main__":
    main()
