"""What a program has not given up (reeve_leaks.h): exactly that is named, with the line that made it (programs/leaks.c), however the
compiler has laid that out."""
import re
import subprocess

import pytest

from conftest import find_program

ASKED = {"REEVE_LEAKS": "1"}
MODES = ["cluster", "inline"]
PROGRAMS = ["leaks", "leaks_fast"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_found(run, program, mode):
    assert run(program, "found", environment={**ASKED, "REEVE_MODE": mode}).succeed(60) == "ok found\n"


@pytest.mark.parametrize("program", PROGRAMS)
def test_printed(run, program):
    """At the end, one line for each place, and the two of one line counted together."""
    done = run(program, "printed", environment=ASKED)
    *expected, last = done.succeed(60).splitlines()
    assert last == "ok printed"
    head, *lines = [line for line in done.err.splitlines() if line.startswith("reeve: ")]
    assert head == "reeve: still held at reeve_shutdown:"
    found = []
    for line in lines:
        count, rest, place = re.fullmatch(r"reeve:   (\d+) (.*), made at .*/(leaks\.c:\d+)", line).groups()
        of = re.search(r" of (\w+)", rest)
        found += [f"{place} {of[1] if of else ''}"] * int(count)
    assert sorted(found) == sorted(expected)
    assert any("bytes" in line and "view" in line for line in lines)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_said_of_what_was_given_up(run, mode):
    done = run("leaks", "none", environment={**ASKED, "REEVE_MODE": mode})
    assert done.succeed(60) == "ok none\n"
    assert "still held" not in done.err


def test_without_debug_information(run, tmp_path):
    """Then a place is an offset in the program, as addr2line and others take it."""
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, find_program("leaks")], check=True)
    done = run(str(stripped), "printed", environment=ASKED)
    assert done.succeed(60).endswith("ok printed\n")
    lines = [line for line in done.err.splitlines() if ", made at " in line]
    assert len(lines) >= 10
    for line in lines:
        assert re.search(r", made at stripped\+0x[0-9a-f]+$", line), line


def test_unasked(run):
    assert run("leaks", "unasked").succeed(60) == "ok unasked\n"
