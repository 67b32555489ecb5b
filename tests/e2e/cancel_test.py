"""Cancelling: what has not begun, what looks, what does not; children; time limits; bad input; on other machines."""
import pytest

from conftest import find_program
from support import processes

ONE = {"REEVE_SLOTS": "1"}


def lines_of(mail):
    while mail.drain():
        pass
    return mail.lines


@pytest.mark.parametrize("what", ["when_it_looks", "when_it_handles", "time_limits", "when_it_does_not", "inside"])
def test_in_a_program(run, mail, what):
    """The first three say in which process things are: there is one."""
    assert run("cancel", what, mail.path, environment=ONE).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", ["when_it_does_not", "for_ever", "storm"])
def test_with_two_workers(run, mail, what):
    assert run("cancel", what, mail.path, environment={"REEVE_SLOTS": "2"}).succeed(60) == f"ok {what}\n"


def test_before_it_begins(run, mail):
    assert run("cancel", "before_it_begins", mail.path, environment=ONE).succeed(30) == "ok before_it_begins\n"
    assert mail.count("begun") <= 1


def test_bad_input(run, mail):
    assert run("cancel", "bad", mail.path, environment=ONE).succeed(30) == "ok bad\n"


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
            return stream.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def check_children(mail):
    lines = lines_of(mail)
    assert "parent cancelled: 1" in lines
    assert sum(line.startswith("begun") for line in lines) == sum(line.startswith("stopped") for line in lines)
    assert not [line for line in lines if line.startswith("a child")]


def test_children(run, mail):
    assert run("cancel", "children", mail.path, environment={"REEVE_SLOTS": "2"}).succeed(30) == "ok children\n"
    check_children(mail)


def test_processes(run, mail):
    """What the task has started is killed with it, before its future says so; to be gone takes it a moment."""
    assert run("cancel", "processes", mail.path, environment=ONE).succeed(30) == "ok processes\n"
    (line,) = lines_of(mail)
    processes.until(lambda: not is_alive(int(line.split()[1])), 2, "the end of what the task has started")


@pytest.mark.parametrize("what", ["before_it_begins", "when_it_does_not", "for_ever", "children", "storm"])
def test_on_other_machines(cluster, mail, what):
    assert cluster.driver([find_program("cancel"), what, mail.path]).succeed(60) == f"ok {what}\n"
    if what == "children":
        check_children(mail)
