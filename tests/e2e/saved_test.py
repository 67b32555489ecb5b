"""Actors that save their state: restarted here, elsewhere, and what cannot be saved."""
import pytest

from conftest import find_program

ALL = ["kept", "many", "refused"]


@pytest.mark.parametrize("what", ALL)
def test_saved(run, what):
    assert run("saved", what).succeed(60) == f"ok {what}\n"


@pytest.fixture
def three(network, empty_cluster):
    """A cluster of one node yet, and the driver's host."""
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.hosts = [first, second, third]
    return empty_cluster, third


def test_across_a_bridge(three):
    cluster, host = three
    for what in ALL:
        assert cluster.driver([find_program("saved"), what], host=host).succeed(60) == f"ok {what}\n"


def test_its_node_is_lost(three, mail):
    """It goes on on another, which comes into the cluster only then."""
    cluster, host = three
    program = cluster.driver([find_program("saved"), "moved", mail.path, mail.gate], host=host)
    assert mail.until_count("saved", 1)
    cluster.start_node(host=cluster.hosts[0])
    cluster.nodes[0].kill()
    mail.let_go()
    assert program.succeed(60) == "ok moved\n"
