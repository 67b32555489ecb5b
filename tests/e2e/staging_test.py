"""Large arguments on four hosts: they are brought to the node before the worker sees the task. Head, two nodes with two workers and a
store of 256 MiB each, driver."""
import pytest

from conftest import find_program
from support import processes, settings


@pytest.fixture
def staging(network, empty_cluster):
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.start_node(host=third)

    def start(*words):
        return empty_cluster.driver([find_program("staging"), *words], host=fourth)

    empty_cluster.staging = start
    yield empty_cluster
    # A task that hangs would hold its worker's lease, one that leaks its cpu.
    for program in empty_cluster.programs:
        program.close()
    empty_cluster.until_status(lambda status: status["totals"]["slots_used"] == 0, host=fourth, what="slots free")


@pytest.mark.parametrize("what", ["sizes", "shared", "stream", "near"])
def test_travels(staging, what):
    assert staging.staging(what).succeed(60) == f"ok {what}\n"


def test_small_ones_do_not_wait_for_large_ones(network, empty_cluster):
    """A block that takes seconds on a slow link, to a node that small ones go to by the same link meanwhile."""
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    if not third.slow_down():
        pytest.skip("the kernel cannot slow a link down")
    out = empty_cluster.driver([find_program("staging"), "beside"], host=third).succeed(60)
    count = int(out.split()[0])
    print(f"{count} small ones before the large one")
    assert count >= 8 # fifty, where nothing else is done


def counts(out):
    words = next(line for line in out.splitlines() if line.startswith("good")).split()
    return int(words[1]), int(words[3])


def test_source_killed(staging):
    """kill -9 of a node while its objects are on their way to the other: they are made again, and each task ends with its value; then
    the node that is left takes more than its store holds."""
    program = staging.staging("killed")
    program.until_line("submitted")
    staging.nodes[0].kill()
    out = program.succeed(90)
    assert out.endswith("ok killed\n") and counts(out) == (24, 0)


def test_workers_killed(staging, home, mail):
    """kill -9 of the workers of a node while arguments come for them: their tasks run again, nothing that was staged for them stays."""
    program = staging.staging("killed", mail.path)
    program.until_line("submitted")
    mail.until_count("start", 1)
    workers = [process.pid for process in home.processes("worker") if process.parent == staging.nodes[0].pid]
    for pid in workers:
        processes.kill(pid)
    assert workers
    out = program.succeed(90)
    assert out.endswith("ok killed\n") and counts(out) == (24, 0)


def test_driver_killed(staging):
    """kill -9 of the driver while its arguments travel: the nodes are as good as new for the next one."""
    program = staging.staging("killed")
    program.until_line("submitted")
    program.kill()
    program.wait(settings.seconds(5))
    assert staging.staging("stream").succeed(60) == "ok stream\n"
