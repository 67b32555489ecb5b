"""Tasks that wait for their children: recursion, who runs a child, whose fault its crash is; and graphs of tasks."""
import pytest

from conftest import find_program


@pytest.mark.parametrize("what", ["chain", "fans", "diamonds", "graph"])
def test_graphs(run, what):
    assert run("waiting", what).succeed(60) == f"ok {what}\n"


@pytest.fixture
def processes_of(run, home):
    """Runs the program; how many processes its functions ran in."""
    def start(*arguments, slots):
        path = home.work / "processes"
        environment = {"REEVE_SLOTS": str(slots), "WAITING_PROCESSES": str(path)}
        assert run("waiting", *arguments, environment=environment).succeed(60) == f"ok {arguments[0]}\n"
        return path.stat().st_size
    return start


@pytest.mark.parametrize("slots", [1, 2])
def test_fibonacci(processes_of, slots):
    """Each of the 635,621 calls waits for two more; there are as many processes as slots, about."""
    assert processes_of("fib", 27, slots=slots) <= slots + 4


def test_recursion(processes_of):
    """Where the stack is used up, another process goes on."""
    assert processes_of("deep", 10000, slots=2) <= 6


def test_who_runs_a_child(run):
    """The one who waits, if the child is of its class, has no time limit and does not refuse."""
    assert run("waiting", "rules", environment={"REEVE_SLOTS": "1"}).succeed(30) == "ok rules\n"


def test_whose_fault_a_crash_is(run, home):
    assert run("waiting", "crashes", home.work / "count", environment={"REEVE_SLOTS": "1"}).succeed(30) == "ok crashes\n"


def test_whose_fault_a_crash_is_on_other_nodes(cluster, home):
    assert cluster.driver([find_program("waiting"), "crashes", home.work / "count"]).succeed(30) == "ok crashes\n"
