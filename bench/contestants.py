"""The servers bench/http.py compares, and the machines they run in.

Everything is built before the benchmark enters its network namespace (building may need the
network) and reused inside of it. A contestant that cannot be built is left out with the reason.
"""
import contextlib
import os
import shutil
import subprocess
import tempfile

import linux_guest
import load
import machine
import netns

ADDRESS = (netns.GUEST, 80)
EXAMPLE = os.path.join(machine.ROOT, "examples", "static-file-server")
SERVERS = os.path.join(machine.ROOT, "bench", "servers")
MEMORY_MIB = 2048
HUGE_NAME, HUGE_BYTES = "huge.bin", 1 << 30
CONSOLE = "console=ttyS0 mitigations=off quiet"


class Unavailable(Exception):
    """Why a contestant cannot take part, in one sentence."""


def make_www(out):
    folder = os.path.join(out, "bench", "www")
    os.makedirs(folder, exist_ok=True)
    for name, size in (("index.html", 1024), ("large.bin", 1 << 20)):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write((b"0123456789abcdef" * (size // 16))[:size])
    return folder


class Guest:
    """How to boot one of the contestants."""

    def __init__(self, name, title, image, arguments, huge_arguments):
        self.name, self.title, self.image = name, title, image
        self.arguments = arguments
        self.huge_arguments = huge_arguments  # instead, with a file of HUGE_BYTES

    @contextlib.contextmanager
    def running(self, *extra, memory_mib=MEMORY_MIB, huge=False):
        """QEMU with the guest; yields a Monitor once the server answers."""
        with tempfile.TemporaryDirectory(prefix="wafer-bench-") as folder:
            path = os.path.join(folder, "qmp")
            command = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", "q35",
                       "-m", str(memory_mib), "-smp", "1", "-nodefaults", "-no-user-config",
                       "-display", "none", "-no-reboot", "-qmp", f"unix:{path},server,nowait",
                       *netns.device(), *(self.huge_arguments if huge else self.arguments), *extra]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                load.wait_for_server(ADDRESS)
                yield machine.Monitor(path)
            finally:
                process.terminate()
                process.wait(30)


def run(command, **options):
    """A build step; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stdout[-600:].strip()}")


def is_newer(path, *inputs):
    return os.path.exists(path) and all(os.path.getmtime(path) >= os.path.getmtime(i)
                                        for i in inputs)


def wafer(out, www, name, title, module, *options, words=()):
    """A contestant on Wafer. A tar that QEMU loads, here the huge file, replaces the image's."""
    image = os.path.join(out, "bench", name + ".elf")
    if not is_newer(image, module, os.path.join(out, "libkernel.a"), os.path.join(out, "waferc"),
                    www):
        run([machine.WAFER, "build", *options, module, "-o", image, "--dir", www + "::/"])
    common = ["-kernel", image, "-append", " ".join([*netns.GATEWAY_WORDS, *words])]
    return Guest(name, title, image, common,
                 [*common, "-initrd", os.path.join(out, "bench", "huge.tar")])


def linux(out, www, name, title, start, programs=(), release="bookworm"):
    """A contestant in a Debian guest. The huge file is made at boot, in RAM like the rest."""
    kernel, initramfs = linux_guest.build(out, www, name, start, programs, release)
    common = ["-kernel", kernel, "-initrd", initramfs, "-append"]
    return Guest(name, title, None, [*common, CONSOLE],
                 [*common, f"{CONSOLE} huge={HUGE_BYTES >> 20}"])


def make_wafer(out, www):
    return wafer(out, www, "wafer", "C on Wafer",
                 os.path.join(out, "examples", "static-file-server.wasm"))


def make_rust(out, www):
    source, module = os.path.join(SERVERS, "server.rs"), os.path.join(out, "bench", "rust.wasm")
    if not is_newer(module, source):
        run(["/usr/bin/rustc", "--target", "wasm32-wasi", "-O", "-C", "linker=wasm-ld-14", "-C",
             "link-self-contained=yes", "-C", "strip=debuginfo", "-o", module, source])
    return wafer(out, www, "wafer-rust", "Rust on Wafer", module, words=["listen=80"])


def make_go(out, www):
    if not shutil.which("go"):
        raise Unavailable("there is no go command; Debian 12's is too old for GOOS=wasip1")
    source, module = os.path.join(SERVERS, "server.go"), os.path.join(out, "bench", "go.wasm")
    if not is_newer(module, source):
        run(["go", "build", "-ldflags=-s -w", "-o", module, source],
            env=dict(os.environ, GOOS="wasip1", GOARCH="wasm"))
    # -O1: -O3 takes minutes for 9 MB of Go and makes no faster server.
    return wafer(out, www, "wafer-go", "Go on Wafer", module, "-O1", words=["listen=80"])


def make_nginx(out, www):
    return linux(out, www, "nginx", "nginx on Linux", linux_guest.NGINX_START)


def make_native(out, www):
    program = os.path.join(out, "bench", "native-server")
    sources = [os.path.join(EXAMPLE, name) for name in ("server.c", "http.c", "files.c")]
    run(["clang-19", "-std=gnu17", "-O3", "-I" + machine.ROOT, "-o", program, *sources,
         os.path.join(machine.ROOT, "bench", "posix_sockets.c")])
    return linux(out, www, "native", "C on Linux", "native-server /www 80", [program])


def make_wasmedge(out, www):
    """Debian 13's WasmEdge and its ahead-of-time compiler; the same module as on Wafer."""
    module = os.path.join(out, "examples", "static-file-server.wasm")
    compiled = os.path.join(out, "bench", "wasmedge-server.wasm")
    try:
        root = linux_guest.fetch(out, "trixie")
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"Debian 13's packages cannot be had: {error}") from error
    if not is_newer(compiled, module):
        libraries = os.path.join(root, "usr", "lib", "x86_64-linux-gnu")
        # Generic code: the guest's processor is not this machine's.
        run([os.path.join(root, "usr", "lib64", "ld-linux-x86-64.so.2"), "--library-path",
             libraries, os.path.join(root, "usr", "bin", "wasmedge"), "compile",
             "--generic-binary", module, compiled])
    return linux(out, www, "wasmedge", "C in WasmEdge on Linux",
                 "wasmedge --dir /:/www /bin/wasmedge-server.wasm / 80", [compiled], "trixie")


MAKERS = {"wafer": make_wafer, "wafer-rust": make_rust, "wafer-go": make_go, "nginx": make_nginx,
          "native": make_native, "wasmedge": make_wasmedge}


def make_huge_tar(out):
    """The huge file as a tar, for Wafer's guests."""
    tar = os.path.join(out, "bench", "huge.tar")
    if os.path.exists(tar):
        return
    with tempfile.TemporaryDirectory(dir=os.path.join(out, "bench")) as folder:
        with open(os.path.join(folder, HUGE_NAME), "wb") as file:
            file.truncate(HUGE_BYTES)
        with open(os.path.join(folder, "index.html"), "w", encoding="ascii") as file:
            file.write("huge\n")
        run([os.path.join(machine.ROOT, "scripts", "mktar.py"), "-o", tar, folder + "::/"])


def make(out, www, wanted, report):
    """The guests; report(name, reason), if given, hears of those that cannot."""
    guests = []
    for name in wanted:
        try:
            guests.append(MAKERS[name](out, www))
        except Unavailable as reason:
            if report:
                report(name, str(reason))
    return guests
