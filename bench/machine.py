"""Boots an image for a benchmark and counts guest instructions (QMP query-replay).

With -icount shift=0 every guest instruction is counted and takes one nanosecond of
guest time; idle time is not counted. See docs/performance.md for what this shows.
"""
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAFER = os.path.join(ROOT, "scripts", "wafer")


class Monitor:
    """A QMP connection."""

    def __init__(self, path, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.stream = self.socket.makefile("rw", encoding="utf-8")
        self.stream.readline()
        self.call("qmp_capabilities")

    def call(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self.stream.write(json.dumps(request) + "\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def word(self, address):
        """Eight bytes of the machine's memory, at a virtual address of its kernel."""
        text = self.call("human-monitor-command", **{"command-line": f"x /1gx {address:#x}"})
        return int(text.split(":")[1], 16)

    def instructions(self):
        return self.call("query-replay")["icount"]


@contextlib.contextmanager
def running(module, *options, arguments=(), count_instructions=True, trace=None, env=None):
    """A machine in the background: yields (process, Monitor). Always ended."""
    with tempfile.TemporaryDirectory(prefix="wafer-bench-") as folder:
        path = os.path.join(folder, "qmp")
        qemu = ["-qmp", f"unix:{path},server,nowait"]
        if count_instructions:
            qemu += ["-icount", "shift=0"]
        for event in trace[1] if trace else ():
            qemu += ["-trace", event]
        if trace:
            qemu += ["-D", trace[0]]
        command = [WAFER, "run", module, "--accel", "tcg", *options]
        command += [f"--qemu={word}" for word in qemu]
        if arguments:
            command += ["--", *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env=env)
        try:
            yield process, Monitor(path, 120)
        finally:
            process.terminate()
            process.wait(30)
            process.stderr.close()
