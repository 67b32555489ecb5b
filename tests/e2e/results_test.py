"""Several results of one call: each by itself, of all sizes, errors, calls within calls, deaths, cancelling; on other machines."""
import pytest

from conftest import find_program

WHAT = ["alone", "sizes", "errors", "nested", "packed"]


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("slots", ["1", "2"])
def test_in_a_program(run, what, slots):
    assert run("results", what, environment={"REEVE_SLOTS": slots}).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", WHAT)
def test_inline(run, what):
    assert run("results", what, environment={"REEVE_MODE": "inline"}).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("slots", ["1", "2"])
def test_its_worker_dies(run, slots, tmp_path):
    """Nothing of the first attempt is seen, and nothing of it is left."""
    assert run("results", "dies", str(tmp_path / "once"), environment={"REEVE_SLOTS": slots}).succeed(60) == "ok dies\n"


def test_one_of_them_is_cancelled(run, mail):
    """So is the call: whether it runs or has not begun."""
    assert run("results", "cancelled", mail.path, environment={"REEVE_SLOTS": "1"}).succeed(60) == "ok cancelled\n"


@pytest.mark.parametrize("what", WHAT)
def test_on_other_machines(cluster, what):
    assert cluster.driver([find_program("results"), what]).succeed(60) == f"ok {what}\n"


# ---- methods ----

@pytest.mark.parametrize("environment", [{"REEVE_SLOTS": "1"}, {}, {"REEVE_MODE": "inline"}], ids=["one slot", "two", "inline"])
def test_methods(run, environment):
    assert run("methods", "methods", environment=environment).succeed(60) == "ok methods\n"


def test_methods_that_answer_later(run):
    assert run("methods", "replies").succeed(60) == "ok replies\n"


def test_the_process_of_the_actor_dies(run, tmp_path):
    """In the midst of one: each of its results says so, or it is run again, if it may be."""
    assert run("methods", "dies", str(tmp_path / "once")).succeed(60) == "ok dies\n"


@pytest.mark.parametrize("what", ["methods", "replies"])
def test_methods_on_other_machines(cluster, what):
    assert cluster.driver([find_program("methods"), what]).succeed(60) == f"ok {what}\n"
