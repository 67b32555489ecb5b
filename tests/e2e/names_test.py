"""Actors found by their names: in one program, from other programs and nodes, over the deaths of all."""
import pytest

from conftest import find_program
from support import processes, settings

ALL = ["one", "namespaces", "bad", "tasks", "deaths"]


@pytest.mark.parametrize("what", ALL + ["ended"])
def test_names(run, what):
    assert run("names", what).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", ["one", "namespaces", "bad", "ended"])
def test_inline(run, what):
    out = run("names", what, environment={"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"}).succeed(60)
    assert out == f"ok {what}\n"


@pytest.mark.parametrize("mode", ["cluster", "inline"])
def test_while_leaks_are_watched(run, mode):
    program = run("names", "one", environment={"REEVE_LEAKS": "1", "REEVE_MODE": mode})
    assert program.succeed(60) == "ok one\n" and program.err == ""


def test_a_namespace_from_the_environment(run):
    program = run("names", "one", environment={"REEVE_NAMESPACE": "elsewhere"})
    assert program.wait(60) != 0  # it expects the default in a message
    assert "default" in program.said()


def test_a_namespace_that_cannot_be(run):
    program = run("names", "one", environment={"REEVE_NAMESPACE": "a\tb"})
    assert program.wait(60) == 1
    assert "the namespace is not UTF-8" in program.said()


def server(cluster, mail, restarts=0):
    program = cluster.driver([find_program("names"), "serve", "hits", restarts, mail.path, mail.gate])
    return program


def ask(cluster, times=1):
    return cluster.driver([find_program("names"), "ask", "hits", times]).succeed(60).splitlines()


def test_called_by_other_programs(cluster, mail):
    """Several programs call it at once, on both nodes; a second one cannot have its name."""
    program = server(cluster, mail)
    mail.until_count("serves", 1)
    asking = [cluster.driver([find_program("names"), "ask", "hits", 200]) for _ in range(4)]
    values = sorted(int(one.succeed(60).split()[1]) for one in asking)
    assert values[-1] == 100 + 4 * 200
    rival = server(cluster, mail)
    assert mail.until_count("refused", 1) == [["refused", "REEVE_EEXIST"]]
    mail.let_go()
    program.succeed(60)
    rival.succeed(60)
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0, what="all have gone")
    assert ask(cluster)[0] == "REEVE_EHANDLE"


def test_a_program_with_other_functions(cluster, mail, tmp_path):
    program = server(cluster, mail)
    mail.until_count("serves", 1)
    lines = cluster.driver([find_program("names_other"), "hits"]).succeed(60).splitlines()
    assert lines[0] == "REEVE_EMISMATCH" and "other remote functions" in lines[1]
    mail.let_go()
    program.succeed(60)


def test_its_owner_is_killed(cluster, mail):
    program = server(cluster, mail)
    pid = int(mail.until_count("serves", 1)[0][1])
    assert ask(cluster) == ["value 101"]
    program.kill()
    processes.wait_gone([pid], settings.seconds(5), "the actor's process")
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0, what="its job has ended")
    assert ask(cluster)[0] == "REEVE_EHANDLE"
    again = server(cluster, mail)
    mail.until_count("serves", 2)
    assert ask(cluster) == ["value 101"]
    mail.let_go()
    again.succeed(60)


def test_the_head_is_killed(cluster, mail):
    """The name stays taken, and is found again."""
    program = server(cluster, mail)
    mail.until_count("serves", 1)
    assert ask(cluster, 3) == ["value 103"]
    address = cluster.address
    cluster.head.kill()
    waits = cluster.driver([find_program("names"), "ask", "hits", 2])  # for the next head
    cluster.start_head(listen=address)
    assert waits.succeed(60) == "value 105\n"
    rival = server(cluster, mail)
    assert mail.until_count("refused", 1) == [["refused", "REEVE_EEXIST"]]
    mail.let_go()
    program.succeed(60)
    rival.succeed(60)


def test_on_several_hosts(network, empty_cluster, mail):
    """The actor, its owner and its callers are on different machines; the machine of the owner dies."""
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    out = empty_cluster.driver([find_program("names"), "all"], host=third).succeed(120)
    assert out.split() == [word for what in ALL for word in ("ok", what)]
    program = empty_cluster.driver([find_program("names"), "serve", "hits", 0, mail.path, mail.gate], host=third)
    mail.until_count("serves", 1)
    asking = empty_cluster.driver([find_program("names"), "ask", "hits", 50], host=fourth)
    assert asking.succeed(60) == "value 150\n"
    mail.let_go()
    program.succeed(60)
