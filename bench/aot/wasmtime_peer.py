"""Wasmtime's side of the benchmarks; runs in the Python that peers.py made.

Usage: wasmtime_peer.py run KERNEL.wasm       prints "CHECKSUM NANOSECONDS", compilation not counted
       wasmtime_peer.py program APP.wasm FOLDER ARGUMENTS...  a WASI program, compiled before
       wasmtime_peer.py compile APP.wasm OUT  writes the compiled module, all processors at work
"""
import os
import sys
import time

import wasmtime

TIMED_RUNS = 3


def make_engine():
    """Cranelift's full optimisation, guard pages instead of checks, this machine's processor."""
    config = wasmtime.Config()
    config.cranelift_opt_level = "speed"
    return wasmtime.Engine(config)


def run(path):
    engine = make_engine()
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, wasmtime.Module.from_file(engine, path), [])
    kernel = instance.exports(store)["run"]
    times, checksum = [], 0
    for _ in range(TIMED_RUNS):
        start = time.process_time_ns()
        checksum = kernel(store)
        times.append(time.process_time_ns() - start)
    print(repr(float(checksum)), sorted(times)[TIMED_RUNS // 2])


def compile_module(path, out):
    with open(path, "rb") as file:
        data = file.read()
    compiled = wasmtime.Module(make_engine(), data).serialize()
    with open(out, "wb") as file:
        file.write(compiled)


def program(path, folder, arguments):
    """Runs APP.wasm.cwasm, which `compile` wrote; the folder is its root directory."""
    engine = make_engine()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["app", *arguments]
    wasi.env = [("PATH", "/")]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(folder, "/")
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    module = wasmtime.Module.deserialize_file(engine, path)
    instance = linker.instantiate(store, module)
    try:
        instance.exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        sys.stdout.flush()
        os._exit(end.code)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2])
    elif sys.argv[1] == "compile":
        compile_module(sys.argv[2], sys.argv[3])
    else:
        program(sys.argv[2], sys.argv[3], sys.argv[4:])
