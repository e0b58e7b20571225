#!/bin/sh
# The library's command: the images hold its code, not its installed package.
exec python -m otel_umami_exporter.cli "$@"
