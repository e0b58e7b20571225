"""Dashboards from code: boards over event classes, applied to Umami by one command."""

from otel_umami_exporter.dashboards.declare import (
    Audience,
    Board,
    Chart,
    Dashboards,
    Funnel,
    Goal,
    Metric,
    Step,
    Table,
    Text,
)
from otel_umami_exporter.projection import Projection

__all__ = [
    "Audience",
    "Board",
    "Chart",
    "Dashboards",
    "Funnel",
    "Goal",
    "Metric",
    "Projection",
    "Step",
    "Table",
    "Text",
]
