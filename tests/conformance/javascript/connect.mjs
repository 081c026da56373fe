// Connect, speaking gRPC, drives the conformance suite; see table.mjs for how it is called.
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, StringValueSchema, file_google_protobuf_wrappers } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { compressionGzip, createGrpcTransport } from "@connectrpc/connect-node";
import { LONGEST_CALL_MS, SERVICE, flag, main, texts } from "./table.mjs";

const STREAMING = { unary: [false, false], client_stream: [true, false], server_stream: [false, true], bidi: [true, true] };

// A service of texts with these methods: clients of Connect are made of descriptors.
function serviceOf(name, methods) {
  const text = `.${StringValueSchema.typeName}`;
  const [pkg, service] = [name.slice(0, name.lastIndexOf(".")), name.slice(name.lastIndexOf(".") + 1)];
  const file = create(FileDescriptorProtoSchema, {
    name: "conformance.proto",
    package: pkg,
    syntax: "proto3",
    dependency: ["google/protobuf/wrappers.proto"],
    service: [
      {
        name: service,
        method: Object.entries(methods).map(([method, call]) => ({
          name: method,
          inputType: text,
          outputType: text,
          clientStreaming: STREAMING[call][0],
          serverStreaming: STREAMING[call][1],
        })),
      },
    ],
  });
  return createFileRegistry(file, () => file_google_protobuf_wrappers).getService(name);
}

function written(value) {
  return Buffer.from(value, "base64").toString("base64");
}

function trailersOf(headers) {
  const { "grpc-status-details-bin": details = "", ...trailers } = Object.fromEntries(headers);
  for (const [key, value] of Object.entries(trailers)) {
    if (key.endsWith("-bin")) trailers[key] = written(value);
  }
  return { status: written(details), trailers };
}

async function* spoken(one, late, turns) {
  for (const [index, text] of texts(one).entries()) {
    yield { value: text };
    if (index + 1 === one.read_late) late.raise();
    if (one.in_turn) await turns[index].raised;
  }
}

async function call(client, one, answers) {
  const late = flag();
  const turns = one.in_turn ? texts(one).map(flag) : [];
  const giveUp = new AbortController();
  let trailers = new Headers();
  const headers = (one.metadata ?? []).map(([key, text]) => [key, key.endsWith("-bin") ? text.replace(/=+$/, "") : text]);
  const options = {
    headers,
    timeoutMs: one.timeout_ms,
    signal: giveUp.signal,
    onTrailer: (told) => {
      trailers = told;
    },
  };
  const method = client[one.method[0].toLowerCase() + one.method.slice(1)];
  const said = { value: texts(one)[0] };
  const saying = () => spoken(one, late, turns);
  try {
    if (one.call === "unary" || one.call === "client_stream") {
      answers.add((await method(one.call === "unary" ? said : saying(), options)).value);
    } else {
      const stream = method(one.call === "server_stream" ? said : saying(), options)[Symbol.asyncIterator]();
      const first = stream.next(); // it is only sent once somebody reads
      if (one.read_late) await late.raised;
      for (let next = await first; !next.done; next = await stream.next()) {
        answers.add(next.value.value);
        turns[answers.count - 1]?.raise();
        if (one.cancel_after === answers.count) giveUp.abort();
      }
    }
  } catch (error) {
    const told = ConnectError.from(error);
    return { code: told.code, message: told.rawMessage, ...trailersOf(told.metadata) };
  }
  return { code: 0, message: "", ...trailersOf(trailers) };
}

function connected(address, service, options = {}) {
  const transport = createGrpcTransport({ baseUrl: `http://${address}`, acceptCompression: [compressionGzip], ...options });
  return createClient(service, transport);
}

function once(address) {
  const clients = new Map();
  return (one, answers) => {
    // A message is packed from so many bytes on, and never without that.
    const packing = one.compress ? { sendCompression: compressionGzip, compressMinBytes: 1 } : {};
    const key = `${one.method} ${one.call} ${one.compress}`;
    if (!clients.has(key)) clients.set(key, connected(address, serviceOf(SERVICE, { [one.method]: one.call }), packing));
    return call(clients.get(key), one, answers);
  };
}

function open(address) {
  const client = connected(address, serviceOf(SERVICE, { Say: "unary" }));
  const say = async (value) => {
    try {
      return (await client.say({ value }, { timeoutMs: LONGEST_CALL_MS })).value;
    } catch (error) {
      throw asHttp2SaysIt(error);
    }
  };
  return { say, close: () => {} };
}

// A request that is begun while the server's notice to leave is being read never leaves: Node's library refuses its stream.
// Connect takes that for UNAVAILABLE or INTERNAL, by which of Node's events it hears first (connect-node 2).
function asHttp2SaysIt(error) {
  if (error.rawMessage?.includes("NGHTTP2_REFUSED_STREAM")) error.code = Code.Unavailable;
  return error;
}

await main({ once, open });
