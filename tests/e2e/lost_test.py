"""Values lost with the only nodes that had them: made again by running what had made them. Head, two nodes, driver, each on its host; when
the values have been made both nodes are killed, and others take their place."""
import json
import os
import re
import signal

import pytest

from conftest import find_program
from support import processes, settings


@pytest.fixture
def hosts(network, empty_cluster):
    all_hosts = network(4)
    empty_cluster.start_head(f"tcp://{all_hosts[0].address}:6380", host=all_hosts[0])
    for host in all_hosts[1:3]:
        empty_cluster.start_node(host=host)
    return all_hosts


def runs_of(mail):
    """What was run so far: which function, for which value."""
    mail.count("made")  # reads what has come
    return [line.split()[:2] for line in mail.lines if line.split()[0] in ("make", "next")]


def run_and_kill(cluster, hosts, mail, what):
    """The program, when all that had its values is gone; what was run before."""
    program = cluster.driver([find_program("lost"), what, mail.path, mail.gate], host=hosts[3])
    mail.until_count("made", 1)
    before = runs_of(mail)
    for node in list(cluster.nodes):
        node.kill()
    for host in hosts[1:3]:
        cluster.start_node(host=host)
    mail.let_go()
    return program, before


@pytest.mark.parametrize("what, runs", [("one", 1), ("chain", 3), ("held", 3), ("several", 2), ("actor", 2)])
def test_made_again(hosts, empty_cluster, mail, what, runs):
    """Each that is lost is made once more, what it was made from first, whether that is still held or not; and several results of one
    call by one more run of it."""
    program, before = run_and_kill(empty_cluster, hosts, mail, what)
    assert program.succeed(60) == f"ok {what}\n"
    assert len(before) == runs
    assert sorted(runs_of(mail)[runs:]) == sorted(before)


@pytest.mark.parametrize("what, where", [("damaged", "elsewhere")] + [
    (what, where) for what in ("damaged_actor", "damaged_threaded") for where in ("elsewhere", "here")])
def test_damaged_on_disk(network, empty_cluster, home, mail, what, where):
    """What is damaged where it was made, on other nodes or the driver's own, is made again; nobody sees a wrong byte, and nothing stays.
    Calls of an actor that it is an argument of, and those behind them, run in their order."""
    hosts = network(4)
    empty_cluster.start_head(f"tcp://{hosts[0].address}:6380", host=hosts[0])
    for host in hosts[1:3] if where == "elsewhere" else hosts[3:]:
        empty_cluster.start_node(host=host, arguments=["--store", "32MiB", "--spill", home.work])
    program = empty_cluster.driver([find_program("lost"), what, mail.path, mail.gate], host=hosts[3])
    mail.until_count("made", 1)
    before = runs_of(mail)
    assert len(before) == 40
    damaged = [path for node in empty_cluster.nodes for path in processes.nameless_files(node.pid)]
    assert damaged
    for path in damaged:
        os.truncate(path, 100000)
    mail.let_go()
    assert program.succeed(60) == f"ok {what}\n"
    assert len(runs_of(mail)) > 40

    def left():
        totals = json.loads(empty_cluster.tool("objects", "--json", host=hosts[0]).stdout)["totals"]
        return {key: totals[key] for key in ("objects", "spilled", "disk_bytes") if totals[key]}

    processes.until(lambda: not left(), settings.seconds(10), f"empty stores, which hold {left()}")


def test_an_argument_of_an_actor_that_was_put(hosts, empty_cluster, mail):
    """Its call fails, and says what is lost; those behind it run."""
    program, _ = run_and_kill(empty_cluster, hosts, mail, "actor_put")
    out = program.succeed(60).splitlines()
    assert "REEVE_ELOST" in out[0] and "another process had made it" in out[0]
    assert out[1] == "ok actor_put"


def lose_in_the_middle(network, cluster, mail, what, number):
    """The program, when the only node that has its value (40 MB) is killed or stopped while it sends that; its bytes by then."""
    all_hosts = network(4)
    cluster.start_head(f"tcp://{all_hosts[0].address}:6380", host=all_hosts[0])
    node = cluster.start_node(slots=1, host=all_hosts[1])
    program = cluster.driver([find_program("lost"), what, mail.path, mail.gate], host=all_hosts[3])
    mail.until_count("occupied", 1)
    cluster.start_node(slots=2, host=all_hosts[2])
    is_slow = all_hosts[1].slow_down()
    before = all_hosts[1].sent_bytes()
    mail.let_go()
    processes.until(lambda: all_hosts[1].sent_bytes() - before > 10_000_000, settings.seconds(30), "it is on its way")
    node.popen.send_signal(number)
    sent = all_hosts[1].sent_bytes() - before
    assert sent < 40_000_000 or not is_slow
    return program, node, all_hosts[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_only_source_in_the_middle(network, empty_cluster, mail, number):
    """Two nodes are pulling from it. The value is made again on another one, once for both; also when the node is only stopped, for
    longer than the others wait. When that goes on, it changes nothing."""
    program, node, host = lose_in_the_middle(network, empty_cluster, mail, "travelling", number)
    assert program.succeed(90) == "ok travelling\n"
    assert mail.count("make_large") == 2
    if number == signal.SIGSTOP:
        node.popen.send_signal(signal.SIGCONT)
    empty_cluster.until_status(lambda status: status["totals"]["objects"] == 0 and status["totals"]["jobs"] == 0,
                               what="nothing left", host=host)


def test_the_only_source_of_what_was_put(network, empty_cluster, mail):
    """Who waits for it is told what is lost, where it was, and why it is not made again."""
    program, _, _ = lose_in_the_middle(network, empty_cluster, mail, "travelling_put", signal.SIGKILL)
    out = program.succeed(60).splitlines()
    assert "REEVE_ELOST" in out[0] and re.search(r"lay on node 1 \(\w+\), and", out[0]) and "another process had made it" in out[0]
    assert out[1] == "ok travelling_put"


def test_errors(hosts, empty_cluster, mail):
    """What was put, what may not be run again, and what a method has returned, is lost: the error says so, with the node. The actor goes on
    elsewhere."""
    program, _ = run_and_kill(empty_cluster, hosts, mail, "errors")
    out = program.succeed(60).splitlines()
    assert out[5] == "ok errors"
    assert "REEVE_ELOST" in out[0] and "max_retries: 0" in out[0] and re.search(r"lay on node \d \(\w+\), and", out[0])
    assert "REEVE_ELOST" in out[1] and "max_retries: 0" in out[1]
    assert "REEVE_ELOST" in out[2] and "another process had made it" in out[2]
    for line in out[3:5]:
        assert "REEVE_ELOST" in line and re.search(r"lay on node \d \(\w+\), and", line) and "actor" in line, line
    assert mail.count("make") == 1
