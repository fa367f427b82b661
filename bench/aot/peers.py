"""Wasmtime (Cranelift), an AoT peer: from the Python package registry, in a folder of its own."""
import os
import shutil
import subprocess
import sys

from common import HERE
from debian import Unavailable

PACKAGE = "wasmtime==50.0.1"


def wasmtime_python(out):
    """A Python that has the wasmtime package; made once."""
    folder = os.path.join(out, "wasmtime")
    python = os.path.join(folder, "bin", "python3")
    done = os.path.join(folder, "done")
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        for command in ([sys.executable, "-m", "venv", folder],
                        [python, "-m", "pip", "install", "--quiet", PACKAGE]):
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                    text=True, errors="replace", check=False)
            if result.returncode:
                lines = (result.stderr or result.stdout).strip().splitlines()
                raise Unavailable(f"{PACKAGE}: {lines[-1] if lines else result.returncode}")
        with open(done, "w", encoding="utf-8"):
            pass
    return python


def wasmtime_command(out, *arguments):
    return [wasmtime_python(out), os.path.join(HERE, "wasmtime_peer.py"), *arguments]
