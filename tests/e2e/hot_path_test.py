"""Hot calls: no system call on their way, in either direction, and no daemon woken. Counted by strace, and in /proc.

strace disturbs what it counts: a traced system call takes some 50 us, in which the other side comes to sleep, so that it must be woken
by another one. Hence the bound of 0.2 a call, in the best of a few rounds (undisturbed it is below 0.01), and beside it how often
the processes were given a core, which is counted without touching them.
"""
import os
import re
import select
import shutil
import signal
import subprocess

import pytest

from support import processes, settings

CALLS = 100_000
PUTS = 3000
TRACED_MAX = CALLS // 5
SWITCHES = re.compile(r"ctxt_switches:\s*(\d+)")


def system_calls(path):
    """{name: count} of what `strace -c` wrote."""
    found = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]) and words[3].isdigit() and words[-1] != "total":
            found[words[-1]] = int(words[3])
    return found


def switches(pid):
    """How often the threads of a process were given a core, so far."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += sum(map(int, SWITCHES.findall(file.read())))
    return total


class Hot:
    """The program, one worker, and what is known of them."""

    def __init__(self, run, mail, home, how):
        self.home = home
        stdin, self.stdin = os.pipe()
        self.program = run("hot", how, mail.path, environment={"REEVE_SLOTS": "1"}, stdin=stdin)
        os.close(stdin)
        pids = [int(mail.until_count(kind, 1)[0][1]) for kind in ("driver", "worker")]
        self.driver, self.worker = pids
        self.node, = [process.pid for process in home.processes("node")]
        self.make(20_000) # channels, leases, memory and caches are there

    def make(self, count):
        said = self.program.out.count("made")
        os.write(self.stdin, b"%d\n" % count)
        self.program.until(lambda: self.program.out.count("made") > said, 60, f"{count} calls made")

    def traced(self, pid, count):
        """The system calls of all its threads while so many calls are made."""
        path = self.home.work / f"strace.{pid}"
        with subprocess.Popen(["strace", "-c", "-f", "-o", str(path), "-p", str(pid)], stderr=subprocess.PIPE) as strace:
            said = b""
            while b"attached" not in said:
                assert select.select([strace.stderr], [], [], settings.seconds(20))[0], said
                data = os.read(strace.stderr.fileno(), 4096)
                assert data, said
                said += data
            self.make(count)
            strace.send_signal(signal.SIGINT)
            strace.wait(settings.seconds(20))
        return system_calls(path)

    def end(self):
        os.close(self.stdin)
        self.program.succeed()


def fewest(hot, pid):
    """Of a few rounds: when somebody else takes one of the cores, the side that has the other waits, and says so to the kernel."""
    rounds = []
    while len(rounds) < 5 and not any(sum(found.values()) < TRACED_MAX for found in rounds):
        rounds.append(hot.traced(pid, CALLS))
    return min(rounds, key=lambda found: sum(found.values()))


@pytest.mark.parametrize("how", ["sync", "async"])
def test_no_system_calls(run, mail, home, how, capsys):
    """While one side is traced its system calls are slow, so the other waits for it and may sleep: each is traced alone."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("driver and worker need a core each")
    hot = Hot(run, mail, home, how)
    for kind, pid in (("driver", hot.driver), ("worker", hot.worker)):
        found = fewest(hot, pid)
        with capsys.disabled():
            print(f"\n{how}, {kind}: {sum(found.values()) / CALLS:.4f} system calls a call: {found}")
        assert sum(found.values()) < TRACED_MAX, found
    hot.end()


def test_puts_do_not_wait(run, mail, home, capsys):
    """A value put and released is two messages, and a third when there is too little room left for the next. It was seven, and a wait,
    for a size of which several rests of what had been granted were just too small."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    hot = Hot(run, mail, home, "puts")
    found = hot.traced(hot.driver, PUTS)
    with capsys.disabled():
        print(f"\nputs: {sum(found.values()) / PUTS:.2f} system calls a put: {found}")
    assert found["sendmsg"] < 3.5 * PUTS, found
    hot.end()


@pytest.mark.parametrize("how", ["sync", "async"])
def test_no_daemon_is_woken(run, mail, home, how, capsys):
    """It wakes for its timers, and not more often for ten times as many calls. How often driver and worker were given a core is shown
    beside it: it depends on whether they had one each."""
    hot = Hot(run, mail, home, how)
    pids = {"driver": hot.driver, "worker": hot.worker, "node": hot.node}
    counts = []
    for count in (CALLS // 10, CALLS, CALLS, CALLS):
        before = {kind: switches(pid) for kind, pid in pids.items()}
        hot.make(count)
        counts.append({kind: switches(pid) - before[kind] for kind, pid in pids.items()})
    with capsys.disabled():
        print(f"\n{how}: got a core, in {CALLS // 10} calls and three times {CALLS}: {counts}")
    assert all(count["node"] < CALLS // 1000 for count in counts)
    hot.end()
