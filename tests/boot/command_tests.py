"""Tests of the commands themselves: sizes of what they make, and how they fail.

TESTS lists (name, function); a function takes the Bench of run.py and raises on failure.
"""
import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import time

from server_tests import Skip, check

HERE = os.path.dirname(os.path.abspath(__file__))
KERNEL_LIMIT_BYTES = 256 << 10


def module(bench, name, text):
    """A WebAssembly text module written to the build folder."""
    path = os.path.join(bench.out, "boot", name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def fails(bench, code, pattern, *arguments):
    """The command ends with this code and one message that matches; no Python traceback."""
    result = bench.wafer(*arguments)
    stderr = result.stderr.decode(errors="replace")
    check(result.returncode == code, f"{arguments}: exit code {result.returncode}\n{stderr}")
    check(re.search(pattern, stderr), f"{arguments}: /{pattern}/ is not in\n{stderr}")
    check("Traceback" not in stderr, stderr)


def test_usage(bench):
    """Bad usage exits with 2 and one sentence."""
    hello = bench.program("example:hello")
    fails(bench, 2, "see wafer --help")
    fails(bench, 2, "app.wasm", "run")
    fails(bench, 2, "no such file", "run", "/nonexistent.wasm")
    fails(bench, 2, "NAME=VALUE", "run", hello, "--env", "X")
    fails(bench, 2, "not a directory", "run", hello, "--dir", "/nonexistent::/")
    fails(bench, 2, "port number", "run", hello, "--publish", "x:80")
    fails(bench, 2, "such as 64M", "run", hello, "--memory", "lots")
    fails(bench, 2, "must end in .elf", "build", hello, "-o", "x.bin")


def test_port_taken(bench):
    """A port in use is named."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        fails(bench, 125, f"127.0.0.1:{port}: Address already in use", "run",
              bench.program("example:hello"), "--publish", f"{port}:80")


def test_bad_modules(bench):
    """What is not a WebAssembly module, is a component, or is not valid: said, exit code 1."""
    text = module(bench, "text.wasm", "hello, this is not wasm")
    fails(bench, 1, "magic header", "run", text)
    component = os.path.join(bench.out, "boot", "component.wasm")
    with open(component, "wb") as file:
        file.write(b"\0asm\x0d\0\1\0")
    fails(bench, 1, "component", "run", component)
    invalid = os.path.join(bench.out, "boot", "invalid.wasm")
    with open(invalid, "wb") as file:
        # One function of type () -> i32 whose body is empty.
        file.write(b"\0asm\1\0\0\0\1\5\1\x60\0\1\x7f\3\2\1\0\x0a\4\1\2\0\x0b")
    fails(bench, 1, "offset 0x.*type mismatch", "run", invalid)


def test_missing_imports(bench):
    """Every import the kernel lacks is named, all at once, with what there is instead."""
    path = module(bench, "imports.wat", """(module
        (import "env" "first" (func (param i32)))
        (import "env" "second" (func (result i64)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32)))
        (memory 1) (func (export "_start")))""")
    fails(bench, 1, r"(?s)env\.first of type i_v.*env\.second of type v_I.*"
                    r"fd_write of type i_v \(the kernel has it as iiii_i\)", "run", path)


def test_boot_failures(bench):
    """Too little memory, and a processor that lacks what the code needs, are explained."""
    hungry = module(bench, "hungry.wat",
                    '(module (memory 16384) (func (export "_start")))')
    fails(bench, 125, "give the machine more memory", "run", hungry, "--memory", "128M")
    fails(bench, 125, "--cpu x86-64-v4", "run", bench.program("example:hello"), "--accel", "tcg",
          "--cpu", "x86-64-v4")
    broken = module(bench, "broken.elf", "\x7fELF but nothing more")
    fails(bench, 125, "QEMU could not run|stopped without|did not start", "run", broken,
          "--boot-timeout", "10")


def test_kernel_size(bench):
    """The kernel alone, linked with an empty module, stays under 256 KiB of text and data."""
    if "WAFER_KERNEL" in os.environ:
        raise Skip("another build of the kernel is in its place")
    image = os.path.join(bench.out, "boot", "empty.elf")
    empty = module(bench, "empty.wat", '(module (func (export "_start")))')
    built = bench.wafer("build", empty, "-o", image)
    check(built.returncode == 0, built.stderr.decode(errors="replace"))
    output = subprocess.run(["size", image], capture_output=True, text=True, check=True).stdout
    text, data = (int(word) for word in output.splitlines()[1].split()[:2])
    check(text + data < KERNEL_LIMIT_BYTES, f"{text} bytes of text and {data} of data")


def test_output_reader_gone(bench):
    """When the reader of the output goes away, the machine ends instead of hanging."""
    command = bench.command("run", bench.program("output.c"))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, env=bench.environment())
    process.stdout.read(1000)
    process.stdout.close()
    check(process.wait(60) == 141, f"exit code {process.returncode}")
    process.stderr.close()


def test_killed(bench):
    """A wafer that is killed takes its machine along."""
    process = subprocess.Popen(bench.command("run", bench.program("hang.c")),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=bench.environment())
    deadline = time.monotonic() + 60
    machine = ""
    while not machine and time.monotonic() < deadline:
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(children, encoding="ascii") as file:
            machine = next((pid for pid in file.read().split() if is_qemu(pid)), "")
        time.sleep(0.05)
    check(machine, "QEMU did not start")
    process.kill()
    process.wait()
    while is_qemu(machine):
        check(time.monotonic() < deadline, "QEMU lives on")
        time.sleep(0.05)


def kernel_program(bench, name):
    """An image of tests/kernel: a native program in the place of a module."""
    path = os.path.join(os.path.dirname(HERE), "kernel", "run.py")
    spec = importlib.util.spec_from_file_location("kernel_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build(bench.out, name, [])


def test_machines_that_cannot_end(bench):
    """A machine that resets without a word, and one that nothing can interrupt."""
    fails(bench, 125, "stopped without an exit code", "run", kernel_program(bench, "triple_fault"))
    fails(bench, 124, "did not stop 5 s after its time limit", "run",
          kernel_program(bench, "interrupts_off"), "--timeout", "1")


def heed_signals():
    """A shell's background job ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_signals(bench):
    """Asked to end, a machine that computes or sleeps says farewell first."""
    for number, machine, arguments in ((signal.SIGINT, "q35", []),
                                       (signal.SIGTERM, "microvm", ["--", "sleep"])):
        stats = os.path.join(bench.out, "boot", f"signal-{machine}.json")
        if os.path.exists(stats):
            os.unlink(stats)
        process = subprocess.Popen(
            bench.command("run", "--machine", machine, f"--stats={stats}",
                          bench.program("endless.c"), *arguments),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=bench.environment(), preexec_fn=heed_signals)
        check(process.stdout.readline() == b"running\n", "not running")
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        check(process.returncode == 128 + number, f"exit code {process.returncode}: {err!r}")
        check(err == b"", repr(err))
        with open(stats, encoding="ascii") as file:
            check(json.load(file)["calls"], "no calls")


def test_second_signal(bench):
    """A machine that does not answer is ended by the next signal."""
    process = subprocess.Popen(bench.command("run", kernel_program(bench, "interrupts_off")),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=bench.environment())
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(1)
        process.terminate()
    process.kill()
    check(process.wait() == 143, f"exit code {process.returncode}")


def is_qemu(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"qemu-system" in file.read().split(b"\0")[0]
    except OSError:
        return False


TESTS = [
    ("wafer: bad usage", test_usage),
    ("wafer: a taken port is named", test_port_taken),
    ("wafer: bad modules", test_bad_modules),
    ("wafer: missing imports are listed", test_missing_imports),
    ("wafer: boot failures explain themselves", test_boot_failures),
    ("wafer: the kernel stays small", test_kernel_size),
    ("wafer: machines that cannot end by themselves", test_machines_that_cannot_end),
    ("wafer: signals end the machine with a farewell", test_signals),
    ("wafer: a second signal ends any machine", test_second_signal),
    ("wafer: killed, it takes the machine along", test_killed),
    ("wafer: the reader of the output goes away", test_output_reader_gone),
]
