#!/bin/bash
# preStop hook of the Envoy container. It fails the health check, sends GOAWAY, and waits for requests in progress.
#
# Usage: drain.sh ADMIN_PORT LEAVE_SECONDS GOAWAY_SECONDS DRAIN_SECONDS
#
# It uses only bash and sleep, since Envoy's image has no curl.
set -u
admin_port=$1 leave_seconds=$2 goaway_seconds=$3 drain_seconds=$4

# admin METHOD PATH: print the answer of Envoy's admin interface; fail if Envoy is gone.
admin() {
  local connection line
  { exec {connection}<>"/dev/tcp/127.0.0.1/$admin_port"; } 2>/dev/null || return
  printf '%s %s HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" >&"$connection"
  while IFS= read -r line <&"$connection"; do printf '%s\n' "${line%$'\r'}"; done
  exec {connection}>&-
}

# gauge NAME: print the value of http.clients.NAME.
gauge() {
  local answer
  answer=$(admin GET "/stats?filter=^http.clients.$1\$") || return
  [[ $answer =~ http\.clients\.$1:\ ([0-9]+) ]] && printf '%s' "${BASH_REMATCH[1]}"
}

# Fail readiness and the health check of balancers. Envoy serves on until they have noticed.
# An Envoy that is starting does not answer yet. It would ignore SIGTERM, and the pod would stay until it is killed.
SECONDS=0
until admin POST /healthcheck/fail >/dev/null; do
  ((SECONDS < 10)) || exit 0
  sleep 0.5
done
sleep "$leave_seconds"

# Each answer now carries a GOAWAY, and its client connects to another Envoy.
admin POST '/drain_listeners?graceful&skip_exit' >/dev/null
SECONDS=0
while ((SECONDS < drain_seconds)); do
  connections=$(gauge downstream_cx_active) && requests=$(gauge downstream_rq_active) || exit 0
  ((connections == 0)) && exit 0
  ((requests == 0 && SECONDS >= goaway_seconds)) && exit 0
  sleep 1
done
