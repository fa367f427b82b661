// The oracle: runs a WASI preview 1 module under Node.
// usage: node --no-turbo-fast-api-calls node_wasi.mjs MODULE FOLDER NAME ARGS...
import { WASI } from 'node:wasi';
import fs from 'node:fs';

const [file, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({
  version: 'preview1', args, env: { PATH: '/' }, preopens: { '/': folder }, returnOnExit: true,
});
const module = await WebAssembly.compile(fs.readFileSync(file));
const imports = {};
for (const { module: name, name: field } of WebAssembly.Module.imports(module)) {
  (imports[name] ??= {})[field] = wasi.wasiImport[field] ?? (() => 52);
}
process.exitCode = wasi.start(await WebAssembly.instantiate(module, imports));
