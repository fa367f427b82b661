"""What tests/net/test_tap.py needs on the Linux side of the wire: tap_host with its interface, and
small servers and senders that answer it."""
import re
import select
import socket
import struct
import subprocess
import threading
import time

WAFER, LINUX = "10.99.0.2", "10.99.0.1"
INTERFACE = "wafertap"


def sh(*command, check=True):
    return subprocess.run(command, check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120).stdout


def pattern(length):
    """The bytes that tap_host sends, (at * 31 + (at >> 8) * 7 + (at >> 16)) & 255, by 256s."""
    rows = [bytes((start + at * 31) & 0xff for at in range(256)) for start in range(256)]
    return b"".join(rows[(row * 7 + (row >> 8)) & 0xff]
                    for row in range((length + 255) // 256))[:length]


PATTERN = pattern(6000000)


def pattern_sum(data):
    total = 0
    for byte in data:
        total = (total * 16777619 ^ byte) & 0xffffffff
    return total


class Host:
    """One run of tap_host, with the interface configured around it."""

    def __init__(self, program, mtu=1500, **options):
        arguments = [program, INTERFACE]
        for name, value in options.items():
            arguments += [name, str(value)]
        sh("ip", "tuntap", "add", "dev", INTERFACE, "mode", "tap", "vnet_hdr")
        sh("ip", "link", "set", INTERFACE, "mtu", str(mtu))
        sh("ip", "addr", "add", LINUX + "/24", "dev", INTERFACE)
        sh("ip", "-6", "addr", "add", "fd99::1/64", "dev", INTERFACE, "nodad",
           check=mtu >= 1280)
        sh("ip", "link", "set", INTERFACE, "up")
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def __enter__(self):
        return self

    def line(self, timeout=60):
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError("tap_host says nothing")
        return self.process.stdout.readline().strip()

    def ask(self, command, timeout=120):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.line(timeout)

    def finish(self):
        try:
            answer = self.ask("quit", 60)
        except (TimeoutError, BrokenPipeError, OSError) as error:
            answer = repr(error)
        self.process.stdin.close()
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "hangs"
        return answer, status

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None and kind is not None:
            self.process.kill()
            self.process.wait()
        sh("ip", "link", "del", INTERFACE, check=False)


def read_all(connection, limit=None):
    parts = []
    total = 0
    while limit is None or total < limit:
        data = connection.recv(1 << 16)
        if not data:
            break
        parts.append(data)
        total += len(data)
    return b"".join(parts)


def ping(address, count=5, size=56):
    """Echo requests by a raw socket, so that no ping program is needed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if ":" in address else socket.IPPROTO_ICMP
    raw = socket.socket(family, socket.SOCK_RAW, protocol)
    raw.settimeout(3)
    request, answer = (128, 129) if ":" in address else (8, 0)
    lost = 0
    for sequence in range(count):
        data = PATTERN[sequence:sequence + size]
        packet = struct.pack(">BBHHH", request, 0, 0, 0x7777, sequence) + data
        if family == socket.AF_INET:
            total = sum(struct.unpack(f">{len(packet + bytes(len(packet) % 2)) // 2}H",
                                      packet + bytes(len(packet) % 2)))
            while total >> 16:
                total = (total & 0xffff) + (total >> 16)
            packet = packet[:2] + struct.pack(">H", ~total & 0xffff) + packet[4:]
        target = (address, 0) if family == socket.AF_INET else \
            (address, 0, 0, socket.if_nametoindex(INTERFACE) if address[:4] == "fe80" else 0)
        raw.sendto(packet, target)
        deadline = time.monotonic() + 3
        while True:
            try:
                reply, _ = raw.recvfrom(1 << 16)
            except socket.timeout:
                lost += 1
                break
            if family == socket.AF_INET:
                reply = reply[(reply[0] & 15) * 4:]
            if reply[0] == answer and reply[4:] == packet[4:]:
                break
            if time.monotonic() > deadline:
                lost += 1
                break
    return f"{count} sent, {lost * 100 // count}% packet loss".replace(", 0%", ",  0%")


def dns_answer(query, behaviour):
    name_end = 12
    while query[name_end]:
        name_end += query[name_end] + 1
    name = query[12:name_end]
    kind = struct.unpack(">H", query[name_end + 1:name_end + 3])[0]
    question = query[12:name_end + 5]
    pointer = b"\xc0\x0c"

    def record(owner, kind, data):
        return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data

    flags, answers = 0x8180, []
    if b"missing" in name:
        flags = 0x8183
    elif b"alias" in name:
        answers = [record(pointer, 5, b"\x04real\x04test\x00")]
        if kind == 1:
            answers.append(record(b"\x04real\x04test\x00", 1, bytes([10, 1, 2, 3])))
    elif b"large" in name and behaviour == "udp":
        flags = 0x8380
    elif kind == 1:
        answers = [record(pointer, 1, bytes([10, 9, 8, index])) for index in range(1, 4)]
    else:
        answers = [record(pointer, 28, bytes.fromhex("20010db8000000000000000000000007"))]
    return query[:2] + struct.pack(">HHHHH", flags, 1, len(answers), 0, 0) + question + \
        b"".join(answers)


def start_dns():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((LINUX, 53))
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((LINUX, 53))
    tcp.listen()
    lossy = []

    def run_udp():
        while True:
            try:
                query, source = udp.recvfrom(2000)
            except OSError:
                return
            if b"lossy" in query and len(lossy) < 3:
                lossy.append(1)
                continue
            udp.sendto(dns_answer(query, "udp"), source)

    def run_tcp():
        while True:
            try:
                connection, _ = tcp.accept()
            except OSError:
                return
            with connection:
                data = read_all(connection, 2)
                length = struct.unpack(">H", data[:2])[0]
                while len(data) < 2 + length:
                    data += connection.recv(2000)
                answer = dns_answer(data[2:], "tcp")
                answer = struct.pack(">H", len(answer)) + answer
                connection.sendall(answer[:5])
                time.sleep(0.05)
                connection.sendall(answer[5:])

    threading.Thread(target=run_udp, daemon=True).start()
    threading.Thread(target=run_tcp, daemon=True).start()
    return udp, tcp


class DhcpServer(threading.Thread):
    """Just enough of RFC 2131 to hand out one address, with a short lease."""

    def __init__(self, lease=12):
        super().__init__(daemon=True)
        self.lease = lease
        self.seen = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, INTERFACE.encode())
        self.socket.bind(("", 67))
        self.start()

    def run(self):
        while True:
            try:
                data, source = self.socket.recvfrom(2000)
            except OSError:
                return
            options, at = {}, 240
            while at < len(data) and data[at] != 255:
                options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
                at += 2 + data[at + 1]
            kind = options[53][0]
            self.seen.append((kind, source[0], options))
            if kind not in (1, 3):
                continue
            reply = bytearray(data[:240])
            reply[0] = 2
            reply[16:20] = socket.inet_aton(WAFER)
            server = socket.inet_aton(LINUX)
            reply += bytes([53, 1, 2 if kind == 1 else 5, 54, 4]) + server
            reply += bytes([51, 4]) + struct.pack(">I", self.lease)
            reply += bytes([1, 4, 255, 255, 255, 0, 3, 4]) + server + bytes([6, 4]) + server
            reply += bytes([26, 2]) + struct.pack(">H", 1400) + b"\xff"
            target = source[0] if source[0] != "0.0.0.0" else "255.255.255.255"
            try:
                self.socket.sendto(bytes(reply), (target, 68))
            except OSError:
                return


def send_router_advert():
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    index = socket.if_nametoindex(INTERFACE)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    # Not from /sys, which still shows the namespace that it was mounted in.
    mac = re.search(r"link/ether ([0-9a-f:]+)", sh("ip", "-o", "link", "show", INTERFACE)).group(1)
    mac = bytes.fromhex(mac.replace(":", ""))
    advert = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    advert += b"\x01\x01" + mac
    advert += struct.pack(">BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0)
    advert += socket.inet_pton(socket.AF_INET6, "fd99::")
    raw.sendto(advert, ("ff02::1", 0, 0, index))
    raw.close()
