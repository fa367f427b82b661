"""Turns a .wast file into JSON and .wasm files, with wabt or wasm-tools."""
import json
import os
import shutil
import subprocess


class ConvertError(Exception):
    """No converter could read the file."""


def find_wasm_tools(out):
    """The converter for 3.0, in PATH or where scripts/spec-tools puts it; None without it."""
    local = os.path.join(out, "tools", "bin", "wasm-tools")
    return local if os.path.exists(local) else shutil.which("wasm-tools")


def _run(command):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def convert(wast, folder, suite, wasm_tools):
    """Returns the commands of the file; file names in them are relative to the folder.

    wabt 1.0.32 knows the text format of 2.0, all but a few spellings.
    """
    target = os.path.join(folder, "commands.json")
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(wast):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        attempts = []
        if suite == "wg-2.0" and shutil.which("wast2json"):
            attempts.append(["wast2json", wast, "-o", target])
        if wasm_tools:
            attempts.append([wasm_tools, "json-from-wast", wast, "-o", target,
                             "--wasm-dir", folder])
        if suite != "wg-2.0" and shutil.which("wast2json"):
            # Only wabt still reads the text of the legacy exception instructions.
            attempts.append(["wast2json", "--enable-all", wast, "-o", target])
        message = "no converter: run scripts/spec-tools"
        for command in attempts:
            result = _run(command)
            if result.returncode == 0:
                break
            message = result.stderr.strip().split("\n")[0]
            if os.path.exists(target):
                os.remove(target)
        else:
            raise ConvertError(message)
    with open(target, encoding="utf-8") as file:
        return json.load(file)["commands"]


def text_is_refused(path, suite, wasm_tools, waferc):
    """Whether the text format's reader, wabt's or wasm-tools', refuses the file, or waferc what
    the reader made of it: wasm-tools reads some numbers that are too large and keeps them."""
    binary = os.path.splitext(path)[0] + ".wasm"
    command = ["wat2wasm", path, "-o", binary]
    if suite != "wg-2.0" or not shutil.which("wat2wasm"):
        if wasm_tools is None:
            raise ConvertError("no reader of the text format: run scripts/spec-tools")
        command = [wasm_tools, "parse", path, "-o", binary]
    status = _run(command).returncode
    return status == 1 or (status == 0 and
                           _run([waferc, "--validate-only", binary]).returncode == 1)
