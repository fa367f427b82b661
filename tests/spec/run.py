#!/usr/bin/env python3
"""Runs the official WebAssembly tests against waferc; prints TAP, one test a .wast file.

Usage: tests/spec/run.py [--out BUILD] [--suite FOLDER] [--jobs N] [--flags FLAGS] [FILE ...]

FILE selects tests by a part of their names ("wg-2.0/i32"). Each file's modules are
compiled by waferc, linked with the hosted runner (tests/hosted/) into one program, and
driven by a script. tests/spec/expected-failures.txt names the files that may fail; one
that passes all the same is a failure, so the list can only shrink. Tests of our own in
the same language stand in tests/spec/own/.
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
import convert  # noqa: E402
import glue  # noqa: E402
import modules  # noqa: E402
import script  # noqa: E402

SUITES = ("wg-2.0", "wg-3.0")
OUT_OF_SCOPE = "wg-3.0/gc/"
MEMORY_BASE = "0x60000000"


class Trouble(Exception):
    """A file could not be tested at all."""


def run(command, what, **options):
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                            timeout=600, **options)
    if result.returncode != 0:
        text = (result.stderr + result.stdout).strip().split("\n")
        raise Trouble(f"{what}: status {result.returncode}: " + " | ".join(text[:4]))
    return result.stdout


class Bench:
    """What all files share."""

    def __init__(self, options):
        self.out = os.path.abspath(options.out)
        self.flags = options.flags.split()
        self.waferc = os.path.join(self.out, "waferc")
        self.describe = os.path.join(self.out, "hosted", "describe")
        self.runner = os.path.join(self.out, "hosted", "spec_runner.a")
        self.wasm_tools = convert.find_wasm_tools(self.out)
        self.spectest = os.path.join(self.out, "spec", "spectest.wasm")
        os.makedirs(os.path.dirname(self.spectest), exist_ok=True)
        self.make_spectest()
        self.spectest_object = self.spectest + ".o"
        self.spectest_imports = modules.describe(self.describe, [self.spectest], "wg-3.0")
        self.compile(self.spectest, "m0_", self.spectest_object)

    def make_spectest(self):
        """wabt cannot read the lines that need 3.0: without wasm-tools they stay out."""
        source = os.path.join(HERE, "spectest.wat")
        if self.wasm_tools:
            run([self.wasm_tools, "parse", source, "-o", self.spectest], "wasm-tools")
            return
        with open(source, encoding="utf-8") as file:
            lines = [line for line in file if not line.endswith(";; 3.0\n")]
        reduced = os.path.splitext(self.spectest)[0] + ".wat"
        with open(reduced, "w", encoding="utf-8") as file:
            file.writelines(lines)
        run(["wat2wasm", reduced, "-o", self.spectest], "wat2wasm")

    def compile(self, path, prefix, target):
        run([self.waferc, "--symbol-prefix", prefix, "--exports", "--threads", "1", *self.flags,
             path, "-o", target], f"waferc {os.path.basename(path)}")

    def make_object(self, instance, folder):
        if instance.index == 0 and not instance.shared:
            return self.spectest_object
        target = os.path.join(folder, f"m{instance.index}.o")
        self.compile(instance.path, instance.prefix, target)
        if instance.shared:
            command = ["objcopy"]
            for symbol in sorted(instance.shared):
                command += [f"--globalize-symbol={instance.prefix}{symbol}",
                            f"--redefine-sym={symbol}={instance.prefix}{symbol}"]
            run([*command, target], "objcopy")
        return target

    def link(self, instances, folder):
        source = os.path.join(folder, "glue.s")
        program = os.path.join(folder, "program")
        with open(source, "w", encoding="utf-8") as file:
            file.write(glue.assembly(instances))
        symbols = os.path.join(folder, "symbols.ld")
        with open(symbols, "w", encoding="utf-8") as file:
            file.write(glue.symbols(instances))
        objects = [self.make_object(instance, folder) for instance in instances]
        run(["clang-19", "-static", "-o", program, source, *objects, self.runner, symbols,
             f"-Wl,--defsym,wasm_memory={MEMORY_BASE}"], "link")
        return program

    def execute(self, program, lines):
        """Returns (passed, failure texts)."""
        try:
            result = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True,
                                    text=True, errors="replace", timeout=300, check=False)
        except subprocess.TimeoutExpired as error:
            raise Trouble("the program did not end within 300 s") from error
        output = result.stdout.strip().split("\n")
        if result.returncode != 0:
            last = output[-1] if output[-1] else "nothing"
            raise Trouble(f"the program ended with status {result.returncode}: "
                          f"{result.stderr.strip()[:300]} (last: {last})")
        return int(output[-1].split()[0]), output[:-1]

    def test(self, suite_root, name):
        """Returns (assertions passed, failure texts)."""
        suite = name.split("/")[0]
        folder = os.path.join(self.out, "spec", name[:-len(".wast")].replace("/", "_"))
        commands = convert.convert(os.path.join(suite_root, name), folder, suite, self.wasm_tools)
        descriptions = modules.describe(self.describe, script.binaries(folder, commands), suite)
        spectest = modules.Instance(0, self.spectest, self.spectest_imports[self.spectest])
        translator = script.Translator(folder, descriptions, spectest)
        translator.translate(
            commands, lambda path: convert.text_is_refused(path, suite, self.wasm_tools,
                                                           self.waferc))
        passed, failures = translator.passed, translator.failures
        if len(translator.instances) > 1:
            program = self.link(translator.instances, folder)
            more, texts = self.execute(program, translator.lines)
            os.remove(program)
            passed, failures = passed + more - 1, failures + texts
        return passed, failures


def find_files(suite_root, suites, wanted):
    names = []
    for suite in suites:
        for folder, _, files in os.walk(os.path.join(suite_root, suite)):
            names += [os.path.relpath(os.path.join(folder, file), suite_root)
                      for file in files if file.endswith(".wast")]
    names = [name for name in sorted(names) if not name.startswith(OUT_OF_SCOPE)]
    return [name for name in names if not wanted or any(part in name for part in wanted)]


def expected_failures():
    """{file: reason}"""
    with open(os.path.join(HERE, "expected-failures.txt"), encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return dict((line.split(None, 1) + [""])[:2] for line in lines
                if line and not line.startswith("#"))


def verdict(name, passed, failures, expected):
    """The TAP line of one file, with its failures as comments."""
    reason = expected.get(name)
    if reason is not None and failures:
        return f"ok - {name} # SKIP expected to fail: {reason}"
    if reason is not None:
        return f"not ok - {name} passes: take it out of expected-failures.txt"
    if not failures:
        return f"ok - {name} ({passed} assertions)"
    lines = [f"not ok - {name} ({len(failures)} of {passed + len(failures)} fail)"]
    lines += [f"#   {text}" for text in failures[:20]]
    if len(failures) > 20:
        lines.append(f"#   and {len(failures) - 20} more")
    return "\n".join(lines)


def test_one(bench, suite_root, name, expected):
    try:
        passed, failures = bench.test(suite_root, name)
    except convert.ConvertError as error:
        if bench.wasm_tools is None:
            return f"ok - {name} # SKIP {error}", 0, 0
        passed, failures = 0, [str(error)]
    except Trouble as error:
        passed, failures = 0, [str(error)]
    return verdict(name, passed, failures, expected), passed, len(failures)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--suite", default=os.path.join(ROOT, "..", "shared", "testsuite"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--flags", default="-O1", help="for waferc, as in --flags='-O3 --cpu native'")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if not os.path.isdir(options.suite):
        print("ok - official tests # SKIP not found: clone https://github.com/WebAssembly/spec, "
              "put test/core of the tags wg-2.0 and wg-3.0 into folders of these names, and "
              "pass their parent as --suite (make SPEC_SUITE=... test-spec)")
    bench = Bench(options)
    expected = expected_failures()
    works = [(options.suite, name) for name in find_files(options.suite, SUITES, options.files)]
    works += [(HERE, name) for name in find_files(HERE, ("own",), options.files)]
    totals = [0, 0]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for text, passed, failed in pool.map(
                lambda work: test_one(bench, *work, expected), works):
            totals[0] += passed
            totals[1] += failed
            print(text, flush=True)
    print(f"# {totals[0]} assertions passed, {totals[1]} failed, in {len(works)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
