#!/usr/bin/env python3
"""HTTP servers in virtual machines, side by side: Wafer, and Linux guests.

Usage: bench/http.py [--out BUILD] [--guests wafer,nginx,native] [--quick]    (make bench-http)

One run, one machine, the same QEMU command line, card, page and client for all:
  wafer    examples/static-file-server on Wafer
  nginx    Debian's kernel and nginx in an initramfs
  native   the same C server, compiled natively, in the same Linux guest
Figures: guest instructions a request (icount), notifications and interrupts a request
(QEMU trace), bulk instructions per KiB, requests/s and latency by wrk.
"""
import argparse
import contextlib
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import linux_guest  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
import netns  # noqa: E402

ADDRESS = (netns.GUEST, 80)
EXAMPLE = os.path.join(machine.ROOT, "examples", "static-file-server")
MEMORY = "2048"


def make_www(out):
    folder = os.path.join(out, "bench", "www")
    os.makedirs(folder, exist_ok=True)
    for name, size in (("index.html", 1024), ("large.bin", 1 << 20)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write((b"0123456789abcdef" * (size // 16))[:size])
    return folder


class Guest:
    """How to boot one of the contestants."""

    def __init__(self, name, arguments):
        self.name = name
        self.arguments = arguments

    @contextlib.contextmanager
    def running(self, *extra):
        """QEMU with the guest; yields a Monitor once the server answers."""
        with tempfile.TemporaryDirectory(prefix="wafer-bench-") as folder:
            path = os.path.join(folder, "qmp")
            command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", "q35",
                       "-m", MEMORY, "-smp", "1", "-nodefaults", "-no-user-config", "-display",
                       "none", "-no-reboot", "-qmp", f"unix:{path},server,nowait",
                       *netns.device(), *self.arguments, *extra]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                load.wait_for_server(ADDRESS)
                yield machine.Monitor(path)
            finally:
                process.terminate()
                process.wait(30)


def make_guests(out, www, wanted):
    """Everything is built before the namespace is entered: building may need the network."""
    os.makedirs(os.path.join(out, "bench"), exist_ok=True)
    guests = []
    if "wafer" in wanted:
        image = os.path.join(out, "bench", "server.elf")
        subprocess.run([machine.WAFER, "build",
                        os.path.join(out, "examples", "static-file-server.wasm"), "-o", image,
                        "--dir", www + "::/"], check=True)
        guests.append(Guest("wafer", ["-kernel", image, "-append",
                                      " ".join(netns.GATEWAY_WORDS)]))
    console = "console=ttyS0 mitigations=off quiet"
    if "nginx" in wanted:
        kernel, initramfs = linux_guest.build(out, www, "nginx")
        guests.append(Guest("nginx", ["-kernel", kernel, "-initrd", initramfs, "-append", console]))
    if "native" in wanted:
        program = os.path.join(out, "bench", "native-server")
        sources = [os.path.join(EXAMPLE, name) for name in ("server.c", "http.c", "files.c")]
        subprocess.run(["clang-19", "-std=gnu17", "-O3", "-I" + machine.ROOT, "-o", program,
                        *sources, os.path.join(machine.ROOT, "bench", "posix_sockets.c")],
                       check=True)
        kernel, initramfs = linux_guest.build(out, www, "native", "native-server /www 80",
                                              [program])
        guests.append(Guest("native", ["-kernel", kernel, "-initrd", initramfs, "-append",
                                       console]))
    return guests


def per_request(monitor, connections, requests, runs, path="/", idle=0):
    """Median guest instructions a request."""
    resting = load.Load(ADDRESS, idle, path, seconds=600) if idle else None
    if resting:
        resting.round()
    clients = load.Load(ADDRESS, connections, path, seconds=600)
    clients.round()
    results = []
    for _ in range(runs):
        before, done = monitor.instructions(), 0
        while done < requests:
            done += clients.round()
        results.append((monitor.instructions() - before) / done)
    clients.close()
    if resting:
        resting.close()
    return statistics.median(results)


def counted(guest, quick):
    """The figures that count instructions."""
    figures = {}
    requests, runs = (640, 3) if quick else (3200, 5)
    with guest.running("-icount", "shift=0") as monitor:
        for connections in (1, 64) if quick else (1, 64, 1000):
            figures[f"instructions/request, {connections} connections"] = \
                per_request(monitor, connections, max(requests, connections), runs)
        if not quick:
            figures["instructions/request, 64 of 10,000 connections active"] = \
                per_request(monitor, 64, requests, runs, idle=9936)
        kib = 1024
        figures["instructions/KiB, 1 MiB file"] = \
            per_request(monitor, 4, 40, 3, "/large.bin") / kib
    return figures


def exits(guest, out):
    """Notifications and interrupts a request at 64 connections."""
    log = os.path.join(out, "bench", f"trace-{guest.name}.log")
    with guest.running("-trace", "virtio_queue_notify", "-trace", "virtio_notify*", "-D",
                       log) as _:
        clients = load.Load(ADDRESS, 64, seconds=300)
        clients.round()
        with open(log, encoding="utf-8", errors="replace") as file:
            file.seek(0, os.SEEK_END)
            done = sum(clients.round() for _ in range(50))
            time.sleep(0.2)
            lines = file.read().splitlines()
        clients.close()
    notifications = sum("virtio_queue_notify" in line for line in lines)
    interrupts = sum("virtio_notify" in line for line in lines)
    return {"notifications/request, 64 connections": notifications / done,
            "interrupts/request, 64 connections": interrupts / done}


def wall_clock(guest, quick):
    """wrk; wall time under TCG, noisy: compare only within one run."""
    figures = {}
    seconds = 5 if quick else 10
    loads = [(2, 64)] if quick else [(2, 64), (16, 800)]
    with guest.running() as _:
        for threads, connections in loads:
            output = subprocess.run(
                ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency",
                 f"http://{netns.GUEST}/"], capture_output=True, text=True, check=True).stdout
            label = f"wrk {threads} threads, {connections} connections"
            for figure, pattern in (("requests/s", r"Requests/sec:\s+([\d.]+)"),
                                    ("p50 ms", r"50%\s+([\d.]+\w+)"),
                                    ("p99 ms", r"99%\s+([\d.]+\w+)")):
                text = re.search(pattern, output).group(1)
                figures[f"{label}: {figure}"] = milliseconds(text)
            errors = re.search(r"Socket errors: (.*)", output)
            if errors:
                print(f"note: {guest.name}, {label}: {errors.group(0)}", file=sys.stderr)
    return figures


def milliseconds(text):
    """wrk's times as milliseconds; plain numbers stay."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s)?", text)
    return float(match.group(1)) * {"us": 0.001, "ms": 1, "s": 1000, None: 1}[match.group(2)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    parser.add_argument("--guests", default="wafer,nginx,native")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = out
    www = make_www(out)
    wanted = options.guests.split(",")
    if not os.environ.get(netns.MARK):
        make_guests(out, www, wanted)
    netns.enter()
    guests = make_guests(out, www, wanted)
    table = {}
    for guest in guests:
        print(f"measuring {guest.name} ...", file=sys.stderr, flush=True)
        figures = counted(guest, options.quick)
        figures.update(exits(guest, out))
        figures.update(wall_clock(guest, options.quick))
        table[guest.name] = figures
    names = [guest.name for guest in guests]
    rows = list(dict.fromkeys(row for figures in table.values() for row in figures))
    print("| figure | " + " | ".join(names) + " |\n|---" * 1 + "|---" * len(names) + "|")
    for row in rows:
        cells = [f"{table[name][row]:,.2f}" if table[name].get(row, 0) < 100
                 else f"{table[name][row]:,.0f}" for name in names]
        print(f"| {row} | " + " | ".join(cells) + " |")
    path = os.path.join(out, "bench", "http.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["figure", *names])
        writer.writerows([row, *(table[name].get(row, "") for name in names)] for row in rows)
    print(f"saved {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
