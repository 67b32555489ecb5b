"""Ctrl-C at a program's terminal: SIGINT for it and for all of its process group, as a terminal sends it. The program ends as one
that is interrupted does, its tasks and what they have started within a second; a cluster that it has joined goes on."""
import os
import signal

import pytest

from conftest import find_program
from support import processes, settings


def interrupt(program, whole_group):
    if whole_group:
        os.killpg(program.pid, signal.SIGINT)
    else:
        program.kill(signal.SIGINT)


def pids_of(lines):
    return [int(word) for line in lines for word in line[1:]]


@pytest.mark.parametrize("whole_group", [False, True], ids=["program", "group"])
def test_own_cluster(run, home, mail, whole_group):
    program = run("interrupted", 4, mail.path, mail.gate, process_group=0)
    started = pids_of(mail.until_count("start", 2))
    mail.until_count("driver", 1)

    def others():
        """Head, node, two workers and what they have started: a process in the midst of its exec cannot be told to be ours."""
        pids = {process.pid for process in home.processes()} - {program.pid}
        return pids if len(pids) >= 6 and pids >= set(started) else None

    everything = processes.until(others, settings.seconds(5), "the cluster with its tasks")
    interrupt(program, whole_group)
    processes.wait_gone(everything, settings.seconds(1), "the cluster of an interrupted program")
    assert program.wait() == -signal.SIGINT
    home.check_nothing_left(1)


@pytest.mark.parametrize("whole_group", [False, True], ids=["program", "group"])
def test_joined_cluster(cluster, mail, whole_group):
    program = cluster.driver([find_program("interrupted"), 8, mail.path, mail.gate], process_group=0)
    started = pids_of(mail.until_count("start", 4))
    mail.until_count("driver", 1)
    interrupt(program, whole_group)
    processes.wait_gone(started, settings.seconds(1), "tasks of an interrupted program")
    assert program.wait() == -signal.SIGINT
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0 and status["totals"]["slots_used"] == 0,
                         what="free slots")
    assert len(cluster.nodes_up()) == 2
    assert cluster.driver([find_program("answers"), "many"]).succeed(60) == "ok many\n"


@pytest.mark.parametrize("joined", [False, True], ids=["own", "joined"])
def test_program_that_handles_it(run, request, mail, joined):
    """The signal is the program's: its cluster, its workers and what they have started have their groups, and go on."""
    if joined:
        cluster = request.getfixturevalue("cluster")
        program = cluster.driver(
            [find_program("interrupted"), 2, mail.path, mail.gate, "handles"], process_group=0)
    else:
        program = run("interrupted", 2, mail.path, mail.gate, "handles", process_group=0)
    mail.until_count("start", 2)
    mail.until_count("driver", 1)
    interrupt(program, True)
    mail.until_count("interrupted", 1)
    mail.let_go()
    assert program.succeed() == "done\n"
    assert mail.count("start") == 2  # none was run again


def test_node_of_a_joined_program(network, empty_cluster, mail):
    """One whose machine has no node daemon, so that it has started one for itself: the same."""
    first, second = network(2)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=first)
    program = empty_cluster.driver(
        [find_program("interrupted"), 2, mail.path, mail.gate], host=second, process_group=0)
    started = pids_of(mail.until_count("start", 2))
    assert len(empty_cluster.nodes_up(host=first)) == 2
    interrupt(program, True)
    processes.wait_gone(started, settings.seconds(1), "tasks of an interrupted program")
    assert program.wait() == -signal.SIGINT
    empty_cluster.until_status(lambda status: status["totals"]["jobs"] == 0 and status["totals"]["nodes_up"] == 1,
                               what="the end of the program's node", host=first)
