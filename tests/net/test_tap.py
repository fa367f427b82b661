#!/usr/bin/env python3
"""The stack against Linux, over a TAP device in a network namespace of its own.

Usage: tests/net/test_tap.py PATH/TO/tap_host [--only WORD]

Speaks TAP. Everything is skipped, with the reason, where namespaces or TAP devices may not be
made. tap_host runs the real stack at 10.99.0.2; Linux is 10.99.0.1 on the same wire, which
tap_host itself impairs (loss, duplication, reordering, delay) where a test asks for it.
"""
import argparse
import ctypes
import errno
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time

from tap_peer import (INTERFACE, LINUX, PATTERN, WAFER, DhcpServer, Host, pattern_sum, ping,
                      read_all, send_router_advert, sh, start_dns)

CLONE_NEWNET = 0x40000000

count = 0
failures = 0


def say(passed, title, reason=""):
    global count, failures
    count += 1
    failures += not passed
    lead = "ok" if passed else "not ok"
    print(f"{lead} {count} - {title}", flush=True)
    if reason:
        print("".join(f"# {line}\n" for line in reason.splitlines()), end="", flush=True)


def skip_all(reason):
    print(f"ok 1 - the stack against Linux # SKIP {reason}\n1..1")
    sys.exit(0)


def make_namespace():
    if os.geteuid() != 0:
        skip_all("making a network namespace needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        skip_all("unshare: " + os.strerror(ctypes.get_errno()))
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip_all("/dev/net/tun cannot be opened")
    sh("ip", "link", "set", "lo", "up")


def connect(address, port, timeout=90):
    return socket.create_connection((address, port), timeout)


def check_echo(address, data):
    with connect(address, 7) as connection:
        got = []
        reader = threading.Thread(target=lambda: got.append(read_all(connection)))
        reader.start()
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        reader.join(180)
        assert got and got[0] == data, "the echo differs"


def check_sink(address, length):
    data = PATTERN[:length]
    with connect(address, 9) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection).decode()
    assert answer == f"{length} {pattern_sum(data):08x}\n", answer


def check_source(address, length):
    with connect(address, 19) as connection:
        connection.sendall(f"{length}\n".encode())
        got = read_all(connection)
    assert got == PATTERN[:length], f"{len(got)} bytes of {length}, or others"


def serve_once(family, address, reply, results):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 0))
    server.listen()

    def run():
        connection, _ = server.accept()
        connection.settimeout(120)
        with connection:
            results.append(read_all(connection))
            connection.sendall(reply)
        server.close()

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def check_outgoing(host, family, address, length):
    results = []
    reply = PATTERN[:length // 2]
    port = serve_once(family, address, reply, results)
    answer = host.ask(f"connect {address} {port} {length}")
    expected = f"connect error=0 sent={length} received={len(reply)} sum={pattern_sum(reply):08x}"
    assert answer == expected, f"{answer}, not {expected}"
    assert results and results[0] == PATTERN[:length], "Linux got something else"


def check_refused(host):
    answer = host.ask(f"connect {LINUX} 1 10")
    # ERR_CONNREFUSED of kernel/base/err.h.
    names = re.findall(r"^    (ERR_\w+)", open("kernel/base/err.h").read(), re.M)
    assert answer == f"connect error={names.index('ERR_CONNREFUSED')}", answer
    try:
        connect(WAFER, 1).close()
        raise AssertionError("a closed port accepted")
    except ConnectionRefusedError:
        pass


def check_ping(address, *options):
    output = ping(address, *options)
    assert " 0% packet loss" in output, output


def check_udp(address, sizes):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((address, 7))
        for size in sizes:
            client.send(PATTERN[:size])
            assert client.recv(1 << 16) == PATTERN[:size], f"datagram of {size} bytes"


def check_udp_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((WAFER, 4444))
        client.send(b"x")
        try:
            client.recv(10)
        except ConnectionRefusedError:
            return
        raise AssertionError("no port unreachable")


def check_many(address, connections):
    open_ones = [connect(address, 7) for _ in range(connections)]
    for index, connection in enumerate(open_ones):
        connection.sendall(f"hello {index}".encode())
    for index, connection in enumerate(open_ones):
        expected = f"hello {index}".encode()
        assert read_all(connection, len(expected)) == expected
    for connection in open_ones:
        connection.close()


def check_reset(address):
    """Linux resets in the middle of a transfer; the next connection must not notice."""
    for _ in range(20):
        connection = connect(address, 19)
        connection.sendall(b"5000000\n")
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    check_echo(address, b"still there")


def check_slow_reader(address):
    """Our sender against a window that closes and opens: zero-window probes."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect((address, 19))
        connection.sendall(b"400000\n")
        time.sleep(2.5)
        got = read_all(connection)
    assert got == PATTERN[:400000], f"{len(got)} bytes"


def check_resolver(host):
    names = re.findall(r"^    (ERR_\w+)", open("kernel/base/err.h").read(), re.M)
    servers = start_dns()
    expected = "resolve error=0 10.9.8.1 10.9.8.2 10.9.8.3 2001:db8::7"
    for name in ("plain.test", "large.test", "lossy.test", "UPPER.Test."):
        answer = host.ask("resolve " + name)
        addresses = sorted(answer.split())
        assert addresses == sorted(expected.split()), f"{name}: {answer}"
    assert host.ask("resolve alias.test").startswith("resolve error=0 10.1.2.3"), "alias"
    answer = host.ask("resolve missing.test")
    assert answer == f"resolve error={names.index('ERR_AI_NONAME')}", answer
    assert host.ask("resolve 192.0.2.7") == "resolve error=0 192.0.2.7", "number"
    for server in servers:
        server.close()


def check_dhcp(host):
    server = DhcpServer()
    assert host.line(20) == "ready"
    answer = host.ask("address")
    assert WAFER in answer.split(), answer
    check_ping(WAFER)
    check_echo(WAFER, PATTERN[:20000])
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline and \
            not any(kind == 3 and source == WAFER for kind, source, _ in server.seen):
        time.sleep(0.2)
    renewals = [1 for kind, source, _ in server.seen if kind == 3 and source == WAFER]
    assert renewals, f"no renewal: {[seen[:2] for seen in server.seen]}"
    assert server.seen[0][2].get(12) == b"wafer", "hostname"
    server.socket.close()
    # Without a server the lease ends, and the address with it.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and WAFER in host.ask("address").split():
        time.sleep(0.5)
    assert WAFER not in host.ask("address").split(), "the lease outlived its end"
    server = DhcpServer(600)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and WAFER not in host.ask("address").split():
        time.sleep(0.2)
    assert WAFER in host.ask("address").split(), "no second lease"
    server.socket.close()


def wait_for_ipv6(host):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        send_router_advert()
        addresses = host.ask("address").split()
        ours = [a for a in addresses if a.startswith("fd99:")]
        if ours:
            return ours[0], [a for a in addresses if a.startswith("fe80:")][0]
        time.sleep(0.5)
    raise AssertionError("no IPv6 address: " + host.ask("address"))


def check_path_mtu(host):
    """A router beyond which only 1000 bytes fit: our sender must find out (RFC 1191)."""
    sh("ip", "link", "add", "inner0", "type", "veth", "peer", "name", "inner1")
    child = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        time.sleep(0.3)
        sh("ip", "link", "set", "inner1", "netns", str(child.pid))
        enter = ("nsenter", "-t", str(child.pid), "-n")
        for command in ("ip link set inner1 mtu 1000 up", "ip addr add 10.98.0.2/24 dev inner1",
                        "ip route add default via 10.98.0.1"):
            sh(*enter, *command.split())
        sh("ip", "addr", "add", "10.98.0.1/24", "dev", "inner0")
        sh("ip", "link", "set", "inner0", "mtu", "1000", "up")
        open("/proc/sys/net/ipv4/ip_forward", "w").write("1")
        script = ("import socket; c = socket.create_connection(('10.99.0.2', 19), 30);"
                  "c.sendall(b'300000\\n'); n = 0\n"
                  "while True:\n    d = c.recv(65536)\n    n += len(d)\n    if not d: break\n"
                  "print(n)")
        # The segment size that Linux announces would hide the problem: claim the larger one.
        sh(*enter, "ip", "route", "change", "default", "via", "10.98.0.1", "advmss", "1460")
        output = sh(*enter, sys.executable, "-c", script)
        assert output.strip() == "300000", output
        assert host.ask("mtu 10.98.0.2") == "mtu 1000"
    finally:
        child.kill()
        child.wait()
        sh("ip", "link", "del", "inner0", check=False)


def check_churn(address, rounds):
    for index in range(rounds):
        with connect(address, 7) as connection:
            data = f"round {index}".encode()
            connection.sendall(data)
            assert read_all(connection, len(data)) == data


def check_parallel(address, transfers):
    errors = []

    def one(index):
        try:
            check_source(address, 20000 + index * 1000)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(repr(error))

    threads = [threading.Thread(target=one, args=(index,)) for index in range(transfers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors[:3]


def connect_from_used_port(connection, target):
    """Linux refuses while its own end of the last connection waits for the final ACK."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection.connect(target)
            return
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


# Below ip_local_port_range: one that Linux gave to an earlier connection of another check is
# refused while that one is in TIME_WAIT, whatever SO_REUSEADDR says here.
REUSED_PORT = 20404


def check_reuse(host, address):
    """Our side closes first and sits in TIME_WAIT; a newer SYN may take its place."""
    for index in range(20):
        got = b""
        try:
            with socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                connection.settimeout(30)
                connection.bind((LINUX, REUSED_PORT))
                connect_from_used_port(connection, (address, 19))
                connection.sendall(b"1000\n")
                got = read_all(connection)
            assert got == PATTERN[:1000]
        except (AssertionError, OSError) as error:
            raise AssertionError(
                f"round {index}: {error!r}, {len(got)} bytes\n{host.ask('state')}\n"
                + sh("ss", "-tani", "sport", "=", f":{REUSED_PORT}", check=False)) from error


def set_sysctl(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(value)


def check_loopback(host):
    length = 1000000
    for address in ("127.0.0.1", "::1", WAFER):
        answer = host.ask(f"connect {address} 7 {length}")
        expected = f"connect error=0 sent={length} received={length} " \
            f"sum={pattern_sum(PATTERN[:length]):08x}"
        assert answer == expected, f"{address}: {answer}"


class Suite:
    def __init__(self, only):
        self.only = only

    def run(self, title, function, *arguments):
        if self.only and self.only not in title:
            return
        started = time.monotonic()
        try:
            function(*arguments)
            say(True, f"{title} ({time.monotonic() - started:.1f} s)")
        except Exception as error:  # pylint: disable=broad-except
            say(False, title, f"{type(error).__name__}: {error}")


def run_group(suite, program, label, checks, **options):
    if suite.only and suite.only not in label and \
            not any(suite.only in f"{label}: {check[0]}" for check in checks):
        return
    with Host(program, **options) as host:
        if not options.get("dhcp"):
            host.line()
        for title, function, *arguments in checks:
            arguments = [host if argument is HOST else argument for argument in arguments]
            suite.run(f"{label}: {title}", function, *arguments)
            if host.process.poll() is not None:
                say(False, f"{label}: tap_host died with {host.process.returncode}")
                return
        answer, status = host.finish()
        say(answer == "clean" and status == 0, f"{label}: nothing leaks",
            "" if answer == "clean" else f"{answer}, status {status}")


HOST = object()


def check_ipv6(host):
    ours, link_local = wait_for_ipv6(host)
    check_ping(ours)
    check_ping(link_local)
    check_ping(ours, 3, 4000)
    check_udp(ours, [0, 1, 1400, 5000])
    check_echo(ours, PATTERN[:300000])
    check_sink(ours, 1000000)
    check_source(ours, 1000000)
    check_outgoing(host, socket.AF_INET6, "fd99::1", 500000)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.host)
    make_namespace()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    suite = Suite(arguments.only)

    basics = [
        ("ping", check_ping, WAFER),
        ("ping with 4000 bytes, in fragments", check_ping, WAFER, 3, 4000),
        ("ping with 60000 bytes", check_ping, WAFER, 2, 60000),
        ("UDP echo", check_udp, WAFER, [0, 1, 100, 1472, 1473, 9000, 60000]),
        ("UDP to a closed port is refused", check_udp_refused),
        ("TCP echo", check_echo, WAFER, b"hello"),
        ("closed ports refuse, both ways", check_refused, HOST),
        ("5 MB in", check_sink, WAFER, 5000000),
        ("5 MB out", check_source, WAFER, 5000000),
        ("2 MB there and back", check_echo, WAFER, PATTERN[:2000000]),
        ("connection to Linux", check_outgoing, HOST, socket.AF_INET, LINUX, 1000000),
        ("200 connections at once", check_many, WAFER, 200),
        ("resets in mid-transfer", check_reset, WAFER),
        ("a reader that stops for a while", check_slow_reader, WAFER),
        ("TCP to itself, over loopback", check_loopback, HOST),
    ]
    bad = [
        ("ping", lambda: ping(WAFER)),
        ("1 MB in", check_sink, WAFER, 1000000),
        ("1 MB out", check_source, WAFER, 1000000),
        ("300 KB there and back", check_echo, WAFER, PATTERN[:300000]),
        ("connection to Linux", check_outgoing, HOST, socket.AF_INET, LINUX, 300000),
    ]
    run_group(suite, program, "plain", basics, offloads=0)
    run_group(suite, program, "offloads", basics, offloads=1)
    run_group(suite, program, "small MTU", basics[7:11], mtu=600, offloads=0)
    run_group(suite, program, "IPv6", [("everything", check_ipv6, HOST)], offloads=0)
    run_group(suite, program, "IPv6 offloads", [("everything", check_ipv6, HOST)], offloads=1)
    run_group(suite, program, "resolver", [("names", check_resolver, HOST)], offloads=0)
    run_group(suite, program, "DHCP", [("lease, renewal, expiry", check_dhcp, HOST)], dhcp=1)
    run_group(suite, program, "path MTU", [("discovery", check_path_mtu, HOST)], offloads=0)
    run_group(suite, program, "path MTU offloads", [("discovery", check_path_mtu, HOST)],
              offloads=1)
    run_group(suite, program, "1 % loss", bad, loss=10, offloads=0)
    run_group(suite, program, "3 % loss, reordering, duplicates", bad, loss=30, reorder=50,
              duplicate=20, delay=2000, offloads=0)
    run_group(suite, program, "1 % corruption", bad, corrupt=10, offloads=0)
    run_group(suite, program, "1 % loss, offloads, 20 ms", bad, loss=10, delay=10000, offloads=1)
    churn = [
        ("1000 connections one after the other", check_churn, WAFER, 1000),
        ("50 transfers at once", check_parallel, WAFER, 50),
        ("the same port pair again and again", check_reuse, HOST, WAFER),
    ]
    run_group(suite, program, "churn", churn, offloads=1)
    run_group(suite, program, "churn, 2 % loss", churn[1:], loss=20, delay=500, offloads=0)
    options = [
        ("1 MB in", check_sink, WAFER, 1000000),
        ("1 MB out", check_source, WAFER, 1000000),
        ("connection to Linux", check_outgoing, HOST, socket.AF_INET, LINUX, 300000),
    ]
    for name, value, usual in (("tcp_sack", "0", "1"), ("tcp_timestamps", "0", "1"),
                               ("tcp_window_scaling", "0", "1"), ("tcp_ecn", "1", "2")):
        set_sysctl(name, value)
        run_group(suite, program, f"{name}={value}, 1 % loss", options, loss=10, reorder=20,
                  delay=1000, offloads=0)
        set_sysctl(name, usual)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
