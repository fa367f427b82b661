#!/usr/bin/env python3
"""Volumes under real machines: reboots, kills, other disks. Prints TAP.

Usage: tests/volume/run.py [--out BUILD] [--kills N]

The kill test starts a program that writes, syncs and says so, kills QEMU at a random moment,
lets e2fsck replay the journal, and then wants a volume without a fault that holds every file
the program had announced. The next machine continues on the same disk.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WAFER = os.path.join(ROOT, "scripts", "wafer")
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"])
SECONDS = 120
KEPT = 40
LINES = 300


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def call(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
                          **options)


def tool(name):
    return shutil.which(name, path=SBIN) or name


def make_disk(path, megabytes, *arguments):
    with open(path, "wb") as file:
        file.truncate(megabytes << 20)
    result = call([tool("mke2fs"), "-q", "-F", "-b", "4096", *arguments, path])
    expect(result.returncode == 0, f"mke2fs: {result.stdout}")


def check_clean(path):
    result = call([tool("e2fsck"), "-fn", path])
    expect(result.returncode == 0, f"e2fsck finds faults:\n{result.stdout}")


def read_file(path, name):
    result = subprocess.run([tool("debugfs"), "-R", f"cat {name}", path],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS,
                            check=False)
    expect(b"not found" not in result.stderr, f"{name} is not on the disk")
    return result.stdout.decode()


class Suite:
    def __init__(self, out, folder, kills):
        self.folder = folder
        self.kills = kills
        self.environment = dict(os.environ, WAFER_BUILD=out)
        self.module = os.path.join(folder, "writer.wasm")
        source = os.path.join(ROOT, "tests", "volume", "writer.c")
        result = call(["clang-19", "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-o",
                       self.module, source])
        expect(result.returncode == 0, result.stdout)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        return call([WAFER, "run", self.module, *arguments], env=self.environment)

    def check_files(self, disk, synced):
        """Everything up to file `synced` as the program left it."""
        expect(len(read_file(disk, "/log").splitlines()) > synced, "the log is too short")
        for number in range(max(0, synced - KEPT + 2), synced + 1):
            text = read_file(disk, f"/d{number % 4}/f{number}")
            expect(text == f"{number}\n" * (number % LINES + 1), f"file {number} is damaged")

    def test_made_on_first_use_and_kept(self):
        disk = self.path("kept.img")
        for found, count in ((0, 5), (5, 60)):
            result = self.run("--volume", f"{disk}:/data", "--volume-size", "64M", "--", "/data",
                              str(count))
            expect(result.returncode == 0, result.stdout)
            expect(result.stdout.startswith(f"found {found}\n"), result.stdout)
            check_clean(disk)
            self.check_files(disk, count - 1)

    def test_two_volumes_on_microvm(self):
        disks = [self.path("one.img"), self.path("two.img")]
        result = self.run("--machine", "microvm", "--volume", f"{disks[0]}:/one", "--volume",
                          f"{disks[1]}:/with space", "--volume-size", "32M", "--", "/with space",
                          "3")
        expect(result.returncode == 0, result.stdout)
        expect(read_file(disks[1], "/log") == "0\n1\n2\n", "the log is on the other disk")
        check_clean(disks[0])
        check_clean(disks[1])

    def test_without_journal(self):
        disk = self.path("ext2.img")
        make_disk(disk, 32, "-t", "ext2")
        result = self.run("--volume", f"{disk}:/data", "--", "/data", "5")
        expect(result.returncode == 0, result.stdout)
        check_clean(disk)
        self.check_files(disk, 4)

    def test_full_disk(self):
        disk = self.path("full.img")
        make_disk(disk, 12, "-t", "ext3", "-J", "size=4", "-N", "32")
        result = self.run("--volume", f"{disk}:/data", "--", "/data", "60")
        expect(result.returncode == 1 and "No space left" in result.stdout, result.stdout[-300:])
        check_clean(disk)

    def test_foreign_disk_is_refused_in_words(self):
        disk = self.path("ext4.img")
        make_disk(disk, 32, "-t", "ext4")
        result = self.run("--volume", f"{disk}:/data")
        expect(result.returncode == 125 and "mke2fs -t ext3" in result.stdout, result.stdout)
        result = self.run("--volume", f"{disk}")
        expect(result.returncode == 2, result.stdout)

    def test_killed_machines(self):
        disk = self.path("killed.img")
        image = self.path("writer.elf")
        make_disk(disk, 48, "-t", "ext3", "-J", "size=4")
        result = call([WAFER, "build", self.module, "-o", image, "--append",
                       "volume=wafer0:/data"], env=self.environment)
        expect(result.returncode == 0, result.stdout)
        random.seed(int(os.environ.get("SEED", "1")))
        total = 0
        for _ in range(self.kills):
            synced = self.run_and_kill(image, disk)
            result = call([tool("e2fsck"), "-p", disk])
            expect(result.returncode in (0, 1), f"e2fsck -p: {result.stdout}")
            check_clean(disk)
            if synced is not None:
                expect(synced >= total - 1, "files were written twice")
                self.check_files(disk, synced)
                total = synced + 1
        expect(total > 0, "no machine came as far as one file")

    def run_and_kill(self, image, disk):
        """The last file announced before the end, or None."""
        command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-m",
                   "256", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", image, "-drive",
                   f"if=none,id=wafer0,format=raw,cache=writeback,file={disk}", "-device",
                   "virtio-blk-pci,drive=wafer0,serial=wafer0", "-chardev", "stdio,id=out",
                   "-device", "isa-debugcon,iobase=0xe9,chardev=out"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as machine:
            # The clock of the kill runs from the first sign of life.
            first = machine.stdout.readline()
            time.sleep(random.uniform(0, 1.5))
            machine.kill()
            text = (first + machine.stdout.read()).decode()
        numbers = re.findall(r"^synced (\d+)$", text, re.MULTILINE)
        return int(numbers[-1]) if numbers else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    missing = [name for name in ("mke2fs", "e2fsck", "debugfs", "qemu-system-x86_64", "clang-19")
               if not shutil.which(name, path=SBIN)]
    with tempfile.TemporaryDirectory(prefix="wafer-volume-") as folder:
        suite = None if missing else Suite(os.path.abspath(options.out), folder, options.kills)
        tests = [name for name in dir(Suite) if name.startswith("test_")]
        print(f"1..{len(tests)}")
        for number, name in enumerate(tests, 1):
            title = name[5:].replace("_", " ")
            if missing:
                print(f"ok {number} - {title} # SKIP {', '.join(missing)} not installed")
                continue
            try:
                getattr(suite, name)()
                print(f"ok {number} - {title}", flush=True)
            except (Failure, subprocess.TimeoutExpired, OSError) as error:
                print(f"not ok {number} - {title}", flush=True)
                print("\n".join("# " + line for line in str(error).splitlines()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
