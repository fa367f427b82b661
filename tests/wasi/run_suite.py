#!/usr/bin/env python3
"""Runs the preview 1 programs of a WebAssembly/wasi-testsuite checkout against Wafer's WASI layer.

usage: run_suite.py [--engine hosted|image] [--only TEXT] [--work DIR] SUITE

SUITE is a checkout of the branch prod/testsuite-base (prebuilt programs). `hosted` translates
each program with wasm2c and links it with wasi/ and fs/ under ASan and UBSan; `image`
builds and boots it with scripts/wafer. The result is TAP.
"""
import argparse
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WASM2C = pathlib.Path("/usr/share/wabt/wasm2c")
FLAGS = ["clang-19", "-std=gnu17", "-g", "-fsanitize=address,undefined",
         "-fno-sanitize-recover=all", "-Wno-unused", f"-I{ROOT}", f"-I{WASM2C}"]
TIMEOUT_S = 120


def sources(folder):
    text = (ROOT / folder / "sources.mk").read_text()
    return [word for word in text.split() if word.endswith(".c")]


def run(command, **options):
    return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, **options)


class Hosted:
    """The WASI layer and the file system as a static library, then one link for each program."""

    def __init__(self, work):
        self.work = work
        self.objects = []
        listed = sources("wasi") + sources("fs") + [
            "kernel/base/fmt.c", "tests/unit/fake_wasi.c", "tests/unit/fake_net_socket.c",
            "tests/unit/fake_dns.c"]
        for name in listed:
            target = work / (name.replace("/", "_") + ".o")
            subprocess.run(FLAGS + ["-O1", "-c", str(ROOT / name), "-o", str(target)], check=True)
            self.objects.append(str(target))
        target = work / "wasm-rt-impl.o"
        subprocess.run(["clang-19", "-O1", f"-I{WASM2C}", "-c", str(WASM2C / "wasm-rt-impl.c"),
                        "-o", str(target)], check=True)
        self.objects.append(str(target))

    def start(self, program, spec):
        folder = self.work / program.stem
        folder.mkdir(exist_ok=True)
        subprocess.run(["wasm2c", "-n", "app", str(program), "-o", str(folder / "app.c")], check=True)
        glue = subprocess.run(
            [sys.executable, str(ROOT / "tests/wasi/hosted_glue.py"), str(folder / "app.h"),
             str(ROOT / "wasi/imports.def")], check=True, capture_output=True).stdout
        (folder / "glue.c").write_bytes(glue)
        subprocess.run(["clang-19", "-O0", "-w", f"-I{WASM2C}", "-c", str(folder / "app.c"), "-o",
                        str(folder / "app.o")], check=True)
        subprocess.run(FLAGS + [f"-I{folder}", str(ROOT / "tests/wasi/hosted.c"),
                                str(folder / "glue.c"), str(folder / "app.o"), "-o",
                                str(folder / "app")] + self.objects + ["-lm"], check=True)
        command = [str(folder / "app")]
        if "root" in spec:
            tar = folder / "root.tar"
            tar.write_bytes(make_tar(program.parent / spec["root"]))
            command += ["--tar", str(tar), "--dir", "/"]
        for name, value in spec.get("env", {}).items():
            command += ["--env", f"{name}={value}"]
        return command + ["--"] + spec.get("args", [])


class Image:
    """Through scripts/wafer, as a user runs it."""

    def __init__(self, work):
        self.work = work

    def start(self, program, spec):
        command = [str(ROOT / "scripts/wafer"), "run", str(program)]
        if "root" in spec:
            command += ["--dir", f"{program.parent / spec['root']}::/"]
        for name, value in spec.get("env", {}).items():
            command += ["--env", f"{name}={value}"]
        return command + ["--"] + spec.get("args", [])


def make_tar(folder):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(folder, arcname=".")
    return buffer.getvalue()


def check(engine, program):
    spec_path = program.with_suffix(".json")
    spec = json.loads(spec_path.read_text()) if spec_path.exists() else {}
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    result = run(engine.start(program, spec), stdin=subprocess.DEVNULL, env=environment)
    if result.returncode != spec.get("exit_code", 0):
        return f"exit code {result.returncode}\n" + result.stderr.decode(errors="replace")
    if "stdout" in spec and result.stdout.decode(errors="replace") != spec["stdout"]:
        return f"stdout {result.stdout!r}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=("hosted", "image"), default="hosted")
    parser.add_argument("--only", default="")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/wasi-testsuite"))
    parser.add_argument("suite", type=pathlib.Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    programs = sorted(options.suite.glob("**/wasm32-wasip1/*.wasm"))
    programs = [path for path in programs if options.only in path.stem]
    engine = (Hosted if options.engine == "hosted" else Image)(options.work)
    failed = 0
    print(f"1..{len(programs)}", flush=True)
    for number, program in enumerate(programs, 1):
        try:
            problem = check(engine, program)
        except subprocess.SubprocessError as error:
            problem = str(error)
        failed += problem is not None
        print(f"{'not ok' if problem else 'ok'} {number} - {program.stem}", flush=True)
        for line in (problem or "").splitlines():
            print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
