"""What a function knows of its task: context, progress, lines for people."""
import json
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
