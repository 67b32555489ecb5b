"""Actors: made, called in order, ended, killed, restarted; their handles passed on; alone and many to a process."""
import pytest

from conftest import find_program

ALL = ["one", "order", "failing", "killed", "died", "restarted", "shared", "passed", "large", "packed"]
LOCAL = ["cycle", "pending"]  # that is found where the actors are on one machine
INLINE = ["one", "order", "large", "packed"]


@pytest.mark.parametrize("what", ALL + LOCAL)
def test_actors(run, what):
    assert run("actors", what).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", INLINE)
def test_inline(run, what):
    out = run("actors", what, environment={"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"}).succeed(60)
    assert out == f"ok {what}\n"


@pytest.mark.parametrize("mode", ["cluster", "inline"])
def test_pool(run, mode):
    program = run("pool", environment={"REEVE_MODE": mode, "REEVE_LEAKS": "1"})
    assert program.succeed(60) == "ok\n" and program.err == ""


def test_one_slot(run):
    """Actors take no cpu unless they say so: tasks run beside them."""
    out = run("actors", "all", environment={"REEVE_SLOTS": "1"}).succeed(120)
    assert out.split() == [word for what in ALL + LOCAL for word in ("ok", what)]


def test_the_destructor_runs_after_all_calls(run, mail):
    program = run("actors", "ended", mail.path, mail.gate)
    assert mail.until_count("ended", 1) == [["ended", "1000"]]
    mail.let_go()
    assert program.succeed(60) == "ok ended\n"


def test_on_several_hosts(network, empty_cluster):
    """The actors live on nodes that are not the driver's, and are called across bridges."""
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.start_node(host=third)
    out = empty_cluster.driver([find_program("actors"), "all-but-cycle"], host=fourth).succeed(120)
    assert out.split() == [word for what in ALL for word in ("ok", what)]
