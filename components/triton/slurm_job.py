"""The script of a job around interLink's own: the server's address, its tunnels, and its drain.

The Slurm plugin puts the annotation `slurm-job.vk.io/pre-exec` into job.slurm, after the commands of the virtual node
that set the SONIC_TUNNEL_… variables and before the last line, which runs job.sh. The script runs job.sh itself and
ends with it, so that last line is never reached. docs/slurm.md says what an operator sees of it.
"""

from components.triton.server import GRPC_PORT, HTTP_PORT, METRICS_PORT

ADDRESS_VARIABLE = "SONIC_ADDRESS"
"""Variable with the server's address, in the job and in its container."""
FAILED_JOB_SECONDS = 60
"""Shortest life of a job that fails. Kubernetes replaces a failed pod at once, and its tunnel pod stays: without a
pause, servers that cannot start would fill the namespace's quota within minutes. The agent deletes up to five a
minute."""


def job_script(
    *,
    data_folder: str,
    namespace: str,
    tunnel_client: str,
    pre_stop_seconds: int,
    failed_job_seconds: int = FAILED_JOB_SECONDS,
) -> str:
    """Return the script, for bash.

    Args:
        data_folder: folder of the plugin, in which each job has one of its own.
        namespace: namespace of the stack.
        tunnel_client: definition of the function `tunnel`, which runs one tunnel.
        pre_stop_seconds: time from the end of the HTTP tunnel until no Envoy has the server.
        failed_job_seconds: shortest life of a job that fails.
    """
    return f"""\
: "${{SONIC_TUNNEL_HOST:?is not set: the WstunnelCommand of the virtual node must set it, see docs/slurm.md}}"
folder={data_folder.rstrip("/")}/{namespace}-$SLURM_JOB_NAME
if [ ! -f "$folder/job.sh" ]; then
  echo "sonic: $folder/job.sh is not there: site.virtual_nodes[].slurm.data_folder is not the plugin's" >&2
  exit 1
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Each job has an address of the loopback network, so that two servers on one host share no port, the network of the
# compute nodes does not reach the server, and a health check reaches this one or none.
export {ADDRESS_VARIABLE}=127.$((64 + SLURM_JOB_ID / 65536 % 64)).$((SLURM_JOB_ID / 256 % 256)).$((SLURM_JOB_ID % 256))
export APPTAINERENV_{ADDRESS_VARIABLE}=${ADDRESS_VARIABLE} SINGULARITYENV_{ADDRESS_VARIABLE}=${ADDRESS_VARIABLE}

# The plugin's probes run curl on http://localhost:{HTTP_PORT}.
cat >"$work/.curlrc" <<END
connect-to = "localhost:{HTTP_PORT}:${ADDRESS_VARIABLE}:{HTTP_PORT}"
noproxy = "*"
END
export CURL_HOME=$work

{tunnel_client}
# Runs a tunnel again whenever it ends, until SIGTERM.
keep() {{
  trap 'kill "$!" 2>/dev/null; exit' TERM
  while :; do
    (tunnel "$@") &
    wait "$!"
    sleep 2 &
    wait "$!"
  done
}}

# Waits for a number of seconds, or until job.sh has ended.
wait_for_job() {{
  local second
  for ((second = 0; second < $1; second++)); do
    kill -0 "$job" 2>/dev/null || return
    sleep 1
  done
}}

# Prints the processes of tritonserver below job.sh.
servers() {{
  ps -e -o pid= -o ppid= -o comm= | awk -v root="$job" '
    {{ parent[$1] = $2; if ($3 == "tritonserver") found[$1] }}
    END {{ for (pid in found) {{ for (p = pid; p in parent && p != root; p = parent[p]); if (p == root) print pid }} }}'
}}

# SIGTERM comes from scancel, and by --signal before the time limit.
drain() {{
  trap '' TERM
  echo "sonic: drain: the tunnel pod becomes unready"
  kill "$http"
  wait_for_job {pre_stop_seconds}
  local pids pid
  pids=$(servers)
  echo "sonic: drain: SIGTERM to tritonserver (${{pids:-none runs}})"
  for pid in $pids; do
    kill -TERM "$pid"
  done
  for pid in $pids; do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.3; done
  done
  # job.sh then ends with the server's exit code. Without its folder, which interLink removes when a pod is deleted, it
  # would wait for a file there.
  wait_for_job 5
  if kill -0 "$job" 2>/dev/null; then
    end 0
  fi
  wait "$job"
  end "$?"
}}

# Ends the tunnels and the job. Slurm kills what is left.
end() {{
  kill "$grpc" "$http" 2>/dev/null
  echo "sonic: the job ends with exit code $1"
  exit "$1"
}}

keep {GRPC_PORT} &
grpc=$!
keep {HTTP_PORT} {METRICS_PORT} &
http=$!
# Without a TERM of its own: only the drain stops the server.
(trap '' TERM && exec "$BASH" "$folder/job.sh") &
job=$!
trap drain TERM
wait "$job"
code=$?
# Kubernetes replaces the pod of a failed job at once.
if [ "$code" != 0 ] && [ "$SECONDS" -lt {failed_job_seconds} ]; then
  echo "sonic: the server failed with exit code $code after $SECONDS s: the job ends after {failed_job_seconds} s"
  sleep $(({failed_job_seconds} - SECONDS)) &
  wait "$!"
fi
end "$code"
"""
