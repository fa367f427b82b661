"""A module as a tree that is easy to change, and its binary encoding (Wasm core 5).

A node is a pair (type, parts): the type is the letter of the one value it leaves (aot/types.h),
"" for none; parts are bytes and nodes in the order of the code. So the encoder need not
know the instructions, and the reducer (reduce.py) may replace any node by another of its
type.
"""
import struct

from rewrite import leb, signed_leb

CODES = {"i": b"\x7f", "I": b"\x7e", "f": b"\x7d", "F": b"\x7c", "V": b"\x7b", "r": b"\x70",
         "e": b"\x6f"}
ZEROS = {"i": b"\x41\0", "I": b"\x42\0", "f": b"\x43\0\0\0\0", "F": b"\x44" + bytes(8),
         "V": b"\xfd\x0c" + bytes(16), "r": b"\xd0\x70", "e": b"\xd0\x6f"}
END = b"\x0b"


def const(letter, value):
    """`value` of a float or vector is its bits."""
    if letter == "i":
        return b"\x41" + signed_leb(((value & 0xffffffff) ^ 0x80000000) - 0x80000000)
    if letter == "I":
        return b"\x42" + signed_leb(((value & (1 << 64) - 1) ^ (1 << 63)) - (1 << 63))
    if letter == "f":
        return b"\x43" + struct.pack("<I", value)
    if letter == "F":
        return b"\x44" + struct.pack("<Q", value)
    return b"\xfd\x0c" + value.to_bytes(16, "little")


def flatten(node, out):
    for part in node[1]:
        if isinstance(part, bytes):
            out += part
        else:
            flatten(part, out)


def vector(items):
    return leb(len(items)) + b"".join(items)


def name(text):
    return leb(len(text)) + text.encode()


def section(number, content):
    return bytes([number]) + leb(len(content)) + content


class Function:
    """`type` is (parameters, results) in letters; `locals` are letters after the parameters."""

    def __init__(self, type_, locals_="", body=("", ())):
        self.type = type_
        self.locals = locals_
        self.body = body

    def encode(self):
        code = bytearray(vector([b"\1" + CODES[letter] for letter in self.locals]))
        flatten(self.body, code)
        code += END
        return leb(len(code)) + bytes(code)


class Module:
    """All but the functions stays as it was generated."""

    def __init__(self):
        self.types = []
        self.functions = []
        self.exports = []        # (name, kind, index)
        self.globals = []        # (letter, first bits)
        self.tables = []         # (letter, minimum, maximum)
        self.memory = None       # (minimum, maximum)
        self.memory_is_64 = False
        self.tags = []           # parameters
        self.data = []           # (offset or None for passive, bytes)
        self.elements = []       # ((table, offset) or None for passive, [function or None])
        self.start = None

    def type_index(self, type_):
        if type_ not in self.types:
            self.types.append(type_)
        return self.types.index(type_)

    def encode(self):
        functions = [leb(self.type_index(function.type)) for function in self.functions]
        tags = [b"\0" + leb(self.type_index((params, ""))) for params in self.tags]
        types = [b"\x60" + vector([CODES[c] for c in params]) + vector([CODES[c] for c in results])
                 for params, results in self.types]
        out = b"\0asm\1\0\0\0" + section(1, vector(types)) + section(3, vector(functions))
        if self.tables:
            out += section(4, vector([CODES[letter] + b"\1" + leb(low) + leb(high)
                                      for letter, low, high in self.tables]))
        if self.memory:
            out += section(5, (b"\1\5" if self.memory_is_64 else b"\1\1") + leb(self.memory[0]) + leb(self.memory[1]))
        if tags:
            out += section(13, vector(tags))
        if self.globals:
            out += section(6, vector([CODES[letter] + b"\1" + const(letter, bits) + END
                                      for letter, bits in self.globals]))
        kinds = {"function": 0, "table": 1, "memory": 2, "global": 3}
        out += section(7, vector([name(text) + bytes([kinds[kind]]) + leb(index)
                                  for text, kind, index in self.exports]))
        if self.start is not None:
            out += section(8, leb(self.start))
        if self.elements:
            out += section(9, vector([self._element(*element) for element in self.elements]))
        if self.data:
            out += section(12, leb(len(self.data)))
        out += section(10, vector([function.encode() for function in self.functions]))
        if self.data:
            out += section(11, vector([self._data(*data) for data in self.data]))
        return out

    @staticmethod
    def _element(place, functions):
        items = vector([(b"\xd0\x70" if index is None else b"\xd2" + leb(index)) + END
                        for index in functions])
        if place is None:
            return b"\5\x70" + items
        return b"\6" + leb(place[0]) + const("i", place[1]) + END + b"\x70" + items

    @staticmethod
    def _data(offset, content):
        head = b"\1" if offset is None else b"\0" + const("i", offset) + END
        return head + leb(len(content)) + content

    def description(self):
        """What tests/hosted/describe.c says, as far as differential.py wants it."""
        exports = []
        for text, kind, index in self.exports:
            row = {"name": text, "kind": kind, "index": index, "type": ""}
            if kind == "function":
                params, results = self.functions[index].type
                row["type"] = f"{params or 'v'}_{results or 'v'}"
            elif kind == "global":
                row["type"] = self.globals[index][0] + "_v"
            exports.append(row)
        return {"imports": [], "exports": exports}
