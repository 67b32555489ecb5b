"""More values than the store holds go to disk, and come back as they were, or not at all."""
import json
import os
import re
import subprocess

import pytest

from conftest import find_program
from support import processes, settings


def go_on(program):
    program.popen.stdin.write(b"go\n")
    program.popen.stdin.close()


def node_of(home):
    return home.processes("node")[0]


@pytest.mark.parametrize("what,count,size_kib", [
    ("fill", 200, 1024), ("fill", 8000, 20), ("fill", 4, 40000), ("results", 150, 1024), ("random", 1500, 300)])
def test_more_than_fits(run, home, what, count, size_kib):
    program = run("spills", what, count, size_kib, environment={"REEVE_STORE_SIZE": "64M", "REEVE_SPILL": home.work})
    assert program.succeed(60) == f"ok {what}\n"


def test_external_sort(run, home):
    """A real use: three times the store, in pieces that travel as futures; the program checks its output. And where nothing spills."""
    out = run("external_sort", 192, home.work, environment={"REEVE_STORE_SIZE": "64M", "REEVE_SPILL": home.work}).succeed(120)
    assert out == "12582912 records sorted and checked: 24 runs, 24 parts\n"
    assert os.listdir(home.work) == []
    out = run("external_sort", 20, home.work, environment={"REEVE_MODE": "inline"}).succeed(60)
    assert out == "1310720 records sorted and checked: 3 runs, 3 parts\n"


def test_four_gigabytes_in_a_small_store(run, home):
    """Each of 4096 values comes back intact, and the daemon and the store stay small."""
    program = run("spills", "hold", 4096, 1024, environment={"REEVE_STORE_SIZE": "256M", "REEVE_SPILL": home.work},
                  stdin=subprocess.PIPE)
    program.until_line("ready\n", 120)
    node = node_of(home)
    assert len(processes.nameless_files(node.pid)) >= 3
    assert processes.store_bytes(node.pid) <= 256 << 20
    with open(f"/proc/{node.pid}/status", encoding="ascii") as stream:
        own_kib = int(re.search(r"RssAnon:\s+(\d+)", stream.read())[1])
    if settings.seconds(1) == 1:  # sanitizers keep what has been freed
        assert own_kib < 64 << 10
    go_on(program)
    assert program.succeed(180) == "ready\n4096 good\nok hold\n"


def hold(run, home, count, environment=(), what="hold"):
    """A program with `count` values of 1 MiB in a store of 32 MiB, most of them on disk; and its node daemon."""
    program = run("spills", what, count, 1024, stdin=subprocess.PIPE,
                  environment={"REEVE_STORE_SIZE": "32M", "REEVE_SPILL": home.work, **dict(environment)})
    program.until_line("ready\n", 60)
    return program, node_of(home)


def failed_values(program, what="hold"):
    """Numbers and codes of the values that did not come back."""
    go_on(program)
    out = program.succeed(60)
    assert "WRONG" not in out
    failed = dict(re.findall(r"^(\d+) (REEVE_\w+): ", out, re.MULTILINE))
    assert f"\n{100 - len(failed)} good\nok {what}\n" in "\n" + out
    return failed, out


def flip(path, places):
    """One bit in each of these places."""
    with open(path, "r+b", buffering=0) as file:
        for at in places:
            byte = os.pread(file.fileno(), 1, at)
            if byte:
                os.pwrite(file.fileno(), bytes([byte[0] ^ 16]), at)


def flip_all(node):
    """In each value that is on disk."""
    for path in processes.nameless_files(node.pid):
        flip(path, range(12345, os.stat(path).st_size, 1 << 20))


def logged(home, what):
    return sum(path.read_text().count(what) for path in home.logs.glob("worker*"))


def test_a_flipped_bit(run, home):
    """A value that was put here and is nowhere else is refused, with the folder; the others come back."""
    program, node = hold(run, home, 100)
    flip(processes.nameless_files(node.pid)[0], [5 * 1024 * 1024 + 12345])
    failed, out = failed_values(program)
    assert list(failed.values()) == ["REEVE_ECORRUPT"]
    assert str(home.work) in out and "it was put, not made by a task" in out
    assert logged(home, "REEVE-SPILL-READ") == 1


def test_damaged_results(run, home):
    """What tasks have made is made again, whether it is got or passed on; and the log has one line for all of it."""
    program, node = hold(run, home, 100, what="made")
    flip_all(node)
    assert failed_values(program, "made")[0] == {}
    assert logged(home, "REEVE-SPILL-READ") == 1


def is_shown(cluster):
    """`reeve objects`, of a hundred values on disk, most of them there only, and with a copy on another node."""
    told = json.loads(cluster.tool("objects", "--json", "--limit", "1000").stdout)
    other = next(store["node"] for store in told["nodes"] if store["copy_bytes"])
    (store,) = [store for store in told["nodes"] if store["node"] != other]
    here = [item for item in told["objects"] if item["node"] == store["node"]]
    assert len(here) == 100 and all(item["copies_on"] == [other] and not item["copy"] for item in here)
    assert [item["copy"] for item in told["objects"] if item["node"] == other] == [True] * 100
    states = [item["state"] for item in here]
    assert states.count("spilled") >= 60 and set(states) <= {"sealed", "spilled", "spilling", "restoring"}
    assert store["spilled"] >= states.count("spilled") and store["disk_bytes"] >= store["spilled_bytes"] >= store["spilled"] << 20
    table = cluster.tool("objects", "--node", str(store["node"])).stdout
    assert re.search(rf"^1\.1/\d+ +{store['node']} +1\.00MiB spilled  primary  1\.1 +0 - +{other}$", table, re.MULTILINE), table


def test_damaged_with_copies(empty_cluster, home):
    """What a node was sent before comes back from there, where it was put; and is on disk anew."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=0, arguments=["--store", "32MiB", "--spill", home.work])
    empty_cluster.start_node(arguments=["--spill", "none"])
    program = empty_cluster.driver([find_program("spills"), "shown", 100, 1024], stdin=subprocess.PIPE)
    program.until_line("ready\n", 60)
    is_shown(empty_cluster)
    flip_all(empty_cluster.nodes[0])
    assert failed_values(program, "shown")[0] == {}
    assert empty_cluster.nodes[0].log().count("REEVE-SPILL-READ") == 1


def test_a_file_cut_short(run, home):
    program, node = hold(run, home, 100)
    with open(processes.nameless_files(node.pid)[0], "r+b", buffering=0) as file:
        file.truncate(10 * 1024 * 1024)
    failed, _ = failed_values(program)
    assert len(failed) > 10 and set(failed.values()) == {"REEVE_ECORRUPT"}


def test_nothing_is_left_after_a_kill(run, home):
    """The files have no name: they are gone with the daemon, however it ends."""
    program, node = hold(run, home, 100)
    assert os.listdir(home.work) == []
    processes.kill(node.pid)
    processes.kill(program.pid)
    processes.wait_gone([node.pid, program.pid], settings.seconds(5))
    assert os.listdir(home.work) == []


def test_an_end_is_said_once(run, home):
    """Files are still being written when the program dies: the daemon waits for them, and does nothing else."""
    program, node = hold(run, home, 100)
    program.kill()
    processes.wait_gone([node.pid], settings.seconds(5))
    for path in home.logs.iterdir():
        assert path.read_text(encoding="utf-8").count("-STOPPING") <= 1


def until_full(run, environment):
    program = run("spills", "until", 400, 1024, environment={"REEVE_STORE_SIZE": "32M", **environment})
    count, wrong, why = re.match(r"(\d+) put, (\d+) wrong; then: (.*)\n", program.succeed(60)).groups()
    assert wrong == "0"
    return int(count), why


@pytest.fixture
def small_disk(home):
    if not settings.OWN_NAMESPACES:
        pytest.skip("needs a mount namespace")
    folder = home.folder / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk(run, small_disk):
    """What does not fit any more is refused, with the disk and the holders named; what is there stays good."""
    count, why = until_full(run, {"REEVE_SPILL": str(small_disk)})
    assert 55 <= count <= 72
    assert f"the disk is full ({small_disk}" in why and "owns" in why


def test_the_limit_of_disk_use(run, home):
    count, why = until_full(run, {"REEVE_SPILL": str(home.work), "REEVE_SPILL_SIZE": "50M"})
    assert 65 <= count <= 82
    assert "of the 50.0 MiB allowed on disk" in why


def test_nowhere_to_spill(run):
    count, why = until_full(run, {"REEVE_SPILL": "none"})
    assert count <= 32 and "disk" not in why


def test_a_full_disk_and_another(run, home, small_disk):
    """The other folder goes on."""
    environment = {"REEVE_STORE_SIZE": "32M", "REEVE_SPILL": f"{small_disk}:{home.work}"}
    assert run("spills", "fill", 300, 1024, environment=environment).succeed(60) == "ok fill\n"
    logs = "".join(path.read_text() for path in home.logs.glob("worker*"))
    assert logs.count("REEVE-SPILL-FOLDER") == 1 and str(small_disk) in logs
    assert logs.count("REEVE-NODE-STOPPING") == 1


class FaultyDisk:
    """A folder whose reads or writes fail when told to, in the daemons that are started with its environment."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.environment = {
            "LD_PRELOAD": settings.PROGRAMS / "faulty_disk.so", "FAULTY_DISK": folder,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def fail(self, what, fails=True):
        flag = self.folder.with_suffix(f".no-{what}")
        flag.touch() if fails else flag.unlink()


@pytest.fixture
def faulty(home):
    return FaultyDisk(home.folder / "faulty")


def join(cluster, faulty, what, count, spill=None, **options):
    """A program whose node has a store of 32 MiB, and spills there."""
    cluster.start_head()
    folders = [argument for folder in spill or [faulty.folder] for argument in ("--spill", folder)]
    cluster.start_node(arguments=["--store", "32MiB", *folders], environment=faulty.environment)
    return cluster.driver([find_program("spills"), what, count, 1024], **options)


def until_spill_status(cluster, condition):
    """What the node has told the head of its disks, once that is so."""
    cluster.until_status(lambda status: "spill" in status["nodes"][0] and condition(status["nodes"][0]["spill"]), what="spill status")
    return cluster.status()["nodes"][0]["spill"]


def test_writes_fail(empty_cluster, faulty, home):
    """Another folder takes what cannot be written; it is told, once, which one fails and how."""
    faulty.fail("writes")
    program = join(empty_cluster, faulty, "hold", 100, spill=[faulty.folder, home.work], stdin=subprocess.PIPE)
    program.until_line("ready\n", 60)
    status = until_spill_status(empty_cluster, lambda spill: spill["written"] > 50)
    assert (status["folder"], status["why"]) == (str(faulty.folder), "Input/output error")
    assert status["folders_failed"] == 1 and status["failed"] > 0
    assert f"{faulty.folder} and 1 more (full or failing: Input/output error)" in empty_cluster.tool("status").stdout
    assert failed_values(program)[0] == {}
    log = empty_cluster.nodes[0].log()
    assert log.count("REEVE-SPILL-FOLDER") == 1 and "Input/output error" in log


def test_no_write_succeeds(empty_cluster, faulty):
    """What has no room any more is refused, with what the disk said; what is there stays good."""
    faulty.fail("writes")
    out = join(empty_cluster, faulty, "until", 400).succeed(60)
    count, wrong, why = re.match(r"(\d+) put, (\d+) wrong; then: (.*)\n", out).groups()
    assert int(count) <= 32 and wrong == "0"
    assert f"the disk has failed ({faulty.folder}: Input/output error)" in why


def test_reads_fail(empty_cluster, faulty):
    """What tasks have made is made again; the operator sees it."""
    program = join(empty_cluster, faulty, "made", 100, stdin=subprocess.PIPE)
    program.until_line("ready\n", 60)
    faulty.fail("reads")
    assert failed_values(program, "made")[0] == {}
    assert empty_cluster.nodes[0].log().count("REEVE-SPILL-READ") == 1
    until_spill_status(empty_cluster, lambda spill: spill["failed"] > 10 and spill["why"] == "Input/output error")


@pytest.mark.parametrize("writes", [True, False])
def test_reads_fail_of_what_was_put(empty_cluster, faulty, writes):
    """It is not to be had: the error says from which folder, and what the disk said. What is in memory is."""
    program = join(empty_cluster, faulty, "hold", 100, stdin=subprocess.PIPE)
    program.until_line("ready\n", 60)
    faulty.fail("reads")
    if not writes:
        faulty.fail("writes")
    failed, out = failed_values(program)
    assert len(failed) > 50 and set(failed.values()) == {"REEVE_ECORRUPT"}
    assert f"cannot be read from disk: {faulty.folder} (Input/output error)" in out


@pytest.mark.parametrize("folder,why", [("/nowhere", "No such file"), ("/proc", "no files can be made in /proc")])
def test_a_folder_that_cannot_be_used(run, folder, why):
    program = run("spills", "fill", 1, 1, environment={"REEVE_SPILL": folder})
    assert program.wait(10) != 0
    assert why in program.err and folder in program.err
