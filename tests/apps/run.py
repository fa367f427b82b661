#!/usr/bin/env python3
"""Programs that nobody here wrote, in virtual machines; prints TAP.

They come from registries (npm, Debian's sources, crates.io, the Go proxy) with pinned versions,
and each does a real job with an exact expected result. What a machine lacks (a compiler, a
registry) skips its tests, with the reason.

Usage: tests/apps/run.py [--out BUILD] [--only TEXT] [--full]
"""
import argparse
import os
import sys

import c_programs
import go_programs
import npm_programs
import rust_programs
from harness import ROOT, Bench, Skip

FAMILIES = [npm_programs, c_programs, go_programs, rust_programs]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="", help="run the tests whose name contains this")
    parser.add_argument("--full", action="store_true",
                        help="optimise large modules too, and let programs work longer")
    options = parser.parse_args()
    bench = Bench(os.path.abspath(options.out), options.full)
    tests = [test for family in FAMILIES for test in family.TESTS if options.only in test[0]]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        try:
            function(bench)
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception as error:  # whatever goes wrong fails this test only
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            for line in f"{type(error).__name__}: {error}".splitlines():
                print("#   " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
