"""What a function knows of its task: context, progress, lines for people."""
import json
import pathlib
import re
import signal

import pytest

from conftest import find_program
from support import processes, settings

ONE = {"REEVE_SLOTS": "1"}
INLINE = {"REEVE_MODE": "inline"}


@pytest.mark.parametrize("environment", [ONE, {}, INLINE], ids=["one slot", "two", "inline"])
def test_context(run, environment):
    assert run("context", "context", environment=environment).succeed() == "ok context\n"


def test_context_elsewhere(cluster):
    assert cluster.driver([find_program("context"), "context"]).succeed() == "ok context\n"


@pytest.mark.parametrize("environment", [ONE, {}, INLINE], ids=["one slot", "two", "inline"])
def test_functions_that_fail_are_run_again(run, environment):
    assert run("context", "retried", environment=environment).succeed() == "ok retried\n"


def test_functions_that_fail_elsewhere_are_run_again(cluster):
    assert cluster.driver([find_program("context"), "retried"]).succeed() == "ok retried\n"


def test_progress(run, mail):
    """Two tasks of one node: read from memory."""
    program = run("context", "progress", mail.path, mail.gate, 2)
    mail.until_count("seen", 1)
    mail.let_go()
    assert program.succeed() == "ok progress\n"


def test_progress_elsewhere(cluster, mail):
    """Four tasks on two nodes; `reeve tasks` says the same."""
    program = cluster.driver([find_program("context"), "progress", mail.path, mail.gate, 4])
    mail.until_count("seen", 1)
    running = json.loads(cluster.tool("tasks", "--json").stdout)["running"]
    assert {task["node"] for task in running} == {1, 2}
    assert sorted((task["done"], task["total"]) for task in running) == [(2, 10), (3, 10), (4, 10), (5, 10)]
    assert re.search(r"^held .* 50 % ", cluster.tool("tasks").stdout, re.MULTILINE)
    mail.let_go()
    assert program.succeed() == "ok progress\n"


def test_progress_of_a_node_that_is_stopped(empty_cluster, mail):
    """It is not waited for: after a second the answer is that it cannot be reached."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=0)  # the driver's
    node = empty_cluster.start_node(slots=1)
    program = empty_cluster.driver([find_program("context"), "unreachable", mail.path, mail.gate])
    mail.until_count("seen", 1)
    assert [job["node"] for job in empty_cluster.status()["jobs"]] == [1]
    processes.kill(node.pid, signal.SIGSTOP)
    try:
        mail.until_count("unreachable", 1)
    finally:
        processes.kill(node.pid, signal.SIGCONT)
    mail.let_go()
    assert program.succeed() == "ok unreachable\n"


# ---- who has called it ----

@pytest.mark.parametrize("environment", [ONE, {}, INLINE], ids=["one slot", "two", "inline"])
def test_parents(run, environment):
    assert run("parents", "family", environment=environment).succeed() == "ok family\n"


def test_parents_elsewhere(cluster):
    assert cluster.driver([find_program("parents"), "family"]).succeed() == "ok family\n"


def test_parents_on_other_nodes(cluster, mail):
    """One task and its three children, on two nodes of two slots each; `reeve tasks` says the same."""
    program = cluster.driver([find_program("parents"), "spread", mail.path, mail.gate])
    [(_, *parent)] = mail.until_count("holds", 1)
    children = mail.until_count("held", 3)
    assert {node for *_, node in children} == {"1", "2"}
    assert all(child[1:3] == parent for child in children)
    running = json.loads(cluster.tool("tasks", "--json").stdout)["running"]
    assert sorted((task["function"], task["parent_owner"], task["parent_task"]) for task in running) == [
        *[("held", *parent)] * 3, ("holds", "0" * 16, "0" * 16)]
    mail.let_go()
    assert program.succeed() == "ok spread\n"


# ---- files ----

def scratch(home):
    """What is left of folders of tasks."""
    return [path for path in (home.folder / "tmp").iterdir() if path.name.startswith("reeve-scratch-")]


@pytest.mark.parametrize("environment", [ONE, {}, INLINE], ids=["one slot", "two", "inline"])
def test_files(run, home, environment):
    *paths, last = run("context", "files", environment=environment).succeed().splitlines()
    assert last == "ok files" and len(set(paths)) == 10
    assert all(path.startswith(str(home.folder / "tmp" / "reeve-scratch-")) for path in paths)
    assert scratch(home) == []


def test_files_elsewhere(empty_cluster, home):
    """Where the node says, not the driver."""
    (home.work / "room").mkdir()
    empty_cluster.start_head()
    empty_cluster.start_node(arguments=["--scratch", home.work / "room"])
    *paths, _ = empty_cluster.driver([find_program("context"), "files"]).succeed().splitlines()
    assert all(path.startswith(f"{home.work}/room/") for path in paths)
    assert list((home.work / "room").iterdir()) == []


def test_bad_place(run, home):
    wrong = run("reeve", "worker", "--scratch", "/nonexistent")
    assert wrong.wait() == 2 and "--scratch: no files can be made in /nonexistent" in wrong.err
    gone = home.work / "gone"
    assert run("context", "no_folder", environment={"TMPDIR": str(gone)}).succeed() == "ok no_folder\n"


@pytest.fixture
def holder(run, mail):
    """A task that has a folder and waits: its program, its process, the folder."""
    program = run("context", "held_files", mail.path, mail.gate)
    [(_, pid, path)] = mail.until_count("files", 1)
    return program, int(pid), pathlib.Path(path)


def test_files_of_a_killed_worker(holder, mail):
    """Its node removes them; the next attempt has another folder."""
    program, pid, path = holder
    assert [file.name for file in path.iterdir()] == ["file 1"]
    processes.kill(pid)
    _, (_, _, other) = mail.until_count("files", 2)
    processes.until(lambda: not path.parent.exists(), settings.seconds(5), "the end of its files")
    assert pathlib.Path(other).exists() and other != str(path)
    mail.let_go()
    assert program.succeed() == "ok held_files\n"
    assert not pathlib.Path(other).exists()


def test_files_of_a_stopped_cluster(holder, home):
    program, _, path = holder
    program.kill(signal.SIGTERM)
    program.wait()
    processes.until(lambda: not home.processes(), settings.seconds(5), "the end of its cluster")
    assert scratch(home) == []


def test_files_after_everything_was_killed(holder, run, home, mail):
    """The next daemon removes what the dead have left, and leaves alone what is in use."""
    program, _, path = holder
    other = run("context", "held_files", mail.path, mail.gate)
    _, (_, _, used) = mail.until_count("files", 2)
    of_other = {process.pid for process in home.processes()
                if process.pid == other.pid or process.parent == other.pid}
    dead = [process.pid for process in home.processes() if process.pid not in of_other
            and process.parent not in of_other]
    for number in (signal.SIGSTOP, signal.SIGKILL):  # none of them sees another one die
        for pid in dead:
            processes.kill(pid, number)
    processes.wait_gone(dead, settings.seconds(5), "what was killed")
    assert path.exists()
    run("context", "context").succeed()
    processes.until(lambda: not path.parent.exists(), settings.seconds(5), "the end of what the dead have left")
    assert pathlib.Path(used).exists()
    mail.let_go()
    assert other.succeed() == "ok held_files\n"


# ---- lines ----

LINE = re.compile(r"^(?:logs@)?(\S+) (\d+)( debug| info| warning| error)?\| (.*)$")


def check_log(err, inline=False):
    lines = err.splitlines()
    assert re.match(r"^[^@ ]+ \d+ warning\| from the driver: 17$", lines.pop(0))
    if inline: # there threads of a function's are in none, and what is printed as usual has no origin
        lines = err.replace("half a line", "half a line\n").splitlines()[1:]
        lines = [line if re.match(r"\S+ \d+ [a-z]+\| ", line) else f"logs@here 1| {line}" for line in lines]
    found = [LINE.match(line) for line in lines]
    assert inline or all(line.startswith("logs@") for line in lines)
    assert all(found), [line for line, match in zip(lines, found) if not match]
    said = [((match[3] or "").strip(), match[4]) for match in found]
    assert said[:6] == [
        ("", "half a line"), ("debug", "debug 5"), ("info", r"two\nlines\x01"), ("warning", 'watch out "now"'),
        ("error", "x" * len(said[4][1])), ("", "and the rest")]
    assert 1900 < len(said[4][1]) <= 2000
    for thread in range(4):
        own = [text for level, text in said[6:] if level == "info" and text.startswith(f"thread {thread} ")]
        assert own == [f"thread {thread} line {i} {'-' * (i % 60)}." for i in range(100)]
    assert [text for level, text in said[6:] if level == ""] == [f"plain {i}." for i in range(100)]
    assert len(said) == 6 + 500


def test_log(run):
    program = run("context", "log")
    program.succeed()
    check_log(program.err)


def test_log_inline(run):
    program = run("context", "log", environment=INLINE)
    program.succeed()
    check_log(program.err, inline=True)


def test_log_of_the_node(cluster):
    """Warnings and errors stand in the log of the node, others do not; and not as many as there may be."""
    cluster.driver([find_program("context"), "log"]).succeed()
    cluster.driver([find_program("context"), "complaints"]).succeed()
    text = "\n".join(node.log() for node in cluster.nodes)
    assert re.search(r'WARN worker REEVE-TASK-LOG job=\S+ function=logs pid=\d+ msg="watch out \\"now\\""', text)
    assert re.search(r"ERROR worker REEVE-TASK-LOG job=\S+ function=logs pid=\d+ msg=x+", text)
    assert "debug 5" not in text and "thread 0" not in text
    assert 1 <= text.count("complaint ") <= 20 * settings.seconds(10)
