"""Random modules for tests/spec/differential.py: every instruction that both engines have.

From aot/opcodes.def come all numeric, vector, memory and atomic instructions but the relaxed
ones. Bits of a NaN, which the specification leaves open, never get out: a float is made
canonical where its bits would show. Everything ends: loops and calls burn fuel, a
global whose exhaustion is a trap, unless they count to a small constant. Each module has a
measure of risk: how often an address, a divisor or an index may be one that traps.
"""
import os
import random
import re

from random_module import CODES, END, Function, Module, ZEROS, const, leb, signed_leb
from scan_statement import scan_loop

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'^OP\((\w+), (0x\w+), (0x\w+), "([^"]+)", (\w+), "([^"]*)", (\d), (\w+)\)')
IMMEDIATES = ("NONE", "LANE", "SHUFFLE", "MEMARG", "MEMARG_LANE")
LEFT_OUT = re.compile(r"memory\.atomic|relaxed")
TRAPPING = re.compile(r"\.(div|rem)_[su]$|\.trunc_f\d\d_")
# Operands whose bits show, and vector results that may be NaNs.
SHOWS_BITS = re.compile(r"reinterpret_f|copysign|^f\d\d\.store|^f\d\dx\d\.(splat|replace)")
FLOAT_LANES = re.compile(r"^(f32x4|f64x2)\.(add|sub|mul|div|min|max|pmin|pmax|sqrt|ceil|floor|trunc|"
                         r"nearest|demote|promote)")
SCALARS = "iIfF"
INTS = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, 255, 256, 32767, 32768, 65535,
        65536, 0x7fffffff, 0x80000000, 0xdeadbeef]
LONGS = INTS + [0xffffffff, 1 << 32, (1 << 63) - 1, 1 << 63, 0x0123456789abcdef]
FLOATS = [0, 0x80000000, 0x3f800000, 0xbf800000, 0x3f000000, 0x3fc00000, 0xc0200000, 0x4f000000,
          0xcf000001, 0x4f800000, 0x5f000000, 1, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f7fffff]
DOUBLES = [0, 1 << 63, 0x3ff << 52, 0xbff << 52, 0x3fe << 52, 0x3ff8 << 48, 0xc004 << 48,
           0x41e << 52, 0xc1e0000000200000, 0x41efffffffe00000, 0x43e << 52, 1, 0x7ff << 52,
           0xfff << 52, 0x7ff8 << 48, 0x7fefffffffffffff]
PAGE = 65536
FUEL = 150


class Op:
    def __init__(self, text, code, immediate, signature, log2_bytes):
        self.text, self.code, self.immediate, self.log2_bytes = text, code, immediate, log2_bytes
        self.operands, _, self.result = signature.partition(":")
        self.is_memory = immediate.startswith("MEMARG")
        self.is_atomic = "atomic" in text
        self.traps = bool(TRAPPING.search(text))
        self.shows_bits = bool(SHOWS_BITS.search(text))
        lanes = FLOAT_LANES.match(text)
        self.float_lanes = lanes.group(1) if lanes else None


def _instructions():
    out = []
    with open(os.path.join(ROOT, "aot", "opcodes.def"), encoding="utf-8") as file:
        for line in file:
            match = ROW.match(line)
            if not match:
                continue
            _, prefix, code, text, immediate, signature, log2_bytes, _ = match.groups()
            operands, _, results = signature.partition(":")
            if operands and len(results) < 2 and immediate in IMMEDIATES \
                    and not LEFT_OUT.search(text):
                prefix, code = int(prefix, 16), int(code, 16)
                binary = bytes([prefix]) + leb(code) if prefix else bytes([code])
                out.append(Op(text, binary, immediate, signature, int(log2_bytes)))
    return out


OPS = _instructions()
STORES = [op for op in OPS if not op.result]
BY_RESULT = {letter: [op for op in OPS if op.result == letter] for letter in CODES}
NAN = {"f": const("f", 0x7fc00000), "F": const("F", 0x7ff8 << 48),
       "f32x4": const("V", 0x7fc000007fc000007fc000007fc00000),
       "f64x2": const("V", (0x7ff8 << 48) << 64 | 0x7ff8 << 48)}
EQUAL = {"f": b"\x5b", "F": b"\x61", "f32x4": b"\xfd\x41", "f64x2": b"\xfd\x47"}


class Body:
    """Makes the code of one function."""

    def __init__(self, maker, index, type_):
        self.maker = maker
        self.random = maker.random
        self.index = index
        self.results = type_[1]
        self.locals = list(type_[0])
        self.params = len(self.locals)
        self.labels = [type_[1]]   # results of each, the outermost first
        self.budget = self.random.randrange(10, maker.budget)
        self.counters = []
        self.temporaries = {letter: self.add_local(letter) for letter in "fFV"}
        for letter in "iIfFV":
            self.add_local(letter)
        self.room = 2   # nested counted loops

    def add_local(self, letter):
        self.locals.append(letter)
        return len(self.locals) - 1

    def chance(self, share):
        return self.random.random() < share

    # ---- values ---------------------------------------------------------------------------

    def constant(self, letter):
        pick = self.random.choice
        if letter == "i":
            value = pick(INTS) if self.chance(0.7) else self.random.getrandbits(32)
            return const("i", -value if self.chance(0.2) else value)
        if letter == "I":
            value = pick(LONGS) if self.chance(0.7) else self.random.getrandbits(64)
            return const("I", -value if self.chance(0.2) else value)
        if letter == "f":
            return const("f", pick(FLOATS))
        if letter == "F":
            return const("F", pick(DOUBLES))
        if letter == "V":
            kind = self.random.randrange(4)
            if kind == 0:
                return const("V", self.random.getrandbits(128))
            if kind == 1:
                return const("V", sum(pick(FLOATS) << 32 * lane for lane in range(4)))
            if kind == 2:
                return const("V", sum(pick(DOUBLES) << 64 * lane for lane in range(2)))
            return const("V", sum((pick(INTS) & 0xffffffff) << 32 * lane for lane in range(4)))
        if letter == "r" and self.chance(0.7):
            return b"\xd2" + leb(self.random.randrange(self.maker.count))
        return ZEROS[letter]

    def local_of(self, letter):
        found = [at for at, have in enumerate(self.locals)
                 if have == letter and at not in self.temporaries.values()]
        return self.random.choice(found) if found else None

    def writable_of(self, letter):
        found = [at for at, have in enumerate(self.locals) if have == letter
                 and at not in self.temporaries.values() and at not in self.counters]
        return self.random.choice(found) if found else None

    def leaf(self, letter):
        kind = self.random.random()
        if kind < 0.55:
            at = self.local_of(letter)
            if letter == "i" and self.counters and self.chance(0.5):
                at = self.random.choice(self.counters)
            if at is not None:
                return (letter, (b"\x20" + leb(at),))
        if kind < 0.7:
            at = self.maker.global_of(letter)
            if at is not None:
                return (letter, (b"\x23" + leb(at),))
        return (letter, (self.constant(letter),))

    def canonical(self, letter, node, kind=None):
        """The value with every NaN in it replaced by the canonical one."""
        kind = kind or letter
        temporary = leb(self.temporaries[letter])
        choose = b"\xfd\x52" if letter == "V" else b"\x1b"
        return (letter, (node, b"\x22" + temporary + NAN[kind] + (b"\x20" + temporary) * 2
                         + EQUAL[kind] + choose))

    def operation(self, op, depth):
        operands = []
        immediate = b""
        for letter in op.operands:
            if letter == "a":
                node, offset = self.address(op, depth)
                align = op.log2_bytes if op.is_atomic else self.random.randint(0, op.log2_bytes)
                immediate = leb(align) + leb(offset)
            else:
                node = self.expression(letter, depth)
            if op.shows_bits and letter in "fF":
                node = self.canonical(letter, node)
            operands.append(node)
        if op.immediate == "SHUFFLE":
            immediate = bytes(self.random.randrange(32) for _ in range(16))
        elif op.immediate in ("LANE", "MEMARG_LANE"):
            immediate += bytes([self.random.randrange(16 >> op.log2_bytes)])
        node = (op.result, (*operands, op.code + immediate))
        return self.canonical("V", node, op.float_lanes) if op.float_lanes else node

    def address(self, op, depth):
        """A node, and the offset that goes with it."""
        size = 1 << op.log2_bytes
        align = -size if op.is_atomic else -1
        if self.chance(self.maker.risk):
            if self.chance(0.5):
                # Around the end of memory, whatever size it has grown to.
                offset = self.random.choice([0, 0, size, 16, 65520])
                where = (self.random.randint(1, 3) * PAGE - offset
                         + self.random.randint(-18, 2)) & align
                return ("i", (const("i", where),)), offset
            offset = self.random.choice([0, 4, PAGE - 8, 1 << 31, (1 << 32) - 1]) & align
            return ("i", (self.expression("i", depth), const("i", align) + b"\x71")), offset
        offset = self.random.choice([0, 0, 0, 4, 8, 16, 100, 1000]) & align
        if self.counters and self.chance(0.6):
            step = size if op.is_atomic else self.random.choice([size, size, 4, 1, 8])
            base = self.random.choice([0, 16, 256, 1024, 4096, 7]) & align
            return ("i", (b"\x20" + leb(self.random.choice(self.counters)) + const("i", step)
                          + b"\x6c" + const("i", base) + b"\x6a",)), offset
        mask = self.random.choice([0xff, 0x7fff, 0xf7f8, 0xf000]) & align
        return ("i", (self.expression("i", depth), const("i", mask) + b"\x71")), offset

    def expression(self, letter, depth):
        """A node of the type; bounded by depth and by the function's budget."""
        self.budget -= 1
        if depth <= 0 or self.budget < 0 or letter in "re":
            return self.leaf(letter)
        kind = self.random.random()
        depth -= 1
        if kind < 0.08:
            return self.leaf(letter)
        if kind < 0.13:
            parts = [self.expression(letter, depth), self.expression(letter, depth),
                     self.expression("i", depth)]
            typed = b"\x1c\1" + CODES[letter] if self.chance(0.3) else b"\x1b"
            return (letter, (*parts, typed))
        if kind < 0.18:
            return self.if_expression(letter, depth)
        if kind < 0.22:
            return self.block_expression(letter, depth)
        if kind < 0.25:
            at = self.writable_of(letter)
            if at is not None:
                return (letter, (self.expression(letter, depth), b"\x22" + leb(at)))
        if kind < 0.30:
            called = self.call(letter, depth)
            if called:
                return called
        if kind < 0.33 and letter == "i":
            return self.size_expression(depth)
        op = self.random.choice(BY_RESULT[letter])
        while op.traps and not self.chance(self.maker.risk):
            op = self.random.choice(BY_RESULT[letter])
        if op.is_memory and op.is_atomic and self.chance(0.7):
            op = self.random.choice([op for op in BY_RESULT[letter] if not op.traps])
        return self.operation(op, depth)

    def if_expression(self, letter, depth):
        condition = self.expression("i", depth)
        self.labels.append(letter)
        parts = (condition, b"\x04" + CODES[letter], self.expression(letter, depth), b"\x05",
                 self.expression(letter, depth), END)
        self.labels.pop()
        return (letter, parts)

    def block_expression(self, letter, depth):
        self.labels.append(letter)
        parts = [b"\x02" + CODES[letter]]
        if self.maker.has_exceptions and self.chance(0.5):
            parts = [b"\x06" + CODES[letter]]
        parts.append(self.statements(depth, 2))
        parts += [self.expression(letter, depth)]
        if self.chance(0.5):
            parts += [self.expression("i", depth), b"\x0d\0"]
        if parts[0][0] == 6:
            # Tag 0 has no parameters, tag 1 an i32.
            tag = self.random.randrange(2)
            parts += [b"\x07" + leb(tag) + (b"\x1a" if tag else b""),
                      self.expression(letter, depth)]
            if self.chance(0.5):
                parts += [b"\x19", self.expression(letter, depth)]
        self.labels.pop()
        return (letter, (*parts, END))

    def size_expression(self, depth):
        kind = self.random.randrange(4)
        if kind == 0:
            return ("i", (b"\x3f\0",))
        if kind == 1 and not self.counters:
            return ("i", (const("i", self.random.choice([0, 1, 1, 5, 65535])), b"\x40\0"))
        if kind == 2:
            return ("i", (b"\xfc\x10" + leb(self.random.randrange(2)),))
        return ("i", (self.reference(depth), b"\xd1"))

    def reference(self, depth):
        if self.chance(0.5):
            return ("r", (self.table_index(depth), b"\x25\0"))
        return self.leaf("r")

    def table_index(self, depth):
        if self.chance(self.maker.risk):
            return self.expression("i", depth)
        return ("i", (self.expression("i", depth), const("i", 7) + b"\x71"))

    def arguments(self, letters, depth):
        return tuple(self.expression(letter, depth) for letter in letters)

    def call(self, results, depth):
        """A call whose results are these; None: there is no such function."""
        if self.counters:
            return None
        if self.chance(0.5):
            found = [at for at in range(self.index + 1, self.maker.count)
                     if self.maker.types[at][1] == results]
            if not found:
                return None
            at = self.random.choice(found)
            return (results, (*self.arguments(self.maker.types[at][0], depth), b"\x10" + leb(at)))
        found = [type_ for type_ in self.maker.types if type_[1] == results]
        if not found or not self.maker.risk:
            return None
        type_ = self.random.choice(found)
        type_index = leb(self.maker.module.type_index(type_))
        # Elements of the constant table are often of the right type.
        same = [at for at, have in enumerate(self.maker.types) if have == type_]
        table = self.random.randrange(2)
        index = self.table_index(depth)
        if table == 1 and self.chance(0.8):
            index = ("i", (const("i", self.random.choice(same)),))
        return (results, (*self.arguments(type_[0], depth), index,
                          b"\x11" + type_index + leb(table)))

    # ---- statements -----------------------------------------------------------------------

    def statements(self, depth, most):
        return ("", tuple(self.statement(depth) for _ in range(self.random.randint(0, most))))

    def statement(self, depth):
        self.budget -= 1
        if self.budget < 0:
            return ("", ())
        kinds = [self.set_local, self.set_local, self.set_global, self.store, self.store,
                 self.store, self.if_statement, self.counted_loop, self.burning_loop,
                 self.switch, self.bulk, self.table_statement, self.call_statement,
                 self.leave, self.multi_block, lambda depth: scan_loop(self)]
        return self.random.choice(kinds)(depth - 1)

    def set_local(self, depth):
        letter = self.random.choice("iIfFV")
        at = self.writable_of(letter)
        return ("", (self.expression(letter, depth + 1), b"\x21" + leb(at)))

    def set_global(self, depth):
        letter = self.random.choice("iIfFV")
        at = self.maker.global_of(letter)
        if at is None:
            return ("", ())
        return ("", (self.expression(letter, depth + 1), b"\x24" + leb(at)))

    def store(self, depth):
        return self.operation(self.random.choice(STORES), depth)

    def if_statement(self, depth):
        condition = self.expression("i", depth)
        self.labels.append("")
        parts = [condition, b"\x04\x40", self.statements(depth, 3)]
        if self.chance(0.4):
            parts += [b"\x05", self.statements(depth, 2)]
        self.labels.pop()
        return ("", (*parts, END))

    def counted_loop(self, depth):
        """No fuel, so that it may be unrolled and vectorised."""
        if self.room == 0:
            return ("", ())
        self.room -= 1
        counter = self.add_local("i")
        self.counters.append(counter)
        count = self.random.choice([1, 2, 4, 7, 16, 24, 33])
        self.labels.append(None)   # a branch to it would not count
        body = [self.store(depth + 1)] + [self.statement(depth) for _ in range(
            self.random.randint(0, 2))]
        if self.chance(0.4):
            letter = self.random.choice("iIV")
            at = self.writable_of(letter)
            add = {"i": b"\x6a", "I": b"\x7c", "V": b"\xfd\xae\1"}[letter]
            body.append(("", (b"\x20" + leb(at), self.expression(letter, depth),
                              add + b"\x21" + leb(at))))
        self.labels.pop()
        self.counters.pop()
        self.room += 1
        local = leb(counter)
        step = self.random.choice([1, 1, 1, 2])
        return ("", (const("i", 0) + b"\x21" + local + b"\x03\x40", *body,
                     b"\x20" + local + const("i", step) + b"\x6a\x22" + local
                     + const("i", count * step) + b"\x48\x0d\0", END))

    def burning_loop(self, depth):
        if self.counters:
            return ("", ())
        self.labels.append("")
        parts = (b"\x03\x40" + self.maker.burn, self.statements(depth, 3),
                 self.expression("i", depth), b"\x0d\0", END)
        self.labels.pop()
        return ("", parts)

    def switch(self, depth):
        """Nested blocks, a br_table in the innermost."""
        count = self.random.randint(1, 4)
        self.labels += [""] * count
        index = self.expression("i", depth)
        targets = [leb(self.random.randrange(count)) for _ in range(self.random.choice(
            [0, 1, 3, 5, 20]))]
        parts = [b"\x02\x40" * count, index,
                 b"\x0e" + leb(len(targets)) + b"".join(targets) + leb(self.random.randrange(count))
                 + END]
        for _ in range(count - 1):
            self.labels.pop()
            parts += [self.statements(depth, 2), END]
        self.labels.pop()
        return ("", tuple(parts))

    def span(self, most):
        """Two numbers: where, how many; now and then too many."""
        if self.chance(self.maker.risk):
            edge = self.random.choice([PAGE, PAGE * 2, 1 << 31, 0xffffffff, PAGE - 3])
            return edge, self.random.choice([0, 1, 2, PAGE, 0x7fffffff, 0xffffffff])
        return self.random.randrange(most // 2), self.random.randrange(most // 2)

    def bulk(self, depth):
        kind = self.random.randrange(3)
        where, count = self.span(PAGE)
        count = min(count, 300) if not self.maker.risk else count
        length = ("i", (const("i", count),))
        if self.chance(0.5):
            length = ("i", (self.expression("i", depth), const("i", 0x1ff) + b"\x71"))
        if kind == 0:
            return ("", (const("i", where), self.expression("i", depth), length, b"\xfc\x0b\0"))
        if kind == 1:
            return ("", (const("i", where) + const("i", self.span(PAGE)[0]), length,
                         b"\xfc\x0a\0\0"))
        at = self.random.randrange(len(self.maker.module.data))
        source, count = self.span(len(self.maker.module.data[at][1]))
        if self.maker.module.data[at][0] is not None and not self.chance(self.maker.risk):
            source, count = 0, 0   # active ones are dropped
        return ("", (const("i", where) + const("i", source) + const("i", count),
                     b"\xfc\x08" + leb(at) + b"\0"))

    def table_statement(self, depth):
        kind = self.random.randrange(5)
        where, count = self.span(8)
        if kind == 0:
            return ("", (self.table_index(depth), self.leaf("r"), b"\x26\0"))
        if kind == 1:
            return ("", (const("i", where), self.leaf("r"), const("i", count), b"\xfc\x11\0"))
        if kind == 2:
            return ("", (const("i", where) + const("i", self.span(8)[0]) + const("i", count),
                         b"\xfc\x0e\0" + leb(self.random.randrange(2))))
        if kind == 3:
            return ("", (const("i", where) + const("i", self.span(6)[0])
                         + const("i", min(count, 3) if not self.maker.risk else count),
                         b"\xfc\x0c\2\0"))
        return ("", (self.leaf("r"), const("i", self.random.randrange(3)), b"\xfc\x0f\0\x1a"))

    def call_statement(self, depth):
        results = self.random.choice(self.maker.types)[1]
        called = self.call(results, depth)
        if called is None:
            return ("", ())
        stores = b"".join(b"\x21" + leb(self.writable_of(letter)) for letter in reversed(results))
        return ("", (*called[1], stores))

    def leave(self, depth):
        """A conditional way out: return, branch, throw, tail call, unreachable."""
        condition = self.expression("i", depth)
        kind = self.random.randrange(6)
        self.labels.append("")
        code = self.way_out(kind, depth)
        self.labels.pop()
        return ("", (condition, b"\x04\x40", code, END))

    def way_out(self, kind, depth):
        if kind < 2:
            found = [at for at, results in enumerate(self.labels)
                     if results == "" and (at > 0 or not self.results)]
            if found:
                at = self.random.choice(found)
                return ("", (b"\x0c" + leb(len(self.labels) - 1 - at),))
        if kind == 2 and self.maker.has_exceptions:
            tag = self.random.randrange(2)
            return ("", (*self.arguments("i" * tag, depth), b"\x08" + leb(tag)))
        if kind == 3 and self.maker.has_tail_calls:
            found = [at for at in range(self.index + 1, self.maker.count)
                     if self.maker.types[at][1] == self.results]
            if found:
                at = self.random.choice(found)
                return ("", (*self.arguments(self.maker.types[at][0], depth),
                             b"\x12" + leb(at)))
        if kind == 4 and self.chance(self.maker.risk):
            return ("", (b"\0",))
        return ("", (*self.arguments(self.results, depth), b"\x0f"))

    def multi_block(self, depth):
        """A block with parameters and several results."""
        params = "".join(self.random.choices("iIfF", k=self.random.randrange(3)))
        results = "".join(self.random.choices("iIfFV", k=self.random.randint(1, 3)))
        type_index = self.maker.module.type_index((params, results))
        takes = b"".join(b"\x21" + leb(self.writable_of(letter)) for letter in reversed(params))
        gives = b"".join(b"\x21" + leb(self.writable_of(letter)) for letter in reversed(results))
        arguments = self.arguments(params, depth)
        self.labels.append(results)
        parts = [*arguments, b"\x02" + signed_leb(type_index) + takes, self.statements(depth, 2),
                 *self.arguments(results, depth)]
        if self.chance(0.5):
            parts += [self.expression("i", depth), b"\x0d\0"]
        self.labels.pop()
        return ("", (*parts, END, gives))

    def make(self):
        parts = [("", (self.maker.burn,)), self.statements(4, 6)]
        parts += [self.expression(letter, 5) for letter in self.results]
        return ("", tuple(parts)), "".join(self.locals[self.params:])


class Generator:
    """One module for a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.risk = self.random.choice([0, 0, 0.02, 0.05, 0.15])
        self.has_exceptions = self.random.random() < 0.2
        self.has_tail_calls = self.random.random() < 0.3
        self.module = Module()
        self.count = self.random.choice([1, 1, 2, 2, 3, 4])
        # Compiling takes nearly all of the time, so many modules are small and some are not.
        self.budget = self.random.choice([15, 25, 40, 40, 60, 120])
        self.types = [self.signature() for _ in range(self.count)]
        # get, eqz, trap with fresh fuel: the next call has some again
        self.burn = (b"\x23\0\x45\x04\x40" + const("i", FUEL) + b"\x24\0\0\x0b\x23\0"
                     + const("i", 1) + b"\x6b\x24\0")

    def signature(self):
        params = "".join(self.random.choices("iIfF", k=self.random.randrange(5)))
        count = self.random.choice([0, 1, 1, 1, 1, 2, 3])
        return params, "".join(self.random.choices("iIfF", k=count))

    def global_of(self, letter):
        found = [at for at, (have, _) in enumerate(self.module.globals) if have == letter and at]
        return self.random.choice(found) if found else None

    def declare(self):
        module = self.module
        module.globals = [("i", FUEL)] + [(letter, self.random.getrandbits(20))
                                          for letter in "iIfFV" if self.random.random() < 0.8]
        module.memory = (1, self.random.randint(1, 3))
        # Table 0 changes, table 1 never does.
        module.tables = [("r", 8, 12), ("r", self.count + 1, self.count + 1)]
        functions = [at if self.random.random() < 0.8 else None for at in range(self.count)]
        module.elements = [((0, 0), functions), ((1, 0), list(range(self.count))),
                           (None, functions + [None])]
        module.data = [(self.random.randrange(1000), self.random.randbytes(200)),
                       (PAGE - 64, self.random.randbytes(64)), (None, self.random.randbytes(100))]
        if self.has_exceptions:
            module.tags = ["", "i"]

    def helper(self, name, code, results=""):
        """Exported, of no parameters, beside the random ones."""
        self.module.functions.append(Function(("", results), "", (results, (code,))))
        self.module.exports.append((name, "function", len(self.module.functions) - 1))

    def add_reset(self):
        """What brings the state back after an access outside of memory."""
        code = const("i", 0) * 2 + b"\x3f\0" + const("i", 16) + b"\x74\xfc\x0b\0"
        code += const("i", 512) + const("i", 0) + const("i", 100) + b"\xfc\x08\2\0"
        for at, (letter, bits) in enumerate(self.module.globals):
            code += const(letter, bits) + b"\x24" + leb(at)
        code += const("i", 0) * 2 + const("i", self.count + 1)
        code += b"\xfc\x0c\2\0"
        self.helper("reset", code)

    def add_helpers(self):
        """v shows a vector."""
        if self.risk:
            self.add_reset()
        for at, (letter, _) in enumerate(self.module.globals):
            if letter == "V":
                self.helper("v", b"\x23" + leb(at) + b"\xfd\x1d\0\x23" + leb(at)
                            + b"\xfd\x1d\1\x85", "I")

    def make(self):
        self.declare()
        for at, type_ in enumerate(self.types):
            body, local_letters = Body(self, at, type_).make()
            self.module.functions.append(Function(type_, local_letters, body))
            self.module.exports.append((f"f{at}", "function", at))
        self.add_helpers()
        self.module.exports.append(("m", "memory", 0))
        self.module.exports += [(f"g{at}", "global", at)
                                for at, (letter, _) in enumerate(self.module.globals)
                                if letter != "V"]
        if self.random.random() < 0.2:
            found = [at for at, type_ in enumerate(self.types) if type_ == ("", "")]
            self.module.start = found[0] if found else None
        return self.module


def make(seed):
    return Generator(seed).make()
