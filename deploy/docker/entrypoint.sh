#!/bin/sh
# Secrets come as files: where NAME_FILE is set, NAME is read from that file, for the program only.
# A closed list. UMAMI_BRIDGE_TOKEN_FILE is not on it: the bridge reads that file itself.
set -eu
for name in TELEGRAM_BOT_TOKEN DATABASE_URL ENCRYPTION_KEYS WEBHOOK_SECRET UMAMI_ENDPOINT UMAMI_PROJECTION_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || { echo "${name}_FILE: the file cannot be read" >&2; exit 2; }
    value=$(cat "$file")
    export "$name=$value"
done
exec "$@"
