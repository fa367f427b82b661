"""Go (GOOS=wasip1): goroutines, timers and net/http, with plain Go and with the socket extension."""
import contextlib
import hashlib
import http.server
import os
import re
import subprocess
import threading

from harness import HERE, Skip, curl, curl_together, need_tool, same

SOURCE = os.path.join(HERE, "go")
BODY_BYTES = 3 << 20


def go_server(bench):
    """The module; go.mod and go.sum pin what it is made of."""
    need_tool("go", "curl")
    version = re.search(r"go1\.(\d+)", subprocess.run(["go", "version"], capture_output=True,
                                                      text=True, check=True).stdout)
    if not version or int(version.group(1)) < 21:
        raise Skip("GOOS=wasip1 needs Go 1.21")
    module = bench.path("server.wasm")
    environment = dict(os.environ, GOOS="wasip1", GOARCH="wasm", GOTOOLCHAIN="local",
                       GOFLAGS="-buildvcs=false")
    bench.fetch(["go", "mod", "download"], "the Go proxy", cwd=SOURCE, env=environment)
    bench.compile(["go", "build", "-tags", "getaddrinfo", "-ldflags", "-s -w", "-trimpath", "-o",
                   module, "."], cwd=SOURCE, env=environment)
    return module


def body():
    return bytes(i * i >> 7 & 0xFF for i in range(1 << 16)) * (BODY_BYTES >> 16)


def summary(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()} <nil>\n".encode()


def check_work(bench, port):
    """What Go's runtime does by itself: goroutines, channels, timers, streams."""
    same(curl(port, "/sum"), b"5000050000\n")
    same(curl_together(port, "/sum", 6), [b"5000050000\n"] * 6)
    same(curl_together(port, "/barrier", 4), [b"together\n"] * 4)
    same(curl(port, "/sleep"), b"true\n")
    same(curl(port, "/timeout"), b"context deadline exceeded\n")
    same(curl(port, "/stream"), b"".join(b"tick %d\n" % i for i in range(10)))
    path = bench.path("body.bin")
    with open(path, "wb") as file:
        file.write(body())
    same(curl(port, "/hash", "--data-binary", "@" + path), summary(body()))


def test_listener(bench):
    with bench.server(go_server(bench), *bench.quick(), "--memory", "512M", "--listen", "8080",
                      guest_port=8080, arguments=("inherited",)) as (port, output):
        check_work(bench, port)
        same(curl(port, "/stop"), b"bye\n")
    same(output(), b"ready\nhttp: Server closed\n")


@contextlib.contextmanager
def host_server():
    """An HTTP server on this host, which the guest reaches as 10.0.2.2; yields its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(BODY_BYTES))
            self.end_headers()
            self.wfile.write(body())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_extension(bench):
    with host_server() as outside, bench.server(
            go_server(bench), *bench.quick(), "--memory", "512M", guest_port=8080,
            arguments=("sockets",)) as (port, output):
        check_work(bench, port)
        same(curl(port, f"/fetch?url=http://10.0.2.2:{outside}/"), summary(body()))
        line = b"11 " + hashlib.sha256(b"5000050000\n").hexdigest()[:8].encode() + b" <nil>\n"
        same(curl(port, "/self"), line * 8)
        same(curl(port, "/datagrams"), b"A DATAGRAM <nil>\n")
        same(curl(port, "/refused"), b'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: '
             b"connect: Connection refused\n")
        same(curl(port, "/silent"), b"dial tcp 10.0.2.200:9: context deadline exceeded\n")
        same(curl(port, "/stop"), b"bye\n")
    same(output(), b"ready\nhttp: Server closed\n")


TESTS = [
    ("Go serves HTTP on an inherited listener", test_listener),
    ("Go is server and client with stealthrocket/net", test_extension),
]
