"""Detached actors: they outlive the programs that create them, and nothing outlives the cluster."""
import json
import signal

import pytest

from conftest import find_program
from support import processes, settings


def ask(cluster, *words, **options):
    out = cluster.driver([find_program("detached"), *words], **options).succeed(60)
    *lines, last = out.splitlines()
    assert last == f"ok {words[0]}"
    return lines


def jobs(cluster):
    done = cluster.tool("jobs", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["jobs"]


@pytest.mark.parametrize("what", ["one", "deaths"])
def test_in_a_cluster_of_its_own(run, what):
    program = run("detached", what, environment={"REEVE_LEAKS": "1"})
    assert program.succeed(60) == f"ok {what}\n" and program.err == ""


def test_a_method_under_way_when_it_is_killed(run, mail):
    program = run("detached", "killed", mail.path, mail.gate, stdin=-1)
    mail.until_count("hangs", 1)
    program.popen.stdin.write(b"\n")
    program.popen.stdin.close()
    assert program.wait(60) == 0


def test_found_by_later_programs(cluster, mail):
    """It lives in a job of its own, on after its creator, until it is killed by a third program."""
    assert ask(cluster, "create", "hits", mail.path, "", 0) == []
    assert ask(cluster, "ask", "hits") == ["value 102"]
    assert ask(cluster, "ask", "hits") == ["value 103"]
    named = {job["name"]: job for job in jobs(cluster)}
    assert list(named) == ["actor hits"] and named["actor hits"]["state"] == "running"
    pids = [int(pid) for pid in mail.until_count("made", 1)[0][1:2]] + [named["actor hits"]["pid"]]
    assert ask(cluster, "kill", "hits") == []
    processes.wait_gone(pids, settings.seconds(5), "the actor and its keeper")
    assert ask(cluster, "ask", "hits")[0] == "REEVE_EHANDLE"
    cluster.until_status(lambda status: status["totals"]["jobs"] == 0, what="its job has ended")


def test_its_creator_is_killed_meanwhile(cluster, mail):
    """While the constructor runs: there is a whole actor all the same."""
    program = cluster.driver([find_program("detached"), "create", "hits", mail.path, mail.gate, 0])
    mail.until_count("made", 1)
    program.kill()
    mail.let_go()
    processes.until(lambda: ask(cluster, "ask", "hits")[0] == "value 101", settings.seconds(20), "the actor")
    assert ask(cluster, "ask", "hits") == ["value 102"]


def test_its_keeper_is_killed_meanwhile(cluster, mail):
    """Then there is none, and the creator hears why."""
    program = cluster.driver([find_program("detached"), "create", "hits", mail.path, mail.gate, 0])
    mail.until_count("made", 1)
    [keeper] = [job["pid"] for job in jobs(cluster) if job["name"] == "actor hits"]
    processes.kill(keeper)
    lines = program.succeed(60).splitlines()
    assert lines[0] == "REEVE_EACTORDIED" and "the process that keeps it" in lines[1]
    mail.let_go()
    assert ask(cluster, "ask", "hits")[0] == "REEVE_EHANDLE"


def test_many_create_it_at_once(cluster):
    """get_if_exists: one actor, whoever comes first."""
    programs = [cluster.driver([find_program("detached"), "get", "total"]) for _ in range(4)]
    values = sorted(int(program.succeed(60).split()[1]) for program in programs)
    assert values == [1, 2, 3, 4]
    assert sum(job["name"] == "actor total" and job["state"] == "running" for job in jobs(cluster)) == 1


def test_its_process_dies(cluster, mail):
    ask(cluster, "create", "hits", mail.path, "", 1)
    assert ask(cluster, "crash", "hits")[0] == "REEVE_EACTORDIED"
    assert ask(cluster, "ask", "hits") == ["value 101"]
    mail.until_count("made", 2)
    assert ask(cluster, "crash", "hits")[0] == "REEVE_EACTORDIED"
    processes.until(lambda: ask(cluster, "ask", "hits")[0] == "REEVE_EHANDLE", settings.seconds(20), "it is gone")


def test_the_head_is_killed(cluster):
    ask(cluster, "create", "hits", "", "", 0)
    address = cluster.address
    cluster.head.kill()
    cluster.start_head(listen=address)
    assert ask(cluster, "ask", "hits") == ["value 102"]
    assert ask(cluster, "kill", "hits") == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_node_ends(cluster, mail, number):
    """Its keeper, and so the actor, wherever that is, end with the node on which it was created."""
    ask(cluster, "create", "hits", mail.path, "", 5)
    [job] = [job for job in jobs(cluster) if job["name"] == "actor hits"]
    pids = [job["pid"], int(mail.until_count("made", 1)[0][1])]
    cluster.nodes[job["node"] - 1].kill(number, within=20)
    processes.wait_gone(pids, settings.seconds(20), "the actor and its keeper")
    cluster.start_node()
    processes.until(lambda: ask(cluster, "ask", "hits")[0] == "REEVE_EHANDLE", settings.seconds(30), "it is gone")


def test_stop_ends_it(cluster, mail):
    ask(cluster, "create", "hits", mail.path, "", 0)
    assert cluster.tool("stop").returncode == 0  # that nothing is left, the fixture checks


def test_where_its_output_goes(cluster):
    """To its creator's terminal while that is there, then to a file of the daemon's, which is bounded."""
    ask(cluster, "create", "hits", "", "", 0)
    [job] = [job for job in jobs(cluster) if job["name"] == "actor hits"]
    node = cluster.nodes[job["node"] - 1]
    show = ["logs", "--node", str(job["node"]), "--actors"]
    before = cluster.tool(*show)
    assert before.returncode == 1 and "no detached actor of this node has printed anything" in before.stderr
    assert cluster.tool("logs", "--actors").returncode == 2
    ask(cluster, "say", "hits")
    processes.until(lambda: "| said by the actor\n" in cluster.tool(*show).stdout, settings.seconds(10), "its output")
    ask(cluster, "says_much", "hits", 20)
    ask(cluster, "say", "hits")
    processes.until(lambda: cluster.tool(*show).stdout.endswith("| said by the actor\n"), settings.seconds(20), "its end")
    files = sorted(node.folder.glob("worker.actors.log*"))
    assert [path.name for path in files] == ["worker.actors.log", "worker.actors.log.1"]
    assert all(path.stat().st_size <= 16 << 20 for path in files)
    for path in files:  # of whole lines
        lines = path.read_text(encoding="utf-8").splitlines(True)
        assert all("| " in line and line.endswith("\n") for line in lines)
    assert "said by the actor" not in node.said_path.read_text()
    ask(cluster, "kill", "hits")


def actors(cluster, *options):
    done = cluster.tool("actors", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one_actor(cluster, *options, **expected):
    """When it is as expected."""
    def found():
        now = actors(cluster, *options)["actors"]
        return len(now) == 1 and all(now[0][key] == value for key, value in expected.items()) and now[0]
    return processes.until(found, settings.seconds(10), f"{options} {expected}")


def test_listed(cluster, mail):
    """A detached one, and those of a program: shared, restarted, dead, with calls under way."""
    assert "No such actors." in cluster.tool("actors").stdout
    ask(cluster, "create", "hits", mail.path, "", 3)
    pid = int(mail.until_count("made", 1)[0][1])
    hits = one_actor(cluster, state="alive", pid=pid)
    [job] = jobs(cluster)
    assert hits["type"] == "counter" and hits["name"] == "hits" and hits["name_space"] == "default"
    assert hits["job"] == hits["owner"] == job["job"] and hits["detached"] is True
    assert hits["restarts"] == 0 and hits["restarts_left"] == 3 and hits["calls"] == 0 and hits["why"] == ""
    assert 0 <= hits["since_s"] < settings.seconds(60) and hits["node"] in (1, 2)
    assert "in 1 processes, 1 with names" in cluster.tool("status").stdout
    ask(cluster, "crash", "hits")
    mail.until_count("made", 2)
    assert one_actor(cluster, state="alive", restarts=1, restarts_left=2)["pid"] != pid

    program = cluster.driver([find_program("detached"), "several", mail.path, mail.gate],
                             environment={"REEVE_JOB_NAME": "night"})
    mail.until_count("hangs", 1)
    of_night = ("--job", "night")
    shared = actors(cluster, *of_night, "--state", "alive", "--type", "other")["actors"]
    assert len(shared) == 2 and len({actor["pid"] for actor in shared}) == 1
    assert all(actor["name"] == "" and not actor["detached"] for actor in shared)
    dead = one_actor(cluster, *of_night, "--state", "dead")
    assert "its constructor failed: -1 is negative" in dead["why"] and dead["pid"] == dead["node"] == 0
    busy = one_actor(cluster, *of_night, "--state", "alive", "--type", "counter")
    assert busy["calls"] == 4 and busy["cpu_milli"] == 500  # the one that hangs, and those behind it
    assert one_actor(cluster, "--name", "hits")["job"] == hits["job"]
    assert actors(cluster, "--node", "9")["actors"] == []
    cut = actors(cluster, "--limit", "2")
    assert len(cut["actors"]) == 2 and cut["left_out"] == 3 and cut["unanswered"] == [] and cut["silent"] == 0
    table = cluster.tool("actors").stdout
    for word in ("TYPE", "counter", "hits", "night", "detached", "1 of 3", "is negative"):
        assert word in table

    processes.kill(program.pid, signal.SIGSTOP)  # it cannot say which are its own
    silent = actors(cluster)
    processes.kill(program.pid, signal.SIGCONT)
    assert silent["silent"] == 1 and [actor["name"] for actor in silent["actors"]] == ["hits"]
    mail.let_go()
    program.succeed(60)
    one_actor(cluster)


def test_killed_by_the_tool(cluster, mail):
    ask(cluster, "create", "hits", mail.path, "", 0)
    pid = int(mail.until_count("made", 1)[0][1])
    done = cluster.tool("actors", "kill", "hits")
    assert done.returncode == 0 and done.stdout == "", done.stderr
    processes.wait_gone([pid], settings.seconds(5), "the actor")
    assert actors(cluster)["actors"] == []
    done = cluster.tool("actors", "kill", "hits")
    assert done.returncode == 1 and "no actor has the name hits in the namespace default" in done.stderr
    assert cluster.tool("actors", "kill").returncode == 2
    assert "did you mean alive" in cluster.tool("actors", "--state", "alife").stderr
    # one that has an owner is that one's
    program = cluster.driver([find_program("names"), "serve", "hits", 0, mail.path, mail.gate])
    mail.until_count("serves", 1)
    done = cluster.tool("actors", "kill", "hits")
    assert done.returncode == 1 and "only the process that has created" in done.stderr
    mail.let_go()
    program.succeed(60)


def test_between_hosts(network, empty_cluster, mail):
    """Created on a machine without a node: an error that says what to do. From a task there, and killed from elsewhere."""
    first, second, third = network(3)
    empty_cluster.start_head(f"tcp://{first.address}:6380", host=first)
    empty_cluster.start_node(host=second)
    lines = ask(empty_cluster, "create", "hits", mail.path, "", 0, host=third)
    assert lines[0] == "REEVE_EINFEASIBLE" and "create it in a task" in lines[1]
    ask(empty_cluster, "create", "hits", mail.path, "", 0, host=second)
    assert ask(empty_cluster, "ask", "hits", host=third) == ["value 102"]
    assert ask(empty_cluster, "kill", "hits", host=third) == []
    assert ask(empty_cluster, "ask", "hits", host=third)[0] == "REEVE_EHANDLE"
