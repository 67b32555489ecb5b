"""A head with many nodes: 300 that are nothing but sessions, heartbeats and leases (programs/crowd.c), which come all at once, stay over
a head's death, and are shown to people. tests/bench/crowd.py does the same with more of them, and measures."""
import json

import pytest

from support import crowds, processes, settings

NODES = 300
# A node costs the head some 26 KiB, by TLS 85; without sanitizers.
NODE_BYTES_MAX = {"tcp": 64 << 10, "tls+tcp": 160 << 10}


@pytest.fixture
def scheme():
    return "tcp"


@pytest.fixture
def crowd(empty_cluster, scheme):
    empty_cluster.start_head(f"{scheme}://127.0.0.1:0")
    empty_cluster.empty_bytes = processes.pss_bytes(empty_cluster.head.pid)
    crowd = crowds.Crowd(empty_cluster, NODES)
    yield crowd
    crowd.end()


@pytest.mark.parametrize("scheme", ["tcp", "tls+tcp"])
def test_all_at_once_and_over_a_death_of_the_head(empty_cluster, crowd, scheme):
    crowd.until_joined(NODES, 30)
    assert not crowd.failures, "nobody is turned away because others come, too"
    before = {node["node"] for node in empty_cluster.nodes_up()}
    assert len(before) == NODES
    if not settings.SANITIZER:
        assert processes.pss_bytes(empty_cluster.head.pid) - empty_cluster.empty_bytes < NODES * NODE_BYTES_MAX[scheme]
    assert crowd.grant(200)[0] > 0

    listen = empty_cluster.address
    empty_cluster.head.kill()
    empty_cluster.start_head(listen=listen)
    crowd.until_back(NODES, 30)
    assert {node["node"] for node in empty_cluster.nodes_up()} == before, "the same lives, under the same numbers"
    assert crowd.grant(200)[0] > 0


def test_what_people_are_shown(empty_cluster, crowd):
    crowd.until_joined(NODES, 30)
    everything = json.loads(empty_cluster.tool("status", "--json", "--limit", "0").stdout)
    assert len(everything["nodes"]) == NODES and everything["left_out"] == 0
    assert everything["taken_s"] > 0, "more than a slice: not of one moment"
    table = empty_cluster.tool("status").stdout
    assert f"{NODES} of {NODES} nodes up" in table and f"{NODES - 50} more nodes: see --state" in table
    assert "the tables are not of one moment" in table and len(table.splitlines()) < 70

    crowd.end()  # all die at once: those that are lost, or dead by now, are not counted as up
    def gone():
        totals = json.loads(empty_cluster.tool("status", "--json").stdout)["totals"]
        return totals["nodes_up"] == 0
    processes.until(gone, settings.seconds(20), "a cluster without nodes")


def test_too_few_files(empty_cluster):
    """The head says so before it is too late."""
    files = 64 + 2 * 40
    empty_cluster.start_head(prefix=("prlimit", f"--nofile={files}:{files}"))
    crowd = crowds.Crowd(empty_cluster, 38)
    try:
        crowd.until_joined(38, 30)
        empty_cluster.head.until_logged("REEVE-FILES-SHORT")
        assert "nodes=40" in empty_cluster.head.log()
    finally:
        crowd.end()
