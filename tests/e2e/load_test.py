"""Shapes of load: long tasks among short ones, drivers that want more than there is, programs that submit without end."""
import os
import time

import pytest

from conftest import find_program
from support import settings

LOAD = "load"


def said_ok(text, what):
    assert text == f"ok {what}\n"


# ---- lengths ----

@pytest.mark.parametrize("place", [0, 5000])
def test_a_long_task_delays_no_short_one(run, place):
    said_ok(run(LOAD, "long_among_short", place).succeed(30), "long_among_short")


@pytest.mark.parametrize("place", [0, 5000])
def test_a_long_task_delays_no_short_one_on_two_nodes(empty_cluster, place):
    """One slot each: what is to be taken back is on the other node, or goes there."""
    empty_cluster.start_head()
    for _ in range(2):
        empty_cluster.start_node(slots=1)
    said_ok(empty_cluster.driver([find_program(LOAD), "long_among_short", place]).succeed(30), "long_among_short")


def test_mixed_lengths(run):
    said_ok(run(LOAD, "mixed").succeed(30), "mixed")


def test_calls_of_different_cpus_take_turns(run):
    said_ok(run(LOAD, "kinds", environment={"REEVE_SLOTS": "1"}).succeed(30), "kinds")


@pytest.mark.parametrize("slots", [1, 2])
def test_priorities(run, home, slots):
    said_ok(run(LOAD, "priorities", home.work / "turns", environment={"REEVE_SLOTS": str(slots)}).succeed(30), "priorities")


def test_priorities_on_two_nodes(empty_cluster, home):
    empty_cluster.start_head()
    for _ in range(2):
        empty_cluster.start_node(slots=1)
    said_ok(empty_cluster.driver([find_program(LOAD), "priorities", home.work / "turns"]).succeed(30), "priorities")


# ---- shares ----

class Endless:
    """A driver that wants more than there is, until it is told to end."""

    def __init__(self, cluster, name, us, cpus=1.0, weight=100):
        self.name = name
        self.input, self.end_of_input = os.pipe()
        self.program = cluster.driver(
            [find_program(LOAD), "endless", us, cpus], stdin=self.input,
            environment={"REEVE_JOB_NAME": name, "REEVE_WEIGHT": str(weight)})
        os.close(self.input)
        self.program.until_line("begun")

    def end(self):
        os.close(self.end_of_input)
        self.program.succeed(30)


def slots_of(cluster, names):
    jobs = {job["name"]: job["slots_used"] for job in cluster.status()["jobs"]}
    return [jobs.get(name, 0) for name in names]


def share_of_first(cluster, names, wanted, least, most):
    """Of what the two hold, looked at again and again for `least` seconds, and on to `most` until it is within 10 % of what is wanted: turns
    are as long as tasks are, so it takes some of them to even out. Each look counts for as long as it took: looks are slower, and so
    fewer, while the one holds more that keeps the cores busy."""
    held = [0.0, 0.0]
    begin = last = time.monotonic()
    while True:
        slots, now = slots_of(cluster, names), time.monotonic()
        held = [sum_before + slot * (now - last) for sum_before, slot in zip(held, slots)]
        last, took, share = now, now - begin, held[0] / sum(held)
        if took >= most or (took >= least and abs(share - wanted) <= wanted / 10):
            return share


@pytest.mark.parametrize("nodes,slots,first,second,share", [
    (1, 2, {"us": 10}, {"us": 10}, 0.5),
    (1, 3, {"us": 10}, {"us": 200000}, 0.5),
    (2, 1, {"us": 200000}, {"us": 10}, 0.5),
    (1, 2, {"us": 10, "weight": 300}, {"us": 10}, 0.75),
    (1, 2, {"us": 10, "cpus": 0.5}, {"us": 50000}, 0.5),
], ids=["short", "odd", "nodes", "weights", "fractions"])
def test_two_drivers_share(empty_cluster, nodes, slots, first, second, share):
    """Whoever came first, whatever their tasks are like."""
    empty_cluster.start_head()
    for _ in range(nodes):
        empty_cluster.start_node(slots=slots)
    drivers = [Endless(empty_cluster, "first", **first)]
    empty_cluster.until_status(lambda status: status["totals"]["slots_used"] == nodes * slots, what="all slots in use")
    drivers.append(Endless(empty_cluster, "second", **second))
    empty_cluster.until_status(
        lambda status: all(job["slots_used"] > 0 for job in status["jobs"] if job["name"] == "second"), what="a share")
    found = share_of_first(empty_cluster, ["first", "second"], share, least=4, most=settings.seconds(25))
    assert share * 0.9 <= found <= share * 1.1
    for driver in drivers:
        driver.end()


def test_a_third_with_one_call_is_served_soon(empty_cluster):
    """All slots are taken by two who have no end of work, in tasks of 200 ms: the wait is one task, and a lease called back."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=2)
    drivers = [Endless(empty_cluster, name, 200000) for name in ("first", "second")]
    empty_cluster.until_status(
        lambda status: all(job["slots_used"] == 1 for job in status["jobs"]) and len(status["jobs"]) == 2, what="even shares")
    out = empty_cluster.driver([find_program(LOAD), "one", 1.0]).succeed(20).splitlines()
    assert out[1] == "ok one"
    assert int(out[0]) < settings.seconds(1) * 1000
    for driver in drivers:
        driver.end()


# ---- back-pressure ----

SMALL = {"REEVE_PENDING_SIZE": "1MiB", "REEVE_SLOTS": "1"}


def test_who_submits_and_never_looks_is_held_to_the_pace(run, home):
    """200,000 calls at a limit of some 6,000."""
    said_ok(run(LOAD, "forget", 200000, home.work / "counter", environment=SMALL).succeed(60), "forget")


def test_who_keeps_all_futures_is_refused(run):
    said_ok(run(LOAD, "hoard", environment=SMALL).succeed(60), "hoard")


@pytest.mark.parametrize("slots", [1, 2])
def test_tasks_with_more_children_than_they_may_keep(run, home, slots):
    """They run some themselves; with one slot nobody else could."""
    program = run(LOAD, "children", 30000, home.work / "counter", environment={**SMALL, "REEVE_SLOTS": str(slots)})
    said_ok(program.succeed(60), "children")


@pytest.mark.parametrize("slots", [1, 2])
def test_trees_of_tasks_at_the_limit(run, home, slots):
    program = run(
        LOAD, "trees", 3, 40, home.work / "counter",
        environment={"REEVE_PENDING_SIZE": "64KiB", "REEVE_SLOTS": str(slots)})
    said_ok(program.succeed(60), "trees")


# ---- a long queue ----

def test_a_million_behind_one_slot(empty_cluster):
    """They cost 256 B each at most, that is given back, and afterwards all there is is free."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1)
    said_ok(empty_cluster.driver([find_program("strains"), "million"]).succeed(120), "million")
    totals = empty_cluster.until_status(
        lambda status: status["totals"]["leases"] == 0 and status["totals"], what="no leases")
    assert (totals["slots"], totals["slots_used"], totals["demands"]) == (1, 0, 0)
    assert all(node["slots_used"] == 0 for node in empty_cluster.status()["nodes"])
