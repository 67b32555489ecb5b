"""What workers print comes to the driver's terminal, in whole lines, each with its origin in front."""
import re
import signal

import pytest

from conftest import find_program
from support import processes, settings

LINE = re.compile(r"^printer@(\S+) (\d+)\| task (\d+) (.*)$")


def check(out, err, tasks, lines):
    """Every line once, whole, in the order of its task."""
    seen = {}
    hosts = set()
    for line in out.splitlines():
        match = LINE.match(line)
        assert match, f"not a whole line with its origin: {line!r}"
        hosts.add(match[1])
        seen.setdefault(int(match[3]), []).append(match[4])
    expected = [f"line {i} {'-' * (i % 60)}." for i in range(lines)] + ["without an end"]
    assert seen.keys() == set(range(tasks))
    for task in range(tasks):
        assert seen[task] == expected, task
    seen = {}
    for line in err.splitlines():
        match = re.match(r"^printer@(\S+) (\d+)\| task (\d+) complains (\d+)\.$", line)
        assert match, f"not a whole line with its origin: {line!r}"
        seen.setdefault(int(match[3]), []).append(int(match[4]))
    assert seen == {task: list(range(lines)) for task in range(tasks)}
    return hosts


def test_lines(run, mail):
    program = run("output", 20, 100, mail.path)
    program.succeed()
    assert len(check(program.out, program.err, 20, 100)) == 1


def test_last_words(run, mail):
    """What a worker said before it crashed, without the end of the line."""
    program = run("output", 0, 0, mail.path)
    program.succeed()
    assert re.match(r"^printer_that_crashes@\S+ \d+\| last words of 7\n$", program.out), program.said()


def test_output_of_a_task_is_there_when_it_returns(run, mail):
    """Not only at the end of the driver."""
    program = run("gated_printer", mail.path, mail.gate)
    mail.until_count("printed", 1)
    program.until_line("said in the task", 5)
    assert program.status is None
    mail.let_go()
    program.succeed()


def stuck(start, mail):
    """Nobody reads: the tasks do not care; then what was dropped is said. The lines make 6 MB."""
    program = start("output", 20, 2000, mail.path, read_output=False)
    mail.until_count("done", 1, 30)
    program.read_output = True
    program.until(lambda: program.status is not None and not program.open, 10, "its end")
    assert program.status == 0
    dropped = [re.search(r"(\d+) lines", line) for line in (program.out + program.err).splitlines() if "dropped" in line]
    assert dropped and all(dropped), program.said()
    count = sum(int(match[1]) for match in dropped)
    came = sum(" task " in line for line in (program.out + program.err).splitlines())
    return came, count


def test_stuck_terminal(run, mail):
    came, dropped = stuck(run, mail)
    assert came + dropped == 20 * (2000 + 1) + 20 * 2000


def test_killed_while_stuck(run, mail, home):
    """A driver whose output nobody reads, and that is killed: nothing stays behind."""
    program = run("output", 20, 2000, mail.path, read_output=False)
    mail.until_count("done", 1, 30)
    program.kill()
    others = [process.pid for process in home.processes() if process.pid != program.pid]
    processes.wait_gone(others, settings.seconds(2), "the cluster of a killed program")
    program.close()


def test_closed_terminal(run, mail):
    """The reader is gone: the program's own affair (SIGPIPE is not ours to raise); the tasks run to their end."""
    program = run("output", 4, 200, mail.path, read_output=False)
    program.open = {fd: name for fd, name in program.open.items() if name == "err"}
    program.popen.stdout.close()
    mail.until_count("done", 1, 30)
    program.read_output = True
    assert program.wait(10) in (0, -signal.SIGPIPE)


def test_from_other_hosts(network, empty_cluster, mail):
    """From two nodes, named in front of each line."""
    first, second, third, fourth = network(4)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    empty_cluster.start_node(host=third)
    program = empty_cluster.driver([find_program("output"), 24, 100, mail.path], host=fourth)
    program.succeed()
    assert check(program.out, program.err, 24, 100) <= {"h2", "h3"}


def test_stuck_terminal_of_another_host(network, empty_cluster, mail):
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)

    def start(*command, **options):
        return empty_cluster.driver([find_program(command[0]), *command[1:]], host=third, **options)
    came, dropped = stuck(start, mail)
    assert came + dropped == 20 * (2000 + 1) + 20 * 2000


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_inline(run, mail, stream):
    """Inline there is no other process, so no origin either."""
    program = run("output", 1, 2, mail.path, environment={"REEVE_MODE": "inline"})
    program.succeed()
    text = program.out if stream == "stdout" else program.err
    assert text.startswith("task 0 ")
