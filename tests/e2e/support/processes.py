"""Processes: those of a test are known by a mark in their environment; waiting is on pidfds and pipes, never by sleeping."""
import os
import select
import signal
import subprocess
import time

from . import settings


class Late(AssertionError):
    """Something did not happen in time."""


class Process:
    """One process as /proc shows it."""

    def __init__(self, pid, parent, command, environment):
        self.pid = pid
        self.parent = parent
        self.command = command
        self.environment = environment
        name = os.path.basename(command[0]) if command else ""
        if name == "reeve" and len(command) > 1 and command[1] in ("head", "worker"):
            self.kind = {"head": "head", "worker": "node"}[command[1]]
        elif "REEVE_WORKER" in environment:
            self.kind = "worker"
        else:
            self.kind = "other"

    def __repr__(self):
        return f"{self.kind} {self.pid} (of {self.parent}): {' '.join(self.command)}"


def read(pid):
    """The process, or None when it is gone, a zombie, or not ours to look at."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = dict(
                item.split("=", 1) for item in file.read().decode(errors="replace").split("\0") if "=" in item)
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return Process(int(pid), int(fields[1]), command, environment)


def marked(mark):
    """All live processes with this mark."""
    found = (read(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process and process.environment.get(settings.MARK_NAME) == mark]


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def nameless_files(pid):
    """Descriptors, as paths, of the files without a name that it has open: what a store has on disk."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(entry.path)
        except FileNotFoundError:
            continue
        if target.endswith("(deleted)") and not target.startswith(("/memfd:", "/dev")):
            found.append(entry.path)
    return found


def store_bytes(pid):
    """Memory that the store of that node daemon holds."""
    total = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(entry.path).startswith("/memfd:reeve-store"):
                total += os.stat(entry.path).st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def wait_gone(pids, within, what="processes"):
    """Until all have ended. Returns how long it took."""
    begin = time.monotonic()
    poll, waiting = select.poll(), {}
    try:
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            waiting[fd] = pid
            poll.register(fd, select.POLLIN)
        open_fds = set(waiting)
        while open_fds:
            left = begin + within - time.monotonic()
            events = poll.poll(max(0, left * 1000))
            if not events:
                alive = [read(waiting[fd]) for fd in open_fds]
                raise Late(f"{what} still there after {within:g} s: {[p for p in alive if p]}")
            for fd, _ in events:
                poll.unregister(fd)
                open_fds.discard(fd)
    finally:
        for fd in waiting:
            os.close(fd)
    return time.monotonic() - begin


def until(condition, within, what):
    """Asks again and again: for what nothing can be waited on, such as a line of `reeve status`. Returns what the condition gave."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"not within {within:g} s: {what}")
        select.select([], [], [], 0.02)


class Program:
    """A program with its output in pipes, which are read whenever something is waited for."""

    def __init__(self, command, environment, folder=None, read_output=True, stdin=subprocess.DEVNULL, pass_fds=(),
                 process_group=None):
        self.command = [str(word) for word in command]
        self.begin = time.monotonic()
        self.popen = subprocess.Popen(
            self.command, env=environment, cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            pass_fds=pass_fds, process_group=process_group)
        self.pid = self.popen.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.bytes = {"out": b"", "err": b""}
        self.open = {self.popen.stdout.fileno(): "out", self.popen.stderr.fileno(): "err"}
        for fd in self.open:
            os.set_blocking(fd, False)
        self.read_output = read_output
        self.status = None

    @property
    def out(self):
        return self.bytes["out"].decode(errors="replace")

    @property
    def err(self):
        return self.bytes["err"].decode(errors="replace")

    def said(self):
        return f"$ {' '.join(self.command)}\n{self.out[-4000:]}\n--- stderr ---\n{self.err[-4000:]}"

    def turn(self, left):
        poll = select.poll()
        if self.status is None:
            poll.register(self.pidfd, select.POLLIN)
        for fd in self.open if self.read_output else ():
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(max(0, left * 1000)):
            if fd == self.pidfd:
                self.status = self.popen.wait()
                continue
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                continue
            self.bytes[self.open[fd]] += data
            if not data:
                del self.open[fd]

    def until(self, condition, within, what):
        deadline = time.monotonic() + settings.seconds(within)
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late(f"not within {within:g} s: {what}\n{self.said()}")
            if self.status is not None and not (self.read_output and self.open):
                raise Late(f"it ended with {self.status}, without: {what}\n{self.said()}")
            self.turn(left)

    def wait(self, within=30):
        """Until it has ended and its output is at its end. Returns the exit status."""
        self.until(lambda: self.status is not None and not (self.read_output and self.open), within, "its end")
        self.took = time.monotonic() - self.begin
        return self.status

    def succeed(self, within=30):
        """Ends with status 0. Returns its output."""
        assert self.wait(within) == 0, f"exit status {self.status}\n{self.said()}"
        return self.out

    def until_line(self, text, within=30, stream="out"):
        self.until(lambda: text.encode() in self.bytes[stream], within, f'"{text}"')

    def kill(self, number=signal.SIGKILL):
        if self.status is None:
            kill(self.pid, number)

    def close(self):
        """Whatever state it is in."""
        if self.status is None:
            self.kill()
            self.status = self.popen.wait()
        self.popen.stdout.close()
        self.popen.stderr.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Mail:
    """A fifo into which functions report, wherever they run (programs/say.h); and the gate at which they wait."""

    def __init__(self, folder):
        self.path = str(folder / "mail")
        self.gate = str(folder / "gate")
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.gate_fd = os.open(self.gate, os.O_RDWR | os.O_CREAT, 0o644)
        self.lines = []
        self.rest = b""
        self.shut()

    def shut(self):
        import fcntl
        fcntl.flock(self.gate_fd, fcntl.LOCK_EX)

    def let_go(self):
        import fcntl
        fcntl.flock(self.gate_fd, fcntl.LOCK_UN)

    def drain(self, left=0.0):
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if poll.poll(left * 1000):
            *lines, self.rest = (self.rest + os.read(self.fd, 65536)).split(b"\n")
            self.lines += [line.decode() for line in lines]
            return True
        return False

    def until(self, condition, within, what):
        deadline = time.monotonic() + settings.seconds(within)
        while not condition(self.lines):
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late(f"not within {within:g} s: {what}; mail so far: {self.lines}")
            self.drain(left)

    def count(self, word):
        while self.drain():
            pass
        return sum(line.split()[0] == word for line in self.lines)

    def until_count(self, word, count, within=20):
        self.until(lambda lines: sum(line.split()[0] == word for line in lines) >= count, within, f"{count} × {word}")
        return [line.split() for line in self.lines if line.split()[0] == word]

    def close(self):
        os.close(self.fd)
        os.close(self.gate_fd)


def pss_bytes(pid):
    """Its memory, what it shares with others divided by how many they are."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
