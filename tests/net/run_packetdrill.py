#!/usr/bin/env python3
"""Runs google/packetdrill's scripts against the stack, through packetdrill's --so_filename.

Usage: tests/net/run_packetdrill.py TREE [--out DIR] [--only WORD] [--scripts DIR]

TREE is a checkout of github.com/google/packetdrill with gtests/net/packetdrill built (./configure
&& make there; it needs bison and flex). Neither it nor its scripts are part of this project. Each
script is adapted as far as it speaks to Linux around the stack, not to the stack: shell commands
(sysctl, tc, ethtool) go, and the window scale that those would have configured becomes ours.
It runs in a network namespace of its own (as root), because packetdrill and its scripts set
net.ipv4 values of the one that they find. Speaks TAP; a script that needs what the stack does not offer is skipped, with the reason.
"""
import argparse
import ctypes
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WINDOW_SCALE = ("wscale 8", "wscale 7")
# Not offered, and why: (what the script or the failure says, reason).
UNSUPPORTED_SCRIPT = [
    (r"fastopen|FASTOPEN", "TCP fast open"),
    (r"SO_ZEROCOPY|MSG_ZEROCOPY", "MSG_ZEROCOPY"),
    (r"TCP_MD5SIG", "TCP MD5 signatures"),
    (r"TCP_CORK", "TCP_CORK"),
    (r"MSG_MORE|MSG_EOR", "MSG_MORE and MSG_EOR"),
    (r"TCP_INQ|SIOCINQ|SO_TIMESTAMPING|TCP_NOTSENT_LOWAT|NOTSENT", "a Linux-only socket option"),
    (r"tcpi_(delivered|rwnd_limited|busy_time|sndbuf_limited|reord_seen|reordering)",
     "a counter of TCP_INFO that we do not keep"),
    (r"TCP_MAXSEG, \[", "setting TCP_MAXSEG"),
    (r"epoll_|splice\(|sendfile\(|pipe\(", "calls other than those of sockets"),
    (r"IP_TOS|IP_MTU_DISCOVER|psp", "IP-level options"),
    (r"tcp_timestamps=0", "turning timestamps off"),
    (r"mtu_probe/", "ip route's mtu and tcp_mtu_probing"),
    (r"tc qdisc add dev tun0 root pfifo limit 0", "a device that drops everything"),
    (r"invalid-buf-ptr", "a system call boundary: WASI checks addresses (tests/unit/test_wasi_sock)"),
    (r"^--mss=", "packets that a Linux driver has put together (GRO)"),
]
QUICK = ("Linux acknowledges the first segments of a connection at once; we wait up to 40 ms for "
         "a second one or an answer (RFC 9293 §3.8.6.3)")
# Linux differs from the standard or from us where the standard leaves it open.
LINUX_SPECIFIC = {
    "blocking/blocking-read.pkt": QUICK,
    "blocking/blocking-write.pkt": "SO_SNDBUF counts Linux's own overhead",
    "cubic/cubic-bulk-166k.pkt": "HyStart, not HyStart++ (RFC 9406 §4.2), ends slow start",
    "cubic/cubic-bulk-166k-idle-restart.pkt":
        "tcp_slow_start_after_idle=0; we restart as RFC 5681 §4.1 says",
    "cubic/cubic-hystart-delay-rtt-jumps-upward.pkt":
        "HyStart; HyStart++ (RFC 9406 §4.2) goes on growing, at a quarter of the rate",
    "cwnd_moderation/cwnd-moderation-ecn-enter-cwr-no-moderation-700.pkt":
        "PRR after an ECN echo; RFC 9438 §4.6 sets cwnd to ssthresh",
    "fast_retransmit/fr-4pkt-fack-last-mss.pkt":
        "the reordering timer is at least two ticks of Linux's clock; ours is exact",
    "limited_transmit/limited-transmit-no-sack.pkt":
        "cwnd does not grow by what was reported before; it does by RFC 5681 §3.1",
    "limited_transmit/limited-transmit-sack.pkt":
        "cwnd does not grow by what was reported before; it does by RFC 5681 §3.1",
    "shutdown/shutdown-rd-wr-close.pkt": "data is still taken after SHUT_RD; we drop it",
    "shutdown/shutdown-wr-close.pkt": QUICK,
    "tcp_info/tcp-info-last_data_recv.pkt": QUICK,
    "ts_recent/invalid_ack.pkt":
        "an acknowledgement of what was not sent is not answered; RFC 9293 §3.10.7.4 wants an ACK",
    "ts_recent/reset_tsval.pkt": QUICK,
}


def build(tree, out):
    library = os.path.join(out, "wafer_packetdrill.so")
    sources = re.findall(r"net/\w+\.c", open(os.path.join(ROOT, "net", "sources.mk")).read())
    subprocess.run(["clang-19", "-std=gnu17", "-g", "-O1", "-fPIC", "-shared", "-I.",
                    "-I" + os.path.join(tree, "gtests", "net", "packetdrill"), "-o", library,
                    "tests/net/packetdrill_so.c", "tests/net/packetdrill_wire.c",
                    "tests/net/packetdrill_info.c",
                    *sorted(set(sources)), "-lpthread"],
                   cwd=ROOT, check=True)
    return library


def adapt(text):
    """The script without what it does to Linux."""
    text = re.sub(r"^(\s*[+\d.~*]+\s+)`[^`]*`", "", text, flags=re.M)
    text = re.sub(r"`[^`]*`", "", text)
    if "tcp_ecn=1" not in text:  # the scripts' Linux does not ask for ECN, we do
        text = re.sub(r"^([^<\n]*>\s+)S (?=\d+:)", r"\1SEW ", text, count=1, flags=re.M)
    lines = []
    for line in text.split("\n"):
        if ">" in line.split("<")[0]:
            line = line.replace(*WINDOW_SCALE)
            line = re.sub(r"(>\s+(?:\[[^\]]*\]\s*)?)([FSR]*)P([FSRE]*)(\.?)(?= )",
                          lambda m: m[1] + m[2] + m[3] + m[4], line)
        lines.append(line)
    return "\n".join(lines)


def unsupported(text):
    for pattern, reason in UNSUPPORTED_SCRIPT:
        if re.search(pattern, text, re.M):
            return reason
    return None


def run(tree, library, path):
    command = [os.path.join(tree, "gtests", "net", "packetdrill", "packetdrill"),
               "--local_ip=192.168.0.2", "--gateway_ip=192.168.0.1",
               "--netmask_ip=255.255.0.0", "--tolerance_usecs=14000",
               "--so_filename=" + library, path]
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=20,
                                env=dict(os.environ, LD_PRELOAD=library))
    except subprocess.TimeoutExpired:
        return "does not end"
    if result.returncode == 0:
        return None
    lines = [line for line in result.stdout.splitlines() if line.strip()]
    return "\n".join(lines[:8]) or f"status {result.returncode}"


def leave_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
        print("1..0 # SKIP no network namespace: " + os.strerror(ctypes.get_errno()))
        sys.exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tree")
    parser.add_argument("--out", default="build/packetdrill")
    parser.add_argument("--only", default="")
    parser.add_argument("--scripts")
    options = parser.parse_args()
    leave_namespace()
    out = os.path.abspath(options.out)
    os.makedirs(out, exist_ok=True)
    library = build(os.path.abspath(options.tree), out)
    scripts = options.scripts or os.path.join(options.tree, "gtests", "net", "tcp")
    counts = {"ok": 0, "not ok": 0, "linux": 0, "skip": 0}
    number = 0
    for folder, _, files in sorted(os.walk(scripts)):
        for name in sorted(files):
            title = os.path.relpath(os.path.join(folder, name), scripts)
            if not name.endswith(".pkt") or options.only not in title:
                continue
            number += 1
            text = open(os.path.join(folder, name), encoding="utf-8", errors="replace").read()
            reason = unsupported(title + "\n" + text)
            if reason:
                counts["skip"] += 1
                print(f"ok {number} - {title} # SKIP needs {reason}")
                continue
            path = os.path.join(out, title.replace("/", "__"))
            with open(path, "w", encoding="utf-8") as file:
                file.write(adapt(text))
            failure = run(os.path.abspath(options.tree), library, path)
            expected = LINUX_SPECIFIC.get(title)
            if expected and not failure:
                failure = "passes: take it out of LINUX_SPECIFIC"
            elif expected:
                counts["linux"] += 1
                print(f"ok {number} - {title} differs from Linux: {expected}", flush=True)
                continue
            word = "not ok" if failure else "ok"
            counts[word] += 1
            print(f"{word} {number} - {title}", flush=True)
            for line in (failure or "").splitlines():
                print("# " + line)
    print(f"1..{number}")
    print(f"# {counts['ok']} pass, {counts['linux']} differ because they are about Linux, "
          f"{counts['not ok']} differ otherwise, {counts['skip']} skipped")
    return 1 if counts["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
