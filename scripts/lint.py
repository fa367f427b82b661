#!/usr/bin/env python3
"""Checks what a compiler does not: who includes whom, where assembly lives, file sizes.

Usage: scripts/lint.py [--nm BUILD]      layering, assembly, sizes; with --nm also symbols
       scripts/lint.py --analyze --tidy TOOL --kernel-flags FLAGS --aot-flags FLAGS
                                         clang-tidy (without aot), gcc -fanalyzer, cppcheck

The layers, each may include itself and what stands left of it:

    kernel/base <- kernel/x86 <- kernel <- drivers <- { net, fs } <- wasi <- trace

net and fs never include each other; aot includes only kernel/base; kernel/main.c alone
may include everything. A symbol check finds hand-written externs that dodge this.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINES_MAX = 600
BELOW = {
    "kernel/base": set(),
    "kernel/x86": {"kernel/base", "kernel"},
    "kernel": {"kernel/base", "kernel/x86"},
    "drivers": {"kernel/base", "kernel/x86", "kernel"},
    "net": {"kernel/base", "kernel/x86", "kernel", "drivers"},
    "fs": {"kernel/base", "kernel/x86", "kernel", "drivers"},
    "wasi": {"kernel/base", "kernel/x86", "kernel", "drivers", "net", "fs"},
    "trace": {"kernel/base", "kernel/x86", "kernel", "drivers", "net", "fs", "wasi"},
    "aot": {"kernel/base"},
}
# The contract headers of kernel/ that the machine layer implements.
COMPOSITION_ROOT = "kernel/main.c"
# These name the words they look for.
TAP_WORDS = {"scripts/lint.py", "tests/run.py"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
ASSEMBLY = re.compile(r"\b(__asm__|asm\s+volatile|asm\s*\()")
# What the compiler calls by itself, whatever the layer.
COMPILER_SYMBOLS = {"memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail",
                    "__stack_chk_guard"}
# Where gcc's analyzer is mistaken, and why.
ANALYZER_ERRS = {
    ("drivers/virtio_request.c", "-Wanalyzer-use-of-uninitialized-value"):
        "every request has at least one segment",
    ("aot/throw_plan.c", "-Wanalyzer-double-free"): "two calls of realloc(NULL) are not two frees",
}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def tracked(*patterns):
    output = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout
    return [name for name in output.splitlines() if os.path.exists(os.path.join(ROOT, name))]


def layer_of(path):
    for layer in sorted(BELOW, key=len, reverse=True):
        if path.startswith(layer + "/"):
            return layer
    return None


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def check_includes(path, text, problems):
    layer = layer_of(path)
    if layer is None or path == COMPOSITION_ROOT:
        return
    for name in INCLUDE.findall(text):
        if not os.path.exists(os.path.join(ROOT, name)):
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            name = beside if os.path.exists(os.path.join(ROOT, beside)) else name
        target = layer_of(name)
        if target and target != layer and target not in BELOW[layer]:
            problems.append(f"{path}: {layer}/ must not include {name}")


def check_sources(problems):
    for path in tracked("*.c", "*.h", "*.S", "*.def", "*.py", "*.sh"):
        text = read(path)
        lines = text.count("\n")
        if lines > LINES_MAX and not path.endswith(".def"):
            problems.append(f"{path}: {lines} lines; split it (limit {LINES_MAX})")
        if path.endswith((".c", ".h")):
            check_includes(path, text, problems)
            if ASSEMBLY.search(text) and not path.startswith("kernel/x86/"):
                problems.append(f"{path}: assembly belongs in kernel/x86/")
        if UNFINISHED.search(text) and path not in TAP_WORDS:
            problems.append(f"{path}: unfinished work is marked")


def symbols(path):
    """(defined, undefined) global symbols of an object or of LLVM bitcode."""
    tool = "llvm-nm-19" if path.endswith(".bc") else "nm"
    output = subprocess.run([tool, "-g", path], capture_output=True, text=True, check=True).stdout
    defined, undefined = set(), set()
    for line in output.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "U":
            undefined.add(words[1])
        elif len(words) == 3:
            defined.add(words[2])
    return defined, undefined


def check_symbols(build, problems):
    """An undefined symbol must come from a layer that may be included."""
    objects = {}
    for folder, _, names in os.walk(os.path.join(build, "obj")):
        for name in names:
            if name.endswith((".o", ".bc")):
                path = os.path.relpath(os.path.join(folder, name), os.path.join(build, "obj"))
                path = os.path.splitext(path)[0]
                if os.path.exists(os.path.join(ROOT, path)):
                    objects[path] = symbols(os.path.join(folder, name))
    owner = {symbol: path for path, (defined, _) in objects.items() for symbol in defined}
    for path, (_, undefined) in sorted(objects.items()):
        layer = layer_of(path)
        if path == COMPOSITION_ROOT or layer is None or path.endswith(".S"):
            continue
        for symbol in sorted(undefined - COMPILER_SYMBOLS):
            home = layer_of(owner.get(symbol, ""))
            if home and home != layer and home not in BELOW[layer]:
                problems.append(f"{path}: {layer}/ uses {symbol} of {owner[symbol]}")


def analyses(options):
    """[(file or None, tool, command)]: each file by each tool, cppcheck all at once."""
    kernel, aot = options.kernel_flags.split(), options.aot_flags.split()
    gcc = ["gcc", "-fanalyzer", "-c", "-o", os.devnull]
    # What gcc 12's analyzer is confused by: filled variables, and code that -O2 has inlined.
    confusing = {"-ftrivial-auto-var-init=zero", "-O2"}
    gcc_kernel = [flag for flag in kernel if flag not in confusing] + ["-O1"]
    gcc_aot = [flag for flag in aot if flag not in confusing] + ["-O1"]
    out = [(None, "cppcheck",
            ["cppcheck", "--std=c11", "--library=scripts/cppcheck.cfg", "--quiet", "-I.",
             "--enable=warning,performance,portability", "--inline-suppr", f"-j{os.cpu_count()}",
             "--suppress=missingIncludeSystem", "--template={file}:{line}: {id}: {message}",
             *sorted({layer.split("/", maxsplit=1)[0] for layer in BELOW})])]
    for path in tracked("*.c"):
        layer = layer_of(path)
        if layer == "aot":
            out.append((path, "gcc", [*gcc, *gcc_aot, path]))
        elif layer is not None:
            out.append((path, "gcc", [*gcc, *gcc_kernel, path]))
            out.append((path, "clang-tidy", [options.tidy, "--quiet", path, "--", *kernel]))
    return out


def run_analysis(work):
    """What the tool found, as text; empty when all is well."""
    path, tool, command = work
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace",
                            check=False)
    if tool == "clang-tidy":
        return result.stdout if result.returncode else ""
    if tool == "gcc" and result.returncode == 0:
        found = set(re.findall(r"warning: .*\[(-Wanalyzer[\w-]+)\]", result.stderr))
        return result.stderr if any((path, flag) not in ANALYZER_ERRS for flag in found) else ""
    return result.stdout + result.stderr


def run_analyses(options):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = [text for text in pool.map(run_analysis, analyses(options)) if text.strip()]
    print("\n".join(texts), end="", file=sys.stderr)
    return 1 if texts else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", metavar="BUILD")
    parser.add_argument("--analyze", action="store_true")
    parser.add_argument("--tidy", metavar="TOOL")
    parser.add_argument("--kernel-flags", default="")
    parser.add_argument("--aot-flags", default="")
    options = parser.parse_args()
    if options.analyze:
        return run_analyses(options)
    problems = []
    check_sources(problems)
    if options.nm:
        check_symbols(options.nm, problems)
    for problem in problems:
        print("lint: " + problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
