"""One large value that four nodes want at once, put on the driver's host. It spreads by itself; and it goes on spreading when one of
those who have it, or want it, is killed or stopped in the middle."""
import json
import signal

import pytest

from conftest import find_program
from support import processes, settings

MIB = 96


class Broadcast:
    def __init__(self, cluster, hosts, mail):
        self.cluster, self.hosts, self.mail = cluster, hosts, mail

    def start(self, nodes):
        self.before = self.hosts[-1].sent_bytes()
        return self.cluster.driver([find_program("broadcast"), nodes, MIB, self.mail.path, self.mail.gate], host=self.hosts[-1])

    def copies(self):
        return (self.hosts[-1].sent_bytes() - self.before) / (MIB << 20)

    def until_copies(self, count):
        processes.until(lambda: self.copies() > count, settings.seconds(30), f"{count} copies on their way")

    def stores_are_empty(self):
        done = self.cluster.tool("objects", "--json", host=self.hosts[0])
        if done.returncode != 0:
            return False  # a node that is just leaving is left out
        totals = json.loads(done.stdout)["totals"]
        return not any(totals[key] for key in ("objects", "pins", "pinned_bytes", "unsealed_bytes", "copy_bytes", "waiting", "holds"))

    def nothing_left(self):
        """Once the driver is gone: no value, nothing that waits for one, no pin, and no room that pieces were to come to."""
        self.cluster.until_status(lambda status: status["totals"]["objects"] == 0 and status["totals"]["slots_used"] == 0,
                                  within=20, host=self.hosts[0], what="no values")
        processes.until(self.stores_are_empty, settings.seconds(20), "empty stores")


@pytest.fixture
def broadcast(network, empty_cluster, mail):
    hosts = network(6)
    empty_cluster.start_head(f"tcp://{hosts[0].address}:6380", host=hosts[0])
    for host in hosts[1:5]:
        empty_cluster.start_node(slots=1, host=host)
    return Broadcast(empty_cluster, hosts, mail)


def test_spreads(broadcast):
    program = broadcast.start(4)
    starts = broadcast.mail.until_count("start", 4, within=60)
    assert len({line[1] for line in starts}) == 4
    copies = broadcast.copies()
    broadcast.mail.let_go()
    assert program.succeed() == "good 4\n"
    print(f"the first sent {copies:.2f} copies")
    assert copies < 2.1  # headers and all
    broadcast.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("which", [0, 3])
def test_node_lost_in_the_middle(broadcast, which, number):
    """Those that got pieces from it get them from elsewhere; its task runs on another node. Stopped, it is dead after ten seconds."""
    program = broadcast.start(4)
    broadcast.until_copies(0.3)
    broadcast.cluster.nodes[which].popen.send_signal(number)
    broadcast.mail.let_go()
    assert program.succeed(90) == "good 4\n"
    broadcast.cluster.nodes[which].kill()
    broadcast.nothing_left()


def test_driver_killed_in_the_middle(broadcast):
    """The only source, and the owner: everything is given back."""
    program = broadcast.start(4)
    broadcast.until_copies(0.3)
    program.kill()
    broadcast.nothing_left()
    broadcast.mail.let_go()
    assert broadcast.start(4).succeed(60) == "good 4\n"
