#!/usr/bin/env python3
"""The first figures: boot cost, image size, least memory, instructions per request.

Usage: bench/first.py [--out BUILD]      (make bench)
Needs nothing but what make test needs; user networking, so no offloads (docs/performance.md).
"""
import argparse
import os
import re
import socket
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load  # noqa: E402
import machine  # noqa: E402

PUBLIC = os.path.join(machine.ROOT, "examples", "static-file-server", "public")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def boot_instructions(out):
    """From the kernel's entry to the module's first instruction, by the kernel's own count."""
    hello = os.path.join(out, "examples", "hello.wasm")
    result = subprocess.run(
        [machine.WAFER, "run", hello, "-v", "--accel", "tcg", "--net", "none", "--qemu=-icount",
         "--qemu=shift=0,sleep=off"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=True)
    match = re.search(r"boot: ready after (\d+) us", result.stderr)
    return int(match.group(1)) * 1000  # one instruction takes one nanosecond


def sizes(out):
    """Text and data, in KiB, of the kernel linked with an empty module, and with hello."""
    folder = os.path.join(out, "bench")
    os.makedirs(folder, exist_ok=True)
    empty = os.path.join(folder, "empty.wat")
    with open(empty, "w", encoding="ascii") as file:
        file.write('(module (func (export "_start")))')
    figures = {}
    for name, source in (("kernel with an empty module", empty),
                         ("kernel with hello", os.path.join(out, "examples", "hello.wasm"))):
        image = os.path.join(folder, "sized.elf")
        subprocess.run([machine.WAFER, "build", source, "-o", image], check=True)
        output = subprocess.run(["size", image], capture_output=True, text=True,
                                check=True).stdout
        text, data = (int(word) for word in output.splitlines()[-1].split()[:2])
        figures[name] = (text + data) / 1024
    return figures


def least_memory(out):
    """The smallest RAM, in MiB, in which hello runs."""
    hello = os.path.join(out, "examples", "hello.wasm")
    low, high = 1, 64
    while low < high:
        middle = (low + high) // 2
        result = subprocess.run([machine.WAFER, "run", hello, "--memory", f"{middle}M",
                                 "--boot-timeout", "20"], stdin=subprocess.DEVNULL,
                                capture_output=True, check=False)
        if result.returncode == 0:
            high = middle
        else:
            low = middle + 1
    return low


def instructions_per_request(out, connections, requests):
    """Median of five runs."""
    server = os.path.join(out, "examples", "static-file-server.wasm")
    port = free_port()
    with machine.running(server, "--dir", PUBLIC + "::/", "--publish", f"{port}:80") as (_, qmp):
        address = ("127.0.0.1", port)
        load.wait_for_server(address)
        clients = load.Load(address, connections, seconds=300)
        clients.round()
        results = []
        for _ in range(5):
            before, done = qmp.instructions(), 0
            while done < requests:
                done += clients.round()
            results.append((qmp.instructions() - before) / done)
        clients.close()
    return statistics.median(results), min(results), max(results)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = out
    print("| figure | value |\n|---|---|")
    print(f"| guest instructions, kernel entry to application | {boot_instructions(out):,} |")
    for name, kib in sizes(out).items():
        print(f"| {name}: text and data | {kib:.0f} KiB |")
    print(f"| least RAM for hello | {least_memory(out)} MiB |")
    for connections in (1, 64):
        median, low, high = instructions_per_request(out, connections, 3200)
        print(f"| guest instructions a request, {connections} connections "
              f"| {median:,.0f} ({low:,.0f} to {high:,.0f}) |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
