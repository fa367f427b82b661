"""Real programs from Debian's sources: native code against waferc's and Node's.

SQLite's speedtest1, Lua, zlib's minigzip and bzip2 are fetched with apt-get source (lists of its
own, the machine's configuration is not touched) and compiled natively and to WASI by
the same clang -O3. Each runs as a Linux process, whole, its start included: waferc's code with
the kernel's WASI layer and file system (programs/process.c), Node with node:wasi, Wasmtime
with its own WASI from a module compiled before.
Outputs must agree, but for the times that speedtest1 prints. Contestants take turns; the
table shows medians, the ratios those of the pairs in one round: of elapsed time, and of
processor time (all threads, user and system), which a busy machine disturbs less.

There is no wasm2c here: its translation of SQLite takes gcc -O3 minutes.
"""
import csv
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass, field

from common import CLANG, HERE, ROOT, geometric_mean, run
from debian import LUA_CORE, ZLIB, Apt, Unavailable, amalgamate, attempt, lua_headers
from peers import wasmtime_command

SOURCES = pathlib.Path(HERE) / "programs"
COMMON = ["-O3", "-std=gnu17", "-ffp-contract=off", "-w"]
TO_WASM = ["--target=wasm32-wasi", "-mbulk-memory", "-D_WASI_EMULATED_SIGNAL",
           "-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-signal",
           "-lwasi-emulated-process-clocks", "-Wl,-z,stack-size=1048576"]
FAKES = ["kernel/base/fmt.c", "tests/unit/fake_wasi.c", "tests/unit/fake_net_socket.c",
         "tests/unit/fake_dns.c"]
TEXT_BYTES = 8 << 20
TIMEOUT_S = 120


@dataclass
class Program:
    """What to compile, and the runs to time: {title: arguments}."""
    package: str
    files: list
    runs: dict
    flags: list = field(default_factory=list)
    wasm_flags: list = field(default_factory=list)
    prepare: object = None


def lua_without_setjmp(folder):
    """wasi-libc there has no setjmp.h; Lua can do without where no error is caught: one ends
    the program, natively too."""
    lua_headers(folder)
    (folder / "shim" / "setjmp.h").write_text("")


BZIP2 = "blocksort huffman crctable randtable compress decompress bzlib bzip2".split()

PROGRAMS = [
    Program("sqlite3", ["sqlite3.c", "test/speedtest1.c", SOURCES / "sqlite_os.c"],
            {"SQLite speedtest1": ["--memdb", "--verify", "--size", "50"]},
            ["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=0", "-DSQLITE_OS_OTHER=1",
             "-DSQLITE_TEMP_STORE=3", "-I.", "-lm"], prepare=amalgamate),
    Program("lua5.4", [f"src/{name}.c" for name in LUA_CORE] + [SOURCES / "lua.c"],
            {"Lua": ["workload.lua"]},
            ["-Ishim", "-Isrc", "-lm", "-Dluai_jmpbuf=int", "-DLUAI_TRY(L,c,a)={a}",
             "-DLUAI_THROW(L,c)=abort()"], prepare=lua_without_setjmp),
    Program("zlib", [name + ".c" for name in ZLIB],
            {"minigzip": ["-c", "-6", "text"], "minigzip -d": ["-c", "-d", "texts.gz"]},
            ["-I.", "-DHAVE_UNISTD_H"]),
    Program("bzip2", [name + ".c" for name in BZIP2],
            {"bzip2": ["-c", "-9", "text"], "bzip2 -d": ["-c", "-d", "text.bz2"]}, ["-I."],
            ["-Dfchmod(file,mode)=0", "-Dfchown(file,user,group)=0"]),
]


class Builder:
    """Compiles programs; the WASI layer for waferc's code is compiled once."""

    def __init__(self, out, waferc, cpu):
        self.out = out
        self.waferc = waferc
        self.cpu = cpu
        self.apt = Apt(out)
        self.layer = None

    def wasi_layer(self):
        if self.layer is None:
            names = [word for part in ("wasi", "fs")
                     for word in pathlib.Path(ROOT, part, "sources.mk").read_text().split()
                     if word.endswith(".c")]
            self.layer = []
            for name in [*names, *FAKES, os.path.relpath(SOURCES / "process.c", ROOT)]:
                self.layer.append(str(self.out / (name.replace("/", "_") + ".o")))
                run([CLANG, "-O2", "-std=gnu17", "-I" + ROOT, "-c", os.path.join(ROOT, name), "-o",
                     self.layer[-1]])
        return self.layer

    def imports(self, module_object):
        """Linker options that bind the object's imports to the kernel's functions."""
        wanted = re.findall(r"U (wasm_import__\S+)", run(["nm", "-u", module_object]))
        known = {f"wasm_import__{module}__{name}__{signature}": function
                 for module, name, signature, function in re.findall(
                     r"^IMPORT\((\w+), (\w+), (\w+), (\w+)\)",
                     pathlib.Path(ROOT, "wasi/imports.def").read_text(), re.M)}
        missing = [name for name in wanted if name not in known]
        if missing:
            raise Unavailable("unknown import " + missing[0])
        return [f"-Wl,--defsym,{name}={known[name]}" for name in wanted]

    def build(self, program):
        """{contestant: stem of its program}"""
        folder = self.apt.source(program.package)
        if program.prepare:
            program.prepare(folder)
        stem = self.out / program.package
        flags = [*program.files, *program.flags]
        attempt([CLANG, *COMMON, "-march=" + self.cpu, "-o", f"{stem}.native", *flags],
                "native build", folder)
        attempt([CLANG, *COMMON, *TO_WASM, *program.wasm_flags, "-o", f"{stem}.wasm", *flags],
                "WASI build", folder)
        attempt([self.waferc, f"{stem}.wasm", "-o", f"{stem}.o", "-O3", "--cpu=" + self.cpu],
                "waferc")
        attempt([CLANG, "-static", "-no-pie", "-Wl,--defsym,wasm_memory=0x60000000",
                 "-Wl,--wrap=console_write", *self.imports(f"{stem}.o"), "-o", f"{stem}.wafer",
                 f"{stem}.o", *self.wasi_layer()], "link")
        return stem


def write_data(out, builder):
    """The files that the programs read, as a folder and as a tar."""
    data = out / "data"
    data.mkdir(exist_ok=True)
    shutil.copy(SOURCES / "workload.lua", data)
    text = bytearray()
    for program in PROGRAMS:
        for path in sorted((builder.out / program.package).glob("*/**/*.[ch]")):
            text += path.read_bytes()
    text *= TEXT_BYTES // max(len(text), 1) + 1
    (data / "text").write_bytes(text[:TEXT_BYTES])
    for package, source, target, copies in (("zlib", "text", "texts.gz", 8),
                                            ("bzip2", "text", "text.bz2", 1)):
        native = builder.out / f"{package}.native"
        if native.exists():
            packed = subprocess.run([native, "-c", source], cwd=data, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, check=True).stdout
            (data / target).write_bytes(packed * copies)
    with tarfile.open(out / "data.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.add(data, arcname=".")
    return data


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def execute(command, data, output):
    """Elapsed and processor seconds of one run; its output goes to a file."""
    with open(output, "wb") as file:
        processor, start = processor_seconds(), time.perf_counter()
        result = subprocess.run(command, cwd=data, stdin=subprocess.DEVNULL, stdout=file,
                                stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
        seconds = time.perf_counter() - start, processor_seconds() - processor
    if result.returncode:
        raise Unavailable(f"{os.path.basename(command[0])} ended with {result.returncode}: "
                          + result.stderr.decode(errors="replace")[-200:])
    return seconds


def normalised(path):
    text = path.read_bytes()
    return text if len(text) > 1 << 16 else re.sub(rb"\.*\s+\d+\.\d+s", b"", text)


def measure(stem, arguments, out, rounds):
    """{contestant: elapsed and processor seconds of each round}"""
    data = out / "data"
    commands = {"native": [f"{stem}.native"], "wafer": [f"{stem}.wafer", str(out / "data.tar")]}
    if shutil.which("node"):
        commands["node"] = ["node", "--no-turbo-fast-api-calls", "--no-warnings",
                            os.path.join(ROOT, "tests/apps/node_wasi.mjs"), f"{stem}.wasm",
                            str(data), "app.wasm"]
    try:
        attempt(wasmtime_command(out.parent, "compile", f"{stem}.wasm", f"{stem}.cwasm"),
                "wasmtime")
        commands["wasmtime"] = wasmtime_command(out.parent, "program", f"{stem}.cwasm", str(data))
    except Unavailable as reason:
        print(reason, file=sys.stderr)
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(execute([*command, *arguments], data, out / f"{name}.output"))
    for name in commands:
        if normalised(out / f"{name}.output") != normalised(out / "native.output"):
            raise Unavailable(f"the output of {name} differs")
    return times


ELAPSED, PROCESSOR = 0, 1


def ratio(times, name, kind):
    return statistics.median(a[kind] / b[kind] for a, b in zip(times[name], times["native"]))


def milliseconds(times, name):
    return f"{statistics.median(value[ELAPSED] for value in times[name]) * 1000:.0f}"


def print_table(rows, skipped):
    names = [name for name in next(iter(rows.values()), {}) if name != "native"]
    columns = [(name, kind) for kind in (ELAPSED, PROCESSOR) for name in names]
    titles = [name + (", processor" if kind else "") for name, kind in columns]
    print("\n| " + " | ".join(["program", "native ms", *titles]) + " |\n|---|---"
          + "|---" * len(columns) + "|")
    for title, times in rows.items():
        print(f"| {title} | {milliseconds(times, 'native')} | "
              + " | ".join(f"{ratio(times, *column):.2f}" for column in columns) + " |")
    for title, reason in skipped.items():
        print(f"| {title} | SKIP: {reason} |" + " |" * len(columns))
    if rows:
        means = [geometric_mean([ratio(times, *column) for times in rows.values()])
                 for column in columns]
        print("| geometric mean | | " + " | ".join(f"**{mean:.2f}**" for mean in means) + " |")


def write_csv(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["program", "contestant", "round", "elapsed s", "processor s"])
        for title, times in rows.items():
            for name, values in times.items():
                writer.writerows([title, name, number, f"{elapsed:.4f}", f"{processor:.4f}"]
                                 for number, (elapsed, processor) in enumerate(values, 1))


def report(out, waferc, rounds, cpu, only=""):
    """Builds, runs and prints everything whose title holds `only`; programs.csv keeps it."""
    chosen = [program for program in PROGRAMS
              if any(only.lower() in title.lower() for title in program.runs)]
    if not chosen:
        return
    out = pathlib.Path(out) / "programs"
    out.mkdir(parents=True, exist_ok=True)
    builder = Builder(out, waferc, cpu)
    rows, skipped, stems = {}, {}, {}
    for program in chosen:
        try:
            stems[program.package] = builder.build(program)
        except Unavailable as reason:
            skipped.update({title: reason for title in program.runs})
    write_data(out, builder)
    for program in chosen:
        for title, arguments in program.runs.items():
            if title in skipped or only.lower() not in title.lower():
                continue
            try:
                rows[title] = measure(stems[program.package], arguments, out, rounds)
            except Unavailable as reason:
                skipped[title] = reason
                continue
            print(f"{title}: " + ", ".join(f"{name} {milliseconds(rows[title], name)} ms"
                  for name in rows[title]), file=sys.stderr, flush=True)
    print_table(rows, skipped)
    write_csv(out.parent / "programs.csv", rows)
