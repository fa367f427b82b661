#!/usr/bin/env python3
"""Boots one small native program for each property of the kernel; prints TAP.

Usage: tests/kernel/run.py [--out BUILD] [--only TEXT]

Every machine must end by itself, with the expected exit code and text in its log; after a fault
within a second of the machine's own time.
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import machine  # noqa: E402

FLAGS = ["-std=gnu17", "-O1", "-fno-pic", "-mcmodel=kernel", "-mno-red-zone",
         "-fno-omit-frame-pointer", "-fstack-clash-protection", "-fno-builtin", "-I" + ROOT,
         "-Wall", "-Wextra", "-Wno-infinite-recursion", "-Wno-unused-function", "-Werror"]
SECONDS = 60



def tar_header(name, size_bytes):
    """A header of a regular file (POSIX ustar) without the data that it promises."""
    header = bytearray(512)
    header[0:len(name)] = name.encode()
    header[100:108] = b"0000644\0"
    header[124:136] = b"%011o\0" % size_bytes
    header[156:157] = b"0"
    header[257:265] = b"ustar\00000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


# name, program, exit code (None: QEMU ends without one), log pattern, options
TESTS = [
    ("an empty program ends with 0", "empty", 0, r"page check after boot: \d+ mappings sound", {}),
    ("writing to code is caught", "write_text", 125, r"page fault .*\n.*0xffffffffc0200000", {}),
    ("writing to constants is caught", "write_rodata", 125, r"page fault", {}),
    ("data does not run", "run_data", 125, r"page fault", {}),
    ("guest memory does not run", "run_guest_memory", 125, r"page fault", {}),
    ("the direct map has no alias of code", "write_direct_map_text", 125, r"page fault", {}),
    ("the kernel's stack has a guard", "kernel_stack_overflow", 125,
     r"the kernel's stack overflowed", {}),
    *((f"the {name.replace('_', ' ')} stack has a guard", "read_guard", 125, r"page fault|overflowed",
       {"flags": [f"-DGUARD=stack_{name}_guard"]})
      for name in ("double_fault", "nmi", "machine_check", "exception", "interrupt")),
    ("the kernel cannot touch guest memory by accident", "kernel_touches_guest", 125,
     r"outside its window", {}),
    ("a wild pointer of the kernel is reported", "kernel_wild_pointer", 125,
     r"not mapped so(.*\n)+.*touch_nothing", {}),
    ("a smashed stack is noticed", "stack_smash", 125, r"a stack buffer of the kernel overflowed",
     {"flags": ["-fstack-protector-all", "-mstack-protector-guard=global"]}),
    ("deep recursion with huge frames traps", "huge_frames", 134, r"trap: call stack exhausted", {}),
    ("the kernel hangs: the time limit ends it", "kernel_hangs", 124, r"running then:\n.*loop_for_ever",
     {"append": "timeout=1"}),
    ("a triple fault ends the machine", "triple_fault", None, r"application started", {}),
    ("memory ends exactly where it says", "memory_limits", 134,
     r"out of bounds memory access\n +address 0x2a0000, memory size 0x2a0000", {}),
    ("all memory that grow promised is there", "touch_all", 0, r"page check after memory.grow", {}),
    ("all of it in 16 MiB", "touch_all", 0, r"exit code 0", {"memory": "16M"}),
    ("tables grow and keep their elements", "table_grow", 0, r"exit code 0", {}),
    ("a CPU that is too old is refused in words", "wants_v9", 125, r"compiled with --cpu x86-64-v9",
     {}),
    ("a CPU without SMAP, UMIP and 1 GiB pages", "touch_all", 0, r"smap off",
     {"cpu": "Nehalem,+rdrand"}),
    ("no entropy is refused in words", "empty", 125, r"no source of random numbers",
     {"cpu": "Nehalem"}),
    ("no 64-bit mode is refused in words", "empty", 125, r"no 64-bit mode", {"cpu": "qemu32"}),
    ("3 MiB are refused in words", "empty", 125, r"give the machine more",
     {"memory": "3M", "machine": "microvm"}),
    ("4 MiB are enough", "empty", 0, r"mappings sound", {"memory": "4M", "machine": "microvm"}),
    ("15 MiB", "empty", 0, r"mappings sound", {"memory": "15M"}),
    ("an odd size of RAM", "empty", 0, r"mappings sound", {"memory": "77M"}),
    ("3.5 GiB, around the PCI hole", "empty", 0, r"mappings sound", {"memory": "3584M"}),
    ("5 GiB, above 4 GiB too", "empty", 0, r"mappings sound", {"memory": "5G"}),
    ("64 GiB", "empty", 0, r"mappings sound", {"memory": "64G", "sparse": True}),
    ("the 64-bit Linux boot protocol", "empty", 0, r"mappings sound", {"linux64": True}),
    ("a memory map without entries is refused in words", "empty", 125, r"names no usable memory",
     {"linux64": True, "map_entries": 0}),
    ("a memory map cut off below 1 MiB is refused in words", "empty", 125,
     r"names no usable memory|KiB of memory are free", {"linux64": True, "map_entries": 1}),
    ("a memory map that claims more entries than there are", "empty", 0, r"mappings sound",
     {"linux64": True, "map_entries": 255}),
    ("a damaged file system image is refused in words", "empty", 125,
     r"the file system image is damaged", {"initrd": b"no tar" * 200}),
    ("a file system image that ends early is refused in words", "empty", 125,
     r"the file system image is damaged", {"initrd": tar_header("file", 100000)}),
    ("a directory that is not there is made; a file in its place is not", "empty", 125,
     r"dir=/file: no such directory", {"initrd": tar_header("file", 0), "append": "dir=/file"}),
    ("a disk without a file system is refused in words", "empty", 125,
     r"volume=v0:/data: the disk cannot be mounted",
     {"append": "volume=v0:/data", "disk": b"\x5a" * (1 << 20)}),
    ("a disk that is not there is refused in words", "empty", 125,
     r"volume=v0:/data: no disk has this serial number", {"append": "volume=v0:/data"}),
    ("no network card is said where one is needed", "empty", 0, r"warning .*no network card",
     {"append": "listen=80"}),
    ("pc", "empty", 0, r"mappings sound", {"machine": "pc"}),
    ("microvm", "empty", 0, r"mappings sound", {"machine": "microvm"}),
    ("microvm without ACPI", "empty", 0, r"mappings sound", {"machine": "microvm,acpi=off"}),
    ("power-off by ACPI on pc", "empty", "off", r"exit code 0", {"machine": "pc"}),
    ("power-off by ACPI on q35", "empty", "off", r"exit code 0", {"machine": "q35"}),
    ("power-off on microvm", "empty", "off", r"exit code 0", {"machine": "microvm"}),
    ("an open quote on the command line is refused", "empty", 125, r"open quote",
     {"append": 'log="info'}),
    ("a bad address is refused", "empty", 125, r"ip=10\.0\.0: write", {"append": "ip=10.0.0"}),
    ("an unknown word is ignored with a warning", "empty", 0, r"unknown word .*: quiet",
     {"append": "quiet"}),
]


def build(out, program, flags):
    folder = os.path.join(out, "kernel-tests")
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, program)
    subprocess.run(["clang-19", *FLAGS, *flags, f"-DPROGRAM_{program}", "-c", "-o", base + ".o",
                    os.path.join(ROOT, "tests", "kernel", "programs.c")], check=True)
    subprocess.run(["clang-19", "-c", "-o", base + "-gates.o",
                    os.path.join(ROOT, "tests", "kernel", "gates.S")], check=True)
    subprocess.run(["make", "-s", "-f", os.path.join(ROOT, "image.mk"), f"WAFER={ROOT}",
                    f"LIBKERNEL={out}/libkernel.a", f"APP_O={base}.o {base}-gates.o", f"IMAGE={base}.elf",
                    base + ".elf"], check=True,
                   env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")})
    return base + ".elf"


def build_loader(image, map_entries):
    """A kernel that starts `image` by the 64-bit Linux boot protocol."""
    with open(image, "rb") as file:
        entry = struct.unpack_from("<Q", file.read(64), 24)[0]
    base = os.path.splitext(image)[0] + "-linux64"
    claim = [] if map_entries is None else [f"-DMAP_ENTRIES={map_entries}"]
    subprocess.run(["clang-19", "-c", f"-DENTRY={entry:#x}", *claim, "-o", base + ".o",
                    os.path.join(ROOT, "tests", "kernel", "linux64_loader.S")], check=True)
    subprocess.run(["ld", "-nostdlib", "-static", "-z", "max-page-size=4096", "--build-id=none",
                    "-Ttext=0x1800000", "-e", "start", "-o", base + ".elf", base + ".o"],
                   check=True)
    return base + ".elf"


def scratch_file(image, name, data):
    path = f"{os.path.splitext(image)[0]}.{name}"
    with open(path, "wb") as file:
        file.write(data)
    return path


def boot(image, options, debug_exit):
    memory = options.get("memory", "64M")
    kernel = ["-kernel", image]
    if options.get("linux64"):
        kernel = ["-kernel", build_loader(image, options.get("map_entries")), "-device", f"loader,file={image}"]
    command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", options.get("machine", "q35"),
               "-cpu", options.get("cpu", "max"), "-m", memory, "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot", "-serial", "stdio", *kernel,
               "-append", f"log=info check=pages timeout=20 {options.get('append', '')}"]
    if options.get("sparse"):
        command += ["-object", f"memory-backend-ram,id=ram,size={memory},reserve=off",
                    "-machine", "memory-backend=ram"]
    if "initrd" in options:
        command += ["-initrd", scratch_file(image, "initrd", options["initrd"])]
    if "disk" in options:
        disk = scratch_file(image, "disk", options["disk"])
        command += ["-drive", f"file={disk},format=raw,if=none,id=d0",
                    "-device", "virtio-blk-pci,drive=d0,serial=v0"]
    if debug_exit:
        command += ["-device", "isa-debug-exit,iobase=0x501,iosize=4"]
    if options.get("ends_at_once"):
        return boot_counted(command, os.path.splitext(image)[0] + ".qmp")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            errors="replace", timeout=SECONDS, check=False)
    return result.returncode, result.stdout + result.stderr


def boot_counted(command, path):
    """Whatever the host is busy with: a guest instruction takes a nanosecond (-icount shift=0)."""
    if os.path.exists(path):
        os.unlink(path)
    command = [*command, "-icount", "shift=0", "-qmp", f"unix:{path},server,nowait", "-S"]
    started_at = ended_at = None
    with tempfile.TemporaryFile() as output, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        try:
            monitor = machine.Monitor(path)
            monitor.call("cont")
            deadline = time.monotonic() + SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                ended_at = monitor.instructions()
                # Not read(): QEMU writes where this descriptor stands.
                text = os.pread(output.fileno(), 1 << 20, 0)
                if started_at is None and b"application started" in text:
                    started_at = ended_at
                time.sleep(0.01)
        except (OSError, ValueError):
            pass  # it has ended, and its monitor with it
        finally:
            if process.poll() is None:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
        process.wait()
        log = os.pread(output.fileno(), 1 << 20, 0).decode(errors="replace")
    if started_at is not None and ended_at - started_at > 1000000000:
        return "late", f"it went on for {ended_at - started_at} instructions\n{log}"
    return process.returncode, log


def check(out, program, code, pattern, options):
    """None, or what is wrong."""
    image = build(out, program, options.get("flags", []))
    # A trap, a panic, a double or triple fault ends the machine within a second of its own time.
    if code in (125, 134, None):
        options = dict(options, ends_at_once=True)
    debug_exit = code != "off"
    try:
        status, log = boot(image, options, debug_exit)
    except subprocess.TimeoutExpired as error:
        return f"still running after {SECONDS} s; log:\n" + (error.stdout or b"").decode()
    expected = (2 * code + 1) % 256 if isinstance(code, int) else 0
    if status != expected:
        return f"QEMU's exit status is {status}, should be {expected}; log:\n{log}"
    if isinstance(code, int) and program != "empty" and f"exit code {code}\n" not in log:
        return f"no line with exit code {code}; log:\n{log}"
    if not re.search(pattern, log):
        return f"the log lacks /{pattern}/; log:\n{log}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    tests = [test for test in TESTS if arguments.only in test[0]]
    print(f"1..{len(tests)}")
    failed = False
    for number, (name, program, code, pattern, options) in enumerate(tests, 1):
        problem = check(os.path.abspath(arguments.out), program, code, pattern, options)
        failed |= problem is not None
        print(f"{'not ' if problem else ''}ok {number} - {name}", flush=True)
        for line in (problem or "").splitlines():
            print(f"#   {line}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
