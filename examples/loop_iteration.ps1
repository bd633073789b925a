# One iteration of an unattended loop: preflight, launch with a test, postflight.
#
#     pwsh -File examples/loop_iteration.ps1 [TEST [ARGUMENT ...]]
#     powershell -ExecutionPolicy Bypass -File examples\loop_iteration.ps1 [TEST [ARGUMENT ...]]
#
# Everything is told by exit codes and JSON (docs/exit-codes.md, docs/json.md). The iteration's own exit code is the
# first one that is not 0: that of preflight, of the test or the launch, of postflight.
#
# Without `-File` Windows PowerShell passes no exit code on. Before 7.3 it loses quotes within arguments.

# Not with `param`, which would take flags of the test for its own: `-v` for `-Verbose`.
$test = if ($args.Count -gt 0) { $args } else { 'demo-client', 'consensus' }

# Exit codes are looked at here, and standard error is for people. Whatever the caller has set, neither is an exception.
$ErrorActionPreference = 'Continue'
$PSNativeCommandUseErrorActionPreference = $false
Set-StrictMode -Off

# Without it there would be no exit code to look at.
$null = Get-Command cargo -ErrorAction Stop

cargo xtask preflight
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
$encoding = [Console]::OutputEncoding
try {
    # What comes through a pipe is taken for text in the console's encoding, and is UTF-8. Without a console there is none.
    try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }
    # --owner-pid: should this script be killed, the run ends too. Ctrl+C does the same in PowerShell: it ends the commands
    # of a pipeline at once, and goes on below.
    $launch = @('xtask', 'launch', '--clients', '3', '--owner-pid', $PID, '--format', 'json', '--') + $test
    & cargo @launch | ForEach-Object {
        $line = $_
        $said = try { ConvertFrom-Json $line } catch { $null }
        if ($said.event -eq 'run_finished') {
            '{0}: {1}; {2} leaks, {3} survivors' -f $said.exit.name, $said.message, $said.leaks, $said.survivors
        }
    }
    $code = $LASTEXITCODE
} finally {
    try { [Console]::OutputEncoding = $encoding } catch { }
    cargo xtask postflight
    $cleaned = $LASTEXITCODE
}
exit $(if ($code -ne 0) { $code } else { $cleaned })
