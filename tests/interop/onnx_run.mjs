// Runs an ONNX model with onnxruntime-web, a runtime that shares nothing with this project:
//   node onnx_run.mjs FOLDER MODEL.onnx IN.safetensors OUT.safetensors
// FOLDER is where scripts/install-onnxruntime put it. The tensors of IN (F32, I64) are the model's inputs
// by name; others may lie beside them.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";

const [folder, modelFile, inFile, outFile] = process.argv.slice(2);
const ort = createRequire(resolve(folder, "package.json"))("onnxruntime-web");
ort.env.wasm.numThreads = 1;

function readTensors(file) {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    const memory = new Uint8Array(bytes.subarray(8 + length + from, 8 + length + to)).buffer;
    const types = { F32: ["float32", Float32Array], I64: ["int64", BigInt64Array] };
    if (!(dtype in types)) throw new Error(`${file}: ${name} is ${dtype}; F32 and I64 are known here`);
    tensors[name] = new ort.Tensor(types[dtype][0], new types[dtype][1](memory), shape);
  }
  return tensors;
}

function writeTensor(file, name, tensor) {
  const data = Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  let header = JSON.stringify({ [name]: { dtype: "F32", shape: tensor.dims, data_offsets: [0, data.length] } });
  header = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(file, Buffer.concat([length, Buffer.from(header), data]));
}

const beside = modelFile + ".data";
const externalData = existsSync(beside) ? [{ path: basename(beside), data: new Uint8Array(readFileSync(beside)) }] : [];
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(modelFile)),
  { executionProviders: ["wasm"], externalData });
const given = readTensors(inFile);
const results = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, given[name]])));
writeTensor(outFile, "output", results.output);
