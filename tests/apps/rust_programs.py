"""Rust: plain std with files and an inherited listener, and the wasmedge_wasi_socket crate."""
import contextlib
import os
import shutil
import socket
import threading

from harness import HERE, curl, need_tool, same

SOURCE = os.path.join(HERE, "rust")
# Debian's own, by path: a rustup shim earlier in PATH lacks the target.
RUSTC = "/usr/bin/rustc"
CARGO = "/usr/bin/cargo"
LINKER = ["-C", "linker=wasm-ld-14", "-C", "link-self-contained=yes"]
ECHO_BYTES = 300000
ANSWER = bytes(range(256)) * 4096


def test_plain(bench):
    need_tool(RUSTC, "curl")
    module = bench.path("plain.wasm")
    bench.compile([RUSTC, "--edition", "2021", "--target", "wasm32-wasi", "-O", *LINKER, "-o", module,
                   os.path.join(SOURCE, "plain.rs")])
    with bench.server(module, *bench.quick(), "--dir", bench.work_folder("rust") + "::/",
                      "--listen", "8080", guest_port=8080, ready=b"ready\n",
                      arguments=("a", "b ü")) as (port, output):
        same(curl(port, "/some?path"), b"you asked for /some?path\n")
        same(curl(port, "/big"), b"0123456789abcdef" * (1 << 16))
        same(curl(port, "/stop"), b"you asked for /stop\n")
    same(output().decode(), '"first\\nsecond\\nthird\\n"\nNotFound\n19\n85 10 Some(33)\n5 true true\n'
         '["c", "drei äöü", "two"]\nUncategorized\ntrue\ntrue\nthreads: Unsupported\nslept: true\n'
         '["a", "b ü"]\ntrue\nready\n')


def build_sockets(bench):
    """The module. Any cargo that reaches the registry fetches; Debian's, which suits its
    compiler, builds from what was fetched."""
    need_tool(RUSTC, CARGO, "cargo")
    folder = bench.path("rust")
    shutil.rmtree(os.path.join(folder, "src"), True)
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    if not os.path.isdir(os.path.join(folder, "vendor")):
        shutil.rmtree(os.path.join(folder, ".cargo"), True)
        bench.fetch(["cargo", "vendor", "--locked", "vendor"], "crates.io", cwd=folder)
    os.makedirs(os.path.join(folder, ".cargo"), exist_ok=True)
    with open(os.path.join(folder, ".cargo", "config.toml"), "w", encoding="ascii") as file:
        file.write(f"""[source.crates-io]
replace-with = "vendored-sources"
[source.vendored-sources]
directory = "vendor"
[target.wasm32-wasi]
rustflags = {LINKER}
""")
    bench.compile([CARGO, "build", "--offline", "--locked", "--release", "--target", "wasm32-wasi"],
                  cwd=folder, env=dict(os.environ, RUSTC=RUSTC))
    return os.path.join(folder, "target", "wasm32-wasi", "release", "sockets.wasm")


@contextlib.contextmanager
def giver():
    """A server on this host, which the guest reaches as 10.0.2.2: answers one client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                if connection.makefile("rb").read() == b"give\n":
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive(), "the guest never asked"


def test_extension(bench):
    """A guest that listens, connects, looks names up and sends datagrams."""
    module = build_sockets(bench)
    with giver() as outside, bench.server(module, *bench.quick(), guest_port=8080) as (port, output):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            answers = connection.makefile("rb")

            def ask(line):
                connection.sendall(line.encode() + b"\n")
                return answers.readline()

            same(ask("peer"), b"10.0.2.2\n")
            data = os.urandom(ECHO_BYTES)
            sender = threading.Thread(target=lambda: connection.sendall(
                b"echo %d\n" % ECHO_BYTES + data))
            sender.start()
            assert answers.read(ECHO_BYTES) == data, "the echo differs"
            sender.join()
            same(answers.readline(), b"echoed\n")
            same(ask(f"fetch 10.0.2.2:{outside}"), b"%d %d 10.0.2.2\n" % (len(ANSWER), sum(ANSWER)))
            same(ask("fetch 127.0.0.1:1"), b"ConnectionRefused\n")
            # The library asks for IPv4 alone, and would drop what else came.
            same(ask("lookup localhost"), b"127.0.0.1:80\n")
            same(ask("datagrams"), b"ping pong from 127.0.0.1:9000\n")
            connection.sendall(b"stop\n")
    same(output(), b"listening on 0.0.0.0:8080\n")


TESTS = [
    ("Rust std: files, an inherited listener, no threads", test_plain),
    ("Rust is server and client with wasmedge_wasi_socket", test_extension),
]
