#!/usr/bin/env python3
"""Random valid modules: waferc's code and Node's engine must agree; prints TAP.

Usage: tests/spec/differential.py [--out BUILD] [--count N] [--seed N] [--jobs N]
                                  [--flags=-O2] [--resume]

Of ten modules nine are of our own making (generator.py), one comes from wasm-tools smith.
The exported functions are called in three rounds with arguments from a list of edges;
results, traps, exported globals and the content of exported memories are compared. The
seed also decides -O0 to -O3 and the processor level, unless --flags does.

A module that differs is reduced and stays in BUILD/differential/ as <seed>.wasm and
<seed>-reduced.wasm. --resume goes on where the same command was interrupted.
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import convert  # noqa: E402
import engines  # noqa: E402
import generator  # noqa: E402
import modules  # noqa: E402
import reduce  # noqa: E402

BATCH = 200
SMITH_SHARE = 10
SMITH = {
    "min-funcs": 4, "max-funcs": 12, "max-imports": 0, "min-exports": 8, "max-exports": 30,
    "export-everything": True, "max-memories": 1, "max-memory32-bytes": 1 << 20,
    "memory-max-size-required": True, "max-tables": 3, "max-table-elements": 200,
    "table-max-size-required": True, "max-instructions": 1000,
    "memory-offset-choices": [90, 9, 1], "canonicalize-nans": True,
    "bulk-memory-enabled": True, "multi-value-enabled": True, "saturating-float-to-int-enabled": True,
    "sign-extension-ops-enabled": True, "tail-call-enabled": True,
    "extended-const-enabled": False, "relaxed-simd-enabled": False,
    "exceptions-enabled": False, "memory64-enabled": False,
    "threads-enabled": False, "gc-enabled": False, "custom-page-sizes-enabled": False,
    "wide-arithmetic-enabled": False, "shared-everything-threads-enabled": False,
    "allow-start-export": True, "max-types": 20, "compact-imports-enabled": False,
    "custom-descriptors-enabled": False, "acquire-release-atomics-enabled": False,
    "multibyte-array-access-enabled": False,
}


@dataclasses.dataclass
class Settings:
    out: str
    tool: str        # wasm-tools
    levels: tuple    # of optimisation
    cpus: tuple

    @property
    def folder(self):
        return os.path.join(self.out, "differential")


def smith(settings, seed, path):
    """False when the generator finds the seed too short. Instructions are guarded so that
    they do not trap, so that more of a module runs. Vectors and references stay out of some
    modules, because JavaScript cannot call functions that take them."""
    choices = {"disallow-traps": True, "simd-enabled": seed % 3 == 0,
               "reference-types-enabled": seed % 5 == 0}
    flags = [f"--{name}={'true' if value else 'false'}" for name, value in choices.items()]
    data = random.Random(seed).randbytes(30000)
    result = subprocess.run([settings.tool, "smith", "--ensure-termination", "--config",
                             os.path.join(settings.folder, "smith.json"), *flags, "-o", path],
                            input=data, capture_output=True, check=False)
    message = result.stderr.decode(errors="replace")
    if result.returncode != 0 and "enough" not in message:
        raise RuntimeError(f"wasm-tools smith: {message}")
    return result.returncode == 0


def is_ours(settings, seed):
    return settings.tool is None or seed % SMITH_SHARE != 0


def make_cases(settings, seeds, folder):
    """Writes the modules of the seeds."""
    cases = []
    smiths = {}
    for seed in seeds:
        path = os.path.join(folder, f"{seed}.wasm")
        draw = random.Random(-seed)
        case = engines.Case(str(seed), path, [], draw.choice(settings.levels),
                            draw.choice(settings.cpus))
        if is_ours(settings, seed):
            module = generator.make(seed)
            case.exports = module.description()["exports"]
            with open(path, "wb") as file:
                file.write(module.encode())
        elif smith(settings, seed, path):
            smiths[path] = case
        else:
            continue
        cases.append(case)
    tool = os.path.join(settings.out, "hosted", "describe")
    for path, description in modules.describe(tool, list(smiths), "wg-3.0").items():
        smiths[path].exports = description.get("exports", [])
        if "error" in description:
            smiths[path].failures[""] = "waferc refuses it: " + description["error"]
    return cases


def report(settings, engine, case):
    """What differs, in a few lines; leaves the module and a smaller one."""
    seed = int(case.name)
    kept = os.path.join(settings.folder, f"{seed}.wasm")
    shutil.copyfile(case.path, kept)
    lines = [f"seed {seed}, -O{case.level} --cpu x86-64-v{case.cpu}: {kept}"]
    lines += [f"  {text} ({line[:200]})" for line, text in list(case.failures.items())[:3]]
    if is_ours(settings, seed):
        small = os.path.join(settings.folder, f"{seed}-reduced.wasm")
        size = reduce.reduce_case(generator.make(seed), case, engine, small)
        lines.append(f"  reduced to {size} bytes: {small}")
    return "\n".join(lines)


def run_batch(settings, seeds):
    """{"compared", "steps", "traps", "failures": [text]}"""
    out = {"compared": 0, "steps": 0, "traps": 0, "failures": []}
    try:
        compare_batch(settings, seeds, out)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        out["failures"].append(f"seeds {seeds[0]} to {seeds[-1]}: {error!r}"[:500])
    return out


def compare_batch(settings, seeds, out):
    folder = os.path.join(settings.folder, f"batch-{os.getpid()}")
    engine = engines.Engines(settings.out, folder)
    cases = make_cases(settings, seeds, folder)
    engine.run(cases)
    for case in cases:
        if case.refused:
            case.failures[""] = "Node refuses it: " + case.refused
        out["compared"] += bool(case.lines)
        out["steps"] += len(case.lines)
        out["traps"] += sum(" trap " in line for line in case.lines)
        if case.failures:
            out["failures"].append(report(settings, engine, case))
    shutil.rmtree(folder)


class Progress:
    """What is done, on disk: a run that was interrupted goes on."""

    def __init__(self, settings, options):
        self.path = os.path.join(settings.folder, "progress.json")
        self.totals = {"key": [options.seed, options.count, options.flags],
                       "done": [], "compared": 0, "steps": 0, "traps": 0, "failures": []}
        if options.resume and os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                saved = json.load(file)
            if saved["key"] == self.totals["key"]:
                self.totals = saved

    def add(self, first, result):
        self.totals["done"].append(first)
        for name, value in result.items():
            self.totals[name] += value
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.totals, file)
        os.replace(self.path + ".new", self.path)


def processor_levels():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = file.read().split("flags", 1)[-1].split("\n", 1)[0].split()
    levels = [2]
    if {"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"} <= set(flags):
        levels.append(3)
        if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= set(flags):
            levels.append(4)
    return tuple(levels)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--flags", default="", help="one of -O0 to -O3 for all modules")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def say(first, count, result):
    title = f"random modules {first} to {first + count - 1}: {result['compared']} compared"
    print(("not ok - " if result["failures"] else "ok - ") + title)
    for text in result["failures"]:
        print("# " + text.replace("\n", "\n# "))
    sys.stdout.flush()


def main():
    options = parse()
    if shutil.which("node") is None:
        print("ok - random modules against Node # SKIP needs node")
        return 0
    out = os.path.abspath(options.out)
    levels = (int(options.flags[2:]),) if options.flags else (0, 1, 2, 2, 3)
    settings = Settings(out, convert.find_wasm_tools(out), levels, processor_levels())
    os.makedirs(settings.folder, exist_ok=True)
    with open(os.path.join(settings.folder, "smith.json"), "w", encoding="utf-8") as file:
        json.dump(SMITH, file)
    progress = Progress(settings, options)
    totals = progress.totals
    started, before = time.monotonic(), totals["compared"]
    firsts = [first for first in range(options.seed, options.seed + options.count, BATCH)
              if first not in totals["done"]]
    end = options.seed + options.count
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        running = {pool.submit(run_batch, settings, range(first, min(first + BATCH, end))): first
                   for first in firsts}
        for future in concurrent.futures.as_completed(running):
            first = running[future]
            progress.add(first, future.result())
            say(first, min(first + BATCH, end) - first, future.result())
            rate = (totals["compared"] - before) / (time.monotonic() - started)
            print(f"# {totals['compared']} of {options.count} modules, {rate:.0f} a second, "
                  f"{totals['steps']} steps, {totals['traps']} traps, "
                  f"{len(totals['failures'])} differences", file=sys.stderr)
    print(f"# {totals['compared']} modules compared, {totals['steps']} steps, "
          f"{totals['traps']} traps")
    for text in totals["failures"]:
        print("# " + text.replace("\n", "\n# "))
    return 0


if __name__ == "__main__":
    sys.exit(main())
