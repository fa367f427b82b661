// Runs modules without imports in Node's engine and says what their exports do.
//
// Usage: node differential.mjs FILE... ; one line of JSON for each file: a list of
// {kind, name, ...} in the order in which things were done. Stops a module where the
// engine's limits (its stack) show, which are not the module's meaning.
import fs from "node:fs";

const traps = [
  [/unreachable/, "unreachable"],
  [/memory access out of bounds/, "out_of_bounds_memory_access"],
  [/data segment|offset is out of bounds|out of bounds memory/, "out_of_bounds_memory_access"],
  [/table index is out of bounds|table access|table index/,
    "out_of_bounds_table_access|undefined_element"],
  [/element segment|array element access/, "out_of_bounds_table_access"],
  [/null function or function signature/, "uninitialized_element|indirect_call_type_mismatch"],
  [/divide by zero|remainder by zero/, "integer_divide_by_zero"],
  [/divide result unrepresentable/, "integer_overflow"],
  [/float unrepresentable/, "integer_overflow|invalid_conversion_to_integer"],
  [/null pointer/, "null_reference"],
];

function trapText(error) {
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

function call(steps, name, type, func) {
  const [params, results] = type.split("_").map((letters) => letters === "v" ? "" : letters);
  const args = [...params].map(argument);
  const step = { kind: "call", name, args: args.map((v, i) => v === null ? "n" : encode(params[i], v)) };
  try {
    const value = func(...args);
    const values = results.length === 1 ? [value] : results.length === 0 ? [] : [...value];
    step.results = values.map((v, i) => encode(results[i], v));
  } catch (error) {
    step.trap = error instanceof WebAssembly.RuntimeError ? trapText(error) : null;
    if (step.trap === null) return false;
  }
  steps.push(step);
  return true;
}

function hash(bytes) {
  let value = 2166136261 | 0;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes[i], 16777619);
  return (value >>> 0).toString(16);
}

// `exports` is what `describe` says: [{name, kind, type}].
function run(file, exports) {
  const steps = [];
  state = 1;
  let instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {});
  } catch (error) {
    const trap = error instanceof WebAssembly.RuntimeError ? trapText(error) : null;
    return [trap === null ? { kind: "skip", text: String(error) } : { kind: "start", trap }];
  }
  steps.push({ kind: "start" });
  for (let round = 0; round < 3; round++) {
    for (const { name, kind, type } of exports) {
      if (kind !== "function" || /[V{]/.test(type)) continue;
      if (!call(steps, name, type, instance.exports[name])) return steps;
    }
  }
  for (const { name, kind, type } of exports) {
    if (kind === "memory") {
      const buffer = instance.exports[name].buffer;
      steps.push({ kind: "memory", name, pages: buffer.byteLength / 65536,
        hash: hash(new Uint8Array(buffer)) });
    } else if (kind === "global" && /^[iIfF]_/.test(type)) {
      steps.push({ kind: "get", name, value: encode(type[0], instance.exports[name].value) });
    }
  }
  return steps;
}

const work = JSON.parse(fs.readFileSync(0, "utf8"));
for (const { file, exports } of work) {
  console.log(JSON.stringify(run(file, exports)));
}
