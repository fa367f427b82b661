"""Turns the addresses of a trap or panic report into functions and source lines.

The kernel prints one line a frame, `    at NAME+0xOFFSET [0xADDRESS]`. With the image's
debug information llvm-symbolizer knows the functions that were inlined there, and the lines of
the source. Without the tool, or without the information, the kernel's own line stays.
"""
import json
import re
import shutil
import subprocess

FRAME = re.compile(rb"^    at (.+) \[(0x[0-9a-f]+)\]$")
# waferc's names: wasm.INDEX.NAME for the functions of the module.
WASM_NAME = re.compile(r"^wasm\.\d+\.(.*)$")
TOOLS = ("llvm-symbolizer-19", "llvm-symbolizer")


def plain_name(name):
    match = WASM_NAME.match(name)
    return match.group(1) if match and match.group(1) else name


class Symboliser:
    """Rewrites the frames of one image's reports."""

    def __init__(self, image):
        self.image = image
        self.tool = next((path for path in map(shutil.which, TOOLS) if path), None)

    def frames(self, address):
        """(function, place) of each function at the address, innermost first; or None."""
        if not self.tool or not self.image.endswith(".elf"):
            return None
        try:
            result = subprocess.run(
                [self.tool, "--obj=" + self.image, "--inlines", "--output-style=JSON", address],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
            symbols = json.loads(result.stdout)[0]["Symbol"]
        except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError):
            return None
        found = []
        for symbol in symbols:
            name = symbol.get("FunctionName", "")
            if not name or name.startswith("wasm_entry."):
                continue  # the way in: machinery, not the application
            line = symbol.get("Line", 0)
            found.append((plain_name(name), f"{symbol['FileName']}:{line}" if line else ""))
        return found or None

    def rewrite(self, line):
        """The lines that stand for one line of the log."""
        match = FRAME.match(line)
        if not match:
            return [line]
        name, address = match.group(1).decode(errors="replace"), match.group(2).decode()
        frames = self.frames(address)
        if frames is None:
            plain, plus, offset = name.partition("+")
            return [f"    at {plain_name(plain)}{plus}{offset}".encode()]
        return [f"    at {function}{f' ({place})' if place else ''}".encode()
                for function, place in frames]
