"""--volume FILE:GUEST: disks that outlive the machine, with a file system Linux reads."""
import os
import shutil

from wafer_common import EXIT_USAGE, WaferError, parse_size, quote, run_step

DEFAULT_SIZE = "1G"
SMALLEST_BYTES = 8 << 20
# ext3: a journal makes each operation whole after a crash, and the kernel knows no more of ext4.
MAKE = ["-q", "-F", "-t", "ext3", "-b", "4096", "-m", "0", "-L", "wafer"]


def volume_bytes(text):
    """A bare number counts bytes."""
    size = parse_size(text)
    if size is None or size < SMALLEST_BYTES:
        raise WaferError(f"--volume-size {text}: write a size of 8M or more, for example 1G",
                         EXIT_USAGE)
    return size


class Volume:
    """One --volume argument: a disk image and where the application sees it."""

    def __init__(self, text, index):
        self.file, separator, self.guest = text.rpartition(":")
        if not separator or not self.file or not self.guest.startswith("/"):
            raise WaferError(f"--volume {text}: write FILE:GUEST, for example data.img:/data",
                             EXIT_USAGE)
        self.serial = f"wafer{index}"

    def make(self, size):
        """Creates the image if there is none: sparse, so it takes what is written to it."""
        if os.path.exists(self.file):
            return
        path = os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"])
        tool = shutil.which("mke2fs", path=path)
        if not tool:
            raise WaferError("mke2fs is not installed (Debian package e2fsprogs)")
        part = self.file + ".part"
        try:
            with open(part, "wb") as image:
                image.truncate(size)
            run_step([tool] + MAKE + [part], f"making the volume {self.file}")
            os.rename(part, self.file)
        finally:
            if os.path.exists(part):
                os.unlink(part)

    def word(self):
        """For the kernel's command line."""
        return quote(f"volume={self.serial}:{self.guest}")

    def machine_arguments(self, machine):
        """For QEMU: the guest's flushes reach the host's disk."""
        device = "virtio-blk-device" if machine == "microvm" else "virtio-blk-pci"
        file = self.file.replace(",", ",,")
        return ["-drive", f"if=none,id={self.serial},format=raw,cache=writeback,file={file}",
                "-device", f"{device},drive={self.serial},serial={self.serial}"]
