// An agent with the OpenTelemetry SDK of npm: `rounds` pieces of work, each an agent that asks a model twice and states
// once more what both calls used. Arguments: where telemetry listens, the token, the agent, the session, how many rounds,
// and the protocol, as OTEL_EXPORTER_OTLP_PROTOCOL names it. The last line it writes is one JSON object: how many spans it
// ended, and how many exports failed.
"use strict";

const { SpanKind, context, trace } = require("@opentelemetry/api");
const { Metadata, credentials } = require("@grpc/grpc-js");
const { BatchSpanProcessor, NodeTracerProvider } = require("@opentelemetry/sdk-trace-node");

const [address, token, agent, session, rounds, protocol] = process.argv.slice(2);

const EXPORTERS = {
  grpc: "@opentelemetry/exporter-trace-otlp-grpc",
  "http/protobuf": "@opentelemetry/exporter-trace-otlp-proto",
  "http/json": "@opentelemetry/exporter-trace-otlp-http",
};

function exporterOf() {
  const { OTLPTraceExporter } = require(EXPORTERS[protocol]);
  const authorization = `Bearer ${token}`;
  if (protocol !== "grpc") {
    return new OTLPTraceExporter({
      url: `http://${address}/v1/traces`,
      headers: { authorization },
      compression: "gzip",
    });
  }
  const metadata = new Metadata();
  metadata.set("authorization", authorization);
  return new OTLPTraceExporter({
    url: `http://${address}`,
    credentials: credentials.createInsecure(),
    metadata,
    compression: "gzip",
  });
}

const exporter = exporterOf();

let ended = 0;
let failed = 0;
const counting = {
  export(spans, done) {
    exporter.export(spans, (result) => {
      ended += spans.length;
      failed += result.code === 0 ? 0 : 1;
      done(result);
    });
  },
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  shutdown: () => exporter.shutdown(),
};

const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(counting)] });
provider.register();
const tracer = trace.getTracer("javascript agent");

function chat(parent, input, output) {
  const span = tracer.startSpan(
    "chat example-model-1",
    {
      kind: SpanKind.CLIENT,
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "example-model-1",
        "gen_ai.usage.input_tokens": input,
        "gen_ai.usage.output_tokens": output,
      },
    },
    parent,
  );
  span.end();
}

// A flush fails with the export, which is counted already.
const ignored = () => {};

async function main() {
  for (let round = 0; round < Number(rounds); round += 1) {
    const root = tracer.startSpan("invoke_agent", {
      attributes: {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent,
        "gen_ai.conversation.id": session,
        "gen_ai.usage.input_tokens": 130,
        "gen_ai.usage.output_tokens": 13,
      },
    });
    const inside = trace.setSpan(context.active(), root);
    chat(inside, 100, 10);
    chat(inside, 30, 3);
    root.end();
    if (round % 100 === 99) await provider.forceFlush().catch(ignored);
  }
  await provider.shutdown().catch(ignored);
  console.log(JSON.stringify({ ended, failed }));
}

main();
