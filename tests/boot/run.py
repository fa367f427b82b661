#!/usr/bin/env python3
"""Runs tests/boot/tests.toml and the server tests; prints TAP.

Usage: tests/boot/run.py [--out BUILD] [--only TEXT] [--jobs N]
"""
import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import threading
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import command_tests  # noqa: E402
import console_tests  # noqa: E402
import gdb_tests  # noqa: E402
import observe_tests  # noqa: E402
import server_tests  # noqa: E402

CC = ["clang-19", "--target=wasm32-wasi", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-O2", "-g",
      "-I" + ROOT, f"-ffile-prefix-map={ROOT}/="]


class Failure(Exception):
    """What a test found wrong, as text."""


class Bench:
    """Builds test programs and runs wafer."""

    def __init__(self, out):
        self.out = out
        self.lock = threading.Lock()
        os.makedirs(os.path.join(out, "boot"), exist_ok=True)

    def program(self, name, *flags):
        """The path of the compiled module; flags come last and tell it from others."""
        if name.startswith("example:"):
            return os.path.join(self.out, "examples", name[8:] + ".wasm")
        source = os.path.join(HERE, "programs", name)
        if name.endswith(".wat"):
            return source
        target = os.path.join(self.out, "boot", name[:-2] + "".join(flags) + ".wasm")
        with self.lock:
            if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(source):
                subprocess.run(CC + [*flags, source, "-o", target], check=True)
        return target

    def command(self, *arguments):
        return [os.path.join(ROOT, "scripts", "wafer"), *arguments]

    def environment(self):
        return dict(os.environ, WAFER_BUILD=self.out)

    def wafer(self, *arguments, stdin=b"", seconds=120):
        try:
            return subprocess.run(self.command(*arguments), input=stdin, capture_output=True,
                                  timeout=seconds, env=self.environment(), check=False)
        except subprocess.TimeoutExpired as error:
            tail = (error.stderr or b"")[-2000:].decode(errors="replace")
            raise Failure(f"no end after {seconds} s; standard error ends with:\n{tail}") from error

    def files(self, kind):
        """A generated folder of test files; returns its path and the expected listing."""
        path = os.path.join(self.out, "boot", "files-" + kind)
        with self.lock:
            return path, make_tree(path)


def make_tree(path):
    """Files of telling sizes and names, and what tests/boot/programs/tree.c prints for them."""
    names = {"empty": b"", "one": b"x", "block": bytes(range(256)) * 2,
             "big": bytes(i * 7 % 251 for i in range(200001)),
             "folder/inner/deep": b"deep", "n" * 120: b"long",
             "/".join(["d" * 60] * 4) + "/" + "f" * 90: b"very long", "ümlaut €": b"utf8"}
    links = {"to-one": "one", "folder/up": "../block"}
    for name, data in names.items():
        full = os.path.join(path, name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(data)
    os.makedirs(os.path.join(path, "empty-folder"), exist_ok=True)
    for name, target in links.items():
        full = os.path.join(path, name)
        if not os.path.islink(full):
            os.symlink(target, full)
    # Wafer adds /tmp where there is none; with one of ours the listing is the host's.
    os.makedirs(os.path.join(path, "tmp"), exist_ok=True)
    return list_tree(path, "")


def content_sum(path):
    total = 0
    with open(path, "rb") as file:
        for byte in file.read():
            total = (total * 31 + byte) & 0xFFFFFFFF
    return total


def list_tree(host, guest):
    lines = []
    for name in sorted(os.listdir(host), key=os.fsencode):
        full, child = os.path.join(host, name), guest + "/" + name
        if os.path.islink(full):
            lines.append(f"l {child} -> {os.readlink(full)} {content_sum(full):08x}\n")
        elif os.path.isdir(full):
            lines.append(f"d {child}\n")
            lines += list_tree(full, child)
        else:
            lines.append(f"f {child} {os.path.getsize(full)} {content_sum(full):08x}\n")
    return lines


def compare(name, got, want):
    if got != want:
        raise Failure(f"{name} is\n  {got[:1500]!r}\nbut should be\n  {want[:1500]!r}")


def run_listed(bench, test):
    """One entry of tests.toml."""
    options = [option.replace("{here}", HERE) for option in test.get("options", [])]
    expected_tree = None
    if "files" in test:
        path, expected_tree = bench.files(test["files"])
        options = [option.replace("{files}", path) for option in options]
    module = bench.program(test["program"])
    arguments = test.get("arguments", [])
    seconds = test.get("seconds", 120)
    if test.get("medium") == "iso":
        image = os.path.join(bench.out, "boot", re.sub(r"\W+", "-", test["name"]) + ".elf")
        built = bench.wafer("build", module, "-o", image, "--iso", *options, "--", *arguments)
        if built.returncode:
            raise Failure("wafer build failed:\n" + built.stderr.decode(errors="replace"))
        result = bench.wafer("run", image[:-4] + ".iso", seconds=seconds)
    else:
        result = bench.wafer("run", module, *options, *(["--", *arguments] if arguments else []),
                             stdin=test.get("stdin", "").encode(), seconds=seconds)
    stderr = result.stderr.decode(errors="replace")
    context = f"\nstandard error:\n{stderr[-3000:]}"
    if result.returncode != test.get("exit", 0):
        raise Failure(f"exit code {result.returncode}, should be {test.get('exit', 0)}{context}")
    if "stdout_sha256" in test:
        compare("sha256 of stdout", hashlib.sha256(result.stdout).hexdigest(),
                test["stdout_sha256"])
    elif expected_tree is not None:
        compare("stdout", result.stdout, "".join(expected_tree).encode())
    else:
        compare("stdout", result.stdout, test["stdout"].encode())
    if "stderr" in test:
        for pattern in test["stderr"]:
            if not re.search(pattern, stderr):
                raise Failure(f"standard error lacks /{pattern}/{context}")
    else:
        compare("stderr", stderr, "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="", help="run the tests whose name contains this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    bench = Bench(os.path.abspath(options.out))
    with open(os.path.join(HERE, "tests.toml"), "rb") as file:
        tests = [(t["name"], lambda t=t: run_listed(bench, t)) for t in tomllib.load(file)["test"]]
    functions = (command_tests.TESTS + console_tests.TESTS + gdb_tests.TESTS + observe_tests.TESTS
                 + server_tests.TESTS)
    tests += [(name, lambda f=function: f(bench)) for name, function in functions]
    tests = [test for test in tests if options.only in test[0]]

    def attempt(function):
        try:
            function()
            return None
        except Exception as error:  # a broken test is a failed test, not a broken run
            return error

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = [(name, pool.submit(attempt, function)) for name, function in tests]
        failed = 0
        print(f"1..{len(results)}")
        for number, (name, future) in enumerate(results, 1):
            error = future.result()
            if isinstance(error, server_tests.Skip):
                print(f"ok {number} - {name} # SKIP {error}", flush=True)
                continue
            print(f"{'not ' if error else ''}ok {number} - {name}", flush=True)
            if error:
                failed += 1
                for line in f"{type(error).__name__}: {error}".splitlines():
                    print("#   " + line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
