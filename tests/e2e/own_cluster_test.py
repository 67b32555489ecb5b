"""Programs that start a cluster of their own: the right answers, soon, and nothing left when they end."""
import statistics

import pytest

from support import leftovers, settings


def test_process_data(run):
    """Five calls of a second each, side by side."""
    program = run("process_data")
    assert program.succeed().split() == ["0", "10", "20", "30", "40"]
    assert program.took < settings.seconds(3)


def test_first(run):
    out = run("first").succeed()
    assert out.splitlines() == [
        "7 * 6 = 42", "(7 * 6) * 2 = 84", "divide said: cannot divide 1 by zero (its code 33)",
        'centre (1.5, 2.0) "middle"', "as they come: 1 + 4 + 9 + 16 = 30", "all at once: 1 + 4 + ... + 10000 = 338350"]


def answer(out):
    """The lines of wordcount that are its answer."""
    return [line for line in out.splitlines() if "checksum" in line or line.startswith("     ")]


def test_wordcount(run, corpus):
    """The program compares with its own serial count, too."""
    out = run("wordcount", "--chunk-bytes", 65536, corpus).succeed()
    assert "speed-up over one process" in out
    inline = run("wordcount", "--no-serial", "--chunk-bytes", 65536, corpus, environment={"REEVE_MODE": "inline"}).succeed()
    assert len(answer(out)) == 21
    assert answer(inline) == answer(out)


@pytest.mark.parametrize("what", [
    "many", "chain", "recursion", "big", "stream", "types", "dynamic", "bulk", "wide", "threads", "waits"])
def test_answers(run, what):
    environment = {"REEVE_STORE_SIZE": "64M"} if what == "stream" else {}
    assert run("answers", what, environment=environment).succeed(60) == f"ok {what}\n"


def test_ten_thousand(run):
    assert run("answers", "many", 10000).succeed(60) == "ok many\n"
    assert run("answers", "bulk", 10000).succeed(60) == "ok bulk\n"


def test_one_slot(run):
    """One slot is enough for anything: what waits runs what it waits for."""
    out = run("answers", "recursion", 12, environment={"REEVE_SLOTS": "1"}).succeed(60)
    assert out == "ok recursion\n"
    assert run("answers", "bulk", environment={"REEVE_SLOTS": "1"}).succeed(60) == "ok bulk\n"


@pytest.mark.parametrize("program", ["process_data", "first"])
def test_inline(run, home, program):
    """Every task runs inside the calling process: no daemon, no worker; the same answers."""
    inline = run(program, environment={"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"})
    out = inline.succeed()
    assert not list(home.logs.iterdir())
    assert out == run(program).succeed()


def test_inline_answers(run):
    out = run("answers", "all", environment={"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"}).succeed(60)
    assert len(out.splitlines()) == 10


def test_start_to_first_result(run, capsys):
    """From the start of the program to its end with one result; the aim is 100 ms."""
    took = []
    for _ in range(7):
        program = run("answers", "types")
        program.succeed()
        took.append(program.took)
    with capsys.disabled():
        print(f"\nstart to end, with a few calls: median {statistics.median(took) * 1000:.0f} ms,"
              f" best {min(took) * 1000:.0f} ms")
    assert min(took) < settings.seconds(1)


def test_surroundings(run, home):
    """Workers have the driver's arguments, folder and environment; their standard input is empty."""
    folder = home.work / "a folder"
    folder.mkdir()
    out = run("surroundings", "x y", "", "--flag", folder=folder, environment={"E2E_VALUE": "one two"}).succeed()
    driver, worker = (line.split(": ", 1)[1] for line in out.splitlines())
    assert f"in {folder} value=one two" in driver
    assert driver.endswith("[x y][][--flag]")
    assert worker == driver


def test_kept_files(run, home):
    """Without REEVE_LOG_DIR a cluster of a program's own keeps no file anywhere; with it, logs."""
    run("first", environment={"REEVE_LOG_DIR": ""}).succeed()
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    assert not files
    run("first").succeed()
    assert {path.name.split("-")[0] for path in home.logs.iterdir()} == {"head", "worker"}


def test_nothing_is_left_at_the_end(run, home, mail):
    """At the moment a program has ended its cluster has ended: reeve_shutdown waits for that."""
    program = run("gated", 2, mail.path, mail.gate)
    mail.until_count("start", 2)
    kinds = sorted(process.kind for process in home.processes() if process.pid != program.pid)
    assert kinds == ["head", "node", "worker", "worker"]
    for process in home.processes():
        assert all("reeve" in name for name in leftovers.memfds(process.pid))
    mail.let_go()
    assert program.succeed().endswith("done\n")
    # workers and the node daemon may be on their way out for a moment
    assert home.check_nothing_left(1) < settings.seconds(1)


def test_two_programs_at_once(run):
    """Each has its own cluster."""
    programs = [run("answers", "many") for _ in range(2)]
    for program in programs:
        assert program.succeed() == "ok many\n"


def test_program_by_name(run, home, mail):
    """REEVE_PROGRAM names the program that runs clusters."""
    other = home.work / "reeve"
    other.symlink_to(settings.REEVE)
    program = run("gated", 1, mail.path, mail.gate, environment={"REEVE_PROGRAM": str(other)})
    mail.until_count("start", 1)
    assert len(home.processes("head")) == len(home.processes("node")) == 1
    mail.let_go()
    program.succeed()
