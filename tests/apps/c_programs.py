"""C and C++: SQLite, Lua and zlib from Debian's sources, and libc++, compiled here."""
import hashlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

from harness import HERE, Skip, debian, need_tool, same

SHIM = pathlib.Path(HERE) / "c"
WASI_COMPILER = ["clang-19", "--target=wasm32-wasi", "-std=gnu17", "-w", "-isystem",
                 SHIM / "shim", "-include", "missing.h", "-D_WASI_EMULATED_SIGNAL",
                 "-D_WASI_EMULATED_PROCESS_CLOCKS", "-D_WASI_EMULATED_GETPID"]
WASI = [*WASI_COMPILER, SHIM / "missing.c", "-lwasi-emulated-signal",
        "-lwasi-emulated-process-clocks", "-lwasi-emulated-getpid", "-lm",
        "-Wl,-z,stack-size=1048576"]
NATIVE = ["clang-19", "-std=gnu17", "-w", "-lm"]
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/sbin", "/usr/sbin"])


def source(bench, package, prepare=None):
    """The unpacked source, prepared."""
    try:
        folder = debian.Apt(pathlib.Path(bench.path("debian"))).source(package)
        if prepare:
            prepare(folder)
    except debian.Unavailable as reason:
        raise Skip(str(reason)) from reason
    return folder


def build(bench, name, folder, compiler, *arguments):
    """Compiles, unless it is newer than our part of it; returns the program's path."""
    target = bench.path(name)
    newest = max(path.stat().st_mtime for path in [pathlib.Path(__file__), *SHIM.rglob("*")])
    if not os.path.exists(target) or os.path.getmtime(target) < newest:
        bench.compile([*compiler, *arguments, "-o", target], cwd=folder)
    return target


# ---- SQLite -----------------------------------------------------------------------------------

SQLITE_FLAGS = ["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=0",
                "-DSQLITE_MAX_MMAP_SIZE=0", "-DSQLITE_OMIT_WAL", "-DSQLITE_OMIT_POPEN",
                "-DSQLITE_NOHAVE_SYSTEM", "-I."]
CREATE = """pragma synchronous=full;
create table item(id integer primary key, name text unique, price real, data blob);
create index by_price on item(price);
begin;
with recursive n(i) as (select 1 union all select i+1 from n where i<3000)
  insert into item select i, printf('item %05d', i*7919%100003), i*0.25, zeroblob(i%300) from n;
commit;
begin; delete from item; rollback;
create table log(line text);
create trigger logged after delete on item begin insert into log values('gone '||old.name); end;
select count(*), sum(price), total(length(data)) from item;
"""
COUNT = "select count(*), sum(price), (select count(*) from log) from item"
REOPEN = """pragma integrity_check;
select count(*), sum(price), total(length(data)) from item;
delete from item where id % 3 = 0;
update item set price = price * 2 where name > 'item 05';
vacuum;
""" + COUNT + ";\npragma integrity_check;\n"


def content(database):
    assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    return [database.execute(f"select * from {table} order by 1").fetchall()
            for table in ("item", "log")]


def sqlite_program(bench, name, main):
    """A WASI program around SQLite, which is compiled once."""
    folder = source(bench, "sqlite3", debian.amalgamate)
    library = build(bench, "sqlite3.o", folder, WASI_COMPILER, "-O1", *SQLITE_FLAGS, "-c", "sqlite3.c")
    return build(bench, name, folder, WASI, "-O1", *SQLITE_FLAGS, main, library)


def test_sqlite_on_volume(bench):
    """A database made by one machine, changed by the next, read by this host's SQLite."""
    need_tool("mke2fs", "debugfs", path=SYSTEM_PATH)
    module = sqlite_program(bench, "sqlite.wasm", "shell.c")
    disk = os.path.join(bench.work_folder("sqlite"), "disk.img")
    options = [*bench.quick(), "--volume", f"{disk}:/data", "--volume-size", "64M"]

    def run(script):
        return bench.wafer(module, *options, arguments=("-batch", "-bail", "/data/shop.db"),
                           stdin=script.encode())

    model = sqlite3.connect(":memory:", isolation_level=None)
    model.executescript(CREATE + REOPEN)
    changed = "|".join(map(str, model.execute(COUNT).fetchone()))
    same(run(CREATE), b"3000|1125375.0|448500.0\n")
    same(run(REOPEN), b"ok\n3000|1125375.0|448500.0\n" + changed.encode() + b"\nok\n")
    fsck = subprocess.run([shutil.which("e2fsck", path=SYSTEM_PATH), "-fn", disk],
                          capture_output=True, check=False)
    assert fsck.returncode == 0, fsck.stdout
    copy = bench.path("work-sqlite", "shop.db")
    subprocess.run([shutil.which("debugfs", path=SYSTEM_PATH), "-R", f"dump /shop.db {copy}", disk],
                   capture_output=True, check=True)
    assert content(sqlite3.connect(copy)) == content(model), "other rows"


def test_speedtest(bench):
    """SQLite's own benchmark over files; the hash of all its results equals the native one."""
    module = sqlite_program(bench, "speedtest1.wasm", "test/speedtest1.c")
    arguments = ("--verify", "--size", "30" if bench.full else "2")
    native = build(bench, "speedtest1.native", source(bench, "sqlite3"), NATIVE, "-O0",
                   *SQLITE_FLAGS, "sqlite3.c", "test/speedtest1.c")
    work = bench.work_folder("speedtest")
    got = bench.wafer(module, *bench.quick(), "--memory", "256M", "--dir", work + "::/",
                      arguments=(*arguments, "/tmp/speed.db"))
    want = subprocess.run([native, *arguments, os.path.join(work, "speed.db")],
                          capture_output=True, check=True).stdout
    checks = [re.findall(rb"Verification Hash: .*|^ *\d+ - [^.]*", output, re.M)
              for output in (got, want)]
    assert len(checks[1]) > 20, want
    same(checks[0], checks[1])


# ---- Lua, zlib, libc++ --------------------------------------------------------------------------

LUA_FILES = [f"src/{name}.c" for name in [
    *debian.LUA_CORE, "lcorolib", "ldblib", "linit", "liolib", "loadlib", "loslib", "lutf8lib",
    "lua"]]


def test_lua(bench):
    """Debian's interpreter, whole; its errors are long jumps, which are Wasm exceptions."""
    folder = source(bench, "lua5.4", debian.lua_headers)
    module = build(bench, "lua.wasm", folder, WASI, "-O2", "-mllvm", "-wasm-enable-sjlj", "-Ishim",
                   "-Isrc", *LUA_FILES, SHIM / "setjmp.c")
    got = bench.wafer(module, *bench.quick(1), "--dir", f"{SHIM}::/", "--env", "NAME=a name",
                      arguments=("/script.lua", "one", "two words"), stdin=b"a line\n42 rest",
                      code=42)
    same(got.decode(), (SHIM / "script.out").read_text(encoding="utf-8"))


def test_minigzip(bench):
    """The compressed bytes equal native ones, and unpacked again they are the text."""
    folder = source(bench, "zlib")
    files = [name + ".c" for name in debian.ZLIB]
    flags = ["-O2", "-I.", "-DHAVE_UNISTD_H", *files]
    native = build(bench, "minigzip.native", folder, NATIVE, *flags)
    module = build(bench, "minigzip.wasm", folder, WASI, *flags)
    text = b"".join((folder / name).read_bytes() for name in files) * 2
    assert len(text) > 500000, "too little text"
    work = pathlib.Path(bench.work_folder("zlib"))
    (work / "text").write_bytes(text)
    for level in ("-1", "-6", "-9"):
        want = subprocess.run([native, level, "-c", "text"], cwd=work, capture_output=True,
                              check=True).stdout
        got = bench.wafer(module, *bench.quick(1), "--dir", f"{work}::/",
                          arguments=(level, "-c", "/text"))
        same(hashlib.sha256(got).hexdigest(), hashlib.sha256(want).hexdigest())
    (work / "text.gz").write_bytes(got)
    got = bench.wafer(module, *bench.quick(1), "--dir", f"{work}::/",
                      arguments=("-d", "-c", "/text.gz"))
    assert got == text, f"{len(got)} bytes of {len(text)}, or others"


def test_hello_cpp(bench):
    module = build(bench, "hello-cpp.wasm", SHIM,
                   ["clang++-19", "--target=wasm32-wasi", "-std=c++20", "-O2", "-Wall", "-Wextra",
                    "-Werror", "-fno-exceptions"], "hello.cpp")
    same(bench.wafer(module, *bench.quick(1), arguments=("a name with spaces, grüße",),
                     stdin=b"abc def\n", code=7).decode(),
         "constructed before main\nHello, a name with spaces, grüße!\n1000 1 500500\n"
         "and=2 dog=1 end=1 fox=1 lazy=1 quick=1 the=3 \n3 1\n4.00 square\n13.00 other\n"
         "grüße 0000beef\nfed cba\ndestroyed after main\n")


TESTS = [
    ("SQLite keeps a database on a volume", test_sqlite_on_volume),
    ("SQLite's speedtest1 gives the native results", test_speedtest),
    ("Lua runs a script", test_lua),
    ("minigzip packs the same bytes as natively", test_minigzip),
    ("libc++: streams, containers, algorithms", test_hello_cpp),
]
