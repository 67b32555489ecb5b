"""A program's own cluster, with kill -9 of each of its processes in the middle of the work."""
import os
import signal

import pytest

from support import processes, settings


def parts(home, program):
    """The processes of the program's cluster by kind."""
    found = {}
    for process in home.processes():
        if process.pid != program.pid:
            found.setdefault(process.kind, []).append(process)
    return found


@pytest.fixture
def busy(run, home, mail):
    """Four tasks on two slots: two run, two wait."""
    program = run("gated", 4, mail.path, mail.gate)
    mail.until_count("start", 2)
    mail.until_count("driver", 1)
    return program, parts(home, program)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_driver(busy, home, number):
    """Everything goes with it, within two seconds, and what its tasks would have done is not done."""
    program, found = busy
    everything = [process.pid for kind in found.values() for process in kind]
    assert len(everything) == 4
    program.kill(number)
    took = processes.wait_gone(everything, settings.seconds(2), "the cluster of a killed program")
    assert program.wait() == -number
    assert took < settings.seconds(2)
    home.check_nothing_left(1)


def test_worker(busy, mail):
    """The task runs again, is answered once, and the answers are right."""
    program, _ = busy
    _, number, pid, _ = mail.until_count("start", 2)[0]
    processes.kill(int(pid))
    again = mail.until_count("start", 3)[2]
    assert again[1] == number and again[2] != pid
    mail.let_go()
    out = program.succeed()
    assert out == "0 0\n1 3\n2 6\n3 9\ndone\n"
    assert mail.count("end") == 4


def test_all_workers_again_and_again(busy, mail, home):
    """Three losses are made good, as promised."""
    program, _ = busy
    for loss in range(3):
        for process in home.processes("worker"):
            processes.kill(process.pid)
        mail.until_count("start", 2 * (loss + 2))
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def test_head(busy, mail, home):
    """Work goes on: leases that have been granted stay; and there is a head again, that grants more."""
    program, found = busy
    processes.kill(found["head"][0].pid)
    processes.wait_gone([found["head"][0].pid], settings.seconds(1), "the head")
    processes.until(lambda: len(home.processes("head")) == 1, settings.seconds(2), "another head")
    for process in home.processes("worker"):
        processes.kill(process.pid)
    mail.until_count("start", 4)
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\n2 6\n3 9\ndone\n"


def test_head_again_and_again(busy, home):
    """It is not tried for ever: then futures fail, with a clear error."""
    program, _ = busy
    while program.status is None and not program.out:
        for process in home.processes("head"):
            processes.kill(process.pid)
            processes.wait_gone([process.pid], settings.seconds(1), "the head")
        program.turn(0.01)
    assert program.wait(10) == 1
    assert program.out.count("REEVE_ENOCLUSTER") == 4 and "head" in program.out


def test_node(busy, home):
    """Futures fail with a clear error, soon; workers end within a second."""
    program, found = busy
    processes.kill(found["node"][0].pid)
    processes.wait_gone([process.pid for process in found["worker"]], settings.seconds(1), "workers")
    assert program.wait(5) == 1
    lines = program.out.splitlines()
    assert len(lines) == 5 and lines[-1] == "done"
    for line in lines[:-1]:
        _, code, message, *_ = line.replace(": ", " | ", 1).split(" | ")
        assert code in ("REEVE_ENODEDIED", "REEVE_ENOCLUSTER")
        assert "node" in message
    home.check_nothing_left(1)


def test_stopped_driver(busy, home):
    """A driver that is stopped, then killed while stopped."""
    program, found = busy
    program.kill(signal.SIGSTOP)
    program.kill(signal.SIGKILL)
    processes.wait_gone(
        [process.pid for kind in found.values() for process in kind], settings.seconds(2), "the cluster of a killed program")
    assert program.wait() == -signal.SIGKILL


def test_stopped_worker_outlives_nothing(busy, home):
    """A worker that cannot react (it is stopped) goes with its daemon all the same."""
    program, found = busy
    os.kill(found["worker"][0].pid, signal.SIGSTOP)
    program.kill()
    processes.wait_gone(
        [process.pid for kind in found.values() for process in kind], settings.seconds(2), "the cluster of a killed program")
    program.wait()


def test_what_tasks_have_started(run, home, mail):
    """A process that a task has started ends with the program, too."""
    program = run("failures", "spawns", mail.path)
    (_, child), = mail.until_count("spawned", 1)
    assert processes.read(int(child))
    program.kill()
    processes.wait_gone([int(child)], settings.seconds(2), "what a task has started")
