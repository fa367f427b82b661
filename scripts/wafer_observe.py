"""What wafer run makes of the log's observations: --trace, --stats and --profile.

The kernel's side is trace/ (linked into the image when it is asked for, so that a plain image pays
nothing) and kernel/profile.c (always there).
"""
import json
import os
import re
import sys

import wafer_flame
from wafer_common import EXIT_USAGE, WaferError

# kernel/profile.h; "idle" and "lost" are counts of their own.
SAMPLE_LINE = re.compile(rb"^wafer: sample (\S.* \d+)$")
TRACE_LINE = re.compile(rb"^\[ *\d+\.\d+\] trace ")
STATS_LINE = re.compile(rb"^wafer: stats (\{.*\})$")
OBSERVING_LINE = b"wafer: observing"
SAMPLES_PER_SECOND = 997  # a prime: not in step with anything periodic
CATEGORIES = ("wasi", "net", "disk", "memory", "all")
TO_STDERR = "-"
# --instructions: one instruction is one nanosecond of the machine's time.
ICOUNT_ARGUMENTS = ["-icount", "shift=0"]


def add_options(parser):
    parser.add_argument("--trace", metavar="LIST",
                        help="show WASI calls, packets, transfers of disks and mounts, memory growth: "
                        "wasi (alone if no list is given), net, disk, memory, or all")
    parser.add_argument("--trace-file", metavar="FILE", help="where traces go instead of "
                        "standard error")
    parser.add_argument("--stats", metavar="FILE", help="show statistics at the end; with =FILE, "
                        "write them there as JSON")
    parser.add_argument("--instructions", action="store_true",
                        help="count guest instructions in the statistics (emulator only, slower)")
    parser.add_argument("--profile", metavar="FILE",
                        help="sample where time goes; FILE gets folded stacks, or a flame graph "
                        "if it ends in .svg (and the stacks beside it)")


def is_list(text):
    return all(word in CATEGORIES for word in text.split(","))


def expand(arguments):
    """--trace, --stats, --gdb may go without their values: the module may follow."""
    defaults = {"--trace": "--trace=wasi", "--stats": "--stats=" + TO_STDERR, "--gdb": "--gdb=1234"}
    expanded = []
    for argument in arguments:
        if expanded and expanded[-1] == "--trace=wasi" and is_list(argument):
            expanded[-1] = "--trace=" + argument
        else:
            expanded.append(defaults.get(argument, argument))
    return expanded


def check(options):
    """Sets options.observe: whether the image needs the observing part."""
    options.observe = getattr(options, "observe", False)
    if options.command != "run":
        return
    if options.trace and not is_list(options.trace):
        raise WaferError(f"--trace {options.trace}: a list of {', '.join(CATEGORIES)}", EXIT_USAGE)
    if options.trace_file and not options.trace:
        raise WaferError("--trace-file needs --trace", EXIT_USAGE)
    if options.instructions and not options.stats:
        raise WaferError("--instructions needs --stats", EXIT_USAGE)
    if options.instructions and options.accel == "kvm":
        raise WaferError("--instructions: only the emulator counts them; use --accel tcg",
                         EXIT_USAGE)
    options.observe = bool(options.trace or options.stats)
    if options.instructions:
        options.accel = "tcg"


def kernel_words(options):
    words = [f"trace={options.trace}"] if options.trace else []
    words += ["stats=1"] if options.stats else []
    words += [f"profile={SAMPLES_PER_SECOND}"] if options.profile else []
    return words


class Observer:
    """Takes the log's lines that are meant for it, and writes what was asked for."""

    def __init__(self, options):
        self.options = options
        self.samples = []
        self.stats = None
        self.is_observing = False
        self.trace = open(options.trace_file, "wb", buffering=0) if options.trace_file else None

    def take(self, line):
        """Whether the line is dealt with."""
        match = SAMPLE_LINE.match(line)
        if match:
            self.samples.append(match.group(1))
            return True
        match = STATS_LINE.match(line)
        if match:
            self.stats = match.group(1)
            return True
        if line == OBSERVING_LINE:
            self.is_observing = True
            return True
        if self.trace and TRACE_LINE.match(line):
            self.trace.write(line + b"\n")
            return True
        return False

    def finish(self):
        if self.trace:
            self.trace.close()
        if self.options.profile:
            write_profile(self.options.profile, self.samples)
        if self.options.observe and not self.is_observing:
            raise WaferError("the image cannot be observed: build it with wafer build --observe",
                             EXIT_USAGE)
        if self.options.stats:
            self.write_stats()

    def write_stats(self):
        if self.stats is None:
            raise WaferError("the machine ended without statistics")
        stats = json.loads(self.stats)
        if self.options.instructions:
            stats["time"]["instructions"] = stats["time"]["busy_cycles"]
        if self.options.stats == TO_STDERR:
            sys.stderr.write(describe(stats))
            return
        with open(self.options.stats, "w", encoding="ascii") as file:
            json.dump(stats, file, indent=2)
            file.write("\n")


def write_profile(path, samples):
    folded = path
    if path.endswith(".svg"):
        folded = os.path.splitext(path)[0] + ".folded"
        with open(path, "w", encoding="utf-8") as file:
            file.write(wafer_flame.draw([sample.decode("utf-8", "replace") for sample in samples],
                                        os.path.basename(path)))
    with open(folded, "wb") as file:
        file.write(b"".join(sample + b"\n" for sample in samples))


def size(count):
    """Bytes, readably."""
    for unit in ("B", "KiB", "MiB"):
        if count < 10240:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def duration(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns} ns"


def describe(stats):
    """The statistics as a few lines for people."""
    time, network, disk = stats["time"], stats["network"], stats["disk"]
    exits, memory = stats["exits"], stats["memory"]
    idle = 100 * time["idle_ns"] / max(time["ns"], 1)
    counted = f", {time['instructions']:,} instructions" if "instructions" in time else \
        f", {time['busy_cycles']:,} cycles busy"
    lines = [f"time      {duration(time['ns'])}, idle {idle:.0f} %{counted}"]
    calls = sorted(stats["calls"].items(), key=lambda item: -item[1]["ns"])
    lines.append(f"calls     {sum(call['count'] for _, call in calls):,}")
    for name, call in calls:
        errors = f", {call['errors']:,} errors" if call["errors"] else ""
        lines.append(f"  {call['count']:>9,} {name}, {duration(call['ns'])}{errors}")
    lines.append(f"network   in {network['packets_in']:,} packets, {size(network['bytes_in'])}; out "
                 f"{network['packets_out']:,} packets, {size(network['bytes_out'])}")
    if network["tcp"].get("retransmissions"):
        lines.append(f"          {network['tcp']['retransmissions']:,} TCP segments sent again")
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in network["dropped"].items())
    if dropped:
        lines.append(f"          dropped: {dropped}")
    if any(disk.values()):
        lines.append(f"disk      {disk['reads']:,} reads, {size(disk['read_bytes'])}; "
                     f"{disk['writes']:,} writes, {size(disk['written_bytes'])}; "
                     f"{disk['flushes']:,} flushes")
    lines.append(f"exits     {exits['kicks']:,} kicks, {exits['interrupts']:,} interrupts, "
                 f"{exits['halts']:,} halts, {exits['timer_sets']:,} timer settings, "
                 f"{exits['uart_bytes']:,} bytes to the serial line")
    lines.append(f"memory    at most {size(memory['peak_bytes'])} of {size(memory['total_bytes'])}, "
                 f"the kernel {size(memory['kernel_peak_bytes'])}; the module's is "
                 f"{size(memory['wasm_bytes'])}, {size(memory['wasm_resident_bytes'])} touched")
    return "wafer: statistics\n" + "".join(f"  {line}\n" for line in lines)
