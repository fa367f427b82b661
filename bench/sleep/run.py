#!/usr/bin/env python3
"""How late a sleep by poll_oneoff ends, and what it costs.

Usage: bench/sleep/run.py [--out BUILD]      (make bench-sleep)

Once with guest time counted in instructions, where the host does not disturb: what is late
there is late because of Wafer. Once in the emulator's real time, which shows the host too.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import machine  # noqa: E402

MODES = {"counted": ["--qemu=-icount", "--qemu=shift=0,sleep=off"], "real": []}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    out = os.path.abspath(parser.parse_args().out)
    os.environ["WAFER_BUILD"] = out
    module = os.path.join(out, "bench", "oversleep.wasm")
    os.makedirs(os.path.dirname(module), exist_ok=True)
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O2", "-D_WASI_EMULATED_PROCESS_CLOCKS",
                    os.path.join(HERE, "oversleep.c"), "-lwasi-emulated-process-clocks", "-o",
                    module], check=True)
    print("| time | sleep, us | least late | median | 90 % | worst | processor time a sleep |\n"
          "|---|---|---|---|---|---|---|")
    for mode, options in MODES.items():
        output = subprocess.run([machine.WAFER, "run", module, "--accel", "tcg", "--net", "none",
                                 *options], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, check=True).stdout
        for line in output.splitlines()[1:]:
            print(f"| {mode} | " + " | ".join(line.split()) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
