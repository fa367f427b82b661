"""wafer build: module -> object (waferc) -> image (image.mk); and the cache wafer run uses."""
import atexit
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

from wafer_common import (EXIT_FAILURE, EXIT_USAGE, WaferError, kernel_words, need_tool, quote,
                          run_step)

HERE = os.path.dirname(os.path.abspath(__file__))
# In the source tree, the folder above has the Makefile; installed, everything lies here.
SOURCE_ROOT = os.path.dirname(HERE) if os.path.exists(os.path.join(HERE, "setup")) else None
IMPORT = re.compile(r"^\s*IMPORT\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\w+)\s*,\s*\w+\s*\)")


class Toolbox:
    """Where the compiler, the kernel library and the link rules are."""

    def __init__(self):
        if SOURCE_ROOT:
            self.out = os.environ.get("WAFER_BUILD") or os.path.join(SOURCE_ROOT, "build")
            self.library = self.out
            self.data = SOURCE_ROOT
            self.make_tools()
        else:
            cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
            self.out = os.environ.get("WAFER_BUILD") or os.path.join(cache, "wafer")
            self.library = self.data = HERE
        self.waferc = os.path.join(self.library, "waferc")
        # WAFER_KERNEL: another build of the kernel in its place, such as make test-ubsan's.
        self.kernel = os.environ.get("WAFER_KERNEL") or os.path.join(self.library, "libkernel.a")
        self.trace = os.path.join(os.path.dirname(self.kernel), "libtrace.a")

    def make_tools(self):
        """Brings waferc and the kernel up to date; one at a time per build folder."""
        os.makedirs(self.out, exist_ok=True)
        need_tool("make", "make")
        with locked(os.path.join(self.out, ".tools.lock")):
            run_step(["make", "-s", "-C", SOURCE_ROOT, f"O={self.out}", "-j2", "waferc", "kernel"],
                     "building waferc and the kernel",
                     env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")})

    @staticmethod
    def stamp(path):
        """Changes whenever the file does."""
        status = os.stat(path)
        return f"{status.st_size:x}-{status.st_mtime_ns:x}"

    def kernel_imports(self):
        """(module, field, signature) of every function the kernel has."""
        with open(os.path.join(self.data, "wasi", "imports.def"), encoding="utf-8") as file:
            return {match.groups() for match in map(IMPORT.match, file) if match}


@contextlib.contextmanager
def locked(path):
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Artefact:
    """What wafer run boots."""

    def __init__(self, image, name, uses_sockets, tar=None):
        self.image = image
        self.name = name
        self.uses_sockets = uses_sockets
        self.tar = tar
        self.tar_bytes = os.path.getsize(tar) if tar else 0


def module_name(path):
    return os.path.splitext(os.path.basename(path))[0] or "app"


def compile_module(tools, options, output):
    """waferc: the module's object file. Its messages go straight to standard error."""
    command = [tools.waferc, options.module, "-o", output, f"-O{options.optimise}"]
    if options.cpu:
        command.append(f"--cpu={options.cpu}")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        code = EXIT_USAGE if result.returncode == EXIT_USAGE else EXIT_FAILURE
        raise WaferError(f"{options.module} was not compiled", code)


def check_imports(tools, options):
    """Reports every import the kernel lacks, at once. Returns whether sockets are used."""
    result = subprocess.run([tools.waferc, "--print=imports", options.module],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            check=False)
    if result.returncode:
        raise WaferError(f"{options.module} was not compiled", EXIT_FAILURE)
    known = tools.kernel_imports()
    fields = {}
    for module, field, signature in known:
        fields.setdefault((module, field), []).append(signature)
    missing = []
    uses_sockets = False
    for line in result.stdout.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        module, field, signature = words[:3]
        uses_sockets |= field.startswith("sock_")
        if (module, field, signature) in known:
            continue
        others = fields.get((module, field))
        missing.append(f"  {module}.{field} of type {signature}"
                       + (f" (the kernel has it as {' and '.join(others)})" if others else ""))
    if missing:
        print(f"wafer: {options.module} imports what the kernel does not have:", file=sys.stderr)
        print("\n".join(missing), file=sys.stderr)
        raise WaferError("build the module for WASI preview 1 (wasm32-wasi, wasm32-wasip1, "
                         "GOOS=wasip1) without these imports; wasi/imports.def lists what there is")
    return uses_sockets


def make_tar(tools, directories, output):
    """The directories as one tar, each under its guest path."""
    command = [sys.executable, os.path.join(tools.data, "scripts", "mktar.py"), "-o", output]
    command += [f"{directory.host}::{directory.guest}" for directory in directories]
    run_step(command, "packing the directories")


def link_image(tools, options, object_file, output, tar=None, words=(), iso=False):
    """image.mk: object + kernel (+ observing part, tar, command line) -> bootable ELF (+ ISO)."""
    targets = [output] + ([os.path.splitext(output)[0] + ".iso"] if iso else [])
    command = ["make", "-s", "-f", os.path.join(tools.data, "image.mk"), f"WAFER={tools.data}",
               f"LIBKERNEL={tools.kernel}", f"APP_O={object_file}", f"IMAGE={output}",
               f"TAR={tar or ''}", f"OBSERVE={tools.trace if options.observe else ''}"]
    with tempfile.NamedTemporaryFile("w", suffix=".cmdline", encoding="ascii") as cmdline:
        cmdline.write(" ".join(words))
        cmdline.flush()
        command += [f"CMDLINE={cmdline.name}"] + targets
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")}
        run_step(command, "linking the image", env=env)


def is_image(path):
    """Whether this is something that boots already."""
    if path.endswith(".iso"):
        return True
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def make_image(tools, options, folder, image, note):
    """Fills the cache: the object if there is none yet, and the image."""
    uses_sockets = check_imports(tools, options)
    with open(note, "w", encoding="ascii") as file:
        file.write("1" if uses_sockets else "0")
    object_file = os.path.join(folder, "module.o")
    if not os.path.exists(object_file):
        compile_module(tools, options, os.path.join(folder, "new.o"))
        os.replace(os.path.join(folder, "new.o"), object_file)
    for old in os.listdir(folder):
        if old.endswith(".elf") and old.startswith("observed-") == options.observe:
            os.unlink(os.path.join(folder, old))
    link_image(tools, options, object_file, os.path.join(folder, "new.elf"))
    os.replace(os.path.join(folder, "new.elf"), image)


def prepare(options):
    """For wafer run: the image to boot, from the cache if nothing changed."""
    if is_image(options.module):
        if options.dirs:
            raise WaferError(f"{options.module} is an image: its directories were fixed by "
                             "wafer build", EXIT_USAGE)
        return Artefact(options.module, None, True)
    tools = Toolbox()
    digest = hashlib.sha256()
    with open(options.module, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    digest.update(f"{tools.stamp(tools.waferc)} {options.optimise} {options.cpu}".encode())
    name = module_name(options.module)
    folder = os.path.join(tools.out, "run", f"{name}-{digest.hexdigest()[:16]}")
    # The object depends on the module and the compiler, the image on the kernel too.
    stamp = tools.stamp(tools.kernel)
    if options.observe:
        stamp = f"observed-{stamp}-{tools.stamp(tools.trace)}"
    image = os.path.join(folder, f"{stamp}.elf")
    note = os.path.join(folder, "sockets")
    if not os.path.exists(image):
        os.makedirs(folder, exist_ok=True)
        with locked(os.path.join(folder, "lock")):
            if not os.path.exists(image):
                make_image(tools, options, folder, image, note)
    with open(note, encoding="ascii") as file:
        uses_sockets = file.read() == "1"
    tar = None
    if options.dirs:
        temporary = tempfile.mkdtemp(prefix="wafer-")
        atexit.register(shutil.rmtree, temporary, True)
        tar = os.path.join(temporary, "files.tar")
        make_tar(tools, options.dirs, tar)
    return Artefact(image, name, uses_sockets, tar)


def build(options):
    """wafer build: an image with its directories, environment and arguments inside."""
    if is_image(options.module):
        raise WaferError(f"{options.module} is an image already", EXIT_USAGE)
    tools = Toolbox()
    name = module_name(options.module)
    output = options.output or name + ".elf"
    if not output.endswith(".elf"):
        raise WaferError(f"-o {output}: the name must end in .elf", EXIT_USAGE)
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    check_imports(tools, options)
    with tempfile.TemporaryDirectory(prefix="wafer-") as folder:
        object_file = os.path.join(folder, name + ".o")
        compile_module(tools, options, object_file)
        tar = None
        if options.dirs:
            tar = os.path.join(folder, "files.tar")
            make_tar(tools, options.dirs, tar)
        words = [f"argv0={quote(name)}"] + kernel_words(options)
        link_image(tools, options, object_file, os.path.abspath(output), tar, words, options.iso)
    return output
