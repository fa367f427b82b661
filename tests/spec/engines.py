"""The two engines of the differential test: the same modules through each, many at a time.

A batch is compiled by one process (tests/hosted/compile_batch.c), linked into one
program with tests/hosted/spec_runner.c, and driven by the script that Node wrote
(differential.mjs). What kills such a process is found by halving the batch.
"""
import dataclasses
import json
import os
import subprocess

import glue
import modules

HERE = os.path.dirname(os.path.abspath(__file__))
MEMORY_BASE = "0x60000000"
SECONDS = 120


@dataclasses.dataclass
class Case:
    """One module, how it is compiled, and what came out."""
    name: str
    path: str
    exports: list
    level: int
    cpu: int
    lines: list = dataclasses.field(default_factory=list)   # Node's script
    refused: str = ""                                       # by Node
    failures: dict = dataclasses.field(default_factory=dict)   # script line or "" -> text


class Engines:
    """Runs batches in a folder of its own."""

    def __init__(self, out, folder):
        self.out = out
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def ask_node(self, cases):
        work = [json.dumps({"file": case.path, "instance": at, "exports": case.exports})
                for at, case in enumerate(cases)]
        result = subprocess.run(
            ["node", "--stack-size=4000", "--no-wasm-tier-up", os.path.join(HERE, "differential.mjs")],
            input="\n".join(work), capture_output=True, text=True, check=True, timeout=600)
        for case, line in zip(cases, result.stdout.split("\n")):
            answer = json.loads(line)
            case.failures = {}
            case.refused = answer["text"] if isinstance(answer, dict) else ""
            case.lines = [] if case.refused else answer

    def compile(self, cases):
        """Gives each case its object or a failure; returns what killed the compiler, or None."""
        lines = [f"{case.level} {case.cpu} m{at}_ {case.path} {self.object(at)}"
                 for at, case in enumerate(cases)]
        result = subprocess.run([os.path.join(self.out, "hosted", "compile_batch")],
                                input="\n".join(lines) + "\n", capture_output=True, text=True,
                                errors="replace", timeout=SECONDS * 5, check=False)
        answers = result.stdout.split("\n")[:-1]
        for case, answer in zip(cases, answers):
            if answer != "ok":
                case.failures[""] = "waferc refuses it: " + answer
        if len(answers) < len(cases):
            return f"the compiler ended with status {result.returncode}: {result.stderr[-300:]}"
        return None

    def object(self, at):
        return os.path.join(self.folder, f"m{at}.o")

    def execute(self, cases):
        """None, or what went wrong with the program as a whole."""
        instances = [modules.Instance(at, case.path, {"imports": [], "exports": []})
                     for at, case in enumerate(cases)]
        source = os.path.join(self.folder, "glue.s")
        program = os.path.join(self.folder, "program")
        with open(source, "w", encoding="utf-8") as file:
            file.write(glue.assembly(instances))
        linked = subprocess.run(["clang-19", "-static", "-fuse-ld=lld", "-o", program, source,
                                 *[self.object(at) for at in range(len(cases))],
                                 os.path.join(self.out, "hosted", "spec_runner.a"),
                                 f"-Wl,--defsym,wasm_memory={MEMORY_BASE}"],
                                check=False, capture_output=True, text=True)
        if linked.returncode != 0:
            return "it does not link: " + linked.stderr[:300]
        script = "".join(line + "\n" for case in cases for line in case.lines)
        try:
            result = subprocess.run([program], input=script, capture_output=True, text=True,
                                    errors="replace", timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"the program did not end within {SECONDS} s"
        finally:
            os.remove(program)
        if result.returncode != 0:
            return f"the program ended with status {result.returncode}: {result.stderr[-300:]}"
        for text in result.stdout.split("\n")[:-2]:
            _, where, detail = text.split(" ", 2)
            at, step = where.rstrip(":").split(".")
            case = cases[int(at)]
            case.failures[case.lines[int(step)]] = detail
        return None

    def run_compiled(self, cases):
        """Both steps on cases that Node has run."""
        cases = [case for case in cases if case.lines and "" not in case.failures]
        if not cases:
            return
        self.renumber(cases)
        trouble = self.compile(cases)
        if trouble is None:
            if any("" in case.failures for case in cases):
                self.run_compiled(cases)
                return
            trouble = self.execute(cases)
        if trouble is None:
            return
        if len(cases) == 1:
            cases[0].failures[""] = trouble
            return
        half = len(cases) // 2
        for part in (cases[:half], cases[half:]):
            for case in part:
                case.failures = {key: text for key, text in case.failures.items() if key == ""}
            self.run_compiled(part)

    @staticmethod
    def renumber(cases):
        """Script lines name the instance by its place in the program."""
        for at, case in enumerate(cases):
            if not case.lines or case.lines[0].split(" ")[2] == str(at):
                continue
            for step, line in enumerate(case.lines):
                verb, _, _, rest = line.split(" ", 3)
                case.lines[step] = f"{verb} {at}.{step} {at} {rest}"

    def run(self, cases):
        """Fills the cases' failures: empty where the engines agree."""
        self.ask_node(cases)
        self.run_compiled(cases)
