"""Actors with several threads, in groups, and methods that answer later."""
import pytest

from conftest import find_program

ALL = ["threads", "groups", "nested", "timed", "died", "later", "replies", "queued", "bad", "shared"]


@pytest.mark.parametrize("what", ALL)
def test_concurrency(run, what):
    assert run("concurrency", what).succeed(60) == f"ok {what}\n"


def test_one_slot(run):
    """Threads of actors that wait for tasks leave the only cpu to these."""
    out = run("concurrency", "all", environment={"REEVE_SLOTS": "1"}).succeed(120)
    assert out.split() == [word for what in ALL for word in ("ok", what)]


def test_a_cancel_asks_and_harms_nobody(run, mail):
    program = run("concurrency", "cancelled", mail.path)
    assert program.succeed(60) == "ok cancelled\n"


def test_the_destructor_runs_after_all_threads(run, mail):
    program = run("concurrency", "ended", mail.path, mail.gate)
    assert mail.until_count("holds", 3) == [["holds"]] * 3
    mail.let_go()
    assert program.succeed(60) == "ok ended\n"
    assert mail.until_count("ended", 1) == [["ended", "with", "0", "inside"]]


def test_on_several_hosts(network, empty_cluster):
    """The actors live on nodes that are not the driver's, and are called across bridges."""
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    what = [name for name in ALL if name not in ("groups", "later")]  # which have more calls than a bridge lets pass by
    for name in what:
        out = empty_cluster.driver([find_program("concurrency"), name], host=third).succeed(120)
        assert out == f"ok {name}\n"
