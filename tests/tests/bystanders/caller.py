"""A loop script of the project that calls the tool, as the end of a line of scripts of the project.

The leader of the session is no ancestor of it: what was between them has left. Each process writes down its PID.
"""

import json
import os
import signal
import subprocess
import sys
import time

# See starter.py: whatever is sent to a process here stays pending, and shows.
BLOCKED = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}


def unblock():
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def enroll():
    open(f"{os.environ['ROLL']}/caller.{os.getpid()}", "w").close()


def lead():
    """Leaves an orphan in this session, which has a line of scripts below it."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, sys.argv[0], "4"])
        os._exit(0)
    os.wait()
    enroll()
    time.sleep(85)


def call():
    """Calls the tool as often as it is told to, a line of JSON for each call."""
    enroll()
    for line in sys.stdin:
        told = json.loads(line)
        with open(told["output"], "wb") as output, open(told["errors"], "wb") as errors:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": errors}
            code = subprocess.run(told["command"], preexec_fn=unblock, **streams).returncode
        with open(told["done"] + ".new", "w") as file:
            file.write(str(code))
        os.rename(told["done"] + ".new", told["done"])


signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)
level = int(sys.argv[1]) if sys.argv[1:] else None
if level is None:
    lead()
elif level == 0:
    call()
else:
    enroll()
    subprocess.run([sys.executable, sys.argv[0], str(level - 1)])
