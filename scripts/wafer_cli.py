"""The wafer command line: wafer build and wafer run."""
import argparse
import os
import sys

import wafer_build
import wafer_mount
import wafer_observe
import wafer_run
import wafer_volume
from wafer_common import (Directory, EXIT_MACHINE, EXIT_USAGE, Forward, WaferError, parse_port)

DESCRIPTION = "Run a WebAssembly module as a virtual machine of its own."
EPILOG = """examples:
  wafer run hello.wasm -- one "two words"
  wafer run server.wasm --dir public::/ --listen 8080
  wafer build server.wasm -o server.elf --dir public::/ --iso

exit codes of wafer run: the application's own; 134 after a trap; 124 after --timeout;
130 after Ctrl-C, 143 after SIGTERM (the machine says farewell first: volumes are up to date);
125 when the machine failed; 2 for bad usage; 1 when the build failed."""


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence instead of the usage text on an error."""

    def error(self, message):
        raise WaferError(f"{message} (see {self.prog} --help)", EXIT_USAGE)


def add_application_options(parser):
    """What build bakes in and run passes on."""
    parser.add_argument("module", metavar="app.wasm", help="a .wasm or .wat module")
    parser.add_argument("--dir", action="append", default=[], metavar="HOST::GUEST", dest="dirs",
                        help="give the application this directory (repeatable)")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE",
                        help="set an environment variable (repeatable)")
    parser.add_argument("--listen", action="append", default=[], metavar="PORT",
                        help="open a listening TCP socket for the application: descriptor 3 and up")
    parser.add_argument("--timeout", type=int, default=0, metavar="SECONDS",
                        help="end the application after this time (exit code 124)")
    parser.add_argument("--append", action="append", default=[], metavar="WORD",
                        help="add a word to the kernel command line, as it is")
    parser.add_argument("-O", dest="optimise", choices=["0", "1", "2", "3"], default="3",
                        help="optimisation level of the compiler (default 3)")
    parser.add_argument("--cpu", metavar="LEVEL",
                        help="x86-64-v2, v3, v4 or native: what the code may use")


def make_parser():
    parser = Parser(prog="wafer", description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="build|run",
                                     parser_class=Parser)

    build = commands.add_parser("build", help="make a bootable image",
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    add_application_options(build)
    build.add_argument("-o", dest="output", metavar="app.elf", help="default: the module's name")
    build.add_argument("--observe", action="store_true",
                       help="include what --trace and --stats of wafer run need")
    build.add_argument("--iso", action="store_true", help="also make app.iso, which boots by GRUB")

    run = commands.add_parser("run", help="boot a module, a .elf or a .iso image in QEMU",
                              epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_application_options(run)
    run.add_argument("--publish", action="append", default=[], metavar="[ADDR:]HOST:GUEST",
                     help="forward a port of this machine to the guest (repeatable)")
    run.add_argument("--volume", action="append", default=[], metavar="FILE:GUEST",
                     dest="volumes", help="a disk that outlives the machine, made if there is none "
                     "(ext3; repeatable)")
    run.add_argument("--volume-size", default=wafer_volume.DEFAULT_SIZE, metavar="SIZE",
                     help="of a volume that is made now, for example 64M (a bare number: bytes; "
                     f"default {wafer_volume.DEFAULT_SIZE})")
    run.add_argument("--mount", action="append", default=[], metavar="HOST:GUEST[:ro]",
                     dest="mounts", help="a directory of this machine, live: both sides see each "
                     "other's changes (ro: the guest cannot change it; repeatable)")
    run.add_argument("--net", default="auto", metavar="auto|user|none|tap:NAME",
                     help="network card; auto: user networking if the module uses sockets")
    run.add_argument("--memory", default="", metavar="SIZE", help="RAM, for example 64M or 1G (a bare number: MiB)")
    run.add_argument("--accel", choices=["auto", "tcg", "kvm"], default="auto")
    run.add_argument("--machine", choices=["microvm", "q35", "pc"], default="q35",
                     help="QEMU machine type (default q35)")
    run.add_argument("--boot-timeout", type=int, default=60, metavar="SECONDS",
                     help="give up when the application has not started by then (default 60)")
    run.add_argument("--gdb", metavar="PORT", type=int,
                     help="wait for gdb on port 1234, or another with =PORT")
    run.add_argument("--pcap", metavar="FILE", help="record the network traffic")
    wafer_observe.add_options(run)
    run.add_argument("--qemu", action="append", default=[], metavar="ARG",
                     help="a further argument for QEMU (repeatable)")
    run.add_argument("-v", "--verbose", action="store_true", help="show the kernel's log")
    return parser


def parse(arguments):
    """Options; what follows -- is the application's and is not looked at."""
    application = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, application = arguments[:at], arguments[at + 1:]
    options = make_parser().parse_args(wafer_observe.expand(arguments))
    options.arguments = application
    options.dirs = [Directory(text) for text in options.dirs]
    options.volumes = [wafer_volume.Volume(text, index)
                       for index, text in enumerate(getattr(options, "volumes", []))]
    options.mounts = [wafer_mount.Mount(text, index)
                      for index, text in enumerate(getattr(options, "mounts", []))]
    wafer_observe.check(options)
    if options.timeout < 0:
        raise WaferError("--timeout: seconds, 0 or more", EXIT_USAGE)
    if not os.path.isfile(options.module):
        raise WaferError(f"{options.module}: no such file", EXIT_USAGE)
    forwards = [Forward(text) for text in getattr(options, "publish", [])]
    ports = []
    for text in options.listen:
        parts = text.split(":")
        port = parse_port(parts[-1], "--listen")
        ports.append(port)
        forwards.append(Forward(f"{parts[0] if len(parts) == 2 else '127.0.0.1'}:{port}:{port}",
                                "--listen"))
    options.listen = ports
    options.forwards = forwards
    return options


def main(arguments):
    try:
        options = parse(arguments)
        if options.command == "build":
            wafer_build.build(options)
            return 0
        return wafer_run.run(options)
    except WaferError as error:
        print(f"wafer: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"wafer: {where}{error.strerror}", file=sys.stderr)
        return EXIT_MACHINE
