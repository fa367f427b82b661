#!/usr/bin/env python3
"""Booted machines with virtio devices that lie. Prints TAP.

Usage: tests/hostile/run.py [--out BUILD]

The disk and the network card are ours (vhost_user.py), honest for a while and then not. The kernel
must say what is wrong with the device, the application must get an error (disk) or go on
(network), and the machine must end by itself with the application's exit code. The card also
shows that the stack works while the program computes.
"""
import argparse
import itertools
import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import vhost_user  # noqa: E402
from suite import ROOT, SBIN, WAFER, Folder, call, expect, run_tests  # noqa: E402

MEGABYTES = 128
READ, FLUSH, GET_ID = 0, 4, 8
BAD = {  # lie: what the kernel says of it
    "index": "its used index runs ahead of what it was given",
    "id": "it returned a buffer that it did not hold",
    "idle": "it returned a buffer that it did not hold",
    "length": "it claims to have written beyond a buffer",
    "silence": "it did not answer a request for 30 seconds",
}


def tell_lie(device, ring, chain, lie):
    """Answers `chain` wrongly, where the lie is one about the ring."""
    if lie == "index":
        device.used(ring, chain.head, 1, step=1000)
    elif lie == "id":
        device.used(ring, 0xfffffff0, 1)
    elif lie == "idle":
        device.used(ring, (chain.head + ring.size // 2) % ring.size, 1)
    elif lie == "length":
        device.used(ring, chain.head, 0xffffffff)
    elif lie != "silence":
        raise ValueError(lie)
    device.interrupt(ring)


class Disk(vhost_user.Device):
    """A disk in a file, honest for `honest` requests."""
    FEATURES = 1 << 9  # FLUSH

    def __init__(self, path, image, lie, honest):
        super().__init__(path)
        self.image = image
        self.lie = lie
        self.honest = honest

    def config(self):
        return struct.pack("<QII", os.path.getsize(self.image) // 512, 0, 0) + bytes(44)

    def transfer(self, chain):
        request = self.gather(chain)
        kind, _, sector = struct.unpack_from("<IIQ", request)
        room = sum(length for _, length in chain.writable) - 1
        with open(self.image, "r+b") as file:
            file.seek(sector * 512)
            if kind == READ:
                data = file.read(room).ljust(room, b"\0")
            elif kind == GET_ID:
                data = b"wafer0".ljust(room, b"\0")
            else:
                data = b""
                file.write(request[16:] if kind != FLUSH else b"")
        return data

    def handle(self, ring, chain):
        data = self.transfer(chain)
        lies = self.honest == 0 and self.lie is not None
        self.honest -= self.honest > 0
        if lies and self.lie not in ("status", "nothing"):
            tell_lie(self, ring, chain, self.lie)
            return
        status = b"\x77" if lies and self.lie == "status" else b"\0"
        if not (lies and self.lie == "nothing"):  # "done", and not a byte was touched
            self.scatter(chain, data + status)
        self.complete(ring, chain, len(data) + 1)


ARP_REQUEST = (b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x08\x06" + b"\0\1\x08\0\6\4\0\1" +
               b"\x02\0\0\0\0\x01" + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2]))


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", ~total & 0xffff)


def ipv4_frame(protocol, payload):
    """From 10.0.0.1 to the machine."""
    header = bytes([0x45, 0]) + struct.pack(">HIBB", 20 + len(payload), 0, 64, protocol)
    addresses = bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return (b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + header +
            checksum(header + addresses) + addresses + payload)


def ping_frame():
    body = struct.pack(">HH", 7, 1) + bytes(32)
    return ipv4_frame(1, b"\x08\0" + checksum(b"\x08\0" + body) + body)


def tcp_frame(sequence, acknowledgement, flags):
    start = struct.pack(">HHIIBBH", 4000, 8080, sequence, acknowledgement, 0x50, flags, 1000)
    pseudo = bytes([10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 20])
    return ipv4_frame(6, start + checksum(pseudo + start) + b"\0\0")


class Card(vhost_user.Device):
    """A card whose wire is a list; after `lie_now` it lies in the ring that `lie` names."""
    FEATURES = 1 << 15  # MRG_RXBUF

    def __init__(self, path, lie):
        super().__init__(path)
        self.lie = lie
        self.lies = False
        self.sent = []  # by the guest
        self.news = threading.Event()

    def handle(self, ring, chain):
        if ring is self.rings[0]:
            ring.waiting.append(chain)
            return
        self.sent.append(self.gather(chain)[12:])
        if self.lies and self.lie[0] == "send":
            self.lies = False
            tell_lie(self, ring, chain, self.lie[1])
        elif not (self.lies and self.lie == "stall"):
            self.complete(ring, chain, 0)
        if len(self.sent) == 1:
            self.news.set()

    def deliver(self, frame, buffers=1):
        ring = self.rings[0]
        deadline = time.monotonic() + 1
        while not ring.waiting and time.monotonic() < deadline:
            time.sleep(0.001)
        if ring.kick is None or not ring.waiting:
            return False  # the machine has had enough of the card
        chain = ring.waiting.pop(0)
        if self.lies and self.lie[0] == "receive":
            tell_lie(self, ring, chain, self.lie[1])
            return True
        data = struct.pack("<10sH", bytes(10), buffers) + frame
        self.scatter(chain, data)
        self.complete(ring, chain, len(data))
        return True


class Suite(Folder):
    def __init__(self, out, folder):
        super().__init__(out, folder, "tests/volume/writer.c")
        self.out = os.path.abspath(out)
        self.numbers = itertools.count()

    # ---- Disks ----------------------------------------------------------------------------------

    def boot_disk(self, lie, honest):
        number = next(self.numbers)
        disk = self.path(f"disk{number}.img")
        with open(disk, "wb") as file:
            file.truncate(16 << 20)
        made = call(["mke2fs", "-q", "-F", "-b", "4096", "-t", "ext3", "-J", "size=4", disk],
                    env=dict(os.environ, PATH=SBIN))
        expect(made.returncode == 0, made.stdout)
        device = Disk(self.path(f"s{number}"), disk, lie, honest)
        device.start()
        result = self.run("-v", *vhost_user.qemu_arguments(
            MEGABYTES, device.path, "-device", "vhost-user-blk-pci,chardev=liar"),
            "--append", "volume=wafer0:/data", "--", "/data", "20")
        expect(device.error is None, f"the device failed: {device.error}")
        return result

    def test_an_honest_disk_serves(self):
        result = self.boot_disk(None, 0)
        expect(result.returncode == 0 and "synced 19" in result.stdout, result.stdout)

    def check_disk(self, lie):
        # In the middle of the program's work, and before the volume is there at all.
        result = self.boot_disk(lie, 60)
        expect(result.returncode == 1 and "I/O error" in result.stdout,
               f"{result.returncode}: {result.stdout}")
        expect(lie not in BAD or BAD[lie] in result.stdout, result.stdout)
        if lie not in ("silence", "status"):
            result = self.boot_disk(lie, 1)
            expect(result.returncode == 125, f"{result.returncode}: {result.stdout}")

    def test_a_disk_that_returns_what_it_does_not_hold(self):
        self.check_disk("id")
        self.check_disk("idle")

    def test_a_disk_whose_ring_index_jumps(self):
        self.check_disk("index")

    def test_a_disk_that_claims_to_have_written_too_much(self):
        self.check_disk("length")

    def test_a_disk_that_is_silent(self):
        self.check_disk("silence")

    def test_a_disk_with_an_unknown_status(self):
        self.check_disk("status")

    def test_a_disk_that_writes_nothing_and_is_done(self):
        self.check_disk("nothing")

    # ---- Network cards --------------------------------------------------------------------------

    def with_card(self, lie, play, module=None):
        """Boots a server with the card, calls play(card) when it has sent something."""
        module = module or os.path.join(self.out, "examples", "static-file-server.wasm")
        card = Card(self.path(f"s{next(self.numbers)}"), lie)
        card.start()
        results = []
        # QEMU 7.2 crashes when the guest gives its configuration interrupt an MSI-X vector.
        arguments = vhost_user.qemu_arguments(
            MEGABYTES, card.path, "-netdev", "vhost-user,id=wire,chardev=liar", "-device",
            "virtio-net-pci,netdev=wire,mac=02:00:00:00:00:02,vectors=0")
        command = [WAFER, "run", "-v", module, "--net", "none", "--timeout", "2", "--append", "ip=10.0.0.2/24", "--append",
                   "listen=0.0.0.0:8080", *arguments]
        machine = threading.Thread(
            target=lambda: results.append(call(command, env=self.environment)))
        machine.start()
        try:
            expect(card.news.wait(60), "the machine sent nothing")
            play(card)
        finally:
            machine.join()
        expect(card.error is None, f"the device failed: {card.error}")
        # It went on to its time limit, whatever the card did.
        expect(results and results[0].returncode == 124, results and results[0].stdout)
        return results[0].stdout

    def answer_to(self, card, frame, is_answer):
        """The first frame sent from now on for which is_answer(frame), or None."""
        before = len(card.sent)
        card.deliver(frame)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            for sent in card.sent[before:]:
                if is_answer(sent):
                    return sent
            time.sleep(0.02)
        return None

    def answers(self, card):
        return self.answer_to(card, ARP_REQUEST, lambda frame: frame[12:14] == b"\x08\x06" and
                              frame[20:22] == b"\0\2") is not None

    def test_an_honest_card_works(self):
        answered = []
        log = self.with_card(None, lambda card: answered.append(self.answers(card)))
        expect(answered == [True], f"no answer; log:\n{log}")

    def test_a_program_that_computes_answers_all_the_same(self):
        """It makes no call: ping and handshake are the timer tick's work."""
        module = self.path("busy.wasm")
        source = os.path.join(ROOT, "tests", "boot", "programs", "hang.c")
        made = call(["clang-19", "--target=wasm32-wasi", "-O2", "-o", module, source])
        expect(made.returncode == 0, made.stdout)
        seen = []

        def play(card):
            time.sleep(0.5)  # the program runs by then
            seen.append(self.answers(card))
            seen.append(self.answer_to(card, ping_frame(), lambda frame: frame[23:24] == b"\1" and
                                       frame[34:35] == b"\0") is not None)
            answer = self.answer_to(card, tcp_frame(1000, 0, 2), lambda frame:
                                    frame[23:24] == b"\6" and frame[47] == 0x12)
            seen.append(answer is not None and answer[42:46] == struct.pack(">I", 1001))
            if seen[-1]:
                (number,) = struct.unpack(">I", answer[38:42])
                card.deliver(tcp_frame(1001, number + 1, 0x10))
                # A connection answers data in order; a half-open one would repeat its SYN-ACK.
                data = tcp_frame(1001, number + 1, 0x11)
                answer = self.answer_to(card, data, lambda frame: frame[23:24] == b"\6" and
                                        frame[47] == 0x10)
                seen.append(answer is not None and answer[42:46] == struct.pack(">I", 1002))

        log = self.with_card(None, play, module)
        expect(seen == [True] * 4, f"{seen}; log:\n{log}")

    def check_card(self, ring, lie):
        def play(card):
            card.lies = True
            # Sent frames are taken back only when many are out.
            for _ in range(400):
                if not card.deliver(ARP_REQUEST):
                    break

        log = self.with_card((ring, lie), play)
        expect(BAD[lie] in log, log)

    def test_a_card_that_lies_about_received_frames(self):
        for lie in ("id", "index", "length"):
            self.check_card("receive", lie)

    def test_a_card_that_lies_about_sent_frames(self):
        for lie in ("id", "idle", "index"):
            self.check_card("send", lie)

    def test_a_card_that_never_takes_a_frame(self):
        def play(card):
            card.lies = True
            for _ in range(20):
                card.deliver(ARP_REQUEST)

        self.with_card("stall", play)

    def test_a_card_with_frames_of_impossible_shape(self):
        answered = []

        def play(card):
            card.deliver(ARP_REQUEST, 0)
            card.deliver(ARP_REQUEST, 65535)
            card.deliver(b"")
            card.deliver(ARP_REQUEST)
            answered.append(self.answers(card))

        self.with_card(None, play)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", default=os.path.join(ROOT, "build"))
    parser.add_argument("--only", default="", help="tests whose name has this in it")
    options = parser.parse_args()
    for name in [name for name in dir(Suite) if name.startswith("test_")]:
        if options.only not in name:
            delattr(Suite, name)
    run_tests(Suite, ["mke2fs"], lambda folder: Suite(options.out, folder), 4)
    return 0


if __name__ == "__main__":
    sys.exit(main())
