"""Four hosts: head, two nodes, driver."""
import os
import re
import shutil

import pytest

from conftest import find_program
from support import leftovers, processes, settings


@pytest.fixture
def four(network, empty_cluster):
    """The cluster, and the driver's host."""
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.start_node(host=third)
    empty_cluster.hosts = [first, second, third, fourth]
    return empty_cluster, fourth


def count_words(four, corpus, repeat, during=None):
    cluster, host = four
    program = cluster.driver(
        [find_program("wordcount"), "--progress", "--chunk-bytes", 32768, "--repeat", repeat, corpus], host=host)
    if during:
        during(program)
    out = program.succeed(60)
    assert "speed-up over one process" in out  # it has compared with its serial count
    return [line for line in out.splitlines() if "checksum" in line]


def percent(program):
    """How far the count on Reeve is."""
    marks = re.findall(r"reeve +\[[# ]*\] +(\d+) %", program.err)
    return int(marks[-1]) if marks else 0


def test_answers(four):
    cluster, host = four
    for what in "many", "recursion", "big", "chain":
        assert cluster.driver([find_program("answers"), what], host=host).succeed(60) == f"ok {what}\n"


def test_wordcount_loses_a_node(four, corpus, home):
    """kill -9 of a node daemon in the middle: the same answer as that of one process."""
    cluster, _ = four

    def kill_node(program):
        program.until(lambda: 20 <= percent(program) < 90, 30, "20 %")
        lost = [process.pid for process in home.processes("worker") if process.parent == cluster.nodes[0].pid]
        assert lost
        cluster.nodes[0].kill()
        processes.wait_gone(lost, settings.seconds(1), "workers of a killed node")
        assert percent(program) < 100
    assert len(count_words(four, corpus, 20, kill_node)) == 1


def test_tasks_move_from_a_killed_node(four, mail):
    """What was running there starts again, is answered once."""
    cluster, host = four
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate], host=host)
    starts = mail.until_count("start", 4)
    assert {line[3] for line in starts} == {"h2", "h3"}
    lost = [line[1] for line in starts if line[3] == "h2"]
    cluster.nodes[0].kill()
    mail.let_go()
    again = mail.until_count("start", 4 + len(lost))[4:]
    assert sorted(line[1] for line in again) == sorted(lost)
    assert {line[3] for line in again} == {"h3"}
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def test_worker_killed(four, mail):
    cluster, host = four
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate], host=host)
    starts = mail.until_count("start", 4)
    processes.kill(int(starts[0][2]))
    assert mail.until_count("start", 5)[4][1] == starts[0][1]
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def test_driver_killed(four, mail):
    """Its tasks on other hosts are stopped, its own node daemon ends, the cluster is as before."""
    cluster, host = four
    program = cluster.driver([find_program("gated"), 8, mail.path, mail.gate], host=host)
    starts = mail.until_count("start", 4)
    program.kill()
    processes.wait_gone([int(line[2]) for line in starts], settings.seconds(3), "workers of a killed driver")
    cluster.until_status(
        lambda status: status["totals"]["jobs"] == 0 and status["totals"]["slots_used"] == 0
        and status["totals"]["nodes_up"] == 2, host=host, what="slots free, two nodes")
    assert mail.count("end") == 0
    assert cluster.driver([find_program("answers"), "types"], host=host).succeed() == "ok types\n"
    assert not host.unix_sockets()


def test_driver_host_unplugged(four, mail):
    """The network of the driver's host is gone: after ten seconds of silence its tasks are stopped."""
    cluster, host = four
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate], host=host)
    starts = mail.until_count("start", 4)
    host.unplug()
    processes.wait_gone([int(line[2]) for line in starts], settings.seconds(15), "workers of a driver that is cut off")
    program.kill()
    host.plug()
    cluster.until_status(lambda status: status["totals"]["slots_used"] == 0, host=cluster.hosts[0], what="slots free")


def test_node_host_unplugged(four, mail, home):
    """A node that is cut off, and comes back: its tasks run elsewhere after ten seconds of silence, what it has done since counts for
    nothing, and it is a node again."""
    cluster, host = four
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate], host=host)
    starts = mail.until_count("start", 4)
    lost = [line for line in starts if line[3] == "h2"]
    assert len(lost) == 2
    cluster.hosts[1].unplug()
    mail.let_go()  # all four end now: two where nobody hears of it
    again = mail.until_count("start", 6, within=15)[4:]
    assert sorted(line[1] for line in again) == sorted(line[1] for line in lost)
    assert {line[3] for line in again} == {"h3"}
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"
    cluster.hosts[1].plug()
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 2, within=15, host=host, what="it is back")
    assert cluster.driver([find_program("answers"), "many"], host=host).succeed() == "ok many\n"
    processes.wait_gone([int(line[2]) for line in lost], settings.seconds(5), "workers of a job that has ended")


def test_program_travels(four, home, mail):
    """The program's file is gone before any node needs it; it was never where nodes could see it."""
    cluster, host = four
    folder = home.work / "elsewhere"
    folder.mkdir()
    path = shutil.copy(find_program("gated"), folder / "mine")
    program = cluster.driver([path, 4, mail.path, mail.gate], host=host)
    mail.until_count("driver", 1)
    starts = mail.until_count("start", 4)
    path.unlink()
    for line in starts:
        assert os.readlink(f"/proc/{line[2]}/exe").startswith("/memfd:")
    processes.kill(int(starts[0][2]))  # its successor, too
    mail.until_count("start", 5)
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def test_program_travels_to_a_late_node(network, empty_cluster, home, mail):
    """To a node that joins when the file has long been deleted, and never could see its folder."""
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    folder = home.work / "elsewhere"
    folder.mkdir()
    path = shutil.copy(find_program("gated"), folder / "mine")
    program = empty_cluster.driver([path, 2, mail.path, mail.gate], host=third)
    mail.until_count("driver", 1)
    path.unlink()
    empty_cluster.start_node(host=second, hidden=[folder])
    mail.until_count("start", 2)
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\ndone\n"


def test_head_killed_and_back(four, mail):
    cluster, host = four
    program = cluster.driver([find_program("gated"), 6, mail.path, mail.gate], host=host)
    mail.until_count("start", 4)
    cluster.head.kill()
    mail.let_go()
    mail.until_count("end", 4)
    cluster.start_head(f"tcp://{cluster.hosts[0].address}:6380", host=cluster.hosts[0])
    assert program.succeed() == "".join(f"{i} {3 * i}\n" for i in range(6)) + "done\n"
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 2, within=20, host=host, what="both nodes back")


def test_addresses_that_lead_nowhere(network, empty_cluster):
    """A host that is not there, and a node that names an address where nobody finds it: both are told that."""
    first, second = network(2)
    second.give_up_soon()
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    node = empty_cluster.start_node(host=second, arguments=["--advertise", "10.77.0.99", "--listen", "tcp://*:7000"], within=0)
    away = empty_cluster.driver(
        [settings.REEVE, "worker", "--head", "tcp://10.77.0.98:6380", "--join-timeout", 0, "--key-file", empty_cluster.key_file],
        host=second)
    assert away.wait(20) == 3 and "there is no route to tcp://10.77.0.98:6380" in away.err, away.said()
    node.until_logged("REEVE-HEAD-NOT-JOINED", within=15)
    said = node.said()
    assert "can it connect to us at tcp://10.77.0.99:7000? (--advertise)" in said and "cluster key" not in said, said


def test_everything_killed(four, mail, home):
    """All of it, at once."""
    cluster, host = four
    cluster.driver([find_program("gated"), 4, mail.path, mail.gate], host=host)
    mail.until_count("start", 4)
    for process in home.processes():
        processes.kill(process.pid)
    processes.until(lambda: not home.processes(), settings.seconds(1), "all gone")
    for each in cluster.hosts:
        assert not each.unix_sockets()
    assert not leftovers.find(home.mark)
