"""What the wafer commands share: errors, tools, and the kernel command line's syntax."""
import os
import re
import shutil
import subprocess
import sys

EXIT_FAILURE = 1      # a build step failed
EXIT_USAGE = 2
EXIT_MACHINE = 125    # the machine could not start, or ended without saying how
EXIT_TRAP = 134


class WaferError(Exception):
    """A failure that is reported as one sentence; `code` becomes the exit code."""

    def __init__(self, message, code=EXIT_FAILURE):
        super().__init__(message)
        self.code = code


def parse_size(text, bare_unit=""):
    """Bytes of "64M", "1GiB", "512k"; a bare number counts `bare_unit`. None: not a size."""
    match = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", text, re.IGNORECASE)
    if not match:
        return None
    unit = match.group(2).upper() or bare_unit
    return int(match.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]


def need_tool(name, package):
    """The path of a program, or an error that says which Debian package has it."""
    path = shutil.which(name)
    if not path:
        raise WaferError(f"{name} is not installed (Debian package {package})", EXIT_MACHINE)
    return path


def run_step(command, what, env=None):
    """Runs a build step; its output appears only if it fails."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=env, check=False)
    except OSError as error:
        raise WaferError(f"{what}: cannot run {command[0]}: {error.strerror}") from error
    if result.returncode:
        sys.stderr.write(result.stdout.decode(errors="replace"))
        raise WaferError(f"{what} failed (exit code {result.returncode})")
    return result.stdout


def quote(word):
    """One word in the kernel command line's syntax (kernel/cmdline.h)."""
    if word and all(c.isalnum() or c in "._-+/:,=@%" for c in word) and word.isascii():
        return word
    out = ['"']
    for byte in word.encode("utf-8", "surrogateescape"):
        if byte in (0x22, 0x5C):
            out.append("\\" + chr(byte))
        elif 0x20 <= byte < 0x7F:
            out.append(chr(byte))
        else:
            out.append(f"\\x{byte:02x}")
    return "".join(out) + '"'


class Directory:
    """A --dir argument: HOST::GUEST, or PATH for the same path on both sides."""

    def __init__(self, text):
        host, separator, guest = text.partition("::")
        self.host = host
        self.guest = guest if separator else host
        if not host or not self.guest:
            raise WaferError(f"--dir {text}: write HOST::GUEST, for example public::/", EXIT_USAGE)
        if not os.path.isdir(host):
            raise WaferError(f"--dir {text}: {host} is not a directory", EXIT_USAGE)


def parse_port(text, option):
    """A TCP port number, checked."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise WaferError(f"{option}: {text!r} is not a port number (1 to 65535)", EXIT_USAGE)
    return int(text)


class Forward:
    """A host port that reaches a guest port: [ADDRESS:]HOST:GUEST."""

    def __init__(self, text, option="--publish"):
        parts = text.split(":")
        if len(parts) == 2:
            parts.insert(0, "127.0.0.1")
        if len(parts) != 3:
            raise WaferError(f"{option} {text}: write [ADDRESS:]HOST:GUEST", EXIT_USAGE)
        self.address = parts[0]
        self.host = parse_port(parts[1], option)
        self.guest = parse_port(parts[2], option)


def kernel_words(options):
    """The command line for one run: directories, environment, listeners, arguments."""
    guests = [d.guest for d in options.dirs]
    if guests and not any(os.path.normpath("/" + guest) in ("/", "//", "/tmp")
                          for guest in guests):
        guests.append("/tmp")  # programs that work on files expect one; it lives in memory
    words = [f"dir={quote(guest)}" for guest in guests]
    words += [volume.word() for volume in getattr(options, "volumes", [])]
    words += [mount.word() for mount in getattr(options, "mounts", [])]
    for setting in options.env:
        name, separator, value = setting.partition("=")
        if not name or not separator:
            raise WaferError(f"--env {setting}: write NAME=VALUE", EXIT_USAGE)
        words.append(quote(f"env.{name}={value}"))
    if options.listen:
        words.append("listen=" + ",".join(str(port) for port in options.listen))
    if options.timeout:
        words.append(f"timeout={options.timeout}")
    words += options.append
    if options.arguments:
        words.append("--")
        words += [quote(argument) for argument in options.arguments]
    return words
