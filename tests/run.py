#!/usr/bin/env python3
"""Runs test suites that speak TAP and adds them up.

Usage: tests/run.py [--logs DIR] SUITE=COMMAND ...

Each COMMAND is a shell command whose stdout is TAP (version 12 or 13; several
programs' outputs may follow each other). A command that fails without saying
`not ok`, or that reports no test at all, counts as one failure. The last line is
`N passed, N failed, N skipped`; the exit code is 0 only if nothing failed.
"""
import argparse
import os
import re
import subprocess
import sys
import time

RESULT = re.compile(r"^(not )?ok\b\s*\d*\s*-?\s*(.*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)


def run_suite(name, command, logs):
    """Returns (passed, failed, skips): two counts and a list of (test, reason)."""
    started = time.monotonic()
    passed, failed, skips, failures = 0, 0, [], []
    log_path = os.path.join(logs, name + ".log")
    with open(log_path, "w", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=log,
                                   stdin=subprocess.DEVNULL, text=True, errors="replace")
        for line in process.stdout:
            log.write(line)
            log.flush()
            match = RESULT.match(line.rstrip("\n"))
            if not match:
                continue
            negative, title, directive, reason = match.groups()
            if negative:
                failed += 1
                failures.append(title)
                print(f"  FAILED {name}: {title}", flush=True)
            elif directive and directive.upper() == "SKIP":
                skips.append((title, reason))
                print(f"  skipped {name}: {title} ({reason})", flush=True)
            else:
                passed += 1
        status = process.wait()
    if (status != 0 and failed == 0) or passed + failed + len(skips) == 0:
        failed += 1
        print(f"  FAILED {name}: the suite ended with status {status}; see {log_path}", flush=True)
    if failed:
        with open(log_path, encoding="utf-8", errors="replace") as log:
            for line in log.readlines()[-60:]:
                print("    | " + line.rstrip("\n"))
    seconds = time.monotonic() - started
    print(f"{name}: {passed} passed, {failed} failed, {len(skips)} skipped in {seconds:.0f} s",
          flush=True)
    return passed, failed, len(skips)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--logs", default="build/test-logs")
    parser.add_argument("suites", nargs="+", metavar="SUITE=COMMAND")
    options = parser.parse_args()
    os.makedirs(options.logs, exist_ok=True)
    totals = [0, 0, 0]
    for suite in options.suites:
        name, _, command = suite.partition("=")
        for index, count in enumerate(run_suite(name, command, options.logs)):
            totals[index] += count
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
