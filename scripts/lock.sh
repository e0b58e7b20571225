#!/usr/bin/env bash
# Rewrite the hashed requirement files from pyproject.toml. No index address is written.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=.cache/lock-venv
[ -x "$tool/bin/uv" ] || { python3 -m venv "$tool"; "$tool/bin/pip" install --quiet uv; }
lock() { # lock OUTPUT ARGUMENTS...
    out=$1; shift
    "$tool/bin/uv" pip compile pyproject.toml "$@" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --upgrade --output-file "$out"
}
lock requirements/bot.txt --group bot
lock requirements/bridge.txt --extra bridge
lock requirements/demo.txt --group demo --extra inbox
lock requirements/bench.txt --group bench
lock requirements/dev.txt --group dev --extra inbox --extra bridge
