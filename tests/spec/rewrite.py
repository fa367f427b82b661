"""Adds checks to a module: functions that call its exports and compare results, and a
_start that runs them. A check that fails executes `unreachable`.

Only what the checks need of the binary format is read: Wasm core chapter 5.
"""
import re

I32_CONST, I64_CONST, F32_CONST, F64_CONST = b"\x41", b"\x42", b"\x43", b"\x44"
I32_EQ, I64_EQ, I32_EQZ, I32_AND, I64_AND = b"\x46", b"\x51", b"\x45", b"\x71", b"\x83"
I32_REINTERPRET, I64_REINTERPRET = b"\xbc", b"\xbd"
IF_UNREACHABLE = b"\x04\x40\x00\x0b"  # if unreachable end
V128_CONST, I64X2_EQ, I64X2_ALL_TRUE = b"\xfd\x0c", b"\xfd\xd6\x01", b"\xfd\xc3\x01"
DROP = b"\x1a"
REF_NULL, REF_IS_NULL = b"\xd0", b"\xd1"
HEAP_TYPES = {"funcref": b"\x70", "externref": b"\x6f"}
LANE_BYTES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4, "f64": 8}
CHECKS_PER_FUNCTION = 40
SECTION_ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11]


class Unsupported(Exception):
    """A call that cannot be made; what follows may need its effect."""


class NotComparable(Unsupported):
    """A value whose bits are left open; nothing depends on it."""


def leb(value):
    out = bytearray()
    while True:
        byte, value = value & 0x7f, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def signed_leb(value):
    out = bytearray()
    while True:
        byte, value = value & 0x7f, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        out.append(byte | (0 if done else 0x80))
        if done:
            return bytes(out)


def read_leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def name(text):
    data = text.encode()
    return leb(len(data)) + data


def _bits(text, width):
    return int(text) & ((1 << width) - 1)


def _signed(text, width):
    value = _bits(text, width)
    return value - (1 << width) if value >> (width - 1) else value


def _vector(value):
    if any(str(lane).startswith("nan") for lane in value["value"]):
        raise NotComparable("lanes that are any NaN")
    size = LANE_BYTES[value["lane_type"]]
    return b"".join(_bits(lane, 8 * size).to_bytes(size, "little") for lane in value["value"])


def argument(value):
    kind, text = value["type"], value.get("value")
    if kind == "i32":
        return I32_CONST + signed_leb(_signed(text, 32))
    if kind == "i64":
        return I64_CONST + signed_leb(_signed(text, 64))
    if kind == "f32":
        return F32_CONST + _bits(text, 32).to_bytes(4, "little")
    if kind == "f64":
        return F64_CONST + _bits(text, 64).to_bytes(8, "little")
    if kind == "v128":
        return V128_CONST + _vector(value)
    if text == "null" and kind in HEAP_TYPES:
        return REF_NULL + HEAP_TYPES[kind]
    raise Unsupported(kind)


def comparison(value):
    """Code that pops one result and leaves 0 when it is the expected one."""
    kind, text = value["type"], value.get("value")
    if kind in ("f32", "f64"):
        width = int(kind[1:])
        wide = width == 64
        const = I64_CONST if wide else I32_CONST
        code = I64_REINTERPRET if wide else I32_REINTERPRET
        quiet = 0x7ff8 << 48 if wide else 0x7fc00000
        bits = {"nan:canonical": quiet, "nan:arithmetic": quiet}.get(text)
        if bits is not None:
            mask = (1 << (width - 1)) - 1 if text == "nan:canonical" else quiet
            code += const + signed_leb(mask) + (I64_AND if wide else I32_AND)
        else:
            bits = _signed(text, width)
        return code + const + signed_leb(bits) + (I64_EQ if wide else I32_EQ) + I32_EQZ
    if kind == "i32":
        return argument(value) + I32_EQ + I32_EQZ
    if kind == "i64":
        return argument(value) + I64_EQ + I32_EQZ
    if kind == "v128":
        return argument(value) + I64X2_EQ + I64X2_ALL_TRUE + I32_EQZ
    if text == "null":
        return REF_IS_NULL + I32_EQZ
    raise Unsupported(kind)


class Module:
    """The sections of a binary module; `description` is what tests/hosted/describe says."""

    def __init__(self, data, description):
        self.sections = {}
        self.types = {export["name"]: export["type"] for export in description["exports"]
                      if export["kind"] == "function"}
        at = 8
        while at < len(data):
            section = data[at]
            size, at = read_leb(data, at + 1)
            if section != 0:
                self.sections[section] = data[at:at + size]
            at += size
        self.has_imports = 2 in self.sections and read_leb(self.sections[2], 0)[0] != 0
        self.exports = self._read_exports()

    def _read_exports(self):
        """{name: function index}"""
        out = {}
        data = self.sections.get(7, b"\0")
        count, at = read_leb(data, 0)
        for _ in range(count):
            length, at = read_leb(data, at)
            label, kind = data[at:at + length].decode(), data[at + length]
            index, at = read_leb(data, at + length + 1)
            if kind == 0:
                out[label] = index
        return out

    def result_count(self, field):
        """"ii_I{..}" has two results."""
        results = self.types[field].rsplit("_", 1)[1]
        return 0 if results == "v" else len(re.findall(r"\{[^}]*\}|.", results))

    def _append(self, section, entries):
        data = self.sections.get(section, b"\0")
        count, at = read_leb(data, 0)
        self.sections[section] = leb(count + len(entries)) + data[at:] + b"".join(entries)
        return count

    def add_start(self, checks):
        """checks: [(label, code)], each code of type [] -> []."""
        type_index = self._append(1, [b"\x60\0\0"])
        groups = [checks[at:at + CHECKS_PER_FUNCTION]
                  for at in range(0, len(checks), CHECKS_PER_FUNCTION)]
        first = self._append(3, [leb(type_index)] * (len(groups) + 1))
        bodies = [b"\0" + b"".join(code for _, code in group) + b"\x0b" for group in groups]
        bodies.append(b"\0" + b"".join(b"\x10" + leb(first + at) for at in range(len(groups)))
                      + b"\x0b")
        self._append(10, [leb(len(body)) + body for body in bodies])
        self._append(7, [name("_start") + b"\0" + leb(first + len(groups))])
        return [(first + at, group[0][0]) for at, group in enumerate(groups)]

    def binary(self, function_names):
        out = bytearray(b"\0asm\1\0\0\0")
        for section in SECTION_ORDER:
            if section in self.sections:
                out += bytes([section]) + leb(len(self.sections[section])) + self.sections[section]
        entries = b"".join(leb(index) + name(label) for index, label in function_names)
        names = leb(len(function_names)) + entries
        custom = name("name") + b"\1" + leb(len(names)) + names
        return bytes(out + b"\0" + leb(len(custom)) + custom)


def call(module, action):
    if action["type"] != "invoke" or action["field"] not in module.exports:
        raise Unsupported("not a call")
    return (b"".join(map(argument, action["args"]))
            + b"\x10" + leb(module.exports[action["field"]]))


def run_action(module, command):
    """The code of a bare invoke, which drops its results."""
    return call(module, command["action"]) + DROP * module.result_count(command["action"]["field"])


def check_return(module, command):
    """The code of an assert_return; results are compared from the last one."""
    code = call(module, command["action"])
    for value in reversed(command["expected"]):
        code += comparison(value) + IF_UNREACHABLE
    return code
