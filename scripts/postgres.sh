#!/usr/bin/env bash
# Run a PostgreSQL of one's own until standard input ends, and print its address: nothing is installed into the system's
# clusters, nothing listens on a network, nothing is kept.
#
#   scripts/postgres.sh install        make sure that Debian's PostgreSQL is there
#   scripts/postgres.sh run [FOLDER]   print one line, the address; serve until standard input ends (Ctrl-D)
#
# FOLDER holds the data (default: a new one in .cache/postgres), so any number of clones and runs are side by side.
# It keeps no promise of durability (fsync is off): it is for tests.
set -euo pipefail
cd "$(dirname "$0")/.."

programs() { # the newest installed server's programs; Debian keeps them out of the PATH
    for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(tr ':' ' ' <<<"$PATH"); do
        [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && echo "$folder" && return
    done
}

install() {
    [ -n "$(programs)" ] && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "installing Debian's postgresql for the tests ..." >&2
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends -y postgresql >/dev/null
        return
    fi
    echo "No PostgreSQL: install it (Debian: apt-get install postgresql); half of the bot's tests need it." >&2
    exit 1
}

run() {
    install
    bin=$(programs)
    mkdir -p .cache/postgres
    data=${1:-$(mktemp -d .cache/postgres/run-XXXXXX)}
    # A socket's path has at most 107 characters, and nobody else may enter: a short folder of its own.
    socket=$(mktemp -d "${TMPDIR:-/tmp}/pg-XXXXXX")
    as=() # PostgreSQL refuses to run as root
    if [ "$(id -u)" = 0 ]; then
        user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
        mkdir -p "$data"
        chown "$user" "$data" "$socket"
        if ! "${as[@]}" test -w "$data"; then # a clone that other users may not enter
            rmdir "$data"
            data=$socket/data
            "${as[@]}" mkdir "$data"
        fi
    fi
    data=$(realpath "$data")
    trap 'rm -rf "$data" "$socket"' EXIT
    cd /
    "${as[@]}" "$bin/initdb" --pgdata="$data" --username=bot --auth=trust --encoding=UTF8 --locale=C --no-sync \
        --no-instructions >"$socket/initdb.log" 2>&1 || { cat "$socket/initdb.log" >&2; exit 1; }
    "${as[@]}" "$bin/postgres" -D "$data" -c listen_addresses= -c unix_socket_directories="$socket" -c fsync=off \
        -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=64MB \
        -c wal_level=minimal -c max_wal_senders=0 -c autovacuum=off </dev/null >"$socket/server.log" 2>&1 &
    server=$!
    trap 'kill -INT "$server" 2>/dev/null; wait "$server" || true; rm -rf "$data" "$socket"' EXIT
    trap 'exit 0' INT TERM
    for _ in $(seq 1200); do # a minute, on a machine that has other things to do
        grep -qs '^ready' "$data/postmaster.pid" && break
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    grep -qs '^ready' "$data/postmaster.pid" || { cat "$socket/server.log" >&2; exit 1; }
    echo "postgresql://bot@/postgres?host=$socket"
    exec 3<&0
    cat <&3 >/dev/null & # wait for the end of standard input without being deaf to signals
    wait $! || true
}

case ${1:-} in
install) install ;;
run) shift; run "$@" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
