"""A Debian guest for comparison: Debian 12's cloud kernel, busybox and a server in an initramfs.

Everything comes from Debian's packages (apt-get download), unpacked below build/bench, nothing
is installed. The page is in RAM, as in Wafer's image. The programs are Debian 12's (nginx) or
Debian 13's, which has WasmEdge; the kernel is the same for all.
"""
import glob
import os
import re
import shutil
import subprocess

PACKAGES = {
    "bookworm": ["nginx", "nginx-common", "busybox-static", "libpcre2-8-0", "libssl3", "zlib1g",
                 "libcrypt1", "libc6", "libgcc-s1"],
    "trixie": ["wasmedge", "busybox-static", "libc6", "libwasmedge0", "libgcc-s1", "libfmt10",
               "libllvm19", "libspdlog1.15", "libstdc++6", "libzstd1", "zlib1g", "libedit2",
               "libffi8", "libxml2", "libz3-4", "libbsd0", "libtinfo6", "liblzma5", "libmd0"],
}
PROGRAMS = {"bookworm": "usr/sbin/nginx", "trixie": "usr/bin/wasmedge"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MODULES = ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "virtio_mmio", "virtio_console", "failover", "net_failover", "virtio_net"]
NGINX = """daemon off;
worker_processes 1;
error_log /dev/null;
events { worker_connections 20000; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 3600;
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
huge=$(sed -n 's/.*huge=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
[ -z "$huge" ] || dd if=/dev/zero of=/www/huge.bin bs=1M count=$huge
ip link set lo up; ip addr add 10.77.0.2/24 dev eth0; ip link set eth0 up
@START@
poweroff -f
"""


def apt_options(folder, release):
    """Private package lists for a release that is not this machine's."""
    if release == "bookworm":
        return []
    for path in ("lists/partial", "cache/archives/partial"):
        os.makedirs(os.path.join(folder, path))
    write(folder, "sources.list",
          f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {release} main\n")
    options = [f"-oDir::Etc::sourcelist={folder}/sources.list", "-oDir::Etc::sourceparts=/dev/null",
               f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache",
               "-oDir::State::status=/dev/null"]
    subprocess.run(["apt-get", "update", "-qq", *options], check=True)
    return options


def fetch(out, release):
    """Unpacks a release's packages, and the kernel for bookworm; returns the root."""
    folder = os.path.join(out, "bench", "linux-" + release)
    root = os.path.join(folder, "root")
    if os.path.exists(os.path.join(root, ".complete")):
        return root
    shutil.rmtree(folder, True)
    os.makedirs(os.path.join(folder, "packages"))
    wanted = list(PACKAGES[release])
    if release == "bookworm":
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"],
                                 capture_output=True, text=True, check=True).stdout
        wanted.append(re.search(r"Depends: (linux-image-[0-9][^\s]*)", depends).group(1))
    subprocess.run(["apt-get", *apt_options(folder, release), "download", "-qq", *wanted],
                   cwd=os.path.join(folder, "packages"), check=True, stderr=subprocess.DEVNULL)
    for package in glob.glob(os.path.join(folder, "packages", "*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    shutil.rmtree(os.path.join(folder, "packages"))
    write(root, ".complete", "")
    return root


NGINX_START = "nginx -c /nginx.conf -p / -e /dev/null"


def library_folders(root):
    return [folder for folder in (os.path.join(root, "lib", "x86_64-linux-gnu"),
                                  os.path.join(root, "usr", "lib", "x86_64-linux-gnu"))
            if os.path.isdir(folder)]


def build(out, www, name, start, programs=(), release="bookworm"):
    """The initramfs; returns (kernel, initramfs). programs: host files to put into /bin."""
    kernel_root, root = fetch(out, "bookworm"), fetch(out, release)
    tree = os.path.join(out, "bench", "linux-" + name)
    shutil.rmtree(tree, True)
    for path in ("bin", "proc", "sys", "dev", "modules", "tmp", "etc", "var/lib/nginx/body",
                 "var/log/nginx", "run", "lib/x86_64-linux-gnu", "lib64"):
        os.makedirs(os.path.join(tree, path))
    shutil.copytree(www, os.path.join(tree, "www"))
    busybox = [path for path in (os.path.join(root, folder, "busybox")
                                 for folder in ("bin", "usr/bin")) if os.path.exists(path)][0]
    for program in [busybox, os.path.join(root, PROGRAMS[release]), *programs]:
        shutil.copy(program, os.path.join(tree, "bin"))
    for folder in library_folders(root):
        for library in glob.glob(os.path.join(folder, "*.so*")):
            shutil.copy(library, os.path.join(tree, "lib", "x86_64-linux-gnu"))
        for loader in glob.glob(os.path.join(folder, "ld-linux-x86-64.so.2")):
            shutil.copy(loader, os.path.join(tree, "lib64"))
    for module in MODULES:
        for path in glob.glob(os.path.join(kernel_root, "lib", "modules", "*", "kernel", "**",
                                           module + ".ko"), recursive=True):
            shutil.copy(path, os.path.join(tree, "modules"))
    write(tree, "nginx.conf", NGINX)
    write(tree, "etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    write(tree, "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    write(tree, "init", INIT.replace("@MODULES@", " ".join(MODULES)).replace("@START@", start))
    os.chmod(os.path.join(tree, "init"), 0o755)
    initramfs = os.path.join(out, "bench", name + ".cpio")
    with open(initramfs, "wb") as file:
        subprocess.run("find . | cpio -o -H newc --quiet", shell=True, cwd=tree, stdout=file,
                       check=True)
    shutil.rmtree(tree)
    return glob.glob(os.path.join(kernel_root, "boot", "vmlinuz-*"))[0], initramfs


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
