#!/usr/bin/env python3
"""Writes the C glue between a module that wasm2c translated and the WASI layer on the host.

usage: hosted_glue.py app.h imports.def > glue.c

Every import that the header declares becomes a function that brings the memory's size up to
date and calls the function that imports.def names.
"""
import re
import sys

TYPES = {"i": "u32", "I": "u64"}


def main():
    header, definitions = (open(path).read() for path in sys.argv[1:3])
    print('#include "app.h"')
    print('#include "tests/wasi/hosted.h"')
    print('#include "wasi/calls.h"')
    print('#include "wasi/sock_wamr.h"')
    for module, field, signature, function in re.findall(
        r"^IMPORT\((\w+), (\w+), (\w+), (\w+)\)", definitions, re.M
    ):
        name = f"Z_{module}Z_{field}"
        if not re.search(rf"\b{name}\(", header):
            continue
        letters, result = signature.split("_")
        kinds = [TYPES[letter] for letter in letters if letter != "v"]
        declared = "".join(f", {kind} a{i}" for i, kind in enumerate(kinds))
        passed = ", ".join(f"a{i}" for i in range(len(kinds)))
        print(f"{'void' if result == 'v' else 'u32'} {name}(struct Z_{module}_instance_t *m"
              f"{declared})\n{{\n    (void)m;\n    hosted_enter();\n"
              f"    {'' if result == 'v' else 'return '}{function}({passed});\n}}")


if __name__ == "__main__":
    main()
