"""A virtio device of our own behind QEMU's vhost-user, which answers as it likes.

QEMU connects to a Unix socket, hands over the guest's memory and the rings (vhost-user protocol,
docs/interop/vhost-user.rst of QEMU); a thread serves them. A subclass says what comes back:

    config()                  the device's configuration space
    handle(ring, chain)       a chain the guest gave; usually ends in self.complete(ring, ...)

Split rings, little endian (virtio 1.2 §2.7). Nothing here needs a privilege.
"""
import array
import mmap
import os
import select
import socket
import struct
import threading

GET_FEATURES, SET_FEATURES, SET_MEM_TABLE = 1, 2, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_CONFIG = 15, 17, 24
PROTOCOL_F_CONFIG = 1 << 9
F_PROTOCOL_FEATURES = 1 << 30
F_VERSION_1 = 1 << 32
NEXT, WRITE = 1, 2


class Chain:
    """What the guest offers: (address, length) pieces to read from and to write to."""

    def __init__(self, head):
        self.head = head
        self.readable = []
        self.writable = []


class Ring:
    def __init__(self):
        self.size = 0
        self.desc = self.avail = self.used = 0
        self.seen = 0  # of the available ring
        self.used_index = 0
        self.kick = self.call = None
        self.waiting = []  # chains nobody has answered


class Device(threading.Thread):
    FEATURES = 0

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.path = path
        self.features = 0
        self.regions = []
        self.rings = [Ring() for _ in range(4)]
        self.error = None

    def run(self):
        try:
            self.connection, _ = self.listener.accept()
            while self.serve():
                pass
        except (OSError, ValueError, struct.error) as error:
            self.error = error

    def config(self):
        return b""

    # ---- Guest memory ---------------------------------------------------------------------------

    def locate(self, address, by_user):
        for guest, size, user, memory, offset in self.regions:
            start = user if by_user else guest
            if start <= address < start + size:
                return memory, address - start + offset
        raise ValueError(f"no memory at {address:#x}")

    def read(self, address, length, by_user=False):
        memory, offset = self.locate(address, by_user)
        return memory[offset:offset + length]

    def write(self, address, data, by_user=False):
        memory, offset = self.locate(address, by_user)
        memory[offset:offset + len(data)] = data

    def gather(self, chain):
        return b"".join(self.read(*piece) for piece in chain.readable)

    def scatter(self, chain, data):
        for address, length in chain.writable:
            self.write(address, data[:length])
            data = data[length:]

    # ---- Rings ----------------------------------------------------------------------------------

    def used(self, ring, head, length, step=1):
        """Writes a used element, true or not, and moves the index on by `step`."""
        slot = ring.used + 4 + 8 * (ring.used_index % ring.size)
        self.write(slot, struct.pack("<II", head & 0xffffffff, length & 0xffffffff), True)
        ring.used_index = (ring.used_index + step) & 0xffff
        self.write(ring.used + 2, struct.pack("<H", ring.used_index), True)

    def interrupt(self, ring):
        if ring.call is not None:
            os.write(ring.call, struct.pack("=Q", 1))

    def complete(self, ring, chain, length):
        self.used(ring, chain.head, length)
        self.interrupt(ring)

    def chain(self, ring, head):
        result = Chain(head)
        index = head
        for _ in range(ring.size):
            address, length, flags, following = struct.unpack(
                "<QIHH", self.read(ring.desc + 16 * index, 16, True))
            (result.writable if flags & WRITE else result.readable).append((address, length))
            if not flags & NEXT:
                return result
            index = following
        raise ValueError("a chain without an end")

    def take(self, ring):
        (index,) = struct.unpack("<H", self.read(ring.avail + 2, 2, True))
        while ring.seen != index:
            slot = ring.avail + 4 + 2 * (ring.seen % ring.size)
            (head,) = struct.unpack("<H", self.read(slot, 2, True))
            ring.seen = (ring.seen + 1) & 0xffff
            self.handle(ring, self.chain(ring, head))

    def handle(self, ring, chain):
        raise NotImplementedError

    # ---- The protocol ---------------------------------------------------------------------------

    def serve(self):
        kicks = {ring.kick: ring for ring in self.rings if ring.kick is not None and ring.size}
        ready, _, _ = select.select([self.connection, *kicks], [], [])
        for source in ready:
            if source in kicks:
                os.read(source, 8)
                self.take(kicks[source])
        return self.message() if self.connection in ready else True

    def message(self):
        room = socket.CMSG_SPACE(8 * array.array("i").itemsize)
        header, ancillary, _, _ = self.connection.recvmsg(12, room)
        if len(header) < 12:
            return False
        request, flags, size = struct.unpack("<III", header)
        payload = b""
        while len(payload) < size:
            payload += self.connection.recv(size - len(payload))
        files = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                files.frombytes(data)
        answer = self.answer(request, payload, list(files))
        if answer is not None:
            self.connection.sendall(struct.pack("<III", request, 5, len(answer)) + answer)
        return True

    def answer(self, request, payload, files):
        """The reply's payload; None: the request has none."""
        if request == GET_FEATURES:
            return struct.pack("<Q", self.FEATURES | F_VERSION_1 | F_PROTOCOL_FEATURES)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", PROTOCOL_F_CONFIG)
        if request == GET_QUEUE_NUM:
            return struct.pack("<Q", 1)
        if request == GET_CONFIG:
            offset, size, flags = struct.unpack_from("<III", payload)
            data = self.config()[offset:offset + size].ljust(size, b"\0")
            return struct.pack("<III", offset, size, flags) + data
        if request == SET_FEATURES:
            (self.features,) = struct.unpack("<Q", payload)
        elif request == SET_MEM_TABLE:
            self.regions = []
            for i, file in enumerate(files):
                guest, size, user, offset = struct.unpack_from("<QQQQ", payload, 8 + 32 * i)
                memory = mmap.mmap(file, size + offset, mmap.MAP_SHARED)
                os.close(file)
                self.regions.append((guest, size, user, memory, offset))
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            ring = self.rings[payload[0]]
            file = files[0] if files else None
            if request == SET_VRING_KICK:
                ring.kick = file
            elif request == SET_VRING_CALL:
                ring.call = file
        elif request in (SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_ADDR):
            return self.set_ring(request, payload)
        return None

    def set_ring(self, request, payload):
        index, value = struct.unpack_from("<II", payload)
        ring = self.rings[index]
        if request == SET_VRING_NUM:
            ring.size = value
        elif request == SET_VRING_BASE:
            ring.seen = ring.used_index = value
        elif request == SET_VRING_ADDR:
            ring.desc, ring.used, ring.avail = struct.unpack_from("<QQQ", payload, 8)
        else:
            ring.kick = None
            return struct.pack("<II", index, ring.seen)
        return None


def qemu_arguments(megabytes, path, *device):
    """What makes QEMU share its memory and connect to the device behind `path`."""
    words = ["-object", f"memory-backend-memfd,id=ram,size={megabytes}M,share=on",
             "-machine", "memory-backend=ram", "-chardev", f"socket,id=liar,path={path}", *device]
    return ["--memory", str(megabytes)] + [f"--qemu={word}" for word in words]
