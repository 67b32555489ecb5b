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
    """Where the stack is used up, another process goes on: some 1,400 levels in 8 MiB."""
    assert processes_of("deep", 10000, slots=2) <= 15


def test_who_runs_a_child(run):
    """The one who waits, if the child is of its class, has no time limit and does not refuse."""
    assert run("waiting", "rules", environment={"REEVE_SLOTS": "1"}).succeed(30) == "ok rules\n"


@pytest.mark.parametrize("how", ["refuses", "time_limit", "other_class", "any"])
def test_deeper_than_there_may_be_processes(run, how):
    """Children that nobody can run, each for another reason: the error names the chain."""
    how = ["refuses", "time_limit", "other_class", "any"].index(how)
    program = run("waiting", "deadlock", how, environment={"REEVE_SLOTS": "1", "REEVE_PROCESSES": "6"})
    assert program.succeed(40) == "ok deadlock\n"
    assert "descend_alone waits for descend_alone, and no process is left to run that" in program.err


def test_deeper_than_there_is_stack(run):
    limits = "ulimit -s 1024; exec"
    environment = {"REEVE_SLOTS": "1", "REEVE_PROCESSES": "4"}
    assert run("/bin/sh", "-c", f'{limits} "{find_program("waiting")}" too_deep', environment=environment).succeed(40) \
        == "ok too_deep\n"


def test_recursion_with_a_small_stack(run):
    """Hardly any room for children on the spot: processes take over."""
    limits = "ulimit -s 2048; exec"
    assert run("/bin/sh", "-c", f'{limits} "{find_program("waiting")}" deep 10000').succeed(60) == "ok deep\n"


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("slots", [1, 2])
def test_trees_are_run_in_depth(run, slots, half):
    """Many more tasks that wait than there may be processes, with children that cannot be run on the spot."""
    environment = {"REEVE_SLOTS": str(slots), "REEVE_PROCESSES": "16"}
    assert run("waiting", "wide", half, environment=environment).succeed(60) == "ok wide\n"


def test_a_thread_waits_for_the_task(run):
    """The task itself waits for that thread: its slot is lent all the same."""
    assert run("waiting", "in_thread", environment={"REEVE_SLOTS": "1"}).succeed(20) == "ok in_thread\n"


def test_whose_fault_a_crash_is(run, home):
    assert run("waiting", "crashes", home.work / "count", environment={"REEVE_SLOTS": "1", "WAITING_ALONE": "1"}) \
        .succeed(30) == "ok crashes\n"


def test_whose_fault_a_crash_is_on_another_node(empty_cluster, home):
    """Where the worker died, its node's daemon answers for it."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=0)
    empty_cluster.start_node(slots=1)
    program = empty_cluster.driver(
        [find_program("waiting"), "crashes", home.work / "count"], environment={"WAITING_ALONE": "1"})
    assert program.succeed(30) == "ok crashes\n"
