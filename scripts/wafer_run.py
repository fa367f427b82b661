"""wafer run: boots an image in QEMU and passes streams and the exit code through.

Channels (kernel/console.h): the log comes over COM1; standard input, output and error are
ports of a virtio console. Each is a pipe or socket of its own between QEMU and this
program, so nothing is mixed.
"""
import ctypes
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time

import wafer_backlog
import wafer_build
import wafer_ending
import wafer_observe
import wafer_symbols
import wafer_volume
from wafer_common import (EXIT_MACHINE, EXIT_USAGE, WaferError, kernel_words, need_tool,
                          parse_size)

EXIT_LINE = re.compile(rb"^wafer: exit code (\d+)\s*$")
STARTED_LINE = re.compile(rb"^wafer: application started\s*$")
# Lines of LOG_INFO and LOG_DEBUG start so; the rest are errors, warnings and reports.
QUIET_LINE = re.compile(rb"^\[ *\d+\.\d+\] (info|debug) ")
CHUNK = 65536
# The machine ends itself when its time is over; a wafer that waits longer ends it.
STOP_SECONDS = 5


def hardware_virtualisation():
    """Whether KVM is there and the processor itself virtualises (see docs/architecture.md)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
            flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
        if "vmx" not in flags and "svm" not in flags:
            return False
        os.close(os.open("/dev/kvm", os.O_RDWR))
        return True
    except OSError:
        return False


def choose_accel(wanted):
    if wanted == "tcg":
        return "tcg"
    if hardware_virtualisation():
        return "kvm"
    if wanted == "kvm":
        raise WaferError("KVM is not usable here: the processor flags show neither vmx nor svm, "
                         "or /dev/kvm does not open; use --accel tcg", EXIT_MACHINE)
    return "tcg"


def parse_memory(text):
    """Megabytes; a bare number counts megabytes, as QEMU's -m does."""
    size = parse_size(text, "M")
    if size is None:
        raise WaferError(f"--memory {text}: write a size such as 64M or 1G", EXIT_USAGE)
    if size < 1 << 20:
        raise WaferError(f"--memory {text}: too small", EXIT_USAGE)
    return size >> 20


def network_arguments(options, uses_sockets):
    """QEMU's arguments and the kernel words for the network card."""
    mode = options.net
    if mode == "auto":
        mode = "user" if uses_sockets or options.forwards else "none"
    if mode == "none":
        if options.forwards:
            raise WaferError("--listen and --publish need a network card, but --net is none",
                             EXIT_USAGE)
        return [], []
    if mode == "user":
        back_end = "user,id=net0"
        for forward in options.forwards:
            check_port_is_free(forward)
            back_end += f",hostfwd=tcp:{forward.address}:{forward.host}-:{forward.guest}"
        # The addresses of QEMU's built-in network: no need to ask its DHCP server.
        words = ["ip=10.0.2.15/24", "gateway=10.0.2.2", "dns=10.0.2.3"]
    elif mode.startswith("tap:"):
        back_end = f"tap,id=net0,ifname={mode[4:]},script=no,downscript=no,vhost=off"
        words = []
    else:
        raise WaferError(f"--net {mode}: auto, user, none or tap:NAME", EXIT_USAGE)
    if any(word.startswith("ip=") for word in options.append):
        words = []
    device = "virtio-net-device" if options.machine == "microvm" else \
        "virtio-net-pci,disable-legacy=on,romfile="
    arguments = ["-netdev", back_end, "-device", f"{device},netdev=net0"]
    if options.pcap:
        arguments += ["-object", f"filter-dump,id=dump0,netdev=net0,file={options.pcap}"]
    return arguments, words


def check_port_is_free(forward):
    """QEMU's own message about a taken port does not say which."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((forward.address, forward.host))
        except OSError as error:
            raise WaferError(f"cannot listen on {forward.address}:{forward.host}: "
                             f"{error.strerror}", EXIT_MACHINE) from error


def machine_arguments(options, image, accel, has_tar_bytes):
    """Machine, processor, memory and boot medium."""
    megabytes = parse_memory(options.memory) if options.memory else \
        max(256, 192 + 2 * (has_tar_bytes >> 20))
    machine = options.machine
    if machine == "microvm":
        machine = "microvm,pic=on,pit=on,rtc=on,isa-serial=on"
    arguments = ["-accel", accel, "-cpu", "host" if accel == "kvm" else "max",
                 "-machine", machine, "-m", str(megabytes), "-smp", "1",
                 "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-device", "isa-debug-exit,iobase=0x501,iosize=4"]
    if options.machine == "microvm":
        arguments += ["-global", "virtio-mmio.force-legacy=false"]
    if image.endswith(".iso"):
        if options.machine == "microvm":
            raise WaferError("microvm cannot boot an ISO; use --machine q35", EXIT_USAGE)
        arguments += ["-cdrom", image, "-boot", "d"]
    else:
        arguments += ["-kernel", image]
    if options.instructions:
        arguments += wafer_observe.ICOUNT_ARGUMENTS
    if options.gdb:
        arguments += ["-gdb", f"tcp:127.0.0.1:{options.gdb}", "-S"]
    return arguments


PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent():
    """Runs in the child before QEMU: no machine outlives a wafer that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """A running QEMU and the channels to it."""

    def __init__(self, options, image):
        self.options = options
        self.symboliser = wafer_symbols.Symboliser(image)
        self.process = None
        self.selector = selectors.DefaultSelector()
        self.outputs = {}       # our read end -> (name, sink)
        self.child_fds = []
        self.arguments = []
        self.stdin_socket = None
        self.stdin_pending = b""
        self.log_tail = b""
        self.exit_code = None
        self.started = False
        self.qemu_messages = b""
        self.ending = wafer_ending.Ending()
        self.observer = wafer_observe.Observer(options)

    def add_output(self, name):
        """A pipe whose write end QEMU opens by its descriptor path."""
        read_end, write_end = os.pipe()
        self.child_fds.append(write_end)
        self.outputs[read_end] = name
        self.arguments += ["-chardev", f"file,id={name},path=/dev/fd/{write_end}"]
        return name

    def add_channels(self):
        for name in ("log", "out", "err"):
            self.add_output(name)
        self.arguments += ["-serial", "chardev:log"]
        self.child_fds.append(self.ending.child_fd)
        self.arguments += self.ending.arguments
        ours, theirs = socket.socketpair()
        self.stdin_socket = ours
        self.child_fds.append(theirs.detach())
        bus = "virtio-serial-device" if self.options.machine == "microvm" else \
            "virtio-serial-pci,disable-legacy=on"
        self.arguments += ["-chardev", f"socket,id=in,fd={self.child_fds[-1]}",
                           "-device", f"{bus},max_ports=4",
                           "-device", "virtserialport,chardev=in,name=wafer.stdin",
                           "-device", "virtserialport,chardev=out,name=wafer.stdout",
                           "-device", "virtserialport,chardev=err,name=wafer.stderr"]

    def start(self, command):
        messages_read, messages_write = os.pipe()
        self.outputs[messages_read] = "qemu"
        try:
            self.process = subprocess.Popen(
                command + self.arguments, stdin=subprocess.DEVNULL, stdout=messages_write,
                stderr=messages_write, pass_fds=self.child_fds, start_new_session=True,
                preexec_fn=die_with_parent)
        except OSError as error:
            raise WaferError(f"cannot run QEMU: {error.strerror}", EXIT_MACHINE) from error
        for fd in self.child_fds + [messages_write]:
            os.close(fd)
        for fd in self.outputs:
            self.selector.register(fd, selectors.EVENT_READ, "output")
        self.selector.register(self.ending.monitor, selectors.EVENT_READ, "monitor")
        self.selector.register(self.ending.signal_read, selectors.EVENT_READ, "signal")
        self.watch_stdin(True)
        ports = [forward.host for forward in self.options.forwards]
        if ports:
            threading.Thread(target=wafer_backlog.raise_backlogs, args=(self.process.pid, ports),
                             daemon=True).start()

    def watch_stdin(self, wanted):
        """Our standard input is read only while QEMU takes what was read before."""
        try:
            if wanted:
                self.selector.register(0, selectors.EVENT_READ, "stdin")
            else:
                self.selector.unregister(0)
        except (ValueError, KeyError, OSError, PermissionError):
            # A regular file is always readable and epoll refuses it: feed it in pieces.
            if wanted:
                self.feed_stdin()

    def feed_stdin(self):
        """Moves one piece of standard input; ends the channel at its end."""
        if not self.stdin_socket:
            return
        try:
            data = os.read(0, CHUNK)
        except OSError:
            data = b""
        if not data:
            self.watch_off_stdin()
            self.stdin_socket.shutdown(socket.SHUT_WR)
            return
        self.stdin_pending = data
        self.watch_off_stdin()
        self.stdin_socket.setblocking(False)
        self.selector.register(self.stdin_socket, selectors.EVENT_WRITE, "stdin-out")

    def watch_off_stdin(self):
        try:
            self.selector.unregister(0)
        except (ValueError, KeyError, OSError):
            pass

    def push_stdin(self):
        try:
            sent = self.stdin_socket.send(self.stdin_pending)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self.stdin_pending)
        self.stdin_pending = self.stdin_pending[sent:]
        if not self.stdin_pending:
            self.selector.unregister(self.stdin_socket)
            self.watch_stdin(True)

    def take_output(self, fd):
        data = os.read(fd, CHUNK)
        name = self.outputs[fd]
        if not data:
            self.selector.unregister(fd)
            os.close(fd)
            del self.outputs[fd]
        elif name == "out":
            write_all(1, data)
        elif name == "err":
            write_all(2, data)
        elif name == "qemu":
            self.qemu_messages += data
        else:
            self.take_log(data)
        if name in ("out", "err") and data:
            self.started = True

    def take_log(self, data):
        lines = (self.log_tail + data).split(b"\n")
        self.log_tail = lines.pop()
        for line in lines:
            self.take_log_line(line.rstrip(b"\r"))

    def take_log_line(self, line):
        match = EXIT_LINE.match(line)
        if match:
            self.exit_code = int(match.group(1))
            self.started = True
        elif STARTED_LINE.match(line):
            self.started = True
        elif self.observer.take(line):
            return
        elif line and (self.options.verbose or not QUIET_LINE.match(line)):
            for shown in self.symboliser.rewrite(line):
                write_all(2, shown + b"\n")

    def serve(self, start_deadline):
        """Passes data until QEMU closed all its channels. False: a deadline passed."""
        stop_deadline = None
        asked = False
        while self.outputs:
            limit = start_deadline
            if self.started:
                if stop_deadline is None:
                    seconds = self.options.timeout + STOP_SECONDS
                    stop_deadline = time.monotonic() + seconds if self.options.timeout \
                        else float("inf")
                limit = stop_deadline
                self.ending.may_ask = True
            if self.ending.number is not None and not asked:
                asked = True
                if not self.ending.ask():
                    return False
                stop_deadline = limit = time.monotonic() + STOP_SECONDS
            left = limit - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self.selector.select(min(left, 3600)):
                if key.data == "output":
                    self.take_output(key.fd)
                elif key.data == "stdin":
                    self.feed_stdin()
                elif key.data == "signal":
                    self.ending.drain_signal()
                elif key.data == "monitor":
                    if not self.ending.drain():
                        self.selector.unregister(self.ending.monitor)
                else:
                    self.push_stdin()
        return True

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def write_all(fd, data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BrokenPipeError as error:
            # Whoever read our output is gone: end as a program killed by SIGPIPE does.
            raise WaferError("the reader of the output closed it", 141) from error


def finish(machine, options):
    """The exit code, from the log's last line or from QEMU's own."""
    status = machine.process.wait()
    if machine.log_tail:
        machine.take_log_line(machine.log_tail)
    if machine.exit_code is not None:
        return machine.exit_code & 0xFF
    if machine.qemu_messages:
        sys.stderr.write(machine.qemu_messages.decode(errors="replace"))
        raise WaferError("QEMU could not run the machine", EXIT_MACHINE)
    if status > 0 and status & 1:
        return status >> 1
    raise WaferError("the machine stopped without an exit code"
                     + ("" if options.verbose else "; -v shows the kernel's log"), EXIT_MACHINE)


def run(options):
    qemu = need_tool("qemu-system-x86_64", "qemu-system-x86")
    artefact = wafer_build.prepare(options)
    accel = choose_accel(options.accel)
    network, network_words = network_arguments(options, artefact.uses_sockets)
    machine = Machine(options, artefact.image)
    machine.add_channels()
    arguments = machine_arguments(options, artefact.image, accel, artefact.tar_bytes) + network
    if artefact.tar:
        arguments += ["-initrd", artefact.tar]
    for volume in options.volumes:
        volume.make(wafer_volume.volume_bytes(options.volume_size))
        arguments += volume.machine_arguments(options.machine)
    for mount in options.mounts:
        arguments += mount.machine_arguments(options.machine)
    terminals = ",".join(str(fd) for fd in range(3) if is_terminal(fd))
    words = ["log=info"] + network_words + ([f"tty={terminals}"] if terminals else [])
    words += [f"argv0={artefact.name}"] if artefact.name else []
    words += wafer_observe.kernel_words(options)
    own_words = kernel_words(options)
    if not artefact.image.endswith(".iso"):
        arguments += ["-append", " ".join(words + own_words)]
    elif own_words:
        raise WaferError("an ISO image carries its own options; build it with them", EXIT_USAGE)
    if options.verbose:
        print("wafer: " + " ".join([qemu] + arguments), file=sys.stderr)
    machine.ending.watch_signals()
    start_deadline = float("inf") if options.gdb else time.monotonic() + options.boot_timeout
    try:
        machine.start([qemu] + arguments + options.qemu)
        in_time = machine.serve(start_deadline)
        if machine.ending.number is not None:
            if in_time:
                machine.observer.finish()
            return 128 + machine.ending.number
        if not in_time:
            if not machine.started:
                raise WaferError(f"the image did not start within {options.boot_timeout} s",
                                 EXIT_MACHINE)
            raise WaferError(f"the machine did not stop {STOP_SECONDS} s after its time limit: "
                             "it runs with interrupts off, or the host starves it", 124)
        code = finish(machine, options)
        machine.observer.finish()
        return code
    finally:
        machine.stop()


def is_terminal(fd):
    try:
        return os.isatty(fd)
    except OSError:
        return False
