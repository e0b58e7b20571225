"""What the bridge says back, in the sender's own content type."""

import json
from typing import Final

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from otel_umami_exporter.bridge.body import JSON
from otel_umami_exporter.bridge.errors import Answered, Unauthenticated
from otel_umami_exporter.bridge.road import Receipt
from otel_umami_exporter.bridge.wire import status

_WHY: Final = {
    "undeclared_event": "not in the taxonomy",
    "limit": "beyond the bridge's limits",
}


def success(response: ExportTraceServiceResponse | ExportLogsServiceResponse, receipt: Receipt, kind: str) -> Response:
    """Return 200, with `partial_success` when events were refused: sending those again would not help."""
    if receipt.refused:
        reasons = ", ".join(f"{number} {_WHY.get(reason, reason)}" for reason, number in receipt.refused.items())
        partial = response.partial_success
        partial.error_message = f"events refused: {reasons}"
        if isinstance(response, ExportTraceServiceResponse):
            response.partial_success.rejected_spans = receipt.refused_items
        else:
            response.partial_success.rejected_log_records = receipt.refused_items
    if kind == JSON:
        return Response(json.dumps(MessageToDict(response)), media_type=kind)
    return Response(response.SerializeToString(), media_type=kind)


def refusal(answered: Answered, kind: str) -> Response:
    """Return the refusal with a `google.rpc.Status` as its body."""
    headers = {}
    if answered.retry_after is not None:
        headers["retry-after"] = str(answered.retry_after)
    if isinstance(answered, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    text = str(answered)
    content = json.dumps({"code": answered.code, "message": text}) if kind == JSON else status(answered.code, text)
    return Response(content, answered.status, headers, media_type=kind)
