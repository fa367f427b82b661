"""Tests of --gdb: what a debugger sees of an application and of the kernel.

TESTS lists (name, function); a function takes the Bench of run.py and raises on failure.
"""
import os
import re
import shutil
import subprocess

from server_tests import Skip, check, free_port

LOCALS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "locals.c")


def build(bench, module, image, *flags):
    path = os.path.join(bench.out, "boot", image)
    built = bench.wafer("build", module, "-o", path, *flags)
    check(built.returncode == 0, built.stderr.decode(errors="replace"))
    return path


def debug(bench, image, *commands):
    """What gdb prints when it is given these commands before the machine runs."""
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    port = free_port()
    machine = subprocess.Popen(bench.command("run", image, f"--gdb={port}", "--", "a"),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=bench.environment())
    try:
        commands = ["set pagination off", "set tcp connect-timeout 60",
                    f"target remote 127.0.0.1:{port}", *commands, "kill"]
        output = subprocess.run(
            ["gdb", "-nx", "-batch", *(f"-ex={command}" for command in commands), image],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    finally:
        machine.terminate()
        machine.wait()
    return output.stdout + output.stderr


def find_in_order(text, patterns):
    at = 0
    for pattern in patterns:
        match = re.compile(pattern, re.M).search(text, at)
        check(match, f"/{pattern}/ is not where it should be in\n{text}")
        at = match.end()


def test_border(bench):
    """gdb stops in the module and in the kernel; its backtrace crosses the border both ways."""
    image = build(bench, bench.program("example:hello"), "gdb.elf")
    output = debug(bench, image, "hbreak hello.c:7", "continue", "info source",
                   "hbreak *wasi_fd_write", "continue", "info args", "backtrace")
    find_in_order(output, [
        r"Breakpoint 1, \w+ \(argc=2, argv=0x\w+\)",
        r"Current source file is examples/hello/hello\.c",
        r"Breakpoint 2, wasi_fd_write", r"^fd = 1$", r"^#\d+ .*__stdio_write \(.*\) at ",
        r"^#\d+ .*wasi_start .* at \./wasi/start\.c", r"^#\d+ .*kernel_main "])


def stop_line():
    with open(LOCALS, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if "/* stop here */" in line)


def check_locals(bench, *flags):
    """Parameters and variables of an unoptimised module, in each frame."""
    image = build(bench, bench.program("locals.c", "-O0"), f"locals{''.join(flags)}.elf", *flags)
    output = debug(
        bench, image, "hbreak leaf", "continue", "info args", f"hbreak locals.c:{stop_line()}",
        "continue", "info args", "info locals", "print *first", "print *first->next",
        "print first->next->tag", "print squares[2]", "print color", "print counter", "up", "info args", "info locals", "up", "info locals", "print argv[1][0]", "print big",
        "print zero = 3", "print sizeof(argv)")
    one = r'{x = 1, y = 2, next = 0x\w+, tag = "def\\000\\000\\000\\000", small = 1, large = 2}'
    other = r'{x = 6, y = -7, next = 0x0, tag = "abc\\000\\000\\000\\000", small = 5, large = 4097}'
    arguments = [r"^first = 0x\w+$", r'^label = 0x\w+ "a"$', r"^scale = 3$", r"^is_last = true$"]
    find_in_order(output, [
        r'^Breakpoint 1, leaf \(first=0x\w+, label=0x\w+ "a", scale=3, is_last=true\)', *arguments,
        r"^Breakpoint 2, leaf ", *arguments])
    for pattern in (r"^squares = {0, 1, 4, 9}$", r"^word = {bits = 1069547520, number = 1\.5}$",
                    r"^color = GREEN$", r"^sum = 21$"):
        find_in_order(output, [pattern])
    find_in_order(output, [
        rf"^\$1 = {one}$", rf"^\$2 = {other}$", r'^\$3 = "abc\\000\\000\\000\\000"$', r"^\$4 = 4$",
        r"^\$5 = GREEN$", r"^\$6 = 42$",
        r'^#1 .*middle \(depth=6, label=0x\w+ "a"\)', r"^depth = 6$",
        r"^#2 .* \(argc=2, argv=0x\w+\)", r"^big = 1234567890123$", r"^\$7 = 97 'a'$",
        r"^\$8 = 1234567890123$", r"^\$9 = 3$", r"^\$10 = 4$"])
    for pattern in (rf"^first = {one}$", rf"^last = {other}$", r"^half = 3$", r"^letter = 97 'a'$"):
        find_in_order(output, [pattern])


def test_locals(bench):
    check_locals(bench, "-O0")


def test_locals_optimised(bench):
    """The module is not optimised, the compiler is: what is in linear memory stays there."""
    check_locals(bench)


def test_optimised_module(bench):
    """Variables of an optimised module: those that are somewhere have the right values."""
    for flags in (("-O0",), ("-O1",), ()):
        image = build(bench, bench.program("locals.c", "-O1"), f"locals1{''.join(flags)}.elf",
                      *flags)
        output = debug(bench, image, f"hbreak locals.c:{stop_line()}", "continue", "backtrace 3",
                       "info locals", "print counter", "up", "info locals")
        find_in_order(output, [
            r'^Breakpoint 1, leaf \(first=[^,]*, label=[^,]*, scale=[^,]*, is_last=[^,]*\)',
            r"^#0 .*leaf \(", r"^#1 .*middle \(", r"^#2 .* at \S*locals\.c", r"^\$1 = 4[12]$",
            r"^#1 .*middle \("])
        truth = {"color": "GREEN", "depth": "6", "is_last": "true", "letter": "97 'a'",
                 "label": r'0x\w+ "a"', "word": r"{bits = 1069547520, number = 1\.5}"}
        for name, value in re.findall(r"^(\w+) = (.*)$", output, re.M):
            if name in truth and value != "<optimized out>" and "optimized out" not in value:
                check(re.fullmatch(truth[name], value), f"{name} = {value} in\n{output}")


def test_same_code(bench):
    """Telling LLVM of variables changes nothing but the sections that tell of them."""
    for module, level in ((bench.program("locals.c", "-O0"), 0),
                          (bench.program("locals.c", "-O0"), 3),
                          (bench.program("locals.c", "-O1"), 2),
                          (bench.program("example:static-file-server"), 0)):
        objects = []
        for kind in ("lines", "all"):
            path = os.path.join(bench.out, "boot", f"same-{kind}.o")
            subprocess.run([os.path.join(bench.out, "waferc"), f"-O{level}", "--debug-info", kind,
                            module, "-o", path], check=True)
            subprocess.run(["objcopy", "--strip-debug", path, path], check=True)
            with open(path, "rb") as file:
                objects.append(file.read())
        check(objects[0] == objects[1], f"{module}, compiler at -O{level}: code differs")


TESTS = [
    ("wafer: --gdb walks through module and kernel", test_border),
    ("wafer: --gdb shows variables", test_locals),
    ("wafer: --gdb shows variables, compiler at -O3", test_locals_optimised),
    ("wafer: --gdb shows variables of an optimised module", test_optimised_module),
    ("waferc: variables in debug information leave code alone", test_same_code),
]
