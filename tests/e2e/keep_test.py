"""Futures kept beyond the call that they came with (programs/keep.c)."""
import json

from conftest import find_program
from support import processes, settings


def test_kept_in_a_static(empty_cluster, mail):
    """By the one worker there is, for later calls."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1)
    program = empty_cluster.driver([find_program("keep"), "statics", mail.path, mail.gate])
    assert program.succeed(60) == "ok statics\n"


def test_passed_on(cluster, mail):
    """To a task that goes on when the call that passed it on has ended, and all others have released it."""
    program = cluster.driver([find_program("keep"), "passed", mail.path, mail.gate])
    mail.until_count("released", 1)
    assert mail.until_count("checked", 1)[0] == ["checked", "1", "0"]
    mail.let_go()
    assert program.succeed() == "ok passed\n"


def until_empty(cluster):
    def left():
        totals = json.loads(cluster.tool("objects", "--json").stdout)["totals"]
        return {key: totals[key] for key in ("objects", "pins", "holds", "untold", "used_bytes") if totals[key]}

    processes.until(lambda: not left(), settings.seconds(10), f"empty stores, which hold {left()}")


def test_handed_on_everywhere(cluster, mail):
    """What was kept is given as results of later calls, between nodes; and when the program has ended, nothing of it is left."""
    assert cluster.driver([find_program("keep"), "swapped", mail.path, mail.gate]).succeed(60) == "ok swapped\n"
    until_empty(cluster)


def test_kept_by_an_actor_of_another_program(cluster, mail):
    """Values that were put, and results, which their owner releases at once; the last of them goes with its owner."""
    server = cluster.driver([find_program("keep"), "serves", mail.path, mail.gate])
    mail.until_count("serves", 1)
    for what in "sends", "asks":
        assert cluster.driver([find_program("keep"), what, mail.path, mail.gate]).succeed(60) == f"ok {what}\n"
    until_empty(cluster)
    mail.let_go()
    assert server.succeed() == "ok serves\n"


def test_owner_died(empty_cluster, mail):
    """kill -9 of the worker that owned it: who has kept it is told so."""
    empty_cluster.start_head()
    empty_cluster.start_node()
    program = empty_cluster.driver([find_program("keep"), "owner_died", mail.path, mail.gate])
    processes.kill(int(mail.until_count("kept", 1)[0][1]))
    assert program.succeed() == "ok owner_died\n"
