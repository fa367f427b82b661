"""Raises the accept backlog of QEMU's forwarded ports.

QEMU's user networking listens with a backlog of 1 (libslirp): when many clients connect at
once, the host drops all but two of them, and they try again a second later. listen(2) may
be called again on a listening socket, and pidfd_getfd(2) hands us QEMU's, because QEMU is our
child. Where the system does not allow it, everything works as before, with that limit.
"""
import ctypes
import os
import re
import socket
import time

SYS_PIDFD_GETFD = 438
BACKLOG = 4096
LISTENING = "0A"


def listening_inodes():
    """Socket inode -> port, of all IPv4 listeners (proc(5), /proc/net/tcp)."""
    inodes = {}
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            words = line.split()
            if words[3] == LISTENING:
                inodes[words[9]] = int(words[1].split(":")[1], 16)
    return inodes


def raise_one(pid_fd, number):
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_PIDFD_GETFD, pid_fd, number, 0)
    if fd < 0:
        return
    with socket.socket(fileno=fd) as listener:
        listener.listen(BACKLOG)


def raise_backlogs(pid, ports, seconds=5):
    """Waits until the process listens on all ports, and raises their backlogs."""
    wanted = set(ports)
    deadline = time.monotonic() + seconds
    try:
        pid_fd = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return
    try:
        while wanted and time.monotonic() < deadline:
            inodes = listening_inodes()
            folder = f"/proc/{pid}/fd"
            for name in os.listdir(folder):
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(os.path.join(folder, name)))
                port = inodes.get(match.group(1)) if match else None
                if port in wanted:
                    raise_one(pid_fd, int(name))
                    wanted.discard(port)
            time.sleep(0.01)
    except OSError:
        pass  # QEMU ended, or /proc is closed to us: the default backlog stays
    finally:
        os.close(pid_fd)
