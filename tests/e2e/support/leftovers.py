"""The audit: after a test, nothing of ours may be left."""
import os
import pathlib
import time

from . import processes, settings


def _unix_sockets():
    """Abstract sockets with our name, in this network namespace."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        names = (line.split(None, 7)[7].strip() for line in file.readlines()[1:] if len(line.split(None, 7)) > 7)
        return sorted({name for name in names if "reeve" in name})


def _listening():
    ports = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    ports.append(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def _files(folders):
    return [str(path) for folder in folders for path in pathlib.Path(folder).rglob("*") if "reeve" in path.name]


def find(mark, folders=()):
    """What is left, as a list of words."""
    left = [str(process) for process in processes.marked(mark)]
    if settings.OWN_NAMESPACES:
        left += [f"unix socket {name}" for name in _unix_sockets()]
        left += [f"listening on port {port}" for port in _listening()]
    left += [f"file {name}" for name in _files(["/dev/shm", *folders])]
    return left


def check(mark, within=2.0, folders=()):
    """Nothing is left, or soon will not be. Returns how long that took."""
    begin = time.monotonic()
    processes.until(lambda: not find(mark, folders), settings.seconds(within), _Left(mark, folders))
    return time.monotonic() - begin


class _Left:
    """Looked up when it is printed: what is left then."""

    def __init__(self, mark, folders):
        self.mark, self.folders = mark, folders

    def __str__(self):
        return f"nothing left; there is: {find(self.mark, self.folders)}"


def memfds(pid):
    """Names of the memory files a process has open or mapped."""
    names = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            if target.startswith("/memfd:"):
                names.add(target)
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            names |= {line.split(None, 5)[5].strip() for line in file if "/memfd:reeve" in line}
    except OSError:
        pass
    return names
