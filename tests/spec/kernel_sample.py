#!/usr/bin/env python3
"""A sample of the official tests inside booted images; prints TAP.

Usage: tests/spec/kernel_sample.py [--out BUILD] [--suite FOLDER] [FILE ...]

The assertions of a module become code of the module itself (rewrite.py): its _start calls
the exports and compares. So linear memory lies at address zero, and guard pages, fault
handlers and the trap report are the kernel's. A trap ends the machine, so each kind of
trap in a file is an image of its own: exit code 134, the trap's text on stderr.
"""
import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import convert  # noqa: E402
import modules  # noqa: E402
import rewrite  # noqa: E402
import script  # noqa: E402

RETURNS = [f"wg-2.0/{name}" for name in (
    "address", "endianness", "memory_trap", "float_memory", "i32", "i64", "f32", "f64",
    "conversions", "call", "call_indirect", "br_table", "memory_grow", "memory_fill",
    "memory_copy", "simd/simd_address", "simd/simd_load", "simd/simd_i8x16_arith")]
RETURNS += [f"wg-3.0/{name}" for name in (
    "exceptions/try_table", "return_call", "return_call_indirect", "call_ref",
    "multi-memory/address1", "multi-memory/memory_copy1", "multi-memory/memory_size2",
    "memory64/address64", "memory64/memory_grow64", "memory64/table_grow64")]
RETURNS += ["own/exnref_pool"]
TRAPS = [f"wg-2.0/{name}" for name in (
    "traps", "unreachable", "call", "call_indirect", "conversions", "memory_trap", "table_copy",
    "simd/simd_address")]
TRAPS += [f"wg-3.0/{name}" for name in (
    "exceptions/throw", "call_ref", "multi-memory/memory_trap1", "memory64/memory_trap64")]
LONGEST = 1500  # assertions an image: more only repeat themselves
BOOT_SECONDS = 60


def split(commands):
    """[(module file, its commands)]"""
    out = []
    for command in commands:
        if command["type"] == "module":
            out.append((command.get("binary_filename") or command["filename"], []))
        elif out and "action" in command and not command["action"].get("module"):
            out[-1][1].append(command)
    return out


class Files:
    """The modules of one .wast file."""

    def __init__(self, tool, folder, commands):
        self.folder = folder
        self.commands = commands
        self.descriptions = modules.describe(tool, script.binaries(folder, commands), "wg-3.0")

    def load(self, file):
        path = os.path.join(self.folder, file)
        with open(path, "rb") as binary:
            return rewrite.Module(binary.read(), self.descriptions[path])


def returning(files):
    """The module of a file with the most checks, as bytes, and their number."""
    best = (0, None)
    for file, actions in split(files.commands):
        module = files.load(file)
        checks = []
        for command in actions[:LONGEST]:
            try:
                if command["type"] == "assert_return":
                    checks.append((f"checks from line {command['line']}",
                                   rewrite.check_return(module, command)))
                elif command["type"] == "action":
                    checks.append((f"line {command['line']}",
                                   rewrite.run_action(module, command)))
            except rewrite.NotComparable:
                pass
            except rewrite.Unsupported:
                break
        if not module.has_imports and len(checks) > best[0]:
            names = module.add_start(checks)
            best = (len(checks), module.binary(names))
    return best


def trapping(files):
    """{trap text: module bytes}: the first assertion of each text."""
    out = {}
    for file, actions in split(files.commands):
        for command in actions:
            if command["type"] not in ("assert_trap", "assert_exhaustion", "assert_exception"):
                continue
            text = script.trap_text(command.get("text", "unhandled exception"))
            module = files.load(file)
            if text in out or module.has_imports:
                continue
            try:
                code = rewrite.run_action(module, command)
            except rewrite.Unsupported:
                continue
            out[text] = module.binary(
                module.add_start([(f"line {command['line']}", code)]))
    return out


class Boot:
    """Builds an image of a module and runs it."""

    def __init__(self, out):
        self.folder = os.path.join(out, "kernel-sample")
        self.environment = dict(os.environ, WAFER_BUILD=out)
        os.makedirs(self.folder, exist_ok=True)

    def run(self, title, data):
        path = os.path.join(self.folder, title.replace("/", "_").replace(" ", "_") + ".wasm")
        with open(path, "wb") as file:
            file.write(data)
        try:
            result = subprocess.run([os.path.join(ROOT, "scripts", "wafer"), "run", path],
                                    capture_output=True, text=True, errors="replace",
                                    timeout=BOOT_SECONDS, env=self.environment,
                                    stdin=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return None, f"no end within {BOOT_SECONDS} s"
        return result.returncode, result.stderr


def report(ok, title, text):
    print(("ok - " if ok else "not ok - ") + title)
    if not ok:
        print("\n".join("#   " + line for line in text.strip().split("\n")[-12:]))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--suite", default=os.path.join(ROOT, "..", "shared", "testsuite"))
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if not os.path.isdir(options.suite):
        print("ok - official tests in booted images # SKIP not found: see tests/spec/run.py")
        return 0
    out = os.path.abspath(options.out)
    boot = Boot(out)
    for file in sorted(set(RETURNS + TRAPS)):
        if options.files and file not in options.files:
            continue
        folder = os.path.join(out, "spec", file.replace("/", "_"))
        try:
            suite = HERE if file.startswith("own/") else options.suite
            commands = convert.convert(os.path.join(suite, file + ".wast"), folder,
                                       file.split("/", maxsplit=1)[0],
                                       convert.find_wasm_tools(out))
        except convert.ConvertError as error:
            print(f"ok - {file} in an image # SKIP {error}")
            continue
        files = Files(os.path.join(out, "hosted", "describe"), folder, commands)
        if file in RETURNS:
            count, data = returning(files)
            if count:
                status, text = boot.run(file, data)
                report(status == 0, f"{file} in an image ({count} assertions)", text)
        for trap, data in (trapping(files) if file in TRAPS else {}).items():
            status, text = boot.run(f"{file} {trap}", data)
            report(status == 134 and trap in text, f"{file} in an image: {trap}", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
