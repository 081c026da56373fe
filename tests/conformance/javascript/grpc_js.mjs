// grpc-js drives the conformance suite; see table.mjs for how it is called.
import { once as event } from "node:events";
import { Client, Metadata, compressionAlgorithms, credentials, status } from "@grpc/grpc-js";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { LONGEST_CALL_MS, SERVICE, flag, main, texts } from "./table.mjs";

const serialize = (value) => Buffer.from(toBinary(StringValueSchema, create(StringValueSchema, { value })));
const deserialize = (bytes) => fromBinary(StringValueSchema, bytes).value;

function metadataOf(one) {
  const metadata = new Metadata();
  for (const [key, text] of one.metadata ?? []) {
    metadata.add(key, key.endsWith("-bin") ? Buffer.from(text, "base64") : text);
  }
  return metadata;
}

function trailersOf(metadata) {
  const written = (value) => (typeof value === "string" ? value : value.toString("base64"));
  const trailers = {};
  for (const key of Object.keys(metadata.getMap())) {
    trailers[key] = metadata.get(key).map(written).join(", ");
  }
  const { "grpc-status-details-bin": details = "", ...others } = trailers;
  return { status: details, trailers: others };
}

function begun(client, one, answers, done) {
  const path = one.method.includes("/") ? `/${one.method}` : `/${SERVICE}/${one.method}`;
  const options = one.timeout_ms === undefined ? {} : { deadline: Date.now() + one.timeout_ms };
  const rest = [metadataOf(one), options];
  const answer = (error, text) => error || answers.add(text);
  switch (one.call) {
    case "unary":
      return client.makeUnaryRequest(path, serialize, deserialize, texts(one)[0], ...rest, answer);
    case "client_stream":
      return client.makeClientStreamRequest(path, serialize, deserialize, ...rest, answer);
    case "server_stream":
      return client.makeServerStreamRequest(path, serialize, deserialize, texts(one)[0], ...rest);
    default:
      return client.makeBidiStreamRequest(path, serialize, deserialize, ...rest);
  }
}

async function write(call, one, written, turns) {
  const failed = flag();
  call.on("error", failed.raise);
  for (const [index, text] of texts(one).entries()) {
    if (!call.write(text)) await Promise.race([event(call, "drain"), failed.raised]);
    if (index + 1 === one.read_late) written.raise();
    if (one.in_turn) await turns[index].raised;
  }
  call.end();
}

async function call(client, one, answers) {
  const call = begun(client, one, answers);
  const ended = new Promise((resolve) => call.on("status", resolve));
  const written = flag();
  const turns = one.in_turn ? texts(one).map(flag) : [];
  if (one.call !== "unary") call.on("error", () => {}); // told by its status as well
  if (one.call === "client_stream" || one.call === "bidi") void write(call, one, written, turns);
  if (one.read_late) await written.raised;
  if (one.call === "server_stream" || one.call === "bidi") {
    call.on("data", (text) => {
      answers.add(text);
      turns[answers.count - 1]?.raise();
      if (one.cancel_after === answers.count) call.cancel();
    });
  }
  const { code, details, metadata } = await ended;
  return { code, message: code === status.OK ? "" : details, ...trailersOf(metadata) };
}

function connected(address, options = {}) {
  return new Client(address, credentials.createInsecure(), options);
}

function once(address) {
  const plain = connected(address);
  const packing = connected(address, { "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
  return (one, answers) => call(one.compress ? packing : plain, one, answers);
}

function open(address) {
  const client = connected(address, { "grpc.use_local_subchannel_pool": 1 });
  const path = `/${SERVICE}/Say`;
  const say = (text) =>
    new Promise((resolve, reject) => {
      const told = (error, answer) => (error ? reject(error) : resolve(answer));
      client.makeUnaryRequest(path, serialize, deserialize, text, new Metadata(), { deadline: Date.now() + LONGEST_CALL_MS }, told);
    });
  return { say, close: () => client.close() };
}

await main({ once, open });
