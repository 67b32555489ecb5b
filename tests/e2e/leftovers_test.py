"""kill -9 at random moments: whatever the moment, nothing is left. Bounded in number and time; a failure prints its seed."""
import os
import random
import select
import time

import pytest

from conftest import find_program
from support import processes, settings

SEED = int(os.environ.get("REEVE_E2E_SEED", random.SystemRandom().randrange(1 << 32)))
# Each takes some tenths of a second, of which the start takes less than a tenth.
WORK = [("answers", "many", 300000), ("answers", "recursion", 21), ("answers", "big", 30), ("answers", "stream", 300)]


def pause(seconds):
    """The moment is the point here: not a wait for something."""
    select.select([], [], [], seconds)


@pytest.mark.parametrize("round_", range(12))
def test_driver_at_any_moment(run, home, round_):
    """While its cluster starts, works, ends."""
    pick = random.Random(f"{SEED} driver {round_}")
    program = run(*pick.choice(WORK))
    moment = pick.uniform(0, 0.03) if pick.random() < 0.5 else pick.uniform(0, 0.3)
    print(f"seed {SEED}: killed after {moment:.4f} s")
    pause(moment)
    program.kill()
    assert home.check_nothing_left(2) < settings.seconds(2)
    program.close()


@pytest.mark.parametrize("round_", range(12))
def test_any_process_at_any_moment(run, home, round_):
    """One of the others, or some; the program ends by itself, well or with an error, and soon."""
    pick = random.Random(f"{SEED} any {round_}")
    program = run(*pick.choice(WORK))
    moment = pick.uniform(0, 0.2)
    pause(moment)
    others = [process for process in home.processes() if process.pid != program.pid]
    killed = pick.sample(others, min(len(others), pick.randint(1, 2)))
    print(f"seed {SEED}: after {moment:.4f} s killed {killed}")
    for process in killed:
        processes.kill(process.pid)
    status = program.wait(25)
    print(f"status {status} after {program.took:.2f} s: {program.out[-300:]}")
    assert status in (0, 1), program.said()
    if status:
        assert "REEVE_E" in program.out + program.err
    home.check_nothing_left(2)


@pytest.mark.parametrize("round_", range(6))
def test_joined_cluster(empty_cluster, home, mail, round_):
    """Everything of a cluster with a driver in it, in any order, within a moment."""
    pick = random.Random(f"{SEED} joined {round_}")
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1)
    empty_cluster.start_node(slots=1)
    empty_cluster.driver([find_program("gated"), 4, mail.path, mail.gate])
    if pick.random() < 0.7:
        mail.until_count("start", 1)
    victims = [process.pid for process in home.processes()]
    pick.shuffle(victims)
    print(f"seed {SEED}: {victims}")
    for pid in victims:
        processes.kill(pid)
        if pick.random() < 0.3:
            pause(pick.uniform(0, 0.05))
    took = time.monotonic()
    home.check_nothing_left(2)
    assert time.monotonic() - took < settings.seconds(2)
    empty_cluster.stop()
