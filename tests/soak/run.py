#!/usr/bin/env python3
"""A booted server under a load that means ill, for SECONDS; TAP output.

Usage: tests/soak/run.py [--out BUILD] [--seconds N]      (make soak SECONDS=600)

The example file server in a machine of 128 MiB on a TAP, in a network namespace of the test's
own. Against it, all at once: wrk over keep-alive connections, wrk with a new connection for
each request, and the clients of tests/soak/clients.py. In the end every client must have been
served, none wrongly; the kernel's free pages must be bounded below, and in a long run not get
fewer; and the server must answer. Latency is reported, not judged.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(ROOT, "bench"), os.path.dirname(os.path.abspath(__file__))]
import clients  # noqa: E402
import contestants  # noqa: E402
import kernel_memory  # noqa: E402
import load  # noqa: E402
import netns  # noqa: E402

ADDRESS = contestants.ADDRESS
MEMORY_MIB = 128
SLICES = 10
PAGE_KIB = 4
# A connection whose peer has vanished lives for the server's idle limit (75 s) and then until
# TCP gives up (100 s and up to one retransmission time); a long run is one with a middle.
SETTLE_SECONDS = 210
LONG_SECONDS = 2 * SETTLE_SECONDS
LOAD_KIB_MAX, DRIFT_KIB_MAX = 24 << 10, 1 << 10


def say(text):
    print("# " + text, flush=True)


class Results:
    """TAP."""

    def __init__(self, plan):
        print(f"TAP version 13\n1..{plan}", flush=True)
        self.count = self.failed = 0

    def check(self, title, problems):
        self.count += 1
        for problem in problems[:20]:
            say(problem)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {title}", flush=True)
        self.failed += bool(problems)


class Wrk:
    """One run of wrk in the background."""

    def __init__(self, seconds, connections, *options):
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency",
             *options, f"http://{netns.GUEST}:80/"], stdout=subprocess.PIPE, text=True)

    def finish(self):
        """Returns (requests, p99 as wrk writes it, errors)."""
        output = self.process.communicate(timeout=600)[0]
        errors = [match.group(0) for match in
                  re.finditer(r"(Socket errors|Non-2xx or 3xx responses): .*", output)]
        requests = re.search(r"(\d+) requests in", output)
        p99 = re.search(r"^\s*99%\s+(\S+)", output, re.M)
        if not requests or not p99 or requests.group(1) == "0":
            errors.append("wrk: no request was answered: " + output.strip()[-200:])
            return 0, "-", errors
        return int(requests.group(1)), p99.group(1), errors


def soak(monitor, pages, seconds):
    """The load itself. Returns (problems of clients, problems of wrk, free pages by slice)."""
    stop = threading.Event()
    crowd = [kind(ADDRESS, stop) for kind in (clients.Slow, clients.Oversized, clients.Aborting,
                                              clients.HalfClosing)]
    ghosts = clients.Ghosts(ADDRESS, stop, netns.TAP, netns.GUEST_MAC)
    crowd.append(ghosts)
    for client in crowd:
        client.start()
    slices = SLICES if seconds >= LONG_SECONDS else 2
    free, wrk_problems = [], []
    for number in range(slices):
        steady = Wrk(seconds // slices, 32)
        churn = Wrk(seconds // slices, 16, "-H", "Connection: close")
        served, p99, errors = steady.finish()
        renewed, renewed_p99, churn_errors = churn.finish()
        wrk_problems += errors + churn_errors
        free.append(pages.free(monitor))
        say(f"slice {number + 1}/{slices}: {served} requests, p99 {p99}; {renewed} with a "
            f"connection each, p99 {renewed_p99}; {free[-1] * PAGE_KIB} KiB free")
    stop.set()
    for client in crowd:
        client.join(2 * clients.ANSWER_SECONDS)
    say(", ".join(f"{client.title}: {client.count}" for client in crowd) +
        f"; ghosts' SYN-ACKs seen: {ghosts.seen}, answered: {ghosts.opened}")
    problems = [error for client in crowd for error in client.errors]
    problems += [f"{client.title}: none finished" for client in crowd
                 if client.count == 0 or client.is_alive()]
    if ghosts.opened == 0:
        problems.append("no SYN of the flood was answered")
    return problems, wrk_problems, free


def memory_problems(at_boot, under_load, at_rest):
    """A leak shows in a long run between the slices after connections began to time out."""
    problems = []
    if at_boot - min(under_load) > LOAD_KIB_MAX // PAGE_KIB:
        problems.append(f"the load takes {(at_boot - min(under_load)) * PAGE_KIB} KiB")
    if at_rest is not None:
        middle, end = min(under_load[SLICES // 2:-2]), min(under_load[-2:])
        if middle - end > DRIFT_KIB_MAX // PAGE_KIB:
            problems.append(f"{(middle - end) * PAGE_KIB} KiB went in the second half")
        if at_rest < max(under_load[SLICES // 2:]):
            problems.append("rest frees nothing")
    return problems


def still_answers():
    try:
        for _ in range(20):
            load.wait_for_server(ADDRESS, seconds=10)
        return []
    except RuntimeError as error:
        return [str(error)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    problem = netns.problem()
    if problem:
        print(f"1..1\nok 1 - soak # SKIP {problem}")
        return 0
    out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = out
    guest = contestants.make_wafer(out, contestants.make_www(out))
    netns.enter()
    results = Results(4)
    pages = kernel_memory.PageCounter(guest.image)
    with tempfile.TemporaryDirectory(prefix="wafer-soak-") as folder:
        log = os.path.join(folder, "log")
        with guest.running("-serial", "file:" + log, memory_mib=MEMORY_MIB) as monitor:
            at_boot, at_rest = pages.free(monitor), None
            say(f"{at_boot * PAGE_KIB} KiB free after boot")
            client_problems, wrk_problems, free = soak(monitor, pages, options.seconds)
            if options.seconds >= LONG_SECONDS:
                time.sleep(SETTLE_SECONDS)
                at_rest = pages.free(monitor)
                say(f"{at_rest * PAGE_KIB} KiB free after {SETTLE_SECONDS} s of rest")
            results.check("every client was served as it deserved", client_problems)
            results.check("wrk saw no error", wrk_problems)
            results.check("memory is flat", memory_problems(at_boot, free, at_rest))
            results.check("the server still answers", still_answers())
        if results.failed:
            with open(log, encoding="utf-8", errors="replace") as file:
                for line in file.read().splitlines()[-40:]:
                    say("| " + line)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
