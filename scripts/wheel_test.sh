#!/usr/bin/env bash
# The library from its wheel: no checkout, no bot, no extras. Its tests pass
#   on the oldest supported Python with the oldest versions of what the library needs,
#   on the newest Python found on this machine with the locked versions.
# Tests that need the stand-in (extra: inbox) are left out, since it is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
build=$root/build/wheel-test
rm -rf "$build"
mkdir -p "$build/tests"

.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$build" .
wheel=$(echo "$build"/otel_umami_exporter-*.whl)
if unzip -l "$wheel" | grep -qE 'termin_bot|tests/'; then
  echo "the wheel holds more than the library" >&2
  exit 1
fi

cp -r tests/conftest.py tests/ports.py tests/certificates.py tests/exporter tests/contracts "$build/tests/"
cp -r docs README.md "$build/"
grep -lE 'otel_umami_exporter\.inbox|import starlette|from termin_bot' "$build"/tests/exporter/*.py | xargs -r rm
cat > "$build/pytest.ini" <<'EOF'
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
markers =
  endurance: takes its time
EOF
grep -oE '^[A-Za-z0-9._-]+==[^ ;\\]+' requirements/dev.txt | sort -u > "$build/locked.txt"
grep -vE '^(httpx|opentelemetry-.*|pydantic.*|wrapt)==' "$build/locked.txt" > "$build/oldest.txt"
cat >> "$build/oldest.txt" <<'EOF'
httpx==0.27.0
opentelemetry-api==1.39.0
opentelemetry-sdk==1.39.0
opentelemetry-distro==0.60b0
opentelemetry-instrumentation==0.60b0
pydantic-settings==2.6.0
EOF

try() { # python, constraints, name
  local venv=$build/$3
  "$1" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$2" \
    "$wheel" pytest pytest-asyncio hypothesis opentelemetry-distro cryptography
  echo "== $("$venv/bin/python" --version), $3 versions"
  (cd "$build" && "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/exporter)
  "$venv/bin/otel-umami" --version
}

works() { command -v "$1" > /dev/null && "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; }

oldest=${OLDEST_PYTHON:-.venv/bin/python}
newest=${NEWEST_PYTHON:-}
for each in python3.14 python3.13 python3.12; do
  if [ -z "$newest" ]; then
    path=$(ls -d "$HOME"/.pyenv/versions/"${each#python}".*/bin/python 2> /dev/null | tail -n 1 || true)
    works "$each" && newest=$each
    [ -z "$newest" ] && [ -n "$path" ] && works "$path" && newest=$path
  fi
done
try "$oldest" "$build/oldest.txt" oldest
if [ -n "$newest" ]; then
  try "$newest" "$build/locked.txt" newest
else
  echo "no newer Python than $($oldest --version) on this machine: only that one was tried"
fi
