"""Makes a module that two engines disagree about small (generator.py's trees)."""
import copy
import dataclasses
import os
import time

from random_module import ZEROS

CANDIDATES_MAX = 40
SECONDS_MAX = 120


def _nodes(node, path=()):
    """All nodes with the way to each, larger ones first."""
    out = []
    waiting = [(node, path)]
    while waiting:
        found, where = waiting.pop(0)
        out.append((found, where))
        waiting += [(part, where + (at,)) for at, part in enumerate(found[1])
                    if not isinstance(part, bytes)]
    return out


def _replaced(node, path, new):
    if not path:
        return new
    parts = list(node[1])
    parts[path[0]] = _replaced(parts[path[0]], path[1:], new)
    return (node[0], tuple(parts))


def _simpler(node):
    """Nodes of the same type that may stand for one."""
    letter = node[0]
    zero = (letter, tuple(ZEROS[each] for each in letter))
    if node[1] != zero[1]:
        yield zero
    for part in node[1]:
        if not isinstance(part, bytes) and part[0] == letter and part[1]:
            yield part


def _candidates(module):
    """Modules with one change each, in order of what the change promises."""
    for at, function in enumerate(module.functions):
        for node, path in _nodes(function.body):
            for new in _simpler(node):
                yield at, path, new


def _apply(module, change):
    at, path, new = change
    out = copy.copy(module)
    out.functions = list(module.functions)
    out.functions[at] = copy.copy(module.functions[at])
    out.functions[at].body = _replaced(module.functions[at].body, path, new)
    return out


def reduce_case(module, case, engine, path):
    """Writes the smallest module found that fails as the case does to `path`; returns its
    size. Bounded in time rather than complete."""
    skip = 0
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        changes = []
        for number, change in enumerate(_candidates(module)):
            if number >= skip:
                changes.append(change)
            if len(changes) == CANDIDATES_MAX:
                break
        if not changes:
            if skip == 0:
                break
            skip = 0
            continue
        variants = [_apply(module, change) for change in changes]
        cases = []
        for number, variant in enumerate(variants):
            name = os.path.join(engine.folder, f"variant{number}.wasm")
            with open(name, "wb") as file:
                file.write(variant.encode())
            cases.append(dataclasses.replace(case, path=name, lines=[], failures={}))
        engine.run(cases)
        kept = [number for number, each in enumerate(cases)
                if not each.refused and each.failures
                and ("" in each.failures) == ("" in case.failures)]
        if kept:
            module = variants[kept[0]]
            skip = max(0, skip - CANDIDATES_MAX)
        else:
            skip += len(changes)
    data = module.encode()
    with open(path, "wb") as file:
        file.write(data)
    return len(data)
