#!/usr/bin/env bash
# Build the Collector and Jaeger that the stack tests run, from pinned and hashed Go modules, install the Node.js SDK that
# one test sends with, and link all of it into .tools.
# Clones on one machine share the binaries: they are kept under OTEL_UMAMI_TOOLS_DIR, or in the user's cache folder, by a
# hash of the manifests. Go's own caches stay where they are, so that another version is built fast as well.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

command -v npm >/dev/null || { echo "make stack-tools needs Node.js with npm: a test sends from OpenTelemetry's Node.js SDK." >&2; exit 1; }
command -v go >/dev/null || { echo "make stack-tools needs Go: the Collector and Jaeger are built from Go modules." >&2; exit 1; }
manifests=(tools/builder/go.mod tools/builder/go.sum tools/collector/builder.yaml tools/collector/go.mod
    tools/collector/go.sum tools/jaeger/go.mod tools/jaeger/go.sum tools/node/package.json
    tools/node/package-lock.json tools/node/send.mjs scripts/stack_tools.sh)
hash=$( (sha256sum "${manifests[@]}"; go env GOVERSION GOOS GOARCH) | sha256sum | cut -c1-16)
shared=${OTEL_UMAMI_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-umami-tools}/$hash
mkdir -p "$shared" .tools/bin

exec 9>"$shared/lock"
flock 9 # two clones that build at the same time do the work once

timed() { # timed NAME COMMAND...
    local name=$1 start=$SECONDS
    shift
    echo "building $name (minutes, the first time) ..."
    "$@" || { echo "$name could not be built" >&2; exit 1; }
    echo "built $name in $((SECONDS - start)) s"
}

# -mod=readonly: what is built is what go.sum was written for. -s -w: no debugger's tables, half the size.
compile() { (cd "$1" && go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$2.new" "$3" && mv "$2.new" "$2"); }

collector() {
    local work
    work=$(mktemp -d)
    compile "$root/tools/builder" "$work/builder" go.opentelemetry.io/collector/cmd/builder
    (cd "$work" && ./builder --config "$root/tools/collector/builder.yaml" --skip-compilation --skip-get-modules)
    cp tools/collector/go.mod tools/collector/go.sum "$work/src/"
    compile "$work/src" "$shared/otelcol-umami" .
    rm -rf "$work"
}

[ -x "$shared/otelcol-umami" ] || timed "the Collector" collector
[ -x "$shared/jaeger" ] || timed "Jaeger" compile tools/jaeger "$shared/jaeger" github.com/jaegertracing/jaeger/cmd/jaeger

node() {
    rm -rf "$shared/node"
    cp -r tools/node "$shared/node"
    (cd "$shared/node" && npm ci --ignore-scripts --no-fund --no-audit --silent)
}
[ -f "$shared/node/node_modules/.package-lock.json" ] || timed "the Node.js sender" node

for name in otelcol-umami jaeger; do
    ln -sfn "$shared/$name" ".tools/bin/$name"
done
ln -sfn "$shared/node" .tools/node
echo "ready: .tools/bin/otelcol-umami, .tools/bin/jaeger, .tools/node (kept in $shared)"
