"""`reeve tasks` and `reeve jobs`: what they say of a job whose tasks have run, failed, run now, and wait."""
import json
import signal
import time

import pytest

from conftest import find_program
from support import processes, settings

QUICK, HELD = 1000, 9


def asked(cluster, *arguments):
    done = cluster.tool(*arguments, "--json")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout)


def until(cluster, condition, *arguments, within=10):
    return processes.until(
        lambda: condition(found := asked(cluster, *arguments)) and found, settings.seconds(within), " ".join(arguments))


@pytest.fixture
def observed(cluster, mail):
    """A driver whose held tasks fill all four slots of the cluster."""
    program = cluster.driver([find_program("observed"), mail.path, mail.gate, QUICK, HELD],
                             environment={"REEVE_JOB_NAME": "night"})
    mail.until(lambda lines: sum(line.startswith("held ") for line in lines) == 4, 30, "four held tasks")
    program.reported_pid = next(int(line.split()[1]) for line in mail.lines if line.startswith("settled "))
    return program


def test_running_queued_waiting(cluster, observed, mail):
    # at first sight and after heartbeats: for how long they have been running
    found = until(cluster, lambda f: len(f["running"]) == 4 and min(t["for_s"] for t in f["running"]) > 0.5, "tasks")
    pids = {int(line.split()[2]) for line in mail.lines if line.startswith("held ")}
    assert {task["pid"] for task in found["running"]} == pids
    assert {task["node"] for task in found["running"]} == {1, 2}
    assert all(task["function"] == "held" and task["attempt"] == 1 and not task["inside"] for task in found["running"])
    assert all(task["for_s"] < settings.seconds(60) for task in found["running"])
    [job] = found["jobs"]
    assert {task["job"] for task in found["running"]} == {job["job"]}
    in_rings = sum(queue["count"] for queue in found["queued"])
    in_owner = sum(owner["count"] for owner in found["waiting"])
    assert in_rings + in_owner == HELD - 4, found
    assert all(owner["why"] and owner["process"] == job["job"] for owner in found["waiting"])
    assert found["unanswered"] == [] and found["left_out"] == 0

    table = cluster.tool("tasks").stdout
    for word in ("RUNNING", "held", "night", "FAILED", "this is failure 2"):
        assert word in table
    mail.let_go()
    processes.until(lambda: observed.popen.poll() is not None, settings.seconds(20), "the driver")
    assert observed.popen.returncode == 0
    until(cluster, lambda f: not f["running"] and not f["queued"] and not f["waiting"], "tasks")


def test_failures(cluster, observed):
    failed = until(cluster, lambda f: len(f["failed"]) == 5, "tasks")["failed"]
    by_function = {}
    for failure in failed:
        by_function.setdefault(failure["function"], []).append(failure)
    assert sorted(by_function) == ["dies", "fails", "is_slow"]
    texts = ["this is failure 1", "this is failure 2", "this is failure 3: caf?!"]  # the last one is no UTF-8
    assert sorted(f["text"] for f in by_function["fails"]) == texts
    assert all(f["code"] == "REEVE_EFUNCTION" for f in by_function["fails"])
    [death] = by_function["dies"]
    assert death["code"] == "REEVE_EWORKERDIED" and "exited with status 3" in death["text"]
    [late] = by_function["is_slow"]
    assert late["code"] == "REEVE_ETASKTIMEOUT" and "50 ms" in late["text"]


def test_a_name_that_is_no_text(cluster, mail):
    """Programs may be called anything; what is shown of all of them is not spoilt by one."""
    program = cluster.driver([find_program("gated"), 1, mail.path, mail.gate], environment={"REEVE_JOB_NAME": b"caf\xe9\n"})
    mail.until_count("start", 1)
    for command in "status", "tasks", "jobs":
        assert [job["name"] for job in asked(cluster, command)["jobs"]] == ["caf??"]
    assert "caf??" in cluster.tool("status").stdout
    mail.let_go()
    assert program.succeed() == "0 0\ndone\n"


def test_filters(cluster, observed):
    def only(*arguments):
        found = asked(cluster, "tasks", *arguments)
        return {kind: len(found[kind]) for kind in ("running", "queued", "waiting", "failed") if found[kind]}, found

    until(cluster, lambda f: len(f["running"]) == 4, "tasks")
    assert only("--state", "running")[0] == {"running": 4}
    assert only("--state", "failed", "--function", "fails")[0] == {"failed": 3}
    assert only("--state", "running", "--node", "1")[0] == {"running": 2}
    assert only("--job", "nobody")[0] == {}
    counts, found = only("--job", "night", "--state", "failed", "--limit", "2")
    assert counts == {"failed": 2} and found["left_out"] == 3
    assert only("--state", "running", "--job", found["jobs"][0]["job"][:12])[0] == {"running": 4}
    wrong = cluster.tool("tasks", "--state", "runing")
    assert wrong.returncode == 2 and "did you mean running?" in wrong.stderr and wrong.stdout == ""
    assert "No such tasks" in cluster.tool("tasks", "--function", "nothing").stdout


def test_jobs(cluster, observed, mail):
    [job] = until(cluster, lambda f: f["jobs"] and f["jobs"][0]["running"] == 4, "jobs")["jobs"]
    assert job["name"] == "night" and job["state"] == "running" and job["pid"] == observed.reported_pid
    assert job["unfinished"] == HELD and job["weight"] == 100 and job["slots_used"] == 4
    assert abs(job["started_ms"] / 1000 - time.time()) < settings.seconds(120) and job["ended_ms"] == 0
    # parent's children count wherever they ran; the worker that died and the one that ran late did not live to count
    assert job["functions"]["quick"] == [QUICK + 10, 0] and job["functions"]["fails"] == [0, 3]
    assert job["functions"]["parent"] == [1, 0] and "held" not in job["functions"]

    mail.let_go()
    processes.until(lambda: observed.popen.poll() is not None, settings.seconds(20), "the driver")
    assert asked(cluster, "jobs")["jobs"] == [] or asked(cluster, "jobs")["jobs"][0]["state"] != "running"
    [job] = until(cluster, lambda f: f["jobs"] and f["jobs"][0]["functions"].get("held") == [HELD, 0],
                  "jobs", "--all")["jobs"]
    assert job["state"] == "ended" and job["ended_ms"] >= job["started_ms"] and job["cpu_s"] >= 0 and job["why"]
    assert job["finished"] == QUICK + 10 + 1 + HELD and job["failed"] == 3
    table = cluster.tool("jobs", "--all", "--functions").stdout
    assert "night" in table and "ended" in table and "held" in table
    assert "No jobs." in cluster.tool("jobs").stdout


def test_node_that_does_not_answer(cluster, observed):
    until(cluster, lambda f: len(f["running"]) == 4, "tasks")
    stopped = cluster.nodes[1]
    processes.kill(stopped.pid, signal.SIGSTOP)
    try:
        done = cluster.tool("tasks", "--json")
        found = json.loads(done.stdout)
        assert done.returncode == 0 and [node["node"] for node in found["unanswered"]] == [2]
        assert len(found["running"]) == 2
        assert "node 2" in cluster.tool("tasks").stderr
    finally:
        processes.kill(stopped.pid, signal.SIGCONT)
    assert until(cluster, lambda f: len(f["running"]) == 4, "tasks")["unanswered"] == []


def test_unread_answers_do_not_wait(cluster, mail):
    """A driver that hangs is not shown as one whose calls do."""
    program = cluster.driver([find_program("observed"), mail.path, mail.gate, 1, 0, 3])
    mail.until_count("unread", 1)
    [job] = until(cluster, lambda f: f["jobs"] and f["jobs"][0]["unfinished"] == 0, "jobs")["jobs"]
    assert job["state"] == "running" and not asked(cluster, "tasks")["waiting"]
    mail.let_go()
    assert program.succeed() == "done\n"
