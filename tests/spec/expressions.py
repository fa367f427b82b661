"""Random modules of numeric expressions, in the text format.

Every instruction of aot/opcodes.def that maps numbers or vectors to numbers or vectors
takes part, so constant folding and instruction selection meet all of them with edge
values. Left out is what shows the bits of a NaN, which the specification leaves open.
"""
import os
import random
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'^OP\((\w+), 0x\w+, 0x\w+, "([^"]+)", (\w+), "([^"]*)", (\d), (\w+)\)')
TYPES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "V": "v128"}
SHOWS_NAN = re.compile(r"reinterpret_f|copysign|^f(32x4|64x2)\.(?!eq|ne|lt|gt|le|ge|splat)|"
                       r"^f(32x4|64x2)\.(splat|replace)|relaxed")
CONSTANTS = {
    "i": ["0", "1", "-1", "2", "7", "31", "32", "127", "128", "255", "65535", "0x7fffffff",
          "0x80000000", "0xdeadbeef"],
    "I": ["0", "1", "-1", "2", "63", "64", "0x7fffffff", "0x80000000", "0xffffffff",
          "0x7fffffffffffffff", "0x8000000000000000", "0x0123456789abcdef"],
    "f": ["0", "-0", "1", "-1", "0.5", "1.5", "-2.5", "2147483648", "4294967296", "1e-45", "inf",
          "-inf", "nan", "3.4e38", "16777217"],
    "F": ["0", "-0", "1", "-1", "0.5", "2.5", "-2147483649", "4294967295.5", "9223372036854775808",
          "5e-324", "inf", "-inf", "nan", "1.7e308"],
}


def _instructions():
    """{result: [(text, operands, immediate, lane width)]}"""
    table = {letter: [] for letter in TYPES}
    with open(os.path.join(ROOT, "aot", "opcodes.def"), encoding="utf-8") as file:
        for line in file:
            match = ROW.match(line)
            if not match:
                continue
            _, text, immediate, signature, log2_bytes, feature = match.groups()
            operands, _, results = signature.partition(":")
            if (len(results) == 1 and operands and "a" not in signature
                    and immediate in ("NONE", "LANE", "SHUFFLE") and feature != "RELAXED_SIMD"
                    and not SHOWS_NAN.search(text)):
                table[results].append((text, operands, immediate, int(log2_bytes)))
    return table


class Generator:
    """One module: functions of three parameters of each scalar type."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.table = _instructions()

    def leaf(self, letter):
        pick = self.random.choice
        if letter == "V":
            return "(v128.const i64x2 %s %s)" % (pick(CONSTANTS["I"]), pick(CONSTANTS["I"]))
        if self.random.random() < 0.5:
            return f"({TYPES[letter]}.const {pick(CONSTANTS[letter])})"
        return f"(local.get ${letter}{self.random.randrange(2)})"

    def expression(self, letter, depth):
        kind = self.random.random()
        if depth == 0 or kind < 0.08:
            return self.leaf(letter)
        if kind < 0.16:
            return (f"(select {self.expression(letter, depth - 1)} "
                    f"{self.expression(letter, depth - 1)} {self.expression('i', depth - 1)})")
        if kind < 0.22:
            return (f"(if (result {TYPES[letter]}) {self.expression('i', depth - 1)} "
                    f"(then {self.expression(letter, depth - 1)}) "
                    f"(else {self.expression(letter, depth - 1)}))")
        text, operands, immediate, log2_bytes = self.random.choice(self.table[letter])
        if immediate == "LANE":
            text += f" {self.random.randrange(16 >> log2_bytes)}"
        elif immediate == "SHUFFLE":
            text += " " + " ".join(str(self.random.randrange(32)) for _ in range(16))
        values = " ".join(self.expression(operand, depth - 1) for operand in operands)
        return f"({text} {values})"

    def function(self, name):
        letter = self.random.choice("iIfF")
        params = " ".join(f"(param ${x}{n} {TYPES[x]})" for x in "iIfF" for n in range(2))
        return (f'(func (export "{name}") {params} (result {TYPES[letter]})\n'
                f"  {self.expression(letter, self.random.randrange(2, 7))})")

    def module(self, count=25):
        return "(module\n" + "\n".join(self.function(f"f{n}") for n in range(count)) + ")\n"
