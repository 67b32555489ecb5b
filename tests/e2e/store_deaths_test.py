"""kill -9 at every step of using the store, and a thousand times at random under load: what the dead held comes back, all of it; what the
living hold is never touched, and nobody sees a wrong byte (programs/deaths.c, steps.c, deaths_load.c).

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
    assert cluster.driver([find_program("deaths"), "whole", "", "", ""]).succeed(60) == "ok whole\n"
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


def test_hung_up_is_not_dead(one_node, mail):
    """A driver whose connections are closed can still read what it has mapped: that goes when it does."""
    program = one_node.start_deaths("hangs_up")
    pid = stopped_at(mail, "hung-up")
    one_node.until_status(lambda status: status["totals"]["jobs"] == 0, what="no job")
    assert one_node.start_deaths("whole").succeed() == "ok whole\n" # all the rest
    assert totals(one_node)["pins"] >= 1 and totals(one_node)["used_bytes"] >= 4 << 20
    os.kill(pid, signal.SIGCONT)
    assert program.succeed() == "right\n"
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


# ---- every step of what is said about the store --------------------------------------------------

# What a process says to its daemon, and hears, about the store (programs/steps.c).
PUT = {"before create", "after create", "got segment", "got created", "mapped", "before seal", "after seal"}
AHEAD = {"before create ahead", "after create ahead", "before seal of some", "after seal of some"}
FREE = {"before free", "after free"}
GET = {"before get", "after get", "got got", "before unpin", "after unpin"}
RELAX = {"got relax", "before let go", "after let go"}
# At which of these it is killed, in what it does.
SCENARIOS = {
    "put": PUT | AHEAD | FREE,
    "create": PUT | FREE | {"before abort", "after abort"},
    "argument": PUT | FREE,
    "spill": RELAX | FREE | {"before seal", "after seal"},
    "restore": GET | FREE | {"got segment", "mapped"},
    "result": PUT,
    "gives": {"before give", "after give", "got sealed"},
    "keeps": {"before hold", "after hold", "got sealed", "before get of held", "after get of held", "got got", "before unhold",
              "after unhold"},
}


class Steps:
    """One node with 64 MiB, and a bystander that reads 8 MiB of it in place meanwhile (programs/steps.c)."""

    def __init__(self, cluster, mail, folder):
        self.cluster, self.mail = cluster, mail
        (folder / "bystander").mkdir()
        self.other = processes.Mail(folder / "bystander")
        self.bystander = self.start("driver", "fills", "2", mail=self.other)
        self.other.until_count("full", 1)
        self.before = totals(cluster)

    def start(self, who, scenario, step, retries=0, mail=None):
        mail = mail or self.mail
        return self.cluster.driver([find_program("steps"), who, scenario, step, retries, mail.path, mail.gate])

    def until_as_before(self, own):
        """But for the driver's own values, which may have been written to disk."""
        def is_so():
            now = totals(self.cluster)
            return now is not None and now["pins"] - self.before["pins"] in range(own + 1) and all(
                now[key] == self.before[key] + (own if key == "objects" else 0)
                for key in ("objects", "copy_bytes", "waiting", "holds", "untold")) and (
                    own or now["unsealed_bytes"] == self.before["unsealed_bytes"]) # a worker that lives may have room ahead

        processes.until(is_so, settings.seconds(10), _Left(self.cluster))

    def run(self, who, scenario, step, retries):
        """To its end. Returns the steps that were reported, and what became of the task."""
        self.mail.shut()
        self.mail.lines.clear()
        program = self.start(who, scenario, step, retries)
        if who == "worker":
            self.mail.until_count("here", 1)
            self.until_as_before(1)
            self.mail.let_go()
            outcome, ok = program.succeed().splitlines()
            assert ok == "ok"
        else:
            outcome = program.wait()
            assert outcome == 0 and program.out == "ok\n" or step != "trace" and outcome == -signal.SIGKILL, program.said()
        self.mail.count("at")
        program.close()
        self.cluster.programs.remove(program)
        self.until_as_before(0)
        return [line[3:] for line in self.mail.lines if line.startswith("at ")], outcome

    @staticmethod
    def check(all_steps, scenario):
        """All that it does is in the table, here or in another scenario."""
        assert SCENARIOS[scenario] <= set(all_steps) <= set.union(*SCENARIOS.values())

    def end(self):
        self.other.let_go()
        assert self.bystander.succeed() == "ok\n"
        self.other.close()
        whole_store(self.cluster)


@pytest.fixture
def steps(empty_cluster, mail, home):
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1, arguments=["--store", "64MiB", "--spill", home.work])
    return Steps(empty_cluster, mail, home.work)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in ("result", "gives", "keeps")])
def test_driver_dies_at_every_step(steps, scenario):
    """The store is as it was before, and all of it can be used; the bystander sees its own bytes."""
    steps.check(steps.run("driver", scenario, "trace", 0)[0], scenario)
    for step in sorted(SCENARIOS[scenario]):
        assert steps.run("driver", scenario, step, 0) == ([step], -signal.SIGKILL)
    steps.end()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_worker_dies_at_every_step(steps, scenario):
    """What it had is gone while its driver still lives, who gets an error, or the right bytes of another attempt."""
    all_steps, outcome = steps.run("worker", scenario, "trace", 0)
    assert outcome == "right"
    steps.check(all_steps, scenario)
    for step in sorted(SCENARIOS[scenario]):
        for retries, outcomes in (0, ("REEVE_EWORKERDIED", "right")), (1, ("right",)):
            reported, outcome = steps.run("worker", scenario, step, retries)
            assert reported == [step] and outcome in outcomes, (step, retries)
    steps.end()


def test_who_waits_for_room_dies(steps):
    """Those behind it get theirs."""
    steps.mail.lines.clear()
    holder = steps.start("driver", "fills", "10")
    steps.mail.until_count("full", 1)
    waiting = steps.start("driver", "waits", "after create", mail=steps.other)
    assert waiting.wait() == -signal.SIGKILL
    assert steps.start("driver", "put", "never", mail=steps.other).succeed() == "ok\n"
    steps.mail.let_go()
    assert holder.succeed() == "ok\n"
    steps.until_as_before(0)
    steps.end()


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
