"""A stranger on the wire: enough of nng's stream format, of the frames and of the handshake (runtime/wire/frame.h, handshake.h) to
behave badly in every way. Written from those descriptions, not from the code."""
import hashlib
import secrets
import select
import socket
import struct
import time

from . import settings

PUSH, PULL = 0x50, 0x51
HELLO, CHALLENGE, PROOF, MESSAGES, REFUSED, GOODBYE = range(1, 7)
VERSION = 7


def sp_header(protocol):
    return b"\0SP\0" + struct.pack(">HH", protocol, 0)


def framed(body):
    return struct.pack(">Q", len(body)) + body


def connect(address, greet=True):
    """A connection to an inbox, as nng makes it."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), settings.seconds(5))
    if greet:
        peer.sendall(sp_header(PUSH))
        assert receive(peer, 8) == sp_header(PULL)
    return peer


def receive(peer, size):
    """All of it, or what came before the end."""
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def closed(peer, within=10):
    """Waits for the other side to close."""
    peer.settimeout(settings.seconds(within))
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


# --- protobuf, the little that is needed ---

def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """Numbers are varints, bytes and strings are themselves, (number,) is a fixed64."""
    if isinstance(value, tuple):
        return varint(number << 3 | 1) + struct.pack("<Q", value[0])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(data):
    """The fields of a message; bytes stay bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        elif tag & 7 == 1:
            value = struct.unpack_from("<Q", data, at)[0]
            at += 8
        else:
            size = number()
            value = data[at:at + size]
            at += size
        fields[tag >> 3] = value
    return fields


def header(kind, version=VERSION, sequence=0, mac=bytes(16)):
    return b"RV" + bytes([version, kind]) + struct.pack("<Q", sequence) + mac


class Transcript:
    """What macs are made over: numbers in little endian, strings with their length before them."""

    def __init__(self, key, label, size=32):
        self.hash = hashlib.blake2b(key=key, digest_size=size)
        self.text(label)

    def number(self, value):
        self.hash.update(struct.pack("<Q", value & 0xffffffffffffffff))

    def text(self, value):
        value = value.encode() if isinstance(value, str) else value
        self.number(len(value))
        self.hash.update(value)

    def identity(self, identity):
        for value in (identity.uid, identity.incarnation, identity.role):
            self.number(value)
        self.text(identity.address)
        self.text(identity.release)


class Identity:
    def __init__(self, address, role=3, uid=None, incarnation=1, release="0.1.0"):
        self.uid = uid or secrets.randbits(63) + 1
        self.incarnation, self.role, self.address, self.release = incarnation, role, address, release

    def packed(self):
        return (field(1, (self.uid,)) + field(2, (self.incarnation,)) + field(3, self.role) + field(4, self.address)
                + field(5, self.release))


class Stranger:
    """Has an inbox, and says hello."""

    def __init__(self, key, role=3, version=VERSION):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.key, self.version = key, version
        self.me = Identity(f"tcp://127.0.0.1:{self.listener.getsockname()[1]}", role)
        self.nonce = secrets.token_bytes(32)
        self.time_ms = int(time.time() * 1000)
        self.dialled = None
        self.answer_connection = None

    def _begin(self, label):
        transcript = Transcript(self.key, label)
        transcript.number(self.version)
        transcript.identity(self.me)
        transcript.text(self.dialled)
        transcript.number(self.time_ms)
        transcript.text(self.nonce)
        return transcript

    def hello(self, dialled, mac=None):
        self.dialled = dialled
        mac = mac or self._begin("reeve hello").hash.digest()
        return header(HELLO) + (
            field(1, self.version) + field(2, self.me.packed()) + field(3, dialled) + field(4, (self.time_ms,))
            + field(5, self.nonce) + field(6, mac))

    def answer(self, within=5):
        """What the other side dials us to say: (kind, fields), or None when it does not."""
        if not select.select([self.listener], [], [], settings.seconds(within))[0]:
            return None
        connection, _ = self.listener.accept()
        self.answer_connection = connection
        connection.settimeout(settings.seconds(within))
        connection.sendall(sp_header(PULL))
        assert receive(connection, 8) == sp_header(PUSH)
        size, = struct.unpack(">Q", receive(connection, 8))
        body = receive(connection, size)
        assert body[:2] == b"RV"
        return body[3], parse(body[28:])

    def proof(self, challenge):
        """To a challenge whose own proof is checked."""
        other = parse(challenge[2])
        identity = Identity(other[4].decode(), other[3], other[1], other[2], other[5].decode())

        def full(label):
            transcript = self._begin(label)
            transcript.identity(identity)
            transcript.text(challenge[6])
            return transcript.hash.digest()
        assert full("reeve challenge") == challenge[7]
        return header(PROOF) + field(1, (self.me.uid,)) + field(2, (self.me.incarnation,)) + field(3, full("reeve proof"))

    def close(self):
        self.listener.close()
        if self.answer_connection:
            self.answer_connection.close()
