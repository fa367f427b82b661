#!/usr/bin/env python3
"""Packs host directories into the tar that becomes the image's file system.

Usage: scripts/mktar.py -o OUTPUT HOST::GUEST ...

Each HOST directory's contents appear under GUEST without its leading slashes; `/` and `.` are
the top of the tree. The result depends on names, contents, times and links only: entries are
sorted, owners dropped, and times whole seconds. Symbolic links are kept as they are, hard links
within one mapping stay hard links; sockets, FIFOs and devices are left out with a message.
"""
import argparse
import os
import posixpath
import stat
import sys
import tarfile


class MktarError(Exception):
    """One sentence for the user."""


def parse_mapping(text):
    """HOST::GUEST -> (host, parts of the guest path)."""
    host, separator, guest = text.rpartition("::")
    if not separator or not host:
        raise MktarError(f"'{text}' is not of the form HOST::GUEST")
    if not os.path.isdir(host):
        raise MktarError(f"'{host}' is not a directory")
    parts = [part for part in guest.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MktarError(f"the guest path '{guest}' must not contain '..'")
    return host, parts


def describe(name, status):
    """The entry's header, without what differs from machine to machine."""
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(status.st_mode)
    info.mtime = max(int(status.st_mtime), 0)
    return info


class Packer:
    def __init__(self, archive):
        self.archive = archive
        self.directories = set()

    def add_directory(self, name, status):
        if name and name not in self.directories:
            self.directories.add(name)
            info = describe(name, status)
            info.type = tarfile.DIRTYPE
            self.archive.addfile(info)

    def add_mapping(self, host, parts):
        status = os.stat(host)
        for count in range(1, len(parts) + 1):
            self.add_directory("/".join(parts[:count]), status)
        links = {}
        # A list instead of recursion: a deep tree is no reason to fail.
        pending = [(host, "/".join(parts))]
        while pending:
            path, name = pending.pop()
            with os.scandir(path) as entries:
                children = sorted(entries, key=lambda entry: os.fsencode(entry.name))
            below = []
            for child in children:
                child_name = posixpath.join(name, child.name)
                if child.is_dir(follow_symlinks=False):
                    self.add_directory(child_name, child.stat(follow_symlinks=False))
                    below.append((child.path, child_name))
                else:
                    self.add_file(child, child_name, links)
            pending.extend(reversed(below))

    def add_file(self, child, name, links):
        status = child.stat(follow_symlinks=False)
        info = describe(name, status)
        if stat.S_ISLNK(status.st_mode):
            info.type = tarfile.SYMTYPE
            info.linkname = os.readlink(child.path)
            self.archive.addfile(info)
        elif not stat.S_ISREG(status.st_mode):
            print(f"mktar: left out '{child.path}': neither file, directory nor link",
                  file=sys.stderr)
        elif status.st_nlink > 1 and (status.st_dev, status.st_ino) in links:
            info.type = tarfile.LNKTYPE
            info.linkname = links[status.st_dev, status.st_ino]
            self.archive.addfile(info)
        else:
            links[status.st_dev, status.st_ino] = name
            with open(child.path, "rb") as file:
                info.size = os.fstat(file.fileno()).st_size
                self.archive.addfile(info, file)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", dest="output", required=True, help="the tar to write")
    parser.add_argument("mappings", nargs="*", metavar="HOST::GUEST")
    options = parser.parse_args(arguments)
    try:
        mappings = [parse_mapping(text) for text in options.mappings]
        with tarfile.open(options.output, "w", format=tarfile.PAX_FORMAT,
                          errors="surrogateescape") as archive:
            packer = Packer(archive)
            for host, parts in mappings:
                packer.add_mapping(host, parts)
    except MktarError as error:
        print(f"mktar: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"mktar: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
