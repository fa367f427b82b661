"""Boot tests of servers: a virtual machine that serves, and real clients that ask.

TESTS lists (name, function); a function takes the Bench of run.py and raises on failure.
"""
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import threading
import time

PUBLIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples",
                      "static-file-server", "public")
BIG_BYTES = 50 << 20


class Skip(Exception):
    """The test cannot run here; the text says why."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def answers(port):
    """Whether something behind the port speaks HTTP (QEMU itself accepts at once)."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("HEAD", "/")
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False


@contextlib.contextmanager
def machine(bench, arguments, ready, seconds=90):
    """Runs wafer in the background until `ready()`; always ends it."""
    process = subprocess.Popen(bench.command("run", *arguments), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=bench.environment())
    collected = {"out": b"", "err": b""}

    def collect(name, stream):
        for chunk in iter(lambda: stream.read1(65536), b""):
            collected[name] += chunk

    threads = [threading.Thread(target=collect, args=("out", process.stdout)),
               threading.Thread(target=collect, args=("err", process.stderr))]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server did not come up; standard error:\n"
                                     + collected["err"].decode(errors="replace")[-3000:])
            time.sleep(0.1)
        yield process, collected
        check(process.poll() is None, "the machine ended under test; standard error:\n"
              + collected["err"].decode(errors="replace")[-3000:])
    finally:
        process.terminate()
        process.wait(20)
        for thread in threads:
            thread.join()


def make_public(bench):
    """The example page, and a file of 50 MiB."""
    folder = os.path.join(bench.out, "boot", "public")
    with bench.lock:
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(PUBLIC):
            shutil.copy(os.path.join(PUBLIC, name), folder)
        big = os.path.join(folder, "big.bin")
        if not os.path.exists(big) or os.path.getsize(big) != BIG_BYTES:
            block = bytes((i * 131 + (i >> 8) * 17) & 0xFF for i in range(1 << 20))
            with open(big, "wb") as file:
                for index in range(BIG_BYTES >> 20):
                    file.write(bytes([index]) + block[1:])
    return folder


@contextlib.contextmanager
def file_server(bench, *options, image=None):
    port = free_port()
    folder = make_public(bench)
    target = [image] if image else [bench.program("example:static-file-server"),
                                    "--dir", folder + "::/"]
    with machine(bench, [*target, "--publish", f"{port}:80", *options],
                 lambda: answers(port)) as state:
        yield port, folder, state


def get(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_pages(bench):
    """The page byte for byte, MIME types, errors, ranges, conditional requests."""
    with file_server(bench) as (port, folder, _):
        for path, name, media in (("/", "index.html", "text/html; charset=utf-8"),
                                  ("/style.css", "style.css", "text/css; charset=utf-8")):
            response, body = get(port, path)
            with open(os.path.join(folder, name), "rb") as file:
                check(body == file.read(), f"{path} differs")
            check(response.status == 200, f"{path}: status {response.status}")
            check(response.headers["Content-Type"] == media, f"{path}: wrong media type")
        check(get(port, "/none")[0].status == 404, "a missing file must be 404")
        check(get(port, "/../etc/passwd")[0].status == 400, "an escaping path must be 400")
        with open(os.path.join(folder, "index.html"), "rb") as file:
            page = file.read()
        response, body = get(port, "/", Range="bytes=5-14")
        check(response.status == 206 and body == page[5:15], "range 5-14")
        check(response.headers["Content-Range"] == f"bytes 5-14/{len(page)}", "Content-Range")
        check(get(port, "/", Range="bytes=999999-")[0].status == 416, "range past the end")
        etag = get(port, "/")[0].headers["ETag"]
        check(get(port, "/", **{"If-None-Match": etag})[0].status == 304, "If-None-Match")


def test_big_file(bench):
    """50 MiB by curl, with and without keep-alive; equal by SHA-256."""
    with file_server(bench) as (port, folder, _):
        with open(os.path.join(folder, "big.bin"), "rb") as file:
            want = hashlib.sha256(file.read()).hexdigest()
        for options in ([], ["-0"]):
            got = hashlib.sha256()
            curl = subprocess.run(["curl", "-sS", "--max-time", "200", *options,
                                   f"http://127.0.0.1:{port}/big.bin"], capture_output=True,
                                  check=False)
            got.update(curl.stdout)
            check(curl.returncode == 0, f"curl: {curl.stderr.decode()}")
            check(got.hexdigest() == want, f"{len(curl.stdout)} bytes, and they differ")


def test_pipelining(bench):
    """Forty requests in one write; answers in order on one connection."""
    with file_server(bench) as (port, folder, _):
        paths = ["/", "/style.css", "/none", "/index.html"] * 10
        request = b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request)
            stream = connection.makefile("rb")
            for path in paths:
                status = stream.readline()
                size = 0
                for line in iter(stream.readline, b"\r\n"):
                    if line.lower().startswith(b"content-length:"):
                        size = int(line.split(b":")[1])
                body = stream.read(size)
                want = b"404" if path == "/none" else b"200"
                check(want in status, f"{path}: {status!r}")
                check(len(body) == size, f"{path}: short body")


def test_many_clients(bench):
    """wrk with 64 connections for ten seconds: no socket errors, nothing but 2xx."""
    with file_server(bench) as (port, _, _):
        wrk = subprocess.run(["wrk", "-t2", "-c64", "-d10s", f"http://127.0.0.1:{port}/"],
                             capture_output=True, text=True, timeout=60, check=False)
        check(wrk.returncode == 0, wrk.stderr)
        check("Socket errors" not in wrk.stdout, wrk.stdout)
        check("Non-2xx" not in wrk.stdout, wrk.stdout)
        requests = int(re.search(r"(\d+) requests in", wrk.stdout).group(1))
        check(requests > 64, wrk.stdout)
        check(answers(port), "the server must still answer afterwards")


def test_http_1_0_keep_alive(bench):
    """A client of HTTP/1.0 that asks to keep the connection is told that it is kept."""
    with file_server(bench) as (port, _, _):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            stream = connection.makefile("rb")
            for _ in range(3):
                connection.sendall(b"GET /style.css HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
                check(b"200" in stream.readline(), "status")
                fields = [line.lower() for line in iter(stream.readline, b"\r\n")]
                check(b"connection: keep-alive\r\n" in fields, repr(fields))
                size = next(int(f.split(b":")[1]) for f in fields if f.startswith(b"content-length"))
                check(len(stream.read(size)) == size, "short body")


def test_connection_churn(bench):
    """A thousand short connections, then many at once, half of them never finishing."""
    with file_server(bench) as (port, _, _):
        for _ in range(1000):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(b"GET /style.css HTTP/1.0\r\n\r\n")
                data = b""
                while chunk := connection.recv(65536):
                    data += chunk
                check(data.startswith(b"HTTP/1.1 200"), repr(data[:100]))
        idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(200)]
        for connection in idle[::2]:
            connection.sendall(b"GET / HTT")
        check(get(port, "/")[0].status == 200, "must answer beside idle connections")
        for connection in idle:
            connection.close()
        check(get(port, "/")[0].status == 200, "must answer after they vanished")


def test_iso(bench):
    """The file server as an ISO through GRUB, with its directory inside."""
    folder = make_public(bench)
    image = os.path.join(bench.out, "boot", "server-iso.elf")
    small = os.path.join(bench.out, "boot", "public-small")
    shutil.copytree(folder, small, dirs_exist_ok=True, ignore=shutil.ignore_patterns("big.bin"))
    built = bench.wafer("build", bench.program("example:static-file-server"), "-o", image, "--iso",
                        "--dir", small + "::/")
    check(built.returncode == 0, built.stderr.decode(errors="replace"))
    with file_server(bench, image=image[:-4] + ".iso") as (port, _, _):
        with open(os.path.join(folder, "index.html"), "rb") as file:
            check(get(port, "/")[1] == file.read(), "the page differs")


def test_dhcp(bench):
    """The address comes by DHCP when the command line gives none."""
    with file_server(bench, "--append", "ip=dhcp") as (port, _, _):
        check(get(port, "/")[0].status == 200, "no answer")


def test_rust_echo(bench):
    """Rust's plain std on a preopened listener: echoes, prints, ends with code 0."""
    port = free_port()
    process = subprocess.Popen(
        bench.command("run", bench.program("example:echo"), "--listen", f"127.0.0.1:{port}",
                      "--", "2"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=bench.environment())
    try:
        data = bytes(range(256)) * 1000
        deadline = time.monotonic() + 60
        done = 0
        while done < 2:
            check(time.monotonic() < deadline and process.poll() is None, "no echo")
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            except ConnectionRefusedError:
                time.sleep(0.1)  # the machine is not there yet
                continue
            with connection:
                sender = threading.Thread(target=lambda c=connection: (
                    c.sendall(data), c.shutdown(socket.SHUT_WR)))
                sender.start()
                got = b""
                try:
                    while chunk := connection.recv(65536):
                        got += chunk
                except ConnectionError:
                    got = b""
                sender.join()
            if got:
                check(got == data, f"echoed {len(got)} bytes, not what was sent")
                done += 1
            else:
                time.sleep(0.2)
        out, err = process.communicate(timeout=60)
        check(out == b"echoed 256000 bytes\n" * 2, f"{out!r} {err!r}")
        check(process.returncode == 0, f"exit code {process.returncode}: {err!r}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate()


TESTS = [
    ("file server: pages, types, ranges, errors", test_pages),
    ("file server: 50 MiB arrive intact", test_big_file),
    ("file server: pipelining", test_pipelining),
    ("file server: 64 clients of wrk for 10 s", test_many_clients),
    ("file server: keep-alive with HTTP/1.0", test_http_1_0_keep_alive),
    ("file server: connection churn and idle clients", test_connection_churn),
    ("file server: ISO through GRUB", test_iso),
    ("file server: address by DHCP", test_dhcp),
    ("echo server: Rust std on a preopened listener", test_rust_echo),
]
