"""A cluster whose addresses begin with tls+tcp://: what passes between the hosts cannot be read, who has no key is told so, and a node
that was cut off comes back."""
import secrets
import socket
import threading
import time

import pytest

from conftest import find_program
from support import cluster as clusters
from support import processes, settings

ALL_PROTOCOLS = 3


class Capture:
    """Whatever passes any interface of ours: all that is said between the hosts, their bridge being here."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ALL_PROTOCOLS))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.settimeout(0.1)
        self.packets = []
        self.ended = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            try:
                self.packets.append(self.socket.recv(1 << 17))
            except TimeoutError:
                pass

    def end(self):
        time.sleep(0.2)  # what is on its way to us
        self.ended = True
        self.thread.join()
        self.socket.close()
        return self.packets


def start(cluster, hosts, scheme="tls+tcp", nodes=2):
    cluster.start_head(f"{scheme}://{hosts[0].address}:6380", host=hosts[0])
    for host in hosts[1:1 + nodes]:
        cluster.start_node(slots=1, host=host)


def block_piece(at):
    """32 bytes of the value that `broadcast` sends."""
    return bytes(i * 2654435761 >> 11 & 255 for i in range(at, at + 32))


@pytest.mark.parametrize("scheme", ["tcp", "tls+tcp"])
def test_what_can_be_read(network, empty_cluster, mail, scheme):
    """An argument, the names of functions, addresses, the bytes of a large value: in plain all of that, by TLS nothing."""
    hosts = network(4)
    capture = Capture()
    try:
        start(empty_cluster, hosts, scheme)
        assert empty_cluster.address == f"{scheme}://{hosts[0].address}:6380"
        program = empty_cluster.driver([find_program("broadcast"), 2, 4, mail.path, mail.gate], host=hosts[3])
        mail.until_count("start", 2, within=30)
        assert "check" in empty_cluster.tool("tasks", host=hosts[3]).stdout
        mail.let_go()
        assert program.succeed(30) == "good 2\n"
    finally:
        packets = capture.end()
    assert sum(map(len, packets)) > 8 << 20
    secret = {"argument": str(mail.path).encode(), "function": b'"check"', "address": b"tcp://10.77.0."}
    secret.update({f"value at {at}": block_piece(at) for at in (0, 1 << 16, 3 << 20)})
    read = {what for what, needle in secret.items() if any(needle in packet for packet in packets)}
    assert read == (set(secret) if scheme == "tcp" else set())


def refused(cluster, address, host, *more, key=None):
    """What `reeve status` says, and its exit status."""
    cluster.key_file.write_text((key or cluster.key) + "\n")
    before, cluster.address = cluster.address, address
    done = cluster.tool("status", *more, host=host)
    cluster.address = before
    cluster.key_file.write_text(cluster.key + "\n")
    assert done.returncode != 0 and not done.stdout
    return done.stderr, done.returncode


def test_who_is_turned_away(network, empty_cluster):
    """In plain against TLS, the reverse, with another key, or to listen in plain: each is told what to do; the head goes on."""
    first, second = network(2)
    start(empty_cluster, [first, second], nodes=1)
    text, _ = refused(empty_cluster, f"tcp://{first.address}:6380", second)
    assert f"speaks TLS: write tls+tcp://{first.address}:6380" in text
    empty_cluster.head.until_logged("it has to dial tls+tcp://")
    text, status = refused(empty_cluster, empty_cluster.address, second, key=secrets.token_hex(32))
    assert "refused our cluster key" in text and "use the key of this cluster's head" in text and status == 4, (text, status)
    empty_cluster.head.until_logged("its cluster key is not ours")
    folder = empty_cluster.folder / "plain"
    folder.mkdir()
    plain = clusters.Cluster(folder, empty_cluster.environment)
    plain.start_head(f"tcp://{first.address}:6381", host=first)
    try:
        text, _ = refused(plain, f"tls+tcp://{first.address}:6381", second)
        assert "does not speak TLS: write tcp://" in text
    finally:
        plain.stop()
    worker = processes.Program(
        [*second.prefix(), settings.REEVE, "worker", "--head", empty_cluster.address, "--listen", "tcp://*:7000",
         "--key-file", empty_cluster.key_file], empty_cluster.environment)
    assert worker.wait(10) == 2 and "--listen tls+tcp://HOST:PORT" in worker.err, worker.said()
    worker.close()
    # a port alone takes the head's kind
    node = empty_cluster.start_node(host=second, arguments=["--listen", f"{second.address}:7000"])
    assert f"tls+tcp://{second.address}:7000" in node.ready_line
    assert len(empty_cluster.nodes_up(second)) == 2


def test_cut_off_and_back(network, empty_cluster, mail):
    """A node is cut off for good, one comes back, the head is killed and started again; large values go on being moved."""
    hosts = network(4)
    start(empty_cluster, hosts)
    hosts[1].unplug()
    empty_cluster.until_status(lambda status: len([node for node in status["nodes"] if node["state"] == "up"]) == 1,
                               within=30, host=hosts[3], what="one node lost")
    hosts[1].plug()
    empty_cluster.until_status(lambda status: len([node for node in status["nodes"] if node["state"] == "up"]) == 2,
                               within=30, host=hosts[3], what="it is back")
    program = empty_cluster.driver([find_program("broadcast"), 2, 64, mail.path, mail.gate], host=hosts[3])
    mail.until_count("start", 2, within=60)
    empty_cluster.head.kill()
    mail.let_go()
    assert program.succeed(60) == "good 2\n"
    empty_cluster.start_head(empty_cluster.address, host=hosts[0])
    empty_cluster.until_status(lambda status: len([node for node in status["nodes"] if node["state"] == "up"]) == 2,
                               within=30, host=hosts[3], what="both nodes with the new head")
