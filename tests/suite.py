"""What the suites that boot machines in a folder of their own share (tests/volume, tests/mount)."""
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WAFER = os.path.join(ROOT, "scripts", "wafer")
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"])
SECONDS = 120


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def call(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS, check=False,
                          **options)


class Folder:
    """A folder with a module compiled from C; a suite derives from it."""

    def __init__(self, out, folder, source):
        self.folder = folder
        self.environment = dict(os.environ, WAFER_BUILD=os.path.abspath(out))
        self.module = self.path(os.path.basename(source)[:-2] + ".wasm")
        result = call(["clang-19", "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-o",
                       self.module, os.path.join(ROOT, source)])
        expect(result.returncode == 0, result.stdout)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        return call([WAFER, "run", self.module, *arguments], env=self.environment)


def outcome(made, number, name):
    """The TAP line, and what explains it."""
    title = name[5:].replace("_", " ")
    try:
        getattr(made, name)()
    except Skip as reason:
        return f"ok {number} - {title} # SKIP {reason}"
    except (Failure, subprocess.TimeoutExpired, OSError) as error:
        return f"not ok {number} - {title}" + "".join(
            "\n# " + line for line in str(error).splitlines())
    return f"ok {number} - {title}"


def run_tests(suite, tools, make, workers=1):
    """Runs the methods test_* of what make(folder) returns, so many at once, and prints TAP."""
    missing = [name for name in ["qemu-system-x86_64", "clang-19", *tools]
               if not shutil.which(name, path=SBIN)]
    tests = [name for name in dir(suite) if name.startswith("test_")]
    print(f"1..{len(tests)}")
    with tempfile.TemporaryDirectory(prefix="wafer-test-") as folder:
        made = None if missing else make(folder)
        if missing:
            for number, name in enumerate(tests, 1):
                title = name[5:].replace("_", " ")
                print(f"ok {number} - {title} # SKIP {', '.join(missing)} not installed")
            return
        with ThreadPoolExecutor(workers) as pool:
            for text in pool.map(lambda number: outcome(made, number, tests[number - 1]),
                                 range(1, len(tests) + 1)):
                print(text, flush=True)
