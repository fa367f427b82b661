#!/usr/bin/env python3
"""Modules that are legal or nearly so, and absurd: waferc must compile or refuse each within
seconds and without gigabytes; prints TAP.

Usage: tests/spec/absurd.py [--out BUILD] [NAME ...]
"""
import argparse
import os
import resource
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from rewrite import leb  # noqa: E402

HEADER = b"\0asm\1\0\0\0"
SECONDS_MAX = 60
MEMORY_MAX_KIB = 1 << 20
END = b"\x0b"


def section(number, content):
    return bytes([number]) + leb(len(content)) + content


def functions(*bodies, extra=b""):
    """A module of functions () -> (); a body is its locals and code."""
    code = leb(len(bodies)) + b"".join(leb(len(body)) + body for body in bodies)
    return (HEADER + section(1, b"\1\x60\0\0") + section(3, leb(len(bodies)) + bytes(len(bodies)))
            + extra + section(10, code))


def nested(opening, depth, start=b"\0"):
    return functions(start + opening * depth + END * (depth + 1))


ONE_MEMORY = section(5, b"\1\0\1")
ONE_I32 = b"\1\1\x7f"
MANY_LOCALS = b"\1" + leb(50000) + b"\x7e" + END

# name: (module maker, expected exit status)
MODULES = {
    "200,000 nested blocks": (lambda: nested(b"\x02\x40", 200000), 0),
    "50,000 nested loops": (lambda: nested(b"\x03\x40", 50000), 0),
    "30,000 nested ifs": (lambda: nested(b"\x20\0\x04\x40", 30000, ONE_I32), 0),
    "200 functions of 50,000 locals": (lambda: functions(*[MANY_LOCALS] * 200), 0),
    "2^32 - 1 locals": (lambda: functions(b"\1\xff\xff\xff\xff\x0f\x7f" + END), 1),
    "br_table of a million labels": (lambda: functions(
        b"\0" + b"\x02\x40" * 3 + b"\x41\0\x0e" + leb(1000000)
        + bytes(at % 3 for at in range(1000000)) + b"\0" + END * 4), 0),
    "br_table of 10,000 labels": (lambda: functions(
        ONE_I32 + b"\x02\x40" * 64 + b"\x20\0\x0e" + leb(10000)
        + bytes(at * 7 % 64 for at in range(10000)) + b"\0" + END * 65), 0),
    "100,000 operands on the stack": (lambda: functions(
        ONE_I32 + b"\x20\0" * 100000 + b"\x6a" * 99999 + b"\x1a" + END), 0),
    "100,000 functions": (lambda: functions(*[b"\0" + END] * 100000), 0),
    "100,000 stores in a row": (lambda: functions(
        b"\0" + b"\x41\0\x41\0\x36\2\0" * 100000 + END, extra=ONE_MEMORY), 0),
    "a segment of 100 MB": (lambda: HEADER + section(5, b"\1\0" + leb(2000)) + section(
        11, b"\1\0\x41\0\x0b" + leb(100000000) + bytes(100000000)), 0),
    "a million segments": (lambda: HEADER + ONE_MEMORY + section(
        11, leb(1000000) + b"\0\x41\0\x0b\0" * 1000000), 0),
    "a million elements": (lambda: HEADER + section(1, b"\1\x60\0\0") + section(3, b"\1\0")
                           + section(4, b"\1\x70\0" + leb(1000000))
                           + section(9, b"\1\0\x41\0\x0b" + leb(1000000) + bytes(1000000))
                           + section(10, b"\1\2\0\x0b"), 0),
    "a table of 2^32 - 1 elements": (lambda: HEADER + section(
        4, b"\1\x70\0" + leb(0xffffffff)), 0),
    "100,000 globals": (lambda: HEADER + section(
        6, leb(100000) + b"\x7f\1\x41\0\x0b" * 100000), 0),
    "4096 memories": (lambda: HEADER + section(5, leb(4096) + b"\0\0" * 4096), 0),
    "100,000 imports": (lambda: HEADER + section(1, b"\1\x60\0\0") + section(
        2, leb(100000) + b"".join(b"\1a\5%05d\0\0" % at for at in range(100000))), 0),
    "2^32 - 1 functions declared": (lambda: HEADER + section(3, b"\xff\xff\xff\xff\x0f"), 1),
    "2^32 - 1 types declared": (lambda: HEADER + section(1, b"\xff\xff\xff\xff\x0f"), 1),
}


def check(waferc, folder, name):
    """None, or what went wrong."""
    maker, expected = MODULES[name]
    path = os.path.join(folder, "module.wasm")
    with open(path, "wb") as file:
        file.write(maker())
    started = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        result = subprocess.run([waferc, "-O0", path, "-o", os.path.join(folder, "module.o")],
                                capture_output=True, text=True, errors="replace",
                                timeout=SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        return f"no end within {SECONDS_MAX} s"
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if result.returncode != expected:
        return f"status {result.returncode}, expected {expected}: {result.stderr.strip()[:200]}"
    if peak > before and peak > MEMORY_MAX_KIB:
        return f"{peak >> 10} MiB of memory"
    print(f"# {name}: {time.monotonic() - started:.1f} s, at most {peak >> 10} MiB so far")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    folder = os.path.join(options.out, "absurd")
    os.makedirs(folder, exist_ok=True)
    for name in MODULES:
        if options.names and name not in options.names:
            continue
        trouble = check(os.path.join(options.out, "waferc"), folder, name)
        print(f"not ok - {name}\n#   {trouble}" if trouble else f"ok - {name}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
