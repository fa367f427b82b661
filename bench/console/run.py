#!/usr/bin/env python3
"""10 MB of console output: the same C program on Wafer and in a Debian guest, same QEMU command.

Usage: bench/console/run.py [--out BUILD] [--rounds N]      (make bench-console)

The output goes to a virtio-console port in both (under Linux without a terminal's line discipline
between, which is the faster way) and from there into a pipe. Seconds are taken in turns, from the
first byte to the last. Instructions, notifications (each leaves the virtual machine) and interrupts are
counted in runs of their own, with a device that answers at once: nothing is gathered meanwhile.
"""
import argparse
import os
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import linux_guest  # noqa: E402
import machine  # noqa: E402

TOTAL_BYTES = 10000000
PIECES = (80, 4096, 65536)
QEMU = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-m", "256", "-smp",
        "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "null",
        "-chardev", "null,id=in"]
BUS = "virtio-serial-pci,disable-legacy=on,max_ports=4"
PORTS = ["-device", "virtserialport,chardev=in,name=wafer.stdin", "-device",
         "virtserialport,chardev=out,name=wafer.stdout"]
SECONDS = 300


def wafer_boot(out, piece):
    """QEMU's options to boot the program on Wafer."""
    folder = os.path.join(out, "bench")
    module = os.path.join(folder, "console-output.wasm")
    image = os.path.join(folder, f"console-output-{piece}.elf")
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O2", os.path.join(HERE, "output.c"), "-o",
                    module], check=True)
    subprocess.run([machine.WAFER, "build", module, "-o", image, "--", str(piece)], check=True)
    return ["-kernel", image]


def linux_boot(out, piece):
    folder = os.path.join(out, "bench")
    program = os.path.join(folder, "console-output")
    subprocess.run(["clang-19", "-O2", "-static", os.path.join(HERE, "output.c"), "-o", program],
                   check=True)
    kernel, initramfs = linux_guest.build(
        out, os.path.join(folder, "www"), f"console-{piece}", f"console-output {piece} /dev/vport0p2",
        programs=[program])
    return ["-kernel", kernel, "-initrd", initramfs, "-append", "quiet mitigations=off"]


def run(boot, counted):
    """Seconds for the output; or instructions and notifications where they are counted."""
    with tempfile.TemporaryDirectory(prefix="wafer-bench-") as folder:
        path, log = os.path.join(folder, "qmp"), os.path.join(folder, "log")
        reader, writer = os.pipe()
        # Without ioeventfd each notification is answered at once, in the guest's time: countable.
        command = [*QEMU, "-chardev", f"file,id=out,path=/dev/fd/{writer}", "-device",
                   BUS + (",ioeventfd=off" if counted else ""), *PORTS, *boot]
        if counted:
            command += ["-icount", "shift=0", "-qmp", f"unix:{path},server,nowait", "-trace",
                        "virtio_queue_notify", "-trace", "virtio_notify", "-D", log]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, pass_fds=[writer])
        os.close(writer)
        try:
            monitor = machine.Monitor(path) if counted else None
            receive(reader, len(b"ready\n"))
            time.sleep(0.5)
            before = (monitor.instructions(), events(log)) if counted else None
            receive(reader, 1)
            start = time.monotonic()
            receive(reader, TOTAL_BYTES - 1)
            if not counted:
                return time.monotonic() - start
            instructions = monitor.instructions()
            process.terminate()  # in peace, so that the log is whole
            process.wait(30)
            return instructions - before[0], events(log) - before[1]
        finally:
            process.kill()
            process.wait()
            os.close(reader)


def receive(reader, count):
    deadline = time.monotonic() + SECONDS
    while count > 0:
        ready = select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]
        data = os.read(reader, min(count, 1 << 16)) if ready else b""
        if not data:
            raise RuntimeError(f"{count} bytes are missing")
        count -= len(data)


def events(log):
    with open(log, encoding="utf-8") as file:
        return len(re.findall(r"virtio_(queue_)?notify", file.read()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(machine.ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    os.environ["WAFER_BUILD"] = out
    os.makedirs(os.path.join(out, "bench", "www"), exist_ok=True)
    print("| bytes a write | | seconds | instructions a write | notifications and interrupts |\n"
          "|---|---|---|---|---|")
    for piece in PIECES:
        guests = {"Wafer": wafer_boot(out, piece), "Linux": linux_boot(out, piece)}
        seconds = {name: [] for name in guests}
        for _ in range(options.rounds):
            for name, boot in guests.items():
                seconds[name].append(run(boot, False))
        for name, boot in guests.items():
            instructions, exits = run(boot, True)
            writes = -(-TOTAL_BYTES // piece)
            median, low, high = (choose(seconds[name]) for choose in (statistics.median, min, max))
            print(f"| {piece:,} | {name} | {median:.2f} ({low:.2f} to {high:.2f}) "
                  f"| {instructions / writes:,.0f} | {exits:,} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
