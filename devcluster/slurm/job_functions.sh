# Functions of job.sh. It has no shebang, as the plugin's: bash runs it as the child of job.slurm.
highestExitCode=0
pidCtns=""

say() { printf '%s %s\n' "$(date -Is --utc)" "$*"; }

# runCtn NAME COMMAND…: starts a container. Its pid is that of the subshell that measures its time.
runCtn() {
  local ctn=$1; shift
  time ( "$@" ) >> "$workingPath/run-$ctn.out" 2>&1 &
  pidCtns="$pidCtns $!:$ctn"
  say "Running in background $ctn pid $!..."
}

waitCtns() {
  local entry exitCode
  for entry in $pidCtns; do
    wait "${entry%:*}"
    exitCode=$?
    echo "$exitCode" > "$workingPath/run-${entry#*:}.status"
    say "Container ${entry#*:} pid ${entry%:*} ended with status $exitCode."
    if (( exitCode > highestExitCode )); then highestExitCode=$exitCode; fi
  done
}

endScript() {
  say "End of script, highest exit code $highestExitCode..."
  exit "$highestExitCode"
}

# The host's own curl asks, outside of the container.
executeProbe() {
  local timeout=$1 kind=$2; shift 2
  if [[ $kind == http ]]; then
    timeout "$timeout" curl -f -s "$1" &> /dev/null
  else
    # A fresh container: it has the image and the runtime's default options, no binds and no environment.
    $executeIn timeout "$timeout" "$@"
  fi
}

# probe LOOP PROBE CONTAINER DELAY PERIOD TIMEOUT SUCCESSES FAILURES http URL | exec COMMAND…
probe() {
  local loop=$1 name=$2 ctn=$3 delay=$4 period=$5 timeout=$6 successesNeeded=$7 failuresAllowed=$8; shift 8
  local file="$workingPath/$name-probe-$ctn-0.status" successes=0 failures=0
  echo RUNNING > "$file"
  sleep "$delay"
  while true; do
    if executeProbe "$timeout" "$@"; then
      successes=$((successes + 1)) failures=0
      if (( successes >= successesNeeded )); then
        echo SUCCESS > "$file"
        if [[ $loop == once ]]; then say "$name probe succeeded for $ctn"; return 0; fi
      fi
    else
      failures=$((failures + 1)) successes=0
      say "$name probe failed for $ctn ($failures/$failuresAllowed)"
      if (( failures >= failuresAllowed )); then
        echo FAILED_THRESHOLD > "$file"
        if [[ $loop == once ]]; then exit 1; fi
      fi
    fi
    sleep "$period"
  done
}

runUntilSuccess() { probe once "$@"; }

# Nothing reads that a liveness probe failed.
runForever() { probe always "$@"; }

waitForProbe() {
  local file="$workingPath/$1-probe-$2-0.status" state
  while true; do
    state=$(cat "$file" 2> /dev/null)
    if [[ $state == SUCCESS ]]; then return 0; fi
    if [[ $state == FAILED_THRESHOLD ]]; then say "$1 probe failed for $2"; return 1; fi
    sleep 1
  done
}

endContainersOnFailedProbe() {
  local entry
  for entry in $pidCtns; do
    kill "${entry%:*}"
    echo 1 > "$workingPath/run-${entry#*:}.status"
  done
}
