"""
Sampling is for traces: a sampler that still records what it drops.

    trace sampler says   DROP             ──►  RECORD_ONLY       processors see the span, trace exporters do not
                         RECORD_ONLY      ──►  the same
                         RECORD_AND_SAMPLE──►  the same

So a 1 % sampler keeps 1 % of the traces and, with `UmamiSpanProcessor`, 100 % of the business events.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from otel_umami_exporter.errors import SettingsError


class AlwaysRecord(Sampler):
    """Asks *sampler*, and records also what it drops."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return what the inner sampler says, at least RECORD_ONLY."""
        result = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, result.attributes, result.trace_state)

    def get_description(self) -> str:
        """Return this sampler's name, with the inner one's."""
        return f"AlwaysRecord{{{self._sampler.get_description()}}}"


def always_record_from_environment(ratio: str | None = None) -> Sampler:
    """
    Build the sampler for `OTEL_TRACES_SAMPLER=always_record`; `OTEL_TRACES_SAMPLER_ARG` is the share of traces kept.

    Raises:
        SettingsError: the share is no number from 0 to 1.
    """
    if not ratio:
        return AlwaysRecord(ParentBased(ALWAYS_ON))
    try:
        return AlwaysRecord(ParentBased(TraceIdRatioBased(float(ratio))))
    except ValueError:
        raise SettingsError("OTEL_TRACES_SAMPLER_ARG: a number from 0 to 1 is needed") from None
