#!/usr/bin/env bash
# One iteration of an unattended loop: preflight, launch with a test, postflight.
#
#     examples/loop_iteration.sh [TEST [ARGUMENT ...]]
#
# Everything is told by exit codes and JSON (docs/exit-codes.md, docs/json.md; `jq` reads it). The iteration's own exit
# code is the first one that is not 0: that of preflight, of the test or the launch, of postflight.
set -uo pipefail

test=("$@")
[[ $# -gt 0 ]] || test=(demo-client consensus)

# The line that sums up the last event.
readonly sum_up='select(.event == "run_finished") |
    "\(.exit.name): \(.message); \(.leaks) leaks, \(.survivors) survivors"'

postflight() {
    local code=$?
    cargo xtask postflight
    local cleaned=$?
    exit $((code != 0 ? code : cleaned))
}

# Ctrl+C reaches the command that runs at that moment, which ends everything and says so with 130.
trap : INT
cargo xtask preflight || exit
trap postflight EXIT
# --owner-pid: should this script be killed, the run ends too.
cargo xtask launch --clients 3 --owner-pid $$ --format json -- "${test[@]}" |
    (trap '' INT && exec jq --raw-output --unbuffered "$sum_up")
exit "${PIPESTATUS[0]}"
