"""From the commands of a .wast file to modules and the script of tests/hosted/spec_runner.c."""
import os

import modules

# The words of newer tests for traps that kernel/base/wasm_abi.h calls otherwise.
TRAP_TEXTS = {
    "null function reference": "null reference",
    "null exception reference": "null reference",
}
LANE_BYTES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4, "f64": 8}
NAN_LETTERS = {"nan:canonical": "C", "nan:arithmetic": "A"}
NULL_TYPES = ("refnull", "nullfuncref", "nullref", "nullexnref", "nullexternref")


def _vector(value):
    lane_type = value["lane_type"]
    size = LANE_BYTES[lane_type]
    mask = (1 << (8 * size)) - 1
    if any(lane in NAN_LETTERS for lane in value["value"]):
        lanes = [NAN_LETTERS.get(lane) or f"{int(lane) & mask:x}" for lane in value["value"]]
        return f"V{size}:" + ",".join(lanes)
    data = b"".join((int(lane) & mask).to_bytes(size, "little") for lane in value["value"])
    return "x" + data.hex()


def value_text(value):
    """An argument or a pattern in the grammar of tests/hosted/spec_script.h."""
    kind, text = value["type"], value.get("value")
    if kind == "either":
        return "|".join(map(value_text, value["values"]))
    if kind == "v128":
        return _vector(value)
    if kind in ("i32", "i64", "f32", "f64"):
        letter = {"i32": "i", "i64": "I", "f32": "f", "f64": "F"}[kind]
        if text in NAN_LETTERS:
            return letter + NAN_LETTERS[text]
        return f"{letter}{int(text) & (0xffffffff if kind[1:] == '32' else (1 << 64) - 1):x}"
    if text == "null" or kind in NULL_TYPES:
        return "n"
    if kind == "externref" and text is not None:
        return f"e{int(text):x}"
    return "r"


def trap_text(text):
    return TRAP_TEXTS.get(text, text)


def trap_outcome(text):
    return "trap " + trap_text(text).replace(" ", "_")


class Translator:
    """Follows the commands of one file; collects instances, script lines and verdicts."""

    def __init__(self, folder, descriptions, spectest):
        self.folder = folder
        self.descriptions = descriptions
        self.instances = [spectest]
        self.registered = {"spectest": spectest}
        self.named = {}
        self.definitions = {}
        self.last_definition = None
        self.last = None
        self.lines = ["module 0 0 ok"]
        self.passed = 0
        self.failures = []

    def verdict(self, ok, command, message):
        if ok:
            self.passed += 1
        else:
            self.failures.append(f"line {command['line']}: {command['type']}: {message}")

    def path(self, command):
        return os.path.join(self.folder, command.get("binary_filename") or command["filename"])

    def instantiate(self, command, path, outcome):
        """Adds an instance; None when it is refused before it runs."""
        description = self.descriptions[path]
        if "error" in description:
            self.verdict(False, command, description["error"])
            return None
        # Each instance of a module is resolved for itself.
        description = dict(description, imports=[dict(want) for want in description["imports"]])
        error, sizes = modules.resolve(description, self.registered)
        if outcome == "unlinkable" and error:
            self.verdict(True, command, error)
            return None
        if error:
            self.verdict(False, command, error)
            return None
        for exporter, name, minimum in sizes:
            self.lines.append(f"limits {command['line']} {exporter} "
                              f"{name.encode().hex() or '-'} {minimum}")
        if outcome == "unlinkable":
            self.lines.append(f"module {command['line']} 0 unlinkable")
            return None
        instance = modules.Instance(len(self.instances), path, description)
        self.instances.append(instance)
        modules.join(instance, self.instances)
        self.lines.append(f"module {command['line']} {instance.index} {outcome}")
        return instance

    def add_module(self, command, path, name):
        instance = self.instantiate(command, path, "ok")
        self.last = instance
        if name:
            self.named[name] = instance

    def action(self, command, outcome):
        action = command["action"]
        name = action.get("module")
        instance = self.named.get(name) if name else self.last
        if instance is None or instance.export(action["field"]) is None:
            self.verdict(False, command, f"no such module or export: {name} {action['field']}")
            return
        field = action["field"].encode().hex() or "-"
        head = f"{command['line']} {instance.index} {field}"
        if action["type"] == "get":
            self.lines.append(f"get {head} {value_text(command['expected'][0])}")
            return
        arguments = [value_text(value) for value in action["args"]]
        self.lines.append(" ".join(["call", head, str(len(arguments)), *arguments, outcome]))

    def do_module(self, command):
        self.add_module(command, self.path(command), command.get("name"))

    def do_module_definition(self, command):
        path = self.path(command)
        self.verdict("error" not in self.descriptions[path], command,
                     self.descriptions[path].get("error"))
        self.definitions[command.get("name")] = self.last_definition = path

    def do_module_instance(self, command):
        path = self.definitions.get(command.get("module"), self.last_definition)
        self.add_module(command, path, command.get("instance"))

    def do_register(self, command):
        name = command.get("name")
        instance = self.named.get(name) if name else self.last
        if instance:
            self.registered[command["as"]] = instance

    def do_action(self, command):
        self.action(command, "any")

    def do_assert_return(self, command):
        # wabt writes alternatives of the one result beside it, wasm-tools in its place.
        expected = command.get("expected")
        if expected is None:
            expected = [{"type": "either", "values": command["either"]}]
        expected = [value_text(value) for value in expected]
        self.action(command, " ".join(["return", str(len(expected)), *expected]))

    def do_assert_trap(self, command):
        self.action(command, trap_outcome(command["text"]))

    def do_assert_exhaustion(self, command):
        self.action(command, trap_outcome(command["text"]))

    def do_assert_exception(self, command):
        self.action(command, trap_outcome("unhandled exception"))

    def do_assert_uninstantiable(self, command):
        self.instantiate(command, self.path(command), trap_outcome(command["text"]))

    def do_assert_unlinkable(self, command):
        self.instantiate(command, self.path(command), "unlinkable")

    def do_assert_refused(self, command):
        """assert_invalid and assert_malformed of binary modules."""
        error = self.descriptions[self.path(command)].get("error")
        self.verdict(error is not None, command, f"accepted, expected: {command['text']}")

    def translate(self, commands, text_is_refused):
        for command in commands:
            kind = command["type"]
            if kind in ("assert_invalid", "assert_malformed"):
                if self.path(command).endswith(".wat"):
                    self.verdict(text_is_refused(self.path(command)), command,
                                 f"accepted, expected: {command['text']}")
                else:
                    self.do_assert_refused(command)
            else:
                getattr(self, "do_" + kind)(command)


def binaries(folder, commands):
    """The binary modules that the commands name."""
    paths = []
    for command in commands:
        name = command.get("binary_filename") or command.get("filename")
        if name and not name.endswith(".wat"):
            paths.append(os.path.join(folder, name))
    return list(dict.fromkeys(paths))
