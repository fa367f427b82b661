"""A statement of generator.py: a loop that looks for a byte, as aot/scan_loops.c widens them.

One or two addresses that grow by one, mostly near the end of a page; tests of the bytes and of a
counter, in an order and number of its own. Where the module takes no risks a counter ends it.
"""
from random_module import END, const, leb

PAGE = 4096
WASM_PAGE = 65536
BR_IF_OUT = b"\x0d\1"
EQUAL, DIFFERENT = b"\x46", b"\x47"


def get(local):
    return b"\x20" + leb(local)


def grow(local, by=1):
    return get(local) + const("i", by) + b"\x6a\x21" + leb(local)


def byte_at(local):
    return get(local) + b"\x2d\0\0"


def start(maker, may_trap):
    """Where to look first."""
    if may_trap:
        return maker.random.randint(1, 3) * WASM_PAGE - maker.random.randrange(60)
    return maker.random.randint(1, 14) * PAGE - maker.random.randrange(60)


def byte_tests(maker, places):
    """Code that leaves the loop because of bytes at the places: the first compares them all."""
    random = maker.random
    byte = const("i", random.choice([0, 0, 0, 1, 255, 128]))
    tests = [byte_at(places[0]) + (byte_at(places[1]) if len(places) > 1 else byte)
             + random.choice([EQUAL, DIFFERENT, DIFFERENT]) + BR_IF_OUT]
    if random.random() < 0.4:
        tests.append(byte_at(places[-1]) + byte + random.choice([EQUAL, EQUAL, DIFFERENT])
                     + BR_IF_OUT)
    return tests


def scan_loop(body):
    """The statement, for the function that `body` makes."""
    random = body.random
    may_trap = body.chance(body.maker.risk)
    places = [body.add_local("i") for _ in range(random.randint(1, 2))]
    counter = body.add_local("i")
    code = [const("i", start(body, may_trap and random.random() < 0.7)) + b"\x21" + leb(place)
            for place in places]
    code += [body.expression("i", 1), const("i", 63) + b"\x71" + const("i", 1) + b"\x72\x21"
             + leb(counter)]
    tests = byte_tests(body, places)
    steps, goes_on = [], b"\x0c\0"
    shape = random.randrange(4 if may_trap else 3)
    if shape == 0:   # a counter that is looked at first
        tests.insert(0, get(counter) + b"\x45" + BR_IF_OUT)
        steps = [grow(counter, -1)]
    elif shape == 1:   # last
        goes_on = get(counter) + const("i", 1) + b"\x6b\x22" + leb(counter) + b"\x0d\0"
    elif shape == 2:   # upward, to what an address was at first, further on
        end = body.add_local("i")
        code.append(get(places[0]) + get(counter) + b"\x6a\x21" + leb(end))
        goes_on = get(places[0]) + get(end) + DIFFERENT + b"\x0d\0"
    loop = [*tests, *steps, *(grow(place) for place in places), goes_on]
    code += [b"\x02\x40\x03\x40" + b"".join(loop) + END + END]
    # What it came to.
    for local in (*places, counter):
        code.append(get(local) + b"\x21" + leb(body.writable_of("i")))
    return ("", tuple(code))
