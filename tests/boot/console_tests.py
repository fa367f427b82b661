"""Boot tests of standard input and output: terminals, pipes, much data, exit codes.

TESTS lists (name, function); a function takes the Bench of run.py and raises on failure.
"""
import hashlib
import os
import select
import subprocess
import time

from server_tests import check

INPUT_BYTES = 4 << 20


def converse(process, terminal, script, seconds=90):
    """Sends each text when the one before it has been answered; returns what came."""
    said = b""
    deadline = time.monotonic() + seconds
    for expected, text in script:
        while expected not in said:
            check(time.monotonic() < deadline, f"no {expected!r} in {said!r}")
            if select.select([terminal], [], [], 1)[0]:
                try:
                    said += os.read(terminal, 4096)
                except OSError:  # the other side is closed
                    check(expected in said, f"ended with {said!r}")
            check(process.poll() is None or expected in said, f"ended early: {said!r}")
        if text:
            os.write(terminal, text)
    return said


def test_terminal(bench):
    """A person types: isatty is true, lines arrive as they are entered, Ctrl-D ends them."""
    module = bench.program("terminal.c")
    ours, theirs = os.openpty()
    process = subprocess.Popen(bench.command("run", module), stdin=theirs, stdout=theirs,
                               stderr=theirs, env=bench.environment(), start_new_session=True)
    os.close(theirs)
    try:
        converse(process, ours, [(b"terminals: 1 1 1\r\n", b"first line\n"),
                                 (b"got <first line>\r\n", "grüße €\n".encode()),
                                 ("got <grüße €>\r\n".encode(), b"\x04"), (b"end\r\n", b"")])
        check(process.wait(30) == 226, f"exit code {process.returncode}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_mixed(bench):
    """A pipe in, a terminal out: as in `producer | wafer run`."""
    module = bench.program("terminal.c")
    ours, theirs = os.openpty()
    process = subprocess.Popen(bench.command("run", module), stdin=subprocess.PIPE, stdout=theirs,
                               stderr=subprocess.DEVNULL, env=bench.environment())
    os.close(theirs)
    try:
        process.stdin.write(b"piped")
        process.stdin.close()
        converse(process, ours, [(b"terminals: 0 1 0\r\ngot <piped>\r\nend\r\n", b"")])
        check(process.wait(30) == 226, f"exit code {process.returncode}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_much_input(bench):
    """4 MiB through a pipe, in and out again, every byte value."""
    data = bytes((i * 7 + (i >> 8) * 13 + (i >> 16)) & 0xFF for i in range(INPUT_BYTES))
    result = bench.wafer("run", bench.program("cat.c"), stdin=data)
    check(hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest(),
          f"{len(result.stdout)} bytes came back, or others")
    check(result.returncode == 0, f"exit code {result.returncode}")


def test_exit_codes(bench):
    """Every code arrives as it is, those too that the command uses itself."""
    module = bench.program("exit_code.c")
    for code in (1, 124, 125, 126, 127, 128, 130, 134, 137, 255):
        result = bench.wafer("run", module, "--", str(code))
        check(result.returncode == code, f"{result.returncode} instead of {code}")
        check(result.stderr == b"", f"exit code {code}: {result.stderr!r}")


TESTS = [
    ("console: a terminal and its lines", test_terminal),
    ("console: a pipe in, a terminal out", test_mixed),
    ("console: 4 MiB of input", test_much_input),
    ("console: every exit code", test_exit_codes),
]
