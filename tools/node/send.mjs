// Sends business events as any Node.js program would: a span event with attributes, by OpenTelemetry's own SDK.
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 node send.mjs FIRST COUNT [json]
import { trace, SpanKind } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [first, count, format] = process.argv.slice(2);
const Exporter = format === "json" ? JsonExporter : ProtobufExporter;
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-shop", "deployment.environment.name": "stack-test" }),
  spanProcessors: [new BatchSpanProcessor(new Exporter())],
});
provider.register();

const tracer = trace.getTracer("node-shop");
for (let number = Number(first); number < Number(first) + Number(count); number += 1) {
  tracer.startActiveSpan("order /new", { kind: SpanKind.SERVER }, (span) => {
    span.addEvent("order_placed", { number, "enduser.pseudo.id": `visitor-${number}` });
    span.end();
  });
}
await provider.forceFlush();
await provider.shutdown();
