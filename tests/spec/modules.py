"""Types of imports and exports, and how modules are joined.

Wasm core 4.5.3 (matching) by the letters that `describe` prints: see aot/types.h.
"""
import json
import subprocess


def describe(tool, paths, suite):
    """What each module imports and exports, or {"error": message}."""
    if not paths:
        return {}
    flags = ["-2"] if suite == "wg-2.0" else []
    result = subprocess.run([tool, *flags, *paths], capture_output=True, check=True)
    lines = result.stdout.decode("utf-8").split("\n")[:-1]
    return dict(zip(paths, map(json.loads, lines)))


def _reference(letters):
    """(nullable, heap type) of a reference type, None for numbers."""
    short = {"r": (True, "func"), "e": (True, "extern"), "x": (True, "exn")}
    if letters in short:
        return short[letters]
    if letters.startswith("{"):
        return letters[1] == "n", letters[2:-1]
    return None


def _is_subtype(sub, super_):
    if sub == super_:
        return True
    left, right = _reference(sub), _reference(super_)
    if left is None or right is None or (left[0] and not right[0]):
        return False
    tops = {"nofunc": "func", "noextern": "extern", "noexn": "exn"}
    is_concrete_function = len(left[1]) == 32
    return (left[1] == right[1] or tops.get(left[1]) == right[1]
            or (is_concrete_function and right[1] == "func"))


def _value(external):
    return external["type"].rsplit("_", 1)[0]


def types_match(export, want):
    """Whether an export may stand for an import, sizes that change at run time left out."""
    if export["kind"] != want["kind"]:
        return False
    kind = want["kind"]
    if kind in ("function", "tag"):
        return export["type"] == want["type"]
    if kind == "global":
        if export["mutable"] != want["mutable"]:
            return False
        if want["mutable"]:
            return export["type"] == want["type"]
        return _is_subtype(_value(export), _value(want))
    if kind == "table" and export["type"] != want["type"]:
        return False
    if export["is64"] != want["is64"] or export["shared"] != want["shared"]:
        return False
    return "max" not in want or ("max" in export and export["max"] <= want["max"])


def mangle(text):
    """As layout_mangle in aot/layout.c."""
    data = text.encode()
    out = []
    for at, byte in enumerate(data):
        char = chr(byte)
        edge = at == 0 or at + 1 == len(data) or data[at - 1:at] == b"_"
        plain = char.isascii() and (char.isalnum() or char == "_")
        out.append(char if plain and not (char == "_" and edge) else f"${byte:02x}")
    return "".join(out)


def import_symbol(prefix, want):
    """The symbol a compiled module names an import by (kernel/base/wasm_abi.h)."""
    names = f"{mangle(want['module'])}__{mangle(want['field'])}"
    kind = want["kind"]
    if kind == "function":
        return f"{prefix}wasm_import__{names}__{mangle(want['type'])}"
    if kind == "global":
        return (f"{prefix}wasm_import_global__{names}__"
                f"{mangle(_value(want) + ('m' if want['mutable'] else ''))}")
    if kind == "tag":
        return f"{prefix}wasm_import_tag__{names}__{mangle(want['type'])}"
    return f"{prefix}wasm_import_{kind}__{names}"


class Instance:
    """A module linked into the test program, with its imports resolved."""

    def __init__(self, index, path, description):
        self.index = index
        self.path = path
        self.description = description
        self.prefix = f"m{index}_"
        self.functions = []   # (symbol, exporter, export name)
        self.renames = {}     # symbols of its imports -> symbols of their owners
        self.shared = set()   # symbols of this object that others name

    def export(self, name):
        for export in self.description["exports"]:
            if export["name"] == name:
                return export
        return None

    def storage(self, kind, index, instances):
        """The instance and its own symbol of a table, memory, global or tag."""
        for want in self.description["imports"]:
            if want["kind"] == kind and want["index"] == index:
                exporter = instances[want["from"]]
                export = exporter.export(want["field"])
                return exporter.storage(kind, export["index"], instances)
        return self, f"wasm_{kind}.{index}"


def resolve(description, registered):
    """Finds an exporter for each import. Returns (error or None, checks of sizes)."""
    sizes = []
    for want in description["imports"]:
        exporter = registered.get(want["module"])
        export = exporter.export(want["field"]) if exporter else None
        if export is None:
            return "unknown import", []
        if not types_match(export, want):
            return "incompatible import type", []
        want["from"] = exporter.index
        if want["kind"] in ("table", "memory") and export["min"] < want["min"]:
            sizes.append((exporter.index, want["field"], want["min"]))
    return None, sizes


def join(instance, instances):
    """Records what the objects must be told so that they link."""
    seen = set()
    for want in instance.description["imports"]:
        symbol = import_symbol(instance.prefix, want)
        if symbol in seen:
            continue
        seen.add(symbol)
        if want["kind"] == "function":
            instance.functions.append((symbol, want["from"], want["field"]))
            continue
        exporter = instances[want["from"]]
        export = exporter.export(want["field"])
        owner, storage = exporter.storage(want["kind"], export["index"], instances)
        owner.shared.add(storage)
        instance.renames[symbol] = owner.prefix + storage
