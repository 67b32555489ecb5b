"""Futures inside values: given with results, lent with arguments, kept by puts; with kill -9 in the middle."""
import pytest

from conftest import find_program
from support import processes

ALL = ["one", "results", "many", "large", "arguments", "graph", "dynamic"]


@pytest.mark.parametrize("what", ALL)
def test_answers(run, what):
    assert run("nested", what).succeed(60) == f"ok {what}\n"


def test_inline(run):
    out = run("nested", "all", environment={"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"}).succeed(60)
    assert out.split() == [word for what in ALL for word in ("ok", what)]


def test_one_slot(run):
    """Nobody else can run what a result gives away, or what an argument lends: it is taken back, or waited for first."""
    out = run("nested", "all", environment={"REEVE_SLOTS": "1"}).succeed(120)
    assert out.split() == [word for what in ALL for word in ("ok", what)]


@pytest.mark.parametrize("victim", [1, 5, 16, 49, 150, 455])
def test_a_worker_dies_while_a_graph_grows(run, mail, victim):
    """Five deep; the victim stands on the way at depth 0 to 5. It is run again, what its first attempt had made is made
    anew, and every value is right."""
    program = run("nested", "graph", 5, mail.path, mail.gate, victim)
    for loss in range(3):
        *_, pid = mail.until_count("grow", loss + 1)[loss]
        processes.kill(int(pid))
    mail.until_count("grow", 4)
    mail.let_go()
    assert program.succeed(60) == "ok graph\n"


def test_all_workers_die_again_and_again(run, mail, home):
    """Whatever they were about to give away."""
    program = run("nested", "graph", 6, mail.path, mail.gate, 455)
    for loss in range(2):
        mail.until_count("grow", loss + 1)
        for process in home.processes("worker"):
            processes.kill(process.pid)
    mail.let_go()
    assert program.succeed(60) == "ok graph\n"


@pytest.fixture
def four(network, empty_cluster):
    """The cluster, and the driver's host."""
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.start_node(host=third)
    return empty_cluster, fourth


def test_on_several_hosts(four):
    """Hand-overs cross the bridges, and objects change hands on nodes that are neither the giver's nor the heir's."""
    cluster, host = four
    out = cluster.driver([find_program("nested"), "all"], host=host).succeed(120)
    assert out.split() == [word for what in ALL for word in ("ok", what)]


def test_a_node_dies_while_a_graph_grows(four, mail):
    cluster, host = four
    program = cluster.driver([find_program("nested"), "graph", 5, mail.path, mail.gate, 16], host=host)
    mail.until_count("grow", 1)
    cluster.nodes[0].kill()
    mail.let_go()
    assert program.succeed(60) == "ok graph\n"
