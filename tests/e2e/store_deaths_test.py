"""kill -9 at every step of using the store, and a thousand times at random under load: what the dead held comes back, all of it; what the
living hold is never touched, and nobody sees a wrong byte (programs/deaths.c, deaths_load.c).

The long test ends after some 45 s; REEVE_KILLS=1000 sets how many are to be killed instead, REEVE_E2E_SEED repeats a run's choices."""
import json
import os
import random
import select
import signal
import time

import pytest

from conftest import find_program
from support import processes, settings

KILLS = int(os.environ.get("REEVE_KILLS", "0"))
SEED = int(os.environ.get("REEVE_E2E_SEED", random.SystemRandom().randrange(1 << 32)))
LOAD_SECONDS = 45
# Of `reeve objects`: 0 when no program is there. Not memory, which is kept warm.
NOTHING = ("objects", "pins", "used_bytes", "unsealed_bytes", "pinned_bytes", "copy_bytes", "waiting", "holds", "untold", "spilled",
           "spilled_bytes", "disk_bytes")


def totals(cluster):
    done = cluster.tool("objects", "--json")
    return json.loads(done.stdout)["totals"] if done.returncode == 0 else None


def left(cluster):
    """What the stores hold, where it is not 0."""
    found = totals(cluster)
    return "no answer" if found is None else {key: found[key] for key in NOTHING if found[key]}


class _Left:
    """Looked up when it is printed."""

    def __init__(self, cluster):
        self.cluster = cluster

    def __str__(self):
        return f"empty stores; they hold {left(self.cluster)}\n{self.cluster.tool('objects').stdout}"


def until_empty(cluster, within=10):
    processes.until(lambda: not left(cluster), settings.seconds(within), _Left(cluster))


@pytest.fixture
def one_node(empty_cluster, mail):
    """A store of 64 MiB that cannot spill: what is lost of it is missed."""
    empty_cluster.start_head()
    empty_cluster.start_node(arguments=["--store", "64MiB", "--spill", "none"])

    def start(who, step=""):
        return empty_cluster.driver([find_program("deaths"), who, step, mail.path, mail.gate])

    empty_cluster.start_deaths = start
    return empty_cluster


def stopped_at(mail, step):
    """The process that has reported that it stops there, once it has."""
    pid = int(mail.until_count("at", 1)[0][2])
    assert mail.lines == [f"at {step} {pid}"]
    mail.lines.clear()

    def is_stopped():
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"

    processes.until(is_stopped, settings.seconds(5), f"{pid} stopped")
    return pid


def whole_store(cluster):
    """All of it can be used again."""
    until_empty(cluster)
    assert cluster.start_deaths("whole").succeed(60) == "ok whole\n"
    until_empty(cluster)


DRIVER_STEPS = ["create", "fill", "seal", "many", "some_released", "view", "got", "view_released", "released"]
WORKER_STEPS = ["argument", *DRIVER_STEPS, "result"]


@pytest.mark.parametrize("step", DRIVER_STEPS)
def test_driver_dies(one_node, mail, step):
    """While it is stopped, what it has is there; once it is dead, nothing is."""
    for _ in range(4):
        program = one_node.start_deaths("driver", step)
        stopped_at(mail, step)
        assert step == "released" or totals(one_node)["used_bytes"] >= 2 << 20
        program.kill()
        program.wait(5)
    whole_store(one_node)


@pytest.mark.parametrize("step", WORKER_STEPS)
def test_worker_dies(one_node, mail, step):
    """Its driver is told, and has its own value as it was; what the worker had is gone."""
    for _ in range(4):
        program = one_node.start_deaths("worker", step)
        pid = stopped_at(mail, step)
        assert pid != program.pid
        assert totals(one_node)["pins"] >= 1
        processes.kill(pid)
        assert program.succeed() == "REEVE_EWORKERDIED\nok worker\n"
    whole_store(one_node)


@pytest.mark.parametrize("who, steps", [("driver", DRIVER_STEPS), ("worker", WORKER_STEPS)])
def test_stopped_is_not_dead(one_node, mail, who, steps):
    """Whoever goes on finds everything as it was, though another has used the rest of the store meanwhile."""
    for step in steps:
        program = one_node.start_deaths(who, step)
        pid = stopped_at(mail, step)
        assert one_node.start_deaths("driver").succeed() == "ok driver\n"
        os.kill(pid, signal.SIGCONT)
        assert program.succeed() == ("REEVE_OK\n" if who == "worker" else "") + f"ok {who}\n"
    whole_store(one_node)


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
def test_reader_is_stopped(one_node, mail, end):
    """Its value's owner gives it up and uses three times what the store holds: the bytes are as they were for it, or come back."""
    program = one_node.start_deaths("reader")
    pid = stopped_at(mail, "reading")
    mail.let_go()
    program.until_line("churned\n")
    assert totals(one_node)["pins"] >= 1
    os.kill(pid, end)
    assert program.succeed() == f"churned\n{'right' if end == signal.SIGCONT else 'REEVE_EWORKERDIED'}\nok reader\n"
    whole_store(one_node)


@pytest.mark.parametrize("which", ["near", "far"])
def test_daemon_dies(cluster, mail, which):
    """With all that lay on its node. Of the far one, results are made again and the driver's own values are not concerned; of the near
    one the driver is told so, for each of its values."""
    program = cluster.driver([find_program("deaths"), "orphans", "", mail.path, mail.gate])
    mail.until_count("ready", 1)
    cluster.nodes[0 if which == "near" else 1].kill()
    mail.let_go()
    out = program.succeed(60).splitlines()
    assert out[-1] == "ok orphans"
    failed = [line.split()[1] for line in out[:-2]]
    if which == "far":
        assert failed == []
    else:
        assert set(failed) <= {"REEVE_ENODEDIED", "REEVE_ENOCLUSTER", "REEVE_ELOST"}
    assert out[-2] == f"{16 - len(failed)} good"
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0, what="no job")
    if which == "far":
        until_empty(cluster)


# ---- at random -----------------------------------------------------------------------------------


class Load:
    """Drivers that are started again whenever they end."""

    def __init__(self, cluster, home, pick, count):
        self.cluster, self.home, self.pick, self.count = cluster, home, pick, count
        self.drivers = []
        self.killed = {"driver": 0, "worker": 0, "node": 0}
        self.good = self.errors = self.ended = 0

    def fill_up(self):
        while len(self.drivers) < self.count:
            seed, rounds = self.pick.randrange(1, 4000), self.pick.choice([40, 400, 4000])
            self.drivers.append(self.cluster.driver([find_program("deaths_load"), seed, rounds]))

    def look(self):
        """Reads what they say, and takes away those that have ended."""
        for program in list(self.drivers):
            program.turn(0)
            if program.status is not None:
                self.take_away(program)

    def take_away(self, program):
        program.wait(10)
        assert "WRONG" not in program.out and program.status in (0, 1, -signal.SIGKILL), f"{program.status}: {program.said()}"
        self.ended += program.status == 0
        said = program.out.rpartition("\n")[0].split()[-2:] # lines that are whole
        if said:
            self.good, self.errors = self.good + int(said[0]), self.errors + int(said[1])
        if program.status == 1: # its own node was killed as it started
            assert self.killed["node"] and "node daemon" in program.err + program.out, program.said()
        program.close()
        self.drivers.remove(program)
        self.cluster.programs.remove(program)

    def kill_one(self):
        kind = self.pick.choices(["worker", "driver", "node"], [70, 28, 2])[0]
        if kind == "driver":
            program = self.pick.choice(self.drivers)
            program.kill()
            self.take_away(program)
        elif kind == "node":
            number = self.pick.randrange(len(self.cluster.nodes))
            self.cluster.nodes[number].kill()
            self.cluster.daemons.remove(self.cluster.nodes.pop(number))
            start_small_node(self.cluster, self.home)
        else:
            workers = self.home.processes("worker")
            if not workers:
                return
            processes.kill(self.pick.choice(sorted(workers, key=lambda process: process.pid)).pid)
        self.killed[kind] += 1

    def end(self):
        for program in list(self.drivers):
            program.kill()
            self.take_away(program)


def start_small_node(cluster, home):
    """Smaller than what the drivers have in it."""
    cluster.started = getattr(cluster, "started", 0) + 1
    cluster.start_node(name=f"small{cluster.started}", arguments=["--store", "32MiB", "--spill", home.work], log_level="info")


def test_many_deaths(empty_cluster, home):
    """Three drivers on two nodes, whose stores spill. After every 200 deaths all drivers end: then nothing may be there."""
    pick = random.Random(f"{SEED} deaths")
    print(f"REEVE_E2E_SEED={SEED}")
    empty_cluster.start_head()
    for _ in range(2):
        start_small_node(empty_cluster, home)
    load = Load(empty_cluster, home, pick, 3)
    begin = time.monotonic()
    spilled = 0
    while sum(load.killed.values()) < KILLS if KILLS else time.monotonic() - begin < LOAD_SECONDS:
        until = sum(load.killed.values()) + 200
        while sum(load.killed.values()) < until and (KILLS or time.monotonic() - begin < LOAD_SECONDS):
            load.fill_up()
            select.select([], [], [], pick.uniform(0, 0.1)) # the moment is the point: not a wait for something
            load.look()
            load.fill_up()
            load.kill_one()
        spilled += sum(node["spill"]["written"] for node in empty_cluster.status()["nodes"] if "spill" in node)
        load.end()
        until_empty(empty_cluster, 30)
        empty_cluster.until_status(lambda status: status["totals"]["jobs"] == 0 and status["totals"]["slots_used"] == 0, what="no jobs")
        print(f"{time.monotonic() - begin:.0f} s: killed {load.killed}; {load.ended} drivers ended of themselves, "
              f"{load.good} values good, {load.errors} lost, {spilled} written", flush=True)
    assert load.good > sum(load.killed.values()) and spilled > 0
    # Left to itself, it works, and ends.
    last = empty_cluster.driver([find_program("deaths_load"), 4001, 2000])
    good, errors = map(int, last.succeed(120).split()[-2:])
    print(f"without deaths: {good} values good, {errors} lost")
    assert good > 0 and errors == 0
    until_empty(empty_cluster, 30)
