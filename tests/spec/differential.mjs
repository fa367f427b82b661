// Runs modules without imports in Node's engine and writes what their exports do, as a script
// for tests/hosted/spec_runner.c, the LINE of each step being INSTANCE.NUMBER.
//
// Usage: node differential.mjs < work ; `work` is a line of JSON for each module:
//   {file, instance, exports: [{name, kind, type}]}, exports as tests/hosted/describe.c says.
// Answers each with one line of JSON: a list of script lines; {text} when the engine refuses
// the module. Stops a module where limits of the engine show, which are not the module's
// meaning. After an access outside of memory the state is not compared: an export "reset"
// brings it back, and without one the module ends there.
import fs from "node:fs";

const MEMORY_TRAP = "out_of_bounds_memory_access";
const ROUNDS = 3;
const traps = [
  [/unreachable/, "unreachable"],
  [/memory access out of bounds/, MEMORY_TRAP],
  [/data segment|offset is out of bounds|out of bounds memory/, MEMORY_TRAP],
  [/table index is out of bounds|table access|table index/,
    "out_of_bounds_table_access|undefined_element"],
  [/element segment|array element access/, "out_of_bounds_table_access"],
  [/null function or function signature/, "uninitialized_element|indirect_call_type_mismatch"],
  [/divide by zero|remainder by zero/, "integer_divide_by_zero"],
  [/divide result unrepresentable/, "integer_overflow"],
  [/float unrepresentable/, "integer_overflow|invalid_conversion_to_integer"],
  [/null pointer/, "null_reference"],
  [/unaligned/, "unaligned_atomic"],
];

// null: not a trap, a limit of the engine.
function trapText(error) {
  if (error instanceof WebAssembly.Exception) return "unhandled_exception";
  if (!(error instanceof WebAssembly.RuntimeError)) return null;
  const found = traps.find(([pattern]) => pattern.test(error.message));
  return found ? found[1] : null;
}

let state = 1;
function random() {
  state = Math.imul(state, 1664525) + 1013904223 | 0;
  return state >>> 8;
}
const ints = [0, 1, -1, 2, 7, 31, 32, 63, 64, 127, 128, 255, 65535, 65536, 0x7fffffff, -0x80000000];
const floats = [0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, 1e10, -1e10, 2147483648, -2147483649,
  1.8446744073709552e19, Infinity, -Infinity, 1.1754943508222875e-38, 3.4e38];
const pick = (list) => list[random() % list.length];

const scratch = new DataView(new ArrayBuffer(8));
function encode(letter, value) {
  switch (letter) {
    case "i": return "i" + (value >>> 0).toString(16);
    case "I": return "I" + BigInt.asUintN(64, value).toString(16);
    case "f":
      if (Number.isNaN(value)) return "fN";
      scratch.setFloat32(0, value);
      return "f" + scratch.getUint32(0).toString(16);
    case "F":
      if (Number.isNaN(value)) return "FN";
      scratch.setFloat64(0, value);
      return "F" + scratch.getBigUint64(0).toString(16);
    default: return "n|r";
  }
}

function argument(letter) {
  switch (letter) {
    case "i": return random() % 3 ? pick(ints) : random() | 0;
    case "I": return BigInt(pick(ints)) * BigInt(random() % 3 ? 1 : 0x100000001);
    case "f": return Math.fround(pick(floats));
    case "F": return pick(floats);
    default: return null;
  }
}

function hash(buffer) {
  const words = new Int32Array(buffer);
  let value = 2166136261 | 0;
  for (let i = 0; i < words.length; i++) value = Math.imul(value ^ words[i], 16777619);
  return (value >>> 0).toString(16);
}

class Runner {
  constructor({ file, instance, exports }) {
    this.file = file;
    this.index = instance;
    this.exports = exports;
    this.lines = [];
    state = 1;
  }

  step(verb, ...words) {
    this.lines.push([verb, `${this.index}.${this.lines.length}`, this.index, ...words].join(" "));
  }

  // Returns the trap's text, "" for none, null where the module has to end.
  call({ name, type }) {
    const [params, results] = type.split("_").map((letters) => letters === "v" ? "" : letters);
    const args = [...params].map(argument);
    const words = args.map((v, i) => v === null ? "n" : encode(params[i], v));
    const start = ["call", Buffer.from(name).toString("hex") || "-", args.length, ...words];
    try {
      const value = this.instance.exports[name](...args);
      const values = results.length === 1 ? [value] : results.length === 0 ? [] : [...value];
      this.step(...start, "return", values.length, ...values.map((v, i) => encode(results[i], v)));
      return "";
    } catch (error) {
      const trap = trapText(error);
      if (trap !== null) this.step(...start, "trap", trap);
      return trap;
    }
  }

  compareState(kinds) {
    for (const { name, kind, type } of this.exports) {
      if (kind !== kinds) continue;
      const value = this.instance.exports[name];
      const hex = Buffer.from(name).toString("hex") || "-";
      if (kind === "memory") {
        this.step("memory", hex, value.buffer.byteLength / 65536, hash(value.buffer));
      } else if (/^[iIfF]_/.test(type)) {
        this.step("get", hex, encode(type[0], value.value));
      }
    }
  }

  callAll() {
    const reset = this.exports.find(({ name }) => name === "reset");
    for (let round = 0; round < ROUNDS; round++) {
      for (const each of this.exports) {
        if (each.kind !== "function" || each === reset || /[V{]/.test(each.type)) continue;
        const trap = this.call(each);
        if (trap === null) return;
        if (trap === MEMORY_TRAP) {
          if (!reset || this.call(reset) !== "") return;
        } else {
          this.compareState("memory");
        }
      }
      this.compareState("global");
    }
  }

  run() {
    let module;
    try {
      module = new WebAssembly.Module(fs.readFileSync(this.file));
    } catch (error) {
      return { text: String(error) };
    }
    try {
      this.instance = new WebAssembly.Instance(module, {});
    } catch (error) {
      const trap = trapText(error);
      if (trap !== null) this.step("module", "trap", trap);
      return this.lines;
    }
    this.step("module", "ok");
    this.callAll();
    return this.lines;
  }
}

for (const line of fs.readFileSync(0, "utf8").split("\n")) {
  if (line) console.log(JSON.stringify(new Runner(JSON.parse(line)).run()));
}
