#!/usr/bin/env python3
"""waferc's command line: what it writes, prints and refuses; prints TAP.

Usage: tests/spec/command.py [--out BUILD]
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from rewrite import leb  # noqa: E402

# A loop around a rare call, with hints on `if` (unlikely) and `br_if` (likely).
SOURCE = """(module $app
  (func $cold (import "e" "cold thing") (param i32))
  (memory 2 3)
  (table 4 funcref)
  (data (i32.const 8) "12345")
  (func $run (export "run") (param i32) (result i64)
    loop $l
      local.get 0 i32.load i32.extend8_s
      (@metadata.code.branch_hint "\\00")
      if
        local.get 0 call $cold i32.const 7 call $cold
      end
      local.get 0 i32.const 4 i32.add local.tee 0
      i32.const 65000 i32.lt_u
      (@metadata.code.branch_hint "\\01")
      br_if $l
    end
    i64.const 1))
"""
HINTS = b"\x19metadata.code.branch_hint"


class Command:
    """waferc on one module in a folder of its own."""

    def __init__(self, out):
        self.waferc = os.path.join(os.path.abspath(out), "waferc")
        self.folder = os.path.join(os.path.abspath(out), "command")
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "app.wat"), "w", encoding="utf-8") as file:
            file.write(SOURCE)
        subprocess.run(["wat2wasm", "--enable-annotations", "--enable-code-metadata", "app.wat"],
                       cwd=self.folder, check=True)

    def run(self, *arguments, status=0):
        result = subprocess.run([self.waferc, *arguments], cwd=self.folder, capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, check=False)
        assert result.returncode == status, f"status {result.returncode}: {result.stderr}"
        return result

    def written(self, name, *arguments):
        """What a run writes to the named file."""
        path = os.path.join(self.folder, name)
        if os.path.exists(path):
            os.remove(path)
        result = self.run(*arguments)
        assert result.stderr == "", result.stderr
        with open(path, "rb") as file:
            return file.read()


def test_emit(command):
    assert command.written("app.o", "app.wasm")[:4] == b"\x7fELF"
    assert command.written("x.o", "--emit=obj", "-o", "x.o", "app.wasm")[:4] == b"\x7fELF"
    assert b"wasm_instantiate:" in command.written("app.s", "--emit=asm", "app.wasm")
    assert b"define" in command.written("app.ll", "--emit", "llvm", "app.wasm")
    for level in "0123":
        assert command.written("app.o", "-O" + level, "app.wasm")[:4] == b"\x7fELF"


def test_print(command):
    assert command.run("--print=imports", "app.wasm").stdout == (
        "e cold$20thing i_v wasm_import__e__cold$20thing__i_v\n")
    assert command.run("--print=exports", "app.wasm").stdout == "run i_I 1\n"
    assert command.run("--print", "features", "app.wasm").stdout.splitlines() == [
        "mvp", "sign-extension"]
    lines = command.run("--print=layout", "app.wasm").stdout.splitlines()
    assert "functions 2 imported 1" in lines and "data_segments 1 data_bytes 5" in lines, lines
    assert "memory 0 minimum_pages 2 maximum_pages 3" in lines, lines
    assert any(line.startswith("table 0 minimum 4") for line in lines), lines
    both = command.run("--print=exports,imports", "app.wasm").stdout.splitlines()
    assert len(both) == 2, both


def test_stats(command):
    text = command.run("--stats", "-o", "x.o", "app.wasm").stderr
    size = os.path.getsize(os.path.join(command.folder, "app.wasm"))
    assert re.search(rf"app\.wasm: {size} bytes, 2 functions, read [\d.]+ s, compiled [\d.]+ s",
                     text), text


def test_help(command):
    text = command.run("--help").stdout
    for option in ("--emit KIND", "obj (default), asm or llvm", "--print LIST",
                   "imports, exports, features, layout", "--stats", "-O0 -O1 -O2 -O3"):
        assert option in text, option


def test_refusals(command):
    for arguments in (["--emit=exe", "app.wasm"], ["--print=all", "app.wasm"], ["-O4", "app.wasm"],
                      ["--print", "imports,", "app.wasm"], []):
        assert "waferc: " in command.run(*arguments, status=2).stderr
    assert "cannot read" in command.run("absent.wasm", status=1).stderr


def test_branch_hints(command):
    text = command.written("app.ll", "--emit=llvm", "-O0", "--exports", "app.wasm").decode()
    weights = dict(re.findall(r'(![0-9]+) = !{!"branch_weights", (i32 \d+, i32 \d+)}', text))
    used = [weights[name] for name in re.findall(r"br i1 .*!prof (![0-9]+)", text)]
    assert used == ["i32 1, i32 2000", "i32 2000, i32 1"], used
    # The rare call stands behind the code that always runs.
    code = command.written("app.s", "--emit=asm", "-O2", "--exports", "app.wasm").decode()
    body = code[code.index("wasm.1.run:"):]
    assert body.index("$65000") < body.index("callq") < body.index(".size"), body


def test_malformed_hints(command):
    with open(os.path.join(command.folder, "app.wasm"), "rb") as file:
        module = file.read()
    at = module.index(HINTS)
    broken = module[:at + len(HINTS)] + leb(100) + module[at + len(HINTS) + 1:]
    with open(os.path.join(command.folder, "broken.wasm"), "wb") as file:
        file.write(broken)
    text = command.run("--emit=llvm", "-O0", "-o", "x.ll", "broken.wasm").stderr
    assert "warning: broken.wasm: branch hints ignored: offset" in text, text


def test_scan_loops(command):
    """Loops of own/scan_loops.wast that read many bytes at a time; its assertions say how well."""
    with open(os.path.join(HERE, "own", "scan_loops.wast"), encoding="utf-8") as file:
        source = file.read()
    path = os.path.join(command.folder, "scan")
    with open(path + ".wat", "w", encoding="utf-8") as file:
        file.write(source[:source.index("\n(assert")])
    subprocess.run(["wat2wasm", path + ".wat", "-o", path + ".wasm"], check=True)
    text = command.written("scan.ll", "--emit=llvm", "--exports", "-O2", "scan.wasm").decode()
    for name, loads in {"same": 2, "same_index": 2, "same_text": 2, "length": 1, "find": 1,
                        "run": 1}.items():
        body = re.search(rf"define [^\n]*@wasm\.\d+\.{name}\(.*?\n}}\n", text, re.DOTALL)[0]
        assert body.count("load volatile <16 x i8>") == loads, body


LIST = """(module (memory 1)
  (func (export "sum") (param $at i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (i32.load (local.get $at))))
      (if (i32.and (local.get $sum) (i32.const 1))
        (then (i32.store offset=8 (local.get $at) (local.get $sum))))
      (br_if $next (local.tee $at (i32.load offset=4 (local.get $at)))))
    (local.get $sum)))"""


def test_extensions(command):
    """A pointer that goes around a loop is extended to 64 bits where it is loaded."""
    path = os.path.join(command.folder, "list")
    with open(path + ".wat", "w", encoding="utf-8") as file:
        file.write(LIST)
    subprocess.run(["wat2wasm", path + ".wat", "-o", path + ".wasm"], check=True)
    code = command.written("list.s", "--emit=asm", "--exports", "-O2", "list.wasm").decode()
    loop = re.search(r"wasm\.0\.sum:\n(.*?)\tretq", code, re.DOTALL)[1].split("\n.LBB", 1)[1]
    assert "wasm_memory+4(%r" in loop, loop
    assert not re.search(r"movl\s+%\w+, %\w+", loop), loop


TESTS = {
    "--emit": test_emit,
    "--print": test_print,
    "--stats": test_stats,
    "--help": test_help,
    "wrong usage": test_refusals,
    "branch hints": test_branch_hints,
    "malformed branch hints": test_malformed_hints,
    "loops that look for a byte": test_scan_loops,
    "addresses around a loop": test_extensions,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    command = Command(parser.parse_args().out)
    for name, test in TESTS.items():
        try:
            test(command)
            print(f"ok - waferc {name}", flush=True)
        except AssertionError as error:
            print(f"not ok - waferc {name}\n#   {error}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
