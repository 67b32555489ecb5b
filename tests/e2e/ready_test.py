"""Being told that futures are ready: the descriptor, callbacks, iteration in the order in which they become ready."""
import pytest

EVERYWHERE = ["descriptor", "callbacks", "as_completed", "forked", "threads"]


@pytest.mark.parametrize("what", EVERYWHERE + ["looping", "in_order", "shutdown_calls", "shutdown_inside"])
def test_in_a_program(run, what):
    assert run("ready", what).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", EVERYWHERE)
def test_inline(run, what):
    """Where every task runs inside the program the same holds."""
    assert run("ready", what, environment={"REEVE_MODE": "inline"}).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("slots", [1, 2])
def test_in_tasks(run, slots):
    assert run("ready", "in_tasks", environment={"REEVE_SLOTS": str(slots)}).succeed(60) == "ok in_tasks\n"


def test_told_in_tasks(run):
    assert run("ready", "told_in_tasks", environment={"REEVE_SLOTS": "3"}).succeed(60) == "ok told_in_tasks\n"
