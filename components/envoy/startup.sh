#!/bin/bash
# Startup probe of the Envoy container. It passes once Envoy is ready and has accepted each secret.
#
# Usage: startup.sh ADMIN_PORT SECRET...
#
# An Envoy that has refused a certificate says that it is ready, and closes the connection of every client.
# It uses only bash, since Envoy's image has no curl.
set -u
admin_port=$1
shift

exec {connection}<>"/dev/tcp/127.0.0.1/$admin_port" || exit 1
filter='^(server.state%7Csds[.].*[.]update_success)$'
printf 'GET /stats?filter=%s HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n' "$filter" >&"$connection"
answer=
while IFS= read -r line <&"$connection"; do answer+="${line%$'\r'}"$'\n'; done

[[ $answer == *$'\nserver.state: 0\n'* ]] || { echo 'Envoy is still starting'; exit 1; }
refused=()
for secret; do
  [[ $answer =~ sds\.$secret\.update_success:\ [1-9] ]] || refused+=("$secret")
done
((${#refused[@]} == 0)) || { echo "Envoy has not accepted: ${refused[*]}"; exit 1; }
