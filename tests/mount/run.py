#!/usr/bin/env python3
"""Directories of the host, live in a machine (wafer run --mount). Prints TAP.

Usage: tests/mount/run.py [--out BUILD]

worker.c is the guest's side; this file is the host's, and says what each must see of the other.
"""
import argparse
import hashlib
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from suite import ROOT, SECONDS, WAFER, Folder, Skip, call, expect, run_tests  # noqa: E402

BIG_BYTES = 50 << 20
NOBODY = 65534


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Suite(Folder):
    def __init__(self, out, folder):
        super().__init__(out, folder, "tests/mount/worker.c")

    def share(self, name):
        path = self.path(name)
        os.mkdir(path)
        return path

    def check_files(self, machine):
        share = self.share("files, " + machine)
        result = self.run("--machine", machine, "--mount", f"{share}:/with space", "--",
                          "/with space", "files")
        expect(result.returncode == 0 and result.stdout == "files\n", result.stdout)
        expect(sorted(os.listdir(share)) == ["many", "moved", "soft", "text", "ä €"],
               f"left behind: {os.listdir(share)}")
        status = os.stat(f"{share}/text")
        expect(status.st_size == 100001 and status.st_mtime_ns == 1100000000987654321,
               f"text: {status}")
        expect(read(f"{share}/text") == b"one two" + bytes(99993) + b"!", "text is damaged")
        expect(status.st_mode & 0o777 == 0o644 and status.st_uid == os.getuid(), f"{status}")
        expect(os.readlink(f"{share}/soft") == "dir/sub/b", "the link is no link")
        expect(read(f"{share}/moved/b") == b"c", "moved/b is damaged")
        expect(sorted(os.listdir(f"{share}/many")) ==
               sorted(f"file-number-{number}" for number in range(1, 1000, 2)), "many")

    def test_files_on_q35(self):
        self.check_files("q35")

    def test_files_on_microvm(self):
        self.check_files("microvm")

    def test_both_sides_see_each_other(self):
        share = self.share("live")
        with subprocess.Popen([WAFER, "run", self.module, "--mount", f"{share}:/data", "--timeout",
                               str(SECONDS), "--", "/data", "live"], env=self.environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as machine:
            def wait_for(said):
                line = machine.stdout.readline()
                expect(line == said + "\n", line + machine.stdout.read()
                       if not line or line.startswith(("FAILED", "line")) else line)

            def go_on():
                machine.stdin.write("go\n")
                machine.stdin.flush()

            wait_for("written")
            expect(read(f"{share}/shared") == b"guest", "the host does not see what was written")
            with open(f"{share}/shared", "a", encoding="ascii") as file:
                file.write("-host")
            os.mkdir(f"{share}/from-host")
            write(f"{share}/from-host/file", "hello")
            go_on()
            wait_for("again")
            expect(read(f"{share}/shared") == b"GUEST-host", "the write is not there")
            os.unlink(f"{share}/shared")
            os.rename(f"{share}/from-host", f"{share}/renamed")
            go_on()
            wait_for("looked")
            os.truncate(f"{share}/renamed/file", 2)
            write(f"{share}/renamed/other", "other")
            go_on()
            wait_for("live")
            expect(machine.wait(SECONDS) == 0, "the machine failed")

    def test_nothing_outside_can_be_reached(self):
        outside = self.share("outside")
        share = os.path.join(outside, "share")
        os.makedirs(f"{share}/inside")
        write(f"{outside}/secret", "secret")
        write(f"{share}/inside/own", "own")
        os.mkfifo(f"{share}/pipe")
        for name, target in (("absolute", "/etc"), ("up", ".."), ("file-up", "../secret"),
                             ("inside/up2", "../.."), ("inside/file-up2", "../../secret"),
                             ("chain", "inside/up2"), ("fine", "inside/../inside/own")):
            os.symlink(target, f"{share}/{name}")
        result = self.run("--mount", f"{share}:/data", "--", "/data", "escape")
        expect(result.returncode == 0 and result.stdout == "contained\n", result.stdout)
        expect(sorted(os.listdir(outside)) == ["secret", "share"], f"{os.listdir(outside)}")
        expect(not os.path.exists("/etc/stolen"), "/etc/stolen was made")

    def test_read_only_beside_another(self):
        share, other = self.share("fixed"), self.share("other")
        write(f"{share}/text", "fixed")
        result = self.run("--mount", f"{other}:/other", "--mount", f"{share}:/data:ro", "--",
                          "/data", "read-only")
        expect(result.returncode == 0 and result.stdout == "read-only\n", result.stdout)
        expect(os.listdir(share) == ["text"] and read(f"{share}/text") == b"fixed", "changed")

    def test_the_rights_of_the_user_decide(self):
        """Root is let through everywhere, so QEMU then runs as somebody else."""
        share, image = self.share("rights"), self.path("worker.elf")
        for name, mode in (("unreadable", 0), ("fixed", 0o444), ("write-only", 0o222)):
            write(f"{share}/{name}", name)
            os.chmod(f"{share}/{name}", mode)
        for name, mode in (("closed", 0o555), ("locked", 0o666)):
            os.mkdir(f"{share}/{name}")
            write(f"{share}/{name}/file", "file")
            os.chmod(f"{share}/{name}", mode)
        result = call([WAFER, "build", self.module, "-o", image], env=self.environment)
        expect(result.returncode == 0, result.stdout)
        command = [WAFER, "run", image, "--mount", f"{share}:/data", "--", "/data", "rights"]
        if os.getuid() == 0:
            os.chmod(self.folder, 0o755)
            for path in [share] + [f"{share}/{name}" for name in os.listdir(share)]:
                os.chown(path, NOBODY, NOBODY)
            drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
            if call(drop + [WAFER, "--help"]).returncode:
                raise Skip("others than root cannot run wafer from here")
            command = drop + command
        try:
            result = call(command, env=self.environment)
        finally:
            for name in ("closed", "locked"):
                os.chmod(f"{share}/{name}", 0o755)
        expect(result.returncode == 0 and result.stdout == "rights\n", result.stdout)
        os.chmod(f"{share}/write-only", 0o444)
        expect(read(f"{share}/write-only") == b"Xrite-only", "the write is not there")

    def test_big_file(self):
        share = self.share("big")
        content = random.Random(1).randbytes(BIG_BYTES + 12345)
        with open(f"{share}/big", "wb") as file:
            file.write(content)
        result = self.run("--mount", f"{share}:/data", "--", "/data", "copy")
        total = sum(sum(content[at:at + (1 << 20)][::997])
                    for at in range(0, len(content), 1 << 20))
        expect(result.returncode == 0 and result.stdout == f"copied {total}\n", result.stdout)
        expect(hashlib.sha256(read(f"{share}/big.copy")).digest() ==
               hashlib.sha256(content).digest(), "the copy differs")

    def test_mistakes_are_told_in_words(self):
        share = self.share("mistakes")
        result = self.run("--mount", f"{share}/none:/data")
        expect(result.returncode == 2 and "is not a directory" in result.stdout, result.stdout)
        result = self.run("--mount", share)
        expect(result.returncode == 2 and "HOST:GUEST" in result.stdout, result.stdout)
        result = self.run("--append", "mount=other:/data", "--mount", f"{share}:/data")
        expect(result.returncode == 125 and "mount=other:/data: no virtio 9P device" in
               result.stdout, result.stdout)
        result = self.run("--append", "mount=wafer0:/again", "--mount", f"{share}:/data")
        expect(result.returncode == 125 and "cannot be mounted" in result.stdout, result.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    options = parser.parse_args()
    run_tests(Suite, [], lambda folder: Suite(options.out, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
