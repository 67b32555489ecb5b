"""Strangers and broken peers on every listener: each costs itself its connection and us a log line; the cluster works on."""
import os
import random
import secrets
import socket
import struct
import subprocess

import pytest

from conftest import find_program
from support import peer, processes, settings


@pytest.fixture
def small(empty_cluster):
    """A head and one node."""
    empty_cluster.start_head()
    empty_cluster.start_node(slots=1)
    return empty_cluster


def busy(small, mail, daemon):
    """In the middle of its work, when `daemon` is to be disturbed."""
    daemon.address = small.address if daemon is small.head else small.status()["nodes"][0]["address"]
    daemon.other = small.driver([find_program("gated"), 2, mail.path, mail.gate])
    mail.until_count("start", 1)
    small.target = daemon
    small.mail = mail
    return small


@pytest.fixture(params=["head", "node"])
def target(request, small, mail):
    """A cluster, each of whose daemons is the target in turn."""
    return busy(small, mail, small.head if request.param == "head" else small.nodes[0])


def still_works(cluster):
    """The work under way is finished, the same sessions are up, and more can be done."""
    cluster.mail.let_go()
    assert cluster.target.other.succeed() == "0 0\n1 3\ndone\n"
    assert len(cluster.nodes_up()) == 1
    assert cluster.driver([find_program("answers"), "types"]).succeed() == "ok types\n"
    for daemon in cluster.daemons:
        assert daemon.popen.poll() is None


def garbage():
    pick = random.Random(7)
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"\0" * 64
    yield b"\xff" * 64
    yield peer.sp_header(0x30)  # another protocol of nng's
    for size in (1, 7, 8, 9, 100, 70000):
        yield pick.randbytes(size)


def messages(stranger_key):
    """Bodies of whole nng messages that are no good frames."""
    pick = random.Random(8)
    yield b""
    yield b"RV"
    yield peer.header(peer.HELLO)
    for kind in range(0, 9):
        yield peer.header(kind, sequence=1) + pick.randbytes(100)
    yield peer.header(peer.HELLO, version=77) + pick.randbytes(40)
    yield peer.header(peer.MESSAGES, sequence=1, mac=pick.randbytes(16))
    hello = peer.Stranger(stranger_key).hello("tcp://127.0.0.1:1")
    for cut in range(29, len(hello), 17):
        yield hello[:cut]
    for _ in range(20):
        broken = bytearray(hello)
        broken[pick.randrange(28, len(hello))] ^= 1 << pick.randrange(8)
        yield bytes(broken)
    yield pick.randbytes(1000000)


def test_garbage(target):
    """What is not nng at all."""
    for data in garbage():
        connection = peer.connect(target.target.address, greet=False)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            peer.closed(connection)
        except OSError:
            pass
        connection.close()
    still_works(target)


def test_messages(target):
    """Messages of nng that are no frames of ours: the connection is closed."""
    for body in messages(bytes(32)):
        connection = peer.connect(target.target.address)
        try:
            connection.sendall(peer.framed(body))
        except ConnectionError:
            pass
        assert peer.closed(connection)
        connection.close()
    assert len(target.target.log().splitlines()) < 500
    still_works(target)


@pytest.mark.parametrize("size", [1 << 20 | 1 << 10, 1 << 31, 1 << 40, (1 << 64) - 1])
def test_oversized(target, size):
    """Announced, then begun."""
    connection = peer.connect(target.target.address)
    try:
        connection.sendall(struct.pack(">Q", size) + b"x" * 4096)
    except ConnectionError:
        pass
    assert peer.closed(connection)
    connection.close()
    still_works(target)


def test_truncated(target):
    """Half a message, then the end; half a message, then nothing: both cost no more than their connection."""
    half = peer.connect(target.target.address)
    half.sendall(struct.pack(">Q", 1000) + b"RV")
    half.close()
    silent = [peer.connect(target.target.address) for _ in range(3)]
    silent[0].sendall(struct.pack(">Q", 1000) + b"RV")
    for connection in silent:
        assert peer.closed(connection, 12)  # the time for a handshake is limited
        connection.close()
    still_works(target)


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_many_strangers(target):
    """Four hundred connections that say nothing: the oldest make room, and little memory is held."""
    before = memory_kb(target.target.pid)
    strangers = []
    for _ in range(400):
        strangers.append(peer.connect(target.target.address))
    if settings.SLOWNESS == 1:
        assert memory_kb(target.target.pid) - before < 16000
    still_works(target)
    for connection in strangers:
        connection.close()


def key_of(cluster):
    return bytes.fromhex(cluster.key)


def test_other_version(target):
    """It holds the key and speaks another version: it is told so."""
    stranger = peer.Stranger(key_of(target), version=99)
    connection = peer.connect(target.target.address)
    connection.sendall(peer.framed(stranger.hello(target.target.address)))
    kind, fields = stranger.answer()
    assert kind == peer.REFUSED
    text = fields[5].decode()
    assert "version 99" in text and f"version {peer.VERSION}" in text and "release" in text
    target.target.until_logged("version 99")
    stranger.close()
    connection.close()
    still_works(target)


def test_other_key(target):
    """A hello under another key is not answered: a stranger must not make a daemon dial anyone."""
    stranger = peer.Stranger(secrets.token_bytes(32))
    connection = peer.connect(target.target.address)
    connection.sendall(peer.framed(stranger.hello(target.target.address)))
    assert peer.closed(connection)
    assert stranger.answer(within=0.2) is None
    target.target.until_logged("cluster key")
    stranger.close()
    still_works(target)


def test_old_hello(target):
    """A hello of an hour ago, recorded and played again."""
    stranger = peer.Stranger(key_of(target))
    stranger.time_ms -= 3600 * 1000
    connection = peer.connect(target.target.address)
    connection.sendall(peer.framed(stranger.hello(target.target.address)))
    answer = stranger.answer(2)
    assert answer is None or (answer[0] == peer.REFUSED and "clock" in answer[1][5].decode())
    stranger.close()
    connection.close()
    still_works(target)


def test_hello_of_another(target):
    """A hello that was meant for another daemon."""
    stranger = peer.Stranger(key_of(target))
    connection = peer.connect(target.target.address)
    connection.sendall(peer.framed(stranger.hello("tcp://127.0.0.1:1")))
    kind, fields = stranger.answer()
    assert kind == peer.REFUSED and "127.0.0.1:1" in fields[5].decode()
    stranger.close()
    connection.close()
    still_works(target)


@pytest.mark.parametrize("frame", ["no proof", "wrong proof", "messages with a wrong mac", "messages out of sequence", "hello again"])
def test_after_the_challenge(target, frame):
    """One that has the key, gets as far as the handshake goes, and then does something else."""
    stranger = peer.Stranger(key_of(target))
    connection = peer.connect(target.target.address)
    hello = stranger.hello(target.target.address)
    connection.sendall(peer.framed(hello))
    kind, challenge = stranger.answer()
    assert kind == peer.CHALLENGE
    proof = stranger.proof(challenge)
    if frame == "no proof":
        connection.sendall(peer.framed(peer.header(peer.MESSAGES, sequence=1) + b"\x0a\x00"))
    elif frame == "wrong proof":
        connection.sendall(peer.framed(proof[:-1] + bytes([proof[-1] ^ 1])))
    elif frame == "hello again":
        connection.sendall(peer.framed(proof) + peer.framed(hello))
    else:
        sequence = 1 if "mac" in frame else 5
        connection.sendall(peer.framed(proof) + peer.framed(
            peer.header(peer.MESSAGES, sequence=sequence, mac=os.urandom(16)) + b"\x0a\x00"))
    assert peer.closed(connection)
    connection.close()
    stranger.close()
    still_works(target)


# --- a cluster of a program's own: abstract sockets, and only its own user ---

def private_sockets():
    return [name[1:] for name in local_names() if name.endswith(("-head", "-node"))]


@pytest.fixture
def own(run, mail):
    """The program of a cluster of its own, in the middle of its work."""
    program = run("gated", 2, mail.path, mail.gate)
    mail.until_count("start", 2)
    assert len(private_sockets()) == 2
    yield program
    mail.let_go()
    assert program.succeed() == "0 0\n1 3\ndone\n"


def test_private_garbage(own):
    for name in private_sockets():
        bodies = [*garbage(), *(peer.sp_header(peer.PUSH) + b"\1" + peer.framed(body) for body in messages(bytes(32))),
                  peer.sp_header(peer.PUSH) + b"\1" + struct.pack(">Q", 1 << 40), peer.sp_header(peer.PUSH) + b"\7garbage"]
        for data in bodies:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(settings.seconds(5))
            connection.connect("\0" + name)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                peer.closed(connection)
            except OSError:
                pass
            connection.close()


STRANGER = r"""
import os, socket, sys
os.setuid(65534)
for name, kind in ((sys.argv[1], socket.SOCK_STREAM), (sys.argv[2], socket.SOCK_SEQPACKET)):
    connection = socket.socket(socket.AF_UNIX, kind)
    connection.settimeout(10)
    connection.connect("\0" + name)
    try:
        connection.sendall(b"\0SP\0\0\x50\0\0" if kind == socket.SOCK_STREAM else bytes(1000))
        while connection.recv(1000):
            pass
    except ConnectionError:
        pass
print("closed")
"""


def test_other_user(own, home):
    """Another user of this machine is turned away, on every socket."""
    if os.geteuid() != 0:
        pytest.skip("needs to become another user")
    local = next(name[1:] for name in local_names() if name[1:] not in private_sockets())
    for name in private_sockets():
        done = subprocess.run(
            ["/usr/bin/python3", "-c", STRANGER, name, local], capture_output=True, text=True, check=False,
            timeout=settings.seconds(30), env={**home.environment})
        if "Invalid argument" in done.stderr:
            pytest.skip("no other user in this namespace")
        assert done.stdout == "closed\n", done.stderr


# --- the unix socket of a node daemon ---

LOCAL_KINDS = 27


def local_names():
    with open("/proc/net/unix", encoding="ascii", errors="replace") as file:
        names = {line.split()[-1] for line in file if "@reeve" in line}
    return sorted(names)


@pytest.fixture
def local(small, mail):
    """A cluster whose node daemon's socket is the target."""
    busy(small, mail, small.nodes[0])
    small.name = small.nodes[0].ready_line.split()[1]
    assert f"@{small.name}" in local_names()
    return small


def local_connect(cluster):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(settings.seconds(5))
    connection.connect("\0" + cluster.name)
    return connection


def test_local_garbage(local):
    """Random messages, of every size up to what the socket takes."""
    pick = random.Random(9)
    for size in (1, 2, 3, 100, 700, 1000, 4096, 100000):
        connection = local_connect(local)
        try:
            connection.send(pick.randbytes(size))
        except OSError:
            pass
        assert peer.closed(connection)
        connection.close()
    for kind in range(LOCAL_KINDS + 2):  # of the right size, before a hello
        for size in (160, 168, 176, 184, 192, 200, 680, 696, 704, 712):
            connection = local_connect(local)
            try:
                connection.send(struct.pack("<H", kind) + bytes(size - 2))
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            peer.closed(connection)
            connection.close()
    still_works(local)


def test_local_descriptors(local):
    """Descriptors that nobody asked for are not kept."""
    count = len(os.listdir(f"/proc/{local.target.pid}/fd"))
    for _ in range(50):
        connection = local_connect(local)
        with open("/dev/null", "rb") as null:
            try:
                socket.send_fds(connection, [b"\x01\x00" + bytes(182)], [null.fileno()] * 4)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        peer.closed(connection)
        connection.close()
    processes.until(lambda: len(os.listdir(f"/proc/{local.target.pid}/fd")) <= count, settings.seconds(3),
                    "descriptors closed again")
    still_works(local)


def test_local_silence(local):
    """Connections that say nothing, many of them."""
    connections = [local_connect(local) for _ in range(100)]
    still_works(local)
    for connection in connections:
        connection.close()
