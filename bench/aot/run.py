#!/usr/bin/env python3
"""Compiled code against native code and against other engines (make bench-aot).

Each kernel is compiled natively by clang -O3, and from clang's Wasm by waferc, wasm2c + gcc
Node and Wasmtime; the same -march for all that can, contraction of multiply-adds off in all (Wasm has
none). Checksums must agree. Contestants take turns (A B C D, A B C D, ...); the table shows
the median of the rounds, relative to native, of processor time.

Real programs follow (programs.py), then the speed of the compilers (compile_speed.py).

Usage: bench/aot/run.py [--out BUILD] [--rounds N] [--only NAME] [--cpu x86-64-v3]
                        [--part kernels,programs,compile]
"""
import argparse
import csv
import os
import shutil
import statistics
import sys

import compile_speed
import debian
import peers
import programs
from common import CLANG, HERE, ROOT, geometric_mean, run

WASM2C_RUNTIME = "/usr/share/wabt/wasm2c"


class Kernel:
    """One kernel and the programs made of it."""

    def __init__(self, source, out, cpu):
        self.name = os.path.splitext(os.path.basename(source))[0]
        self.source = source
        self.stem = os.path.join(out, self.name)
        self.cpu = cpu
        self.wasm = self.stem + ".wasm"
        run([CLANG, "--target=wasm32", "-O3", "-std=gnu17", "-mbulk-memory", "-nostdlib",
             "-ffp-contract=off", "-Wl,--no-entry", "-o", self.wasm, source])

    def native(self):
        run([CLANG, "-O3", "-std=gnu17", "-ffp-contract=off", "-march=" + self.cpu, "-I" + ROOT,
             "-o", self.stem + ".native", os.path.join(HERE, "native.c"), self.source])
        return [self.stem + ".native"]

    def wafer(self, waferc):
        run([waferc, self.wasm, "-o", self.stem + ".o", "-O3", "--exports", "--cpu=" + self.cpu])
        run([CLANG, "-O2", "-std=gnu17", "-static", "-no-pie", "-I" + ROOT,
             "-Wl,--defsym,wasm_memory=0x60000000", "-o", self.stem + ".wafer",
             os.path.join(HERE, "wafer.c"), self.stem + ".o"])
        return [self.stem + ".wafer"]

    def wasm2c(self):
        source = self.stem + ".w2c.c"
        run(["wasm2c", "-n", "kernel", "-o", source, self.wasm])
        run(["gcc", "-O3", "-std=gnu17", "-ffp-contract=off", "-march=" + self.cpu, "-I" + ROOT,
             "-I" + WASM2C_RUNTIME, f'-DKERNEL_HEADER="{self.stem}.w2c.h"', "-o",
             self.stem + ".wasm2c", os.path.join(HERE, "wasm2c.c"), source,
             os.path.join(WASM2C_RUNTIME, "wasm-rt-impl.c"), "-lm"])
        return [self.stem + ".wasm2c"]

    def node(self):
        return ["node", os.path.join(HERE, "node.mjs"), self.wasm]


def contestants(kernel, waferc):
    commands = {"native": kernel.native(), "wafer": kernel.wafer(waferc)}
    if shutil.which("wasm2c") and os.path.isdir(WASM2C_RUNTIME):
        commands["wasm2c + gcc"] = kernel.wasm2c()
    if shutil.which("node"):
        commands["node"] = kernel.node()
    try:
        commands["wasmtime"] = peers.wasmtime_command(os.path.dirname(kernel.stem), "run",
                                                      kernel.wasm)
    except debian.Unavailable as reason:
        print(f"wasmtime: SKIP: {reason}", file=sys.stderr)
    return commands


def measure(kernel, commands, rounds):
    times = {name: [] for name in commands}
    checksums = {}
    for _ in range(rounds):
        for name, command in commands.items():
            checksum, nanoseconds = run(command).split()
            checksums[name] = float(checksum)
            times[name].append(int(nanoseconds))
    if len(set(checksums.values())) != 1:
        sys.exit(f"{kernel.name}: the checksums differ: {checksums}")
    return {name: statistics.median(values) for name, values in times.items()}


def report(out, waferc, options):
    sources = sorted(name for name in os.listdir(os.path.join(HERE, "kernels"))
                     if name.endswith(".c") and options.only in name)
    if not sources:
        return
    rows = {}
    for source in sources:
        kernel = Kernel(os.path.join(HERE, "kernels", source), out, options.cpu)
        rows[kernel.name] = measure(kernel, contestants(kernel, waferc), options.rounds)
        print(f"{kernel.name}: " + ", ".join(f"{name} {ns / 1e6:.0f} ms"
              for name, ns in rows[kernel.name].items()), file=sys.stderr, flush=True)
    names = list(next(iter(rows.values())))
    print("| kernel | native ms | " + " | ".join(names[1:]) + " |\n|---" + "|---" * len(names) + "|")
    for kernel, times in rows.items():
        ratios = [f"{times[name] / times['native']:.2f}" for name in names[1:]]
        print(f"| {kernel} | {times['native'] / 1e6:.0f} | " + " | ".join(ratios) + " |")
    means = [geometric_mean([times[name] / times["native"] for times in rows.values()])
             for name in names[1:]]
    print("| geometric mean | | " + " | ".join(f"**{mean:.2f}**" for mean in means) + " |")
    with open(os.path.join(out, "aot.csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["kernel", *(f"{name} ns" for name in names)])
        writer.writerows([kernel, *times.values()] for kernel, times in rows.items())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--cpu", default="x86-64-v3")
    parser.add_argument("--part", default="kernels,programs,compile")
    options = parser.parse_args()
    parts = options.part.split(",")
    out = os.path.join(os.path.abspath(options.out), "bench", "aot")
    waferc = os.path.join(os.path.abspath(options.out), "waferc")
    os.makedirs(out, exist_ok=True)
    if "kernels" in parts:
        report(out, waferc, options)
    if "programs" in parts:
        programs.report(out, waferc, options.rounds, options.cpu, options.only)
    if "compile" in parts:
        compile_speed.report(out, waferc, os.path.abspath(options.out), options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
