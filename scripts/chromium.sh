#!/usr/bin/env bash
# Make sure that a Chromium is there for the page tests. Debian and Ubuntu: installed when we may; elsewhere: said.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "installing Debian's chromium for the page tests ..."
    wait="-o DPkg::Lock::Timeout=300" # somebody else may be installing
    apt-get $wait update -qq
    DEBIAN_FRONTEND=noninteractive apt-get $wait install -qq --no-install-recommends -y chromium fonts-dejavu-core >/dev/null
    exit 0
fi
if [ "${CI:-}" = true ]; then
    echo "No Chromium, and it cannot be installed here: the page tests cannot run." >&2
    exit 1
fi
echo "No Chromium found: the page tests will be skipped. Install chromium to run them." >&2
