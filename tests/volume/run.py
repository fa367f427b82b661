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
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from suite import ROOT, SBIN, SECONDS, WAFER, Folder, call, expect, run_tests  # noqa: E402

KEPT = 40
LINES = 300


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


class Suite(Folder):
    def __init__(self, out, folder, kills):
        super().__init__(out, folder, "tests/volume/writer.c")
        self.kills = kills

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

    def test_the_time_limit_loses_nothing(self):
        """A program that hangs in its own code is ended; what it wrote is on the disk."""
        for machine in ("q35", "microvm"):
            disk = self.path(f"limit-{machine}.img")
            make_disk(disk, 32, "-t", "ext3", "-J", "size=4")
            result = self.run("--machine", machine, "--volume", f"{disk}:/data", "--timeout", "3",
                              "--", "/data", "-1")
            expect(result.returncode == 124 and "written" in result.stdout, result.stdout)
            check_clean(disk)
            expect(read_file(disk, "/u299") == "unsynced 299\n", "the last file is not there")

    def test_a_signal_loses_nothing(self):
        """Nor is anything lost when whoever runs the program ends it."""
        disk = self.path("signal.img")
        make_disk(disk, 32, "-t", "ext3", "-J", "size=4")
        process = subprocess.Popen(
            [WAFER, "run", self.module, "--volume", f"{disk}:/data", "--", "/data", "-1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        while "written" not in (line := process.stdout.readline()):
            expect(line != "", "it ended early")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=SECONDS)
        expect(process.returncode == 130, f"{process.returncode}: {output}")
        check_clean(disk)
        expect(read_file(disk, "/u299") == "unsynced 299\n", "the last file is not there")

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
    run_tests(Suite, ["mke2fs", "e2fsck", "debugfs"],
              lambda folder: Suite(options.out, folder, options.kills))
    return 0


if __name__ == "__main__":
    sys.exit(main())
