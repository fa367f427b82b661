"""A network namespace of the benchmark's own, with a TAP that has offloads.

enter() re-executes the calling script inside a fresh namespace (unshare -n, as root); the
namespace and its TAP vanish with the last process in it.
"""
import os
import subprocess
import sys

TAP = "wafer0"
HOST = "10.77.0.1"
GUEST = "10.77.0.2"
GUEST_MAC = "52:54:00:77:00:02"
SOURCES = [f"10.77.0.{10 + i}" for i in range(8)]  # further addresses of the host
GATEWAY_WORDS = ["ip=10.77.0.2/24", "gateway=10.77.0.1"]
MARK = "WAFER_BENCH_NAMESPACE"


def problem():
    """Why there can be no namespace here, or None."""
    if os.environ.get(MARK):
        return None
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode or not os.path.exists("/dev/net/tun"):
        return "a network namespace and a TAP need root and /dev/net/tun"
    return None


def enter():
    """Returns inside the namespace, or ends with a sentence when that is not allowed."""
    if os.environ.get(MARK):
        set_up()
        return
    if problem():
        sys.exit(problem())
    os.execvpe("unshare", ["unshare", "-n", sys.executable, *sys.argv],
               dict(os.environ, **{MARK: "1"}))


def set_up():
    for command in (f"ip tuntap add {TAP} mode tap vnet_hdr",
                    *(f"ip addr add {address}/24 dev {TAP}" for address in [HOST, *SOURCES]),
                    f"ip link set {TAP} up", "ip link set lo up"):
        subprocess.run(command.split(), check=True)
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
        file.write("2000 65000")


def device(machine="q35"):
    """QEMU's arguments for the card on the TAP, the same for every guest."""
    card = "virtio-net-device" if machine == "microvm" else \
        "virtio-net-pci,disable-legacy=on,romfile="
    return ["-netdev", f"tap,id=net0,ifname={TAP},script=no,downscript=no,vnet_hdr=on,vhost=off",
            "-device", f"{card},netdev=net0,mac={GUEST_MAC}"]
