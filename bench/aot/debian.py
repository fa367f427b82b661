"""Programs' sources from Debian: fetched with apt-get into a folder, for benchmarks and tests."""
import shutil
import subprocess

DEBIAN = "deb-src http://deb.debian.org/debian bookworm main\n"
ZLIB = ("adler32 compress crc32 deflate gzclose gzlib gzread gzwrite infback inffast inflate "
        "inftrees trees uncompr zutil test/minigzip").split()
LUA_CORE = ("lapi lauxlib lbaselib lcode lctype ldebug ldo ldump lfunc lgc llex lmathlib lmem "
            "lobject lopcodes lparser lstate lstring lstrlib ltable ltablib ltm lundump lvm "
            "lzio").split()


class Unavailable(Exception):
    """Why a program or a contestant is left out."""


def attempt(command, what, cwd=None):
    """Runs a command that may fail without ending the benchmark."""
    result = subprocess.run([str(word) for word in command], cwd=cwd, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, errors="replace", check=False)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines() or [str(result.returncode)]
        first = next((line for line in lines if "error:" in line or line.startswith("E: ")),
                     lines[-1])
        raise Unavailable(f"{what}: {first.replace('|', ' ')}")


class Apt:
    """apt-get with lists and caches below a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.updated = False
        for name in ("lists/partial", "archives/partial"):
            (folder / "apt" / name).mkdir(parents=True, exist_ok=True)
        (folder / "sources.list").write_text(DEBIAN)

    def command(self, *arguments):
        where = {"Etc::sourcelist": "sources.list", "Etc::sourceparts": "none",
                 "State::lists": "apt/lists", "Cache": "apt"}
        options = [f"-oDir::{key}={self.folder / value}" for key, value in where.items()]
        return ["apt-get", "-qq", "-oAPT::Sandbox::User=root", "-oAPT::Update::Error-Mode=any",
                *options, *arguments]

    def source(self, package):
        """The unpacked source of a package; fetched once."""
        target = self.folder / package
        if not list(target.glob("*/debian")):
            if not (shutil.which("apt-get") and shutil.which("dpkg-source")):
                raise Unavailable("needs apt-get and dpkg-source")
            if not self.updated:
                attempt(self.command("update"), "apt-get update")
                self.updated = True
            target.mkdir(exist_ok=True)
            attempt(self.command("source", "--only-source", package), f"apt-get source {package}",
                    target)
        return next(target.glob("*/debian")).parent


def amalgamate(folder):
    """SQLite as one file, made by its own build."""
    if (folder / "shell.c").exists():
        return
    if not shutil.which("tclsh"):
        raise Unavailable("needs tclsh")
    attempt(["sh", "configure", "--disable-shared", "--disable-readline", "--disable-tcl"],
            "configure", folder)
    attempt(["make", "sqlite3.c", "shell.c"], "make sqlite3.c", folder)


def lua_headers(folder):
    """The header that Debian's build makes."""
    shim = folder / "shim"
    shim.mkdir(exist_ok=True)
    (shim / "lua5.4-deb-multiarch.h").write_text('#define DEB_HOST_MULTIARCH "any"\n')
