"""The `reeve` command as an operator meets it: help, mistakes, exit codes, runs and their output, clean ends."""
import json
import os
import signal
import socket
import stat
import subprocess

import pytest

from conftest import find_program
from support import processes, settings

COMMANDS = ["head", "worker", "status", "jobs", "tasks", "run", "logs", "objects", "stop"]


def reeve(environment, *arguments, within=30, **options):
    return subprocess.run(
        [str(settings.REEVE), *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=settings.seconds(within), check=False, **options)


@pytest.fixture
def operator(cluster):
    """operator(command, argument…): in the environment that `reeve head` tells people to set."""
    environment = {
        **cluster.environment, "REEVE_ADDRESS": cluster.address, "REEVE_KEY_FILE": str(cluster.key_file)}

    def run(*arguments, within=30, added=(), **options):
        return reeve({**environment, **dict(added)}, *arguments, within=within, **options)

    run.environment = environment
    return run


def fails(done, code, *words):
    """One message that says what is wrong, no stack of them, and nothing on standard output."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    for word in words:
        assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert done.stdout == ""


# ---- help and mistakes ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help(home, command):
    done = reeve(home.environment, command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"Usage: reeve {command}")
    for part in ("Options:", "--help", "Environment:", "Exit codes:", "Examples:"):
        assert part in done.stdout
    assert reeve(home.environment, "help", command).stdout == done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_version_and_help(home):
    done = reeve(home.environment, "--version")
    assert done.returncode == 0 and done.stdout.startswith("reeve 0.")
    listed = reeve(home.environment, "help").stdout
    assert all(f"  {command} " in listed for command in COMMANDS)


@pytest.mark.parametrize("arguments, words", [
    ([], ["a command is missing", "reeve help"]),
    (["staus"], ["there is no command 'staus'", "did you mean reeve status?"]),
    (["head", "--lissten", "x"], ["--lissten", "did you mean --listen?"]),
    (["status", "--key-file"], ["--key-file: the value is missing", "see: reeve status --help"]),
    (["status", "--connect-timeout", "99999999999999999999"], ["--connect-timeout", "1000000000"]),
    (["status", "--connect-timeout", "-1"], ["--connect-timeout", "1000000000"]),
    (["status", "--nonsense"], ["--nonsense", "reeve status --help"]),
    (["status", "more"], ["more", "too many"]),
    (["worker", "--slots", "many"], ["--slots", "many"]),
    (["worker", "--slots", "-1"], ["--slots"]),
    (["worker", "--store", "12parsecs"], ["--store", "12parsecs"]),
    (["worker", "--inline", "1MiB"], ["--inline", "64KiB"]),
    (["worker", "--head", "tcp://:::"], ["--head", "tcp://HOST:PORT"]),
    (["worker", "--head", "nonsense://x"], ["--head", "tcp://HOST:PORT"]),
    (["head", "--listen", "tcp://127.0.0.1:99999"], ["--listen", "65535"]),
    (["head", "--log-level", "loud"], ["--log-level", "loud", "debug"]),
    (["head", "--ready-fd", "77"], ["--ready-fd 77"]),
    (["status", "--address", "tcp://0.0.0.0:1"], ["bad address"]),
    (["stop", "--all", "--node", "3"], ["contradict"]),
    (["stop", "--node", "three"], ["--node", "three"]),
    (["objects", "--sort", "colour"], ["--sort", "colour", "size"]),
    (["objects", "--owner", "somebody"], ["--owner", "somebody"]),
    (["objects", "--limit", "1001"], ["--limit", "1000"]),
    (["worker", "--head", "tcp://127.0.0.1:1", "--keep-warm", "99999999"], ["--keep-warm", "a year"]),
    (["run"], ["an argument is missing"]),
    (["run", "./no-such-program"], ["./no-such-program"]),
    (["logs", "--head", "--node", "1"], ["only one"]),
])
def test_wrong_command_line(home, arguments, words):
    fails(reeve(home.environment, *arguments), 2, *words)


# ---- keys, addresses, folders ----


def test_unreachable(home, tmp_path):
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("ab" * 32 + "\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0)) # not listening: refused
        address = "tcp://127.0.0.1:%d" % taken.getsockname()[1]
        for command in (["status"], ["stop"], ["logs"], ["run", "/bin/true"]):
            flags = ["--address", address, "--key-file", key]
            fails(reeve(home.environment, command[0], *flags, *command[1:]), 3, address, "reeve head")
        fails(reeve({**home.environment, "REEVE_STATE_DIR": str(tmp_path / "state")}, "worker", "--head", address,
                    "--key-file", key, "--join-timeout", "0"), 3, address)


def test_silent_head(home, tmp_path):
    """Something listens there and never answers: the wait ends."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = "tcp://127.0.0.1:%d" % silent.getsockname()[1]
        done = reeve({**home.environment, "REEVE_KEY": "ab" * 32}, "status", "--address", address, "--connect-timeout", "1")
        fails(done, 3, address)


def test_no_key(home, tmp_path):
    fails(reeve(home.environment, "status"), 4, "there is no cluster key at", "--key-file")
    fails(reeve(home.environment, "status", "--key-file", tmp_path / "none"), 4, str(tmp_path / "none"))
    fails(reeve({**home.environment, "REEVE_KEY": "xyz"}, "status"), 4, "REEVE_KEY", "64")
    wide = tmp_path / "wide"
    wide.touch(0o644)
    wide.write_text("ab" * 32 + "\n")
    fails(reeve(home.environment, "status", "--key-file", wide), 4, str(wide), "chmod 600")
    fails(reeve(home.environment, "worker", "--state-dir", tmp_path / "worker"), 4, "there is no cluster key at")


def test_wrong_key(cluster, home, tmp_path):
    wrong = {**home.environment, "REEVE_KEY": "cd" * 32}
    fails(reeve(wrong, "status", "--address", cluster.address), 4, cluster.address, "key")
    fails(reeve(wrong, "worker", "--head", cluster.address, "--state-dir", tmp_path / "worker"), 4, cluster.address, "key")
    cluster.head.until_logged("REEVE-PEER-REJECTED")
    assert len(cluster.nodes_up()) == 2


def test_flag_beats_environment(operator):
    done = operator("status", "--json", added={"REEVE_ADDRESS": "tcp://127.0.0.1:1"})
    assert done.returncode == 3
    done = operator("status", "--address", operator.environment["REEVE_ADDRESS"], "--json",
                    added={"REEVE_ADDRESS": "tcp://127.0.0.1:1"})
    assert done.returncode == 0


def test_port_in_use(empty_cluster, home, tmp_path):
    empty_cluster.start_head()
    done = reeve(home.environment, "head", "--listen", empty_cluster.address, "--state-dir", tmp_path / "other")
    fails(done, 1, empty_cluster.address.rsplit(":", 1)[1], "in use", "--listen")


def test_state_folder_in_use(empty_cluster, home):
    head = empty_cluster.start_head()
    done = reeve(home.environment, "head", "--listen", "tcp://127.0.0.1:0", "--state-dir", head.folder)
    fails(done, 1, str(head.folder), "--state-dir")


def test_state_folder_not_writable(home, tmp_path):
    """A file where the folder should be, as root may write anywhere."""
    blocked = tmp_path / "blocked"
    blocked.touch()
    for command in ("head", "worker"):
        done = reeve({**home.environment, "REEVE_KEY": "ab" * 32}, command, "--state-dir", blocked / "state")
        fails(done, 1, str(blocked), "--state-dir")


# ---- what the head says ----


def test_head_says_how_to_join(home, tmp_path):
    """The line it prints works as it is, and so does the one for programs."""
    state = tmp_path / "state"
    ready, ready_end = os.pipe()
    head = processes.Program(
        [settings.REEVE, "head", "--listen", "tcp://127.0.0.1:0", "--state-dir", state, "--ready-fd", ready_end],
        home.environment, pass_fds=(ready_end,))
    os.close(ready_end)
    worker = None
    try:
        head.until_line("Log:")
        with os.fdopen(ready) as file:
            word, address = file.readline().split()
        assert word == "ready" and f"is up at {address}" in head.out
        assert stat.S_IMODE((state / "key").stat().st_mode) == 0o600
        assert str(state / "key") in head.out and "--listen 'tcp://*:6380'" in head.out
        line = next(line for line in head.out.splitlines() if "reeve worker" in line).split("reeve worker", 1)[1]
        assert line.split()[1] == address
        ready, ready_end = os.pipe()
        worker = processes.Program(
            [settings.REEVE, "worker", *line.split(), "--state-dir", tmp_path / "worker", "--slots", "1", "--ready-fd",
             ready_end], home.environment, pass_fds=(ready_end,))
        os.close(ready_end)
        with os.fdopen(ready) as file:
            assert file.readline().startswith("ready ")
        line = next(line for line in head.out.splitlines() if "export " in line).split("export ", 1)[1]
        told = dict(word.split("=", 1) for word in line.split())
        program = processes.Program([find_program("first")], {**home.environment, **told})
        program.succeed()
        program.close()
        assert reeve({**home.environment, **told}, "stop").returncode == 0
        assert head.wait(5) == 0 and worker.wait(5) == 0
    finally:
        for program in (head, worker):
            if program:
                program.close()


def test_listening_for_others(home, tmp_path):
    head = processes.Program(
        [settings.REEVE, "head", "--listen", "tcp://*:0", "--advertise", "127.0.0.1", "--state-dir", tmp_path],
        home.environment)
    head.until_line("Log:")
    assert "reeve worker --head tcp://127.0.0.1:" in head.out
    assert not any("tcp://0.0.0.0" in line for line in head.out.splitlines())
    head.kill(signal.SIGINT)
    assert head.wait(5) == 0
    head.close()


def test_lifeline(home, tmp_path):
    """Its end is the daemon's, at once."""
    end, kept = os.pipe()
    head = processes.Program(
        [settings.REEVE, "head", "--listen", "tcp://127.0.0.1:0", "--state-dir", tmp_path, "--lifeline-fd", end],
        home.environment, pass_fds=(end,))
    os.close(end)
    head.until_line("Log:")
    os.close(kept)
    assert head.wait(5) == 0
    head.close()


# ---- status ----


def oom_score(pid):
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


def test_status(cluster, operator, mail):
    program = cluster.driver([find_program("gated"), 6, mail.path, mail.gate])
    started = mail.until_count("start", 4)
    daemon = oom_score(cluster.nodes[0].pid)
    assert all(oom_score(line[2]) > daemon for line in started), "workers go before the daemon when memory runs out"

    def waits():
        status = json.loads(operator("status", "--json", "--leases").stdout)
        heard = all(node["store_bytes"] for node in status["nodes"])
        return status if heard and any(demand["why"] for demand in status["demands"]) else None

    status = processes.until(waits, settings.seconds(5), "a demand that waits")
    assert {"address", "host", "release", "pid", "machine", "incarnation", "uptime_s", "rejected", "nodes_lost",
            "lost_latest"} == set(status["head"])
    assert status["head"]["nodes_lost"] == 0 and status["head"]["lost_latest"] is None
    assert status["totals"]["slots"] == status["totals"]["slots_used"] == 4.0
    assert [node["state"] for node in status["nodes"]] == ["up", "up"]
    stores = [(node["store_bytes"] >> 20, node["store_used_bytes"]) for node in status["nodes"]]
    assert stores == [(256, 0), (256, 0)]
    assert [job["name"] for job in status["jobs"]] == ["gated"]
    assert len(status["leases"]) == 4 and status["left_out"] == 0
    assert status["taken_s"] == 0, "so little is of one moment"
    assert status["totals"]["node_states"] == {"up": 2}

    first = status["nodes"][0]["node"]
    limited = json.loads(operator("status", "--json", "--limit", "1", "--leases").stdout)
    assert [node["node"] for node in limited["nodes"]] == [first]
    assert limited["left_out_of"]["nodes"] == 1 and limited["left_out_of"]["leases"] == 3
    assert limited["left_out"] == sum(limited["left_out_of"].values())
    assert limited["totals"]["nodes"] == 2, "sums are of all, whatever is shown"
    assert "1 more nodes: see --state, --node, --limit" in operator("status", "--limit", "1").stdout
    other = status["nodes"][1]["node"]
    one = json.loads(operator("status", "--json", "--node", str(other), "--leases").stdout)
    assert [node["node"] for node in one["nodes"]] == [other] and {lease["node"] for lease in one["leases"]} == {other}
    assert "No such nodes." in operator("status", "--state", "lost").stdout
    assert len(json.loads(operator("status", "--state", "up", "--json").stdout)["nodes"]) == 2
    table = operator("status").stdout
    assert "4 of 4 slots used" in table and "gated" in table and "WHY" in table
    mail.let_go()
    program.succeed()


def test_prefault(empty_cluster):
    """Memory is there before anybody asks for it, only where that was wanted; and the status says so."""
    empty_cluster.start_head()
    empty_cluster.start_node(arguments=["--prefault"])
    empty_cluster.start_node()
    kept, lazy = empty_cluster.until_status(
        lambda status: [node["store_held_bytes"] for node in status["nodes"]] if len(status["nodes"]) == 2 and
        status["totals"]["store_held_bytes"] >= 200 << 20 else None, within=20, what="a store that holds its memory")
    assert kept >= 200 << 20 and lazy == 0 or lazy >= 200 << 20 and kept == 0
    assert all(node["store_used_bytes"] == 0 for node in empty_cluster.status()["nodes"])


@pytest.mark.parametrize("how", [["--keep-warm", "1000"], ["--keep-warm", "0"]])
def test_keep_warm(empty_cluster, mail, how):
    """Memory in which values have lain stays for as long as it was said, and no longer."""
    empty_cluster.start_head()
    empty_cluster.start_node(arguments=how)
    program = empty_cluster.driver([find_program("holds"), 40, 1_000_000, mail.path, mail.gate])
    mail.until_count("holds", 1)

    def until_held(used, least, most):
        empty_cluster.until_status(
            lambda status: (status["totals"]["store_used_bytes"] > 0) == used and least <= status["totals"]["store_held_bytes"] <= most,
            within=20, what=f"a store that holds {least} to {most} bytes")

    # Growing, it has prepared pages ahead of the program.
    until_held(True, 50_000_000, 1 << 40)
    mail.let_go()
    program.succeed()
    until_held(False, *((40_000_000, 1 << 40) if how[1] == "1000" else (0, 1 << 20)))


MEMORY_GROUPS = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]


@pytest.fixture
def memory_group():
    """A control group of 600 MiB; as a host, on which daemons can be started."""
    for top, limit in MEMORY_GROUPS:
        group = f"{top}/reeve-test-{os.getpid()}"
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            with open(f"{group}/{limit}", "w", encoding="ascii") as file:
                file.write(str(600 << 20))
        except OSError:
            os.rmdir(group)
            continue
        break
    else:
        pytest.skip("no control group for memory can be made here")

    class Group:
        def prefix(self, hidden=()):
            return ["/bin/sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]

    yield Group()

    def gone():
        try:
            os.rmdir(group)
        except OSError:
            return False
        return True

    processes.until(gone, settings.seconds(5), "the end of a control group")


@pytest.mark.skipif(settings.SANITIZER != "", reason="sanitizers take most of the group's memory for themselves")
def test_store_within_a_memory_limit(memory_group, empty_cluster):
    """A store that may have all of its group's memory takes what is spare, and its daemon lives. Where nobody says how large, it has 30 %
    of that."""
    empty_cluster.start_head()
    small = empty_cluster.start_node(store=None, host=memory_group)
    try:
        empty_cluster.until_status(lambda status: status["totals"]["store_bytes"] == (600 << 20) * 3 // 10 & -65536, what="30 %")
    finally:
        small.end()
    empty_cluster.until_status(lambda status: status["totals"]["store_bytes"] == 0, what="the end of a node")
    node = empty_cluster.start_node(arguments=["--store", "100%", "--prefault"], host=memory_group)
    try:
        held = []

        def is_settled(status):
            held.append(status["totals"]["store_held_bytes"])
            return len(held) > 100 and held[-1] == held[-100] > 300 << 20

        empty_cluster.until_status(is_settled, within=30, what="a store that has taken what it may")
        assert empty_cluster.status()["totals"]["store_bytes"] <= 600 << 20
        assert 300 << 20 < held[-1] <= 536 << 20 and node.popen.poll() is None
    finally:
        node.end()


@pytest.mark.skipif(settings.SANITIZER != "", reason="sanitizers take most of the group's memory for themselves")
def test_killed_for_want_of_memory(memory_group, empty_cluster, mail):
    """Who asks for more memory than there is hears that, not of a signal alone."""
    empty_cluster.start_head()
    node = empty_cluster.start_node(host=memory_group)
    try:
        program = empty_cluster.driver([find_program("observed"), mail.path, mail.gate, 1, 0, 0, 900])
        program.succeed()
        assert "killed by signal 9" in program.err and "for want of memory" in program.err, program.err
    finally:
        node.end()


# ---- objects ----


def test_objects(cluster, operator, mail):
    """Forty of one driver, one of them held by a task; then none."""

    def objects(*arguments):
        done = operator("objects", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    program = cluster.driver([find_program("holds"), 40, 1_000_000, mail.path, mail.gate])
    mail.until_count("holds", 1)
    mail.until_count("start", 1)
    told = objects("--limit", 1000)
    primaries = [item for item in told["objects"] if not item["copy"]]
    totals = told["totals"]
    assert len(primaries) == 40 and totals["shown"] == totals["matched"] == totals["objects"] == len(told["objects"])
    assert len({item["object"] for item in primaries}) == 40 and told["unanswered"] == []
    assert all(item["size_bytes"] >= 1_000_000 and item["state"] == "sealed" for item in told["objects"])
    (owner,) = {item["owner"] for item in primaries}
    assert owner == operator_job(operator)
    assert totals["used_bytes"] >= totals["matched_bytes"] >= 40_000_000
    assert totals["committed_bytes"] >= totals["used_bytes"] and totals["held_bytes"] >= totals["matched_bytes"]
    pinned = [item for item in told["objects"] if item["pins"]]
    assert pinned and objects("--sort", "pins", "--limit", 1)["objects"][0]["pins"] == max(item["pins"] for item in pinned)
    assert all(len(item["pinned_by"]) == item["pinners"] for item in pinned)
    (node,), (holder,) = {item["node"] for item in primaries}, [by for item in primaries for by in item["pinned_by"]]
    assert int(holder["process"][:8], 16) == node and holder["process"] != owner and holder["pins"] == 1
    (store,) = [store for store in told["nodes"] if store["node"] == node]
    assert store["free_bytes"] == store["segment_bytes"] - store["used_bytes"]
    assert store["free_bytes"] // 4 < store["largest_free_bytes"] <= store["free_bytes"]
    few = objects("--owner", owner, "--limit", 3)
    assert few["totals"]["shown"] == 3 and few["totals"]["matched"] == totals["matched"]
    assert few["left_out"] == totals["matched"] - 3
    assert objects("--owner", "77.1")["totals"]["matched"] == 0
    for word in (owner, owner[:14], told["jobs"][0]["name"]):
        assert objects("--job", word)["totals"]["matched"] == totals["matched"]
    fails(operator("objects", "--job", "nobody's"), 2, "there is no job nobody's")
    both = objects("--limit", 1000, "--sort", "name")["objects"]
    numbers = [[int(number) for number in item["object"].replace("/", ".").split(".")] for item in both]
    assert numbers == sorted(numbers) and len(both) == len(told["objects"])
    assert [node["node"] for node in objects("--node", 2)["nodes"]] == [2]
    table = operator("objects").stdout
    assert "primary" in table and "20 shown, " in table and "LARGEST" in table and "see --limit" in table

    def counted():
        status = json.loads(operator("status", "--json").stdout)["totals"]
        return status["objects"] >= 40 and status["store_held_bytes"] >= 40_000_000

    processes.until(counted, settings.seconds(5), "the store's totals in the status")
    assert "objects, " in operator("status").stdout
    mail.let_go()
    program.succeed()
    processes.until(lambda: objects()["totals"]["objects"] == 0, settings.seconds(5), "the end of all objects")


def test_many_objects(cluster, operator, mail):
    """What a node says of a thousand takes several messages; the head cuts what two nodes say to what was asked for."""
    program = cluster.driver([find_program("holds"), 1200, 66_000, mail.path, mail.gate])
    mail.until_count("holds", 1)
    for limit in (1000, 7, 0):
        told = json.loads(operator("objects", "--json", "--limit", limit).stdout)
        matched = told["totals"]["matched"]
        assert matched >= 1200 and len(told["objects"]) == told["totals"]["shown"] == limit == matched - told["left_out"]
        assert told["unanswered"] == []
        sizes = [item["size_bytes"] for item in told["objects"]]
        assert sizes == sorted(sizes, reverse=True)
    mail.let_go()
    program.succeed()


def operator_job(operator):
    (job,) = json.loads(operator("status", "--json").stdout)["jobs"]
    return job["job"]


def test_objects_of_a_node_that_is_silent(cluster, operator):
    """It is named, and the others are shown all the same."""
    silent = cluster.nodes[1]
    number = next(node["node"] for node in cluster.nodes_up()
                  if f"node={node['node']}" in silent.log() or str(node["address"]) in silent.ready_line)
    os.kill(silent.pid, signal.SIGSTOP)
    try:
        done = operator("objects", "--json", "--connect-timeout", "4")
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    told = json.loads(done.stdout)
    assert done.returncode == 1 and f"node {number} (" in done.stderr
    assert [node["node"] for node in told["unanswered"]] == [number] and len(told["nodes"]) == 1
    assert "silent" in told["unanswered"][0]["why"]
    fails(operator("objects", "--node", 77), 2, "no node 77")


# ---- runs ----


def test_run_waits(operator, tmp_path):
    script = "echo out; echo err >&2; echo $GREETING; pwd; exit 7"
    done = operator("run", "--wait", "--env", "GREETING=hello", "--cwd", tmp_path, "/bin/sh", "-c", script)
    assert done.returncode == 7
    assert done.stdout == f"out\nhello\n{tmp_path}\n"
    run, err = done.stderr.splitlines()
    assert err == "err" and len(run) == 8
    assert operator("logs", run).stdout == done.stdout
    status = json.loads(operator("logs", "--json").stdout)
    assert [(row["run"], row["state"], row["exit_status"]) for row in status] == [(run, "exited", 7)]


def test_run_of_a_driver(operator):
    """It finds the cluster by itself, and needs nothing of this terminal."""
    done = operator("run", "--name", "first one", find_program("first"))
    assert done.returncode == 0
    run = done.stdout.strip()
    followed = operator("logs", "--follow", "first one")
    assert "7 * 6 = 42" in followed.stdout
    assert operator("logs", run[:6]).stdout == followed.stdout
    assert operator("run", "--wait", find_program("process_data")).stdout.split() == ["0", "10", "20", "30", "40"]


def test_run_is_sent(cluster, operator, tmp_path):
    """The file is gone once it has been sent: what was sent runs, from memory; a script too."""
    program = tmp_path / "program"
    program.write_bytes(find_program("first").read_bytes() + b"\0" * 3_000_000) # several pieces
    program.chmod(0o755)
    done = operator("run", "--json", "--copy", program)
    program.unlink()
    place = json.loads(done.stdout)
    assert place["node"] in (1, 2) and place["pid"] > 0
    assert "7 * 6 = 42" in operator("logs", "--follow", place["run"]).stdout
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho \"$1\"; exit 5\n")
    script.chmod(0o755)
    done = operator("run", "--wait", "--copy", script, "a b")
    assert done.returncode == 5 and done.stdout == "a b\n"


def test_run_killed_by_a_signal(operator):
    done = operator("run", "--wait", "/bin/sh", "-c", "kill -9 $$")
    assert done.returncode == 128 + 9


def test_run_cannot_start(operator, tmp_path):
    broken = tmp_path / "broken"
    broken.write_text("not a program\n")
    broken.chmod(0o755)
    if settings.SANITIZER != "thread":
        done = operator("run", "--wait", broken)
        assert done.returncode == 1 and "architecture" in done.stderr
    done = operator("run", "--wait", "--cwd", tmp_path / "none", "/bin/true")
    assert done.returncode == 1 and "folder" in done.stderr
    done = operator("run", "--node", "77", "/bin/true")
    assert done.returncode == 1 and "no node 77" in done.stderr


def test_run_is_stopped(cluster, operator, mail, home):
    done = operator("run", find_program("gated"), 2, mail.path, mail.gate)
    mail.until_count("start", 2)
    pid = int(mail.until_count("driver", 1)[0][1])
    assert operator("stop", "--run", "last").returncode == 0
    processes.wait_gone([pid], settings.seconds(1), "a run that was stopped")
    row = json.loads(operator("logs", "--json").stdout)[0]
    assert row["run"] == done.stdout.strip() and row["signal"] == signal.SIGTERM


def test_status_of_lost_nodes(cluster, operator):
    """One that is silent is marked before it is given up; one that was given up is gone from the table, and told above it."""
    silent, dead = cluster.nodes
    processes.kill(silent.pid, signal.SIGSTOP)
    processes.until(lambda: "no word for" in operator("status").stdout, settings.seconds(8), "a node that is silent")
    processes.kill(silent.pid, signal.SIGCONT)
    number = dead.log().split("REEVE-NODE-REGISTERED node=")[1].split()[0]
    dead.kill()
    text = processes.until(
        lambda: next((line for line in operator("status").stdout.splitlines() if line.startswith("lost")), None),
        settings.seconds(5), "a node that was lost")
    assert text.startswith("lost    1 nodes since this head started, the latest") and f"node {number}, " in text, text
    assert "its machine says that it does not run" in text
    latest = cluster.status()["head"]["lost_latest"]
    assert latest["node"] == int(number) and latest["why"] in text and latest["ago_s"] >= 0


def test_run_whose_node_dies(cluster, operator, mail):
    place = json.loads(operator("run", "--json", find_program("gated"), 2, mail.path, mail.gate).stdout)
    mail.until_count("start", 2)
    by_name = {node["address"]: node["node"] for node in cluster.status()["nodes"]}
    assert place["node"] in by_name.values()
    pid = int(mail.until_count("driver", 1)[0][1])
    for node in cluster.nodes:
        node.kill()
    processes.wait_gone([pid], settings.seconds(1), "a run whose node died")
    lost = processes.until(
        lambda: [row for row in cluster.status()["runs"] if row["state"] == "lost"], settings.seconds(5), "lost")
    assert "node" in lost[0]["text"]
    fails(operator("logs", place["run"]), 1, place["run"], "not up")


def test_runs_survive_the_head(cluster, operator, mail):
    """Started before it died, ended after it came back: known, with its output."""
    run = operator("run", find_program("gated"), 2, mail.path, mail.gate).stdout.strip()
    mail.until_count("start", 2)
    cluster.head.kill()
    cluster.start_head(listen=cluster.address)
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 2, within=15, what="nodes back")
    mail.let_go()
    done = operator("logs", "--follow", run)
    assert done.returncode == 0 and done.stdout.endswith("done\n")
    assert [row["state"] for row in cluster.status()["runs"]] == ["exited"]


def test_much_output(operator):
    """More than one piece of each stream, in full and in order."""
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i of much output; i=$((i+1)); done; exit 3"
    done = operator("run", "--wait", "/bin/sh", "-c", script, within=60)
    assert done.returncode == 3
    assert done.stdout == "".join(f"line {i} of much output\n" for i in range(20000))


# ---- logs of daemons, and the end ----


def test_daemon_logs(cluster, operator):
    assert "REEVE-HEAD-READY" in operator("logs", "--head").stdout
    assert "REEVE-NODE-REGISTERED" in operator("logs", "--node", 1).stdout
    fails(operator("logs", "--node", 9), 2, "there is no node")
    fails(operator("logs", "nothing"), 2, "no run nothing")


def test_stop_a_node(cluster, operator):
    node = cluster.status()["nodes"][0]
    done = operator("stop", "--node", node["node"])
    assert done.returncode == 0, done.stderr
    cluster.until_status(lambda status: status["totals"]["nodes_up"] == 1, what="one node less")
    processes.until(
        lambda: [daemon for daemon in cluster.nodes if daemon.popen.poll() == 0], settings.seconds(5), "its process ends")
    fails(operator("stop", "--node", node["node"]), 2, "there is no node")
    log = cluster.head.log()  # it was planned: nothing to warn of
    assert "REEVE-NODE-ENDED" in log and "REEVE-NODE-LOST" not in log and "REEVE-NODE-DEAD" not in log


@pytest.mark.parametrize("deaf", [False, True])
def test_stop_a_job(cluster, operator, mail, deaf):
    """Its program is asked to end, and then killed; its tasks end with it, and the others go on."""
    jobs = [cluster.driver([find_program("gated"), 1, mail.path, mail.gate], environment={"REEVE_JOB_NAME": name})
            for name in ("night", "day")]
    started = mail.until_count("start", 2, 30)
    if deaf:
        os.kill(jobs[0].pid, signal.SIGSTOP)
    fails(operator("stop", "--job", "noon"), 2, "no jobs have the name or id noon")
    fails(operator("stop", "--job", "night", "--node", 1), 2, "contradict each other")
    done = operator("stop", "--job", "night", "--timeout", 1 if deaf else 20)
    assert done.returncode == 0, done.stderr
    assert jobs[0].wait(10) in (-signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM)
    processes.until(lambda: [job["name"] for job in cluster.status()["jobs"]] == ["day"], settings.seconds(10), "one job")
    processes.until(lambda: sum(os.path.exists(f"/proc/{line[2]}") for line in started) == 1, settings.seconds(10), "its worker")
    mail.let_go()
    jobs[1].succeed(20)


def test_stop_everything(cluster, operator):
    """Gone when it returns, and startable again at once."""
    address = cluster.address
    assert operator("stop").returncode == 0
    assert cluster.head.popen.wait(settings.seconds(1)) == 0
    for node in cluster.nodes:
        assert node.popen.wait(settings.seconds(2)) == 0
    fails(operator("status"), 3, address)
    cluster.start_head(listen=address)
    assert cluster.status()["nodes"] == []  # nobody is expected back
