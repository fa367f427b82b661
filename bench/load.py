"""An HTTP load that repeats: keep-alive connections, driven in rounds.

In each round every connection sends one request, then all answers are read. The number of
requests is exact, so that counts can be divided by it.
"""
import selectors
import socket
import time


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


class Load:
    """Open connections to one server."""

    def __init__(self, address, connections, path="/", seconds=60):
        self.request = request(path)
        self.selector = selectors.DefaultSelector()
        self.deadline = time.monotonic() + seconds
        self.sockets = [connect(address, self.deadline) for _ in range(connections)]
        for connection in self.sockets:
            self.selector.register(connection, selectors.EVENT_READ)
        self.expected = None

    def round(self):
        """One request on each connection; returns their number."""
        for connection in self.sockets:
            connection.sendall(self.request)
        waiting = {connection.fileno(): b"" for connection in self.sockets}
        while waiting:
            for key, _ in self.selector.select(self.deadline - time.monotonic()):
                data = key.fileobj.recv(1 << 20)
                if not data:
                    raise RuntimeError("the server closed a connection")
                waiting[key.fd] += data
                if is_complete(waiting[key.fd]):
                    del waiting[key.fd]
            if time.monotonic() > self.deadline:
                raise RuntimeError("the load did not finish in time")
        return len(self.sockets)

    def close(self):
        self.selector.close()
        for connection in self.sockets:
            connection.close()


def download(address, path, seconds):
    """Fetches one file; returns the size of its body."""
    deadline = time.monotonic() + seconds
    with connect(address, deadline) as connection:
        connection.settimeout(seconds)
        connection.sendall(request(path))
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(1 << 12)
            if not data:
                raise RuntimeError("the server closed a connection")
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        length = content_length(head)
        received, buffer = len(body), bytearray(1 << 20)
        while received < length:
            count = connection.recv_into(buffer)
            if not count or time.monotonic() > deadline:
                raise RuntimeError(f"a download ended after {received} bytes of {length}")
            received += count
    return received


def connect(address, deadline):
    """A connection on which the server has answered once (QEMU accepts before the guest)."""
    while True:
        try:
            connection = socket.create_connection(address, timeout=5)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def is_complete(data):
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    return len(body) >= content_length(head)


def content_length(head):
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"unexpected answer {head[:60]!r}")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise RuntimeError("an answer without Content-Length")


def wait_for_server(address, seconds=300):
    """Until a request is answered."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            load = Load(address, 1, seconds=3)
            load.round()
            load.close()
            return
        except (OSError, RuntimeError, ValueError):
            if time.monotonic() > deadline:
                raise RuntimeError("the server did not answer") from None
            time.sleep(0.2)
