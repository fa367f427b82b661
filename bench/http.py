#!/usr/bin/env python3
"""HTTP servers in virtual machines, side by side: on Wafer, and in Linux guests.

Usage: bench/http.py [--out BUILD] [--guests NAME,...] [--rounds N] [--quick] [--docs]

One run, one machine, the same QEMU command line, card, page and client for all:
  wafer       examples/static-file-server (C) on Wafer
  wafer-rust  bench/servers/server.rs on Wafer
  wafer-go    bench/servers/server.go (net/http) on Wafer
  nginx       Debian 12's nginx in a Linux guest
  native      the same C server, compiled natively, in a Linux guest
  wasmedge    the same C server's module in Debian 13's WasmEdge, compiled, in a Linux guest
Figures: guest instructions a request (icount) by the number of open connections, notifications
and interrupts a request (QEMU trace), bulk instructions a KiB, requests/s and latency by wrk.
They are printed, saved as build/bench/http.csv and drawn as build/bench/http.svg; --docs draws
docs/http.svg. --quick leaves out the crowds and the large file.
"""
import argparse
import csv
import os
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chart  # noqa: E402
import contestants  # noqa: E402
import crowd  # noqa: E402
import kernel_memory  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
import netns  # noqa: E402

ADDRESS = contestants.ADDRESS
ICOUNT = ("-icount", "shift=0")
WRK_SECONDS = 6
LOADS = [(2, 64), (16, 800)]  # threads and connections; the second is the paper's
PAGE_BYTES = 4096


def per_request(monitor, connections, requests, runs, path="/"):
    """Median guest instructions a request."""
    clients = load.Load(ADDRESS, connections, path, seconds=600)
    clients.round()
    results = []
    for _ in range(runs):
        before, done = monitor.instructions(), 0
        while done < requests:
            done += clients.round()
        results.append((monitor.instructions() - before) / done)
    clients.close()
    return statistics.median(results)


def counted(guest, figures, quick):
    """The figures that count instructions. This and the others fill `figures` in."""
    requests, runs = (640, 3) if quick else (1600, 3)
    with guest.running(*ICOUNT) as monitor:
        for connections in (1, 64):
            figures[f"instructions/request, {connections} open"] = \
                per_request(monitor, connections, requests, runs)
        figures["instructions/KiB, 1 MiB file"] = \
            per_request(monitor, 4, 40, 3, "/large.bin") / 1024
        resting = []
        for count in () if quick else (1000, 10000):
            present = sum(share for _, share in resting) + 64
            resting.append((crowd.Crowd(ADDRESS, count - present), count - present))
            figures[f"instructions/request, 64 active of {count:,} open"] = \
                per_request(monitor, 64, requests, runs)
        for connections, _ in resting:
            connections.close()


def huge(guest, figures):
    """One response of HUGE_BYTES."""
    with guest.running(*ICOUNT, memory_mib=4096, huge=True) as monitor:
        before = monitor.instructions()
        size = load.download(ADDRESS, "/" + contestants.HUGE_NAME, seconds=400)
        if size != contestants.HUGE_BYTES:
            raise RuntimeError(f"the large file arrived with {size} bytes")
        figures["instructions/KiB, 1 GiB file"] = \
            (monitor.instructions() - before) / (size / 1024)


def hundred_thousand(guest, figures):
    """100,000 open connections in a machine of 1 GiB."""
    count = 100000
    pages = kernel_memory.PageCounter(guest.image)
    with guest.running(*ICOUNT, memory_mib=1024) as monitor:
        free = pages.free(monitor)
        connections = crowd.Crowd(ADDRESS, count - 64)
        clients = load.Load(ADDRESS, 64, seconds=600)
        clients.round()
        figures["bytes of RAM for each of 100,000 connections, 1 GiB machine"] = \
            (free - pages.free(monitor)) * PAGE_BYTES / count
        clients.close()
        figures["instructions/request, 64 active of 100,000 open"] = \
            per_request(monitor, 64, 3200, 5)
        connections.close()


def exits(guest, figures, out):
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
    os.remove(log)
    notifications = sum("virtio_queue_notify" in line for line in lines)
    interrupts = sum("virtio_notify" in line for line in lines)
    figures["notifications/request, 64 open"] = notifications / done
    figures["interrupts/request, 64 open"] = interrupts / done


def wrk(guest, threads, connections):
    """wrk's requests/s, p50 and p99 in ms, by figure."""
    label = f"wrk -t{threads} -c{connections}"
    output = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{WRK_SECONDS}s", "--latency",
         f"http://{netns.GUEST}:80/"], capture_output=True, text=True, check=True).stdout
    errors = re.search(r"(Socket errors|Non-2xx).*", output)
    if errors:
        print(f"note: {guest.name}, {label}: {errors.group(0)}", file=sys.stderr)
    return {f"{label}: {figure}": milliseconds(re.search(pattern, output).group(1))
            for figure, pattern in (("requests/s", r"Requests/sec:\s+([\d.]+)"),
                                    ("p50 ms", r"50%\s+([\d.]+\w+)"),
                                    ("p99 ms", r"99%\s+([\d.]+\w+)"))}


def milliseconds(text):
    """wrk's times as milliseconds; plain numbers stay."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)?", text)
    return float(match.group(1)) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000,
                                    None: 1}[match.group(2)]


def wall_clock(guest, figures, measured):
    """wrk's figures of one boot: the medians with those of the rounds before in `measured`."""
    with guest.running() as _:
        for threads, connections in LOADS:
            for figure, value in wrk(guest, threads, connections).items():
                measured.setdefault(figure, []).append(value)
    for figure, values in measured.items():
        figures[figure] = statistics.median(values)
        if figure.endswith("requests/s") and len(values) > 1:
            figures[figure + ", lowest"] = min(values)
            figures[figure + ", highest"] = max(values)


def say(text):
    print(text, file=sys.stderr, flush=True)


class Table:
    """Figures by guest; the file is written after each step, so that a cut run leaves its part."""

    def __init__(self, path, guests):
        self.path, self.guests = path, guests
        self.figures = {guest.name: {} for guest in guests}

    def step(self, guest, what, measure, *arguments):
        say(f"{guest.title}: {what}")
        try:
            measure(guest, self.figures[guest.name], *arguments)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            say(f"note: {guest.title}: {what}: {error}")
        self.save()

    def rows(self):
        """Each figure with its values, in the order in which figures were first measured."""
        names = dict.fromkeys(row for figures in self.figures.values() for row in figures)
        return [(row, [self.figures[guest.name].get(row) for guest in self.guests])
                for row in names]

    def save(self):
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["figure", *(guest.title for guest in self.guests)])
            for row, cells in self.rows():
                writer.writerow([row, *("" if cell is None else f"{cell:.3f}" for cell in cells)])

    def print(self):
        print("| figure | " + " | ".join(guest.title for guest in self.guests) + " |")
        print("|---" * (1 + len(self.guests)) + "|")
        for row, cells in self.rows():
            print(f"| {row} | " + " | ".join(
                "" if cell is None else f"{cell:,.2f}" if cell < 20 else f"{cell:,.0f}"
                for cell in cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    parser.add_argument("--guests", default=",".join(contestants.MAKERS))
    parser.add_argument("--rounds", type=int, default=3, help="of wrk over all guests")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = out
    www = contestants.make_www(out)
    # The second time, inside the namespace, everything is there already.
    is_inside = bool(os.environ.get(netns.MARK))
    guests = contestants.make(out, www, options.guests.split(","), None if is_inside else
                              lambda name, reason: say(f"left out: {name}: {reason}"))
    if not options.quick:
        contestants.make_huge_tar(out)
    netns.enter()
    table = Table(os.path.join(out, "bench", "http.csv"), guests)
    for guest in guests:
        table.step(guest, "instructions", counted, options.quick)
        table.step(guest, "notifications and interrupts", exits, out)
    measured = {guest.name: {} for guest in guests}
    for number in range(1 if options.quick else options.rounds):
        for guest in guests:
            table.step(guest, f"wrk, round {number + 1}", wall_clock, measured[guest.name])
    for guest in () if options.quick else guests:
        if guest.name == "wafer":
            table.step(guest, "100,000 connections", hundred_thousand)
        table.step(guest, "the large file", huge)
    table.print()
    drawing = os.path.join(machine.ROOT, "docs", "http.svg") if options.docs else \
        os.path.join(out, "bench", "http.svg")
    chart.draw(table.path, drawing)
    say(f"saved {table.path} and {drawing}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
