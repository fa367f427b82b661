"""Clients that a server should survive: each behaves badly in one way, again and again.

A client is a thread with a count of what it completed and the first errors it met; it ends
soon after `stop` is set. What is an error depends on the client: a server may close the
connection of one that misbehaves, but it must not answer wrongly or not at all.
"""
import random
import select
import socket
import struct
import threading
import time

ANSWER_SECONDS = 60  # the machine is emulated and busy, so an answer may take a while
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Client(threading.Thread):
    title = ""

    def __init__(self, address, stop):
        super().__init__(daemon=True)
        self.address, self.stop = address, stop
        self.count, self.errors = 0, []

    def run(self):
        while not self.stop.is_set():
            try:
                self.once()
                self.count += 1
            except (OSError, RuntimeError) as error:
                if len(self.errors) < 5:
                    self.errors.append(f"{self.title}: {error!r}")
                self.stop.wait(0.5)

    def connect(self):
        connection = socket.create_connection(self.address, timeout=ANSWER_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def once(self):
        raise NotImplementedError


def read_status(connection):
    """The status line of an answer, or an empty one when the connection ended."""
    data = b""
    while b"\r\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return b""
        data += piece
    return data.split(b"\r\n")[0]


class Slow(Client):
    """Requests a byte at a time, on many connections at once (slowloris)."""
    title = "slow clients"
    CONNECTIONS = 50

    def once(self):
        request = b"GET / HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n"
        connections = [self.connect() for _ in range(self.CONNECTIONS)]
        for index in range(len(request)):
            for connection in connections:
                connection.send(request[index:index + 1])
            if self.stop.wait(0.1):
                break
        else:
            for connection in connections:
                if read_status(connection) != b"HTTP/1.1 200 OK":
                    raise RuntimeError("a slow request was not answered")
        for connection in connections:
            connection.close()


class Oversized(Client):
    """Headers larger than any server takes; and a line without an end."""
    title = "oversized headers"

    def once(self):
        with self.connect() as connection:
            connection.send(b"GET / HTTP/1.1\r\n")
            try:
                for _ in range(16):
                    connection.sendall(b"X-Filler: " + b"x" * 4000 + random.choice([b"\r\n", b""]))
                status = read_status(connection)
            except ConnectionError:  # it closed, with our bytes unread: a reset
                return
            if status not in (b"", b"HTTP/1.1 431 Request Header Fields Too Large",
                              b"HTTP/1.1 400 Bad Request"):
                raise RuntimeError(f"an oversized header was answered with {status!r}")


class Aborting(Client):
    """Starts large transfers, stops reading for a moment, and resets the connection."""
    title = "aborted transfers"

    def once(self):
        with self.connect() as connection:
            connection.sendall(b"GET /large.bin HTTP/1.1\r\nHost: abort\r\n\r\n" *
                               random.randrange(1, 4))
            if read_status(connection) != b"HTTP/1.1 200 OK":
                raise RuntimeError("a transfer did not begin")
            for _ in range(random.randrange(8)):
                connection.recv(1 << 14)
            self.stop.wait(random.choice([0, 0, 0.3]))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


class HalfClosing(Client):
    """Closes its sending side at once; the answer must come all the same."""
    title = "half-closed connections"

    def once(self):
        with self.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: half\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            if read_status(connection) != b"HTTP/1.1 200 OK":
                raise RuntimeError("a half-closed connection was not answered")


class Ghosts(Client):
    """
    A SYN flood from addresses that are not there, in frames of our own. Some of the SYN-ACKs
    are answered: those connections are open for the server, and nobody is at the other end.
    """
    title = "SYN flood"
    SYNS, PAUSE_SECONDS, OPEN_EVERY = 50, 0.05, 100

    def __init__(self, address, stop, interface, server_mac):
        super().__init__(address, stop)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.bind((interface, 0))
        own_mac = self.socket.getsockname()[4]
        self.ethernet = bytes.fromhex(server_mac.replace(":", "")) + own_mac + b"\x08\x00"
        self.server = socket.inet_aton(address[0])
        self.seen = self.opened = 0

    def segment(self, source, port, sequence, acknowledgment, flags, data=b""):
        """A TCP segment in IPv4 in Ethernet (RFC 9293 §3.1, RFC 791 §3.1)."""
        tcp = struct.pack("!HHIIBBHHH", port, self.address[1], sequence, acknowledgment, 5 << 4,
                          flags, 65535, 0, 0) + data
        pseudo = source + self.server + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source,
                             self.server)
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        return self.ethernet + header + tcp

    def once(self):
        for _ in range(self.SYNS):
            # 198.18.0.0/15 is for benchmarks (RFC 2544): never a real peer.
            source = bytes([198, 18, random.randrange(256), random.randrange(1, 255)])
            self.socket.send(self.segment(source, random.randrange(1024, 65536),
                                          random.getrandbits(32), 0, 0x02))
        deadline = time.monotonic() + self.PAUSE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                self.answer(self.socket.recv(2048))

    def answer(self, frame):
        if len(frame) < 54 or frame[23] != 6 or frame[30:32] != b"\xc6\x12" or \
                frame[47] & 0x3f != 0x12:
            return
        self.seen += 1
        if self.seen % self.OPEN_EVERY:
            return
        port, = struct.unpack("!H", frame[36:38])
        sequence, acknowledgment = struct.unpack("!II", frame[38:46])
        source, next_byte = frame[30:34], (sequence + 1) % (1 << 32)
        data = random.choice([b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: ghost\r\n\r\n"])
        self.socket.send(self.segment(source, port, acknowledgment, next_byte, 0x10, data))
        self.opened += 1


def checksum(data):
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff
