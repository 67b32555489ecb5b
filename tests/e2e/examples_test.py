"""The examples: each does what its read-me says, and its answer is compared with one found in another way."""
import re
import struct
import zlib

import pytest

ONE = {"REEVE_SLOTS": "1"}
INLINE = {"REEVE_MODE": "inline", "REEVE_PROGRAM": "/nonexistent"}


# --- pi ---

def test_pi(run):
    """The same digits on any number of workers, and pi within the error that it states."""
    out = run("pi", 40, 7).succeed(60)
    estimate, error = map(float, re.match(r"pi = ([\d.]+) \+- ([\d.]+) from 40 streams", out).groups())
    assert abs(estimate - 3.14159265) < 5 * error
    # of one dart: 4 times a coin that falls on one side with pi / 4
    assert error == pytest.approx((3.14159 * (4 - 3.14159) / 40e6) ** 0.5, rel=0.5)
    assert run("pi", 40, 7, environment=ONE).succeed(60) == out
    assert run("pi", 40, 7, environment=INLINE).succeed(60) == out
    assert run("pi", 40, 8).succeed(60) != out


@pytest.mark.parametrize("arguments", [["1"], ["-3"], ["x"], ["3", "y"], ["100001"]])
def test_pi_is_told_nonsense(run, arguments):
    program = run("pi", *arguments)
    assert program.wait(10) == 2
    assert "expected a number" in program.err and arguments[-1] in program.err


# --- mandelbrot ---

def png(path):
    """(width, height, rows of bytes) of a PNG file with 8-bit RGB."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, size = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0]
        if kind == b"IHDR":
            size = struct.unpack(">IIBBBBB", body)
            assert size[2:4] == (8, 2)
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height = size[:2]
    raw, stride, rows = zlib.decompress(packed), 3 * width, []
    before = bytes(stride)
    for row in range(height):
        line = bytearray(raw[row * (stride + 1):(row + 1) * (stride + 1)])
        method, line = line[0], line[1:]
        for i in range(stride):
            left, up, corner = line[i - 3] if i >= 3 else 0, before[i], before[i - 3] if i >= 3 else 0
            guess = min((abs(up - corner), 0, left), (abs(left - corner), 1, up),
                        (abs(left + up - 2 * corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, guess)[method]) & 255
        before = bytes(line)
        rows.append(before)
    return width, height, rows


def test_mandelbrot(run, home):
    """Byte by byte what one process draws; and what is known of the set: symmetric, black inside, not outside."""
    path = home.work / "m.png"
    out = run("mandelbrot", "--check", "--size", "200x131", path).succeed(60)
    assert "the same picture" in out and f"{path}: 200 x 131 pixels in 12 tiles" in out
    width, height, rows = png(path)
    assert (width, height) == (200, 131)
    for row in range(height // 2):
        assert max(abs(a - b) for a, b in zip(rows[row], rows[height - 1 - row])) <= 1

    def pixel(re, im):
        column, row = round((re + 0.7) / 3.2 * width + width / 2 - 0.5), round(height / 2 - 0.5 - im / 3.2 * width)
        return rows[row][3 * column:3 * column + 3]

    for re_, im in [(0, 0), (-1, 0), (-0.2, 0.6), (-1.3, 0.0)]:
        assert pixel(re_, im) == b"\0\0\0"
    for re_, im in [(0.6, 0), (-2.2, 0.5), (0.4, 0.9), (-1, 0.7)]:
        assert pixel(re_, im) != b"\0\0\0"


def test_mandelbrot_cannot_write(run, home):
    program = run("mandelbrot", "--size", "20x20", home.work / "none" / "m.png")
    assert program.wait(20) == 1
    assert "none/m.png" in program.err


# --- sweep ---

def trials(program, count, status=0):
    """(lines of winners, what has become of how many)."""
    assert program.wait(100) == status, program.said()
    *winners, last = program.out.splitlines()
    total, *rest = map(int, re.findall(r"\d+", last))
    became = dict(zip(("won", "gave up", "diverged", "out of time", "cancelled", "failed"), rest))
    assert total == count == sum(rest) and became["won"] == len(winners) and became["failed"] == 0
    return winners, became


@pytest.mark.parametrize("slots", ["1", "2"])
def test_sweep(run, slots):
    """Three winners, who are as good on points that nobody has seen; the rest are stopped."""
    winners, became = trials(run("sweep", 40, 1, 60000, environment={"REEVE_SLOTS": slots}), 40)
    assert became["won"] >= 3 and became["cancelled"] > 0
    for line in winners:
        validated, fresh = map(float, re.findall(r"([\d.]+) %", line))
        assert validated >= 97 and fresh > 92


def test_sweep_of_bad_settings(run):
    """Some have no luck, and some blow up."""
    _, became = trials(run("sweep", 40, 2, 60000), 40)
    assert became["gave up"] > 0 and became["diverged"] > 0


def test_sweep_without_time(run):
    """None gets far in a millisecond: a trial says what it has, diverges, or its time is up."""
    _, became = trials(run("sweep", 40, 2, 1), 40, status=1)
    assert became["out of time"] > 20 and became["won"] == became["cancelled"] == 0


# --- matmul ---

@pytest.mark.parametrize("environment", [{}, ONE, INLINE])
def test_matmul(run, environment):
    """Panels of unequal width, and the answer of one process. How fast it is is shown, and depends on who else runs here."""
    first, times, last = run("matmul", 700, environment=environment).succeed(60).splitlines()
    assert first == "700 x 700, 9 tasks" and last == "the answers are equal"
    assert re.match(r"one process [\d.]+ s, tasks [\d.]+ s: [\d.]+ times as fast$", times)


@pytest.mark.parametrize("argument", ["0", "-3", "x", "8193", "3x"])
def test_matmul_is_told_nonsense(run, argument):
    program = run("matmul", argument)
    assert program.wait(10) == 2
    assert "expected a number" in program.err and argument in program.err
