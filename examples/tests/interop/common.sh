# Shared by the suites: counting verdicts, and starting and ending a server on loopback.
# A suite sources this file, is given IM_SERVER (a binary) and DEMO (the folder that im-demo wrote), and ends with `finish`.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
server_binary=$(realpath "$1")
demo=$(realpath "$2")
binaries=$(dirname "$server_binary")
work=$(mktemp -d)
passed=0
failed=0
pids=()

end_all() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap end_all EXIT

verdict() { # NAME STATUS LOG
  if [ "$2" = 0 ]; then passed=$((passed + 1)); echo "ok      $1"
  else failed=$((failed + 1)); echo "FAILED  $1"; tail -n 40 "$3"; fi
}

attempt() { # NAME COMMAND...: counts whether the command succeeds
  local name=$1 status=0
  shift
  "$@" > "$work/$name.log" 2>&1 || status=$?
  verdict "$name" "$status" "$work/$name.log"
}

wait_for() { # SECONDS COMMAND...: until the command succeeds
  local tenths=$(($1 * 10))
  shift
  for _ in $(seq "$tenths"); do "$@" > /dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}

start_server() { # reads the configuration from standard input; sets $server, and $ready to what the server printed
  cat > "$work/server.toml"
  ready=$work/ready
  "$server_binary" --config "$work/server.toml" > "$ready" 2> "$work/server.log" &
  server=$!
  pids+=("$server")
  wait_for 10 test -s "$ready" || { cat "$work/server.log"; return 1; }
}

end_server() { # asks the server to end, and counts whether it does so politely
  local status=0
  kill -TERM "$server"
  wait "$server" || status=$?
  verdict "$1" "$status" "$work/server.log"
}

address() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["ready"][sys.argv[2]])' "$ready" "$1"; }

finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
