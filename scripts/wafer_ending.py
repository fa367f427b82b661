"""Signals to wafer run: the machine is asked to end, and says farewell.

An interrupt from outside (NMI, sent over QEMU's monitor, QMP) is the request (kernel/wait_boot.h):
the kernel brings disks up to date, prints what was asked for, and powers off. A second signal, or
a machine that does not answer, ends it at once.
"""
import os
import signal
import socket

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A monitor takes commands after this one (QMP specification, "Capabilities Negotiation").
HELLO = b'{"execute": "qmp_capabilities"}\n'
REQUEST = b'{"execute": "inject-nmi"}\n'
CHUNK = 4096


class Ending:
    """The monitor's channel, and which signal came."""

    def __init__(self):
        self.monitor, theirs = socket.socketpair()
        self.child_fd = theirs.detach()
        self.arguments = ["-chardev", f"socket,id=monitor,fd={self.child_fd}",
                          "-mon", "chardev=monitor,mode=control"]
        self.signal_read, self.signal_write = os.pipe()
        os.set_blocking(self.signal_write, False)
        self.monitor.setblocking(False)
        self.number = None      # the first signal
        self.may_ask = False    # the kernel is there to be asked

    def watch_signals(self):
        """From now on a first signal is only noted, so that the caller can ask the machine."""
        signal.set_wakeup_fd(self.signal_write, warn_on_full_buffer=False)
        for number in SIGNALS:
            # One that is ignored (nohup, a shell's background job) stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.take_signal)

    def take_signal(self, number, _frame):
        if self.may_ask and self.number is None:
            self.number = number
            return
        # Once: another signal must not interrupt the clean-up.
        for ending in SIGNALS:
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(128 + (self.number or number))

    def ask(self):
        """False: the monitor is gone, and the machine with it."""
        try:
            self.monitor.sendall(HELLO + REQUEST)
        except OSError:
            return False
        return True

    def drain(self):
        """Reads what woke the caller. The monitor's answers say nothing that the log does not."""
        try:
            return bool(self.monitor.recv(CHUNK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def drain_signal(self):
        os.read(self.signal_read, CHUNK)
