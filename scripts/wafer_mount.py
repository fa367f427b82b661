"""--mount HOST:GUEST: a directory of this machine, live in the guest, over QEMU's 9P server."""
import os

from wafer_common import EXIT_USAGE, WaferError, quote

READ_ONLY = ":ro"


class Mount:
    """One --mount argument: a directory and where the application sees it."""

    def __init__(self, text, index):
        self.read_only = text.endswith(READ_ONLY)
        self.host, separator, self.guest = text.removesuffix(READ_ONLY).rpartition(":")
        if not separator or not self.host or not self.guest.startswith("/"):
            raise WaferError(f"--mount {text}: write HOST:GUEST or HOST:GUEST:ro, for example "
                             "data:/data", EXIT_USAGE)
        if not os.path.isdir(self.host):
            raise WaferError(f"--mount {text}: {self.host} is not a directory", EXIT_USAGE)
        self.tag = f"wafer{index}"

    def word(self):
        """For the kernel's command line."""
        return quote(f"mount={self.tag}:{self.guest}")

    def machine_arguments(self, machine):
        """
        For QEMU. Model "none": files on the host are what they are in the guest, made with the
        rights of whoever runs QEMU. "remap" keeps apart the inodes of several file systems.
        """
        device = "virtio-9p-device" if machine == "microvm" else "virtio-9p-pci"
        path = os.path.abspath(self.host).replace(",", ",,")
        read_only = ",readonly=on" if self.read_only else ""
        return ["-fsdev", f"local,id={self.tag},path={path},security_model=none,multidevs=remap"
                + read_only, "-device", f"{device},fsdev={self.tag},mount_tag={self.tag}"]
