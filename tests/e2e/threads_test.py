"""Many threads of one program use the library at once; tests/e2e/programs/threads.c checks all answers."""
import pytest

from support import settings

ROUNDS = 300 if settings.SLOWNESS == 1 else 40


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_storm(run, seed):
    assert run("threads", "storm", 8, ROUNDS, seed).succeed(60) == "ok storm\n"


def test_storm_inline(run):
    """All threads run their own tasks, in one process."""
    out = run("threads", "storm", 8, ROUNDS, 4, environment={"REEVE_MODE": "inline"}).succeed(60)
    assert out == "ok storm\n"


def test_storm_on_a_cluster(cluster):
    """With workers on another node, and values that travel."""
    program = cluster.driver([settings.PROGRAMS / "threads", "storm", "8", str(ROUNDS), "5"])
    assert program.succeed(60) == "ok storm\n"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_shutdown_under_way(run, seed):
    """Other threads' calls work or say that it is over; none hangs, and the program may begin again."""
    assert run("threads", "shutdown", 8, 10 * ROUNDS, seed).succeed(60) == "ok shutdown\n"
