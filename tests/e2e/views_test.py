"""Large values in place: what views give, and that nothing of them stays when those who hold them are killed. The store has 64 MiB: what
is leaked is missed soon."""
import pytest

from conftest import find_program
from support import settings

STORE = {"REEVE_STORE_SIZE": "64M"}


@pytest.mark.parametrize("what", ["in_place", "members", "filled", "got_twice", "many", "viewed_many"])
def test_in_place(run, what):
    assert run("views", what, environment=STORE).succeed(60) == f"ok {what}\n"


@pytest.mark.skipif(not settings.OWN_NAMESPACES, reason="needs a mount namespace")
def test_without_dev_shm(run):
    """Where nobody can write there, and there is no room."""
    hide = 'mount -t tmpfs -o ro,size=4k none /dev/shm && exec "$@"'
    program = run("/usr/bin/unshare", "--mount", "/bin/sh", "-c", hide, "sh", find_program("views"), "in_place", environment=STORE)
    assert program.succeed(60) == "ok in_place\n"


def test_workers_killed_while_they_hold_values(run):
    """At each step of having an argument, a view of a child's result, a value being filled, one that is sealed, a large result: in all
    some ten times what the store holds."""
    assert run("views", "churn", environment={**STORE, "REEVE_SLOTS": "2"}).succeed(120) == "ok churn\n"


def test_drivers_killed_while_they_hold_values(empty_cluster):
    """kill -9 of one program after the other: the next has the whole store."""
    empty_cluster.start_head()
    empty_cluster.start_node(arguments=["--store", "64M"])
    for _ in range(4):
        program = empty_cluster.driver([find_program("views"), "to_be_killed"])
        program.until_line("ready")
        program.kill()
        program.wait(settings.seconds(5))
    assert empty_cluster.driver([find_program("views"), "nothing_left"]).succeed(60) == "ok nothing_left\n"
