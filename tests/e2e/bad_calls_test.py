"""Calls that go wrong. Each gives one clear message that names the thing and the remedy, and nothing else is lost: after each, a good
call is answered."""
import re
import socket

import pytest

from support import settings


def errors(out):
    """what -> (code, message, details) of programs/failures.c; and that the good call came last."""
    lines = out.splitlines()
    assert lines[-1] == "then: 9", out
    found = {}
    for line in lines:
        if " | " in line:
            what, _, rest = line.partition(": ")
            code, message, details = rest.rsplit(" | ", 1)[0].partition(" | ")[0], rest.split(" | ", 1)[1].rsplit(" | ", 1)[0], \
                dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", rest.rsplit(" | ", 1)[1]))
            found[what] = (code, message, details)
    return found


NODE = f"1 ({socket.gethostname()})"  # whoever reports: the worker, or its node


@pytest.fixture(params=["cluster", "inline"])
def mode(request):
    return {"REEVE_MODE": request.param}


ARGUMENTS = {
    "unknown function": ("REEVE_ENOFUNCTION", ["squaer"]),
    "wrong type": ("REEVE_ETYPE", ["argument 1", "x", "int64", "string"]),
    "wrong type of second": ("REEVE_ETYPE", ["argument 2", "int64", "string"]),
    "too large for int64": ("REEVE_ETYPE", ["argument 1", "int64", "18446744073709551615"]),
    "too few": ("REEVE_EARITY", ["from_file", "takes 2", "got 1"]),
    "too many": ("REEVE_EARITY", ["square", "takes 1", "got 2"]),
    "none": ("REEVE_EARITY", ["square", "got 0"]),
    "too deep": ("REEVE_EDEPTH", ["deeper than 32"]),
    "truncated": ("REEVE_EPROTOCOL", ["msgpack"]),
    "bytes left over": ("REEVE_EPROTOCOL", ["1 byte"]),
    "not an array": ("REEVE_EPROTOCOL", ["array"]),
    "nothing": ("REEVE_EPROTOCOL", ["msgpack"]),
}


def test_arguments(run, mode):
    found = errors(run("failures", "arguments", environment=mode).succeed())
    assert found.keys() == ARGUMENTS.keys()
    for what, (code, words) in ARGUMENTS.items():
        assert found[what][0] == code, (what, found[what])
        for word in words:
            assert word in found[what][1], (what, found[what])
    assert found["wrong type"][2]["function"] == "square"


def test_fails(run, mode):
    """What a function reports itself, and handles that are not live."""
    found = errors(run("failures", "fails", environment=mode).succeed())
    assert found["fail"][:2] == ("REEVE_EFUNCTION", "4 is no good")
    assert found["fail"][2]["function"] == "refuse" and found["fail"][2]["user_code"] == "77"
    assert found["fail"][2]["attempt"] == "1"
    assert found["fail"][2]["node"] == ("inline" if mode["REEVE_MODE"] == "inline" else NODE)
    assert found["of a future"][:2] == ("REEVE_EFUNCTION", "5 is no good")
    assert found["of a future"][2]["function"] == "refuse"
    assert found["stale"][0] == found["never a future"][0] == "REEVE_EHANDLE"
    assert found["bad option"][0] == "REEVE_EINVAL" and "cpus" in found["bad option"][1]


def test_infeasible(run):
    """More than any node has: said at once, not waited for."""
    found = errors(run("failures", "fails").succeed(10))
    code, message, _ = found["infeasible"]
    assert code == "REEVE_EINFEASIBLE" and "999" in message


def test_crash(run, mail):
    program = run("failures", "crash", mail.path)
    code, message, details = errors(program.succeed())["crash"]
    assert code == "REEVE_EWORKERDIED" and details["function"] == "crash" and details["attempt"] == "1"
    assert "SIGSEGV" in message or "signal 11" in message
    assert details["node"] == NODE and details["user_code"] == "-1007"  # to be passed on
    assert mail.count("crash") == 1


def test_crash_retried(run, mail):
    """Once, and three more times."""
    code, _, details = errors(run("failures", "crash_retried", mail.path).succeed())["crash"]
    assert code == "REEVE_EWORKERDIED" and details["attempt"] == "4"
    assert mail.count("crash") == 4


def test_exit(run, mail):
    found = errors(run("failures", "exit", mail.path).succeed())
    for status in "0", "3":
        code, message, details = found[f"exit {status}"]
        assert code == "REEVE_EWORKERDIED" and details["function"] == "leave"
        assert re.search(rf"\b{status}\b", message) and "exit" in message
    assert mail.count("leave") == 2


def test_timeout(run, mail):
    program = run("failures", "timeout", mail.path)
    code, message, details = errors(program.succeed())["timeout"]
    assert code == "REEVE_ETASKTIMEOUT" and details["function"] == "never_return"
    assert "300" in message or "0.3" in message
    assert mail.count("never_return") == 1
    assert program.took < settings.seconds(3)


def test_worker_killed(run, mail):
    """The task runs again, and the answer is right."""
    out = run("failures", "worker_dies", mail.path).succeed()
    assert errors(out)["die once"][0] == "REEVE_OK" and "answer: 42\n" in out
    assert mail.count("die_once") == 2


def test_too_large(run):
    """A result, and a value put, of 64 MB where there is room for 16."""
    found = errors(run("failures", "too_large", environment={"REEVE_STORE_SIZE": "16M"}).succeed())
    for what in "large", "put":
        code, message, _ = found[what]
        assert code in ("REEVE_ETOOLARGE", "REEVE_EFULL"), (what, found)
        assert re.search(r"store", message), (what, found)
    assert found["large"][2]["function"] == "large"


def test_forked(run, mode):
    """The child may not; the parent and its cluster do not notice."""
    out = run("failures", "forked", environment=mode).succeed()
    found = errors(out)
    assert found["child get"][0] == found["child call"][0] == "REEVE_EFORKED"
    assert "fork" in found["child get"][1]
    assert "child ended with 0\nparent: 16\n" in out


def test_after_shutdown(run, mode):
    out = run("failures", "after_shutdown", environment=mode).succeed()
    assert "second init: REEVE_EINVAL" in out and "already" in out
    assert "then: 9\ncall: REEVE_ESHUTDOWN" in out
    assert "get: REEVE_ESHUTDOWN" in out


def test_before_init(run, mode):
    found = errors(run("failures", "before_init", environment=mode).succeed())
    assert found["before init"][0] == "REEVE_ENOTINIT" and "reeve_init" in found["before init"][1]
