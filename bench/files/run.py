#!/usr/bin/env python3
"""File system figures: instructions for each operation in RAM, nanoseconds on a volume and
on a mounted directory.

Usage: bench/files/run.py [--out BUILD]      (make bench-fs)
Under TCG with -icount one instruction takes one nanosecond, so the guest's own clock counts
instructions, and the figures do not depend on what else this machine does. A volume waits for the host's
disk and a mount for QEMU's 9P server, so their figures are of time, of this machine. WASI,
the C library and the module's own code are part of each figure.
"""
import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import machine  # noqa: E402

MEBIBYTES = 32


COUNTED = ["--accel", "tcg", "--qemu=-icount", "--qemu=shift=0,sleep=off"]


def measure(module, count, arguments, directory):
    """The program's figures, in its order."""
    result = subprocess.run(
        [machine.WAFER, "run", module, "--net", "none", "--memory", "512M", *arguments, "--",
         directory, str(count), str(MEBIBYTES)], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False)
    if result.returncode:
        sys.exit(result.stdout + result.stderr)
    return dict(line.split() for line in result.stdout.splitlines())


def show(unit, columns):
    print(unit.ljust(16) + "".join(title.rjust(22) for title in columns))
    for name in next(iter(columns.values())):
        print(name.ljust(16) + "".join(values[name].rjust(22) for values in columns.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    out = os.path.abspath(parser.parse_args().out)
    os.environ["WAFER_BUILD"] = out
    with tempfile.TemporaryDirectory(prefix="wafer-bench-") as folder:
        module = os.path.join(folder, "files.wasm")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files.c")
        subprocess.run(["clang-19", "--target=wasm32-wasi", "-O2", "-o", module, source],
                       check=True)
        empty = os.path.join(folder, "empty")
        os.mkdir(empty)
        shared = os.path.join(folder, "shared")
        os.mkdir(shared)
        show("instructions", {
            f"RAM, {count} files": measure(module, count, COUNTED + ["--dir", f"{empty}::/"], "/")
            for count in (1000, 10000, 100000)})
        show("nanoseconds", {
            f"volume, {count} files": measure(
                module, count, ["--volume", f"{folder}/{count}.img:/data"], "/data")
            for count in (1000, 10000)} | {
            "mount, 1000 files": measure(module, 1000, ["--mount", f"{shared}:/data"], "/data")})


if __name__ == "__main__":
    main()
