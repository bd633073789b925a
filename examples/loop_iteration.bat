@echo off
rem One iteration of an unattended loop: preflight, launch with a test, postflight.
rem
rem     examples\loop_iteration.bat [TEST [ARGUMENT ...]]
rem
rem Everything is told by exit codes (docs\exit-codes.md). The iteration's own exit code is the first one that is not 0:
rem that of preflight, of the test or the launch, of postflight.
rem
rem After Ctrl+C the run ends, and cmd asks whether to terminate this batch job: N goes on to postflight.
setlocal
set test=%*
if not defined test set test=demo-client consensus

cargo xtask preflight
if not %errorlevel% == 0 exit /b %errorlevel%
cargo xtask launch --clients 3 -- %test%
set code=%errorlevel%
cargo xtask postflight
set cleaned=%errorlevel%
if not %code% == 0 exit /b %code%
exit /b %cleaned%
