"""What keeps an actor alive, and what ends it (programs/handles.c): a thing reports its end, and what it had come to."""
import pytest

from conftest import find_program
from support import processes

BETWEEN = ["own", "nodes"]


@pytest.fixture
def driver(request, run, mail):
    """Starts the program, in a cluster of its own or on two nodes."""
    def start(where, what, *more):
        arguments = [what, mail.path, *more]
        if where == "nodes":
            return request.getfixturevalue("cluster").driver([find_program("handles"), *arguments])
        return run("handles", *arguments, environment={"REEVE_MODE": "inline"} if where == "inline" else {})
    return start


def finish(program, mail, what):
    mail.until_count("done", 1)
    with open(mail.path + ".told", "w", encoding="utf-8"):
        pass
    assert program.succeed() == f"ok {what}\n"


@pytest.mark.parametrize("where", [*BETWEEN, "inline"])
def test_retained(driver, mail, where):
    """In the state of another actor, which alone has it in the end; given back, got, retained once more."""
    program = driver(where, "retained")
    assert mail.until_count("ended", 1) == [["ended", "53"]]
    finish(program, mail, "retained")


@pytest.mark.parametrize("where", BETWEEN)
@pytest.mark.parametrize(("what", "value"), [("passed", "3"), ("passed_on", "6")])
def test_passed(driver, mail, where, what, value):
    """Whoever it was passed to has it for as long as the call takes; also by a task that has ended to one that has not."""
    program = driver(where, what, mail.gate)
    mail.until_count("waits", 1)
    mail.until_count("released", 1)
    assert mail.count("ended") == 0
    mail.let_go()
    assert mail.until_count("added", 1) == [["added", value, "0"]]
    assert mail.until_count("ended", 1) == [["ended", value]]
    finish(program, mail, what)


@pytest.mark.parametrize("where", [*BETWEEN, "inline"])
def test_calls_that_nobody_waits_for(driver, mail, where):
    """They are there before it ends, though whoever made them has ended before."""
    program = driver(where, "forgotten")
    assert mail.until_count("ended", 1) == [["ended", "500"]]
    finish(program, mail, "forgotten")


@pytest.mark.parametrize("where", [*BETWEEN, "inline"])
def test_results(driver, mail, where):
    program = driver(where, "results")
    assert sorted(mail.until_count("ended", 4)) == [["ended", "12"], ["ended", "23"], ["ended", "30"], ["ended", "5"]]
    finish(program, mail, "results")


@pytest.mark.parametrize("where", BETWEEN)
def test_holder_died(driver, mail, where):
    """kill -9 of the only process that has it."""
    program = driver(where, "holder_died")
    processes.kill(int(mail.until_count("holder", 1)[0][1]))
    assert mail.until_count("ended", 1) == [["ended", "8"]]
    finish(program, mail, "holder_died")


@pytest.mark.parametrize("where", BETWEEN)
def test_owner_died(driver, mail, where):
    """kill -9 of the process that has made it: it ends, whoever holds it."""
    program = driver(where, "owner_died")
    processes.kill(int(mail.until_count("owner", 1)[0][1]))
    finish(program, mail, "owner_died")
    assert mail.count("ended") == 0
