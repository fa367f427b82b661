#!/usr/bin/env python3
"""Every memory instruction around every bound; prints TAP.

Usage: tests/spec/bounds.py [--out BUILD] [--no-boot]

For each load, store, lane and atomic instruction of aot/opcodes.def, with static offsets of 0, 1,
2^31 and 2^32 - 1 (and beyond, for 64-bit addresses): addresses 0, the end of memory +- 16,
2^31 and 2^32 +- 1, and those that the offset brings there. The same for memory.fill, memory.copy
and memory.init. First everything that must trap, after which memory must be
unchanged, then everything that must not. Hosted at -O0 and -O3; in booted images all that must
work in one, and one image for each of a few traps.
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import engines  # noqa: E402
import generator  # noqa: E402
import kernel_sample  # noqa: E402
from random_module import Function, Module, const, leb  # noqa: E402

PAGES = 2
END = PAGES * 65536
BOUNDS = "out of bounds memory access"
ONES = {"i": const("i", -1), "I": const("I", -1), "f": const("f", 0xffffffff),
        "F": const("F", (1 << 64) - 1), "V": const("V", (1 << 128) - 1)}
ACCESSES = [op for op in generator.OPS if op.is_memory]
SEGMENT_BYTES = 40


class Probe:
    """A module of one function for each instruction and offset, and the calls to make."""

    def __init__(self, is_64):
        self.is_64 = is_64
        self.letter = "I" if is_64 else "i"
        self.top = 1 << (64 if is_64 else 32)
        self.module = Module()
        self.module.memory = (PAGES, PAGES)
        self.module.memory_is_64 = is_64
        self.module.data = [(None, bytes(range(1, SEGMENT_BYTES + 1)))]
        self.calls = []   # (function name, arguments, trap text or None)
        for op in ACCESSES:
            for offset in [0, 1, 1 << 31, (1 << 32) - 1] + [self.top - 1] * is_64:
                self.add_access(op, offset)
        self.add_bulk()

    def add(self, name, params, code):
        self.module.functions.append(Function((params, ""), "", ("", (code,))))
        self.module.exports.append((name, "function", len(self.module.functions) - 1))

    def add_access(self, op, offset):
        size = 1 << op.log2_bytes
        operands = b"\x20\0"
        for position, letter in enumerate(op.operands[1:]):
            is_expected = "cmpxchg" in op.text and position == 0
            operands += const(letter, 0) if is_expected else ONES[letter]
        lane = b"\0" if op.immediate == "MEMARG_LANE" else b""
        name = f"{op.text}+{offset:x}"
        self.add(name, self.letter, operands + op.code + leb(op.log2_bytes if op.is_atomic else 0)
                 + leb(offset) + lane + (b"\x1a" if op.result else b""))
        around = [END + at - offset for at in range(-16, 17)] if offset < 2 else []
        for address in {*around, END - size - offset, END - size - offset + 1, 0, END - offset,
                        (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1,
                        self.top - offset, self.top - 1, self.top - size}:
            if not 0 <= address < self.top:
                continue
            trap = BOUNDS if address + offset + size > END else None
            if op.is_atomic and (address + offset) % size:
                trap = f"unaligned atomic|{BOUNDS}" if trap else "unaligned atomic"
            self.calls.append((name, [address], trap))

    def add_bulk(self):
        get = [b"\x20" + leb(at) for at in range(3)]
        byte = const("i", 255)
        self.add("fill", self.letter * 2, get[0] + byte + get[1] + b"\xfc\x0b\0")
        self.add("copy", self.letter * 3, b"".join(get) + b"\xfc\x0a\0\0")
        self.add("init", self.letter + "ii", b"".join(get) + b"\xfc\x08\0\0")
        edges = [0, 1, 16, END - 16, END, END + 1, 1 << 31, (1 << 32) - 1, self.top - 1]
        counts = [0, 1, 16, 17, END, END + 1, 1 << 31, (1 << 32) - 1, self.top - 1]
        for at in edges:
            for count in counts:
                inside = at + count <= END
                self.calls.append(("fill", [at, count], None if inside else BOUNDS))
                self.calls.append(("copy", [at, 0, count], None if inside else BOUNDS))
                self.calls.append(("copy", [0, at, count], None if inside else BOUNDS))
                if count < 1 << 32:
                    fits = inside and count <= SEGMENT_BYTES
                    self.calls.append(("init", [at, 0, count], None if fits else BOUNDS))
        for source in (0, 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 1 << 31, (1 << 32) - 1):
            for count in (0, 1, SEGMENT_BYTES, (1 << 32) - 1):
                fits = source + count <= SEGMENT_BYTES
                self.calls.append(("init", [0, source, count], None if fits else BOUNDS))

    def binary(self, start_calls=None):
        """With `start_calls` a program whose _start makes them."""
        module = Module()
        module.__dict__.update(self.module.__dict__)
        module.functions, module.types = list(module.functions), []
        module.exports = [("m", "memory", 0), *module.exports]
        if start_calls is not None:
            index = {name: at for name, _, at in self.module.exports}
            code = b"".join(
                b"".join(const(letter, value) for letter, value in zip(
                    module.functions[index[name]].type[0], arguments))
                + b"\x10" + leb(index[name]) for name, arguments, _ in start_calls)
            module.functions.append(Function(("", ""), "", ("", (code,))))
            module.exports = [("_start", "function", len(module.functions) - 1),
                              ("memory", "memory", 0)]
        return module.encode()

    def script(self):
        """Lines for tests/hosted/spec_runner.c."""
        types = {name: self.module.functions[at].type[0] for name, _, at in self.module.exports}
        lines = ["module 0.0 0 ok"]

        def call(name, arguments, outcome):
            words = " ".join(f"{letter}{value:x}" for letter, value in zip(types[name], arguments))
            lines.append(f"call 0.{len(lines)} 0 {name.encode().hex()} {len(arguments)} {words} "
                         f"{outcome}")

        for name, arguments, trap in self.calls:
            if trap:
                call(name, arguments, "trap " + trap.replace(" ", "_"))
        lines.append(f"memory 0.{len(lines)} 0 {b'm'.hex()} {PAGES} {empty_hash():x}")
        for name, arguments, trap in self.calls:
            if not trap:
                call(name, arguments, "return 0")
        return lines


def empty_hash():
    value = 2166136261
    for _ in range(END // 4):
        value = value * 16777619 & 0xffffffff
    return value


def hosted(out, probe, title):
    engine = engines.Engines(out, os.path.join(out, "bounds"))
    path = os.path.join(engine.folder, "bounds.wasm")
    with open(path, "wb") as file:
        file.write(probe.binary())
    for level in (0, 3):
        case = engines.Case("bounds", path, [], level, 2, lines=probe.script())
        engine.run_compiled([case])
        failures = [f"{text}: {line[:150]}" for line, text in case.failures.items()]
        kernel_sample.report(not failures, f"{title} at -O{level} ({len(case.lines)} calls)",
                             "\n".join(failures[:10]))


# Function, address, what else the report must say; for the images.
BOOTED = [
    ("i32.load8_u+0", [END], f"address {END:#x}, memory size {END:#x}"),
    ("i64.load+0", [END - 7], f"memory size {END:#x}"),
    ("v128.store+0", [END - 15], f"memory size {END:#x}"),
    ("i32.store+0", [1 << 31], "address 0x80000000"),
    ("f64.load+0", [(1 << 32) - 1], "address 0xffffffff"),
    ("i32.load16_s+ffffffff", [(1 << 32) - 1], "address 0x1fffffffe"),
    ("fill", [END - 16, 17], ""),
    ("copy", [1 << 31, 0, 1 << 31], ""),
    ("init", [0, SEGMENT_BYTES, 1], ""),
]
BOOTED_64 = [("i32.load8_u+0", [1 << 32], ""), ("v128.load+ffffffffffffffff", [8], "")]


def booted(out, probe, cases, title):
    boot = kernel_sample.Boot(out)
    good = [call for call in probe.calls if not call[2] and "+1" not in call[0]
            and call[1][0] in (0, END - 16, END - 1, END)]
    status, text = boot.run(f"{title} inside", probe.binary(good))
    kernel_sample.report(status == 0, f"{title}: {len(good)} accesses inside in an image", text)
    for name, arguments, said in cases:
        status, text = boot.run(f"{title} {name}", probe.binary([(name, arguments, None)]))
        where = " ".join(map(hex, arguments))
        kernel_sample.report(status == 134 and f"trap: {BOUNDS}" in text and said in text,
                             f"{title}: {name} of {where} in an image traps", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--no-boot", action="store_true")
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    for is_64, cases, title in ((False, BOOTED, "memory bounds"),
                                (True, BOOTED_64, "memory bounds, 64-bit")):
        probe = Probe(is_64)
        hosted(out, probe, title)
        if not options.no_boot:
            booted(out, probe, cases, title)
    return 0


if __name__ == "__main__":
    sys.exit(main())
