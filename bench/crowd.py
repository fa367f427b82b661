#!/usr/bin/env python3
"""Many open connections to one server: more than one process may have descriptors.

Crowd(address, count) starts worker processes (this file, run as a program), each with up to
WORKER_CONNECTIONS connections from a source address of its own, so that ports suffice.
"""
import os
import selectors
import socket
import subprocess
import sys
import time

import load
import netns

WORKER_CONNECTIONS = 15000
IN_FLIGHT = 128  # handshakes and requests at a time: fewer than any server's backlog
STALL_SECONDS = 60


class Crowd:
    """Open connections, each of which has been served once and then rests."""

    def __init__(self, address, count):
        sources = [(source, min(WORKER_CONNECTIONS, count - at)) for source, at in
                   zip(netns.SOURCES, range(0, count, WORKER_CONNECTIONS))]
        if sum(share for _, share in sources) != count:
            raise ValueError(f"{count} connections need more source addresses")
        self.workers = [subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), address[0], str(address[1]), source,
             str(share)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for source, share in sources]
        self.wait()

    def wait(self):
        for worker in self.workers:
            if worker.stdout.readline() != "done\n":
                self.close()
                raise RuntimeError("the connections of a crowd could not be opened or served")

    def round(self):
        """One request on every connection."""
        for worker in self.workers:
            worker.stdin.write("again\n")
            worker.stdin.flush()
        self.wait()

    def close(self):
        for worker in self.workers:
            worker.stdin.close()
        for worker in self.workers:
            worker.wait(60)
            worker.stdout.close()


def serve_all(connections, prepare):
    """Sends a request on each of the sockets and reads its answer, IN_FLIGHT at a time."""
    selector = selectors.DefaultSelector()
    todo, answers = list(reversed(connections)), {}
    last = time.monotonic()
    while todo or answers:
        while todo and len(answers) < IN_FLIGHT:
            connection = todo.pop()
            prepare(connection)
            answers[connection] = None
            selector.register(connection, selectors.EVENT_WRITE)
        for key, events in selector.select(1):
            connection, last = key.fileobj, time.monotonic()
            if events & selectors.EVENT_WRITE:
                connection.send(load.request("/"))
                answers[connection] = b""
                selector.modify(connection, selectors.EVENT_READ)
                continue
            data = connection.recv(1 << 16)
            answers[connection] += data
            if not data:
                raise RuntimeError("the server closed a connection")
            if load.is_complete(answers[connection]):
                selector.unregister(connection)
                del answers[connection]
        if time.monotonic() - last > STALL_SECONDS:
            raise RuntimeError(f"no progress, {len(todo) + len(answers)} connections to go")
    selector.close()


def main():
    address, port, source, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    connections = [socket.socket() for _ in range(count)]

    def start(connection):
        connection.setblocking(False)
        connection.bind((source, 0))
        connection.connect_ex((address, port))

    serve_all(connections, start)
    print("done", flush=True)
    for _ in sys.stdin:
        serve_all(connections, lambda connection: None)
        print("done", flush=True)


if __name__ == "__main__":
    main()
