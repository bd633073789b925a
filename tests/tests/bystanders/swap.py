"""Runs a command, and at the very moment of a system call of it lets strangers take the PIDs of scripts of a project.

Arguments: the number of the system call, how many scripts, the scope, a program called `python3`, a program called
`sshd`, and the command. What the command prints goes to standard output; then comes a line for each stranger: `ok`, or
what was done to it. `not traced` comes where this process may not trace another.
"""

import ctypes
import os
import signal
import sys

TRACEME, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
# System calls can be told from signals, new threads and processes are traced too, and all of them end with this one.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x100000
ENTRY = 1
SYNCHRONOUS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
BLOCKED = signal.valid_signals() - SYNCHRONOUS - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_ulong, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

wanted_call, count = int(sys.argv[1]), int(sys.argv[2])
scope, script, stranger = sys.argv[3:6]
command = sys.argv[6:]


def start(program, wanted=None):
    for _ in range(200):
        if wanted:
            with open("/proc/sys/kernel/ns_last_pid", "w") as file:
                file.write(str(wanted - 1))
        pid = os.fork()
        if pid == 0:
            if wanted and os.getpid() != wanted:
                os._exit(0)
            os.chdir(scope)
            if program is stranger:
                signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)
            os.execv(program, [os.path.basename(program), "client.py"])
        if not wanted or pid == wanted:
            return pid
        os.waitpid(pid, 0)
    raise RuntimeError(f"PID {wanted} is not available")


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


def harm(pid):
    """What was done to a process that blocks all signals. They stay pending, and show."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":\t", 1) for line in file)
    state = fields["State"].strip()
    pending = int(fields["ShdPnd"], 16) | int(fields["SigPnd"], 16)
    return "ok" if state[0] in "RSD" and not pending else f"{state}, pending {pending:x}"


def is_entry(thread):
    info = (ctypes.c_uint64 * 16)()
    libc.ptrace(GET_SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
    # The first byte says what kind of stop it is; the number of the call comes behind two addresses.
    return info[0] & 0xFF == ENTRY and info[3] == wanted_call


def follow(first, at_call):
    """Lets the command run, and calls back once at the call."""
    os.waitpid(first, 0)
    libc.ptrace(SETOPTIONS, first, None, OPTIONS)
    libc.ptrace(SYSCALL, first, None, None)
    is_done = False
    while True:
        thread, status = os.waitpid(-1, 0x40000000)
        if not os.WIFSTOPPED(status):
            if thread == first:
                return is_done
            continue
        stop, delivered = status >> 8, 0
        if stop == signal.SIGTRAP | 0x80:
            if not is_done and is_entry(thread):
                is_done = True
                at_call()
        elif stop < 0x80 and stop not in (signal.SIGTRAP, signal.SIGSTOP):
            delivered = stop
        libc.ptrace(SYSCALL, thread, None, delivered)


def swap():
    end(scripts)
    strangers.extend(start(stranger, pid) for pid in scripts)


scripts = [start(script) for _ in range(count)]
strangers = []
traced = os.fork()
if traced == 0:
    if libc.ptrace(TRACEME, 0, None, None) != 0:
        print("not traced", flush=True)
        os._exit(0)
    os.execvp(command[0], command)
was_there = follow(traced, swap)
for pid in strangers:
    print(harm(pid), flush=True)
end(strangers if was_there else scripts)
