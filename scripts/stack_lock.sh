#!/usr/bin/env bash
# Resolve the Go modules of tools/ again after a version was changed there, and write go.mod and go.sum.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd tools/builder && go get go.opentelemetry.io/collector/cmd/builder)
(cd tools/jaeger && go get github.com/jaegertracing/jaeger/cmd/jaeger)
(cd tools/builder && go build -buildvcs=false -o "$work/builder" go.opentelemetry.io/collector/cmd/builder)
(cd "$work" && ./builder --config "$root/tools/collector/builder.yaml" --skip-compilation)
cp "$work/src/go.mod" "$work/src/go.sum" tools/collector/
