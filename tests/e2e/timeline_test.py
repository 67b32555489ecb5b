"""`reeve timeline`: a trace in Chrome's format of all that a program has run, and of what it runs now."""
import json

import pytest

from conftest import find_program
from support import processes, settings


def trace_of(cluster, *arguments):
    done = cluster.tool("timeline", *arguments)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout) if done.stdout else None


def slices_of(trace):
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def check_tracks(trace):
    """Within a track slices lie in one another or behind one another; each track and process has a name."""
    names = {(event["name"], event["pid"], event["tid"]) for event in trace["traceEvents"] if event["ph"] == "M"}
    tracks = {}
    for event in slices_of(trace):
        assert event["ts"] >= 0 and event["dur"] >= 0
        tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    for (pid, tid), events in tracks.items():
        assert ("process_name", pid, 0) in names and ("thread_name", pid, tid) in names
        open_until = []
        for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"] + 0.001:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 0.001, event
            open_until.append(end)
    return len(tracks)


def innermost(slices, end):
    """The slice that an end of an arrow belongs to: of those of its track that are open then, the one that opened last."""
    found = [event for event in slices if (event["pid"], event["tid"]) == (end["pid"], end["tid"])
             and event["ts"] <= end["ts"] <= event["ts"] + event["dur"]]
    return max(found, key=lambda event: event["ts"])  # of equals the first: none lies in another then


def arrows_of(trace, category):
    """From which slice to which."""
    begins, ends = ({event["id"]: event for event in trace["traceEvents"] if event["ph"] == phase and event["cat"] == category}
                    for phase in "sf")
    assert set(begins) == set(ends) and all(event["bp"] == "e" for event in ends.values())
    assert all(begin["ts"] <= ends[number]["ts"] and begin["name"] == ends[number]["name"] for number, begin in begins.items())
    slices = slices_of(trace)
    return [(innermost(slices, begins[number]), innermost(slices, ends[number])) for number in sorted(begins)]


def named(slices, function, category="task"):
    return [event for event in slices if event["args"].get("function") == function and event["cat"] == category]


@pytest.fixture
def ran(cluster, mail):
    """A program that has run everything but its last call, which is held."""
    program = cluster.driver([find_program("context"), "timeline", mail.path, mail.gate],
                             environment={"REEVE_JOB_NAME": "night"})
    mail.until_count("held", 1, 60)
    return program


def test_trace(empty_cluster, mail):
    """One slot: what waits runs what it waits for, as far as it may."""
    cluster = empty_cluster
    cluster.start_head()
    cluster.start_node(slots=1)
    ran = cluster.driver([find_program("context"), "timeline", mail.path, mail.gate])
    mail.until_count("held", 1, 60)
    trace = processes.until(
        lambda: (found := trace_of(cluster)) and named(slices_of(found), "held") and found, settings.seconds(5), "it runs")
    slices = slices_of(trace)
    check_tracks(trace)
    naps = named(slices, "naps")
    assert len(naps) == 40 + 1 + 5 and len({(event["args"]["owner"], event["args"]["task"]) for event in naps}) == 46
    assert all(event["dur"] >= 2000 and event["args"]["state"] == "ok" and event["args"]["attempt"] == 1 for event in naps)
    [failed] = named(slices, "naps_and_fails")
    assert failed["args"]["state"] == "REEVE_EFUNCTION" and failed["dur"] >= 3000
    [parent] = named(slices, "naps_inside")
    inside = [event for event in naps if (event["pid"], event["tid"]) == (parent["pid"], parent["tid"])
              and parent["ts"] <= event["ts"] and event["ts"] + event["dur"] <= parent["ts"] + parent["dur"] + 0.001]
    assert len(inside) == 5
    waits = [event for event in slices if event["cat"] == "wait"
             and event["args"]["task"] == parent["args"]["task"] and event["args"]["owner"] == parent["args"]["owner"]]
    assert waits and max(event["dur"] for event in waits) > 50000
    # who made whom: one call could not be run in its parent, those that were lie in it
    assert [(begin["args"]["function"], end["args"]["function"]) for begin, end in arrows_of(trace, "parent")] \
        == [("naps_inside", "naps")]
    children = [event for event in naps if event["args"].get("parent")]
    assert len(children) == 6 and all(
        (event["args"]["parent"], event["args"]["parent_owner"], event["args"]["parent_task"])
        == ("naps_inside", parent["args"]["owner"], parent["args"]["task"]) for event in children)
    first, second = sorted(named(slices, "dies_once"), key=lambda event: event["ts"])
    assert (first["args"]["state"], first["args"]["attempt"]) == ("REEVE_EWORKERDIED", 1)
    assert (second["args"]["state"], second["args"]["attempt"]) == ("ok", 2)
    [running] = named(slices, "held")
    assert running["args"]["state"] == "running"
    # short calls: each once, by itself or in a slice that says how many they are
    gathered = [event for event in slices if event["name"].startswith("brief and others")]
    assert len(named(slices, "brief")) + sum(event["args"]["count"] for event in gathered) == 3000
    assert len(named(slices, "brief")) + len(gathered) < 1500
    about = trace["otherData"]
    assert about["lost"] == 0 and about["unanswered"] == [] and set(about["clock_error_us"]) == {"1"}
    mail.let_go()
    ran.succeed()


def test_after_the_end(cluster, ran, mail, home):
    """What has run is still known; of which job it was, too; and a file may be named."""
    mail.let_go()
    ran.succeed()
    cluster.driver([find_program("answers"), "types"]).succeed()
    path = home.work / "trace.json"
    assert trace_of(cluster, "--job", "night", "--output", str(path)) is None
    trace = json.loads(path.read_text(encoding="utf-8"))
    check_tracks(trace)
    jobs = {event["args"]["job"] for event in slices_of(trace)}
    [held] = named(slices_of(trace), "held")
    assert held["args"]["state"] == "ok" and len(jobs) == 1
    everything = slices_of(trace_of(cluster))
    assert len({event["args"]["job"] for event in everything}) == 2
    assert slices_of(trace_of(cluster, "--job", "nobody")) == []
    wrong = cluster.tool("timeline", "--output", "/nonexistent/trace")
    assert wrong.returncode == 1 and "cannot write /nonexistent/trace" in wrong.stderr


def test_transfers(cluster, mail):
    """A value that is on one node, and is read on both: its pieces, beside each other where several are on their way."""
    program = cluster.driver([find_program("broadcast"), 4, 16, mail.path, mail.gate])
    mail.until_count("start", 4, 60)
    mail.let_go()
    program.succeed()
    trace = trace_of(cluster)
    check_tracks(trace)
    pieces = [event for event in slices_of(trace) if event["cat"] == "transfer"]
    assert sum(event["args"]["bytes"] for event in pieces) >= 16 << 20
    assert {event["args"]["state"] for event in pieces} == {"ok"} and len({event["args"]["object"] for event in pieces}) == 1
    assert {(event["pid"], event["args"]["from"]) for event in pieces} in ({(1, 2)}, {(2, 1)})
    # which the calls there have waited for, without a worker that waits with them
    brought = named(slices_of(trace), "check", "stage")
    assert brought and {event["pid"] for event in brought} == {event["pid"] for event in pieces}
    calls = {event["args"]["task"]: event for event in named(slices_of(trace), "check")}
    for event in brought:
        assert event["ts"] + event["dur"] <= calls[event["args"]["task"]]["ts"] + 1


def check_waits(cluster, count, ms):
    """What calls have waited for a worker, by the trace and by their program. On busy processors the trace says less, by the way
    from one node to the other (10 to 20 ms were seen), or more, where a call is made between two looks at the clock of a
    library's thread that is awake and has no processor (22 ms). What tells one call from the next is more than that."""
    apart_ms = settings.seconds(0.1) * 1000
    done = cluster.driver([find_program("context"), "waits", count, ms]).succeed()
    said = sorted(tuple(map(int, line.split()[1:])) for line in done.splitlines() if line.startswith("waited "))
    trace = trace_of(cluster)
    check_tracks(trace)
    slices = slices_of(trace)
    calls = sorted(named(slices, "begins"), key=lambda event: event["ts"])
    queued = {event["args"]["task"]: event for event in named(slices, "begins", "queue")}
    assert len(calls) == len(said) == count
    for event, (_, waited_ms) in zip(calls, said):
        assert abs(waited_ms - event["args"]["waited_ms"]) < apart_ms, (event, waited_ms)
        if event["args"]["waited_ms"] > 0:
            wait = queued[event["args"]["task"]]
            assert wait["pid"] == event["pid"] and abs(wait["dur"] - 1000 * event["args"]["waited_ms"]) < 1
            assert abs(wait["ts"] + wait["dur"] - event["ts"]) < 1
    assert len(arrows_of(trace, "queue")) == len([event for event in slices if event["cat"] == "queue"])
    [after] = named(slices, "brief")  # since what it needs was there
    assert after["args"]["waited_ms"] < ms
    return said


def test_waits_for_a_worker(empty_cluster):
    """One slot: each call waits for all before it, however idle its program is."""
    cluster = empty_cluster
    cluster.start_head()
    cluster.start_node(slots=1)
    said = check_waits(cluster, 6, 150)
    assert [waited_ms > 100 * (i - 1) for i, (_, waited_ms) in enumerate(said)] == [True] * 6


def test_waits_on_other_nodes(empty_cluster):
    """Two nodes, whose clocks need not be the same: the wait travels as an age, to which nobody can add how long that took."""
    cluster = empty_cluster
    cluster.start_head()
    for _ in range(2):
        cluster.start_node(slots=1)
    check_waits(cluster, 8, 200)
    assert {event["pid"] for event in slices_of(trace_of(cluster)) if event["cat"] == "queue"} == {1, 2}


def test_parents_on_other_nodes(empty_cluster, mail):
    """A call that still runs, and those that it has made, of which some ran elsewhere."""
    cluster = empty_cluster
    cluster.start_head()
    for _ in range(2):
        cluster.start_node(slots=1)
    program = cluster.driver([find_program("context"), "makes", mail.path, mail.gate])
    mail.until_count("makes", 1, 60)
    trace = trace_of(cluster)
    check_tracks(trace)
    [parent] = named(slices_of(trace), "makes")
    assert parent["args"]["state"] == "running" and "parent" not in parent["args"]
    arrows = arrows_of(trace, "parent")
    children = named(slices_of(trace), "naps")
    assert len(children) == 4 and {event["args"]["parent_task"] for event in children} == {parent["args"]["task"]}
    assert sorted(end["args"]["task"] for _, end in arrows) == sorted(event["args"]["task"] for event in children)
    assert all(begin == parent and end["args"]["function"] == "naps" for begin, end in arrows)
    assert any(event["pid"] != parent["pid"] for event in children)
    mail.let_go()
    program.succeed()


def test_methods_beside_each_other(cluster):
    """Calls of one process at the same time are on tracks of their own."""
    cluster.driver([find_program("actors"), "all"]).wait(60)
    check_tracks(trace_of(cluster))
