"""A program that cannot have the cluster it wants: reeve_init says which thing, and what to do. Nothing is left, and a
cluster that turned it away works on."""
import os
import secrets
import subprocess
import sys

import pytest

from conftest import find_program
from support import settings


def refusal(program, within=25):
    """The code and message of a reeve_init that failed."""
    assert program.wait(within) == 1, program.said()
    line, = program.out.splitlines()
    assert line.startswith("init: ")
    code, message, _ = line[len("init: "):].split(" | ")
    assert message
    return code, message


def test_no_program(run):
    """The `reeve` program is not there."""
    code, message = refusal(run("failures", "fails", environment={"REEVE_PROGRAM": "/nonexistent/reeve"}))
    assert code == "REEVE_ENOCLUSTER"
    assert "/nonexistent/reeve" in message and "REEVE_PROGRAM" in message


def test_program_that_is_none(run):
    """It is there, and is another one."""
    code, message = refusal(run("failures", "fails", environment={"REEVE_PROGRAM": "/bin/false"}))
    assert code == "REEVE_ENOCLUSTER" and message


LIMITS = {
    "descriptors, none": ("-n 12", "(ulimit -n)"), "descriptors, few": ("-n 30", "(ulimit -n)"),
    "address space, none": ("-v 50000", "of address space (ulimit -v)"),
    "address space, little": ("-v 100000", "of address space (ulimit -v)"),
    "data": ("-d 100000", "of data (ulimit -d)"),
    "files, none": ("-f 0", "(ulimit -f)"), "files, small": ("-f 2000", "(ulimit -f)"),
    "processes, none": ("-p 1", "(ulimit -u)"), "processes, few": ("-p 3", "(ulimit -u)"),
    "processes, fewer than threads": ("-p 20", "(ulimit -u)")}


@pytest.mark.parametrize("what", LIMITS)
def test_limits(run, what):
    """What the system does not let it have is named at once, with the limit, and how it is called."""
    if settings.SANITIZER:
        pytest.skip("a sanitizer wants more than these itself")
    limit, words = LIMITS[what]
    shell = ["/bin/sh", "-c", f'ulimit {limit}; exec "$0" "$@"']
    if "processes" in what: # which root has as many of as it likes
        if os.geteuid() != 0:
            pytest.skip("needs a user without other processes")
        other = ["/usr/bin/setpriv", "--reuid=64999", "--regid=64999", "--clear-groups"]
        if subprocess.run([*other, "test", "-x", settings.REEVE], check=False).returncode != 0:
            pytest.skip("another user cannot run the program here")
        shell = other + shell
    program = run(*shell, find_program("failures"), "fails", environment={"REEVE_LOG_DIR": ""}) # whose folder is ours
    code, message = refusal(program)
    assert code in ("REEVE_ENOCLUSTER", "REEVE_ESYSTEM") and words in message, message
    assert program.took < settings.seconds(6)


def test_without_proc(run):
    if not settings.OWN_NAMESPACES:
        pytest.skip("needs a mount namespace")
    script = 'mount -t tmpfs none /proc; exec "$0" "$@"'
    code, message = refusal(run("/usr/bin/unshare", "--mount", "/bin/sh", "-ec", script, find_program("failures"), "fails"))
    assert code == "REEVE_ESYSTEM" and "is /proc mounted?" in message


# Under a filter that forbids one system call, by its number on this machine.
FORBID = """
import ctypes, os, struct, sys
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, int(sys.argv[1])), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
class Filter(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
forbidden = Filter(len(steps), ctypes.addressof(code))
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(forbidden), 0, 0) != 0:
    sys.exit(77)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_without_shared_memory(run):
    """Where a container forbids memfd_create, it is named."""
    number = {"x86_64": 319, "aarch64": 279}.get(os.uname().machine)
    if number is None:
        pytest.skip("no number of memfd_create is known for this machine")
    program = run(sys.executable, "-c", FORBID, number, find_program("failures"), "fails")
    if program.wait() == 77:
        pytest.skip("no system calls can be forbidden here")
    code, message = refusal(program)
    assert code == "REEVE_ESYSTEM" and "memfd_create: Operation not permitted" in message


@pytest.mark.parametrize("address", ["nonsense://1.2.3.4:5", "tcp://127.0.0.1:99999", "tcp://:", "tcp://127.0.0.1:x"])
def test_malformed_address(run, address):
    code, message = refusal(run("failures", "fails", environment={"REEVE_ADDRESS": address, "REEVE_KEY": "00" * 32}))
    assert code == "REEVE_EADDRESS"
    assert address in message or address.split("//")[1] in message
    assert "tcp://" in message or "host:port" in message.lower()


def test_unreachable(run):
    """Nothing listens there."""
    code, message = refusal(run("failures", "fails", environment={
        "REEVE_ADDRESS": "tcp://127.0.0.1:9", "REEVE_KEY": secrets.token_hex(32)}))
    assert code == "REEVE_ENOCLUSTER"
    assert "127.0.0.1:9" in message


@pytest.mark.parametrize("mode", ["", "clster"])
def test_mode(run, mode):
    program = run("failures", "fails", environment={"REEVE_MODE": mode})
    if mode:
        code, message = refusal(program)
        assert code == "REEVE_EINVAL" and mode in message and "inline" in message
    else:
        program.succeed()


@pytest.mark.parametrize("name,value", [("REEVE_SLOTS", "two"), ("REEVE_STORE_SIZE", "much"), ("REEVE_SLOTS", "-1")])
def test_bad_option(run, name, value):
    code, message = refusal(run("failures", "fails", environment={name: value}))
    assert code == "REEVE_EINVAL" and name in message and value in message


def join(cluster, **environment):
    """A driver that cannot use the node daemon of this machine (other user's, say): it starts one for itself."""
    return cluster.driver([find_program("failures"), "fails"], environment=environment)


@pytest.fixture
def far_cluster(empty_cluster):
    """A head without a node here, so that the driver's own daemon has to prove itself."""
    empty_cluster.start_head()
    return empty_cluster


def works(cluster):
    assert cluster.tool("status").returncode == 0
    cluster.start_node()
    assert cluster.driver([find_program("answers"), "types"]).succeed() == "ok types\n"


def test_wrong_key(far_cluster):
    code, message = refusal(join(far_cluster, REEVE_KEY=secrets.token_hex(32), REEVE_KEY_FILE=""))
    assert code in ("REEVE_EKEY", "REEVE_ENOCLUSTER")
    assert "refused our cluster key" in message and "REEVE_KEY is set here to another" in message
    far_cluster.head.until_logged(f"our_key={far_cluster.key_file}")
    works(far_cluster)


def test_missing_key(far_cluster):
    code, message = refusal(join(far_cluster, REEVE_KEY_FILE="/nonexistent/key"))
    assert code in ("REEVE_EKEY", "REEVE_ENOCLUSTER")
    assert "/nonexistent/key" in message
    works(far_cluster)


def test_malformed_key(far_cluster):
    code, message = refusal(join(far_cluster, REEVE_KEY="not hexadecimal", REEVE_KEY_FILE=""))
    assert code in ("REEVE_EKEY", "REEVE_ENOCLUSTER", "REEVE_EINVAL")
    assert "REEVE_KEY" in message and "64" in message
    works(far_cluster)


def test_key_of_everybody(far_cluster):
    """A key file that others may read is refused."""
    far_cluster.key_file.chmod(0o644)
    code, message = refusal(join(far_cluster))
    assert code in ("REEVE_EKEY", "REEVE_ENOCLUSTER")
    assert str(far_cluster.key_file)[:40] in message
    far_cluster.key_file.chmod(0o600)
    works(far_cluster)


def test_nodes_with_a_wrong_key(far_cluster, tmp_path):
    """Also a node that claims to be one: it ends, saying so, and the head goes on."""
    other = tmp_path / "other.key"
    other.touch(0o600)
    other.write_text(secrets.token_hex(32) + "\n")
    node = far_cluster.start_node(arguments=["--key-file", str(other)], name="stranger", within=0)
    assert node.popen.wait(settings.seconds(20)) != 0
    assert f"by `reeve head` to {other}" in node.said_path.read_text()
    assert "REEVE-NODE-FAILED" in node.log() and str(other) in node.log()
    works(far_cluster)
