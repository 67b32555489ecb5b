"""Streams: order, the end, errors in place, early stops, being ahead, deaths, large items, bad use; on other machines;
several at once; and given to calls."""
import json

import pytest

from conftest import find_program
from support import processes, settings

ONE = {"REEVE_SLOTS": "1"}
WINDOW = 512


def lines_of(mail):
    while mail.drain():
        pass
    return mail.lines


@pytest.mark.parametrize("what", ["order", "errors", "large", "zip", "chain", "wrong", "packed", "time_limit", "dropped"])
@pytest.mark.parametrize("slots", ["1", "2"])
def test_in_a_program(run, what, slots):
    assert run("streams", what, environment={"REEVE_SLOTS": slots}).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", ["order", "large", "zip", "chain", "packed", "dropped"])
def test_inline(run, what):
    assert run("streams", what, environment={"REEVE_MODE": "inline"}).succeed(60) == f"ok {what}\n"


def test_cancelled(run, mail):
    assert run("streams", "cancelled", mail.path, environment=ONE).succeed(30) == "ok cancelled\n"


@pytest.mark.parametrize("slots", ["1", "2"])
def test_its_worker_dies(run, slots, tmp_path):
    assert run("streams", "dies", str(tmp_path / "once"), environment={"REEVE_SLOTS": slots}).succeed(60) == "ok dies\n"


def test_it_is_stopped(run, mail):
    """The function sees it at its next yield; one that has not begun never does."""
    assert run("streams", "stops", mail.path, environment=ONE).succeed(30) == "ok stops\n"
    stopped = [line for line in lines_of(mail) if line.startswith("stopped")]
    assert stopped and set(stopped) == {"stopped REEVE_ECANCELLED 1"}


def check_ahead(program, mail):
    """Nobody reads: it has yielded what fills the window, and no more until somebody does."""
    mail.until_count("yielded", 1)
    assert not mail.drain(0.3)
    assert mail.lines == [f"yielded {WINDOW}"]
    mail.let_go()
    assert program.succeed(30) == "ok ahead\n"
    assert f"yielded {WINDOW + 2}" in lines_of(mail)


def test_it_is_ahead(run, mail):
    check_ahead(run("streams", "ahead", mail.path, mail.gate, environment=ONE), mail)


def test_it_is_ahead_on_another_machine(cluster, mail):
    check_ahead(cluster.driver([find_program("streams"), "ahead", mail.path, mail.gate]), mail)


def check_window(program, mail, what):
    """No further than the call allows: of items of 1000 bytes 3, 1, or 10 (10,000 bytes)."""
    ahead = {"window_items": 3, "window_one": 1, "window_bytes": 10}[what]
    mail.until_count("yielded", ahead)
    assert not mail.drain(0.3)
    assert mail.lines == [f"yielded {i}" for i in range(1, ahead + 1)]
    mail.let_go()
    assert program.succeed(30) == f"ok {what}\n"
    assert f"yielded {ahead}" in lines_of(mail)


@pytest.mark.parametrize("what", ["window_items", "window_one", "window_bytes"])
def test_its_window(run, mail, what):
    check_window(run("streams", what, mail.path, mail.gate, environment=ONE), mail, what)


@pytest.mark.parametrize("what", ["window_items", "window_bytes"])
def test_its_window_on_another_machine(cluster, mail, what):
    check_window(cluster.driver([find_program("streams"), what, mail.path, mail.gate]), mail, what)


@pytest.mark.parametrize("what", ["order", "errors", "large", "zip", "chain", "wrong", "packed", "time_limit", "dropped"])
def test_on_other_machines(cluster, what):
    assert cluster.driver([find_program("streams"), what]).succeed(60) == f"ok {what}\n"


# Several at once.

MERGES = ["ten", "ends", "turns", "watched", "callbacks", "given"]


@pytest.mark.parametrize("what", MERGES)
@pytest.mark.parametrize("where", [ONE, {"REEVE_SLOTS": "2"}, {"REEVE_MODE": "inline"}], ids=["one", "two", "inline"])
def test_merged_in_a_program(run, what, where):
    if what == "turns" and where == ONE:
        where = {"REEVE_SLOTS": "3"} # on one, a stream without end may keep the slot as long as its items are taken fast enough
    assert run("merges", what, environment=where).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", ["ten", "turns", "given"])
def test_merged_on_other_machines(cluster, what):
    assert cluster.driver([find_program("merges"), what]).succeed(60) == f"ok {what}\n"


def test_a_limit_of_time_for_the_next_of_any(run, mail):
    program = run("merges", "timeouts", mail.path, mail.gate, environment=ONE)
    mail.until_count("waits", 1)
    mail.let_go()
    assert program.succeed(30) == "ok timeouts\n"


# Given to calls.

FEEDS = ["order", "pipes", "errors", "large", "actors", "wrong"]


@pytest.mark.parametrize("what", FEEDS)
@pytest.mark.parametrize("where", [ONE, {"REEVE_SLOTS": "2"}, {"REEVE_MODE": "inline"}], ids=["one", "two", "inline"])
def test_given_in_a_program(run, what, where):
    assert run("feeds", what, environment=where).succeed(60) == f"ok {what}\n"


@pytest.mark.parametrize("what", FEEDS)
def test_given_on_other_machines(cluster, what):
    assert cluster.driver([find_program("feeds"), what]).succeed(60) == f"ok {what}\n"


def test_its_taker_ends(run, mail):
    """Without having read it to its end: the function is asked to stop."""
    assert run("feeds", "stops", mail.path, environment=ONE).succeed(30) == "ok stops\n"
    assert [line for line in lines_of(mail) if line.startswith("stopped")] == ["stopped REEVE_ECANCELLED 1"]


def check_deaths(program, mail):
    """Its function's: as if nothing had happened. Its taker's: another attempt has all that this one did not say it had
    taken, and is told how much that was."""
    assert program.succeed(60) == "ok dies\n"
    lost, losses = 0, {}  # by how many items it had taken when it took one more, and died
    for line in lines_of(mail):
        word, count = line.split()[0], int(line.split()[1])
        if word == "lost":
            lost = count
        else:
            losses[count], lost = lost, 0
    assert losses[0] <= 1 and 500 <= losses[1000] <= 1001 and 1500 <= losses[2000] <= 2001


def test_deaths_of_its_function_and_taker(run, mail, tmp_path):
    check_deaths(run("feeds", "dies", mail.path, str(tmp_path / "once"), environment=ONE), mail)


def test_deaths_of_its_function_and_taker_on_another_machine(cluster, mail, tmp_path):
    check_deaths(cluster.driver([find_program("feeds"), "dies", mail.path, str(tmp_path / "once")]), mail)


def test_it_is_ahead_of_its_taker(run, mail):
    check_ahead(run("feeds", "ahead", mail.path, mail.gate, environment=ONE), mail)


def test_it_is_ahead_of_its_taker_on_another_machine(cluster, mail):
    check_ahead(cluster.driver([find_program("feeds"), "ahead", mail.path, mail.gate]), mail)


def test_its_giver_dies(run, mail, tmp_path):
    program = run("feeds", "owner_dies", mail.path, mail.gate, str(tmp_path / "here"))
    mail.until_count("ended", 1)
    mail.let_go()
    assert program.succeed(30) == "ok owner_dies\n"
    assert lines_of(mail) == ["ended REEVE_EOWNERDIED"]


# Takers that would wait for good; and some that only wait for long.

@pytest.mark.parametrize("where", [ONE, {"REEVE_SLOTS": "2"}], ids=["one", "two"])
def test_its_function_waits_for_its_taker(run, where):
    assert run("feeds", "cycle", environment=where).succeed(30) == "ok cycle\n"


def test_its_function_waits_for_its_taker_elsewhere(cluster):
    assert cluster.driver([find_program("feeds"), "cycle"]).succeed(30) == "ok cycle\n"


def test_takers_have_all_the_processes(run, mail):
    program = run("feeds", "nobody", mail.path, mail.gate, environment={**ONE, "REEVE_PROCESSES": "2"})
    mail.until_count("occupies", 1)
    mail.until_count("given", 1)
    mail.let_go()
    assert program.succeed(30) == "ok nobody\n"


@pytest.mark.parametrize("where", [ONE, {"REEVE_SLOTS": "2"}], ids=["one", "two"])
def test_a_long_wait_is_not_for_good(run, where):
    assert run("feeds", "patient", environment=where).succeed(30) == "ok patient\n"


def test_what_a_taker_waits_for_is_shown(cluster, mail):
    program = cluster.driver([find_program("feeds"), "shown", mail.path, mail.gate])
    mail.until_count("rests", 1)

    def waits_for():
        running = json.loads(cluster.tool("tasks", "--json").stdout)["running"]
        return [task["waits_for"] for task in running if task["function"] == "end"]
    processes.until(lambda: waits_for() == ["an item of rests"], settings.seconds(10), "whom it waits for")
    mail.let_go()
    assert program.succeed(30) == "ok shown\n"
