"""Starts the processes that are described on standard input as JSON, and says which PIDs they have got.

It says a line `NUMBER PID` for each, then `started` when all of them are the programs that they are to be. All are
orphans afterwards, but for those that are described as children of others.
"""

import json
import os
import pty
import resource
import signal
import sys

# A watched process blocks all of these from its first instruction on. Whatever is sent to it stays pending, and shows.
SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
BLOCKED = signal.valid_signals() - SYNCHRONOUS - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}

NEXT_PID = "/proc/sys/kernel/ns_last_pid"


def fork_as(wanted):
    """Forks, and takes this PID if one is given."""
    for _ in range(200):
        if wanted:
            with open(NEXT_PID, "w") as file:
                file.write(str(wanted - 1))
        pid = os.fork()
        if not wanted or wanted in (pid, os.getpid()):
            return pid
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    raise RuntimeError(f"PID {wanted} is not available")


def start(part):
    if fork_as(part.get("pid")) != 0:
        return
    try:
        become(part)
    except BaseException as error:
        os.write(faults_in, f"{part['argv']}: {error!r}\n".encode())
    os._exit(127)


def become(part):
    for child in part.get("children", []):
        start(child)
    os.write(1, f"{part['number']} {os.getpid()}\n".encode())
    if part.get("session") or part.get("terminal"):
        os.setsid()
    if part.get("terminal"):
        # The process holds both ends, so that its terminal stays for as long as it does.
        held, terminal = pty.openpty()
        os.set_inheritable(held, True)
        os.close(os.open(os.ttyname(terminal), os.O_RDWR))
    typed_out, typed_in = os.pipe()
    os.write(typed_in, part.get("input", "").encode())
    os.dup2(typed_out, 0)
    nowhere = os.open("/dev/null", os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.chdir(part["directory"])
    if "removed" in part:
        # Another one may have its own at the same moment.
        folder = f"{part['removed']}-{os.getpid()}"
        os.mkdir(folder)
        os.chdir(folder)
        os.rmdir(folder)
    if "limit" in part:
        resource.setrlimit(resource.RLIMIT_RTTIME, (part["limit"], part["limit"]))
    if "user" in part:
        os.setgroups([])
        os.setgid(part["user"])
        os.setuid(part["user"])
    if part.get("watched"):
        signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)
    os.execve(part["program"], part["argv"], part["environment"])


faults_out, faults_in = os.pipe()
for described in json.load(sys.stdin):
    start(described)
os.close(faults_in)
faults = b""
# Each process holds the other end until it has become another program.
while piece := os.read(faults_out, 65536):
    faults += piece
sys.stderr.write(faults.decode())
print("started" if not faults else "failed", flush=True)
