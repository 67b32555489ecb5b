"""Uses out of the ordinary: programs that never look or only look, shutdown under way, forks, limits, nested work."""
import pytest

from conftest import find_program
from support import processes, settings


@pytest.mark.parametrize("what", [
    "polling", "shutdown_under_way", "again", "forks", "sizes", "many_arguments", "many_puts", "many_waits", "task_threads",
    "no_descriptors"])
def test_strains(run, what):
    assert run("strains", what).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", ["submitting", "left_behind"])
def test_with_a_counter(run, home, what):
    assert run("strains", what, home.work / "counter").succeed(60) == f"ok {what}\n"


def test_a_million_pending_tasks(run):
    """They cost little, and that is given back."""
    program = run("strains", "million", environment={"REEVE_SLOTS": "1"})
    assert program.succeed(120) == "ok million\n"


@pytest.mark.parametrize("slots", [1, 2])
def test_who_waits_lends_its_slot(run, slots):
    """Each slot has a task that waits for one that it cannot run on the spot: without more slots than there are."""
    assert run("strains", "lending", slots, environment={"REEVE_SLOTS": str(slots)}).succeed(15) == "ok lending\n"


def test_who_waits_lends_its_slot_on_other_nodes(cluster):
    """The same with the slots of two nodes."""
    assert cluster.driver([find_program("strains"), "lending", 4]).succeed(20) == "ok lending\n"


@pytest.mark.parametrize("what", ["polling", "sizes", "many_waits", "task_threads"])
def test_strains_in_a_joined_cluster(cluster, what):
    assert cluster.driver([find_program("strains"), what]).succeed(60) == f"ok {what}\n"


def test_joining_with_few_descriptors(run, cluster):
    """With a cluster of its own, and with one there is."""
    assert run("joins_short").succeed() == "ok joins_short\n"
    assert cluster.driver([find_program("joins_short")]).succeed() == "ok joins_short\n"


def test_more_workers_elsewhere_than_descriptors(network, empty_cluster, home):
    """A lease on another node costs its holder no descriptor."""
    first, second = network(2)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second, slots=48)
    program = empty_cluster.driver([find_program("strains"), "far_workers", home.work / "counter"], host=first)
    assert program.succeed(60) == "ok far_workers\n"


def test_a_child_that_stays(run, home, mail):
    """A forked child that outlives the program does not keep its cluster."""
    assert run("strains", "child_stays", mail.gate).wait(10) == 0
    processes.until(
        lambda: {process.kind for process in home.processes()} == {"other"}, settings.seconds(2), "the cluster to end")
    mail.let_go()


def test_memory_is_ready(run, home, mail):
    """An option of reeve_init: all of a program's own store, before anything lies in it."""
    program = run("strains", "prefault", mail.gate)
    processes.until(lambda: sum(processes.store_bytes(node.pid) for node in home.processes("node")) >= 60 << 20,
                    settings.seconds(20), "a store that holds its memory")
    mail.let_go()
    assert program.succeed() == "ok prefault\n"


def test_standard_descriptors_closed(run):
    """What a program prints with its standard descriptors closed does not go to a socket of ours."""
    path = find_program("strains")
    run("/bin/sh", "-c", f'"{path}" again <&- >&- 2>&-').succeed(60)


@pytest.mark.parametrize("count, left", [(36000, 30), (6000, 45)], ids=["for_long", "to_the_end"])
def test_a_store_that_is_nearly_full(run, home, count, left):
    """Values of random sizes and lifetimes, from two processes, in a store that is 90 % full; 36,000 from each are what an hour may bring.
    With 60 % still there, a value of a quarter of the store has room; with all of it, when others have gone to the disk."""
    environment = {"REEVE_STORE_SIZE": "64M", "REEVE_SPILL": "none" if left == 30 else str(home.work), "REEVE_SLOTS": "1"}
    assert run("strains", "fragments", f"{count} {left}", environment=environment).succeed(90) == "ok fragments\n"


def test_the_store_is_empty_at_the_end(run):
    """Large arguments and results are freed when nobody needs them, also those that nobody ever fetched."""
    program = run("strains", "hundred_megabytes", environment={"REEVE_STORE_SIZE": "320M"})
    assert program.succeed(60) == "ok hundred_megabytes\n"
