#!/usr/bin/env python3
"""Runs google/packetdrill's scripts against the stack, through packetdrill's --so_filename.

Usage: tests/net/run_packetdrill.py TREE [--out DIR] [--only WORD] [--scripts DIR]

TREE is a checkout of github.com/google/packetdrill with gtests/net/packetdrill built (./configure
&& make there; it needs bison and flex). Neither it nor its scripts are part of this project. Each
script is adapted as far as it speaks to Linux around the stack, not to the stack: shell commands
(sysctl, tc, ethtool) go, and the window scale that those would have configured becomes ours.
Speaks TAP; a script that needs what the stack does not offer is skipped, with the reason.
"""
import argparse
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
    (r"tcpi_|TCP_INFO", "TCP_INFO"),
    (r"TCP_MAXSEG, \[", "setting TCP_MAXSEG"),
    (r"epoll_|splice\(|sendfile\(|pipe\(", "calls other than those of sockets"),
    (r"IP_TOS|IP_MTU_DISCOVER|psp", "IP-level options"),
    (r"tcp_ecn=1", "ECN asked for by the client side"),
    (r"tcp_timestamps=0", "turning timestamps off"),
]


def build(tree, out):
    library = os.path.join(out, "wafer_packetdrill.so")
    sources = re.findall(r"net/\w+\.c", open(os.path.join(ROOT, "net", "sources.mk")).read())
    subprocess.run(["clang-19", "-std=gnu17", "-g", "-O1", "-fPIC", "-shared", "-I.",
                    "-I" + os.path.join(tree, "gtests", "net", "packetdrill"), "-o", library,
                    "tests/net/packetdrill_so.c", "tests/net/packetdrill_wire.c",
                    *sorted(set(sources)), "-lpthread"],
                   cwd=ROOT, check=True)
    return library


def adapt(text):
    """The script without what it does to Linux."""
    text = re.sub(r"^(\s*[+\d.~*]+\s+)`[^`]*`", "", text, flags=re.M)
    text = re.sub(r"`[^`]*`", "", text)
    return "\n".join(line.replace(*WINDOW_SCALE) if ">" in line.split("<")[0] else line
                     for line in text.split("\n"))


def unsupported(text):
    for pattern, reason in UNSUPPORTED_SCRIPT:
        if re.search(pattern, text):
            return reason
    return None


def run(tree, library, path):
    command = [os.path.join(tree, "gtests", "net", "packetdrill", "packetdrill"),
               "--local_ip=192.168.0.2", "--gateway_ip=192.168.0.1",
               "--netmask_ip=255.255.0.0", "--tolerance_usecs=14000",
               "--so_filename=" + library, path]
    try:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=20)
    except subprocess.TimeoutExpired:
        return "does not end"
    if result.returncode == 0:
        return None
    lines = [line for line in result.stdout.splitlines() if line.strip()]
    return "\n".join(lines[:8]) or f"status {result.returncode}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tree")
    parser.add_argument("--out", default="build/packetdrill")
    parser.add_argument("--only", default="")
    parser.add_argument("--scripts")
    options = parser.parse_args()
    out = os.path.abspath(options.out)
    os.makedirs(out, exist_ok=True)
    library = build(os.path.abspath(options.tree), out)
    scripts = options.scripts or os.path.join(options.tree, "gtests", "net", "tcp")
    counts = {"ok": 0, "not ok": 0, "skip": 0}
    number = 0
    for folder, _, files in sorted(os.walk(scripts)):
        for name in sorted(files):
            title = os.path.relpath(os.path.join(folder, name), scripts)
            if not name.endswith(".pkt") or options.only not in title:
                continue
            number += 1
            text = open(os.path.join(folder, name), encoding="utf-8", errors="replace").read()
            reason = unsupported(title + text)
            if reason:
                counts["skip"] += 1
                print(f"ok {number} - {title} # SKIP needs {reason}")
                continue
            path = os.path.join(out, title.replace("/", "__"))
            with open(path, "w", encoding="utf-8") as file:
                file.write(adapt(text))
            failure = run(os.path.abspath(options.tree), library, path)
            word = "not ok" if failure else "ok"
            counts[word] += 1
            print(f"{word} {number} - {title}", flush=True)
            for line in (failure or "").splitlines():
                print("# " + line)
    print(f"1..{number}")
    print(f"# {counts['ok']} pass, {counts['not ok']} differ, {counts['skip']} skipped")
    return 1 if counts["not ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
