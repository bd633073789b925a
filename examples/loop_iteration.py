#!/usr/bin/env python3
"""One iteration of an unattended loop: preflight, launch with a test, postflight.

    python3 examples/loop_iteration.py [TEST [ARGUMENT ...]]

Everything is told by exit codes and JSON (docs/exit-codes.md, docs/json.md). The iteration's own exit code is the
first one that is not 0: that of preflight, of the test or the launch, of postflight.
"""

import json
import os
import signal
import subprocess
import sys

XTASK = ["cargo", "xtask"]


def main():
    test = sys.argv[1:] or ["demo-client", "consensus"]
    # Ctrl+C reaches the command that runs at that moment, which ends everything and says so with 130.
    signal.signal(signal.SIGINT, lambda *_: None)
    code = subprocess.call(XTASK + ["preflight"])
    if code != 0:
        return code
    try:
        code = launch(test)
    finally:
        cleaned = subprocess.call(XTASK + ["postflight"])
    return code or cleaned


def launch(test):
    """Runs the test against three clients, and sums up the last event in one line."""
    # --owner-pid: should this script be killed, the run ends too.
    owner = ["--owner-pid", str(os.getpid())]
    command = XTASK + ["launch", "--clients", "3", *owner, "--format", "json", "--", *test]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "run_finished":
                print("{exit[name]}: {message}; {leaks} leaks, {survivors} survivors".format(**event))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
