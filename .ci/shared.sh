# What the scripts here that run usher share; they source it, and have set -euo
# pipefail. $work is a folder that goes when the script ends, and so does every
# server that start has started.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
servers=()
trap 'stop; rm -rf "$work"' EXIT

# build makes $work/usher.
build() {
  (cd "$root" && CGO_ENABLED=0 go build -o "$work/usher" ./cmd/usher)
}

# start FLAG… starts a server on a free port and sets address once it is ready. Its
# log is $work/log, which begins anew.
start() {
  rm -f "$work/ready" "$work/log"
  "$work/usher" serve --listen 127.0.0.1:0 --ready-file "$work/ready" --log-format json "$@" 2>"$work/log" >/dev/null &
  local server=$!
  servers+=("$server")
  for _ in $(seq 200); do
    if [ -e "$work/ready" ]; then
      address=$(sed 's|.*"all":"http://\([^"]*\)".*|\1|' "$work/ready")
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  cat "$work/log" >&2
  return 1
}

# stop ends the servers that start has started.
stop() {
  local server
  for server in "${servers[@]}"; do
    kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
  done
  servers=()
}

# quietly COMMAND… runs it within ten minutes, and prints its output only if it fails.
quietly() {
  timeout 600 "$@" >"$work/output" 2>&1 || {
    echo "$* failed:"
    cat "$work/output"
    return 1
  }
}

# venv REQUIREMENTS installs what the file pins, and nothing else, for Python, once
# per machine, and sets venv to the folder.
venv() {
  venv=${XDG_CACHE_HOME:-$HOME/.cache}/usher-venv/$(cat "$1" <(python3 --version) | sha256sum | cut -c1-16)
  [ ! -e "$venv/complete" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  quietly "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$1"
  touch "$venv/complete"
}
