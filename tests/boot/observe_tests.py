"""Tests of --trace, --stats and --profile.

TESTS lists (name, function); a function takes the Bench of run.py and raises on failure.
"""
import json
import os
import re
import socket
import subprocess
import time
import xml.etree.ElementTree

from server_tests import check, free_port

SVG = "{http://www.w3.org/2000/svg}"


def scratch(bench, name):
    return os.path.join(bench.out, "boot", name)


def find_all(text, patterns):
    for pattern in patterns:
        check(re.search(pattern, text, re.M), f"/{pattern}/ is not in\n{text}")


def test_trace(bench):
    """Calls with names, arguments, results; streams and exit code as without."""
    result = bench.wafer("run", bench.program("traced.c"), "--trace", "wasi,memory", "--dir",
                         bench.files("tree")[0] + "::/")
    trace = result.stderr.decode("utf-8")
    check(result.stdout == b"read kept, 1\n", repr(result.stdout))
    check(result.returncode == 3, f"exit code {result.returncode}\n{trace}")
    find_all(trace, [
        r'trace wasi: path_open\(fd=3, lookup=FOLLOW, path="no\\nsuch\\x1b\[31m\\"file", '
        r"oflags=0, rights=0x\w+, inheriting=0x\w+, flags=0\) = 44 NOENT <\d+ us>$",
        r'path_open\(fd=3, .*path="note", oflags=CREAT\|TRUNC, .*\) = 0 fd=4 <',
        r'fd_write\(fd=4, data=\[\d\] 4 bytes "kept"\) = 0 written=4 <',
        r"fd_seek\(fd=4, offset=0, whence=SET\) = 0 offset=0 <",
        r'fd_read\(fd=4, data=\[\d\] 4 bytes\) = 0 data="kept", read=4 <',
        r"fd_close\(fd=4\) = 0 <",
        r"poll_oneoff\(\[1\] clock \w+ \+2000000 ns\) = 0 1 events: clock <",
        r"trace memory: memory.grow\(\d+ pages\) = \d+, now \d+ KiB$",
        r"proc_exit\(code=3\) \.\.\.$",
    ])
    check(all(0x20 <= ord(letter) < 0x7f or letter == "\n" for letter in trace), repr(trace))


def test_trace_disk(bench):
    """Transfers of a volume, in a file of their own."""
    volume, path = scratch(bench, "traced.ext3"), scratch(bench, "traced.log")
    if os.path.exists(volume):
        os.unlink(volume)
    result = bench.wafer("run", bench.program("traced.c"), "--trace=disk", "--trace-file", path,
                         "--volume", f"{volume}:/data", "--", "/data")
    check(result.returncode == 3, f"exit code {result.returncode}: {result.stderr!r}")
    check(result.stderr == b"", repr(result.stderr))
    with open(path, encoding="ascii") as file:
        find_all(file.read(), [r"trace disk: \"\w+\" read sector \d+, \d+ bytes = ok <\d+ us>$",
                               r"trace disk: \"\w+\" write sector \d+, \d+ bytes = ok <",
                               r"trace disk: \"\w+\" flush = ok <"])


def test_trace_mount(bench):
    """The requests of a mount, with their answers."""
    folder = scratch(bench, "traced-mount")
    os.makedirs(folder, exist_ok=True)
    result = bench.wafer("run", bench.program("traced.c"), "--trace=disk", "--mount",
                         f"{folder}:/data", "--", "/data")
    check(result.returncode == 3, f"exit code {result.returncode}: {result.stderr!r}")
    find_all(result.stderr.decode("ascii"), [
        r'trace disk: "\w+" 9p version, \d+ bytes = ok, \d+ bytes <\d+ us>$',
        r'trace disk: "\w+" 9p walk fid \d+, \d+ bytes = errno 2 <',
        r'trace disk: "\w+" 9p write fid \d+, \d+ bytes = ok, 11 bytes <',
        r'trace disk: "\w+" 9p clunk fid \d+, 11 bytes = ok, 7 bytes <'])


def test_trace_and_stats_of_a_server(bench):
    """Packets of a connection, a call that waits, and what was counted, as JSON."""
    port, path = free_port(), scratch(bench, "stats.json")
    process = subprocess.Popen(
        bench.command("run", bench.program("example:echo"), "--listen", f"127.0.0.1:{port}",
                      "--trace", "all", f"--stats={path}", "--", "1"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=bench.environment())
    deadline = time.monotonic() + 90
    got = b""
    try:
        while got != b"hello" and time.monotonic() < deadline and process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                    connection.sendall(b"hello")
                    connection.shutdown(socket.SHUT_WR)
                    got = b"".join(iter(lambda c=connection: c.recv(100), b""))
            except OSError:
                time.sleep(0.1)  # the machine is not there yet
        out, err = process.communicate(timeout=60)
    finally:
        process.terminate()
        process.communicate()
    trace = err.decode("ascii")
    check(process.returncode == 0 and out == b"echoed 5 bytes\n", f"{out!r}\n{trace}")
    find_all(trace, [
        rf"trace net: in  10\.0\.2\.2:\d+ > 10\.0\.2\.15:{port} tcp S seq \d+ ack 0 win \d+ length 0",
        rf"trace net: out 10\.0\.2\.15:{port} > 10\.0\.2\.2:\d+ tcp S\. seq ",
        rf"trace net: in  .*:{port} tcp P?\.?P?\.? ?seq \d+ ack \d+ win \d+ length 5",
        # In one line or, when the call waited, in two.
        r"trace wasi: sock_accept\(fd=3, flags=0\) (\.\.\.$|= 0 fd=)",
        r"trace wasi: (\.\.\. sock_accept|sock_accept\(.*\)) = 0 fd=\d+ <",
    ])
    with open(path, encoding="ascii") as file:
        stats = json.load(file)
    calls, network = stats["calls"], stats["network"]
    check(stats["exit_code"] == 0, stats)
    check(calls["sock_accept"]["count"] >= 1, calls)
    check(network["packets_in"] >= 4 and network["bytes_in"] > 5 * 54, network)
    check(network["tcp"]["segments_in"] <= network["packets_in"], network)
    check(stats["exits"]["kicks"] > 0 and stats["exits"]["interrupts"] > 0, stats)
    check(0 < stats["memory"]["wasm_resident_bytes"] <= stats["memory"]["peak_bytes"] <=
          stats["memory"]["total_bytes"], stats)
    check(stats["time"]["idle_ns"] < stats["time"]["ns"], stats)


def ethernet(kind, payload):
    return b"\xff" * 6 + b"\x02\0\0\0\0\1" + kind.to_bytes(2, "big") + payload.ljust(46, b"\0")


def test_trace_names_drops(bench):
    """Frames that lie, from a wire of our own: each is shown, and why it was dropped."""
    frames = [
        (ethernet(0x88b5, b"?"), r"type 0x88b5 length 46", "frame"),
        (ethernet(0x0800, b"\x45" + b"\0" * 19), r"ip, bad header", "header"),
        (ethernet(0x0800, bytes.fromhex("450000140000000040111234c0000201c0000202")),
         r"192\.0\.2\.1 > 192\.0\.2\.2 udp, cut off", "header"),
    ]
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("127.0.0.1", 0))
    here, there = wire.getsockname()[1], free_port()
    back_end = ("dgram,id=n0,local.type=inet,local.host=127.0.0.1,local.port=%d,"
                "remote.type=inet,remote.host=127.0.0.1,remote.port=%d" % (there, here))
    process = subprocess.Popen(
        bench.command("run", bench.program("example:echo"), "--trace=net", "--append", "listen=80",
                      "--append", "ip=192.0.2.2/24", "--net", "none", "--qemu=-netdev",
                      f"--qemu={back_end}", "--qemu=-device",
                      "--qemu=virtio-net-pci,disable-legacy=on,romfile=,netdev=n0"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=bench.environment())
    try:
        wire.settimeout(60)
        wire.recv(2000)  # the machine's own first frame: it is up
        for frame, _, _ in frames:
            wire.sendto(frame, ("127.0.0.1", there))
        deadline, trace = time.monotonic() + 30, ""
        while trace.count("dropped: ") < len(frames) and time.monotonic() < deadline:
            trace += process.stderr.readline().decode("ascii")
    finally:
        process.terminate()
        process.communicate()
        wire.close()
    find_all(trace, [rf"trace net: in  .*{text}\n(\[.*(out|lo) .*\n)*.*trace net:     dropped: {reason}$"
                     for _, text, reason in frames])


def test_stats(bench):
    """For people on standard error; calls of the trace and of the statistics agree."""
    result = bench.wafer("run", bench.program("traced.c"), "--trace", "--stats", "--instructions",
                         "--dir", bench.files("tree")[0] + "::/")
    text = result.stderr.decode("ascii")
    check(result.returncode == 3, text)
    find_all(text, [r"^wafer: statistics$", r"^  time .* idle \d+ %, [\d,]+ instructions$",
                    r"^  exits .*interrupts", r"^  memory "])
    for name in ("path_open", "fd_close", "fd_write"):
        traced = len(re.findall(rf"trace wasi: {name}\(", text))
        counted = re.search(rf"^ +(\d+) {name}, ", text, re.M)
        check(traced > 0 and counted and int(counted.group(1)) == traced, f"{name}: {traced}\n{text}")


def test_observing_is_optional(bench):
    """A plain image has nothing of it and says so; --observe puts it in."""
    plain, observed = scratch(bench, "plain.elf"), scratch(bench, "observed.elf")
    program = bench.program("example:hello")
    for image, option in ((plain, []), (observed, ["--observe"])):
        built = bench.wafer("build", program, "-o", image, *option)
        check(built.returncode == 0, built.stderr.decode(errors="replace"))
    names = subprocess.run(["nm", plain], capture_output=True, text=True, check=True).stdout
    check(not re.search(r" T (trace_|__wrap_)", names), "a plain image contains trace code")
    result = bench.wafer("run", plain, "--trace")
    check(result.returncode == 2, result.stderr.decode(errors="replace"))
    find_all(result.stderr.decode(), [r"unknown word on the command line: trace=wasi",
                                      r"build it with wafer build --observe"])
    result = bench.wafer("run", observed, "--trace")
    check(result.returncode == 0, result.stderr.decode(errors="replace"))
    find_all(result.stderr.decode(), [r'trace wasi: fd_write\(fd=1, .*"Hello'])
    result = bench.wafer("run", observed)
    check(result.returncode == 0 and result.stderr == b"", repr(result.stderr))
    result = bench.wafer("run", program, "--trace=wasi,files")
    check(result.returncode == 2, "an unknown kind of trace is accepted")


def test_profile(bench):
    """--profile writes folded stacks that name the function that computed, and a flame graph."""
    path = scratch(bench, "profile.svg")
    result = bench.wafer("run", bench.program("output.c"), "--profile", path)
    check(result.returncode == 0, result.stderr.decode(errors="replace"))
    with open(scratch(bench, "profile.folded"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    stacks = [line for line in lines if ";" in line]
    check(stacks, f"no stacks in {lines[:5]}")
    check(all(re.fullmatch(r"\S.* \d+", line) for line in lines), f"odd lines in {lines[:5]}")
    check(any("wasm_entry._start" in line for line in stacks), f"no Wasm code in {stacks[:5]}")
    root = xml.etree.ElementTree.parse(path).getroot()
    bars = {bar.find(SVG + "title").text: bar for bar in root.iter(SVG + "g")}
    samples = sum(int(line.rpartition(" ")[2]) for line in lines
                  if not re.match(r"(idle|lost) \d+$", line))
    check(f"all: {samples} samples, 100.0 %" in bars, f"{samples} samples: {list(bars)[:3]}")
    check(any("_start: " in title for title in bars), list(bars)[:20])
    for title, bar in bars.items():
        count = int(re.search(r": (\d+) samples", title).group(1))
        check(int(bar.get("data-w")) == count, title)


TESTS = [
    ("wafer: --trace shows WASI calls", test_trace),
    ("wafer: --trace shows disk transfers", test_trace_disk),
    ("wafer: --trace shows requests of a mount", test_trace_mount),
    ("wafer: --trace and --stats of a server", test_trace_and_stats_of_a_server),
    ("wafer: --trace says why packets are dropped", test_trace_names_drops),
    ("wafer: --stats for people", test_stats),
    ("wafer: only observed images can be observed", test_observing_is_optional),
    ("wafer: --profile and its flame graph", test_profile),
]
