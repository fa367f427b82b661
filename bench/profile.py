#!/usr/bin/env python3
"""Where a request's guest instructions go: exact counts for every function, kernel and Wasm.

Usage: bench/profile.py [--out BUILD] [--connections N] [--idle N] [--path PATH] [--top N]
                        [--image ELF] [--annotate FUNCTION]...              (make bench-profile)

Boots the example server on the card of bench/http.py under a TCG plugin that counts
translated blocks (bench/count_blocks.c), serves requests, and joins the counts with the
image's symbols and, for --annotate, its disassembly.
"""
import argparse
import bisect
import collections
import os
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import contestants  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
import netns  # noqa: E402

RECORD = struct.Struct("<QQQ")


def build_plugin(out):
    plugin = os.path.join(out, "bench", "count_blocks.so")
    source = os.path.join(machine.ROOT, "bench", "count_blocks.c")
    subprocess.run(["clang-19", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC",
                    "-shared", "-o", plugin, source], check=True)
    return plugin


def read_counts(path):
    """(address, instructions) of a block -> executions."""
    counts = collections.Counter()
    with open(path, "rb") as file:
        while chunk := file.read(RECORD.size << 12):
            for address, instructions, executions in RECORD.iter_unpack(chunk):
                if instructions == 0:
                    return counts
                counts[address, instructions] += executions
    return counts


class Image:
    """An ELF image's functions, sorted by address, and where they come from."""

    def __init__(self, path):
        self.path = path
        output = subprocess.run(["nm", "-n", "--defined-only", path], capture_output=True,
                                text=True, check=True).stdout
        self.symbols = [(int(line[0], 16), line[2]) for line in map(str.split, output.splitlines())
                        if line[1] in "tTwW"]
        self.addresses = [address for address, _ in self.symbols]

    def name_at(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.symbols[index][1] if index >= 0 else "?"

    def disassembly(self):
        """[(address, text)] of the whole image, in order."""
        output = subprocess.run(["objdump", "-d", "--no-show-raw-insn", self.path],
                                capture_output=True, text=True, check=True).stdout
        lines = (re.match(r"\s*([0-9a-f]+):\t(.*)", line) for line in output.splitlines())
        return [(int(line.group(1), 16), line.group(2)) for line in lines if line]


def measure(options, image, plugin):
    """Block counts for the requests, and how many requests."""
    counts_path = os.path.join(options.out, "bench", "blocks")
    guest = contestants.Guest("wafer", "C on Wafer", image,
                              ["-kernel", image, "-append", " ".join(netns.GATEWAY_WORDS)], [])
    with guest.running("-icount", "shift=0", "-plugin", f"{plugin},counts={counts_path}") as qmp:
        resting = load.Load(contestants.ADDRESS, options.idle, seconds=600)
        if options.idle:
            resting.round()
        clients = load.Load(contestants.ADDRESS, options.connections, options.path, seconds=600)
        for _ in range(3):
            clients.round()
        before, before_icount, done = read_counts(counts_path), qmp.instructions(), 0
        while done < options.requests:
            done += clients.round()
        counts = read_counts(counts_path)
        counts.subtract(before)
        print(f"{(qmp.instructions() - before_icount) / done:,.0f} instructions a request by "
              "the emulator's count", file=sys.stderr)
        clients.close()
        resting.close()
    return counts, done


def report(image, counts, requests, top):
    functions = collections.Counter()
    for (address, instructions), executions in counts.items():
        functions[image.name_at(address)] += instructions * executions
    total = sum(functions.values())
    wasm = sum(count for name, count in functions.items() if name.startswith("wasm."))
    print(f"{total / requests:,.1f} guest instructions a request ({requests:,} requests), "
          f"{wasm / requests:,.1f} of them in the application")
    for name, instructions in functions.most_common(top):
        print(f"{instructions / requests:9,.1f} {100 * instructions / total:5.1f} %  {name}")


def annotate(image, counts, requests, function):
    lines = image.disassembly()
    addresses = [address for address, _ in lines]
    executed = collections.Counter()
    for (address, instructions), executions in counts.items():
        if image.name_at(address) != function or not executions:
            continue
        first = bisect.bisect_left(addresses, address)
        for index in range(first, min(first + instructions, len(lines))):
            executed[index] += executions
    print(f"\n{function}: executions a request")
    for index in sorted(executed):
        print(f"{executed[index] / requests:8.2f}  {lines[index][0]:x}  {lines[index][1]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--idle", type=int, default=0, help="connections that stay open beside")
    parser.add_argument("--requests", type=int, default=1280)
    parser.add_argument("--path", default="/")
    parser.add_argument("--top", type=int, default=60)
    parser.add_argument("--image", help="an image of the example server that is built already")
    parser.add_argument("--annotate", action="append", default=[], metavar="FUNCTION")
    options = parser.parse_args()
    options.out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = options.out
    www = contestants.make_www(options.out)
    path = options.image or contestants.make_wafer(options.out, www).image
    if not os.environ.get(netns.MARK):
        build_plugin(options.out)
    netns.enter()
    counts, requests = measure(options, path, os.path.join(options.out, "bench",
                                                            "count_blocks.so"))
    image = Image(path)
    report(image, counts, requests, options.top)
    for function in options.annotate:
        annotate(image, counts, requests, function)
    return 0


if __name__ == "__main__":
    sys.exit(main())
