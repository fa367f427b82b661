"""A Debian guest for comparison: the cloud kernel, busybox and nginx in an initramfs.

Everything comes from Debian's packages (apt-get download), unpacked below build/bench/linux,
nothing is installed. The page is in RAM, as in Wafer's image.
"""
import glob
import gzip
import os
import re
import shutil
import subprocess

PACKAGES = ["nginx", "nginx-common", "busybox-static", "libpcre2-8-0", "libssl3", "zlib1g",
            "libcrypt1", "libc6", "libgcc-s1"]
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "virtio_mmio", "failover", "net_failover", "virtio_net"]
NGINX = """daemon off;
worker_processes 1;
error_log /dev/null;
events { worker_connections 20000; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 75;
    types { text/html html; }
    open_file_cache max=1000 inactive=60s;
    open_file_cache_valid 1s;
    server { listen 80 backlog=4096; root /www; }
}
"""
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
ulimit -n 60000
sysctl -q -w net.core.somaxconn=4096
for m in @MODULES@; do insmod /modules/$m.ko; done; ls /sys/class/net
ip link set lo up; ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up
@START@
poweroff -f
"""


def fetch(folder):
    """Unpacks the packages into folder/root; returns that path."""
    root = os.path.join(folder, "root")
    if os.path.exists(os.path.join(root, ".complete")):
        return root
    shutil.rmtree(folder, True)
    packages = os.path.join(folder, "packages")
    os.makedirs(packages)
    depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"],
                             capture_output=True, text=True, check=True).stdout
    kernel = re.search(r"Depends: (linux-image-[0-9][^\s]*)", depends).group(1)
    subprocess.run(["apt-get", "download", "-qq", kernel, *PACKAGES], cwd=packages, check=True,
                   stderr=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(packages, "*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    with open(os.path.join(root, ".complete"), "w", encoding="ascii"):
        pass
    return root


def kernel_image(root):
    return glob.glob(os.path.join(root, "boot", "vmlinuz-*"))[0]


NGINX_START = "nginx -c /nginx.conf -p / -e /dev/null"


def build(out, www, name, start=NGINX_START, programs=()):
    """The initramfs; returns (kernel, initramfs). programs: host files to put into /bin."""
    folder = os.path.join(out, "bench", "linux")
    root = fetch(folder)
    tree = os.path.join(folder, name)
    shutil.rmtree(tree, True)
    for path in ("bin", "proc", "sys", "dev", "modules", "tmp", "etc", "var/lib/nginx/body",
                 "var/log/nginx", "run", "lib/x86_64-linux-gnu", "lib64"):
        os.makedirs(os.path.join(tree, path))
    shutil.copytree(www, os.path.join(tree, "www"))
    shutil.copy(os.path.join(root, "bin", "busybox"), os.path.join(tree, "bin", "busybox"))
    shutil.copy(os.path.join(root, "usr", "sbin", "nginx"), os.path.join(tree, "bin", "nginx"))
    for library in glob.glob(os.path.join(root, "lib", "x86_64-linux-gnu", "*.so*")) + \
            glob.glob(os.path.join(root, "usr", "lib", "x86_64-linux-gnu", "*.so*")):
        shutil.copy(library, os.path.join(tree, "lib", "x86_64-linux-gnu"))
    shutil.copy(os.path.join(root, "lib", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
                os.path.join(tree, "lib64"))
    for module in MODULES:
        for path in glob.glob(os.path.join(root, "lib", "modules", "*", "kernel", "**",
                                           module + ".ko"), recursive=True):
            shutil.copy(path, os.path.join(tree, "modules"))
    for program in programs:
        shutil.copy(program, os.path.join(tree, "bin"))
    write(tree, "nginx.conf", NGINX)
    write(tree, "etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    write(tree, "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    write(tree, "init", INIT.replace("@MODULES@", " ".join(MODULES)).replace("@START@", start))
    os.chmod(os.path.join(tree, "init"), 0o755)
    archive = subprocess.run("find . | cpio -o -H newc --quiet", shell=True, cwd=tree,
                             capture_output=True, check=True).stdout
    initramfs = os.path.join(folder, name + ".gz")
    with gzip.open(initramfs, "wb", compresslevel=1) as file:
        file.write(archive)
    return kernel_image(root), initramfs


def write(tree, name, text):
    with open(os.path.join(tree, name), "w", encoding="utf-8") as file:
        file.write(text)
