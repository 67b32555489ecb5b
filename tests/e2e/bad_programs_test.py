"""Programs that cannot run where they should: the node says what is missing, the driver gets it as an error, nothing hangs."""
import shutil

import pytest

from conftest import find_program
from support import settings

EM_AARCH64 = 183


@pytest.fixture
def two_hosts(network, empty_cluster):
    """Head and driver on one, the node that runs tasks on the other."""
    here, there = network(2)
    empty_cluster.start_head(f"tcp://{here.address}:6380", host=here)
    return empty_cluster, here, there


def foreign_program(folder):
    """This program as it would be for another architecture: only the header says so."""
    path = folder / "foreign"
    shutil.copy(find_program("disguised"), path)
    with open(path, "r+b") as file:
        file.seek(18)
        file.write(EM_AARCH64.to_bytes(2, "little"))
    return path


def check_foreign(program):
    out = program.succeed()
    assert "square: REEVE_EPROGRAM" in out
    assert "architecture" in out and ("aarch64" in out.lower() or "arm" in out.lower())


def test_other_architecture(two_hosts, home):
    cluster, here, there = two_hosts
    cluster.start_node(host=there)
    check_foreign(cluster.driver(
        [find_program("disguised")], host=here, environment={"E2E_EXECUTABLE": foreign_program(home.work)}))
    assert "answer: 9" in cluster.driver([find_program("disguised")], host=here).succeed()


def test_no_program_at_all(two_hosts, home):
    """The file is text."""
    cluster, here, there = two_hosts
    cluster.start_node(host=there)
    text = home.work / "text"
    text.write_text("not a program\n")
    out = cluster.driver([find_program("disguised")], host=here, environment={"E2E_EXECUTABLE": text}).succeed()
    assert "square: REEVE_EPROGRAM" in out and "h2" in out and "no executable" in out
    assert "answer: 9" in cluster.driver([find_program("disguised")], host=here).succeed()


def test_library_is_missing(two_hosts):
    """The folder of the program's own library is empty on the node: its name is said."""
    cluster, here, there = two_hosts
    cluster.start_node(host=there, hidden=[settings.PROGRAMS / "private"])
    out = cluster.driver([find_program("with_library")], host=here).succeed()
    assert "through_library: REEVE_EPROGRAM" in out
    assert "libwith_library_part.so" in out and "h2" in out
    assert cluster.driver([find_program("answers"), "types"], host=here).succeed() == "ok types\n"


def test_library_is_there(two_hosts):
    cluster, here, there = two_hosts
    cluster.start_node(host=there)
    assert "answer: 21" in cluster.driver([find_program("with_library")], host=here).succeed()


def test_ends_before_reeve_init(run, home):
    """A program whose workers end before they reach reeve_init."""
    out = run("stray", "ends").succeed(20)
    assert "square: REEVE_EPROGRAM" in out and "reeve_init" in out


def test_other_functions(run):
    """A worker whose table of functions differs from the driver's is refused, with the difference."""
    out = run("stray", "differs").succeed(20)
    assert "square: REEVE_EMISMATCH" in out and "only_in_workers" in out
