"""A cluster that programs join, on one machine: several drivers, nodes that die and come back, ends that are clean."""
import os
import select
import signal
import socket
import stat

import pytest

from conftest import find_program
from support import processes, settings


def test_answers(cluster):
    program = cluster.driver([find_program("answers"), "many"])
    assert program.succeed() == "ok many\n"
    assert cluster.driver([find_program("answers"), "big"]).succeed(60) == "ok big\n"
    assert cluster.driver([find_program("answers"), "recursion", 12]).succeed(60) == "ok recursion\n"


def test_key_file_of_a_first_start(empty_cluster):
    """A head makes the key, for its user alone; what follows finds it there."""
    empty_cluster.key_file.unlink()
    head = empty_cluster.start_head()
    assert stat.S_IMODE(os.stat(empty_cluster.key_file).st_mode) == 0o600
    assert len(empty_cluster.key_file.read_text().strip()) == 64
    empty_cluster.start_node()
    assert empty_cluster.driver([find_program("first")]).succeed().startswith("7 * 6 = 42")
    assert head.kill(signal.SIGTERM) == 0


def test_several_drivers_at_once(cluster):
    drivers = [cluster.driver([find_program("answers"), what]) for what in ("many", "dynamic", "threads", "chain")]
    for driver in drivers:
        driver.succeed(60)
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0 and status["totals"]["slots_used"] == 0,
                         what="slots free again")


def test_driver_killed(cluster, mail, home, tmp_path):
    """Its tasks are stopped; another's go on."""
    other = tmp_path / "other"
    other.mkdir()
    other_mail = processes.Mail(other)
    killed = cluster.driver([find_program("gated"), 6, mail.path, mail.gate])
    mail.until_count("driver", 1)
    running = mail.until_count("start", 1)
    lives = cluster.driver([find_program("gated"), 6, other_mail.path, other_mail.gate])
    other_mail.until_count("driver", 1)
    killed.kill()
    processes.wait_gone([int(line[2]) for line in running], settings.seconds(2), "workers of a killed driver")
    other_mail.let_go()
    assert lives.succeed() == "".join(f"{i} {3 * i}\n" for i in range(6)) + "done\n"
    assert mail.count("end") == 0
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0 and status["totals"]["slots_used"] == 0,
                         what="the killed job is gone")
    other_mail.close()


def test_worker_killed(cluster, mail):
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    starts = mail.until_count("start", 4)
    processes.kill(int(starts[1][2]))
    again = mail.until_count("start", 5)[4]
    assert again[1] == starts[1][1]
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def workers_of(node, home):
    return [process for process in home.processes("worker") if process.parent == node.pid]


def test_node_killed(cluster, mail, home):
    """The far node: its tasks run again on the other one; its workers end with it, within a second."""
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    mail.until_count("start", 4)
    near, far = cluster.nodes
    lost = workers_of(far, home)
    assert len(lost) == 2 and len(workers_of(near, home)) == 2
    far.kill()
    processes.wait_gone([process.pid for process in lost], settings.seconds(1), "workers of a killed node")
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"
    assert mail.count("start") == 6
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 1, what="one node up")


def test_own_node_killed(cluster, mail):
    """The node a driver is connected to: its futures fail, with a clear error."""
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    mail.until_count("start", 4)
    cluster.nodes[0].kill()
    assert program.wait(10) == 1
    for line in program.out.splitlines()[:-1]:
        assert "REEVE_ENODEDIED" in line or "REEVE_ENOCLUSTER" in line
        assert "node" in line


def test_node_restarted(cluster, mail):
    """A node that comes back takes work again."""
    cluster.nodes[1].kill()
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 1, what="one node up")
    cluster.start_node(name="node2")
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    mail.until_count("start", 4)
    mail.let_go()
    program.succeed()
    assert len(cluster.nodes_up()) == 2


def ended_not_lost(cluster):
    cluster.head.until_logged("REEVE-NODE-ENDED")
    log = cluster.head.log()  # it was planned: nothing to warn of
    assert "REEVE-NODE-LOST" not in log and "REEVE-NODE-DEAD" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_node_ends_cleanly(cluster, mail, number, home):
    """SIGTERM to a node in the middle: it finishes what it has begun, the rest runs elsewhere, and it ends with status 0."""
    program = cluster.driver([find_program("gated"), 6, mail.path, mail.gate])
    mail.until_count("start", 4)
    processes.kill(cluster.nodes[1].pid, number)
    cluster.nodes[1].until_logged("REEVE-NODE-STOPPING")
    mail.let_go()
    assert program.succeed() == "".join(f"{i} {3 * i}\n" for i in range(6)) + "done\n"
    assert cluster.nodes[1].popen.wait(settings.seconds(35)) == 0
    assert mail.count("start") == 6  # each once
    ended_not_lost(cluster)


def test_node_ends_at_once(empty_cluster, mail):
    """The second signal does not wait for tasks: they run elsewhere, and that is not one of their retries, of which there is one."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=0, name="of_the_driver")
    empty_cluster.start_node(slots=1)
    program = empty_cluster.driver([find_program("gated"), 1, mail.path, mail.gate, 1, 1])
    for count in range(1, 4):
        mail.until_count("start", count)
        node = empty_cluster.nodes[-1]
        empty_cluster.start_node(slots=1)
        processes.kill(node.pid, signal.SIGTERM)
        node.until_logged("REEVE-NODE-STOPPING")
        assert node.kill(signal.SIGINT) == 0
    mail.until_count("start", 4)
    mail.let_go()
    assert program.succeed() == "0 0\ndone\n"
    ended_not_lost(empty_cluster)


def test_node_ends_beside_a_stuck_head(cluster):
    """It does not wait for long to be heard."""
    processes.kill(cluster.head.pid, signal.SIGSTOP)
    assert cluster.nodes[1].kill(signal.SIGTERM) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_head_ends_cleanly(empty_cluster, number, home):
    """And another takes its port at once."""
    head = empty_cluster.start_head()
    address = empty_cluster.address
    node = empty_cluster.start_node()
    assert head.kill(number) == 0
    node.until_logged("REEVE-HEAD-ENDED")
    assert "REEVE-HEAD-LOST" not in node.log()
    again = empty_cluster.start_head(listen=address)
    assert empty_cluster.address == address
    empty_cluster.until_status(lambda status: status["totals"]["nodes_up"] == 1, within=15, what="the node has come back")
    assert empty_cluster.driver([find_program("answers"), "many"]).succeed() == "ok many\n"
    assert again.kill(number) == 0


def test_head_killed_and_back(cluster, mail):
    """Work that has been given out goes on without a head; when it is back it is told, and gives out more."""
    program = cluster.driver([find_program("gated"), 6, mail.path, mail.gate])
    mail.until_count("start", 4)
    address = cluster.address
    cluster.head.kill()
    cluster.start_head(listen=address)
    mail.let_go()
    assert program.succeed() == "".join(f"{i} {3 * i}\n" for i in range(6)) + "done\n"
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 2, within=15, what="both nodes back")
    assert cluster.driver([find_program("answers"), "many"]).succeed() == "ok many\n"


def test_no_slots_here(empty_cluster, mail):
    """A driver's own node daemon runs nothing; the driver and its daemon end together."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1, arguments=["--socket", "reeve-hidden"])
    program = empty_cluster.driver([find_program("gated"), 1, mail.path, mail.gate])
    mail.until_count("start", 1)
    mail.let_go()
    program.succeed()


def cpu_ticks(pids):
    """Hundredths of a second that these have used, all threads together."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def test_quiet_when_idle(cluster, mail, home):
    """Nothing to do: no loop that polls. A driver waits, workers wait; heartbeats are all there is, for three seconds."""
    program = cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    mail.until_count("start", 4)
    pids = [process.pid for process in home.processes()]
    assert len(pids) == 8
    before = cpu_ticks(pids)
    select.select([], [], [], 3)
    assert cpu_ticks(pids) - before <= (3 if settings.SLOWNESS == 1 else 30)
    mail.let_go()
    program.succeed()


def test_listens_on_loopback_only(cluster):
    """Unless told otherwise."""
    port = int(cluster.address.rsplit(":", 1)[1])
    with open("/proc/net/tcp", encoding="ascii") as file:
        local = [line.split()[1] for line in file.readlines()[1:] if line.split()[3] == "0A"]
    addresses = {address for address in local if settings.OWN_NAMESPACES or int(address.split(":")[1], 16) == port}
    assert addresses
    for address in addresses:
        assert socket.inet_ntoa(int(address.split(":")[0], 16).to_bytes(4, "little")) == "127.0.0.1"
    with open("/proc/net/tcp6", encoding="ascii") as file:
        assert not settings.OWN_NAMESPACES or len(file.readlines()) == 1
