# One iteration of an unattended loop: preflight, launch with a test, postflight.
#
#     pwsh examples/loop_iteration.ps1 [TEST [ARGUMENT ...]]
#
# Everything is told by exit codes and JSON (docs/exit-codes.md, docs/json.md). The iteration's own exit code is the
# first one that is not 0: that of preflight, of the test or the launch, of postflight.
param([Parameter(ValueFromRemainingArguments)] [string[]] $Test = @('demo-client', 'consensus'))

cargo xtask preflight
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
try {
    # --owner-pid: should this script be killed, the run ends too.
    $launch = @('xtask', 'launch', '--clients', '3', '--owner-pid', $PID, '--format', 'json', '--') + $Test
    & cargo @launch | ForEach-Object {
        $said = ConvertFrom-Json $_
        if ($said.event -eq 'run_finished') {
            '{0}: {1}; {2} leaks, {3} survivors' -f $said.exit.name, $said.message, $said.leaks, $said.survivors
        }
    }
    $code = $LASTEXITCODE
} finally {
    cargo xtask postflight
    $cleaned = $LASTEXITCODE
}
exit $(if ($code -ne 0) { $code } else { $cleaned })
