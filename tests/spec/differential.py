#!/usr/bin/env python3
"""Random valid modules: waferc's code and Node's engine must agree; prints TAP.

Usage: tests/spec/differential.py [--out BUILD] [--count N] [--seed N] [--flags FLAGS]

Two modules in three are numeric expressions of our own (expressions.py), the others come
from wasm-tools smith. Each exported function is called three times with
arguments from a list of edges; results, traps, exported globals and the content of
exported memories are compared. Modules that differ stay in BUILD/differential/.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import convert  # noqa: E402
import expressions  # noqa: E402
import modules  # noqa: E402
import run  # noqa: E402

BATCH = 20
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


def make_expressions(tool, seed, path):
    text = path[:-len("wasm")] + "wat"
    with open(text, "w", encoding="utf-8") as file:
        file.write(expressions.Generator(seed).module())
    run.run([tool, "parse", text, "-o", path], "wasm-tools parse")
    os.remove(text)
    return True


def make_module(tool, config, seed, path):
    if seed % 3:
        return make_expressions(tool, seed, path)
    return make_random(tool, config, seed // 3, path)


def make_random(tool, config, seed, path):
    """False when the generator finds the seed too short. Instructions are guarded so that
    they do not trap: more of a module runs, and where several could trap, which of them does
    is not something this compiler keeps. Vectors and references stay out of some modules,
    because JavaScript cannot call functions that take them."""
    choices = {"disallow-traps": True, "simd-enabled": seed % 3 == 0,
               "reference-types-enabled": seed % 5 == 0}
    flags = [f"--{name}={'true' if value else 'false'}" for name, value in choices.items()]
    data = random.Random(seed).randbytes(30000)
    result = subprocess.run([tool, "smith", "--ensure-termination", "--config", config,
                             *flags, "-o", path], input=data, capture_output=True, check=False)
    message = result.stderr.decode(errors="replace")
    if result.returncode != 0 and "enough" not in message:
        raise run.Trouble(f"wasm-tools smith: {message}")
    return result.returncode == 0


def script_lines(index, line, steps):
    """What Node did, as a script for tests/hosted/spec_runner.c."""
    out = []
    for step in steps:
        name = step.get("name", "").encode().hex() or "-"
        if step["kind"] == "start":
            out.append(f"module {line} {index} " + ("trap " + step["trap"] if "trap" in step
                                                    else "ok"))
        elif step["kind"] == "memory":
            out.append(f"memory {line} {index} {name} {step['pages']} {step['hash']}")
        elif step["kind"] == "get":
            out.append(f"get {line} {index} {name} {step['value']}")
        else:
            arguments = " ".join([str(len(step["args"])), *step["args"]])
            outcome = ("trap " + step["trap"] if "trap" in step else
                       " ".join(["return", str(len(step["results"])), *step["results"]]))
            out.append(f"call {line} {index} {name} {arguments} {outcome}")
    return out


def ask_node(descriptions):
    work = [{"file": path, "exports": description["exports"]}
            for path, description in descriptions.items()]
    result = subprocess.run(["node", "--stack-size=4000", os.path.join(HERE, "differential.mjs")],
                            input=json.dumps(work), capture_output=True, text=True, check=True,
                            timeout=300)
    return dict(zip(descriptions, map(json.loads, result.stdout.split("\n")[:-1])))


def compare(bench, folder, paths, first):
    """Returns (modules compared, failure texts)."""
    descriptions = modules.describe(bench.describe, paths, "wg-3.0")
    refused = [f"{path}: {description['error']}" for path, description in descriptions.items()
               if "error" in description]
    descriptions = {path: description for path, description in descriptions.items()
                    if "error" not in description}
    node = ask_node(descriptions)
    instances = [modules.Instance(0, bench.spectest, bench.spectest_imports[bench.spectest])]
    lines = ["module 0 0 ok"]
    for at, path in enumerate(paths):
        steps = node.get(path, [])
        if steps and steps[0]["kind"] != "skip":
            instance = modules.Instance(len(instances), path, descriptions[path])
            instances.append(instance)
            lines += script_lines(instance.index, first + at, steps)
    program = bench.link(instances, folder)
    _, failures = bench.execute(program, lines)
    return len(instances) - 1, refused + failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flags", default="-O2")
    options = parser.parse_args()
    tool = convert.find_wasm_tools(os.path.abspath(options.out))
    if tool is None or shutil.which("node") is None:
        print("ok - random modules against Node # SKIP needs wasm-tools (scripts/spec-tools) "
              "and node")
        return 0
    bench = run.Bench(options)
    folder = os.path.join(bench.out, "differential")
    os.makedirs(folder, exist_ok=True)
    config = os.path.join(folder, "smith.json")
    with open(config, "w", encoding="utf-8") as file:
        json.dump(SMITH, file)
    compared = 0
    for first in range(options.seed, options.seed + options.count, BATCH):
        seeds = range(first, min(first + BATCH, options.seed + options.count))
        paths = [os.path.join(folder, f"{seed}.wasm") for seed in seeds]
        paths = [path for seed, path in zip(seeds, paths)
                 if make_module(tool, config, seed, path)]
        try:
            count, failures = compare(bench, folder, paths, first)
        except run.Trouble as error:
            count, failures = 0, [str(error)]
        compared += count
        title = f"random modules {first} to {seeds[-1]}: {count} compared"
        print(("not ok - " if failures else "ok - ") + title)
        for text in failures[:10]:
            print(f"#   {text}")
        if not failures:
            for path in paths:
                os.remove(path)
        sys.stdout.flush()
    print(f"# {compared} modules compared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
